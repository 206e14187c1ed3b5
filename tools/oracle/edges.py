# SPDX-License-Identifier: Apache-2.0
"""Small models and requests at the edges of what is computed, and what the Python libraries answer.

    python edges.py            -> test/golden/edges

Each case is there because a wrong program once passed without it: the last column of each says what it guards. The models
are T5s of a few kilobytes with random, peaked weights and one tokenizer:

    plain    tanh, 10 buckets of positions, a large epsilon in its norms, small embeddings
    six      the same with 6 buckets and long texts
    ties     every word of the output twice, one after the other
    flat     an output of zeros: all words are equally probable
    start    an ordinary word is the decoder's start token

attribute.json: {name, words of the command line, file: the library's own result,
atol: of what may differ besides a 1e-4th; the library's 1 - cos is a multiple of 2^-24}. generate.json: {model, arguments of
generate(), source, ids}. absmax.json and absmax-out.json: scores with equal sizes of either sign, and the library's aggregate.
"""

import json
import math
import os
import shutil
import tempfile

import common

common.quiet()

import inseq  # noqa: E402
import sentencepiece as spm  # noqa: E402
import torch  # noqa: E402
from inseq.commands.attribute.attribute import aggregate_attribution_scores  # noqa: E402
from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer  # noqa: E402

END = 86  # what the model likes to say
FOLDER = os.path.join(common.load_spec([])[1], "edges")
TEXTS = """the small cat sat on the old mat and looked at the red bird
a bird sang in the green tree while the rain fell on the roof
no one knew where the road went after the long bridge
she read the book and he wrote a letter to the old man
the rain went on and on until the sea was over the road
we went to the market and came back with bread and milk
it is not the same tree that stood here a year ago
do you know the name of the man who sat on the bridge
they sang the old song and all the children looked at them
a letter came from the sea and no one read it""".split("\n")


def words():
    """A tokenizer of some kilobytes: its normalizer has no table."""
    path = os.path.join(tempfile.mkdtemp(), "m")
    spm.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS), model_prefix=path, model_type="unigram", vocab_size=72, pad_id=0,
                                   eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="identity", num_threads=1, minloglevel=2)
    return path + ".model"


def make(name, pieces, **change):
    config = dict(vocab_size=128, d_model=8, d_kv=4, num_heads=2, d_ff=14, num_layers=2, num_decoder_layers=2,
                  relative_attention_num_buckets=10, relative_attention_max_distance=20, layer_norm_epsilon=1e-2,
                  feed_forward_proj="tanh", pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, tie_word_embeddings=False)
    config.update(change)
    torch.manual_seed(sum(map(ord, name)))
    model = T5ForConditionalGeneration(T5Config(**config)).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.dim() == 1:
                p.copy_(1 + 0.3 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (1 if "bias" in key else 1.4 / p.shape[-1] ** 0.5))
        model.shared.weight.mul_(0.3)
        model.lm_head.weight.mul_(1.5)
        model.lm_head.weight[1] = 1.01 * model.lm_head.weight[END]  # so that texts end
        if name == "ties":
            model.lm_head.weight[1::2] = model.lm_head.weight[::2]
        if name == "flat":
            model.lm_head.weight.zero_()
    folder = os.path.join(FOLDER, name)
    model.save_pretrained(folder)
    os.chmod(os.path.join(folder, "model.safetensors"), 0o644)
    shutil.copyfile(pieces, os.path.join(folder, "spiece.model"))
    common.write_json(os.path.join(folder, "tokenizer_config.json"), {
        "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 0, "additional_special_tokens": [],
        "model_max_length": 512, "tokenizer_class": "T5Tokenizer"})


