// SPDX-License-Identifier: Apache-2.0
// rope_scaling.c — the angles of rotary positions, and the ways to stretch them over longer texts: linear, dynamic (NTK),
// Llama 3's bands, YaRN (Peng et al. 2023, arXiv:2309.00071), LongRoPE (Ding et al. 2024, arXiv:2402.13753), as
// transformers computes them.
//
// config.json has them in two shapes: rope_theta beside an object rope_scaling, or all in an object rope_parameters, where
// models with two kinds of layers keep one object for each.
#include "decoder.h"

#include <math.h>
#include <string.h>

enum { MOST_POSITIONS = 1 << 30 };

static double power(double base, double exponent) { return base > 0 ? num_exp(exponent * num_log(base)) : 0; }

// ------------------------------------------------------------------------------------------------ reading

static Config part(Arena *a, const Config *c, const char *key)
{
    const Json *j = json_get(c->json, key);
    Config in = {.json = j, .path = arena_printf(a, "%s: %s", c->path, key), .e = c->e};
    if (j && j->kind == J_NULL) in.json = NULL;
    if (in.json && j->kind != J_OBJECT) {
        err_set(c->e, "%s is %s; it must be an object", in.path, json_kind_name(j));
        in.json = NULL;
    }
    return in;
}

static const float *factors(Arena *a, const Config *c, const char *key, int64_t n)
{
    const Json *j = json_get(c->json, key);
    float *v = arena_new(a, float, n);
    if (!j || j->kind != J_ARRAY || (int64_t)j->count != n) {
        err_set(c->e, "%s: %s must be a list of %" PRId64 " numbers, half the columns of a head that turn%s",
                c->path, key, n, j && j->kind == J_ARRAY ? "" : "; there is none");
        return v;
    }
    int64_t i = 0;
    for (const Json *x = j->child; x; x = x->next) {
        if (x->kind != J_NUMBER || !(x->number > 1e-6 && x->number < 1e9)) {
            err_set(c->e, "%s: %s holds %s; its numbers must be from 1e-6 to 1e9", c->path, key,
                    x->kind == J_NUMBER ? "a number out of range" : json_kind_name(x));
            return v;
        }
        v[i++] = (float)x->number;
    }
    return v;
}

static double mscale(double factor, double m) { return factor <= 1 ? 1 : 0.1 * m * num_log(factor) + 1; }

static void read_yarn(const Config *c, RopeShape *s)
{
    double m = cfg_real(c, "mscale", 0, 0, 1e3), all = cfg_real(c, "mscale_all_dim", 0, 0, 1e3);
    s->fast = cfg_real(c, "beta_fast", 32, 1e-3, 1e6), s->slow = cfg_real(c, "beta_slow", 1, 1e-3, 1e6);
    s->truncate = cfg_bool(c, "truncate", true);
    double own = m != 0 && all != 0 ? mscale(s->factor, m) / mscale(s->factor, all) : mscale(s->factor, 1);
    s->attention_factor = cfg_real(c, "attention_factor", own, 1e-3, 1e3);
}

static void read_long(Arena *a, const Config *top, const Config *c, RopeShape *s)
{
    s->short_factor = factors(a, c, "short_factor", s->rotated / 2);
    s->long_factor = factors(a, c, "long_factor", s->rotated / 2);
    s->original = cfg_int(top, "original_max_position_embeddings", s->original, 2, MOST_POSITIONS);
    double stretch = cfg_real(c, "factor", (double)s->most / (double)s->original, 1e-3, 1e6);
    double own = stretch <= 1 ? 1 : __builtin_sqrt(1 + num_log(stretch) / num_log((double)s->original));
    s->attention_factor = cfg_real(c, "attention_factor", own, 1e-3, 1e3);
}

static bool read_scaling(Arena *a, const Config *top, const Config *c, Str type, RopeShape *s, Err *e)
{
    static const struct {
        const char *name;
        RopeScaling kind;
    } known[] = {{"default", ROPE_PLAIN}, {"linear", ROPE_LINEAR}, {"dynamic", ROPE_DYNAMIC},
                 {"llama3", ROPE_LLAMA3}, {"yarn", ROPE_YARN},     {"longrope", ROPE_LONG},
                 {"su", ROPE_LONG}};
    size_t i = 0;
    char name[SHOWN];
    while (i < sizeof known / sizeof *known && !str_is(type, known[i].name)) i++;
    if (i == sizeof known / sizeof *known)
        return err_set(
            e, "%s: rope_type is \"%s\"; default, linear, dynamic, llama3, yarn and longrope are known",
            c->path, shown(name, type));
    s->kind = known[i].kind;
    s->original = cfg_int(c, "original_max_position_embeddings", s->most, 2, MOST_POSITIONS);
    if (s->kind != ROPE_PLAIN && s->kind != ROPE_LONG) {
        const Json *factor = json_get(c->json, "factor");
        if (!factor || factor->kind == J_NULL)
            return err_set(e, "%s: factor is absent; %s needs it", c->path, known[i].name);
        s->factor = cfg_real(c, "factor", 1, 1e-3, 1e6);
    }
    if (s->kind == ROPE_LLAMA3) {
        s->low = cfg_real(c, "low_freq_factor", 1, 1e-6, 1e6),
        s->high = cfg_real(c, "high_freq_factor", 4, 1e-6, 1e6);
        if (!(s->high > s->low) && !(e && e->set))
            return err_set(e, "%s: low_freq_factor %g must be less than high_freq_factor %g", c->path, s->low,
                           s->high);
    }
    if (s->kind == ROPE_YARN) read_yarn(c, s);
    if (s->kind == ROPE_LONG) read_long(a, top, c, s);
    return !(e && e->set);
}

