// SPDX-License-Identifier: Apache-2.0
// reading.c — the texts that a command line names: words, lines of files, rows of data files.
#include "../texts/rows.h"
#include "commands.h"

#include <string.h>

// Lines of a file that hold nothing are left out, and with each its target. The others keep their numbers.
static void leave_blank_out(const Args *a, Texts *t, const bool *line)
{
    size_t n = 0, first = 0, left_out = 0;
    for (size_t i = 0; i < t->n; i++) left_out += line[i] && str_blank(t->source[i]);
    bool pairs = t->n_targets == t->n;
    if (!left_out || (t->n_targets && !pairs && t->n_targets != t->n - left_out)) return;
    Str *source = arena_new(a->a, Str, t->n), *target = arena_new(a->a, Str, t->n);
    size_t *number = arena_new(a->a, size_t, t->n);
    for (size_t i = 0; i < t->n; i++) {
        bool out = line[i] && str_blank(t->source[i]);
        if (out && !first) first = i + 1;
        if (out) continue;
        if (pairs) target[n] = t->target[i];
        number[n] = i + 1, source[n++] = t->source[i];
    }
    if (pairs && t->n) t->target = target, t->n_targets = n;
    t->source = source, t->n = n, t->number = number;
    cmd_note(a, arena_printf(a->a,
                             "%zu blank line%s left out, the first is number %zu; --keep_blank "
                             "keeps them as empty texts",
                             left_out, left_out > 1 ? "s are" : " is", first));
}

// ------------------------------------------------------------------------------------------ rows of data files

static bool is_file(const char *word) { return word[0] == '@' && word[1] && word[1] != '@'; }

// A dataset, or a single -i that is a data file by its name or by --input_format.
bool args_have_rows(const Args *a)
{
    const OptionValue *texts = args_get(a, "input_texts");
    if (args_text(a, "dataset_name") || args_get(a, "dataset_files")->n || args_text(a, "dataset_dir"))
        return true;
    if (texts->n != 1 || texts->literal) return false;
    const char *word = texts->list[0], *kind = args_text(a, "input_format");
    const RowsKind *own = is_file(word) ? rows_kind_of(word + 1) : NULL;
    if (!is_file(word) && strcmp(word, "-")) return false;
    return kind ? strcmp(kind, "text") != 0
                : (own && own != &rows_text) ||
                      (is_file(word) && str_ends(str_of(word), STR_LIT(".parquet"))) ||
                      (is_file(word) && str_ends(str_of(word), STR_LIT(".arrow")));
}

static bool one_character(const char *option, Str s, char *out, Err *e)
{
    if (str_is(s, "tab") || str_is(s, "\\t")) return *out = '\t', true;
    if (s.n == 1 && s.s[0] != '"' && s.s[0] != '\n' && s.s[0] != '\r' && (uint8_t)s.s[0] < 128)
        return *out = s.s[0], true;
    return err_usage(e, "%s '%.*s': it must be one character, or tab", option, (int)s.n, s.s);
}

static bool dataset_arguments(const Args *a, RowsOptions *o, Err *e)
{
    const Json *all = args_get(a, "dataset_kwargs")->json;
    for (const Json *j = all ? all->child : NULL; j; j = j->next) {
        bool text = j->kind == J_STRING, list = j->kind == J_ARRAY;
        for (const Json *c = list ? j->child : NULL; c; c = c->next) list &= c->kind == J_STRING;
        if (j->kind == J_NULL) continue;
        if ((str_is(j->key, "sep") || str_is(j->key, "delimiter")) && text) {
            if (!one_character("--dataset_kwargs sep", j->text, &o->delimiter, e)) return false;
        } else if ((str_is(j->key, "column_names") || str_is(j->key, "names")) && list) o->columns = j;
        else if (str_is(j->key, "field") && text) o->inside = j->text;
        else
            return err_usage(
                e,
                "--dataset_kwargs: %.*s is %s; known are sep or delimiter (a character), column_names "
                "(a list of texts) and field (a text)",
                (int)j->key.n, j->key.s, json_kind_name(j));
    }
    const char *delimiter = args_text(a, "delimiter");
    return !delimiter || one_character("--delimiter", str_of(delimiter), &o->delimiter, e);
}