CAT, BIRD = "the old cat looked at the bird", "a bird sang in the tree"
LONG = " ".join(TEXTS[:2])
FORCED = {"contrast_force_inputs": True}
OCCLUDE = dict(method="occlusion", attribute_target=True)
CASES = [  # name, model, sources, targets, what attribute() is given besides
    ("window-2", "plain", CAT, BIRD, dict(OCCLUDE, start=2, window=2, step_scores=["logit"])),
    ("window-3", "plain", BIRD, CAT, dict(OCCLUDE, start=3, window=3, attributed_fn="logit")),
    ("window-3-stride-2", "plain", CAT, BIRD, dict(OCCLUDE, start=3, window=3, stride=2)),
    ("foil-longer", "plain", CAT, "a bird sang", dict(OCCLUDE, start=2, attributed_fn="pcxmi", args=dict(
        FORCED, contrast_targets="a bird sang in the green tree"))),
    ("foil-parts", "plain", CAT, "a bird sang in the tree", dict(OCCLUDE, attributed_fn="contrast_prob_diff", args=dict(
        FORCED, contrast_targets="a bird fell in the tree"))),
    ("foil-source", "plain", CAT, "a bird sang in the tree", dict(OCCLUDE, attributed_fn="contrast_logits_diff", args=dict(
        FORCED, contrast_targets="a bird fell in the tree", contrast_sources="the old man"))),
    ("attention-from-3", "plain", CAT, BIRD, dict(method="attention", start=3)),
    ("attention-from-3-target", "plain", CAT, BIRD, dict(method="attention", start=3, attribute_target=True)),
    ("value-zeroing-from-3", "plain", CAT, BIRD, dict(method="value_zeroing", start=3, atol=2e-3)),
    ("six-buckets", "six", LONG, CAT, dict(method="saliency", attribute_target=True, aggregated=True, step_scores=["logit", "entropy"])),
    ("ten-buckets", "plain", LONG, CAT, dict(method="saliency", attribute_target=True, aggregated=True, step_scores=["logit", "entropy"])),
    ("start-word", "start", "the old cat and the bird", "the bird and the cat", dict(
        method="discretized_integrated_gradients", attribute_target=True, args=dict(n_steps=5))),
    ("special-words", "../models/t5-yesno-tiny", "Is <extra_id_3> it <extra_id_0>?", "yes <extra_id_0>", dict(
        method="discretized_integrated_gradients", attribute_target=True, aggregated=True, args=dict(n_steps=4))),
    ("maxcount", "plain", CAT, BIRD, dict(method="discretized_integrated_gradients", args=dict(n_steps=6, attribution_args={"method": "maxcount"}))),
    ("deeplift", "plain", CAT, BIRD, dict(method="deeplift", attribute_target=True)),
    ("lime-pad", "plain", CAT, "a bird", dict(method="lime", args=dict(n_samples=12, attribution_args={"mask_token": "pad"}))),
    ("lime-unk", "plain", CAT, "a bird", dict(method="lime", args=dict(n_samples=12))),
    ("perplexity-merged", "plain", [CAT, BIRD], ["the green bird looked", "the green bird looked"], dict(
        method="input_x_gradient", attribute_target=True, step_scores=["perplexity", "crossentropy"], aggregators=["vnorm", "subwords"])),
    ("top-k-ties", "ties", CAT, BIRD, dict(method="occlusion", step_scores=["kl_divergence"], args=dict(contrast_sources="no one knew", top_k=5))),
    ("top-p-equal", "flat", CAT, "a bird", dict(method="occlusion", step_scores=["top_p_size"], args=dict(top_p=0.75))),
]


def repairs():
    """The library's perplexity and crossentropy fail for one text, its kl_divergence with filters is NaN."""
    import torch.nn.functional as F

    def kl_div(input, target, reduction="mean", log_target=False, **_):
        keep = ~torch.isneginf(target)
        return (target[keep].exp() * (target[keep] - input[keep])).sum()

    F.kl_div = kl_div


def request(model, sources, targets, q):
    """The library's answer, and lime's masks."""
    drawn, plain = [], torch.multinomial

    def multinomial(*a, **k):
        drawn.append(plain(*a, **k))
        return drawn[-1]

    common.seed_all(7)
    torch.multinomial = multinomial
    a = json.loads(json.dumps(q.get("args", {})))
    if "window" in q:
        width = model.get_embedding_layer().embedding_dim
        both = lambda x: (x, x) if q.get("attribute_target") else x  # noqa: E731
        a["sliding_window_shapes"] = both((q["window"], width))
        if "stride" in q:
            a["strides"] = both((q["stride"], width))
    model.attribution_method = model.get_attribution_method(q["method"])
    out = model.attribute(sources, targets, attribute_target=q.get("attribute_target", False), attributed_fn=q.get("attributed_fn"),
                          step_scores=q.get("step_scores", []), attr_pos_start=q.get("start"), show_progress=False, **a)
    torch.multinomial = plain
    if "aggregators" in q:
        out = aggregate_attribution_scores(out, None, q["aggregators"], False, False)
    elif q.get("aggregated"):
        out = out.aggregate()
    out.step_attributions = None
    return out, [m.flatten().tolist() for m in drawn if q["method"] == "lime"]


