// SPDX-License-Identifier: Apache-2.0
// pipeline_json.c — reads tokenizer.json, the file of the tokenizers library. What is not known here is refused by its name.
//
// Vocabulary and merges are most of such a file, millions of bytes: they are read where they stand, in one go, and only the
// rest becomes a tree.
#include "pipeline.h"

#include <string.h>

enum { NESTED = 8 };

typedef struct Read {
    Arena *a;
    Tokenizer *t; // NULL: only steps are read
    Pipeline *p;
    const char *path;
    Err *e;
    // what was left out of the text that became the tree: up to two stretches
    struct {
        size_t at, bytes; // at: in the tree's text
    } cut[2];
    size_t cuts;
} Read;

static size_t place(const Read *r, const Json *j)
{
    size_t at = j->at;
    for (size_t i = r->cuts; i--;)
        if (j->at > r->cut[i].at) at += r->cut[i].bytes;
    return at;
}

#define WRONG(r, j, ...) err_at((r)->e, (r)->path, place((r), (j)), __VA_ARGS__)

static int shown(Str s) { return (int)(s.n < 60 ? s.n : 60); }

// ------------------------------------------------------------------------------------------------- typed members

static const Json *member(const Json *object, const char *key) // NULL also if it is null
{
    const Json *j = object ? json_get(object, key) : NULL;
    return j && j->kind != J_NULL ? j : NULL;
}

static bool flag_at(const Read *r, const Json *object, const char *key, bool otherwise, bool *out)
{
    const Json *j = member(object, key);
    *out = j ? j->kind == J_TRUE : otherwise;
    if (j && j->kind != J_TRUE && j->kind != J_FALSE)
        return WRONG(r, j, "%s is %s, expected true or false", key, json_kind_name(j));
    return true;
}

// otherwise NULL: it must be there and not empty.
static bool text_at(const Read *r, const Json *object, const char *key, const char *otherwise, Str *out)
{
    const Json *j = member(object, key);
    *out = j && j->kind == J_STRING ? j->text : str_of(otherwise ? otherwise : "");
    if (j && j->kind != J_STRING) return WRONG(r, j, "%s is %s, expected a string", key, json_kind_name(j));
    if (!otherwise && !out->n)
        return WRONG(r, j ? j : object, "expected a string under %s that is not empty", key);
    return true;
}

static bool count_at(const Read *r, const Json *object, const char *key, size_t *out)
{
    const Json *j = member(object, key);
    *out = 0;
    if (j && (!j->is_int || j->i < 0 || j->i > 1000))
        return WRONG(r, j, "%s must be a number from 0 to 1000", key);
    if (j) *out = (size_t)j->i;
    return true;
}

static bool pattern_at(const Read *r, const Json *object, Pattern *out)
{
    const Json *j = member(object, "pattern"), *literal = member(j, "String"), *regex = member(j, "Regex");
    *out = (Pattern){0};
    if (regex && regex->kind == J_STRING && !literal) {
        out->source = regex->text;
        out->regex = regex_compile(r->a, r->p->unicode, regex->text, r->path, place(r, regex), r->e);
        return out->regex != NULL;
    }
    if (!literal || regex || literal->kind != J_STRING || !literal->text.n)
        return WRONG(r, j ? j : object,
                     "expected a pattern: {\"String\": ...} or {\"Regex\": ...}, not empty");
    out->literal = literal->text;
    return true;
}

static bool behaviour_at(const Read *r, const Json *object, const char *otherwise, Behaviour *out)
{
    static const char *const names[] = {"Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"};
    Str name;
    if (!text_at(r, object, "behavior", otherwise, &name)) return false;
    for (int i = 0; i < 4; i++)
        if (str_is(name, names[i])) return *out = (Behaviour)i, true;
    return WRONG(r, object,
                 "behavior '%.*s' is not known here (known are Isolated, Contiguous, MergedWithPrevious, "
                 "MergedWithNext)",
                 shown(name), name.s);
}