// A split's name may stand anywhere in a file's, between what is no letter: train.jsonl, train-00000-of-00002.csv.
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool of_split(const char *name, Str split)
{
    for (const char *p = name; *p; p++) {
        bool begins = p == name || !is_letter(p[-1]);
        if (begins && !strncmp(p, split.s, split.n) && !is_letter(p[split.n])) return true;
    }
    return false;
}

static bool is_data(const char *name)
{
    return rows_kind_of(name) || str_ends(str_of(name), STR_LIT(".parquet")) ||
           str_ends(str_of(name), STR_LIT(".arrow"));
}

// The files of a split in a folder and in its data/, in the order of their names.
static bool read_folder(const Args *a, RowsFile *f, const char *folder, Str split, Err *e)
{
    const char *const where[] = {folder, arena_printf(a->a, "%s/data", folder)};
    bool any = false, found = false;
    for (int k = 0; k < 2; k++) {
        size_t n;
        const char *const *name = dir_names(a->a, where[k], &n);
        for (size_t i = 0; i < n; i++) {
            any |= is_data(name[i]);
            if (!is_data(name[i]) || !of_split(name[i], split)) continue;
            found = true;
            if (!rows_read(f, arena_printf(a->a, "%s/%s", where[k], name[i]), e)) return false;
        }
    }
    if (found) return true;
    return err_set(e, "%s: %s", folder,
                   any ? arena_printf(a->a,
                                      "no data file there is of the split %.*s, as train.jsonl and "
                                      "data/train-00000.csv are of train",
                                      (int)split.n, split.s)
                       : "no .jsonl, .json, .csv, .tsv or .txt file there, nor in data/");
}

static bool refuse_network(const Args *a, Err *e)
{
    static const char *const names[] = {"dataset_revision", "dataset_auth_token"};
    for (int i = 0; i < 2; i++)
        if (args_text(a, names[i]))
            return err_usage(
                e,
                "--%s is for datasets on the Hub, and nothing is downloaded here; give files with "
                "--dataset_files, or a folder with -d",
                names[i]);
    const char *config = args_text(a, "dataset_config");
    return !config || !strcmp(config, "default") ||
           err_usage(e, "--dataset_config %s: files here have one configuration, default", config);
}

static bool read_dataset(const Args *a, RowsFile *f, Err *e)
{
    const char *name = args_text(a, "dataset_name"), *split = args_text(a, "dataset_split"),
               *folder = args_text(a, "dataset_dir");
    const OptionValue *files = args_get(a, "dataset_files");
    Str whole = str_of(split ? split : "train"), part = {0};
    const char *bracket = memchr(whole.s, '[', whole.n);
    bool builder = name && (!strcmp(name, "json") || !strcmp(name, "csv") || !strcmp(name, "tsv") ||
                            !strcmp(name, "text") || !strcmp(name, "jsonl"));
    if (bracket)
        part = (Str){bracket, whole.n - (size_t)(bracket - whole.s)}, whole.n = (size_t)(bracket - whole.s);
    if (memchr(whole.s, '+', whole.n) || !whole.n)
        return err_usage(e, "--dataset_split %s: one split, or a part of one such as train[:20]", split);
    if (!refuse_network(a, e)) return false;
    if (builder) f->o.kind = name;
    if (files->n) {
        if (!str_is(whole, "train"))
            return err_usage(e, "--dataset_split %s: what files hold is the split train", split);
        if (name && !builder)
            return err_usage(e, "-d %s: with --dataset_files it says what they are: json, csv, tsv or text",
                             name);
        for (size_t i = 0; i < files->n; i++) {
            const RowsKind *own = rows_kind_of(files->list[i]); // lines of JSON lose no other line
            f->o.kind =
                builder && own && !strcmp(name, "json") && !strcmp(own->name, "jsonl") && !f->o.inside.n
                    ? "jsonl"
                : builder ? name
                          : NULL;
            if (!rows_read(f, files->list[i], e)) return false;
        }
    } else if (folder || (name && dir_exists(name))) {
        if (!read_folder(a, f, folder ? folder : name, whole, e)) return false;
    } else if (name && !builder && file_exists(name)) {
        if (!rows_read(f, name, e)) return false;
    } else if (builder) return err_usage(e, "-d %s: which files? --dataset_files FILE ...", name);
    else
        return err_set(
            e,
            "%s is no data file and no folder here, and datasets of the Hub are not downloaded; -d json, "
            "csv, tsv or text with --dataset_files reads files",
            name ? name : "-d");
    return !part.n || rows_slice(f, part, e);
}

