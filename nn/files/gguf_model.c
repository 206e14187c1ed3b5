// SPDX-License-Identifier: Apache-2.0
// gguf_model.c — a GGUF file in the place of a folder: what a folder's files would say is written from the file's keys, and
// found under path/config.json and so on, by all that reads such files. model.gguf among them is the file itself.
#include "gguf.h"

#include <string.h>
#include <strings.h>

static void put(Arena *a, const char *path, const char *name, Str bytes)
{
    file_put(a, arena_printf(a, "%s/%s", path, name), bytes);
}

bool gguf_unfold(Arena *a, const char *path, Err *e)
{
    Str bytes;
    Gguf g;
    Buf config = {.arena = a}, tokenizer = {.arena = a}, tokens = {.arena = a};
    if (!file_map(a, path, &bytes, e) || !gguf_open(a, bytes, path, &g, e)) return false;
    const GgufArch *arch = gguf_arch(&g, e);
    if (!arch || !gguf_config(a, &g, arch, &config, e) ||
        !gguf_tokenizer(a, &g, arch, &tokenizer, &tokens, e))
        return false;
    Err own = {0};
    const Str chat = gguf_str(&g, "tokenizer.chat_template", &own);
    if (own.set) return err_set(e, "%s", own.text);
    put(a, path, "model.gguf", bytes), put(a, path, "config.json", buf_view(&config));
    put(a, path, "tokenizer.json", buf_view(&tokenizer));
    put(a, path, "tokenizer_config.json", buf_view(&tokens));
    if (chat.s) put(a, path, "chat_template.jinja", chat);
    return true;
}

// Whether name is "wanted", or "...-WANTED.gguf" or "...-WANTED-00001-of-00003.gguf".
static bool is_named(const char *name, Str wanted)
{
    if (str_is(wanted, name)) return true;
    for (const char *p = name; *p; p++)
        if ((p == name || strchr("-._", p[-1])) && !strncasecmp(p, wanted.s, wanted.n) &&
            (!strcmp(p + wanted.n, ".gguf") || !strncmp(p + wanted.n, "-00001-of-", 10)))
            return true;
    return false;
}

const char *gguf_in(Arena *a, const char *folder, Str wanted, Err *e)
{
    const char *const *name, *found = NULL;
    Buf there = {.arena = a};
    const size_t n = dir_list(a, folder, &name);
    size_t fit = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        if (!str_ends(str_of(name[i]), STR_LIT(".gguf")) || str_starts(str_of(name[i]), STR_LIT("mmproj")) ||
            (strstr(name[i], "-of-") && !strstr(name[i], "-00001-of-")))
            continue;
        if (all++ < 12) buf_printf(&there, "%s%s", all > 1 ? ", " : "", name[i]);
        if (!wanted.s || is_named(name[i], wanted)) found = name[i], fit++;
    }
    if (fit == 1) return arena_printf(a, "%s/%s", folder, found);
    if (!fit && !wanted.s) return NULL;
    if (fit)
        err_set(e, "%s: several GGUF files fit; name one, as %s:FILE or by its file: %s", folder, folder,
                there.s);
    else
        err_set(e, "%s: no GGUF file \"%.*s\" here; there is %s", folder,
                (int)(wanted.n < 60 ? wanted.n : 60), wanted.s, all ? there.s : "nothing of that kind");
    return NULL;
}