bool rope_read(Arena *a, const Config *c, const DecoderRow *row, const char *which, double theta,
               int64_t head_dim, RopeShape *out, Err *e)
{
    static const char *const keys[] = {"rope_theta", "rotary_emb_base", NULL};
    Config now = part(a, c, "rope_parameters");
    const Json *inner = which && now.json ? json_get(now.json, which) : NULL;
    if (inner && inner->kind == J_OBJECT) now.json = inner;
    if (!now.json) now = part(a, c, "rope_scaling");
    if (e && e->set) return false;
    const char *base = decoder_key(c, keys);
    RopeShape *s = out;
    *s = (RopeShape){.attention_factor = 1, .factor = 1};
    s->theta = base ? cfg_real(c, base, theta, 1 + 1e-6, 1e12) : theta;
    double turned = row->rotary > 0 ? row->rotary : 1;
    if (row->rotary_key) turned = cfg_real(c, row->rotary_key, turned, 0, 1);
    if (now.json) {
        s->theta = cfg_real(&now, "rope_theta", s->theta, 1 + 1e-6, 1e12);
        if (row->rotary_key) turned = cfg_real(&now, "partial_rotary_factor", turned, 0, 1);
    }
    s->rotated = (int64_t)((double)head_dim * turned);
    s->most = cfg_int(c, "max_position_embeddings", 2048, 1, MOST_POSITIONS);
    if (e && e->set) return false;
    if (s->rotated % 2 || s->rotated < 2)
        return err_set(e,
                       "%s: %" PRId64 " of a head's %" PRId64
                       " columns would turn in pairs; that must be an even number",
                       c->path, s->rotated, head_dim);
    if (!now.json) return true;
    Str type = cfg_str(&now, "rope_type", NULL);
    if (!type.s) type = cfg_str(&now, "type", "default");
    if (row->long_yarn && str_is(type, "yarn")) type = STR_LIT("longrope");
    return !(e && e->set) && read_scaling(a, c, &now, type, s, e);
}

// ------------------------------------------------------------------------------------------------ the numbers

static double llama3(const RopeShape *s, double f)
{
    double wave = 2 * 3.14159265358979324 / f, o = (double)s->original;
    if (wave > o / s->low) return f / s->factor;
    if (wave < o / s->high) return f;
    double mix = (o / wave - s->low) / (s->high - s->low);
    return (1 - mix) * f / s->factor + mix * f;
}

// The pair whose waves turn `turns` times in the original length.
static double yarn_pair(const RopeShape *s, double turns)
{
    return (double)s->rotated * num_log((double)s->original / (turns * 2 * 3.14159265358979324)) /
           (2 * num_log(s->theta));
}

static double yarn(const RopeShape *s, double f, int64_t i)
{
    double low = yarn_pair(s, s->fast), high = yarn_pair(s, s->slow), last = (double)(s->rotated - 1);
    if (s->truncate) low = floor(low), high = ceil(high);
    low = low < 0 ? 0 : low, high = high > last ? last : high;
    if (low == high) high += 0.001;
    double ramp = ((double)i - low) / (high - low);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    return f / s->factor * ramp + f * (1 - ramp);
}

float rope_frequencies(const RopeShape *s, int64_t length, float *out)
{
    double theta = s->theta, r = (double)s->rotated;
    const float *divide = s->kind != ROPE_LONG   ? NULL
                          : length > s->original ? s->long_factor
                                                 : s->short_factor;
    if (s->kind == ROPE_DYNAMIC && length > s->most && s->rotated > 2)
        theta *= power(s->factor * (double)length / (double)s->most - (s->factor - 1), r / (r - 2));
    for (int64_t i = 0; i < s->rotated / 2; i++) {
        double f = power(theta, -2 * (double)i / r);
        if (divide) f /= (double)divide[i];
        if (s->kind == ROPE_LINEAR) f /= s->factor;
        if (s->kind == ROPE_LLAMA3) f = llama3(s, f);
        if (s->kind == ROPE_YARN) f = yarn(s, f, i);
        out[i] = (float)f;
    }
    return (float)s->attention_factor;
}

int64_t rope_limit(const RopeShape *s)
{
    return s->kind == ROPE_DYNAMIC ? s->most : s->kind == ROPE_LONG ? s->original : 0;
}