// Which column: the one that was named, or what it is likely to be called, or the only one.
static const char *input_column(const Args *a, const RowsFile *f, Err *e)
{
    static const char *const likely[] = {"input_text", "source", "text", "input", "prompt"};
    const char *name = args_text(a, "input_text_field");
    const Json *first = NULL;
    for (size_t i = 0; i < f->n && !first; i++) first = rows_fields(f->a, &f->row[i]);
    if (!name && first && first->count == 1) return str_zero(a->a, first->child->key);
    for (size_t i = 0; i < sizeof likely / sizeof *likely && !name; i++)
        if (rows_have(f, likely[i])) return likely[i];
    if (name && (rows_have(f, name) || !first)) return name;
    if (name) err_set(e, "%s: no column \"%s\"; there are: %s", f->path, name, rows_names(f));
    else
        err_set(e, "%s: which column has the texts? --input_text_field NAME; there are: %s", f->path,
                rows_names(f));
    return NULL;
}

// The columns that are read: sources, targets, foils.
enum { SOURCE, TARGET, FOIL, FOIL_SOURCE, COLUMNS };

// What is not part of the file's own bytes is copied.
static Str kept_text(Arena *a, const Row *r, Str s)
{
    bool there = !r->raw.s || (s.s >= r->raw.s && s.s + s.n <= r->raw.s + r->raw.n);
    return there ? s : str_copy(a, s);
}

static const char *not_a_text(Arena *a, const Row *r, const char *name, const Json *found)
{
    return found && found->kind != J_NULL
               ? arena_printf(a, "%s: line %zu: column \"%s\" is %s, not a text", r->part->path, r->line,
                              name, json_kind_name(found))
               : arena_printf(a, "%s: line %zu: column \"%s\" is missing", r->part->path, r->line, name);
}

// The texts of all rows; where a row lacks one, wrong [i] says so. A row is taken apart once, and only what is wanted is kept.
static void read_columns(Arena *a, const RowsFile *f, const char *const *used, const char *id,
                         Str *const *out, const char **wrong, Str *about)
{
    Arena *work = arena_create(a);
    for (size_t i = 0; i < f->n; i++, arena_reset(work)) {
        const Row *r = &f->row[i];
        const Json *fields = rows_fields(work, r), *found;
        wrong[i] = r->wrong;
        for (int k = 0; k < COLUMNS; k++) {
            Str text = {"", 0};
            if (!out[k]) continue;
            if (!wrong[i] && rows_field(fields, used[k], &text, &found) != ROW_TEXT)
                wrong[i] = not_a_text(a, r, used[k], found);
            out[k][i] = kept_text(a, r, text);
        }
        about[i] = str_copy(a, attr_row(work, rows_about(work, r, fields, used, COLUMNS, id)));
    }
    arena_free(work);
}

