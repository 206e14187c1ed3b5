# SPDX-License-Identifier: Apache-2.0
"""Tiny random decoder-only models of every family and switch, and what transformers makes of them.

    python tools/oracle/decoders.py [NAME...]      # writes test/golden/decoders/NAME/

Each folder has config.json as transformers writes it now, old.json where repositories have another form of it (the same
model), model.safetensors, and golden.safetensors: ids, logits, attentions.N, and logits.f64 in double. Norms are away from
one and biases away from zero, attention is peaked, and texts are longer than any window, so that no switch can be left out
unnoticed. Falcon's eager attention adds ALiBi twice, so there are no attentions of that one.
"""
import json, os, sys
import torch, transformers
from safetensors.torch import save_file, load_file

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "test", "golden", "decoders")
V, D, L, T = 53, 24, 2, 19
base = dict(vocab_size=V, hidden_size=D, num_hidden_layers=L, num_attention_heads=4, intermediate_size=40,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
kv = dict(base, num_key_value_heads=2)
gpt = dict(vocab_size=V, n_embd=D, n_layer=L, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)


def rope(kind, **k):
    return dict(rope_type=kind, rope_theta=10000.0, **k)


factors = dict(short_factor=[1.0, 1.1, 1.3], long_factor=[1.5, 2.0, 3.5], original_max_position_embeddings=32)
yarn = dict(factor=4.0, original_max_position_embeddings=16)
# name: (model_type, settings, what old.json has instead: a value, or None to take a key away)
CASES = {
    "gpt2-plain": ("gpt2", dict(gpt, scale_attn_weights=False), None),
    "gpt2-by-layer": ("gpt2", dict(gpt, scale_attn_by_inverse_layer_idx=True, n_inner=56), None),
    "llama": ("llama", dict(kv, attention_bias=True, mlp_bias=True, head_dim=8), {"rope_parameters": None, "rope_theta": 10000.0}),
    "llama-tied": ("llama", dict(kv, tie_word_embeddings=True, hidden_act="gelu"), None),
    "llama-linear": ("llama", dict(kv, rope_parameters=rope("linear", factor=2.5)),
                     {"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.5}}),
    "llama-dynamic": ("llama", dict(kv, rope_parameters=rope("dynamic", factor=2.0)),
                      {"rope_parameters": None, "rope_scaling": {"type": "dynamic", "factor": 2.0}}),
    "llama-llama3": ("llama", dict(kv, head_dim=12, rope_parameters=rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)),
        {"rope_parameters": None, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                                   "high_freq_factor": 4.0, "original_max_position_embeddings": 32}}),
    "llama-yarn": ("llama", dict(kv, head_dim=12, rope_parameters=rope("yarn", **yarn)),
                   {"rope_parameters": None, "rope_scaling": dict(yarn, type="yarn")}),
    "llama-yarn-mscale": ("llama", dict(kv, head_dim=12, rope_parameters=rope(
        "yarn", **yarn, mscale=0.7, mscale_all_dim=1.3, beta_fast=16, beta_slow=2)), None),
    "llama-yarn-exact": ("llama", dict(kv, head_dim=12, rope_parameters=rope(
        "yarn", **yarn, truncate=False, attention_factor=1.25)), None),
    "llama-longrope": ("llama", dict(kv, rope_parameters=rope("longrope", **factors, factor=2.0)), None),
    "mistral": ("mistral", dict(kv, sliding_window=5, head_dim=8), {"rope_parameters": None, "rope_theta": 10000.0}),
    "mistral-no-window": ("mistral", dict(kv, sliding_window=None), None),
    "qwen2": ("qwen2", dict(kv, use_sliding_window=True, sliding_window=4, max_window_layers=1),
              {"rope_parameters": None, "rope_theta": 10000.0, "layer_types": None}),
    "qwen2-no-window": ("qwen2", dict(kv, use_sliding_window=False, sliding_window=4),
                        {"sliding_window": 4, "layer_types": None}),
    "qwen3": ("qwen3", dict(kv, attention_bias=True, head_dim=10, use_sliding_window=True, sliding_window=4,
                            max_window_layers=1), {"layer_types": None}),
    "gemma": ("gemma", dict(kv, head_dim=8, hidden_act="gelu_pytorch_tanh"), {"hidden_act": "gelu", "hidden_activation": None}),
    "gemma2": ("gemma2", dict(kv, head_dim=8, sliding_window=4, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
                              query_pre_attn_scalar=11), {"layer_types": None, "rope_parameters": None, "rope_theta": 10000.0}),
    "gemma2-no-caps": ("gemma2", dict(kv, head_dim=8, sliding_window=4, attn_logit_softcapping=None,
                                      final_logit_softcapping=None, query_pre_attn_scalar=8), None),
    "gemma3_text": ("gemma3_text", dict(kv, num_hidden_layers=4, head_dim=8, sliding_window=4, query_pre_attn_scalar=9,
                                        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
                                        rope_parameters={"full_attention": rope("linear", factor=2.0) | {"rope_theta": 1e6},
                                                         "sliding_attention": rope("default") | {"rope_theta": 500.0}}),
                    {"layer_types": None, "sliding_window_pattern": 3, "rope_parameters": None, "rope_theta": 1e6,
                     "rope_local_base_freq": 500.0, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    "phi": ("phi", dict(base, num_attention_heads=6), {"rope_parameters": None, "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "num_key_value_heads": None}),
    "phi3": ("phi3", dict(kv, rope_parameters=rope("longrope", **factors), original_max_position_embeddings=32, sliding_window=6),
             {"rope_parameters": None, "rope_theta": 10000.0,
              "rope_scaling": {"type": "longrope", "short_factor": factors["short_factor"], "long_factor": factors["long_factor"]}}),
    "phi3-plain": ("phi3", dict(kv, tie_word_embeddings=True), None),
    "opt-projections": ("opt", dict(base, ffn_dim=40, word_embed_proj_dim=16, do_layer_norm_before=False), None),
    "opt-no-bias": ("opt", dict(base, ffn_dim=40, word_embed_proj_dim=D, enable_bias=False), None),
    "gpt_neo": ("gpt_neo", dict(vocab_size=V, hidden_size=D, num_layers=3, num_heads=4, max_position_embeddings=64, window_size=5,
                                attention_types=[[["global", "local"], 1], [["local"], 1]], bos_token_id=1, eos_token_id=2), None),
    "gpt_neox": ("gpt_neox", dict(base, num_attention_heads=6, rotary_pct=0.5), {"rope_parameters": None, "rotary_pct": 0.5, "rotary_emb_base": 10000}),
    "gpt_neox-in-turn": ("gpt_neox", dict(base, use_parallel_residual=False, attention_bias=False, rotary_pct=1.0), None),
    "gptj": ("gptj", dict(gpt, rotary_dim=4), None),
    "bloom": ("bloom", dict(vocab_size=V, hidden_size=D, n_layer=L, n_head=6, bos_token_id=1, eos_token_id=2), None),
    "falcon-7b": ("falcon", dict(base), {"rope_parameters": None}),
    "falcon-40b": ("falcon", dict(base, new_decoder_architecture=True, num_kv_heads=2, bias=True), None),
    "falcon-one-norm": ("falcon", dict(base, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1), None),
    "falcon-rw": ("falcon", dict(base, alibi=True, multi_query=False, parallel_attn=False, bias=True), None),
    "olmo2": ("olmo2", dict(kv, rms_norm_eps=1e-5), None),
    "smollm3": ("smollm3", dict(kv, num_hidden_layers=5), {"rope_parameters": None, "rope_theta": 2e6, "layer_types": None}),
    "smollm3-list": ("smollm3", dict(kv, num_hidden_layers=3, no_rope_layers=[1, 0, 1], no_rope_layer_interval=2), None),
    "stablelm": ("stablelm", dict(kv, use_qkv_bias=True, rope_parameters=rope("default", partial_rotary_factor=0.34)), None),
    "stablelm-parallel": ("stablelm", dict(kv, use_parallel_residual=True, rope_parameters=rope("default", partial_rotary_factor=1.0)), None),
    "starcoder2": ("starcoder2", dict(kv, sliding_window=5), None),
    "granite": ("granite", dict(kv, embedding_multiplier=3.0, residual_multiplier=0.6, attention_multiplier=0.2,
                                logits_scaling=2.5, attention_bias=True), None),
    "mixtral": ("mixtral", dict(kv, num_local_experts=4, num_experts_per_tok=2, intermediate_size=16, sliding_window=None), None),
}


def fill(model, seed):
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=g)
            if p.dim() == 1:
                centre = 0.0 if name.endswith("bias") or "Gemma" in type(model).__name__ else 1.0
                p.copy_(centre + 0.25 * r)
            elif "embed" in name or name.endswith(("wte.weight", "wpe.weight")):
                p.copy_(r * (0.2 if "Gemma" in type(model).__name__ else 0.7))
            else:
                fan = p.shape[0] if ".c_" in name and "GPT2" in type(model).__name__ else p.shape[-1]
                p.copy_(1.3 * r / fan ** 0.5)


def run(model, ids, attentions):
    with torch.no_grad():
        out = model(input_ids=ids, output_attentions=attentions, use_cache=False)
    tensors = {"logits": out.logits}
    if attentions:
        tensors.update({f"attentions.{i}": a for i, a in enumerate(out.attentions)})
    return {k: v.contiguous() for k, v in tensors.items()}


def make(name, kind, settings, old):
    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    config = transformers.AutoConfig.for_model(kind, **settings)
    alibi = kind == "falcon" and settings.get("alibi")
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa" if alibi else "eager").eval()
    seed = sum(map(ord, name))
    fill(model, seed)
    model.tie_weights()
    ids = torch.randint(3, V, (1, T), generator=torch.Generator().manual_seed(seed + 1))
    golden = run(model, ids, not alibi)
    golden["ids"] = ids
    if kind != "mixtral":  # its experts' products know no doubles
        golden["logits.f64"] = run(model.double(), ids, False)["logits"]
        model.float()
    model.save_pretrained(folder)
    extra = os.path.join(folder, "generation_config.json")
    if os.path.exists(extra):
        os.remove(extra)
    save_file(golden, os.path.join(folder, "golden.safetensors"))
    now = json.load(open(os.path.join(folder, "config.json")))
    now.pop("transformers_version", None)
    json.dump(now, open(os.path.join(folder, "config.json"), "w"), indent=1)
    if old:
        for key, value in old.items():
            now.pop(key, None)
            if value is not None:
                now[key] = value
        json.dump(now, open(os.path.join(folder, "old.json"), "w"), indent=1)
    print(name, sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder)))


def wrap():
    """gemma3's folder: the text model under text_config, its tensors under other names, beside parts that see images."""
    source, folder = os.path.join(OUT, "gemma3_text"), os.path.join(OUT, "gemma3")
    os.makedirs(folder, exist_ok=True)
    tensors = {"language_model." + k: v for k, v in load_file(os.path.join(source, "model.safetensors")).items()}
    tensors["vision_tower.vision_model.embeddings.patch_embedding.bias"] = torch.zeros(3)
    tensors["multi_modal_projector.mm_soft_emb_norm.weight"] = torch.zeros(3)
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    text = json.load(open(os.path.join(source, "old.json")))
    json.dump({"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "bos_token_id": 1, "eos_token_id": [2, 3],
               "text_config": text, "vision_config": {}}, open(os.path.join(folder, "config.json"), "w"), indent=1)
    os.system(f"cp {source}/golden.safetensors {folder}/")


if __name__ == "__main__":
    names = sys.argv[1:] or list(CASES)
    for n in names:
        make(n, *CASES[n])
    if "gemma3_text" in names:
        wrap()
