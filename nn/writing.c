// SPDX-License-Identifier: Apache-2.0
// writing.c — an opened model as the files of a folder, in float32 or in bitsandbytes' codes.
//
// A model of GGUF's has all matrices as [out, in], and norms' gains as what is multiplied by; transformers' classes want
// some turned (GPT-2) and some less the one that they add (Gemma). What was added comes off without rounding: a gain g made
// as 1 + w of float32 numbers gives w again where g - 1 is exact, and below 0.5 that is wherever 1 + w was.
#include "files/writing.h"
#include "models/decoder.h"

#include <string.h>

// ------------------------------------------------------------------------------------------------ settings

static void put_json(Buf *b, const Json *j)
{
    static const char *const plain[] = {[J_NULL] = "null", [J_FALSE] = "false", [J_TRUE] = "true"};
    const bool object = j->kind == J_OBJECT;
    if (j->kind < J_NUMBER) buf_str(b, str_of(plain[j->kind]));
    else if (j->kind == J_NUMBER) buf_str(b, j->text);
    else if (j->kind == J_STRING) buf_json(b, j->text);
    else {
        buf_char(b, object ? '{' : '[');
        for (const Json *c = j->child; c; c = c->next) {
            if (object) buf_json(b, c->key), buf_str(b, STR_LIT(": "));
            put_json(b, c);
            if (c->next) buf_str(b, STR_LIT(", "));
        }
        buf_char(b, object ? '}' : ']');
    }
}

// What transformers writes of a model that it loaded with load_in_8bit or load_in_4bit.
static void put_quantization(Buf *b, Dtype codes)
{
    const bool eight = codes == DT_BNB8;
    buf_printf(
        b,
        ",\n  \"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_8bit\": %s, "
        "\"load_in_4bit\": %s, \"_load_in_8bit\": %s, \"_load_in_4bit\": %s, \"llm_int8_threshold\": 6.0, "
        "\"llm_int8_skip_modules\": null, \"llm_int8_enable_fp32_cpu_offload\": false, "
        "\"llm_int8_has_fp16_weight\": false, \"bnb_4bit_compute_dtype\": \"float32\", "
        "\"bnb_4bit_quant_storage\": \"uint8\", \"bnb_4bit_quant_type\": \"%s\", "
        "\"bnb_4bit_use_double_quant\": false}",
        eight ? "true" : "false", eight ? "false" : "true", eight ? "true" : "false",
        eight ? "false" : "true", eight ? "fp4" : "nf4");
}

// config.json as it is, but for what it says of the type of the weights, and how they are quantized. codes: DT_F32: not.
static bool write_config(Arena *a, const Model *m, Dtype codes, const char *path, Err *e)
{
    Buf b = {.arena = a};
    buf_str(&b, STR_LIT("{\n  \"torch_dtype\": \"float32\""));
    if (!json_get(m->config.json, "architectures"))
        buf_printf(&b, ",\n  \"architectures\": [\"%s\"]", m->info.class_name);
    for (const Json *c = m->config.json->child; c; c = c->next) {
        if (str_is(c->key, "torch_dtype") || str_is(c->key, "dtype") ||
            str_is(c->key, "quantization_config") || str_is(c->key, "compression_config"))
            continue;
        buf_str(&b, STR_LIT(",\n  ")), buf_json(&b, c->key), buf_str(&b, STR_LIT(": "));
        put_json(&b, c);
    }
    if (codes != DT_F32) put_quantization(&b, codes);
    buf_str(&b, STR_LIT("\n}\n"));
    return file_write(path, buf_view(&b), e);
}

static bool write_generation(Arena *a, const Model *m, FolderOut *to, Err *e)
{
    enum { LARGEST = 64 << 20 };
    static const char name[] = "generation_config.json";
    const char *path = arena_printf(a, "%s/%s", m->info.folder, name);
    Str text;
    if (!file_exists(path)) return true;
    return file_read(a, path, LARGEST, &text, e) && file_write(folder_file(to, name), text, e);
}

// ------------------------------------------------------------------------------------------------ weights

// Whether every gain less one, and one more, is that gain again.
static bool check_gains(Arena *a, const Outgoing *o, Err *e)
{
    const int64_t n = (int64_t)stored_count(o->from);
    float *less = arena_new_raw(a, float, n), *gain = arena_new_raw(a, float, n);
    num_widen(gain, o->from->data, (WType)o->from->dtype, 0, n);
    outgoing_values(o, 0, 1, less);
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&gain[i], &(float){less[i] + 1}, sizeof *gain) && gain[i] - gain[i] == 0)
            return err_at(e, o->from->file, o->from->at,
                          "tensor '%.*s': %.9g is no gain that a model of this family can have, whose files "
                          "hold gains less one",
                          (int)o->name.n, o->name.s, (double)gain[i]);
    return true;
}

// As transformers' class wants it.
static bool as_there(Arena *a, const Model *m, Outgoing *o, Err *e)
{
    const DecoderRow *row = m->family->row;
    const bool codes = !dtype_size(o->from->dtype); // libraries of codes turn what they take
    if ((!m->checkpoint->plain && !codes) || !row) return true;
    const bool of_layer =
        codes ? !str_ends(o->name, STR_LIT("lm_head.weight"))
              : memmem(o->name.s, o->name.n, row->names->layer, strlen(row->names->layer)) != NULL;
    if (row->turned && of_layer && o->rank == 2)
        o->turned = true, o->dim[0] = o->from->dim[1], o->dim[1] = o->from->dim[0];
    if (row->norm != NORM_RMS_PLUS_ONE || o->rank != 1) return true;
    o->plus = -1;
    return check_gains(a, o, e);
}

static bool write_model(Arena *a, const Model *m, bool coded, FolderOut *to, Err *e)
{
    const Checkpoint *c = m->checkpoint;
    Outgoing *out = arena_new(a, Outgoing, MOST_PARTS_OF_CODES * c->n);
    Dtype codes = DT_F32;
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const Stored *s = &c->tensor[i];
        const size_t parts = coded ? outgoing_codes(a, s, &out[n]) : 0;
        n += parts, codes = parts ? s->dtype : codes;
        if (parts || !dtype_is_weight(s->dtype)) continue; // not weights: buffers of older files
        out[n] = outgoing(s, DT_F32);
        if (!as_there(a, m, &out[n++], e)) return false;
    }
    return safetensors_write(a, folder_file(to, "model.safetensors"), out, n, e) &&
           write_config(a, m, codes, folder_file(to, "config.json"), e) && write_generation(a, m, to, e);
}

bool nn_write_float32(Arena *a, const Model *m, FolderOut *to, Err *e)
{
    return write_model(a, m, false, to, e);
}

bool nn_write_codes(Arena *a, const Model *m, FolderOut *to, Err *e)
{
    return write_model(a, m, true, to, e);
}
