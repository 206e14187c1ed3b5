#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make check: everything that must hold of the source besides the tests. Each part says what it found.
set -u
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL # each make below begins anew, with all cores
export WERROR=1
B=build/gcc-werror
bad=0
say() { printf '%-44s %s\n' "$1" "$2"; [ "$2" = ok ] || bad=1; }
part() { name=$1; shift; if out=$("$@" 2>&1); then say "$name" ok; else printf '%s\n' "$out" | tail -40; say "$name" FAILED; fi; }

formatted() { clang-format --dry-run -Werror $(git ls-files '*.c' '*.h'); }

# An include may only follow an arrow, README's map has them. In each room what is private stays there.
arrows() {
    local wrong
    wrong=$(for f in $(git ls-files 'tensor/*.[ch]' 'nn/*.[ch]' 'tok/*.[ch]' 'attr/*.[ch]' inseq.c); do
        sed -n 's/^#include "\([^"]*\)".*/\1/p' "$f" | while IFS= read -r target; do
            dir=$(dirname "$f"); case $target in *.def) continue ;; esac
            to=$(realpath -m --relative-to=. "$dir/$target")
            case $dir:$to in
                *:tensor/base.h) ;;                                                  # the side door, for everybody
                tensor:tensor/* | tok:tok/*) ;;
                nn:nn/*.h | nn/files:nn/files/*.h | nn/files:nn/nn.h | nn/models:nn/*.h | nn*:tensor/tensor.h) ;;
                attr*:attr/attr.h | attr*:attr/context.h | attr*:nn/nn.h | attr*:tensor/tensor.h) ;;
                attr/methods:attr/reports/* | attr:attr/reports/*) echo "$f includes $to" ;;
                attr:attr/*.h | attr/methods:attr/*.h | attr/reports:attr/reports/*.h | attr/results:attr/results/*.h) ;;
                attr/reports:attr/results/*.h) ;;                                    # reports show results
                attr/texts:attr/texts/*.h | attr/texts:tok/tok.h) ;;
                attr/commands:attr/*.h | attr/commands:tok/tok.h) ;;
                .:attr/*.h | .:tok/tok.h | .:nn/nn.h | .:tensor/*.h) ;;
                *) echo "$f includes $to" ;;
            esac
        done
    done)
    [ -z "$wrong" ] || { echo "$wrong"; return 1; }
}

# No two files call each other in a circle: which object needs a symbol of which, as the linker sees it.
circles() {
    nm -A $(find $B -name '*.o' | grep -v -e /kern_ -e /test/ -e /tools/) | awk '
        { file = $1; sub(/:.*/, "", file); sub(/^build\/gcc-werror\//, "", file); sub(/\.o$/, "", file); type = $(NF - 1); name = $NF }
        type == "U" { need[file, name] = 1 }
        type ~ /^[TDBRC]$/ { home[name] = file }
        END { for (k in need) { split(k, p, SUBSEP); if (p[2] in home && home[p[2]] != p[1]) print p[1], home[p[2]] } }' |
        tsort >/dev/null
}

# kern.c leaves one symbol in each of its objects.
kernel_symbols() {
    local o n
    for o in $B/tensor/kern_*.o; do
        n=$(nm -g --defined-only "$o" | wc -l)
        [ "$n" = 1 ] || { echo "$o exports $n symbols"; nm -g --defined-only "$o"; return 1; }
    done
}

# Every row of a table has its file, and every file that defines what a table lists has its row.
tables() {
    local wrong=0 def pattern what list file
    while read -r def pattern what; do
        for name in $(sed -n 's/^[A-Z]*(\([a-z0-9_]*\).*/\1/p' "$def"); do
            file=$(printf "$pattern" "$name"); [ -f "$file" ] || grep -Eqs "^(DECODER|KIN)\($name," "$(dirname "$file")"/*.c || { echo "$def: $name has no $file"; wrong=1; }
        done
        for file in $(printf "$pattern" '*'); do
            list=$(sed -n "s/^const [A-Za-z]* ${what}_\([a-z0-9_]*\) = .*/\1/p" "$file")
            [ -z "$list" ] || grep -q "($list[,)]" "$def" || { echo "$file: $list has no row in $def"; wrong=1; }
        done
    done <<EOF
tensor/ops.def tensor/op_%s.c op
nn/files/readers.def nn/files/read_%s.c reader
nn/files/quants.def nn/files/quant_%s.c quant
attr/methods/methods.def attr/methods/%s.c method
attr/reports/reports.def attr/reports/report_%s.c report
nn/models/models.def nn/models/%s.c family
tok/kinds.def tok/%s.c tokkind
attr/commands/commands.def attr/commands/cmd_%s.c command
attr/texts/rows.def attr/texts/rows_%s.c rows
EOF
    return $wrong
}

