// SPDX-License-Identifier: Apache-2.0
// marian.c — MarianTokenizer of transformers 5.23 (OPUS-MT): two SentencePiece files and one vocab.json.
//
//   raw text        special tokens are cut out; each stretch between them goes on alone
//   ">>fra<< Hi"    a stretch that begins with ">>": all up to the first "<<" is one token, a language code
//   the rest        source.spm (target.spm for targets) makes pieces, vocab.json gives their ids, else <unk>
//   at the end      </s>
//
// vocab.json is usually joint. With separate_vocabs targets have target_vocab.json, and ids are read by it.
// Decoding: runs of ordinary tokens through source.spm, even for targets (target.spm if asked or separate),
// each special token as itself and a space, U+2581 as a space, white space cut at both ends.
#include "kind.h"

#include <string.h>

typedef struct Side {
    const Sentencepiece *sp;
    const Vocab *vocab;
    int32_t *id; // of each SentencePiece piece
    int32_t unk;
} Side;

typedef struct Marian {
    Side side[2]; // TOK_SOURCE, TOK_TARGET
    bool separate;
} Marian;

static bool matches(const char *folder, Str class, const char *model_type)
{
    if (class.n) return str_is(class, "MarianTokenizer");
    return strcmp(model_type, "marian") == 0 ||
           (folder_has(folder, "source.spm") && folder_has(folder, "vocab.json"));
}

typedef struct Finding { // the ids of one side's pieces
    Side *side;
    Str *piece; // room for them
} Finding;

static void find_ids(int64_t i, void *context)
{
    const Finding *f = (const Finding *)context + i;
    Side *s = f->side;
    size_t n = sp_size(s->sp);
    for (size_t p = 0; p < n; p++) f->piece[p] = sp_piece(s->sp, (int32_t)p);
    vocab_ids(s->vocab, f->piece, n, s->id);
    for (size_t p = 0; p < n; p++)
        if (s->id[p] < 0) s->id[p] = s->unk;
}

static bool open_sides(Arena *a, Side side[2], Str unk, const char *const vocab_path[2], Err *e)
{
    Arena *scratch = arena_create(a);
    Finding find[2];
    for (int i = 0; i < 2; i++) {
        Side *s = &side[i];
        s->unk = vocab_id(s->vocab, unk);
        if (s->unk < 0)
            return err_set(e, "%s: the unknown token '%.*s' is not in it", vocab_path[i],
                           (int)(unk.n < 40 ? unk.n : 40), unk.s);
        s->id = arena_new_raw(a, int32_t, sp_size(s->sp));
        find[i] = (Finding){s, arena_new_raw(scratch, Str, sp_size(s->sp))};
    }
    pool_run(2, find_ids, find); // side by side
    arena_free(scratch);
    return true;
}

typedef struct File { // vocab: where its vocabulary goes; NULL: a SentencePiece model
    const char *path; // NULL: there is none
    Vocab *vocab;
    Sentencepiece *sp;
    Arena *arena; // its own, so that threads do not meet
    Err err;
} File;

static void open_file(int64_t i, void *context)
{
    File *f = (File *)context + i;
    if (!f->path) return;
    if (f->vocab) vocab_read(f->arena, f->path, f->vocab, &f->err);
    else f->sp = sp_open(f->arena, f->path, &f->err);
}

static void free_arena(void *arena) { arena_free(arena); }

// Each file takes some 8 ms, most of a model's loading: they are read side by side. The first error is told.
static bool open_files(Arena *a, File *file, int64_t n, Err *e)
{
    for (int64_t i = 0; i < n; i++)
        if (file[i].path) arena_on_free(a, free_arena, file[i].arena = arena_create(NULL));
    pool_run(n, open_file, file);
    for (int64_t i = 0; i < n; i++)
        if (file[i].err.set) return err_set(e, "%s", file[i].err.text);
    return true;
}

