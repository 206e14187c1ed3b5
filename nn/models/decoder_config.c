// SPDX-License-Identifier: Apache-2.0
// decoder_config.c — a DecoderShape from config.json: what the families have in common, under all the names it goes by.
//
// What a family's class takes for granted stands in its row, what it asks for beyond this in its page (decoders.c).
#include "decoder.h"

enum {
    MOST_WIDTH = 1 << 17,
    MOST_LAYERS = 1024,
    MOST_HEADS = 1024,
    MOST_VOCAB = 1 << 24,
    MOST_POSITIONS = 1 << 22,
    MOST_WINDOW = 1 << 30
};

static int64_t need(const Config *c, const char *const *keys, int64_t most, int64_t absent)
{
    const char *key = decoder_key(c, keys);
    if (!key && absent) return absent;
    return cfg_need_int(c, key ? key : keys[0], 1, most);
}

static const char *const layer_keys[] = {"num_hidden_layers", "n_layer", "num_layers", NULL};
static const char *const head_keys[] = {"num_attention_heads", "n_head", "num_heads", NULL};
static const char *const width_keys[] = {"hidden_size", "n_embd", "n_embed", NULL};
static const char *const vocab_keys[] = {"vocab_size", NULL};
static const char *const position_keys[] = {"max_position_embeddings", "n_positions", NULL};
static const char *const eps_keys[] = {"rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_epsilon",
                                       NULL};
static const char *const act_keys[] = {"hidden_activation", "hidden_act", "activation_function", "activation",
                                       NULL};

static bool is_null(const Config *c, const char *key)
{
    const Json *j = json_get(c->json, key);
    return j && j->kind == J_NULL;
}

// null: as many as heads, whatever the family takes for an absent key.
static void read_heads(const Config *c, const DecoderRow *row, DecoderShape *s)
{
    s->heads = need(c, head_keys, MOST_HEADS, row->heads);
    int64_t shared = row->kv_heads && !is_null(c, "num_key_value_heads") ? row->kv_heads : s->heads;
    s->kv_heads = cfg_int(c, "num_key_value_heads", shared, 1, MOST_HEADS);
    int64_t width = row->head_dim ? row->head_dim : s->width / s->heads;
    s->head_dim = cfg_int(c, "head_dim", width, 1, MOST_WIDTH);
}

static bool check_heads(const Config *c, const DecoderShape *s, bool square, Err *e)
{
    if (s->heads % s->kv_heads)
        return err_set(
            e, "%s: %" PRId64 " attention heads can't share %" PRId64 " heads of keys (num_key_value_heads)",
            c->path, s->heads, s->kv_heads);
    if (square && s->width % s->heads)
        return err_set(e, "%s: the width %" PRId64 " is not a multiple of the %" PRId64 " attention heads",
                       c->path, s->width, s->heads);
    if (s->head_dim < 1 || s->heads * s->head_dim > MOST_WIDTH * 4)
        return err_set(e, "%s: %" PRId64 " heads of %" PRId64 " columns are too wide", c->path, s->heads,
                       s->head_dim);
    return true;
}

static bool read_act(const Config *c, const DecoderRow *row, DecoderShape *s, Err *e)
{
    const char *key = decoder_key(c, act_keys);
    Str act = key ? cfg_str(c, key, row->act) : str_of(row->act);
    char name[SHOWN];
    return act_by_name(act, &s->act) || err_set(e,
                                                "%s: %s is \"%s\"; relu, relu2, silu, gelu, gelu_new, "
                                                "quick_gelu and their other names are known",
                                                c->path, key ? key : "the activation", shown(name, act));
}

// "yes", "no", or "key=yes" for one that is set by a key of that name and on when it is absent.
static bool read_bias(const Config *c, const char *rule)
{
    char key[64];
    size_t n = 0;
    for (; rule[n] && rule[n] != '=' && n < sizeof key - 1; n++) key[n] = rule[n];
    key[n] = 0;
    return rule[n] ? cfg_bool(c, key, rule[n + 1] == 'y') : rule[0] == 'y';
}

// ------------------------------------------------------------------------------------------------ windows

