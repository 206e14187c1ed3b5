// SPDX-License-Identifier: Apache-2.0
// hub.c — MODEL, as users write it, to a folder on this machine or one inside the program. Never the network.
//
// The layout is that of huggingface_hub's cache (its guide "Understand caching"): CACHE/models--Org--name with
// refs/REVISION (a file that holds a commit) and snapshots/COMMIT/FILE (mostly links into blobs/). Where CACHE is, and
// which of the variables wins, follows its constants.py.
#include "checkpoint.h"
#include "../nn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static bool hex(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.s[i] >= '0' && s.s[i] <= '9') || (s.s[i] >= 'a' && s.s[i] <= 'f'))) return false;
    return s.n > 0;
}

static bool commit_ok(Str s) { return s.n == 40 && hex(s); }

static Str replaced(Arena *a, Str s, const char *old, const char *fresh)
{
    Buf b = {.arena = a};
    size_t n = strlen(old);
    for (size_t i = 0; i < s.n;)
        if (i + n <= s.n && !memcmp(s.s + i, old, n)) buf_str(&b, str_of(fresh)), i += n;
        else buf_char(&b, s.s[i++]);
    return buf_view(&b);
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

// Every commit that a repository has whole or in part: those that begin with `start`, out [returned].
static size_t snapshots(Arena *a, const char *repo, Str start, const char **out)
{
    const char *const *name;
    size_t n = dir_list(a, arena_printf(a, "%s/snapshots", repo), &name), found = 0;
    for (size_t i = 0; i < n; i++)
        if (commit_ok(str_of(name[i])) && str_starts(str_of(name[i]), start)) out[found++] = name[i];
    return found;
}

// "main, refs/pr/9": the names under refs/, as --revision takes them.
static void list_refs(Arena *a, const char *folder, const char *before, int depth, Buf *out)
{
    const char *const *name;
    size_t n = dir_list(a, folder, &name);
    for (size_t i = 0; i < n; i++) {
        const char *path = arena_printf(a, "%s/%s", folder, name[i]),
                   *full = arena_printf(a, "%s%s", before, name[i]);
        if (!revision_ok(str_of(full))) continue;
        if (!dir_exists(path)) buf_printf(out, "%s%s", out->n ? ", " : "", full);
        else if (depth < 4) list_refs(a, path, arena_printf(a, "%s/", full), depth + 1, out);
    }
}

static const char *no_revision(Arena *a, const char *repo, const char *revision, Err *e)
{
    const char **commit = arena_new(a, const char *, MOST_NAMES);
    size_t n = snapshots(a, repo, STR_LIT(""), commit);
    Buf there = {.arena = a};
    list_refs(a, arena_printf(a, "%s/refs", repo), "", 0, &there);
    bool refs = there.n > 0;
    for (size_t i = 0; i < n && i < 12; i++) buf_printf(&there, "%s%s", there.n ? ", " : "", commit[i]);
    if (n > 12) buf_printf(&there, " and %zu more", n - 12);
    err_set(e, "%s is in the cache, but %s: there is no refs/%s and no snapshots/%s; %s%s%s", repo,
            !refs && !strcmp(revision, "main") ? "nothing there says which snapshot is main"
                                               : "not this revision",
            revision, revision,
            there.n ? "--revision NAME chooses from what is there: " : "it holds no snapshot",
            there.n ? there.s : "", there.n ? "" : "; download the model again");
    return NULL;
}

// The commit that begins with these digits, if there is one and no other.
static const char *whole_commit(Arena *a, const char *repo, Str start)
{
    const char **commit = arena_new(a, const char *, MOST_NAMES);
    return start.n >= 4 && hex(start) && snapshots(a, repo, start, commit) == 1 ? commit[0] : NULL;
}

const char *hub_snapshot(Arena *a, const char *repo, const char *revision, const char **note, Err *e)
{
    if (!revision) revision = "main";
    const char *ref = arena_printf(a, "%s/refs/%s", repo, revision), *commit = revision;
    if (!file_exists(ref) || dir_exists(ref)) ref = arena_printf(a, "%s/refs/refs/%s", repo, revision);
    if (file_exists(ref) && !dir_exists(ref)) {
        Str text;
        if (!file_read(a, ref, 4096, &text, e)) return NULL;
        file_forget(ref); // it says which files are the model's, and is none of them
        while (text.n &&
               (text.s[text.n - 1] == '\n' || text.s[text.n - 1] == '\r' || text.s[text.n - 1] == ' '))
            text.n--;
        char found[SHOWN];
        commit = commit_ok(text) ? str_zero(a, text) : whole_commit(a, repo, text);
        if (!commit)
            return err_set(e, "%s: holds '%s'; it must hold a commit of 40 hexadecimal digits", ref,
                           shown(found, text)),
                   NULL;
        const char *folder = arena_printf(a, "%s/snapshots/%s", repo, commit);
        if (dir_exists(folder)) return folder;
        err_set(e,
                "%s: cache entry incomplete: it names commit %s, but there is no folder %s; download the "
                "model again",
                ref, commit, folder);
        return NULL;
    }
    const char *folder = arena_printf(a, "%s/snapshots/%s", repo, commit);
    if (!strchr(revision, '/') && dir_exists(folder)) return folder;
    if ((commit = whole_commit(a, repo, str_of(revision))))
        return arena_printf(a, "%s/snapshots/%s", repo, commit);
    // the only snapshot of a cache that was copied by hand without its refs/
    const char **only = arena_new(a, const char *, MOST_NAMES);
    if (strcmp(revision, "main") != 0 || dir_exists(arena_printf(a, "%s/refs", repo)) ||
        snapshots(a, repo, STR_LIT(""), only) != 1)
        return no_revision(a, repo, revision, e);
    if (note)
        *note =
            arena_printf(a, "%s has no refs/ that says which commit is main; its only snapshot is taken, %s",
                         repo, only[0]);
    return arena_printf(a, "%s/snapshots/%s", repo, only[0]);
}

// "models--Org--name" as "Org/name"; NULL: no folder of a model.
static const char *name_of(Arena *a, const char *folder)
{
    const Str start = STR_LIT("models--");
    if (!str_starts(str_of(folder), start)) return NULL;
    Str name = replaced(a, str_of(folder + start.n), "--", "/");
    return repo_ok(name) ? str_zero(a, name) : NULL;
}

size_t hub_models(Arena *a, const char *root, const char **out)
{
    const char *const *folder;
    size_t n = dir_list(a, root, &folder), found = 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = name_of(a, folder[i]);
        if (name) out[found++] = name;
    }
    return found;
}