static bool metaspace_at(const Read *r, const Json *j, Str *mark, Prepend *prepend)
{
    Str scheme;
    bool prefix;
    if (!text_at(r, j, "replacement", SPACE_MARK, mark) ||
        !text_at(r, j, "prepend_scheme", "always", &scheme) ||
        !flag_at(r, j, "add_prefix_space", true, &prefix))
        return false;
    if (!mark->n || char_bytes(mark->s[0]) != mark->n)
        return WRONG(r, j, "replacement must be one character");
    if (!prefix && !member(j, "prepend_scheme")) scheme = STR_LIT("never");
    *prepend = str_is(scheme, "always") ? ALWAYS : str_is(scheme, "first") ? AT_START : NEVER;
    if (*prepend == NEVER && !str_is(scheme, "never"))
        return WRONG(r, j, "prepend_scheme is '%.*s', expected always, first or never", shown(scheme),
                     scheme.s);
    if (!prefix && *prepend != NEVER) return WRONG(r, j, "add_prefix_space and prepend_scheme disagree");
    return true;
}

// ---------------------------------------------------------------------------------------------------- the steps

// A component: its "type", and for a Sequence all that it lists.
typedef bool ReadOne(Read *r, const Json *j, Str type);

static bool read_component(Read *r, const Json *j, const char *what, const char *list, ReadOne *one,
                           int depth)
{
    Str type;
    if (!j || j->kind == J_NULL) return true;
    if (j->kind != J_OBJECT) return WRONG(r, j, "%s is %s, expected an object", what, json_kind_name(j));
    if (!text_at(r, j, "type", NULL, &type)) return false;
    if (!str_is(type, "Sequence")) return one(r, j, type);
    const Json *parts = json_get(j, list);
    if (!parts || parts->kind != J_ARRAY) return WRONG(r, j, "expected a list under %s", list);
    if (depth == NESTED) return WRONG(r, j, "%s: more than %d levels", what, NESTED);
    for (const Json *k = parts->child; k; k = k->next)
        if (k->kind != J_OBJECT) return WRONG(r, k, "%s has %s, expected an object", list, json_kind_name(k));
        else if (!read_component(r, k, what, list, one, depth + 1)) return false;
    return true;
}

static bool too_many(const Read *r, const Json *j, size_t n)
{
    return n < MOST_STEPS ? false : (WRONG(r, j, "more than %d steps", MOST_STEPS), true);
}

static bool one_norm(Read *r, const Json *j, Str type)
{
    static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"};
    if (too_many(r, j, r->p->norms)) return false;
    Norm *n = &r->p->norm[r->p->norms++];
    for (int i = 0; i < 4; i++)
        if (str_is(type, forms[i])) return *n = (Norm){.kind = NORM_FORM, .form = (UnicodeForm)i}, true;
    if (str_is(type, "Prepend")) {
        n->kind = NORM_PREPEND;
        return text_at(r, j, "prepend", NULL, &n->content);
    }
    if (str_is(type, "Replace")) {
        n->kind = NORM_REPLACE;
        return pattern_at(r, j, &n->pattern) && text_at(r, j, "content", "", &n->content);
    }
    if (str_is(type, "Strip")) {
        n->kind = NORM_STRIP;
        return flag_at(r, j, "strip_left", true, &n->left) && flag_at(r, j, "strip_right", true, &n->right);
    }
    if (str_is(type, "Precompiled")) {
        const Json *coded = member(j, "precompiled_charsmap");
        Buf b = {.arena = r->a};
        n->kind = NORM_RULES;
        n->rules = arena_new(r->a, Rules, 1);
        if (!coded || coded->kind != J_STRING || !base64_decode(&b, coded->text))
            return WRONG(r, j, "Precompiled: expected base64 under precompiled_charsmap");
        if (!charsmap_open(buf_view(&b), r->path, place(r, coded), &n->rules->map, r->e)) return false;
        return rules_prepare(n->rules), true;
    }
    return WRONG(
        r, j,
        "normalizer %.*s is not known here (known are NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, "
        "Precompiled)",
        shown(type), type.s);
}

