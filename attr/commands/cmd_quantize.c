// SPDX-License-Identifier: Apache-2.0
// cmd_quantize.c — a model with its weights in another type, as files; and how far attributions move by that.
#include "commands.h"

#include <string.h>
#include <strings.h>

typedef struct Writing {
    Args *a;
    const Loaded *l;
    const char *to, *type; // where, and of what type
    bool file;             // a GGUF file, not a folder
    Model *back;           // what was written holds it; NULL: nobody asked
    NnWritten written;
    bool ok;
    Err e;
} Writing;

// ------------------------------------------------------------------------------------------------ a folder

static const char *tokenizer_folder(const Writing *w, Err *e)
{
    const char *other = args_text(w->a, "tokenizer");
    NnOptions o;
    if (!other) return w->l->info->tokenizer;
    return args_loading(w->a, &o, e) ? nn_folder(w->a->a, other, o, e) : NULL;
}

// The tokenizer's files, as they are.
static bool copy_tokenizer(const Writing *w, FolderOut *to, Err *e)
{
    enum { LARGEST = 256 << 20 };
    Arena *a = w->a->a;
    const char *const *name, *folder = tokenizer_folder(w, e);
    if (!folder) return false;
    for (size_t i = 0, n = tok_files(&name); i < n; i++) {
        const char *path = arena_printf(a, "%s/%s", folder, name[i]);
        Str text;
        if (file_exists(path) &&
            (!file_read(a, path, LARGEST, &text, e) || !file_write(folder_file(to, name[i]), text, e)))
            return false;
    }
    return true;
}

static void write_folder(void *context)
{
    Writing *w = context;
    FolderOut *to = folder_begin(w->a->a, w->to, &w->e);
    w->ok = to && nn_write_float32(w->a->a, w->l->model, to, &w->e) && copy_tokenizer(w, to, &w->e) &&
            folder_end(to, &w->e);
}

// Linear layers in bitsandbytes' codes, made as if the model were loaded so: a byte or half a byte of memory for a weight.
static void write_codes(void *context)
{
    Writing *w = context;
    Arena *own = arena_create(w->a->a);
    const NnQuantize how = {.bits = strcmp(w->type, "int8") ? 4 : 8, .nf4 = true};
    NnOptions o;
    if (!args_loading(w->a, &o, &w->e)) return;
    o.adapter = args_text(w->a, "adapter"), o.quantize = &how;
    const Model *codes = nn_open(own, w->l->name, o, &w->e);
    FolderOut *to = codes ? folder_begin(w->a->a, w->to, &w->e) : NULL;
    const bool written =
        to && nn_write_codes(own, codes, to, &w->e) && copy_tokenizer(w, to, &w->e) && folder_end(to, &w->e);
    arena_free(own);
    w->back = written ? nn_open(w->a->a, w->to, (NnOptions){0}, &w->e) : NULL;
    w->ok = w->back != NULL;
    if (!w->ok) return;
    const ModelInfo *f = nn_info(w->back);
    w->written = (NnWritten){.types = f->types, .others = "", .bytes = f->bytes, .weights = f->parameters};
}

// ------------------------------------------------------------------------------------------------ a file

static bool words_of(const Writing *w, NnWords *out, Err *e)
{
    Arena *a = w->a->a;
    const Tokenizer *t = w->l->tok;
    TokTable table;
    ChatTemplate chat = {0};
    Err none = {0};
    const char *folder = tokenizer_folder(w, e);
    if (!folder || !tok_table(a, t, &table, e)) return false;
    if (table.note) cmd_note(w->a, table.note);
    tok_chat_template(a, folder, &chat, &none);
    *out = (NnWords){.model = table.model,
                     .pre = table.pre,
                     .text = table.text,
                     .type = table.type,
                     .score = table.score,
                     .n = table.n,
                     .n_merges = table.n_merges,
                     .merge = table.merge,
                     .charsmap = table.charsmap,
                     .chat = chat.text,
                     .bos = table.bos,
                     .eos = tok_eos(t),
                     .unk = tok_unk(t),
                     .pad = tok_pad(t),
                     .add_bos = table.add_bos,
                     .add_eos = table.add_eos,
                     .space_prefix = table.space_prefix};
    return true;
}

// Nothing has the file's name before it is known that it holds this model and cuts texts as its tokenizer does.
static void write_file(void *context)
{
    Writing *w = context;
    Arena *a = w->a->a;
    NnWords words;
    if (!words_of(w, &words, &w->e)) return;
    FileOut *to = file_begin(a, w->to, &w->e);
    if (!to || !nn_write_gguf(a, w->l->model, w->type, &words, to, &w->written, &w->back, &w->e)) return;
    const Tokenizer *t = tok_open(a, nn_info(w->back)->tokenizer, &w->e);
    w->ok = t && texts_same_ids(a, w->l->tok, t, &w->e) && file_end(to, &w->e);
}