bool args_dataset(const Args *a, RowsFile *f, bool *given, Err *e)
{
    *f = (RowsFile){.a = a->a};
    *given = args_text(a, "dataset_name") || args_get(a, "dataset_files")->n || args_text(a, "dataset_dir");
    return !*given || (dataset_arguments(a, &f->o, e) && read_dataset(a, f, e) &&
                       (f->n || err_set(e, "%s: no rows there", f->path)));
}

static bool read_rows(const Args *a, Texts *t, Err *e)
{
    RowsFile f = {.a = a->a, .o = {.kind = args_text(a, "input_format")}};
    const OptionValue *words = args_get(a, "input_texts");
    bool dataset =
        args_text(a, "dataset_name") || args_get(a, "dataset_files")->n || args_text(a, "dataset_dir");
    if (!dataset_arguments(a, &f.o, e)) return false;
    if (dataset && words->given) return err_usage(e, "-i and a dataset: one of them has the texts");
    if (!(dataset ? read_dataset(a, &f, e) : rows_read(&f, words->list[0] + is_file(words->list[0]), e)))
        return false;
    if (!f.n) return err_set(e, "%s: no rows there", f.path);
    const char *input = input_column(a, &f, e), *target = args_text(a, "generated_text_field"),
               *foil = args_text(a, "contrast_targets_field"),
               *other = args_text(a, "contrast_sources_field"), *id = args_text(a, "id_field");
    if (!input) return false;
    if (target && !rows_have(&f, target)) {
        cmd_note(a, arena_printf(a->a, "%s: no column \"%s\": the targets are generated", f.path, target));
        target = NULL;
    }
    if (target && args_get(a, "generated_texts")->given)
        return err_usage(e, "-g and --generated_text_field: one of them has the targets");
    const char **wrong = arena_new(a->a, const char *, f.n);
    const char *used[COLUMNS] = {[SOURCE] = input, [TARGET] = target, [FOIL] = foil, [FOIL_SOURCE] = other};
    size_t *number = arena_new(a->a, size_t, f.n);
    Str *about = arena_new(a->a, Str, f.n), *text[COLUMNS] = {0};
    for (int k = 0; k < COLUMNS; k++)
        if (used[k]) text[k] = arena_new(a->a, Str, f.n);
    for (size_t i = 0; i < f.n; i++) number[i] = f.row[i].number;
    read_columns(a->a, &f, used, id ? id : "id", text, wrong, about);
    t->n = f.n, t->number = number, t->wrong = wrong, t->about = about;
    t->source = text[SOURCE], t->foil_target = text[FOIL], t->foil_source = text[FOIL_SOURCE];
    if (target) t->target = text[TARGET], t->n_targets = f.n;
    else if (!option_texts(a->a, args_get(a, "generated_texts"), &t->target, &t->n_targets, e)) return false;
    if (t->n_targets && t->n_targets != t->n)
        return err_usage(e, "%zu generated texts for %zu rows; there must be one for each", t->n_targets,
                         t->n);
    return true;
}

bool args_texts(const Args *a, Texts *t, Err *e)
{
    const bool *line;
    *t = (Texts){.beginnings = args_on(a, "generate_from_target_prefix"),
                 .keep_blank = args_on(a, "keep_blank")};
    if (args_have_rows(a)) return read_rows(a, t, e);
    if (!args_get(a, "input_texts")->given) return err_usage(e, "which texts? give them with -i TEXT ...");
    if (!option_lines(a->a, args_get(a, "input_texts"), &t->source, &line, &t->n, e) ||
        !option_texts(a->a, args_get(a, "generated_texts"), &t->target, &t->n_targets, e))
        return false;
    if (!t->keep_blank) leave_blank_out(a, t, line);
    if (args_get(a, "generated_texts")->given && t->n_targets != t->n && t->n)
        return err_usage(e, "%zu generated texts for %zu input texts; there must be one for each",
                         t->n_targets, t->n);
    if (t->beginnings && !t->n_targets)
        return err_usage(e, "--generate_from_target_prefix needs the beginnings: -g TEXT ...");
    return true;
}