static void *open(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e)
{
    Marian *m = arena_new(a, Marian, 1);
    const Json *separate = config ? json_get(config, "separate_vocabs") : NULL;
    m->separate = separate && separate->kind == J_TRUE;
    bool joint =
        !folder_has(folder, "source.spm") && folder_has(folder, "vocab.joint.spm"); // one file for both
    const char *source = in_folder(a, folder, joint ? "vocab.joint.spm" : "source.spm");
    const char *target = in_folder(a, folder, joint ? "vocab.joint.spm" : "target.spm");
    const char *path[2] = {in_folder(a, folder, "vocab.json"), in_folder(a, folder, "target_vocab.json")};
    if (!m->separate) path[1] = path[0];

    Vocab *vocab = arena_new(a, Vocab, 2);
    Side *s = m->side;
    File file[] = {{.path = path[0], .vocab = &vocab[0]},
                   {.path = source},
                   {.path = joint ? NULL : target},
                   {.path = m->separate ? path[1] : NULL, .vocab = &vocab[1]}};
    const char *needed[5] = {joint ? "vocab.joint.spm" : "source.spm", joint ? "vocab.json" : "target.spm",
                             joint ? NULL : "vocab.json", m->separate ? "target_vocab.json" : NULL};
    if (joint) needed[2] = needed[3], needed[3] = NULL;
    if (!folder_has_all(a, folder, needed, e) || !open_files(a, file, 4, e)) return NULL;
    s[0].sp = file[1].sp, s[1].sp = joint ? s[0].sp : file[2].sp;
    s[0].vocab = &vocab[0], s[1].vocab = &vocab[m->separate];
    t->ids = s[0].vocab, t->strings = s[1].vocab;

    Str unk = special_text(config, "unk_token", "<unk>");
    if (!open_sides(a, s, unk, path, e)) return NULL;
    if (!added_from_config(a, t, config, false, folder, e)) return NULL;
    added_sizes(t);
    t->unk = added_special(a, t, unk);
    t->eos = added_special(a, t, special_text(config, "eos_token", "</s>"));
    t->pad = added_special(a, t, special_text(config, "pad_token", "<pad>"));
    if (!added_lists(a, t, config, folder, e)) return NULL;
    if (t->max_length == 0) t->max_length = 512;
    added_done(a, t);
    t->tags = TAGS_OF_TARGET;
    return m;
}

// One stretch without special tokens.
static void encode_stretch(Arena *a, const Side *s, Str text, EncodingBuilder *b)
{
    if (str_starts(text, STR_LIT(">>"))) {
        for (size_t i = 0; i + 2 <= text.n; i++) {
            if (memcmp(text.s + i, "<<", 2) != 0) continue;
            Str code = {text.s, i + 2};
            int32_t id = vocab_id(s->vocab, code);
            if (id < 0) id = s->unk;
            encoding_add(b, id, s->vocab->text[id]);
            text.s += i + 2, text.n -= i + 2;
            break;
        }
    }
    Encoding pieces;
    sp_encode(a, s->sp, text, &pieces);
    for (size_t i = 0; i < pieces.n; i++) {
        int32_t id = pieces.ids[i] == s->sp->unk ? vocab_id(s->vocab, pieces.token[i]) : s->id[pieces.ids[i]];
        if (id < 0) id = s->unk;
        encoding_add(b, id, s->vocab->text[id]);
    }
}

static bool encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    (void)e;
    const Marian *m = t->state;
    EncodingBuilder b = {.arena = a};
    Cutter c = {.t = t, .text = text, .keep_text = o.keep_text};
    Str plain;
    int32_t code = o.side == TOK_SOURCE ? t->language[TOK_TARGET] : -1;
    if (code >= 0) encoding_add(&b, code, tok_source_string(t, code));
    for (const Added *token; cutter_next(&c, &plain, &token);) {
        if (plain.n) encode_stretch(a, &m->side[o.side], plain, &b);
        if (token) encoding_add(&b, token->id, token->text);
    }
    if (!o.plain && t->eos >= 0) encoding_add(&b, t->eos, tok_string(t, t->eos));
    *out = b.out;
    return true;
}

static bool decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e)
{
    const Marian *m = t->state;
    const Sentencepiece *sp = m->side[m->separate || o.by_target ? TOK_TARGET : TOK_SOURCE].sp;
    Str *run = arena_new_raw(a, Str, n);
    size_t in_run = 0;
    Buf b = {.arena = a};
    for (size_t i = 0; i < n; i++) {
        Str token = tok_string(t, ids[i]);
        if (!token.n && ids[i] >= 0 && (size_t)ids[i] < sp_size(sp)) token = sp_piece(sp, ids[i]);
        else if (!token.n)
            return err_set(e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i], t->size - 1);
        const Added *added = added_by_text(t, token);
        if (!added || !added->special) {
            run[in_run++] = token;
            continue;
        }
        if (o.skip_special && tok_is_special(t, ids[i])) continue;
        buf_str(&b, sp_decode_strings(a, sp, run, in_run));
        buf_str(&b, token);
        buf_char(&b, ' ');
        in_run = 0;
    }
    buf_str(&b, sp_decode_strings(a, sp, run, in_run));
    *out = python_strip(replace_all(a, buf_view(&b), STR_LIT(SPACE_MARK), STR_LIT(" ")));
    return true;
}

const TokKind tokkind_marian = {
    .name = "marian",
    .class_name = "MarianTokenizer",
    .summary = "source.spm, target.spm and vocab.json (Marian)",
    .matches = matches,
    .open = open,
    .encode = encode,
    .decode = decode,
};
