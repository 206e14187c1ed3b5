// SPDX-License-Identifier: Apache-2.0
// jsonl.c — the tokenizer as a filter of JSON lines: what a text becomes, in the fields that our recorded
// cases have.
#include "kind.h"

#include <string.h>

enum { MANY_IDS = 300, DEEPEST = 512 }; // with more ids than that only the ids are written

typedef struct Line {
    Arena *a;
    Buf *out;
    bool any; // a member was written
    Err *e;
} Line;

static void member(Line *l, const char *key)
{
    if (l->any) buf_char(l->out, ',');
    l->any = true;
    buf_json(l->out, str_of(key));
    buf_char(l->out, ':');
}

static void put_ids(Line *l, const char *key, const int32_t *ids, size_t n)
{
    member(l, key);
    buf_char(l->out, '[');
    for (size_t i = 0; i < n; i++) buf_printf(l->out, "%s%d", i ? "," : "", ids[i]);
    buf_char(l->out, ']');
}

static void put_text(Line *l, const char *key, Str s)
{
    bool valid = utf8_valid(s, NULL);
    member(l, valid ? key : arena_printf(l->a, "%s_b64", key));
    if (valid) {
        buf_json(l->out, s);
        return;
    }
    buf_char(l->out, '"');
    buf_base64(l->out, s.s, s.n);
    buf_char(l->out, '"');
}

static void put_texts(Line *l, const char *key, const Str *s, size_t n)
{
    bool valid = true;
    for (size_t i = 0; i < n; i++) valid = valid && utf8_valid(s[i], NULL);
    member(l, valid ? key : arena_printf(l->a, "%s_b64", key));
    buf_char(l->out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_char(l->out, ',');
        if (valid) buf_json(l->out, s[i]);
        else {
            buf_char(l->out, '"');
            buf_base64(l->out, s[i].s, s[i].n);
            buf_char(l->out, '"');
        }
    }
    buf_char(l->out, ']');
}

// ---------------------------------------------------------------------------------------------- the others

static void put_scalar(Buf *out, const Json *j)
{
    switch (j->kind) {
    case J_STRING:
        buf_json(out, j->text);
        break;
    case J_NUMBER:
        buf_str(out, j->text);
        break;
    case J_TRUE:
        buf_str(out, STR_LIT("true"));
        break;
    case J_FALSE:
        buf_str(out, STR_LIT("false"));
        break;
    default:
        buf_str(out, STR_LIT("null"));
    }
}

// Writes any value; open holds the arrays and objects that are not yet closed (json_parse allows DEEPEST
// levels).
static void put_value(Buf *out, const Json *top)
{
    const Json *open[DEEPEST + 1];
    size_t depth = 0;
    const Json *j = top;
    for (;;) {
        if (depth && open[depth - 1]->kind == J_OBJECT) {
            buf_json(out, j->key);
            buf_char(out, ':');
        }
        bool nested = j->kind == J_ARRAY || j->kind == J_OBJECT;
        if (nested) buf_char(out, j->kind == J_ARRAY ? '[' : '{');
        else put_scalar(out, j);
        if (nested && j->child && depth <= DEEPEST) {
            open[depth++] = j;
            j = j->child;
            continue;
        }
        if (nested) buf_char(out, j->kind == J_ARRAY ? ']' : '}');
        while (depth && !j->next) {
            j = open[--depth];
            buf_char(out, j->kind == J_ARRAY ? ']' : '}');
        }
        if (!depth) return;
        buf_char(out, ',');
        j = j->next;
    }
}

