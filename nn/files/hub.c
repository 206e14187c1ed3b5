// hub.c — MODEL, as users write it, to a folder on this machine or one inside the program. Never the network.
//
// The layout is that of huggingface_hub's cache (its guide "Understand caching"): CACHE/models--Org--name with
// refs/REVISION (a file that holds a commit) and snapshots/COMMIT/FILE (mostly links into blobs/). Where CACHE is, and
// which of the variables wins, follows its constants.py.
#include "checkpoint.h"
#include "../nn.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROOTS = 3, MAX_PART = 96 };

// ---------------------------------------------------------------------------------------------------- names

static bool name_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '.';
}

static bool part_ok(Str s)
{
    if (!s.n || s.n > MAX_PART || s.s[0] == '-' || s.s[0] == '.' || s.s[s.n - 1] == '-' ||
        s.s[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!name_char(s.s[i])) return false;
    return true;
}

// huggingface_hub's validate_repo_id: name or org/name.
static bool repo_ok(Str s)
{
    const char *slash = memchr(s.s, '/', s.n);
    size_t first = slash ? (size_t)(slash - s.s) : s.n;
    if (!part_ok((Str){s.s, first}) || (slash && !part_ok((Str){slash + 1, s.n - first - 1}))) return false;
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.s[i] == s.s[i + 1] && (s.s[i] == '-' || s.s[i] == '.')) return false; // "--" and ".."
    return !str_ends(s, STR_LIT(".git"));
}

// A branch, tag, commit or "refs/pr/9": parts of harmless characters between single slashes.
static bool revision_ok(Str s)
{
    for (size_t i = 0; i <= s.n; i++) {
        size_t n = 0;
        while (i + n < s.n && s.s[i + n] != '/') n++;
        Str part = {s.s + i, n};
        if (!n || n > 255 || str_is(part, ".") || str_is(part, "..")) return false;
        for (size_t k = 0; k < n; k++)
            if (!name_char(part.s[k]) && part.s[k] != '+') return false;
        i += n;
    }
    return s.n > 0 && s.n < 512;
}

static bool commit_ok(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.s[i] >= '0' && s.s[i] <= '9') || (s.s[i] >= 'a' && s.s[i] <= 'f'))) return false;
    return s.n == 40;
}

// ---------------------------------------------------------------------------------------------------- cache roots

static const char *env(const char *name) // NULL if unset or empty
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

// A leading ~ and $VAR or ${VAR} anywhere, as Python's expanduser and expandvars do; unknown variables stay.
static const char *expand(Arena *a, const char *path)
{
    Buf b = {.arena = a};
    if (path[0] == '~' && (path[1] == '/' || !path[1]) && env("HOME"))
        buf_str(&b, str_of(env("HOME"))), path++;
    while (*path) {
        const char *p = path + 1;
        bool braces = *path == '$' && *p == '{';
        p += braces;
        size_t n = 0;
        while (*path == '$' && (name_char(p[n]) && p[n] != '-' && p[n] != '.')) n++;
        const char *value = n && (!braces || p[n] == '}') ? getenv(str_zero(a, (Str){p, n})) : NULL;
        if (value) buf_str(&b, str_of(value)), path = p + n + braces;
        else buf_char(&b, *path++);
    }
    return b.s ? b.s : "";
}

static size_t cache_roots(Arena *a, const char *cache_dir, const char *roots[MAX_ROOTS])
{
    if (cache_dir) return roots[0] = expand(a, cache_dir), 1;
    size_t n = 0;
    const char *hub = env("HF_HUB_CACHE") ? env("HF_HUB_CACHE") : env("HUGGINGFACE_HUB_CACHE");
    const char *home = env("HF_HOME"), *xdg = env("XDG_CACHE_HOME");
    if (hub) roots[n++] = expand(a, hub);
    else if (home) roots[n++] = arena_printf(a, "%s/hub", expand(a, home));
    else roots[n++] = arena_printf(a, "%s/huggingface/hub", expand(a, xdg ? xdg : "~/.cache"));
    if (env("TRANSFORMERS_CACHE"))
        roots[n++] = expand(a, env("TRANSFORMERS_CACHE")); // read by transformers < 5
    return n;
}

// ---------------------------------------------------------------------------------------------------- inside

size_t nn_builtins(Arena *a, const char *const **out)
{
    const Str end = STR_LIT("/config.json");
    size_t n = 0;
    for (const BuiltinFile *f = file_builtins; f && f->path; f++) n += str_ends(str_of(f->path), end);
    const char **names = arena_new(a, const char *, n);
    n = 0;
    for (const BuiltinFile *f = file_builtins; f && f->path; f++)
        if (str_ends(str_of(f->path), end)) names[n++] = str_zero(a, (Str){f->path, strlen(f->path) - end.n});
    *out = names;
    return n;
}