def command(name, sources, targets, q, masks):
    line = ["attribute", "-m", os.path.normpath(f"test/golden/edges/{name}"), "-a", q["method"], "-i", *sources, "-g", *targets]
    line += ["--attribute_target"] if q.get("attribute_target") else []
    line += ["-fn", q["attributed_fn"]] if "attributed_fn" in q else []
    line += ["--step_scores", *q["step_scores"]] if "step_scores" in q else []
    line += ["--start_pos", str(q["start"])] if "start" in q else []
    line += ["--attribution_aggregators", *q["aggregators"]] if "aggregators" in q else []
    line += ["--save_aggregated"] if q.get("aggregated") else []
    a = dict(q.get("args", {}))
    for key, argument in ("window", "sliding_window_shapes"), ("stride", "strides"):
        if key in q:
            a[argument] = [q[key], -1]
    if masks:
        a["masks"] = masks
    return line + (["--attribution_kwargs", json.dumps(a)] if a else [])


def attribute():
    lines, models = [], {}
    for case, name, sources, targets, q in CASES:
        sources, targets = ([x] if isinstance(x, str) else x for x in (sources, targets))
        if name not in models:
            models[name] = inseq.load_model(os.path.relpath(os.path.join(FOLDER, name)), "dummy", model_kwargs={"dtype": "float32"})
            models[name].model.eval()
        one = len(sources) == 1
        out, masks = request(models[name], sources[0] if one else sources, targets[0] if one else targets, q)
        out.save(os.path.join(FOLDER, f"{case}.json"), overwrite=True)
        lines.append(json.dumps({"name": case, "words": command(name, sources, targets, q, masks), "file": f"{case}.json", "atol": q.get("atol", 2e-6)}))
        common.say(case)
    with open(os.path.join(FOLDER, "attribute.json"), "w") as f:
        f.write("[\n" + ",\n".join(lines) + "\n]\n")


def generate():
    """Sources for which the argument matters, and for which a near miss would give something else."""
    folder = os.path.join(FOLDER, "plain")
    model, tokenizer = T5ForConditionalGeneration.from_pretrained(folder).eval(), T5Tokenizer.from_pretrained(folder)
    lines = []

    def run(ids, **arguments):
        with torch.no_grad():
            return model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_length=8, **arguments)[0].tolist()

    def keep(what, near_misses):
        found = 0
        for text in TEXTS + [" ".join(t.split()[:n]) for t in TEXTS for n in (2, 5)]:
            ids = tokenizer(text).input_ids
            arguments, others = near_misses(ids)
            got = run(ids, **arguments)
            if all(run(ids, **other) != got for other in others) and found < 2:
                found += 1
                lines.append(json.dumps({"name": what, "model": "plain", "arguments": dict(arguments, max_length=8), "source": ids, "ids": got}))
        assert found, what

    greedy = {"num_beams": 1}
    keep("encoder_repetition_penalty", lambda ids: (
        dict(greedy, encoder_repetition_penalty=2.5), [greedy, dict(greedy, encoder_repetition_penalty=1 / 2.5)]))

    def begin(ids):
        forced = dict(greedy, forced_bos_token_id=20)
        second = run(ids, **forced)[2]
        a = dict(forced, begin_suppress_tokens=[second])
        return a, [forced, dict(forced, suppress_tokens=[second])] if second in run(ids, **a)[3:] else [forced]

    keep("begin_suppress_tokens", begin)

    def bad(ids):
        a = dict(greedy, bad_words_ids=[[1], [9]])
        return a, [dict(greedy, bad_words_ids=[[9]], suppress_tokens=[1])]

    keep("bad_words_ids", bad)
    return lines


def absmax():
    """Scores rounded so that the largest of either sign are often equal."""
    model = inseq.load_model(os.path.relpath(os.path.join(FOLDER, "plain")), "saliency", model_kwargs={"dtype": "float32"})
    out = model.attribute(CAT, BIRD, attribute_target=True, show_progress=False, abs=False)
    for a in out.sequence_attributions:
        for x in a.source_attributions, a.target_attributions:
            size = x.nan_to_num().abs().amax(-1, keepdim=True)
            x.copy_(torch.where(size > 0, (x / size * 1.49).round(), x))
    out.save(os.path.join(FOLDER, "absmax.json"), overwrite=True)
    out = aggregate_attribution_scores(out, None, ["absmax"], False, False)
    out.step_attributions = None
    out.save(os.path.join(FOLDER, "absmax-out.json"), overwrite=True)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    pieces = words()
    start = spm.SentencePieceProcessor(model_file=pieces).piece_to_id("▁the")
    make("plain", pieces)
    make("six", pieces, relative_attention_num_buckets=6, relative_attention_max_distance=9)
    make("ties", pieces)
    make("flat", pieces)
    make("start", pieces, decoder_start_token_id=start)
    repairs()
    attribute()
    lines = generate()
    with open(os.path.join(FOLDER, "generate.json"), "w") as f:
        f.write("[\n" + ",\n".join(lines) + "\n]\n")
    absmax()


if __name__ == "__main__":
    main()