static bool is_ours(Str key)
{
    static const char *const ours[] = {"ids",
                                       "ids_plain",
                                       "pieces",
                                       "pieces_b64",
                                       "normalized",
                                       "normalized_b64",
                                       "tokens",
                                       "decoded",
                                       "decoded_skip",
                                       "decoded_clean",
                                       "decoded_skip_clean",
                                       "target_ids",
                                       "target_tokens",
                                       "target_decoded",
                                       "target_decoded_by_target_spm"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (str_is(key, ours[i])) return true;
    return false;
}

// ------------------------------------------------------------------------------------------------- results

static bool put_sentencepiece(Line *l, const Sentencepiece *sp, Str text)
{
    Encoding got;
    sp_encode(l->a, sp, text, &got);
    put_ids(l, "ids", got.ids, got.n);
    if (got.n > MANY_IDS) return true;
    put_texts(l, "pieces", got.token, got.n);
    put_text(l, "normalized", sp_normalize(l->a, sp, text));
    Str decoded;
    if (!sp_decode(l->a, sp, got.ids, got.n, &decoded, l->e)) return false;
    put_text(l, "decoded", decoded);
    return true;
}

static void put_tokens(Line *l, const char *key, const Tokenizer *t, const int32_t *ids, size_t n)
{
    Str *s = arena_new(l->a, Str, n);
    for (size_t i = 0; i < n; i++) s[i] = tok_string(t, ids[i]);
    put_texts(l, key, s, n);
}

static bool put_decoded(Line *l, const Tokenizer *t, const int32_t *ids, size_t n)
{
    Str all, kept;
    if (!tok_decode(l->a, t, ids, n, (TokDecode){.cleanup = 0}, &all, l->e) ||
        !tok_decode(l->a, t, ids, n, (TokDecode){.skip_special = true}, &kept, l->e))
        return false;
    put_text(l, "decoded", all);
    put_text(l, "decoded_skip", kept);
    Str all_clean, kept_clean;
    if (!tok_decode(l->a, t, ids, n, (TokDecode){.cleanup = 1}, &all_clean, l->e) ||
        !tok_decode(l->a, t, ids, n, (TokDecode){.skip_special = true, .cleanup = 1}, &kept_clean, l->e))
        return false;
    if (!str_eq(all, all_clean)) put_text(l, "decoded_clean", all_clean);
    if (!str_eq(kept, kept_clean)) put_text(l, "decoded_skip_clean", kept_clean);
    return true;
}

// Of a multilingual tokenizer, in the languages that the line names: the target's ids too, and those of the text alone.
static bool put_languages(Line *l, const Tokenizer *t, Str text)
{
    Encoding source, target, plain;
    if (!tok_encode(l->a, t, text, (TokOptions){0}, &source, l->e) ||
        !tok_encode(l->a, t, text, (TokOptions){.side = TOK_TARGET}, &target, l->e) ||
        !tok_encode(l->a, t, text, (TokOptions){.plain = true}, &plain, l->e))
        return false;
    put_ids(l, "ids", source.ids, source.n);
    put_ids(l, "target_ids", target.ids, target.n);
    put_ids(l, "ids_plain", plain.ids, plain.n);
    if (source.n > MANY_IDS) return true;
    put_tokens(l, "tokens", t, source.ids, source.n);
    Str decoded;
    if (!put_decoded(l, t, source.ids, source.n) ||
        !tok_decode(l->a, t, target.ids, target.n, (TokDecode){.cleanup = 0}, &decoded, l->e))
        return false;
    put_text(l, "target_decoded", decoded);
    return true;
}

static bool name_languages(Line *l, Tokenizer *t, const Json *top)
{
    static const char *const key[] = {"src_lang", "tgt_lang"};
    for (int side = 0; side < 2; side++) {
        const Json *j = json_get(top, key[side]);
        if (j && j->kind == J_STRING && !tok_set_language(l->a, t, (TokSide)side, j->text, l->e))
            return false;
    }
    return true;
}

static bool put_tokenizer(Line *l, const Tokenizer *t, Str text)
{
    Encoding source, target;
    if (!tok_encode(l->a, t, text, (TokOptions){0}, &source, l->e)) return false;
    bool two_sided = strcmp(tok_kind(t), "marian") == 0, differs = false;
    put_ids(l, "ids", source.ids, source.n);
    if (two_sided) {
        if (!tok_encode(l->a, t, text, (TokOptions){.side = TOK_TARGET}, &target, l->e)) return false;
        differs = source.n != target.n || memcmp(source.ids, target.ids, source.n * sizeof *source.ids) != 0;
        if (differs) put_ids(l, "target_ids", target.ids, target.n);
    }
    if (source.n > MANY_IDS) return true;
    put_tokens(l, "tokens", t, source.ids, source.n);
    if (!put_decoded(l, t, source.ids, source.n)) return false;
    if (!two_sided) return true;
    if (differs) put_tokens(l, "target_tokens", t, target.ids, target.n);
    Str by_source, by_target;
    TokDecode usual = {.cleanup = -1}, other = {.cleanup = -1, .by_target = true};
    if (!tok_decode(l->a, t, target.ids, target.n, usual, &by_source, l->e) ||
        !tok_decode(l->a, t, target.ids, target.n, other, &by_target, l->e))
        return false;
    put_text(l, "target_decoded", by_source);
    if (!str_eq(by_source, by_target)) put_text(l, "target_decoded_by_target_spm", by_target);
    return true;
}

static bool put_from_ids(Line *l, const Sentencepiece *sp, const Tokenizer *t, const Json *list)
{
    int32_t *ids = arena_new(l->a, int32_t, list->count);
    size_t n = 0;
    for (const Json *j = list->child; j; j = j->next) {
        if (!j->is_int || j->i < 0 || j->i > INT32_MAX)
            return err_at(l->e, "ids", j->at, "found %s, expected an id", json_kind_name(j));
        ids[n++] = (int32_t)j->i;
    }
    put_ids(l, "ids", ids, n);
    if (t) {
        for (size_t i = 0; i < n; i++)
            if ((size_t)ids[i] >= tok_size(t))
                return err_set(l->e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i],
                               tok_size(t) - 1);
        put_tokens(l, "tokens", t, ids, n);
        return put_decoded(l, t, ids, n);
    }
    Str decoded;
    if (!sp_decode(l->a, sp, ids, n, &decoded, l->e)) return false;
    put_text(l, "decoded", decoded);
    return true;
}

