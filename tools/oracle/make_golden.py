# SPDX-License-Identifier: Apache-2.0
"""Makes golden/cases from golden/models by running the real Inseq, transformers and captum.

    python make_golden.py                     everything -> ../golden/cases, and index.json
    python make_golden.py PART ...            only these parts: encode forward generate attribute aggregate
                                              notebook float64 shipped cli defects
    python make_golden.py attribute name:gpt2 only attribution cases with gpt2 in their names
    python make_golden.py --older             parts run with an older stack (see older_cases)

Nothing is derived here: every number in the files is what the libraries returned.  Three things are
changed: exec_time is set to 0 before saving (so that files can be compared), and two faults that this pair
of versions has are repaired (common.repair: the Marian decoder scales given embeddings twice, batches are
generated without an attention mask; the part "shipped" shows the libraries as they come).

Inseq keeps state between calls (default arguments and tables that are written to), so every case
runs in a child process of its own that starts from a clean import.
"""

import json
import os
import pickle
import random
import subprocess
import sys
import time
import traceback

import common

common.quiet()

import numpy as np  # noqa: E402
import torch  # noqa: E402

import cases  # noqa: E402

OLDER = "--older" in sys.argv
INDEX = []
BROKEN = []
DEFECTS = []


# ----------------------------------------------------------------------------- plumbing