static const char GPT2_REGEX[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static bool one_pre(Read *r, const Json *j, Str type)
{
    bool invert, regex, digits;
    if (too_many(r, j, r->p->pres)) return false;
    Pre *s = &r->p->pre[r->p->pres++];
    if (str_is(type, "ByteLevel")) {
        s->kind = PRE_BYTES;
        if (!flag_at(r, j, "add_prefix_space", true, &s->prefix) || !flag_at(r, j, "use_regex", true, &regex))
            return false;
        if (regex)
            s->pattern.regex = regex_compile(r->a, r->p->unicode, str_of(GPT2_REGEX), r->path, 0, r->e);
        return !regex || s->pattern.regex;
    }
    if (str_is(type, "Split")) {
        if (!flag_at(r, j, "invert", false, &invert)) return false;
        if (invert) return WRONG(r, j, "Split with invert is not known here");
        return pattern_at(r, j, &s->pattern) && behaviour_at(r, j, NULL, &s->how);
    }
    if (str_is(type, "Metaspace")) {
        s->kind = PRE_METASPACE;
        return metaspace_at(r, j, &s->mark, &s->prepend) && flag_at(r, j, "split", true, &s->split);
    }
    if (str_is(type, "Digits")) {
        s->pattern.kind = U_NUMERIC;
        if (!flag_at(r, j, "individual_digits", false, &digits)) return false;
        return s->how = digits ? ISOLATED : CONTIGUOUS, true;
    }
    if (str_is(type, "Punctuation")) {
        s->pattern.kind = U_PUNCT;
        return behaviour_at(r, j, "Isolated", &s->how);
    }
    return WRONG(
        r, j,
        "pre_tokenizer %.*s is not known here (known are ByteLevel, Split, Metaspace, Digits, Punctuation)",
        shown(type), type.s);
}

static bool one_decode(Read *r, const Json *j, Str type)
{
    if (too_many(r, j, r->p->decodes)) return false;
    Decode *d = &r->p->decode[r->p->decodes++];
    if (str_is(type, "ByteLevel")) return d->kind = DECODE_BYTES, true;
    if (str_is(type, "ByteFallback")) return d->kind = DECODE_FALLBACK, true;
    if (str_is(type, "Fuse")) return d->kind = DECODE_FUSE, true;
    if (str_is(type, "Replace")) {
        d->kind = DECODE_REPLACE;
        return pattern_at(r, j, &d->pattern) && text_at(r, j, "content", "", &d->content);
    }
    if (str_is(type, "Strip")) {
        d->kind = DECODE_STRIP;
        return text_at(r, j, "content", NULL, &d->content) && count_at(r, j, "start", &d->start) &&
               count_at(r, j, "stop", &d->stop);
    }
    if (str_is(type, "Metaspace")) {
        d->kind = DECODE_METASPACE;
        return metaspace_at(r, j, &d->mark, &d->prepend);
    }
    return WRONG(
        r, j,
        "decoder %.*s is not known here (known are ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace)",
        shown(type), type.s);
}

static bool read_switches(Read *r, const Json *model)
{
    Pipeline *p = r->p;
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const Json *dropout = member(model, "dropout");
    Str type;
    if (!text_at(r, model, "type", "BPE", &type)) return false;
    if (!str_is(type, "BPE"))
        return WRONG(r, model,
                     "a model of type %.*s is not known here, only BPE (and Unigram in folders of T5)",
                     shown(type), type.s);
    if (dropout && !(dropout->kind == J_NUMBER && !(dropout->number > 0 || dropout->number < 0)))
        return WRONG(r, dropout, "model.dropout: merges left out at random are not known here");
    for (int i = 0; i < 2; i++) {
        Str affix;
        if (!text_at(r, model, affixes[i], "", &affix)) return false;
        if (affix.n)
            return WRONG(r, model, "model.%s '%.*s' is not known here", affixes[i], shown(affix), affix.s);
    }
    return text_at(r, model, "unk_token", "", &p->unk_token) &&
           flag_at(r, model, "fuse_unk", false, &p->fuse_unk) &&
           flag_at(r, model, "byte_fallback", false, &p->byte_fallback) &&
           flag_at(r, model, "ignore_merges", false, &p->ignore_merges);
}

static bool read_steps(Read *r, const Json *top)
{
    const Json *decoder = member(top, "decoder");
    r->p->has_decoder = decoder != NULL;
    return read_component(r, json_get(top, "normalizer"), "normalizer", "normalizers", one_norm, 0) &&
           read_component(r, json_get(top, "pre_tokenizer"), "pre_tokenizer", "pretokenizers", one_pre, 0) &&
           read_component(r, decoder, "decoder", "decoders", one_decode, 0) &&
           read_switches(r, json_get(top, "model"));
}

bool pipeline_steps(Arena *a, Pipeline *p, const Json *top, const char *path, Err *e)
{
    Read r = {.a = a, .p = p, .path = path, .e = e};
    if (!p->unicode) p->unicode = unicode_open(a);
    return read_steps(&r, top);
}

// -------------------------------------------------------------------------------------------- the post-processor

static bool put_ids(const Read *r, const Json *where, const Json *ids, int32_t *list, size_t *n)
{
    for (const Json *j = ids->child; j; j = j->next) {
        if (!j->is_int || j->i < 0 || j->i >= INT32_MAX || *n == 4)
            return WRONG(r, where, "post_processor: expected ids, and at most 4 on each side of a text");
        list[(*n)++] = (int32_t)j->i;
    }
    return true;
}

static bool read_template(const Read *r, const Json *post, Tokenizer *t)
{
    const Json *single = member(post, "single"), *named = member(post, "special_tokens");
    bool text = false;
    if (!single || single->kind != J_ARRAY)
        return WRONG(r, post, "TemplateProcessing without a list under single");
    for (const Json *j = single->child; j; j = j->next) {
        const Json *sequence = member(j, "Sequence"), *special = member(j, "SpecialToken"),
                   *id = member(special, "id");
        if (sequence) {
            id = member(sequence, "id");
            if (text || !id || id->kind != J_STRING || !str_is(id->text, "A"))
                return WRONG(r, j, "TemplateProcessing: single must have the text, A, once");
            text = true;
            continue;
        }
        const Json *token = id && id->kind == J_STRING && named ? named->child : NULL;
        while (token && !str_eq(token->key, id->text)) token = token->next;
        const Json *ids = member(token, "ids");
        if (!ids || ids->kind != J_ARRAY) return WRONG(r, j, "post_processor names a token without ids");
        if (!put_ids(r, j, ids, text ? t->after : t->before, text ? &t->n_after : &t->n_before)) return false;
    }
    return text ? true : WRONG(r, single, "TemplateProcessing: single must have the text, A, once");
}

// RobertaProcessing: {"cls": [text, id], "sep": [text, id]} around a text.
static bool read_pair(const Read *r, const Json *post, const char *key, int32_t *out)
{
    const Json *pair = member(post, key),
               *id = pair && pair->kind == J_ARRAY && pair->child ? pair->child->next : NULL;
    if (!id || !id->is_int || id->i < 0 || id->i >= INT32_MAX)
        return WRONG(r, post, "expected a token and its id under %s", key);
    *out = (int32_t)id->i;
    return true;
}

static bool one_post(Read *r, const Json *j, Str type)
{
    Tokenizer *t = r->t;
    if (str_is(type, "ByteLevel")) return true; // moves offsets only
    if (t->n_before || t->n_after)
        return WRONG(r, j, "post_processor: %.*s around another is not known here", shown(type), type.s);
    if (str_is(type, "TemplateProcessing")) return read_template(r, j, t);
    if (str_is(type, "RobertaProcessing")) {
        t->n_before = t->n_after = 1;
        return read_pair(r, j, "cls", t->before) && read_pair(r, j, "sep", t->after);
    }
    return WRONG(
        r, j,
        "post_processor %.*s is not known here (known are TemplateProcessing, ByteLevel, RobertaProcessing)",
        shown(type), type.s);
}

// An id outside the vocabulary would print as nothing and break the model later.
static bool check_around(const Tokenizer *t, const Vocab *v, const char *path, Err *e)
{
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < (side ? t->n_after : t->n_before); i++) {
            int32_t id = (side ? t->after : t->before)[i];
            bool known = (size_t)id < v->n && v->text[id].s;
            for (size_t k = 0; k < t->n_added && !known; k++) known = t->added[k].id == id;
            if (!known) return err_set(e, "%s: post_processor puts id %d, which is no token", path, id);
        }
    return true;
}