// ------------------------------------------------------------------------------------------------ what it did

static void text_report(const Writing *w, const Moved *m, size_t n, Buf *b)
{
    const ModelInfo *f = nn_info(w->back);
    buf_printf(b, "%s: %s, %.1f MB, %.2f bits a weight (%.1f MB before)\ntypes     %s\n", w->to,
               f->class_name, (double)f->bytes / 1e6, 8 * (double)f->bytes / (double)w->written.weights,
               (double)w->l->info->bytes / 1e6, w->written.types);
    if (*w->written.others) buf_printf(b, "not %s  %s\n", w->type, w->written.others);
    if (n) buf_str(b, STR_LIT("\ncosine of scores   change of probability   text\n"));
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%16.4f   %21.4f   %.*s\n", m[i].cosine, m[i].change, (int)m[i].job->source.n,
                   m[i].job->source.s);
    double least = 1, most = 0;
    for (size_t i = 0; i < n; i++) {
        if (m[i].cosine < least) least = m[i].cosine;
        if (m[i].change > most) most = m[i].change;
    }
    if (n > 1) buf_printf(b, "%16.4f   %21.4f   the least and the most of them\n", least, most);
    if (n)
        buf_str(
            b,
            STR_LIT("\nScores are input x gradient of what the model wrote before, and from the new weights; "
                    "cosine 1: nothing moved.\n"));
}

static void json_report(const Writing *w, const Moved *m, size_t n, Buf *b)
{
    const ModelInfo *f = nn_info(w->back);
    buf_str(b, w->file ? STR_LIT("{\"file\":") : STR_LIT("{\"folder\":")), buf_json(b, str_of(w->to));
    buf_printf(b,
               ",\"type\":\"%s\",\"class\":\"%s\",\"bytes\":%" PRIu64 ",\"bytes_before\":%" PRIu64
               ",\"bits_a_weight\":%.4f,\"types\":\"%s\",\"others\":\"%s\",\"texts\":[",
               w->type, f->class_name, f->bytes, w->l->info->bytes,
               8 * (double)f->bytes / (double)w->written.weights, w->written.types, w->written.others);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? STR_LIT(",{\"text\":") : STR_LIT("{\"text\":")), buf_json(b, m[i].job->source);
        buf_str(b, STR_LIT(",\"cosine\":")), buf_float(b, (float)m[i].cosine);
        buf_str(b, STR_LIT(",\"change\":")), buf_float(b, (float)m[i].change);
        buf_str(b, STR_LIT(",\"probability\":")), buf_float(b, (float)m[i].before);
        buf_char(b, '}');
    }
    buf_str(b, STR_LIT("]}\n"));
}

// Of what is worth the same there is nothing to measure.
static int tell_float32(const Writing *w)
{
    const ModelInfo *f = w->l->info;
    Buf b = {.arena = w->a->a};
    if (args_on(w->a, "json")) {
        buf_str(&b, STR_LIT("{\"folder\":")), buf_json(&b, str_of(w->to));
        buf_printf(&b,
                   ",\"type\":\"f32\",\"class\":\"%s\",\"bytes\":%" PRIu64 ",\"bytes_before\":%" PRIu64 "}\n",
                   f->class_name, 4 * f->parameters, f->bytes);
        return cmd_print(buf_view(&b));
    }
    buf_printf(&b, "%s: %s, float32, %.1f MB (%.1f MB before)\n", w->to, f->class_name,
               4 * (double)f->parameters / 1e6, (double)f->bytes / 1e6);
    return cmd_print_text(w->a, buf_view(&b));
}

// The file is there already: what goes wrong here costs no more than the measurement.
static int measure(Writing *w)
{
    static const char *const own[] = {"The nurse went to the hospital because she was ill.",
                                      "Does 3 + 3 equal 6?", "The capital of France is",
                                      "In the morning we go to school, and"};
    enum { OWN = sizeof own / sizeof *own, WORDS = 8 };
    Args *a = w->a;
    Work k = {.a = a->a, .l = w->l, .talk = &a->talk};
    Texts t = {0};
    Str texts[OWN];
    Job *job;
    size_t n = 0, made = 0;
    Err e = {0};
    const bool given = args_get(a, "input_texts")->given;
    for (size_t i = 0; i < OWN; i++) texts[i] = str_of(own[i]);
    if (given && !args_texts(a, &t, &e)) return cmd_fail(&e, EXIT_INPUT);
    if (!given) t = (Texts){.source = texts, .n = OWN};
    Err unused = {0};
    const Json *most =
        json_parse(a->a, str_of(arena_printf(a->a, "{\"max_new_tokens\":%d}", WORDS)), "", &unused);
    if (!texts_generation(&k, most, &e) || !texts_jobs(&k, &t, &job, &n, &e)) return cmd_fail(&e, EXIT_INPUT);
    Job **all = arena_new(a->a, Job *, n);
    Moved *m = arena_new(a->a, Moved, n);
    for (size_t i = 0; i < n; i++) all[i] = &job[i];
    made = texts_moved(&k, w->back, all, n, m);
    if (stop_asked()) {
        cmd_say("interrupted; %s is whole, but how far attributions move by it was not measured", w->to);
        return 128 + stop_asked();
    }
    if (!given && !made)
        cmd_note(a, "none of the texts that belong to this command could be attributed; -i gives others");
    Buf b = {.arena = a->a};
    if (args_on(a, "json")) json_report(w, m, made, &b);
    else text_report(w, m, made, &b);
    int printed = args_on(a, "json") ? cmd_print(buf_view(&b)) : cmd_print_text(a, buf_view(&b));
    int failed = given ? cmd_report_failures(job, n) : 0;
    return printed ? printed : failed;
}

