#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Opens every export with the programs that it is for, as far as they are here: xmllint (svg), python3 with pandas and numpy
# (csv, tsv, json, jsonl, npz), pdflatex and lualatex (tex), cmark-gfm (md). Twice: the demonstration's translation, and the
# same with tokens made to harm.   tools/readers.sh [INSEQ]
set -eu
inseq=$(realpath "${1:-$(dirname "$0")/../inseq}")
python=${PYTHON:-python3}
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT
cd "$to"
bad=0
has() { command -v "$1" >/dev/null; }
say() { printf '%-44s %s\n' "$1" "$2"; }
check() { local what=$1; shift; if "$@" >log 2>&1; then say "$what" ok; else tail -20 log; say "$what" FAILED; bad=1; fi; }

export_all() { # RESULT NAME
    local end all=()
    for end in html svg csv tsv md tex json jsonl npz csv.gz; do all+=(--export "$2.$end"); done
    "$inseq" show "$1" --hide "${all[@]}"
    "$inseq" show "$1" --hide --granularity word --width 60 --percent --digits 1 --export "$2-words.tex" --export "$2-words.md" \
        --export "$2-words.svg" --export "$2-words.npz"
}
"$inseq" attribute -m demo/en-nl -a input_x_gradient --attribute_target --step_scores probability entropy --hide \
    -i "The nurse went to the hospital." "It is raining cats and dogs today." -o saved.json
sed -e 's|"\\u2581The"|"\\\\input{/etc/passwd}"|g' -e 's|"\\u2581nurse"|"a\|b\\t\\"c\\" \& %x_y^z~$#{}"|g' -e 's|"\\u2581went"|"=1+1"|g' \
    -e 's|"\\u2581to"|"\\u202eabc\\u0000\\u001b[31m"|g' -e 's|"\\u2581the"|"\\n\\r\\n"|g' -e 's|"\\u2581De"|"\\\\end{document}"|g' \
    -e 's|"\\u2581is"|"<script>alert(1)</script>"|g' -e 's|"\\u2581ging"|"\\u4eca\\u5929 \\u0301\\ud83d\\ude00"|g' \
    -e 's|"\\u2581it"|"`]]>*_[x](y)"|g' -e 's|"\\u2581het"|"--"|g' saved.json >strange.json
export_all saved.json plain
export_all strange.json hostile
cmp <("$inseq" show saved.json --format npz) plain.npz

tables() {
    "$python" - "$1" <<'PY'
import json, sys
import numpy as np, pandas as pd
name = sys.argv[1]
flat = json.load(open(name + ".json"))["sequences"]
csv, tsv, packed = pd.read_csv(name + ".csv"), pd.read_csv(name + ".tsv", sep="\t"), pd.read_csv(name + ".csv.gz")
assert csv.equals(tsv) and csv.equals(packed)
lines = pd.read_json(name + ".jsonl", lines=True)
z = np.load(name + ".npz", allow_pickle=False)
assert len(lines) == len(flat) == csv.sequence.nunique()
for i, s in enumerate(flat):
    assert lines.source_tokens[i] == s["source_tokens"]
    assert [t.rstrip("\0") for t in s["source_tokens"]] == z[f"s{i}_source_tokens"].tolist()
    x = np.array(s["source_attributions"], dtype=np.float32)
    assert (x == z[f"s{i}_source"]).all()
    y = np.array([[np.nan if v is None else v for v in r] for r in s["target_attributions"]], dtype=np.float32)
    assert np.array_equal(y, z[f"s{i}_target"], equal_nan=True)
    rows = csv[(csv.sequence == i) & (csv.side == "source")]
    long = rows.pivot(index="input_index", columns="target_index", values="score").to_numpy().astype(np.float32)
    assert (long == x).all()
    assert (z[f"s{i}_step_probability"] == np.array(s["step_scores"]["probability"], dtype=np.float32)).all()
PY
}
latex() { # PROGRAM FILE
    "$1" -interaction=nonstopmode -halt-on-error -output-directory "$to" "$2" </dev/null &&
        ! grep -q passwd:x: <(pdftotext "${2%.tex}.pdf" - 2>/dev/null)
}
inside() { # the tables as a part of another document
    printf '%s\n' '\documentclass{article}\usepackage{booktabs}\usepackage[table]{xcolor}\usepackage[T1]{fontenc}' \
        "\\begin{document}before \\input{$1} after\\end{document}" >outer.tex
    latex pdflatex outer.tex
}
markdown() { # no markup but tables, emphasis and line breaks comes out of it
    cmark-gfm -e table -e autolink --unsafe "$1" >page &&
        ! grep -oE '<[a-z0-9]+' page | grep -vxE '<(h[12]|p|strong|em|table|thead|tbody|tr|th|td|br)'
}
for name in plain hostile; do
    if has xmllint; then
        for f in $name $name-words; do check "xmllint $f.svg" xmllint --nonet --noout $f.svg; done
    else say "xmllint $name.svg" "not here"; fi
    if "$python" -c 'import pandas, numpy' 2>/dev/null; then check "pandas, numpy $name.*" tables $name
    else say "pandas, numpy $name.*" "not here"; fi
    for tex in pdflatex lualatex; do
        if has $tex; then
            for f in $name $name-words; do check "$tex $f.tex" latex $tex $f.tex; done
        else say "$tex $name.tex" "not here"; fi
    done
    if has pdflatex; then check "\\input{$name.tex}" inside $name.tex; fi
    if has cmark-gfm; then check "cmark-gfm $name.md" markdown $name.md; else say "cmark-gfm $name.md" "not here"; fi
done
exit $bad