// ------------------------------------------------------------------------------------------------------ the file

// Past any value, without judging it: the tree's reader does.
static bool skip_value(Scan *c)
{
    size_t depth = 0;
    for (;;) {
        char next = scan_space(c);
        if (!next) return false;
        if (next == '"') {
            for (c->at++; c->at < c->n && c->s[c->at] != '"'; c->at++)
                if (c->s[c->at] == '\\') c->at++;
            if (c->at >= c->n) return false;
            c->at++;
        } else if (next == '{' || next == '[') depth++, c->at++;
        else if (next == '}' || next == ']') {
            if (!depth) return false;
            depth--, c->at++;
        } else if ((next == ',' || next == ':') && depth) {
            c->at++;
            continue;
        } else {
            size_t start = c->at;
            while (c->at < c->n && !memchr(" \t\r\n,:]}", c->s[c->at], 8)) c->at++;
            if (c->at == start) return false;
        }
        if (!depth) return true;
    }
}

// Calls at_value at each value of the object that begins at c. False also if this is no object.
typedef bool AtValue(void *context, Scan *c, Str key);
static bool walk_object(Scan *c, AtValue *at_value, void *context)
{
    if (scan_space(c) != '{') return false;
    c->at++;
    if (scan_space(c) == '}') return c->at++, true;
    for (char next = ','; next == ',';) {
        Str key;
        Scan quiet = *c; // the tree's reader says what is wrong
        quiet.e = NULL;
        if (scan_space(&quiet) != '"' || !scan_string(&quiet, &key) || scan_space(&quiet) != ':')
            return false;
        c->at = quiet.at + 1, c->room = quiet.room;
        scan_space(c);
        if (!at_value(context, c, key)) return false;
        next = scan_space(c);
        if (next != ',' && next != '}') return false;
        c->at++;
    }
    return true;
}