bool tok_jsonl(Arena *a, const Sentencepiece *sp, const Tokenizer *t, Str line, Buf *out, Err *e)
{
    const Json *top = json_parse(a, line, "line", e);
    if (!top) return false;
    if (top->kind != J_OBJECT)
        return err_at(e, "line", top->at, "found %s, expected an object", json_kind_name(top));
    const Json *text = json_get(top, "text"), *coded = json_get(top, "text_b64"), *ids = json_get(top, "ids");
    bool has_text = text && text->kind == J_STRING, has_coded = coded && coded->kind == J_STRING;
    if (!has_text && !has_coded && !(ids && ids->kind == J_ARRAY))
        return err_at(e, "line", top->at, "expected a member text or text_b64 (a string) or ids (a list)");
    Buf bytes = {.arena = a};
    if (has_coded && !has_text && !base64_decode(&bytes, coded->text))
        return err_at(e, "text_b64", coded->at, "not base64");
    Str input = has_text ? text->text : buf_view(&bytes);

    Line l = {.a = a, .out = out, .e = e};
    Tokenizer own = t ? *t : (Tokenizer){0};
    bool multilingual = t && (t->tags == TAGS_FIRST || t->tags == TAGS_LAST);
    if (t && !name_languages(&l, &own, top)) return false;
    if (t) t = &own;
    buf_char(out, '{');
    for (const Json *j = top->child; j; j = j->next) {
        if (is_ours(j->key)) continue;
        member(&l, str_zero(a, j->key));
        put_value(out, j);
    }
    bool ok = !has_text && !has_coded ? put_from_ids(&l, sp, t, ids)
              : sp                    ? put_sentencepiece(&l, sp, input)
              : multilingual          ? put_languages(&l, t, input)
                                      : put_tokenizer(&l, t, input);
    buf_char(out, '}');
    return ok;
}