const char *nn_builtin(Arena *a, const char *name, Err *e)
{
    const char *folder = arena_printf(a, BUILTIN "%s", name), *const * names;
    if (file_exists(arena_printf(a, "%s/config.json", folder))) return folder;
    size_t n = nn_builtins(a, &names);
    const char *near = str_nearest(str_of(name), names, n);
    char text[SHOWN];
    Buf all = {.arena = a};
    for (size_t i = 0; i < n; i++) buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    shown(text, str_of(name));
    if (near) err_set(e, "no model '%s' inside this program; did you mean %s?", text, near);
    else err_set(e, "no model '%s' inside this program; there are %s", text, n ? all.s : "none");
    return NULL;
}

// ---------------------------------------------------------------------------------------------------- look-up

// The only snapshot of a cache that was copied by hand without its refs/; NULL if there is none or a choice.
static const char *only_snapshot(Arena *a, const char *repo)
{
    DIR *d = opendir(arena_printf(a, "%s/snapshots", repo));
    char found[41] = "";
    int n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (commit_ok(str_of(entry->d_name)) && ++n == 1) memcpy(found, entry->d_name, sizeof found);
    if (d) closedir(d);
    return n == 1 ? arena_printf(a, "%s/snapshots/%s", repo, found) : NULL;
}

// The snapshot of a revision inside one repository folder. NULL: not here (with e: here, but broken).
static const char *snapshot(Arena *a, const char *repo, const char *revision, Buf *tried, const char **note,
                            Err *e)
{
    const char *ref = arena_printf(a, "%s/refs/%s", repo, revision);
    if (!dir_exists(repo)) return buf_printf(tried, "\n  %s", repo), NULL;
    buf_printf(tried, "\n  %s", ref);
    const char *commit = revision;
    if (file_exists(ref) && !dir_exists(ref)) {
        Str text;
        if (!file_read(a, ref, 4096, &text, e)) return NULL;
        while (text.n &&
               (text.s[text.n - 1] == '\n' || text.s[text.n - 1] == '\r' || text.s[text.n - 1] == ' '))
            text.n--;
        char found[SHOWN];
        if (!commit_ok(text))
            return err_set(e, "%s: holds '%s'; it must hold a commit of 40 hexadecimal digits", ref,
                           shown(found, text)),
                   NULL;
        commit = str_zero(a, text);
        const char *folder = arena_printf(a, "%s/snapshots/%s", repo, commit);
        if (dir_exists(folder)) return folder;
        err_set(e,
                "%s: cache entry incomplete: it names commit %s, but there is no folder %s; download the "
                "model again",
                ref, commit, folder);
        return NULL;
    }
    const char *folder = arena_printf(a, "%s/snapshots/%s", repo, commit);
    buf_printf(tried, "\n  %s", folder);
    if (!strchr(revision, '/') && dir_exists(folder)) return folder;
    if (strcmp(revision, "main") != 0 || dir_exists(arena_printf(a, "%s/refs", repo))) return NULL;
    folder = only_snapshot(a, repo);
    if (folder && note)
        *note =
            arena_printf(a, "%s has no refs/ that says which commit is main; its only snapshot is taken, %s",
                         repo, strrchr(folder, '/') + 1);
    return folder;
}

const char *hub_folder(Arena *a, const char *model, const char *revision, const char *cache_dir,
                       const char **note, Err *e)
{
    char text[SHOWN];
    if (*model && dir_exists(model)) return str_zero(a, str_of(model));
    if (*model == '~' && dir_exists(expand(a, model))) return expand(a, model);
    const char *inside = nn_builtin(a, model, NULL);
    if (inside) return inside;
    shown(text, str_of(model));
    if (!*model || strchr("./~", *model)) return err_set(e, "model '%s': no such folder", text), NULL;
    if (!repo_ok(str_of(model)))
        return err_set(e,
                       "model '%s': no such folder, and no name on the Hub either (those are NAME or "
                       "ORG/NAME of letters, "
                       "digits, '-', '_' and '.')",
                       text),
               NULL;
    if (!revision) revision = "main";
    if (!revision_ok(str_of(revision)))
        return err_set(e, "revision '%s': no branch, tag or commit is called that",
                       shown(text, str_of(revision))),
               NULL;
    Buf repo = {.arena = a}, tried = {.arena = a};
    buf_str(&repo, STR_LIT("models--"));
    for (const char *p = model; *p; p++) *p == '/' ? buf_str(&repo, STR_LIT("--")) : buf_char(&repo, *p);
    const char *roots[MAX_ROOTS];
    size_t n = cache_roots(a, cache_dir, roots);
    Err here = {0};
    for (size_t i = 0; i < n && !here.set; i++) {
        const char *found =
            snapshot(a, arena_printf(a, "%s/%s", roots[i], repo.s), revision, &tried, note, &here);
        if (found) return found;
    }
    if (here.set) err_set(e, "%s", here.text);
    else if (str_starts(str_of(model), STR_LIT("demo/"))) nn_builtin(a, model, e);
    else
        err_set(e,
                "model '%s' (revision %s) is neither a folder nor in the cache; 'hf download %s' fetches it. "
                "Tried%s",
                text, revision, text, tried.s);
    return NULL;
}