typedef struct Large { // where vocabulary and merges are
    Read *r;
    Buf rest;
    size_t copied; // up to where the file is in rest
    bool vocab, has_merges;
    Scan merges; // if they stand before the vocabulary
    bool merges_later, read_merges;
} Large;

static void leave_out(Large *l, size_t from, const Scan *c)
{
    buf_put(&l->rest, c->s + l->copied, from - l->copied);
    buf_str(&l->rest, STR_LIT("null"));
    l->r->cut[l->r->cuts].at = l->rest.n - 4;
    l->r->cut[l->r->cuts++].bytes = c->at - from - 4;
    l->copied = c->at;
}

static bool model_value(void *context, Scan *c, Str key)
{
    Large *l = context;
    Vocab *v = &l->r->p->vocab;
    size_t start = c->at;
    char first = scan_space(c);
    if (str_is(key, "vocab") && first == '{') {
        if (l->vocab) return err_at(c->e, c->path, start, "model.vocab is there twice");
        vocab_init(l->r->a, v, c->n / 64);
        if (!scan_vocab(c, v)) return false;
        vocab_done(v);
        l->vocab = true;
        if (c->at - start >= 4) leave_out(l, start, c);
        return true;
    }
    if (!str_is(key, "merges") || first != '[') return skip_value(c);
    if (l->has_merges) return err_at(c->e, c->path, start, "model.merges is there twice");
    l->has_merges = true;
    l->merges = *c;
    if (!l->vocab) {
        if (!skip_value(c)) return false;
        l->merges_later = true;
    } else if (!merges_scan(l->r->a, c, v, &l->r->p->merges)) return false;
    if (c->at - start >= 4) leave_out(l, start, c);
    return true;
}

static bool top_value(void *context, Scan *c, Str key)
{
    return str_is(key, "model") && scan_space(c) == '{' ? walk_object(c, model_value, context)
                                                        : skip_value(c);
}

static bool check_vocab(const Read *r, const Vocab *v)
{
    if (!v->count) return err_set(r->e, "%s: model.vocab has no entries", r->path);
    if (v->n > 4 * v->count + 1024)
        return err_set(r->e, "%s: the largest id of model.vocab is %zu, but there are only %zu entries",
                       r->path, v->n - 1, v->count);
    size_t different = 0;
    for (size_t i = 0; i < v->n; i++) different += v->text[i].s != NULL;
    if (different < v->count)
        return err_set(r->e, "%s: model.vocab has %zu entries but only %zu different ids", r->path, v->count,
                       different);
    return true;
}

