#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the tokenizer models and expected outputs in ../tokenizers with the real libraries.

    python make_tokenizer_cases.py train           small .model files -> ../tokenizers/models/trained, marian-mini*, t5-mini
    python make_tokenizer_cases.py spm             SentencePiece-level cases -> ../tokenizers/cases/spm/*.jsonl
    python make_tokenizer_cases.py hf              transformers-level cases  -> ../tokenizers/cases/hf/*.jsonl
    python make_tokenizer_cases.py check           runs spm and hf into a scratch folder and compares with what is on disk

Needs: pip install sentencepiece transformers tokenizers protobuf sacremoses  (versions used: see ../tokenizers/README.md)
Options: --models DIR --out DIR --texts FILE.jsonl (lines {"kind":..,"text":..} or {"kind":..,"text_b64":..}) --only NAME
`train` is not run again by `check`: the .model files themselves are the fixed input of all cases.
"""
import argparse
import base64
import filecmp
import hashlib
import json
import os
import random
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
BASE = os.path.join(HERE, "..", "..", "test", "golden", "tokenizers")
LONG = 300  # more pieces than this: only ids are kept


def dumps(o):
    return json.dumps(o, ensure_ascii=False, separators=(",", ":"))


def put_bytes(rec, key, b):
    """Stores bytes as text when they are valid UTF-8, else as base64 under key_b64."""
    try:
        rec[key] = b.decode("utf-8")
    except UnicodeDecodeError:
        rec[key + "_b64"] = base64.b64encode(b).decode()


# --------------------------------------------------------------------------- training

UDS = ["<sep>", "<mask>", "ab", "abc", "bcd", "▁the▁", "ＡＢ", "::", "😀", "x y"]
RULES = "\n".join([
    "61 62 63\t58",          # abc -> X (longest of three overlapping rules)
    "61 62\t59",             # ab -> Y
    "61\t61 61",             # a -> aa (an expansion)
    "31 32\t20",             # 12 -> space
    "33\t20 33 20",          # 3 -> " 3 "
    "64\t",                  # d -> nothing
    "E9\t65 301",            # é -> e + combining acute
    "3000\t20", "A0\t20 20", "9\t20",
]) + "\n"
DENORM = "58\t61 62 63\n71 75\t6B 77\n7A\t\n"

RECIPES = {
    # name: (source texts, options); only names that --only allows are made
    "uni_nmt_nfkc": ("mix", dict(model_type="unigram", vocab_size=2000, normalization_rule_name="nmt_nfkc")),
    "uni_nfkc": ("en", dict(model_type="unigram", vocab_size=800, normalization_rule_name="nfkc")),
    "uni_nmt_nfkc_cf": ("en", dict(model_type="unigram", vocab_size=600, normalization_rule_name="nmt_nfkc_cf")),
    "uni_identity": ("mix", dict(model_type="unigram", vocab_size=1500, normalization_rule_name="identity")),
    "uni_bytes": ("en", dict(model_type="unigram", vocab_size=900, normalization_rule_name="identity", byte_fallback=True, character_coverage=0.99)),
    "uni_user": ("en", dict(model_type="unigram", vocab_size=700, normalization_rule_name="nfkc", user_defined_symbols=UDS, control_symbols=["<ctl>", "<2fr>"], pad_id=3)),
    "uni_nodummy": ("en", dict(model_type="unigram", vocab_size=600, normalization_rule_name="identity", add_dummy_prefix=False)),
    "uni_keepspace": ("en", dict(model_type="unigram", vocab_size=600, normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True)),
    "uni_suffix": ("en", dict(model_type="unigram", vocab_size=600, normalization_rule_name="identity", treat_whitespace_as_suffix=True)),
    "uni_digits": ("en", dict(model_type="unigram", vocab_size=600, normalization_rule_name="identity", split_digits=True)),
    "uni_crossword": ("en", dict(model_type="unigram", vocab_size=900, normalization_rule_name="identity", split_by_whitespace=False, split_by_unicode_script=False, split_by_number=False, max_sentencepiece_length=24)),
    "uni_ids": ("en", dict(model_type="unigram", vocab_size=500, normalization_rule_name="identity", pad_id=0, eos_id=1, unk_id=7, bos_id=-1, unk_piece="[UNK]", eos_piece="[END]", pad_piece="[PAD]", unk_surface="[?]")),
    "uni_rules": ("en", dict(model_type="unigram", vocab_size=500, rules=RULES, denorm=DENORM)),
    "bpe_nmt_nfkc": ("mix", dict(model_type="bpe", vocab_size=1500, normalization_rule_name="nmt_nfkc")),
    "bpe_llama": ("en", dict(model_type="bpe", vocab_size=900, normalization_rule_name="identity", byte_fallback=True, remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True)),
    "bpe_user": ("en", dict(model_type="bpe", vocab_size=700, normalization_rule_name="identity", user_defined_symbols=UDS, control_symbols=["<ctl>"], add_dummy_prefix=False)),
    "bpe_suffix": ("en", dict(model_type="bpe", vocab_size=600, normalization_rule_name="identity", treat_whitespace_as_suffix=True)),
    "char_nfkc": ("mix", dict(model_type="char", vocab_size=400, normalization_rule_name="nfkc")),
    "char_user": ("en", dict(model_type="char", vocab_size=380, normalization_rule_name="identity", user_defined_symbols=UDS, byte_fallback=True)),
    "uni_unused": ("en", dict(model_type="unigram", vocab_size=700, normalization_rule_name="identity", unused=5)),
    "bpe_unused": ("en", dict(model_type="bpe", vocab_size=700, normalization_rule_name="identity", unused=5)),
    "uni_oddproto": ("en", dict(model_type="unigram", vocab_size=400, normalization_rule_name="identity", byte_fallback=True, odd=True)),
    "word_identity": ("en", dict(model_type="word", vocab_size=700, normalization_rule_name="identity")),
    "word_suffix": ("en", dict(model_type="word", vocab_size=500, normalization_rule_name="identity", treat_whitespace_as_suffix=True)),
}


def corpus(texts_dir, which):
    from tokenizer_texts import read_corpus
    en = read_corpus("botchan.txt")
    ja = read_corpus("wagahaiwa_nekodearu.txt")
    return {"en": en, "ja": ja[:1500], "mix": en + ja[:500]}[which]


def train_one(prefix, lines, opts):
    import sentencepiece as spm
    opts = dict(opts)
    unused, odd = opts.pop("unused", 0), opts.pop("odd", False)
    if any("\u3040" <= c <= "\u30ff" for c in lines[-1] + lines[-2] + lines[-3]):
        opts.setdefault("character_coverage", 0.98)  # thousands of kanji would not fit the small vocabularies
    with tempfile.TemporaryDirectory() as tmp:
        if "rules" in opts:
            p = os.path.join(tmp, "rules.tsv")
            open(p, "w").write(opts.pop("rules"))
            opts["normalization_rule_tsv"] = p
        if "denorm" in opts:
            p = os.path.join(tmp, "denorm.tsv")
            open(p, "w").write(opts.pop("denorm"))
            opts["denormalization_rule_tsv"] = p
        out = os.path.join(tmp, "m")
        src = os.path.join(tmp, "in.txt")
        with open(src, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        spm.SentencePieceTrainer.train(input=src, model_prefix=out, num_threads=1, hard_vocab_limit=False, minloglevel=2,
                                       max_sentence_length=20000, **opts)
        # the paths of the temporary folder must not end up inside the model
        from sentencepiece import sentencepiece_model_pb2 as pb
        m = pb.ModelProto()
        m.ParseFromString(open(out + ".model", "rb").read())
        del m.trainer_spec.input[:]
        m.trainer_spec.model_prefix = os.path.basename(prefix)
        m.normalizer_spec.normalization_rule_tsv = ""
        m.denormalizer_spec.normalization_rule_tsv = ""
        if not m.denormalizer_spec.precompiled_charsmap:
            m.ClearField("denormalizer_spec")
        if unused:  # every n-th normal piece is switched off, as set_vocabulary() would do
            for k, p in enumerate(m.pieces):
                if p.type == 1 and k % unused == 0:
                    p.type = 5
        blob = m.SerializeToString()
        if odd:  # unknown fields of every wire type around the message, as protobuf allows
            extra = b"\xc0\x0c\x96\x01" + b"\xc9\x0c" + b"12345678" + b"\xd2\x0c\x05hello" + b"\xdd\x0c" + b"abcd"
            blob = extra + blob + extra
        os.makedirs(os.path.dirname(prefix), exist_ok=True)
        open(prefix + ".model", "wb").write(blob)


def do_train(args):
    models = args.models
    for name, (src, opts) in RECIPES.items():
        if args.only and name not in args.only:
            continue
        train_one(os.path.join(models, "trained", name), corpus(None, src), opts)
    if args.only:
        return
    import sentencepiece as spm
    # t5-mini: T5's id layout (pad 0, eos 1, unk 2) with a small vocabulary
    train_one(os.path.join(models, "t5-mini", "spiece"), corpus(None, "en"),
              dict(model_type="unigram", vocab_size=500, normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    json.dump({"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "model_max_length": 512, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
              open(os.path.join(models, "t5-mini", "tokenizer_config.json"), "w"), indent=1)
    # marian-mini: two .spm files and one joint vocab.json with language codes; marian-mini-sep: separate_vocabs
    for d, sep in (("marian-mini", False), ("marian-mini-sep", True)):
        os.makedirs(os.path.join(models, d), exist_ok=True)
        norm = "identity" if sep else "nmt_nfkc"
        for side, src in (("source", "en"), ("target", "ja")):
            train_one(os.path.join(models, d, side), corpus(None, src), dict(model_type="unigram", vocab_size=400 if side == "source" else 1800, normalization_rule_name=norm))
            os.replace(os.path.join(models, d, side + ".model"), os.path.join(models, d, side + ".spm"))
        toks = []
        for side in ("source", "target"):
            sp = spm.SentencePieceProcessor(model_file=os.path.join(models, d, side + ".spm"))
            toks.append([sp.id_to_piece(i) for i in range(sp.get_piece_size()) if i > 2])

        def vocab(pieces, codes):
            v = {}
            for t in ["</s>", "<unk>"] + codes + sorted(set(pieces)) + ["<pad>"]:
                v.setdefault(t, len(v))
            return v
        w = lambda n, v: json.dump(v, open(os.path.join(models, d, n), "w", encoding="utf-8"), ensure_ascii=False, indent=0)
        if sep:
            w("vocab.json", vocab(toks[0], []))
            w("target_vocab.json", vocab(toks[1], []))
        else:
            # a few pieces are left out on purpose, as in real Marian vocabularies
            drop = set(random.Random(3).sample(sorted(set(toks[0]) | set(toks[1])), 60))
            w("vocab.json", vocab([t for t in toks[0] + toks[1] if t not in drop], [">>fra<<", ">>jpn<<"]))
        w("tokenizer_config.json", {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "ja", "separate_vocabs": sep, "model_max_length": 512})


# --------------------------------------------------------------------------- SentencePiece level

def find_spm(models):
    out = {}
    for root, _, files in sorted(os.walk(models)):
        for f in sorted(files):
            if f.endswith((".model", ".spm")):
                p = os.path.join(root, f)
                rel = os.path.relpath(p, models)
                name = rel.rsplit(".", 1)[0].replace(os.sep, "-").replace("trained-", "").replace("spm-", "")
                if f == "vocab.joint.spm":
                    name = "marian-joint"
                out[name] = rel
    return out


def describe(path):
    from sentencepiece import sentencepiece_model_pb2 as pb
    b = open(path, "rb").read()
    m = pb.ModelProto()
    m.ParseFromString(b)
    t, n = m.trainer_spec, m.normalizer_spec
    kinds = {}
    for p in m.pieces:
        k = pb.ModelProto.SentencePiece.Type.Name(p.type)
        kinds[k] = kinds.get(k, 0) + 1
    return {
        "bytes": len(b), "sha256": hashlib.sha256(b).hexdigest(), "type": pb.TrainerSpec.ModelType.Name(t.model_type), "pieces": len(m.pieces), "kinds": kinds,
        "normalizer": n.name, "charsmap_bytes": len(n.precompiled_charsmap), "denormalizer_charsmap_bytes": len(m.denormalizer_spec.precompiled_charsmap),
        "add_dummy_prefix": n.add_dummy_prefix, "remove_extra_whitespaces": n.remove_extra_whitespaces, "escape_whitespaces": n.escape_whitespaces,
        "treat_whitespace_as_suffix": t.treat_whitespace_as_suffix, "byte_fallback": t.byte_fallback, "unk_surface": t.unk_surface,
        "unk_id": t.unk_id, "bos_id": t.bos_id, "eos_id": t.eos_id, "pad_id": t.pad_id,
    }


def load_texts(args):
    if args.texts:
        out = []
        for l in open(args.texts, encoding="utf-8"):
            o = json.loads(l)
            out.append((o["kind"], base64.b64decode(o["text_b64"]) if "text_b64" in o else o["text"]))
        return out
    from tokenizer_texts import make_lines
    return make_lines()


def own_symbols(sp):
    """Lines made from this model's own special pieces, so that each kind of piece is met in text."""
    n = sp.get_piece_size()
    rng = random.Random(n)
    ctl = [i for i in range(n) if sp.is_control(i) or sp.is_unknown(i)][:6]
    byt = [i for i in range(n) if sp.is_byte(i)][::90]
    try:
        from sentencepiece import sentencepiece_model_pb2 as pb
        m = pb.ModelProto()
        m.ParseFromString(sp.serialized_model_proto())
        uds = [i for i, p in enumerate(m.pieces) if p.type == 4]
        uns = [i for i, p in enumerate(m.pieces) if p.type == 5]
    except ImportError:
        uds, uns = [], []
    lines = []
    for i in ctl + byt + rng.sample(uds, min(10, len(uds))) + rng.sample(uns, min(3, len(uns))):
        s = sp.id_to_piece(i)
        lines += [s, "a" + s + "b", " " + s + "  " + s + " "]
        if i in uds:
            lines += [s * 3, s[:-1] + " " + s[1:], "Ａ" + s + "́ ﬁ"]
    return [("own", s) for s in lines]


def spm_case(sp, kind, text):
    raw = text if isinstance(text, bytes) else text.encode("utf-8")
    ids = sp.encode(raw, out_type=int)
    rec = {"kind": kind}
    put_bytes(rec, "text", raw)
    rec["ids"] = ids
    if len(ids) > LONG:
        return rec
    pieces = sp.encode(raw, out_type=bytes)
    assert len(pieces) == len(ids)
    try:
        rec["pieces"] = [p.decode("utf-8") for p in pieces]
    except UnicodeDecodeError:
        rec["pieces_b64"] = [base64.b64encode(p).decode() for p in pieces]
    put_bytes(rec, "normalized", sp.normalize(raw))
    rec["decoded"] = sp.decode(ids)
    return rec


def decode_cases(sp, name, seed):
    rng = random.Random("%s/%d" % (name, seed))
    n = sp.get_piece_size()
    special = [i for i in range(n) if sp.is_control(i) or sp.is_unknown(i)]
    byts = [i for i in range(n) if sp.is_byte(i)]
    ws = [i for i in range(n) if sp.id_to_piece(i).startswith("▁")]
    seqs = [[]] + [[i] for i in special[:4]] + [[ws[0]], [ws[0], ws[0]], [ws[0]] * 3] if ws else [[]]
    for _ in range(40):
        seqs.append([rng.randrange(n) for _ in range(rng.randint(1, 14))])
    for _ in range(25):
        s = []
        for _ in range(rng.randint(2, 16)):
            pool = rng.choice([range(n), special or range(n), byts or range(n), ws or range(n)])
            s.append(rng.choice(pool))
        seqs.append(s)
    if byts:
        by = {int(sp.id_to_piece(i)[3:5], 16): i for i in byts}
        for b in ["é".encode(), "日本".encode(), "😀".encode(), b"\xe2\x96\x81", b"\xe2\x96\x81a", b"\xff\xfe", b"\xe3\x81", b"a\xf0\x9f\x98", b"\xed\xa0\x80", b"\x00", b"  x", b"\xc3\xc3\xa9"]:
            seqs.append([by[c] for c in b])
            seqs.append([rng.choice(ws or [0])] + [by[c] for c in b] + [rng.choice(ws or [0])])
    return [{"ids": s, "decoded": sp.decode(s)} for s in seqs]


def write(path, recs):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        for r in recs:
            f.write(dumps(r) + "\n")


# models whose options are simple get a thinned list (every line of these kinds, two in five of the rest)
FULL = {"t5-spiece", "opus-mt-en-mg-source", "opus-mt-en-mg-target", "marian-joint", "uni_nmt_nfkc", "uni_user", "bpe_llama", "llama2-tokenizer", "uni_rules", "hf_bytefallback"}
ALWAYS = {"space", "special", "bytes", "control", "own"}


def do_spm(args):
    import sentencepiece as spm
    lines = load_texts(args)
    index = {}
    for name, rel in find_spm(args.models).items():
        path = os.path.join(args.models, rel)
        index[name] = dict(path=rel.replace(os.sep, "/"), **describe(path))
        if args.only and name not in args.only:
            continue
        sp = spm.SentencePieceProcessor(model_file=path)
        mine = lines + own_symbols(sp)
        if name not in FULL and not args.full:
            mine = [x for k, x in enumerate(mine) if x[0] in ALWAYS or (k + len(name)) % 5 < 2]
        write(os.path.join(args.out, "spm", name + ".jsonl"), [spm_case(sp, k, t) for k, t in mine])
        write(os.path.join(args.out, "spm", name + ".decode.jsonl"), decode_cases(sp, name, args.seed))
    json.dump(index, open(os.path.join(args.out, "models.json"), "w"), indent=1, ensure_ascii=False)


# --------------------------------------------------------------------------- transformers level

def hf_loaders(models):
    from transformers import AutoTokenizer, MarianTokenizer, T5Tokenizer
    m = lambda *p: os.path.join(models, *p)
    joint = lambda: MarianTokenizer(source_spm=m("marian-joint", "vocab.joint.spm"), target_spm=m("marian-joint", "vocab.joint.spm"), vocab=m("marian-joint", "vocab.json"), source_lang="", target_lang="tmp")
    all_ = {
        "t5": (m("t5"), lambda: AutoTokenizer.from_pretrained(m("t5"))),
        "t5-mini": (m("t5-mini"), lambda: AutoTokenizer.from_pretrained(m("t5-mini"))),
        "opus-mt-en-mg": (m("opus-mt-en-mg"), lambda: AutoTokenizer.from_pretrained(m("opus-mt-en-mg"))),
        "marian-mini": (m("marian-mini"), lambda: MarianTokenizer.from_pretrained(m("marian-mini"))),
        "marian-mini-sep": (m("marian-mini-sep"), lambda: MarianTokenizer.from_pretrained(m("marian-mini-sep"))),
        "marian-joint": (m("marian-joint"), joint),
        "gpt2": (m("gpt2"), lambda: AutoTokenizer.from_pretrained(m("gpt2"))),
        "phi3": (m("phi3"), lambda: AutoTokenizer.from_pretrained(m("phi3"))),
        "llama2": (m("llama2"), lambda: AutoTokenizer.from_pretrained(m("llama2"))),
    }
    for d in sorted(os.listdir(models)):
        if d not in all_ and d not in ("spm", "trained") and os.path.isdir(m(d)) and os.path.exists(m(d, "tokenizer_config.json")):
            all_[d] = (m(d), lambda d=d: AutoTokenizer.from_pretrained(m(d)))
    return {k: v[1] for k, v in all_.items() if os.path.isdir(v[0])}


def decodes(tok, ids, **kw):
    r = {}
    for key, skip, clean in (("decoded", False, False), ("decoded_skip", True, False), ("decoded_clean", False, True), ("decoded_skip_clean", True, True)):
        r[key] = tok.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=clean, **kw)
    # equal ones are not repeated
    if r["decoded_clean"] == r["decoded"]:
        del r["decoded_clean"]
    if r["decoded_skip_clean"] == r["decoded_skip"]:
        del r["decoded_skip_clean"]
    return r


def affixes(tok):
    """Ids that the tokenizer puts before and after every text (bos / eos), seen on a plain word."""
    full, bare = tok("hello").input_ids, tok("hello", add_special_tokens=False).input_ids
    for k in range(len(full) - len(bare) + 1):
        if full[k:k + len(bare)] == bare:
            return full[:k], full[k + len(bare):]
    raise ValueError("no plain run")


def hf_case(tok, kind, text, marian):
    ids = tok(text).input_ids
    rec = {"kind": kind, "text": text, "ids": ids}
    plain = tok(text, add_special_tokens=False).input_ids
    pre, post = affixes(tok)
    if pre + plain + post != ids:
        rec["ids_plain"] = plain
    if marian:
        tids = tok(text_target=text).input_ids
        if tids != ids:
            rec["target_ids"] = tids
    if len(ids) > LONG:
        return rec
    rec["tokens"] = tok.convert_ids_to_tokens(ids)
    rec.update(decodes(tok, ids))
    if marian:
        t = tok.convert_ids_to_tokens(tids)
        if tids != ids or t != rec["tokens"]:
            rec["target_tokens"] = t
        d = tok.decode(tids)                                     # what a program prints after generate()
        d2 = tok.decode(tids, use_source_tokenizer=False)
        rec["target_decoded"] = d
        if d2 != d:
            rec["target_decoded_by_target_spm"] = d2
    return rec


def hf_decode_cases(tok, name, seed):
    rng = random.Random("%s/%d" % (name, seed))
    n = len(tok)
    special = sorted(set(tok.all_special_ids))
    out = []
    for k in range(70):
        s = [rng.randrange(n) if rng.random() < (1 if k < 40 else 0.6) else rng.choice(special) for _ in range(rng.randint(1, 16))]
        r = {"ids": s, "tokens": tok.convert_ids_to_tokens(s)}
        r.update(decodes(tok, s))
        out.append(r)
    return out


def do_hf(args):
    import transformers
    transformers.logging.set_verbosity_error()
    lines = [(k, t) for k, t in load_texts(args) if not isinstance(t, bytes)]
    props = {}
    for name, load in hf_loaders(args.models).items():
        if args.only and name not in args.only:
            continue
        tok = load()
        marian = type(tok).__name__ == "MarianTokenizer"
        write(os.path.join(args.out, "hf", name + ".jsonl"), [hf_case(tok, k, t, marian) for k, t in lines])
        write(os.path.join(args.out, "hf", name + ".decode.jsonl"), hf_decode_cases(tok, name, args.seed))
        props[name] = {"class": type(tok).__name__, "len": len(tok), "special_ids": dict(zip(tok.all_special_tokens[:8], tok.all_special_ids[:8])), "n_special": len(tok.all_special_ids),
                       "before": affixes(tok)[0], "after": affixes(tok)[1],
                       "clean_up_tokenization_spaces_default": bool(tok.clean_up_tokenization_spaces)}
    path = os.path.join(args.out, "hf_tokenizers.json")
    if args.only and os.path.exists(path):
        props = {**json.load(open(path)), **props}
    json.dump(props, open(path, "w"), indent=1, ensure_ascii=False)


def do_check(args):
    real = args.out
    with tempfile.TemporaryDirectory() as tmp:
        args.out = tmp
        os.makedirs(os.path.join(tmp, "spm"))
        do_spm(args)
        do_hf(args)
        bad = 0
        for sub in ("spm", "hf"):
            for f in sorted(os.listdir(os.path.join(tmp, sub))):
                a, b = os.path.join(tmp, sub, f), os.path.join(real, sub, f)
                if not os.path.exists(b) or not filecmp.cmp(a, b, shallow=False):
                    print("differs:", sub, f)
                    bad += 1
    print("all cases agree" if not bad else "%d files differ" % bad)
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["train", "spm", "hf", "check"])
    p.add_argument("--models", default=os.path.join(BASE, "models"))
    p.add_argument("--out", default=os.path.join(BASE, "cases"))
    p.add_argument("--texts")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--full", action="store_true", help="all lines for every model")
    p.add_argument("--only", nargs="*")
    args = p.parse_args()
    os.makedirs(args.out, exist_ok=True)
    return {"train": do_train, "spm": do_spm, "hf": do_hf, "check": do_check}[args.what](args)


if __name__ == "__main__":
    sys.exit(main())
