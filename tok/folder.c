// SPDX-License-Identifier: Apache-2.0
// folder.c — the files of a tokenizer's folder, and members of their JSON.
#include "kind.h"

#include <string.h>
#include <sys/stat.h>

enum { LARGEST_JSON = 64 << 20 };

const char *in_folder(Arena *a, const char *folder, const char *file)
{
    return arena_printf(a, "%s/%s", folder, file);
}

bool folder_has(const char *folder, const char *file)
{
    char path[4096];
    size_t n = strlen(folder), m = strlen(file);
    if (n + m + 2 > sizeof path) return false;
    memcpy(path, folder, n);
    path[n] = '/';
    memcpy(path + n + 1, file, m + 1);
    struct stat st; // a link to what was never fetched is there: that must not pass for "the model has none"
    return file_exists(path) || lstat(path, &st) == 0;
}

bool folder_has_all(Arena *a, const char *folder, const char *const *file, Err *e)
{
    Buf missing = {.arena = a};
    size_t n = 0;
    for (; *file; file++)
        if (!folder_has(folder, *file)) buf_printf(&missing, "%s%s", n++ ? ", " : "", *file);
    return !n ||
           err_set(
               e,
               "%s: the tokenizer's file%s missing here: %s; training scripts often save the model alone: "
               "copy %s from the folder of the model that it started from, or name that folder as the "
               "tokenizer's (--tokenizer FOLDER)",
               folder, n > 1 ? "s are" : " is", missing.s, n > 1 ? "them" : "it");
}

bool folder_object(Arena *a, const char *folder, const char *file, const Json **out, Err *e)
{
    *out = NULL;
    if (!folder_has(folder, file)) return true;
    const char *path = in_folder(a, folder, file);
    Str text;
    if (!file_read(a, path, LARGEST_JSON, &text, e) || !file_genuine(path, text, e)) return false;
    *out = json_parse(a, text, path, e);
    if (!*out) return false;
    if ((*out)->kind != J_OBJECT)
        return err_at(e, path, (*out)->at, "found %s, expected an object", json_kind_name(*out));
    return true;
}

const char *const named_tokens[NAMED_TOKENS] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                "pad_token", "cls_token", "mask_token"};

Str token_text(const Json *j)
{
    const Json *content = j && j->kind == J_OBJECT ? json_get(j, "content") : j;
    return content && content->kind == J_STRING ? content->text : (Str){NULL, 0};
}

Str special_text(const Json *config, const char *key, const char *otherwise)
{
    const Json *j = config ? json_get(config, key) : NULL;
    if (token_text(j).s) return token_text(j);
    return otherwise && !j ? str_of(otherwise) : (Str){"", 0};
}

bool json_flag(const Json *object, const char *key, bool otherwise)
{
    const Json *j = object ? json_get(object, key) : NULL;
    return j && (j->kind == J_TRUE || j->kind == J_FALSE) ? j->kind == J_TRUE : otherwise;
}

size_t tok_files(const char *const **names)
{
    static const char *const all[] = {"tokenizer.json",
                                      "tokenizer_config.json",
                                      "special_tokens_map.json",
                                      "added_tokens.json",
                                      "vocab.json",
                                      "merges.txt",
                                      "tokenizer.model",
                                      "spiece.model",
                                      "sentencepiece.bpe.model",
                                      "source.spm",
                                      "target.spm",
                                      "vocab.joint.spm",
                                      "target_vocab.json",
                                      "chat_template.jinja"};
    return *names = all, sizeof all / sizeof *all;
}