no_free() { ! grep -nE '[^_a-z](malloc|calloc|realloc|free)\(' $(git ls-files 'tensor/*.c' 'nn/*.c' 'tok/*.c' 'attr/*.c' | grep -v tensor/base.c); }
machine_ifs() { ! grep -nE '^#[[:space:]]*if.*__(AVX|ARM|x86|SSE|aarch)' $(git ls-files '*.c' '*.h' | grep -v -e tensor/vec.h -e tensor/cpu.c); }
demo_models() { (cd nn/demo && sha256sum --quiet -c SHA256); } # as tools/train.c made them
static_binary() { ! readelf -l inseq | grep -q INTERP; }

# At an address of its own, nothing both writable and executable, tables read-only, stacks and buffers watched.
hardened() {
    local p
    for p in inseq build/clang-werror/inseq build/musl-gcc-werror/inseq; do
        readelf -hW $p | grep -q 'Type:.*DYN' || { echo "$p is not position-independent"; return 1; }
        ! readelf -lW $p | grep -E 'LOAD|STACK' | grep E | grep W || { echo "$p: writable and executable"; return 1; }
        readelf -lW $p | grep -q GNU_RELRO || { echo "$p: no RELRO"; return 1; }
        ! readelf -dW $p | grep -q TEXTREL || { echo "$p: relocations in the text"; return 1; }
        nm ${p/#inseq/$B/inseq} | grep -q __stack_chk_fail || { echo "$p: no stack protector"; return 1; }
    done
    nm $B/attr/results/result_read.o | grep -q __stack_chk_fail || { echo "our own code has no stack protector"; return 1; }
    nm $B/*/*.o | grep -q 'U __[a-z]*_chk$' || { echo "no _FORTIFY_SOURCE"; return 1; }
}
licensed() { # the second line where the first names an interpreter
    local f bad=0
    for f in $(git ls-files '*.c' '*.h' '*.def' '*.sh' '*.py' Makefile .ci/run); do
        head -2 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$f: no SPDX-License-Identifier"; bad=1; }
    done
    return $bad
}
installed() { # into a folder of any name, and out of it again
    local to="$PWD/build/installed here"
    make -s install DESTDIR="$to" PREFIX=/opt/inseq && "$to/opt/inseq/bin/inseq" --version >/dev/null &&
        gzip -dc "$to/opt/inseq/share/man/man1/inseq.1.gz" | grep -q '^.SH EXIT STATUS' &&
        gzip -dc "$to/opt/inseq/share/man/man7/inseq-methods.7.gz" | grep -q '^.SH STEP FUNCTIONS' &&
        gzip -dc "$to/opt/inseq/share/man/man5/inseq-formats.5.gz" | grep -q '^.SH DATA FILES' &&
        bash -n "$to/opt/inseq/share/bash-completion/completions/inseq" &&
        grep -q '^#compdef inseq' "$to/opt/inseq/share/zsh/site-functions/_inseq" &&
        grep -q '^complete -c inseq' "$to/opt/inseq/share/fish/vendor_completions.d/inseq.fish" &&
        make -s uninstall DESTDIR="$to" PREFIX=/opt/inseq && [ -z "$(find "$to" -type f)" ]
}
readme() {
    mkdir -p build/readme && tools/readme.sh build/readme && diff build/readme/README README &&
        cmp build/readme/heatmap.svg tools/heatmap.svg
}
with_clang() { make -s CC=clang CFLAGS='-O1' build/clang-werror/inseq; }
with_musl() {
    mkdir -p build/musl-include && cp /usr/include/utf8proc.h build/musl-include/
    make -s CC=musl-gcc CFLAGS='-O2 -isystem build/musl-include' UTF8PROC="$(find /usr/lib -name libutf8proc.a | head -1)" build/musl-gcc-werror/inseq
}
sanitized() { make -s SAN=1 FAULTS=1 CFLAGS='-O1 -g' tests; }

make -s || exit 1
part "format" formatted
part "include arrows" arrows
part "no circle between files" circles
part "one symbol for each kernel object" kernel_symbols
part "tables and files agree" tables
part "memory comes from arenas" no_free
part "machine #ifs stay in vec.h and cpu.c" machine_ifs
part "models inside as they were trained" demo_models
part "static binary" static_binary
part "licence named in every file" licensed
part "README's heatmaps are current" readme
part "clang, warnings as errors" with_clang
part "musl, static" with_musl
part "hardened" hardened
part "make install, make uninstall" installed
part "completions in the shells there are" tools/completion.sh
part "the same bytes, built elsewhere" tools/reproducible.sh
part "tests under ASan and UBSan" sanitized
exit $bad