// ------------------------------------------------------------------------------------------------ the command

// Its name as it is known here, in any case; NULL and a sentence.
static const char *known_type(Args *a, const char *type, Err *e)
{
    static const char *const folders[] = {"int8", "nf4", "f32"};
    size_t n;
    const char *const *name = nn_gguf_types(&n);
    Buf b = {.arena = a->a};
    for (size_t i = 0; i < n + 3; i++) {
        const char *known = i < n ? name[i] : folders[i - n];
        if (type && !strcasecmp(type, known)) return known;
        buf_printf(&b, "%s%s", i ? ", " : "", known);
    }
    bool k = type && strlen(type) > 3 && strchr("qQ", *type) && strcasestr(type, "_k");
    err_usage(e, "%s%s%s; %s are known%s", type ? "--to " : "which type?", type ? type : "",
              type ? " is no type that is written here" : " give one with --to", b.s,
              k ? "; types with K are llama-quantize's to write, from --to f16 or bf16" : "");
    return NULL;
}

static bool check_place(const Writing *w, Err *e)
{
    Args *a = w->a;
    if (!w->to)
        return err_usage(e, "where to? give %s with -o",
                         w->file ? "a file's name, FILE.gguf," : "a new folder");
    if (!w->file) return true;
    if (!str_ends(str_of(w->to), STR_LIT(".gguf")))
        return err_usage(e, "-o %s: the name of a GGUF file must end with .gguf, or nobody finds it", w->to);
    if (file_same(a->a, w->to, w->l->info->folder))
        return err_set(e, "%s: this is the model itself; give another name", w->to);
    if (!args_on(a, "force") && (file_exists(w->to) || dir_exists(w->to)))
        return err_set(e, "%s: there is such a file already; --force writes over it", w->to);
    return file_can_write(w->to, e);
}

static int run(Args *a)
{
    const char *model = a->n_rest ? a->rest[0] : args_text(a, "model_name_or_path");
    Loaded l = {0};
    Writing w = {.a = a, .l = &l, .to = args_text(a, "output")};
    if (a->n_rest && args_get(a, "model_name_or_path")->given)
        return cmd_complain("quantize takes one model"), EXIT_USAGE;
    if (!model) return cmd_complain(NO_MODEL), EXIT_USAGE;
    if (!(w.type = known_type(a, args_text(a, "to"), &w.e))) return cmd_fail(&w.e, EXIT_USAGE);
    w.file = strcmp(w.type, "f32") && strcmp(w.type, "int8") && strcmp(w.type, "nf4");
    if (!args_start_machine(a, &w.e) || !args_load(a, model, &l, &w.e) || !check_place(&w, &w.e))
        return cmd_fail(&w.e, EXIT_INPUT);
    if (w.file && !nn_has_gguf(l.model, &w.e)) return cmd_fail(&w.e, EXIT_INPUT);
    const bool codes = !w.file && strcmp(w.type, "f32");
    if (codes && l.info->quantization) {
        err_set(
            &w.e,
            "%s: the weights are quantized already (%s); write them --to f32 first, and quantize that folder",
            model, l.info->quantization);
        return cmd_fail(&w.e, EXIT_INPUT);
    }
    a->catch_interrupts();
    if (!stop_run(w.file ? write_file : codes ? write_codes : write_folder, &w))
        return cmd_interrupted(false);
    if (!w.ok) return cmd_fail(&w.e, EXIT_INPUT);
    return w.back ? measure(&w) : tell_float32(&w);
}

const Command command_quantize = {
    .name = "quantize",
    .options = QUANTIZE,
    .words = 1,
    .run = run,
    .usage = "MODEL --to TYPE -o PATH",
    .summary = "a model with its weights in another type, as files",
    .example = "demo/yes-no --to q8_0 -o yes-no.Q8_0.gguf",
};