size_t nn_cached(Arena *a, const char *cache_dir, const char *const **out)
{
    const char *roots[MAX_ROOTS], **name = arena_new(a, const char *, MAX_ROOTS *MOST_NAMES);
    size_t n = cache_roots(a, cache_dir, roots), found = 0;
    for (size_t r = 0; r < n; r++) {
        bool again = false; // two variables that name one cache
        for (size_t k = 0; k < r; k++) again |= !strcmp(roots[k], roots[r]);
        if (!again) found += hub_models(a, roots[r], name + found);
    }
    *out = name;
    return found;
}

// The cached model that was probably meant: the same name in another case, or without its organisation, or nearly so.
static const char *near_name(Arena *a, const char *const *root, size_t n_roots, const char *model)
{
    const char **name = arena_new(a, const char *, MOST_NAMES), *best = NULL;
    const char *slash = strchr(model, '/'), *last = slash ? slash + 1 : model;
    for (size_t r = 0; r < n_roots && !best; r++) {
        size_t n = hub_models(a, root[r], name);
        for (size_t i = 0; i < n && !best; i++)
            if (!strcasecmp(name[i], model)) best = name[i];
        for (size_t i = 0; i < n && !best; i++) {
            const char *own = strrchr(name[i], '/');
            if (!strcasecmp(own ? own + 1 : name[i], last)) best = name[i];
        }
        if (!best) best = str_nearest(str_of(model), name, n);
    }
    return best;
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
    if (name_of(a, model)) model = name_of(a, model);
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
    Str folder = replaced(a, str_of(model), "/", "--");
    Buf tried = {.arena = a};
    const char *roots[MAX_ROOTS];
    size_t n = cache_roots(a, cache_dir, roots);
    Err here = {0};
    for (size_t i = 0; i < n; i++) {
        const char *repo = arena_printf(a, "%s/models--%.*s", roots[i], (int)folder.n, folder.s);
        const char *found = dir_exists(repo) ? hub_snapshot(a, repo, revision, note, &here) : NULL;
        if (found) return found;
        buf_printf(&tried, "\n  %s", repo);
    }
    if (here.set) return err_set(e, "model '%s': %s", text, here.text), NULL;
    if (str_starts(str_of(model), STR_LIT("demo/"))) return nn_builtin(a, model, e);
    const char *near = near_name(a, roots, n, model);
    if (near)
        err_set(e, "model '%s' is neither a folder nor in the cache, but %s is: -m %s. Tried%s", text, near,
                near, tried.s);
    else
        err_set(e,
                "model '%s' (revision %s) is neither a folder nor in the cache; 'hf download %s' fetches it. "
                "Tried%s",
                text, revision, text, tried.s);
    return NULL;
}
