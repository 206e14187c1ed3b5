// SPDX-License-Identifier: Apache-2.0
// t_decoder_hostile.c — config.json files of decoder-only models that are wrong: each kind with its sentence, every value of
// every golden one replaced by what does not belong there, and memory or files that fail at any moment.
#include "../nn/nn.h"
#include "kit.h"

#include <math.h>

// The golden model NAME with other settings: "key": value pairs, which stand last and so win.
static const char *folder_with(Arena *A, const char *name, const char *more)
{
    const char *from = arena_printf(A, "test/golden/decoders/%s", name), *to = kit_folder(A);
    Str config = test_read(A, arena_printf(A, "%s/config.json", from));
    size_t end = config.n;
    while (end && config.s[end - 1] != '}') end--;
    kit_write(to, "config.json", str_of(arena_printf(A, "%.*s,%s}", (int)end - 1, config.s, more)));
    kit_write(to, "model.safetensors", test_read(A, arena_printf(A, "%s/model.safetensors", from)));
    return to;
}

TEST(decoder_refuses)
{
    static const struct {
        const char *model, *more, *says;
    } wrong[] = {
        {"llama", "\"model_type\": \"cohere\"", "of another make"},
        {"llama", "\"model_type\": \"qwen3_moe\"", "of another make"},
        {"llama", "\"model_type\": \"deepseek_v3\"", "of another make"},
        {"llama", "\"model_type\": \"cactus\"", "this program knows marian"},
        {"llama", "\"quantization_config\": {\"quant_method\": \"hqq\", \"bits\": 4}",
         "quant_method is \"hqq\", which is not read here; bitsandbytes"},
        {"llama", "\"quantization_config\": {\"load_in_8bit\": true}",
         "quant_method is \"bitsandbytes\", but no tensor in"},
        {"llama", "\"num_attention_heads\": null", "num_attention_heads is absent"},
        {"llama", "\"num_attention_heads\": \"4\"", "num_attention_heads is \"4\" (a string)"},
        {"llama", "\"num_key_value_heads\": 3", "4 attention heads can't share 3 heads of keys"},
        {"llama", "\"num_key_value_heads\": 4", "self_attn.k_proj.weight\" has shape [16, 24]"},
        {"llama", "\"head_dim\": 6", "self_attn.q_proj.weight\" has shape [32, 24]"},
        {"llama", "\"hidden_size\": 25", "model.embed_tokens.weight\" has shape [53, 24]"},
        {"llama", "\"vocab_size\": 54", "has shape [53, 24]"},
        {"llama", "\"num_hidden_layers\": 3", "no tensor \"model.layers.2.input_layernorm.weight\""},
        {"llama", "\"num_hidden_layers\": 1", "model.layers.1.input_layernorm.weight\" has no place"},
        {"llama", "\"attention_bias\": false", "self_attn.k_proj.bias\" has no place"},
        {"llama-tied", "\"attention_bias\": true", "no tensor \"model.layers.0.self_attn.q_proj.bias\""},
        {"llama", "\"hidden_act\": \"sigmoid\"", "hidden_act is \"sigmoid\""},
        {"llama", "\"rms_norm_eps\": -1", "rms_norm_eps is -1"},
        {"llama", "\"rope_parameters\": {\"rope_type\": \"spiral\"}", "rope_type is \"spiral\""},
        {"llama", "\"rope_parameters\": [1]", "it must be an object"},
        {"llama", "\"rope_parameters\": {\"rope_type\": \"linear\"}", "factor is absent; linear needs it"},
        {"llama", "\"rope_parameters\": null, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": \"4\"}",
         "factor is \"4\""},
        {"llama",
         "\"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 2, \"low_freq_factor\": 4, "
         "\"high_freq_factor\": 1}",
         "must be less than high_freq_factor"},
        {"llama-longrope",
         "\"rope_parameters\": {\"rope_type\": \"longrope\", \"long_factor\": [1], \"short_factor\": [1, 2, "
         "3]}",
         "long_factor must be a list of 3 numbers"},
        {"llama-longrope",
         "\"rope_parameters\": {\"rope_type\": \"longrope\", \"long_factor\": [1, 2, 0], \"short_factor\": "
         "[1, 2, 3]}",
         "long_factor holds"},
        {"llama", "\"head_dim\": 5, \"num_attention_heads\": 4", "that must be an even number"},
        {"mistral", "\"sliding_window\": 0", "sliding_window is 0"},
        {"gemma2", "\"layer_types\": [\"sliding_attention\"]", "a name for each of the 2 layers"},
        {"gemma2", "\"layer_types\": [\"sliding_attention\", \"linear_attention\"]",
         "layer_types has linear_attention"},
        {"gemma2", "\"sliding_window\": null", "yet there is no sliding_window"},
        {"gemma2", "\"attn_logit_softcapping\": -1", "attn_logit_softcapping is -1"},
        {"gpt2-plain", "\"n_positions\": 65", "transformer.wpe.weight\" has shape [64, 24]"},
        {"gpt2-plain", "\"add_cross_attention\": true", "add_cross_attention is true"},
        {"bloom", "\"apply_residual_connection_post_layernorm\": true",
         "is true; models with that are another block"},
        {"phi", "\"qk_layernorm\": true", "qk_layernorm is true"},
        {"stablelm", "\"qk_layernorm\": true", "qk_layernorm is true"},
        {"gptj", "\"rotary_dim\": null", "rotary_dim is null"},
        {"gptj", "\"rotary_dim\": 5", "rotary_dim is 5"},
        {"gpt_neo", "\"attention_types\": [[[\"global\"], 2]]",
         "attention_types is for 2 layers, the model has 3"},
        {"gpt_neo", "\"attention_types\": [[[\"round\"], 3]]", "may hold \"global\" and \"local\""},
        {"smollm3-list", "\"no_rope_layers\": [1, 2, 1]", "something else than 0 and 1"},
        {"falcon-40b", "\"parallel_attn\": false", "parallel_attn is false"},
        {"falcon-40b", "\"new_decoder_architecture\": false",
         "no tensor \"transformer.h.0.input_layernorm.weight\""},
        {"mixtral", "\"num_experts_per_tok\": 9", "is more than the 4 experts"},
        {"mixtral", "\"num_local_experts\": 5", "block_sparse_moe.gate.weight\" has shape [4, 24]"},
        {"gemma3", "\"text_config\": 3", "text_config is a number"},
        {"opt-projections", "\"word_embed_proj_dim\": 17", "embed_tokens.weight\" has shape [53, 16]"},
        {"opt-projections", "\"enable_bias\": false", "bias\" has no place"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Arena *a = arena_create(A);
        Err e = {0};
        if (nn_open(a, folder_with(a, wrong[i].model, wrong[i].more), (NnOptions){0}, &e))
            FAIL("%s with %s was opened", wrong[i].model, wrong[i].more);
        else CHECK_HAS(e.text, wrong[i].says);
        arena_free(a);
    }
}

// An untied model whose file lacks the output matrix: the embeddings serve, and whoever opens it is told.
TEST(decoder_notes)
{
    Err e = {0};
    const char *note = NULL;
    CHECK(nn_open(A, folder_with(A, "llama-tied", "\"tie_word_embeddings\": false"),
                  (NnOptions){.note = &note}, &e) != NULL);
    if (!note) return FAIL("no word of it");
    CHECK_HAS(note, "the embeddings serve as one");
}

// ------------------------------------------------------------------------------------------ any value

static const Tensor *run(Arena *A, const Model *m)
{
    static const int32_t ids[] = {3, 4, 5, 6, 7};
    int64_t n = 5, rows[] = {0, 1, 2, 3, 4};
    Err e = {0};
    if (!nn_check_ids(m, (Ids){ids, n}, true, "text", &e)) return NULL;
    Tape *t = tape_create(A);
    Tensor *y = tn_new(t, n, nn_info(m)->width, rows_make(A, 1, &n));
    nn_embed(m, (Ids){ids, n}, true, y->f);
    Pass pass;
    nn_forward(m, t, NULL, y, NULL, &pass);
    return nn_logits(m, t, &pass, rows, rows_make(A, 1, &n));
}

// A damaged router is seen: its NaN reaches the logits, it does not send the row to the other experts.
TEST(decoder_router_nan)
{
    const char *from = "test/golden/decoders/mixtral", *to = kit_folder(A);
    Str w = test_read(A, "test/golden/decoders/mixtral/model.safetensors");
    uint64_t header;
    Err e = {0};
    memcpy(&header, w.s, 8);
    const Json *all = json_parse(A, (Str){w.s + 8, header}, "header", &e),
               *gate = json_get(all, "model.layers.0.block_sparse_moe.gate.weight"),
               *at = json_get(gate, "data_offsets")->child;
    CHECK(json_get(gate, "shape")->child->i == 4 && str_is(json_get(gate, "dtype")->text, "F32"));
    for (int64_t expert = 0; expert < 4; expert++) {
        const size_t row = (size_t)(at->next->i - at->i) / 4;
        char *copy = arena_new(A, char, w.n);
        memcpy(copy, w.s, w.n);
        memcpy(copy + 8 + header + at->i + (size_t)expert * row, &(float){NAN}, 4);
        kit_write(to, "config.json", test_read(A, arena_printf(A, "%s/config.json", from)));
        kit_write(to, "model.safetensors", (Str){copy, w.n});
        const Model *m = nn_open(A, to, (NnOptions){0}, &e);
        const Tensor *y = m ? run(A, m) : NULL;
        if (!y) return FAIL("%s", e.text);
        CHECK(isnan(y->f[0]));
    }
}

// The object again, with another value for its k-th key.
static Str with_value(Arena *A, const Json *object, size_t k, const char *value)
{
    Buf b = {.arena = A};
    size_t i = 0;
    buf_char(&b, '{');
    for (const Json *j = object->child; j; j = j->next, i++) {
        if (i) buf_char(&b, ',');
        buf_json(&b, j->key), buf_char(&b, ':');
        if (i == k) buf_printf(&b, "%s", value);
        else if (j->kind == J_NUMBER) buf_str(&b, j->text);
        else if (j->kind == J_STRING) buf_json(&b, j->text);
        else if (j->kind == J_TRUE || j->kind == J_FALSE)
            buf_printf(&b, j->kind == J_TRUE ? "true" : "false");
        else if (j->kind == J_OBJECT) buf_str(&b, with_value(A, j, SIZE_MAX, ""));
        else if (j->kind == J_ARRAY) {
            buf_char(&b, '[');
            for (const Json *x = j->child; x; x = x->next) {
                if (x != j->child) buf_char(&b, ',');
                if (x->kind == J_STRING) buf_json(&b, x->text);
                else if (x->kind == J_NUMBER) buf_str(&b, x->text);
                else buf_printf(&b, "[]");
            }
            buf_char(&b, ']');
        } else buf_printf(&b, "null");
    }
    buf_char(&b, '}');
    return buf_view(&b);
}

TEST(decoder_any_value)
{
    static const char *const values[] = {"null",  "0",    "-1",    "3",  "1e9",   "1.5",
                                         "\"x\"", "true", "false", "[]", "[1,2]", "{}"};
    static const char *const names[] = {"gpt2-by-layer",   "llama",      "llama-yarn", "phi3",
                                        "gemma3_text",     "falcon-40b", "gpt_neo",    "mixtral",
                                        "opt-projections", "smollm3",    "granite"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Arena *a = arena_create(A);
        Err e = {0};
        const char *from = arena_printf(a, "test/golden/decoders/%s", names[i]), *to = kit_folder(a);
        const Json *config =
            json_parse(a, test_read(a, arena_printf(a, "%s/config.json", from)), "config.json", &e);
        kit_write(to, "model.safetensors", test_read(a, arena_printf(a, "%s/model.safetensors", from)));
        for (size_t k = 0; config && k < config->count; k++)
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                Arena *each = arena_create(a);
                e = (Err){0};
                unlink(arena_printf(each, "%s/config.json",
                                    to)); // some file systems wait where a file is written over
                kit_write(to, "config.json", with_value(each, config, k, values[v]));
                const Model *m = nn_open(each, to, (NnOptions){0}, &e);
                if (m) run(each, m);
                CHECK(!m == e.set);
                arena_free(each);
            }
        arena_free(a);
    }
}

static bool open_folder(Arena *A, void *context, Err *e)
{
    return nn_open(A, context, (NnOptions){0}, e) != NULL;
}

TEST(decoder_faults)
{
    static char *const folder[] = {"test/golden/decoders/phi3", "test/golden/decoders/gemma3",
                                   "test/golden/decoders/mixtral"};
    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
        test_every_fault(A, FAULT_ALLOC, open_folder, folder[i]);
        test_every_fault(A, FAULT_IO, open_folder, folder[i]);
    }
}