// Which layers see only a window of keys: layer_types says, where it is there; else `has`, a rule of the family (NULL: all).
bool decoder_windows(const Config *c, DecoderShape *s, int64_t window, bool (*has)(const Config *, int64_t),
                     Err *e)
{
    const Json *types = json_get(c->json, "layer_types"), *t = NULL;
    bool listed = types && types->kind != J_NULL;
    if (listed && (types->kind != J_ARRAY || (int64_t)types->count != s->layers))
        return err_set(e, "%s: layer_types must be a list with a name for each of the %" PRId64 " layers",
                       c->path, s->layers);
    if (listed) t = types->child;
    for (int64_t i = 0; i < s->layers; i++, t = t ? t->next : NULL) {
        char name[SHOWN];
        bool slides = !listed && (!has || has(c, i));
        if (listed && t->kind == J_STRING && str_is(t->text, "sliding_attention")) {
            if (!window)
                return err_set(e, "%s: layer_types has sliding_attention, yet there is no sliding_window",
                               c->path);
            slides = true;
        } else if (listed && (t->kind != J_STRING || !str_is(t->text, "full_attention")))
            return err_set(e, "%s: layer_types has %s%s; full_attention and sliding_attention are known",
                           c->path, t->kind == J_STRING ? "" : json_kind_name(t),
                           t->kind == J_STRING ? shown(name, t->text) : "");
        s->window[i] = slides ? window : 0;
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ all of it

// Models that see images too keep the language model's part in an object of its own.
static bool text_part(Config *c, Err *e)
{
    const Json *text = json_get(c->json, "text_config");
    if (!text || text->kind == J_NULL) return true;
    if (text->kind != J_OBJECT)
        return err_set(e, "%s: text_config is %s; it must be an object", c->path, json_kind_name(text));
    c->json = text;
    return true;
}

static void read_dropout(const Config *c, Noise *n)
{
    static const char *const inputs[] = {"embd_pdrop", "embed_dropout", NULL},
                             *const rest[] = {"resid_pdrop",      "resid_dropout", "hidden_dropout",
                                              "residual_dropout", "dropout",       NULL},
                             *const attention[] = {"attention_dropout", "attn_pdrop", NULL};
    const char *key[] = {decoder_key(c, inputs), decoder_key(c, rest), decoder_key(c, attention)};
    float *rate[] = {&n->inputs, &n->rate, &n->attention};
    for (int i = 0; i < 3; i++)
        if (key[i]) *rate[i] = (float)cfg_real(c, key[i], 0, 0, 0.999);
}

bool decoder_read(Model *m, const DecoderRow *row, DecoderShape *s, Err *e)
{
    Config own = m->config;
    if (row->wrapped && !text_part(&own, e)) return false;
    const Config *c = &own;
    const bool plain = m->checkpoint->plain;
    *s = (DecoderShape){.names = row->names,
                        .layers = need(c, layer_keys, MOST_LAYERS, 0),
                        .width = need(c, width_keys, MOST_WIDTH, 0),
                        .vocab = need(c, vocab_keys, MOST_VOCAB, row->vocab),
                        .norm = row->norm == NORM_RMS_PLUS_ONE && plain ? NORM_RMS : row->norm,
                        .residual = row->residual,
                        .position = row->position,
                        .fused = row->fused,
                        .qk_norm = row->qk_norm,
                        .turned = row->turned && !plain,
                        .gated = row->gated,
                        .gate_up = row->gate_up,
                        .neighbours = row->neighbours,
                        .bias_output = row->output_bias,
                        .last_norm = true,
                        .embed_scale = 1,
                        .embed_factor = 1,
                        .residual_factor = 1,
                        .logits_scale = 1};
    read_heads(c, row, s);
    s->embed_width = s->width;
    s->tied = cfg_bool(c, "tie_word_embeddings", row->tied);
    const char *key = decoder_key(c, eps_keys);
    s->eps = (float)(key ? cfg_real(c, key, row->eps, 0, 1) : row->eps);
    const char *const ff[] = {row->ff_key ? row->ff_key : "intermediate_size", NULL};
    s->ff = need(c, ff, MOST_WIDTH * 4, row->gated ? 0 : 4 * s->width);
    if (row->position == POSITIONS_LEARNED) s->positions = need(c, position_keys, MOST_POSITIONS, 0);
    s->bias_qkv = read_bias(c, row->qkv_bias), s->bias_o = read_bias(c, row->o_bias);
    s->bias_ff = read_bias(c, row->ff_bias);
    read_dropout(c, &m->dropout);
    if (e && e->set) return false;
    if (!read_act(c, row, s, e) ||
        !check_heads(c, s, !row->head_dim && !decoder_key(c, (const char *const[]){"head_dim", NULL}), e))
        return false;
    s->scale = 1 / __builtin_sqrtf((float)s->head_dim);
    s->window = arena_new(m->arena, int64_t, s->layers), s->rotation = arena_new(m->arena, int, s->layers);
    if (row->position == POSITIONS_ROTARY &&
        !rope_read(m->arena, c, row, NULL, row->theta, s->head_dim, &s->rope[0], e))
        return false;
    if (row->page && (!row->page(row, m, c, s, e) || (e && e->set))) return false;
    if (s->position != POSITIONS_ROTARY)
        for (int64_t i = 0; i < s->layers; i++) s->rotation[i] = -1;
    return check_heads(c, s, false, e) && !(e && e->set);
}