// The library gives added tokens their ids itself: the vocabulary's, else the next free one. A file that says otherwise
// would be read differently by everyone.
static bool check_added(const Read *r, const Tokenizer *t)
{
    size_t next = r->p->vocab.count;
    for (size_t i = 0; i < t->n_added; i++) {
        int32_t id = vocab_id(&r->p->vocab, t->added[i].text);
        if (id < 0) id = (int32_t)next++;
        Str s = t->added[i].text;
        if (t->added[i].id != id)
            return err_set(r->e,
                           "%s: the added token '%.*s' has id %d, expected %d (its vocabulary entry, or the "
                           "next free id)",
                           r->path, shown(s), s.s, t->added[i].id, id);
    }
    return true;
}

bool pipeline_json(Arena *a, Tokenizer *t, Pipeline *p, const char *path, Str text, bool steps, Err *e)
{
    Read read = {.a = a, .t = t, .p = p, .path = path, .e = e}, *r = &read;
    Large l = {.r = r, .rest = {.arena = a}};
    Scan c = {.s = text.s, .n = text.n, .path = path, .room = arena_new_raw(a, char, text.n), .e = e};
    if (str_starts(text, STR_LIT("\xEF\xBB\xBF"))) c.at = 3;
    Err mine = {0};
    c.e = &mine;
    if (!walk_object(&c, top_value, &l)) {
        if (mine.set) return err_set(e, "%s", mine.text);
        const Json *whole = json_parse(a, text, path, e); // which says what is wrong with it
        return whole ? err_at(e, path, whole->at, "found %s, expected an object with a model",
                              json_kind_name(whole))
                     : false;
    }
    buf_put(&l.rest, text.s + l.copied, text.n - l.copied);
    const Json *top = json_parse(a, buf_view(&l.rest), path, &mine);
    if (!top) return json_parse(a, text, path, e) ? err_set(e, "%s", mine.text) : false;
    const Json *model = json_get(top, "model"), *added = member(top, "added_tokens");
    if (!model || model->kind != J_OBJECT) return WRONG(r, top, "expected an object under model");
    if (!p->unicode) p->unicode = unicode_open(a);
    if (!(steps ? read_steps(r, top) : true)) return false;
    if (!l.vocab || !l.has_merges)
        return WRONG(r, model, "expected a model with vocab (an object) and merges (a list)");
    l.merges.e = e, l.merges.room = c.room;
    if (l.merges_later && !merges_scan(a, &l.merges, &p->vocab, &p->merges)) return false;
    if (added && added->kind != J_ARRAY)
        return WRONG(r, added, "added_tokens is %s, expected a list", json_kind_name(added));
    t->has_template = true;
    return check_vocab(r, &p->vocab) && added_from_json(a, t, added, path, e) && check_added(r, t) &&
           read_component(r, json_get(top, "post_processor"), "post_processor", "processors", one_post, 0) &&
           check_around(t, &p->vocab, path, e);
}

bool pipeline_done(Arena *a, Tokenizer *t, Pipeline *p, Err *e)
{
    if (!p->unicode) p->unicode = unicode_open(a);
    p->unk = p->unk_token.n ? vocab_id(&p->vocab, p->unk_token) : -1;
    for (unsigned b = 0; b < 256; b++) {
        static const char hex[] = "0123456789ABCDEF";
        char piece[6] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'}, room[4];
        p->byte_piece[b] = vocab_id(&p->vocab, (Str){piece, 6});
        p->byte_char[b] = vocab_id(&p->vocab, byte_char((uint8_t)b, room));
    }
    t->unicode = p->unicode;
    added_done(a, t);
    TrieKey *raw = arena_new(a, TrieKey, t->n_added), *normal = arena_new(a, TrieKey, t->n_added);
    size_t n_raw = 0, n_normal = 0;
    for (size_t i = 0; i < t->n_added; i++) {
        TrieKey key = {t->added[i].text, (int32_t)i, 0};
        if (key.text.n > LONGEST_ADDED)
            return err_set(e, "the added token '%.*s...' has %zu bytes, at most %d are supported",
                           shown(key.text), key.text.s, key.text.n, LONGEST_ADDED);
        if (!t->added[i].normalized) raw[n_raw++] = key;
        else if (!pipeline_normalize(a, p, key.text, &key.text))
            return err_set(e, "an added token takes the normalizers too long");
        else if (key.text.n) {
            t->added[i].shown = key.text;
            normal[n_normal++] = key;
        }
    }
    if (n_raw) added_set(a, &p->raw, raw, n_raw);
    if (n_normal) added_set(a, &p->normal, normal, n_normal);
    return true;
}