def child(fn, *args):
    """fn(*args) in a forked child; its result, or the last line of its traceback."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(r)
            try:
                out = ("ok", fn(*args))
            except Exception:
                out = ("failed", traceback.format_exc())
            with os.fdopen(w, "wb") as f:
                pickle.dump(out, f)
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        data = f.read()
    os.waitpid(pid, 0)
    return pickle.loads(data) if data else ("failed", "the child process died")


class Context:
    """Where things are, and the specification."""

    def __init__(self, spec, golden):
        self.spec, self.golden = spec, golden
        self.cases = os.path.join(golden, "cases")
        self.models = {m["role"]: m["name"] for m in spec["models"]}
        for m in spec["models"]:
            for v in m.get("variants", []):
                self.models[f"{m['role']}_{v}"] = f"{m['name']}-{v}"

    def model(self, role):
        return "models/" + self.models[role]

    def texts(self, role):
        return self.spec["text"][cases.TEXTS[role]]

    def path(self, *parts):
        p = os.path.join("cases", *parts)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        return p


def load(model, method, double=False, **kwargs):
    import inseq

    if not OLDER and not os.environ.get("AS_SHIPPED"):
        common.repair()
    m = inseq.load_model(model, method, **kwargs)
    if double:
        m.model.double()
        everything_double()
    return m


def everything_double():
    """From here on, what the libraries do "in float32" (norms, softmax, casts of results) is done in double."""
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double


def enter(index, name, kind, model, file, **more):
    INDEX.append({"name": name, "kind": kind, "model": model, "file": file, **{k: v for k, v in more.items() if v is not None}})


def save_output(out, path, **kwargs):
    out.info["exec_time"] = 0.0
    out.save(path, overwrite=True, **kwargs)


def save_tensors(tensors, path):
    from safetensors.torch import save_file

    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path)


def arrays(out):
    """All numbers of an attribution output as float64 arrays."""
    rows = []
    for s in out.sequence_attributions:
        rows.append({
            "tokens": ([t.token for t in s.source], [t.token for t in s.target]),
            "attributions": [None if a is None else np.asarray(a.double()) for a in (s.source_attributions, s.target_attributions)],
            "steps": {k: np.asarray(v.double()) for k, v in (s.step_scores or {}).items()}})
    return rows


def difference(a, b):
    """How far the float32 run of a case is from its float64 run.

    column_errors: the largest difference in every column (generated token) of every sequence.  A column whose
    exact gradient is zero (a foil equal to the target) or tiny (a probability of 1) is normalised rounding
    noise; such columns are listed as unreliable and left out of attribution_error.
    """
    if [r["tokens"] for r in a] != [r["tokens"] for r in b]:
        return {"tokens_differ": True}
    err = size = step = 0.0
    columns, noise = [], []
    for x, y in zip(a, b):
        n = max([p.shape[1] for p in x["attributions"] if p is not None and p.ndim > 1], default=0)
        col = np.zeros(n)
        for p, q in zip(x["attributions"], y["attributions"]):
            if p is not None and p.size:
                d = np.abs(p - q)
                rest = tuple(i for i in range(d.ndim) if i != 1)
                bad = (np.isnan(p) != np.isnan(q)).any(axis=rest)  # zero in one run, noise in the other
                col = np.maximum(col, np.nanmax(d, axis=rest, initial=0) + np.where(bad, 1.0, 0.0))
                size = max(size, float(np.nanmax(np.abs(q), initial=0)))
        columns.append([float(f"{v:.1e}") for v in col])
        noise.append([i for i, v in enumerate(col) if v > 3e-4])
        err = max([err] + [float(v) for v in col if v <= 3e-4])
        for k in x["steps"]:
            step = max(step, float(np.nanmax(np.abs(x["steps"][k] - y["steps"][k]), initial=0)))
    out = {"attribution_error": err, "attribution_size": size, "step_error": step, "atol": max(10 * err, 2e-6),
           "step_atol": max(10 * step, 2e-6), "column_errors": columns}
    if any(noise):
        out["unreliable_columns"] = noise
    return out


# ----------------------------------------------------------------------------- attribution


def inputs_of(ctx, case):
    """(source texts, target texts or None, extra arguments) of a case."""
    kind, which = case["text"]
    rows = ctx.texts(case["role"])[kind]
    many = isinstance(which, list)
    picked = [rows[i % len(rows)] for i in (which if many else [which])]
    extra = {}
    if kind == "free":
        source, target = picked, None
    else:
        source, target = [p[0] for p in picked], [p[1] for p in picked]
    if kind == "contrast":
        extra["contrast_targets"] = picked[0][2]
    if kind == "source_contrast":
        extra["contrast_sources"] = picked[0][2]
    if not many:
        source, target = source[0], target and target[0]
    return source, target, extra


def call(ctx, case, double=False):
    """Run one attribution case; the output object, the arguments for the index, the draws."""
    source, target, extra = inputs_of(ctx, case)
    args = {**case["args"], **extra}
    args.pop("contrast_as_args", None)
    if "method_arg" in args:
        args["attribution_args"] = {"method": args.pop("method_arg")}
    if "contrast_targets_alignments" in args:
        args["contrast_targets_alignments"] = [[tuple(p) for p in args["contrast_targets_alignments"]]]
    if isinstance(args.get("generation_args"), dict):
        args["generation_args"] = dict(args["generation_args"])
    shown = {k: v for k, v in args.items()}
    model = load(ctx.model(case["role"]), case["method"], double, **json.loads(json.dumps(case["load"])))
    if args.get("sliding_window_shapes"):
        shape = tuple(model.get_embedding_layer().embedding_dim if x < 0 else x for x in args["sliding_window_shapes"])
        args["sliding_window_shapes"] = (shape, shape) if args.get("attribute_target") else shape
    draws = []
    if case["seed"] is not None:
        common.seed_all(case["seed"])
        draws = log_draws()
    out = model.attribute(source, target, show_progress=False, **args)
    return out, {"inputs": source, "targets": target, "args": shown}, draws


def log_draws():
    """Record what captum and Inseq draw: uniform numbers (gradient_shap) and masks (lime)."""
    draws, uniform, multinomial = [], np.random.uniform, torch.multinomial

    def logged_uniform(*a, **k):
        x = uniform(*a, **k)
        draws.append({"uniform": np.atleast_1d(x).tolist()})
        return x

    def logged_multinomial(*a, **k):
        x = multinomial(*a, **k)
        draws.append({"mask": x.tolist()})
        return x

    np.random.uniform, torch.multinomial = logged_uniform, logged_multinomial
    return draws


def attribute_case(ctx, case):
    out, shown, draws = call(ctx, case)
    part = case.get("part", "attribute")
    files = {"file": ctx.path(part, case["name"] + ".json")}
    aggregated = out.aggregate() if case["method"] != "dummy" else out
    if case["raw"]:
        files["raw_file"] = ctx.path(part, case["name"] + ".raw.json")
        save_output(out, files["raw_file"])
    aggregated.step_attributions = None
    save_output(aggregated, files["file"])
    return files, shown, draws, arrays(aggregated)


def attribute_double(ctx, case):
    out, _, _ = call(ctx, case, double=True)
    return arrays(out.aggregate() if case["method"] != "dummy" else out)


def part_attribute(ctx):
    for case in cases.attribution_cases():
        if case["role"] not in ctx.models or not wanted_name(case["name"]):
            continue
        ok, res = child(attribute_case, ctx, case)
        if ok != "ok":
            broken(case["name"], case["method"], ctx.models[case["role"]], res)
            continue
        files, shown, draws, a = res
        tolerance = None
        if case["seed"] is None or case["method"] == "gradient_shap":
            ok, b = child(attribute_double, ctx, case)
            tolerance = difference(a, b) if ok == "ok" else {"float64_run": b.strip().splitlines()[-1]}
        kind, which = case["text"]
        enter(INDEX, case["name"], "attribute", ctx.models[case["role"]], files["file"], raw_file=files.get("raw_file"),
              method=case["method"], **shown, load=case["load"] or None, seed=case["seed"], draws=draws[:400] or None,
              notes=case["notes"], tolerance=tolerance)
        progress("attribute")


def broken(name, what, model, trace):
    line = tidy(trace.strip().splitlines()[-1])
    BROKEN.append({"name": name, "what": what, "model": model, "error": line})
    common.say(f"  {name}: {line[:160]}")


def tidy(text):
    """An error text without addresses and without the paths of this machine."""
    import re

    return re.sub(r"(https?:/)?/[^ '\"]*/[^ '\"]*", "(...)", text)[:600]


def wanted_name(name):
    """False if a name: argument is given and does not fit."""
    patterns = [a[5:] for a in sys.argv if a.startswith("name:")]
    return not patterns or any(p in name for p in patterns)


COUNT = {}


def progress(part):
    COUNT[part] = COUNT.get(part, 0) + 1
    if COUNT[part] % 20 == 0:
        common.say(f"  {part}: {COUNT[part]}")


# ----------------------------------------------------------------------------- tokens


def encode_case(ctx, role):
    model = load(ctx.model(role), "dummy")
    t = ctx.texts(role)
    texts = list(t["free"]) + [x for k in ("forced", "contrast", "source_contrast", "prefix") for row in t.get(k, []) for x in row]
    texts += [" two  spaces ", "a\nline\tand tab", "", "naïve café – “quotes” ½ ﬁ", "abc123 !?;:", "\u3042\u3044 \U0001f600"]
    rows = []
    for x in dict.fromkeys(texts):
        row = {"text": x}
        for side in (("source", "target") if model.is_encoder_decoder else ("source",)):
            ids = model.tokenizer(**{"text" if side == "source" else "text_target": x})["input_ids"]
            row[side] = {"ids": ids, "tokens": model.tokenizer.convert_ids_to_tokens(ids),
                         "decoded": model.tokenizer.decode(ids, skip_special_tokens=True),
                         "decoded_all": model.tokenizer.decode(ids, skip_special_tokens=False)}
        rows.append(row)
    path = ctx.path("encode", ctx.models[role] + ".json")
    common.write_json(path, {"model": ctx.models[role], "special_tokens": model.special_tokens[:5], "rows": rows})
    return path, len(rows)


def main_roles(ctx):
    return [r for r in ctx.models if r.split("_")[-1] not in ("bin", "legacy", "sharded", "f16", "bf16")]


def part_encode(ctx):
    for role in main_roles(ctx):
        ok, res = child(encode_case, ctx, role)
        if ok != "ok":
            broken("encode-" + role, "tokenizer", ctx.models[role], res)
            continue
        enter(INDEX, "encode-" + ctx.models[role], "encode", ctx.models[role], res[0], rows=res[1])


# ----------------------------------------------------------------------------- forward pass


def two_forced(ctx, role):
    """Indices of two forced texts; short ones where the tokenizer cuts into small pieces."""
    return (1, len(ctx.texts(role)["forced"]) - 1) if role.startswith("odd") else (0, 1)


def forward_inputs(ctx, role, model):
    """Token ids of three inputs: one sentence, another, and both padded into a batch."""
    t = ctx.texts(role)
    i, j = two_forced(ctx, role)
    if model.is_encoder_decoder:
        pairs = [t["forced"][i], t["forced"][j]]
        for name, rows in (("one", pairs[:1]), ("two", pairs[1:]), ("batch", pairs)):
            x = model.encode([p[0] for p in rows])
            y = model.encode([p[1] for p in rows], as_targets=True)
            yield name, dict(input_ids=x.input_ids, attention_mask=x.attention_mask, decoder_input_ids=y.input_ids,
                             decoder_attention_mask=y.attention_mask)
    else:
        for name, text in (("one", t["forced"][i][1]), ("two", t["forced"][j][1])):
            x = model.encode([text])
            yield name, dict(input_ids=x.input_ids, attention_mask=x.attention_mask)


def forward_case(ctx, role, double):
    """Hidden states, attentions and logits; for the first input also what every leaf module returned."""
    model = load(ctx.model(role), "dummy", double)
    out = []
    for name, inputs in forward_inputs(ctx, role, model):
        modules, hooks = {}, []
        if name == "one":
            for path, mod in model.model.named_modules():
                if not list(mod.children()) and path:
                    def keep(m, a, y, path=path):
                        if torch.is_tensor(y) and y.is_floating_point():
                            modules.setdefault("module." + path, y)
                    hooks.append(mod.register_forward_hook(keep))
        with torch.no_grad():
            y = model.model(**inputs, output_hidden_states=True, output_attentions=True, use_cache=False)
        for h in hooks:
            h.remove()
        tensors = {"in." + k: v for k, v in inputs.items()}
        tensors["logits"] = y.logits
        if double:
            tensors = {"logits": y.logits}
        groups = ("encoder_hidden_states", "decoder_hidden_states", "encoder_attentions", "decoder_attentions", "cross_attentions",
                  "hidden_states", "attentions")
        for g in groups:
            for i, v in enumerate(getattr(y, g, None) or ()):
                if not double or "hidden" in g:
                    tensors[f"{g}.{i}"] = v
        if name == "one" and not double:
            tensors.update(modules)
        path = ctx.path("forward", f"{ctx.models[role]}-{name}{'.f64' if double else ''}.safetensors")
        save_tensors(tensors, path)
        out.append((name, path, {k: np.asarray(v.double()) for k, v in tensors.items() if k == "logits" or "hidden_states" in k}))
    return out


def part_forward(ctx):
    for role in main_roles(ctx):
        ok, a = child(forward_case, ctx, role, False)
        ok2, b = child(forward_case, ctx, role, True)
        if ok != "ok" or ok2 != "ok":
            broken("forward-" + role, "forward", ctx.models[role], a if ok != "ok" else b)
            continue
        for (name, path, x), (_, path64, y) in zip(a, b):
            err = {k: float(np.abs(x[k] - y[k]).max()) for k in y}
            enter(INDEX, f"forward-{ctx.models[role]}-{name}", "forward", ctx.models[role], path, float64_file=path64,
                  tolerance={"logits_error": err["logits"], "hidden_error": max(v for k, v in err.items() if k != "logits"),
                             "logits_size": float(np.abs(y["logits"]).max()), "atol": 10 * err["logits"]})


# ----------------------------------------------------------------------------- generation


def generate_case(ctx, role, double):
    model = load(ctx.model(role), "dummy", double)
    t, rows = ctx.texts(role), []
    free = t["free"][:6] if role not in ("odd_marian", "odd_t5") else t["free"][:3]
    only_eos = not model.is_encoder_decoder
    for i, text in enumerate(free):
        for name, args in cases.GENERATION:
            if i > 1 and name not in ("own", "greedy", "beams-6", "all-beams", "long", "early"):
                continue
            args = dict(args)
            if "max_length" in args and only_eos:
                args["max_length"] = len(model.encode([text]).input_ids[0]) + 3
            elif only_eos or role.startswith("odd"):
                args.setdefault("max_new_tokens", 10)
                if "min_length" in args:
                    args["min_length"] = args["max_new_tokens"] = 20
            rows.append(generated(model, text, name, args))
    for text, prefix in t.get("prefix", []):
        if model.is_encoder_decoder:
            rows.append(generated(model, text, "prefix", {"num_beams": 4}, prefix))
            rows.append(generated(model, text, "prefix-greedy", {"num_beams": 1}, prefix))
    rows.append(generated(model, t["free"][:4], "batch", {"num_beams": 4} if not only_eos else {"num_beams": 2, "max_new_tokens": 6}))
    return rows


def generated(model, text, name, args, prefix=None):
    """What model.generate returns for ids alone (Inseq passes no attention mask)."""
    x = model.encode([text] if isinstance(text, str) else text)
    extra = dict(args)
    c = model.model.config
    if c.model_type == "t5" and c.num_decoder_layers > c.num_layers:
        extra["use_cache"] = False  # transformers 5.23 makes too few cache layers for such a model and fails
    if prefix is not None:
        extra["decoder_input_ids"] = model.encode([prefix], as_targets=True, add_special_tokens=False).input_ids
    out = model.model.generate(inputs=x.input_ids, return_dict_in_generate=True, output_scores=True, **extra)
    row = {"name": name, "input": text, "args": args, "prefix": prefix, "input_ids": x.input_ids.tolist(),
           "sequences": out.sequences.tolist(), "texts": model.decode(out.sequences, skip_special_tokens=True)}
    beams = getattr(out, "beam_indices", None)
    scores = getattr(out, "sequences_scores", None)
    row["sequences_scores"] = None if scores is None else scores.tolist()
    steps = model.model.compute_transition_scores(out.sequences, out.scores, beams, normalize_logits=beams is None)
    row["token_scores"] = [[v for v in r if np.isfinite(v)] for r in steps.tolist()]
    return row


def part_generate(ctx):
    for role in main_roles(ctx):
        ok, a = child(generate_case, ctx, role, False)
        ok2, b = child(generate_case, ctx, role, True)
        if ok != "ok":
            broken("generate-" + role, "generate", ctx.models[role], a)
            continue
        worst, other = 0.0, 0
        for x, y in zip(a, b if ok2 == "ok" else []):
            same = x["sequences"] == y["sequences"]
            x["float64_agrees"] = same
            other += not same
            if same and x["sequences_scores"]:
                worst = max(worst, max(abs(p - q) for p, q in zip(x["sequences_scores"], y["sequences_scores"])))
            if x["sequences_scores"] and len(x["sequences_scores"]) > 1 and isinstance(x["input"], str):
                s = x["sequences_scores"]
                x["smallest_gap"] = min(p - q for p, q in zip(s, s[1:]))
        path = ctx.path("generate", ctx.models[role] + ".json")
        common.write_json(path, {"model": ctx.models[role], "rows": a})
        enter(INDEX, "generate-" + ctx.models[role], "generate", ctx.models[role], path, rows=len(a),
              tolerance={"score_error": worst, "float64_disagrees": other, "atol": max(10 * worst, 2e-6)})


# ----------------------------------------------------------------------------- aggregation


def aggregate_cases(ctx, role):
    """Many ways of aggregating one output; each saved with the arguments that made it."""
    import inseq  # noqa: F401

    t = ctx.texts(role)
    model = load(ctx.model(role), "input_x_gradient")
    made = []

    def keep(name, out, how):
        path = ctx.path("aggregate", f"{ctx.models[role]}-{name}.json")
        save_output(out, path)
        made.append((f"aggregate-{ctx.models[role]}-{name}", path, how))

    def wrap(out, sequence):
        from copy import deepcopy

        copy = deepcopy(out)
        copy.sequence_attributions = [sequence]
        return copy

    both = model.is_encoder_decoder
    row = t["forced"][0] if role != "t5" else t["forced"][1]
    base = {"attribute_target": both, "step_scores": ["probability", "entropy"], "show_progress": False}
    out = model.attribute(row[0], row[1], **base)
    keep("input", out, {"of": "itself", "text": row, "method": "input_x_gradient"})

    def agg(name, *a, **k):
        try:
            res = out.aggregate(*a, do_post_aggregation_checks=False, **k)
        except Exception:
            BROKEN_HERE.append((f"aggregate-{ctx.models[role]}-{name}", traceback.format_exc()))
            return
        keep(name, res, {"of": "input", "aggregator": a[0] if a else None, "args": k})

    global BROKEN_HERE
    BROKEN_HERE = []
    agg("default")
    for fn in ("mean", "sum", "max", "min", "prod", "absmax", "vnorm"):
        agg(fn, fn)
    agg("vnorm-1", "vnorm", vnorm_ord=1)
    agg("vnorm-not-normalized", "vnorm", normalize=False)
    agg("vnorm-rescaled", "vnorm", normalize=False, rescale=True)
    agg("sum-not-normalized", "sum", normalize=False)
    agg("select-7", "vnorm", select_idx=7, normalize=False)
    agg("select-some", "vnorm", select_idx=[1, 5, 9])
    agg("select-range", "mean", select_idx=(2, 6))
    agg("subwords-only", "subwords", special_chars="Ġ" if role == "gpt2" else "▁")
    agg("vnorm-subwords", ["vnorm", "subwords"], special_chars="Ġ" if role == "gpt2" else "▁")
    agg("subwords-mean", [("scores", "vnorm"), ("subwords", "mean")], special_chars="Ġ" if role == "gpt2" else "▁")
    agg("subwords-source", ["vnorm", "subwords"], aggregate_target=False, special_chars="Ġ" if role == "gpt2" else "▁")
    agg("spans", ["vnorm", "spans"], source_spans=[(0, 2), (3, 5)] if both else None, target_spans=[(1, 3), (4, 6)])
    agg("spans-sum", [("scores", "vnorm"), ("spans", "sum")], source_spans=(1, 4) if both else None, target_spans=(2, 5))
    agg("split-punctuation", ["vnorm", "split"], split_pattern=r"[,.?!]")
    agg("split-punctuation-end", ["vnorm", "split"], split_pattern=r"[,.?!]", split_mode="end")
    agg("slices", ["vnorm", "slices"], source_spans=[(0, 3), (5, 7)] if both else None, target_spans=[(0, 3)])
    if both:
        pair = t["contrast"][0]
        first = model.attribute(pair[0], pair[1], **base).aggregate()
        foil = model.attribute(pair[0], pair[2], **base).aggregate()
        keep("pair-left", first, {"of": "itself", "text": [pair[0], pair[1]]})
        keep("pair-right", foil, {"of": "itself", "text": [pair[0], pair[2]]})
        try:
            keep("pair", wrap(first, first[0].aggregate("pair", paired_attr=foil[0], do_post_aggregation_checks=False)),
                 {"of": "pair-left", "aggregator": "pair", "args": {"paired_attr": "pair-right"}})
            keep("difference", wrap(first, first[0] - foil[0]), {"of": "pair-left", "operator": "left - right"})
        except Exception:
            BROKEN_HERE.append((f"aggregate-{ctx.models[role]}-pair", traceback.format_exc()))
        keep("slice-operator", wrap(first, first[0][1:4]), {"of": "pair-left", "operator": "[1:4]"})
    weighted = model.attribute(row[0], row[1], **base)
    weighted.weight_attributions("probability")
    keep("weighted", weighted, {"of": "input", "call": "weight_attributions('probability')"})
    merged = out.aggregate() + model.attribute(t["forced"][1][0], t["forced"][1][1], **base).aggregate()
    keep("merged", merged, {"of": "itself", "text": [row, t["forced"][1]], "operator": "+"})
    dicts = out.get_scores_dicts()[0]
    path = ctx.path("aggregate", f"{ctx.models[role]}-scores-dicts.json")
    common.write_json(path, {k: {f"{a[0]} {a[1]}": {f"{b[0]} {b[1]}" if isinstance(b, tuple) else b: x for b, x in col.items()}
                                 for a, col in v.items()} for k, v in dicts.items()})
    made.append((f"aggregate-{ctx.models[role]}-scores-dicts", path, {"of": "input", "call": "get_scores_dicts()"}))
    # attention: layers and heads
    att = model.attribute(row[0], row[1], method="attention", attribute_target=both, show_progress=False)
    keep("attention-input", att, {"of": "itself", "text": row, "method": "attention"})
    out = att
    for name, a, k in (("attention-default", (), {}), ("attention-max-mean", (["max", "mean"],), {}),
                       ("attention-head-1-layer-0", (["mean", "mean"],), {"select_idx": None}),
                       ("attention-mean-not-normalized", (["mean", "mean"],), {"normalize": False}),
                       ("attention-subwords", (["mean", "mean", "subwords"],), {"special_chars": "Ġ" if role == "gpt2" else "▁"})):
        if name == "attention-head-1-layer-0":
            res = att.aggregate("mean", select_idx=1, normalize=False, do_post_aggregation_checks=False).aggregate(
                "mean", select_idx=0, normalize=False, do_post_aggregation_checks=False)
            keep(name, res, {"of": "attention-input", "call": "aggregate('mean', select_idx=1, normalize=False)"
                             ".aggregate('mean', select_idx=0, normalize=False)"})
            continue
        try:
            res = att.aggregate(*a, do_post_aggregation_checks=False, **k)
            keep(name, res, {"of": "attention-input", "aggregator": a[0] if a else None, "args": k})
        except Exception:
            BROKEN_HERE.append((f"aggregate-{ctx.models[role]}-{name}", traceback.format_exc()))
    # other ways of writing the file
    if role == "marian":
        small = model.attribute(t["forced"][1][0], t["forced"][1][1], **base)
        for name, k in (("plain-lists", {"ndarray_compact": False}), ("primitives", {"use_primitives": True, "ndarray_compact": False}),
                        ("float16", {"scores_precision": "float16"}), ("float8", {"scores_precision": "float8"})):
            path = ctx.path("aggregate", f"{ctx.models[role]}-save-{name}.json")
            try:
                save_output(small, path, **k)
                made.append((f"save-{name}", path, {"text": t["forced"][1], "save": k, "method": "input_x_gradient"}))
            except Exception:
                BROKEN_HERE.append((f"save-{name}", traceback.format_exc()))
        path = ctx.path("aggregate", f"{ctx.models[role]}-save-compressed.json.gz")
        save_output(small.aggregate(), path, compress=True)
        made.append(("save-compressed", path, {"text": t["forced"][1], "save": {"compress": True}, "method": "input_x_gradient"}))
    return made, BROKEN_HERE


def part_aggregate(ctx):
    for role in ("marian", "t5", "gpt2"):
        ok, res = child(aggregate_cases, ctx, role)
        if ok != "ok":
            broken("aggregate-" + role, "aggregation", ctx.models[role], res)
            continue
        for name, path, how in res[0]:
            enter(INDEX, name, "aggregate", ctx.models[role], path, how=how)
        for name, trace in res[1]:
            broken(name, "aggregation", ctx.models[role], trace)


# ----------------------------------------------------------------------------- the notebook


def tables(html):
    """The cells of every table of Inseq's HTML, row by row (what the notebook's export shows)."""
    from html.parser import HTMLParser

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.out, self.cell = [], None

        def handle_starttag(self, tag, attrs):
            if tag == "table":
                self.out.append([])
            elif tag == "tr" and self.out:
                self.out[-1].append([])
            elif tag == "th" and self.out and self.out[-1]:
                self.cell = ""

        def handle_endtag(self, tag):
            if tag == "th" and self.cell is not None:
                self.out[-1][-1].append(self.cell)
                self.cell = None

        def handle_data(self, data):
            if self.cell is not None:
                self.cell += data

    r = Reader()
    r.feed(html)
    return r.out


def console(out):
    """What show() prints on a terminal 200 columns wide, without colours."""
    import contextlib
    import io

    os.environ.update(COLUMNS="200", NO_COLOR="1", TERM="dumb")
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        out.show()
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def notebook_cell(ctx, cell, role, label, run):
    model = load(ctx.model(role), "input_x_gradient")
    out = run(model)
    base = f"{cell}{'-' + label if label else ''}"
    files = {"file": ctx.path("notebook", base + ".json"), "html_file": ctx.path("notebook", base + ".html"),
             "table_file": ctx.path("notebook", base + ".tables.json"), "console_file": ctx.path("notebook", base + ".txt")}
    random.seed(1)
    html = out.show(display=False, return_html=True)
    with open(files["html_file"], "w", encoding="utf-8") as f:
        f.write(html)
    common.write_json(files["table_file"], tables(html), indent=None)
    with open(files["console_file"], "w", encoding="utf-8") as f:
        f.write(console(out) + "\n")
    save_output(out.aggregate(), files["file"])
    return files


def part_notebook(ctx):
    m, t = ctx.texts("marian"), ctx.texts("t5")
    cells = [
        ("cell2", "marian", "", "the first sentence translated freely, target side on, probability",
         lambda x: x.attribute(m["forced"][0][0], attribute_target=True, step_scores=["probability"], show_progress=False)),
        ("cell3", "marian", "", "the same sentence with a forced translation",
         lambda x: x.attribute(m["forced"][0][0], m["forced"][0][1], attribute_target=True, step_scores=["probability"],
                               show_progress=False)),
    ]

    def contrast(row):
        return lambda x: x.attribute(row[0], row[1], attributed_fn="contrast_prob_diff", contrast_targets=row[2],
                                     step_scores=["contrast_prob_diff", "probability"], show_progress=False)

    def weighted(row):
        def run(x):
            out = contrast(row)(x)
            out.weight_attributions("contrast_prob_diff")
            return out
        return run

    cells.append(("cell4", "t5", "", "contrast " + " / ".join(t["contrast"][0]), contrast(t["contrast"][0])))
    cells.append(("cell4", "t5", "wrong-sum", "contrast " + " / ".join(t["contrast"][1]), contrast(t["contrast"][1])))
    for size, role in (("small", "t5_tiny"), ("base", "t5_mini"), ("large", "t5")):
        if role in ctx.models:
            cells.append(("cell6", role, size, "three sizes, weight_attributions: " + " / ".join(t["contrast"][2]), weighted(t["contrast"][2])))
    for cell, role, label, what, run in cells:
        ok, res = child(notebook_cell, ctx, cell, role, label, run)
        name = f"notebook-{cell}{'-' + label if label else ''}"
        if ok != "ok":
            broken(name, "notebook", ctx.models[role], res)
            continue
        enter(INDEX, name, "notebook", ctx.models[role], res.pop("file"), notes=what, **res)


# ----------------------------------------------------------------------------- float64 references


def float64_case(ctx, role, which, double):
    t = ctx.texts(role)["forced"][which]
    model = load(ctx.model(role), "input_x_gradient", double)
    both = model.is_encoder_decoder
    out = model.attribute(t[0], t[1], attribute_target=both, step_scores=["probability", "logit", "entropy"], show_progress=False)
    grad = model.attribute(t[0], t[1], attribute_target=both, method="saliency", abs=False, show_progress=False)
    s, g, a = out[0], grad[0], out.aggregate()[0]
    tensors = {}
    for side in ("source", "target"):
        for what, obj in (("input_x_gradient", s), ("gradient", g), ("aggregated", a)):
            v = getattr(obj, side + "_attributions")
            if v is not None:
                tensors[f"{side}.{what}"] = v
    for k, v in s.step_scores.items():
        tensors["step." + k] = v
    tensors["ids.source"] = torch.tensor([x.id for x in s.source])
    tensors["ids.target"] = torch.tensor([x.id for x in s.target])
    path = ctx.path("float64", f"{ctx.models[role]}-{which}.{'f64' if double else 'f32'}.safetensors")
    save_tensors(tensors, path)
    return path, {k: np.asarray(v.double()) for k, v in tensors.items()}


def part_float64(ctx):
    for role in main_roles(ctx):
        for which in two_forced(ctx, role):
            ok, a = child(float64_case, ctx, role, which, False)
            ok2, b = child(float64_case, ctx, role, which, True)
            if ok != "ok" or ok2 != "ok":
                broken(f"float64-{role}-{which}", "float64", ctx.models[role], a if ok != "ok" else b)
                continue
            err = {k: {"error": float(np.nanmax(np.abs(a[1][k] - v))), "size": float(np.nanmax(np.abs(v)))}
                   for k, v in b[1].items() if not k.startswith("ids") and v.size}
            enter(INDEX, f"float64-{ctx.models[role]}-{which}", "float64", ctx.models[role], b[0], float32_file=a[0],
                  text=ctx.texts(role)["forced"][which], tolerance=err)


# ----------------------------------------------------------------------------- the library as it comes


def part_shipped(ctx):
    """Without the repairs: what Inseq 0.7.1 with transformers 5.23 prints today."""
    wanted = ("marian-ixg-both-generated", "marian-ixg-both-forced", "marian-steps", "marian-occlusion-both-forced",
              "marian-attention-both-forced", "marian-fn-contrast_prob_diff", "marian-batch", "t5-batch")
    os.environ["AS_SHIPPED"] = "1"
    for case in cases.attribution_cases():
        if case["name"] in wanted and case["role"] in ctx.models:
            case = {**case, "name": "shipped-" + case["name"], "raw": False, "part": "shipped"}
            ok, res = child(attribute_case, ctx, case)
            if ok != "ok":
                broken(case["name"], case["method"], ctx.models[case["role"]], res)
                continue
            files, shown, _, _ = res
            enter(INDEX, case["name"], "shipped", ctx.models[case["role"]], files["file"], method=case["method"], **shown,
                  notes="as shipped (decoder embeddings of Marian scaled twice, batches generated without a mask): not the model's"
                  " own numbers; for a compatibility switch only")
    del os.environ["AS_SHIPPED"]


# ----------------------------------------------------------------------------- an older stack


def part_older(ctx):
    """Cases for Inseq 0.6.0 with transformers 4.46.3, unrepaired (install them in front of the others).

    They are a second opinion on the two repairs, and the only way to value_zeroing
    for models other than T5.
    """
    wanted = ["marian-ixg-both-generated", "marian-ixg-both-forced", "marian-ixg-both-forced-idiom", "marian-saliency-both-forced",
              "marian-ig-50", "marian-deeplift-both-forced", "marian-occlusion-both-forced", "marian-attention-both-forced",
              "marian-steps", "marian-steps-contrast", "marian-fn-contrast_prob_diff", "marian-batch", "t5-ixg-both-forced",
              "t5-fn-contrast_prob_diff", "t5-value_zeroing-both-forced", "gpt2-ixg", "llama-ixg", "odd_marian-input_x_gradient",
              "odd_marian-ixg", "odd_t5-ixg", "t5_relu-deeplift"]
    todo = [c for c in cases.attribution_cases() if c["name"] in wanted and c["role"] in ctx.models]
    for role, text in (("marian", ("forced", 1)), ("gpt2", ("forced", 0)), ("llama", ("forced", 0)), ("odd_marian", ("forced", 3))):
        if role in ctx.models:
            base = dict(role=role, text=text, method="value_zeroing", load={}, raw=True, seed=None, only=None, notes=None)
            todo.append({**base, "name": f"{role}-value_zeroing", "args": {"attribute_target": True} if role not in ("gpt2", "llama") else {}})
            if role == "marian":
                todo.append({**base, "name": "marian-value_zeroing-source", "args": {}})
                todo.append({**base, "name": "marian-value_zeroing-heads", "args": {"attribute_target": True,
                             "decoder_zeroed_units_indices": 1, "cross_zeroed_units_indices": [0, 2]}})
    for case in todo:
        case = {**case, "name": "older-" + case["name"], "raw": case["method"] == "value_zeroing", "part": "older"}
        ok, res = child(attribute_case, ctx, case)
        if ok != "ok":
            broken(case["name"], case["method"], ctx.models[case["role"]], res)
            continue
        files, shown, _, a = res
        newer = os.path.join("cases", "attribute", case["name"].removeprefix("older-") + ".json")
        enter(INDEX, case["name"], "older", ctx.models[case["role"]], files["file"], raw_file=files.get("raw_file"),
              method=case["method"], **shown, compare_with=newer if os.path.exists(newer) else None,
              notes="Inseq 0.6.0, transformers 4.46.3, as shipped")


# ----------------------------------------------------------------------------- command line


def cli_runs(ctx):
    m, t, g = ctx.texts("marian"), ctx.texts("t5"), ctx.texts("gpt2")
    mm, tm, gm = ctx.model("marian"), ctx.model("t5"), ctx.model("gpt2")
    o = "cases/cli/"
    hidden = ["--hide_attributions"]
    runs = [
        ("attribute-default", ["attribute", "-m", mm, "-i", m["free"][1], "-o", o + "attribute-default.json"]),
        ("attribute-notebook", ["attribute", "--model_name_or_path", mm, "--attribution_method", "input_x_gradient", "--input_texts",
                                m["free"][0], "--attribute_target", "--step_scores", "probability", "--save_path",
                                o + "attribute-notebook.json", "--viz_path", o + "attribute-notebook.html"]),
        ("attribute-forced", ["attribute", "-m", mm, "-a", "input_x_gradient", "-i", m["forced"][0][0], m["forced"][1][0], "-g",
                              m["forced"][0][1], m["forced"][1][1], "--attribute_target", "--step_scores", "probability", "entropy",
                              "-o", o + "attribute-forced.json", "--viz_path", o + "attribute-forced.html", *hidden]),
        ("attribute-contrast", ["attribute", "-m", tm, "-a", "input_x_gradient", "-fn", "contrast_prob_diff", "-i", t["contrast"][0][0], "-g",
                                t["contrast"][0][1], "--step_scores", "contrast_prob_diff", "probability", "--attribution_kwargs",
                                json.dumps({"contrast_targets": t["contrast"][0][2]}), "-o", o + "attribute-contrast.json"]),
        ("attribute-generation", ["attribute", "-m", mm, "-a", "saliency", "-i", m["free"][4], "--generation_kwargs",
                                  json.dumps({"num_beams": 1, "max_new_tokens": 5}), "-o", o + "attribute-generation.json", *hidden]),
        ("attribute-aggregated", ["attribute", "-m", mm, "-a", "integrated_gradients", "-i", m["free"][2], "--attribution_kwargs",
                                  json.dumps({"n_steps": 6}), "--attribution_aggregators", "vnorm", "subwords",
                                  "--normalize_attributions", "-o", o + "attribute-aggregated.json", *hidden]),
        ("attribute-attention-head", ["attribute", "-m", mm, "-a", "attention", "-i", m["free"][2], "--attribution_selectors", "1", "0",
                                      "--attribution_aggregators", "mean", "mean", "-o", o + "attribute-attention-head.json", *hidden]),
        ("attribute-start", ["attribute", "-m", mm, "-a", "input_x_gradient", "-i", m["forced"][0][0], "-g", m["forced"][0][1], "-s", "4",
                             "-o", o + "attribute-start.json", *hidden]),
        ("attribute-prefix", ["attribute", "-m", mm, "-a", "input_x_gradient", "-i", m["prefix"][0][0], "-g", m["prefix"][0][1],
                              "--generate_from_target_prefix", "-o", o + "attribute-prefix.json", *hidden]),
        ("attribute-gpt2", ["attribute", "-m", gm, "-a", "input_x_gradient", "-i", g["free"][0], "--generation_kwargs",
                            json.dumps({"max_new_tokens": 6}), "--step_scores", "probability", "-o", o + "attribute-gpt2.json"]),
        ("dataset-csv", ["attribute-dataset", "-m", mm, "-a", "input_x_gradient", "-d", "csv", "--dataset_files", o + "data/pairs.csv",
                         "--input_text_field", "source", "--generated_text_field", "target", "--attribute_target", "-bs", "2",
                         "-o", o + "dataset-csv.json", "--viz_path", o + "dataset-csv.html", *hidden]),
        ("dataset-json", ["attribute-dataset", "-m", mm, "-a", "saliency", "-d", "json", "--dataset_files", o + "data/pairs.jsonl",
                          "-in", "source", "--dataset_split", "train[:2]", "-o", o + "dataset-json.json", *hidden]),
    ]
    for i, c in enumerate(m["context"]):
        flat = [x for k, v in c.items() for x in ("--" + k, v)]
        n = f"context-marian-{i}"
        runs.append((n, ["attribute-context", "-m", mm, "-a", "saliency", "--attributed_fn", "contrast_prob_diff", *flat, "-o",
                         o + n + ".json", "--viz_path", o + n + ".html"]))
        n = f"context-marian-{i}-topk"
        runs.append((n, ["attribute-context", "-m", mm, "-a", "input_x_gradient", *flat, "--context_sensitivity_metric", "pcxmi",
                         "--context_sensitivity_topk", "1", "--attribution_aggregators", "vnorm", "-o", o + n + ".json",
                         "--no_show_viz"]))
    for i, c in enumerate(g["context"]):
        flat = [x for k, v in c.items() for x in ("--" + k, v)]
        n = f"context-gpt2-{i}"
        runs.append((n, ["attribute-context", "-m", gm, "-a", "saliency", "--attributed_fn", "contrast_prob_diff", *flat, "-o",
                         o + n + ".json", "--viz_path", o + n + ".html"]))
    return runs


def part_cli(ctx):
    m = ctx.texts("marian")
    os.makedirs("cases/cli/data", exist_ok=True)
    rows = [m["forced"][1], m["forced"][3 % len(m["forced"])], m["contrast"][1][:2]]
    with open("cases/cli/data/pairs.csv", "w", encoding="utf-8") as f:
        f.write("source,target\n" + "".join('"' + '","'.join(x.replace('"', '""') for x in r) + '"\n' for r in rows))
    with open("cases/cli/data/pairs.jsonl", "w", encoding="utf-8") as f:
        f.write("".join(json.dumps({"source": r[0], "target": r[1]}, ensure_ascii=False) + "\n" for r in rows))
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    for name, argv in cli_runs(ctx):
        if not wanted_name("cli-" + name):
            continue
        p = subprocess.run([sys.executable, os.path.join(common.HERE, "inseq_cli.py"), *argv], env=env, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL)
        files = {k: argv[argv.index(f) + 1] for k, fs in (("file", ("-o", "--save_path")), ("html_file", ("--viz_path",)))
                 for f in fs if f in argv}
        if p.returncode != 0:
            broken("cli-" + name, "inseq " + argv[0], "", p.stderr or "no message")
            continue
        path = ctx.path("cli", name + ".stdout.txt")
        with open(path, "w", encoding="utf-8") as f:
            f.write("\n".join(line.rstrip() for line in p.stdout.splitlines()) + "\n")
        for f in files.values():
            plain(f)
        enter(INDEX, "cli-" + name, "cli", argv[argv.index("-m") + 1].split("/")[-1] if "-m" in argv else mm_name(argv), files.pop("file"),
              command=["inseq", *argv], stdout_file=path, **files)
        progress("cli")


def mm_name(argv):
    return argv[argv.index("--model_name_or_path") + 1].split("/")[-1]


def plain(path):
    """Set the running time in a saved JSON to 0 (the file is otherwise left as written)."""
    import re

    with open(path, encoding="utf-8") as f:
        text = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(r'("exec_time": )[0-9.e+-]+', r"\g<1>0.0", text))


# ----------------------------------------------------------------------------- what is broken


def part_defects(ctx):
    """Run the probes of defects.py; index.json keeps what they said."""
    import defects

    for probe in defects.PROBES:
        common.seed_all(1)
        ok, res = child(probe, ctx)
        text = res if ok == "ok" else res.strip().splitlines()[-1]
        DEFECTS.append({"name": probe.__name__, "what": probe.__doc__, "result" if ok == "ok" else "error": tidy(text)})


# ----------------------------------------------------------------------------- main

PARTS = ["encode", "forward", "generate", "attribute", "aggregate", "notebook", "float64", "shipped", "cli", "defects"]


def main(argv):
    spec, golden = common.load_spec(argv)
    ctx = Context(spec, golden)
    os.makedirs(ctx.cases, exist_ok=True)
    os.chdir(golden)
    parts = ["older"] if OLDER else [p for p in PARTS if p in argv] or PARTS
    old, old_broken, old_defects = [], [], []
    if os.path.exists("cases/index.json"):
        with open("cases/index.json", encoding="utf-8") as f:
            data = json.load(f)
        mine = set(parts)
        known = set(ctx.models.values()) # cases of other models were recorded elsewhere: they stay
        old = [e for e in data["cases"] if e["kind"] not in mine or e["model"] not in known or not wanted_name(e["name"])]
        old_defects = data.get("defects", [])
        old_broken = [e for e in data["broken"] if e.get("part") not in mine or not wanted_name(e["name"])]
    times = {}
    for p in parts:
        common.say(p)
        start, seen = time.time(), len(BROKEN)
        globals()["part_" + p](ctx)
        times[p] = round(time.time() - start, 1)
        for b in BROKEN[seen:]:
            b["part"] = p
        common.say(f"  {times[p]} s")
    common.write_json("cases/index.json", {"cases": sorted(old + INDEX, key=lambda e: (e["kind"], e["name"])),
                                           "broken": old_broken + BROKEN, "defects": DEFECTS or old_defects})
    common.say(f"{len(INDEX)} cases, {len(BROKEN)} broken, {sum(times.values()):.0f} s")


if __name__ == "__main__":
    import inseq  # noqa: F401  (imported once; children start from here)

    main(sys.argv[1:])
