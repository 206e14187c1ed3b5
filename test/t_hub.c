// SPDX-License-Identifier: Apache-2.0
// t_hub.c — MODEL to a folder, on cache trees made here.
#include "../nn/files/checkpoint.h"
#include "kit.h"

#include <unistd.h>

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define SHB "fedcba9876543210fedcba9876543210fedcba98"

static const char *const variables[] = {"HF_HUB_CACHE",   "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                        "XDG_CACHE_HOME", "TRANSFORMERS_CACHE",    "HOME"};
enum { N_VARIABLES = sizeof variables / sizeof *variables };

typedef struct Saved {
    char *value[N_VARIABLES];
} Saved;

static void restore(void *saved)
{
    for (int i = 0; i < N_VARIABLES; i++)
        if (((Saved *)saved)->value[i]) setenv(variables[i], ((Saved *)saved)->value[i], 1);
        else unsetenv(variables[i]);
}

static void clear_environment(Arena *A) // until A goes
{
    Saved *s = arena_new(A, Saved, 1);
    for (int i = 0; i < N_VARIABLES; i++) {
        if (getenv(variables[i])) s->value[i] = str_zero(A, str_of(getenv(variables[i])));
        unsetenv(variables[i]);
    }
    arena_on_free(A, restore, s);
}

static void link_to(const char *folder, const char *name, const char *target)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (symlink(target, path) != 0) FAIL("no link %s", path);
}

// CACHE with Org/name at main, a pull request's second snapshot, files linked to blobs as huggingface_hub does.
static const char *cache_tree(Arena *A)
{
    const char *cache = kit_folder(A), *repo = arena_printf(A, "%s/models--Org--name", cache);
    kit_write(cache, "CACHEDIR.TAG", BYTES("x"));
    kit_write(repo, "refs/main", BYTES(SHA));
    kit_write(repo, "refs/refs/pr/9", BYTES(SHB));
    kit_write(repo, "blobs/aaaa", BYTES("{\"d_model\":8}"));
    kit_write(repo, "blobs/bbbb", kit_safetensors(A, BYTES(KIT_HEADER), 16));
    kit_write(repo, "snapshots/" SHA "/plain.txt", BYTES("x"));
    kit_write(repo, "snapshots/" SHB "/plain.txt", BYTES("x"));
    kit_write(repo, ".no_exist/" SHA "/model.safetensors", BYTES(""));
    link_to(repo, "snapshots/" SHA "/config.json", "../../blobs/aaaa");
    link_to(repo, "snapshots/" SHA "/pytorch_model.bin", "../../blobs/gone");
    link_to(repo, "snapshots/" SHB "/model.safetensors", "../../blobs/bbbb");
    return cache;
}

static void found(Arena *A, const char *model, const char *revision, const char *cache, const char *end)
{
    Err e = {0};
    const char *folder = hub_folder(A, model, revision, cache, NULL, &e);
    if (!folder) FAIL("%s at %s: %s", model, revision ? revision : "(none)", e.text);
    else CHECK(str_ends(str_of(folder), str_of(end)));
}

static void missing(Arena *A, const char *model, const char *revision, const char *cache, const char *part)
{
    Err e = {0};
    const char *folder = hub_folder(A, model, revision, cache, NULL, &e);
    if (folder) FAIL("%s at %s is %s", model, revision ? revision : "(none)", folder);
    else CHECK_HAS(e.text, part);
}

TEST(folders_and_the_cache)
{
    clear_environment(A);
    const char *cache = cache_tree(A);
    Err e = {0};
    found(A, "test/golden", NULL, cache, "test/golden");
    found(A, "./test", NULL, NULL, "./test");
    found(A, arena_printf(A, "%s/models--Org--name/snapshots/" SHA, cache), NULL, NULL, "/snapshots/" SHA);
    found(A, "Org/name", NULL, cache, "/models--Org--name/snapshots/" SHA);
    found(A, "Org/name", "main", cache, "/snapshots/" SHA);
    found(A, "Org/name", SHB, cache, "/snapshots/" SHB);
    found(A, "Org/name", "refs/pr/9", cache, "/snapshots/" SHB);
    missing(A, "Org/name", "v2", cache, "refs/v2");
    missing(A, "Org/name", "v2", cache, "chooses from what is there: main, refs/pr/9, " SHA ", " SHB);
    missing(A, "Org/name", "refs", cache, "not this revision");
    missing(A, "Org/name", "refs/pr", cache, "not this revision");
    found(A, "Org/name", "pr/9", cache, "/snapshots/" SHB);
    found(A, "Org/name", "0123", cache, "/snapshots/" SHA); // the first digits of one commit
    found(A, "Org/name", "fedcba98", cache, "/snapshots/" SHB);
    missing(A, "Org/name", "012", cache, "not this revision");
    missing(A, "Org/name", "01234567f", cache, "not this revision");
    found(A, "models--Org--name", NULL, cache, "/snapshots/" SHA);
    missing(A, "org/NAME", NULL, cache, "but Org/name is: -m Org/name");
    missing(A, "name", NULL, cache, "but Org/name is: -m Org/name");
    missing(A, "Other/name", NULL, cache, "but Org/name is: -m Org/name");
    missing(A, "Org/nme", NULL, cache, "but Org/name is: -m Org/name");
    missing(A, "Org/another", NULL, cache, "models--Org--another");
    missing(A, "Org/another", NULL, cache, "'hf download Org/another' fetches it");
    missing(A, "./Org/name", NULL, cache, "no such folder");
    missing(A, "/Org/name", NULL, cache, "no such folder");
    missing(A, "~/no/such/folder", NULL, cache, "no such folder");
    missing(A, "", NULL, cache, "no such folder");
    const char *pr = hub_folder(A, "Org/name", "refs/pr/9", cache, NULL, &e);
    CHECK(pr && checkpoint_open(A, pr, &e));
    const char *base = hub_folder(A, "Org/name", NULL, cache, NULL, &e);
    Config c;
    CHECK(base && config_open(A, base, "config.json", &c, &e) && cfg_need_int(&c, "d_model", 1, 9) == 8);
    CHECK(base && !checkpoint_open(A, base, &e));
    CHECK_HAS(e.text, "cache entry incomplete: blob ../../blobs/gone is missing");
}

TEST(damaged_caches)
{
    clear_environment(A);
    const char *cache = cache_tree(A), *repo = arena_printf(A, "%s/models--Org--name", cache);
    kit_write(repo, "refs/short", BYTES("0123"));
    kit_write(repo, "refs/empty", BYTES(""));
    kit_write(repo, "refs/path", BYTES("../../../../../../../../etc/aaaaaaaaaaaaaa"));
    kit_write(repo, "refs/newline", BYTES(SHA "\n"));
    kit_write(repo, "refs/gone", BYTES("1111111111111111111111111111111111111111"));
    kit_write(repo, "refs/shorter", BYTES("012"));
    kit_write(repo, "refs/other", BYTES("01234568"));
    found(A, "Org/name", "short", cache, SHA); // somebody wrote it by hand, and only one commit begins so
    missing(A, "Org/name", "shorter", cache, "it must hold a commit of 40 hexadecimal digits");
    missing(A, "Org/name", "other", cache, "it must hold a commit of 40 hexadecimal digits");
    missing(A, "Org/name", "empty", cache, "it must hold a commit of 40 hexadecimal digits");
    missing(A, "Org/name", "path", cache, "it must hold a commit of 40 hexadecimal digits");
    missing(A, "Org/name", "gone", cache, "cache entry incomplete: it names commit 1111");
    found(A, "Org/name", "newline", cache, SHA);
    // copied by hand, without refs/
    kit_write(cache, "models--one/snapshots/" SHA "/x", BYTES("x"));
    kit_write(cache, "models--two/snapshots/" SHA "/x", BYTES("x"));
    kit_write(cache, "models--two/snapshots/" SHB "/x", BYTES("x"));
    kit_write(cache, "models--odd/snapshots/main2/x", BYTES("x"));
    kit_write(cache, "models--refs/refs/other", BYTES(SHA));
    kit_write(cache, "models--refs/snapshots/" SHA "/x", BYTES("x"));
    found(A, "one", NULL, cache, "models--one/snapshots/" SHA);
    Err e = {0};
    const char *note = NULL;
    CHECK(hub_folder(A, "Org/name", NULL, cache, &note, &e) && !note);
    CHECK(hub_folder(A, "one", NULL, cache, &note, &e));
    CHECK_HAS(note,
              "models--one has no refs/ that says which commit is main; its only snapshot is taken, " SHA);
    missing(A, "one", "v1", cache, "no snapshots/v1");
    missing(A, "two", NULL, cache, "nothing there says which snapshot is main");
    missing(A, "two", NULL, cache, "--revision NAME chooses from what is there: " SHA ", " SHB);
    missing(A, "odd", NULL, cache, "it holds no snapshot; download the model again");
    missing(A, "refs", NULL, cache, "not this revision: there is no refs/main");
}

TEST(names_that_are_refused)
{
    clear_environment(A);
    static const char *const names[] = {
        "a/b/c",
        "a--b",
        "a..b",
        "-a",
        "a-",
        "a.",
        "a/.b",
        "a/-b",
        "a/b-",
        "a/b.",
        "a.git",
        "a/b.git",
        "a b",
        "a/b\\c",
        "a//b",
        "a/",
        "a:b",
        "a@b",
        "a/b\n",
        "\xC3\xA4",
        "a/..",
        "a?b",
        "a%2fb",
        "a\x1b[31m",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    static const char *const revisions[] = {"",    "..",   ".",   "../x", "a/../b", "a/",       "/a", "a//b",
                                            "a b", "a\\b", "./a", "a/.",  "a\n",    "\xC3\xA4", "a:b"};
    const char *cache = cache_tree(A);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        missing(A, names[i], NULL, cache, "no name on the Hub either");
    for (size_t i = 0; i < sizeof revisions / sizeof *revisions; i++)
        missing(A, "Org/name", revisions[i], cache, "no branch, tag or commit");
    missing(A, "a\x1b]0;x\a", NULL, cache, "\\x1B]0;x\\x07");
}

TEST(where_the_cache_is)
{
    clear_environment(A);
    const char *real = cache_tree(A), *home = kit_folder(A);
    setenv("HOME", home, 1);
    missing(A, "Org/name", NULL, NULL, "/.cache/huggingface/hub/models--Org--name");
    kit_write(home, ".cache/huggingface/hub/models--Org--name/refs/main", BYTES(SHA));
    kit_write(home, ".cache/huggingface/hub/models--Org--name/snapshots/" SHA "/x", BYTES("x"));
    found(A, "Org/name", NULL, NULL, ".cache/huggingface/hub/models--Org--name/snapshots/" SHA);
    setenv("XDG_CACHE_HOME", "/nonexistent/xdg", 1);
    missing(A, "Org/name", NULL, NULL, "/nonexistent/xdg/huggingface/hub/models--Org--name");
    setenv("HF_HOME", "/nonexistent/hfhome", 1);
    missing(A, "Org/name", NULL, NULL, "/nonexistent/hfhome/hub/models--Org--name");
    setenv("HF_HOME", "~/.cache/huggingface", 1);
    found(A, "Org/name", NULL, NULL, SHA);
    setenv("HUGGINGFACE_HUB_CACHE", "/nonexistent/old", 1);
    missing(A, "Org/name", NULL, NULL, "/nonexistent/old/models--Org--name");
    setenv("HF_HUB_CACHE", "$HOME/.cache/huggingface/hub", 1);
    found(A, "Org/name", NULL, NULL, SHA);
    setenv("HF_HUB_CACHE", "${HOME}/.cache/huggingface/hub", 1);
    found(A, "Org/name", NULL, NULL, SHA);
    setenv("HF_HUB_CACHE", "$NO_SUCH_VARIABLE/${BROKEN/$", 1);
    missing(A, "Org/name", NULL, NULL, "$NO_SUCH_VARIABLE/${BROKEN/$/models--Org--name");
    setenv("HF_HUB_CACHE", "", 1); // empty is unset
    missing(A, "Org/name", NULL, NULL, "/nonexistent/old/models--Org--name");
    setenv("TRANSFORMERS_CACHE", real, 1);
    found(A, "Org/name", NULL, NULL, SHA);
    missing(A, "Org/name", NULL, "/nonexistent/given",
            "/nonexistent/given/models--Org--name"); // given: only there
}

// ------------------------------------------------------------------------------------------------ places

static void placed(Arena *A, const char *model, const char *cache, const char *folder, const char *weights)
{
    Err e = {0};
    Place p;
    const char *note = NULL;
    if (!place_find(A, model, NULL, cache, NULL, &note, &p, &e)) FAIL("%s: %s", model, e.text);
    else {
        if (!str_ends(str_of(p.folder), str_of(folder))) FAIL("%s is %s", model, p.folder);
        if (!str_ends(str_of(p.weights), str_of(weights))) FAIL("%s has weights in %s", model, p.weights);
        CHECK(str_eq(str_of(p.tokenizer), str_of(p.folder)) && !p.adapter);
        CHECK((p.weights != p.folder) == (note && strstr(note, "the weights are read from")));
    }
}

static void no_place(Arena *A, const char *model, const char *cache, const char *part)
{
    Err e = {0};
    Place p;
    const char *note = NULL;
    if (place_find(A, model, NULL, cache, NULL, &note, &p, &e)) FAIL("%s is %s", model, p.folder);
    else CHECK_HAS(e.text, part);
}

TEST(places_that_people_name)
{
    clear_environment(A);
    const char *cache = cache_tree(A), *repo = arena_printf(A, "%s/models--Org--name", cache);
    static const char *const addresses[] = {"https://huggingface.co/Org/name",
                                            "http://www.huggingface.co/Org/name/",
                                            "https://hf.co/Org/name?library=transformers",
                                            "huggingface.co/Org/name#usage",
                                            "https://huggingface.co/Org/name/tree/main",
                                            "https://huggingface.co/Org/name/blob/main/config.json",
                                            "https://huggingface.co/Org/name/resolve/0123456/config.json",
                                            "https://huggingface.co/Org/name.git",
                                            "git@hf.co:Org/name.git",
                                            "hf://Org/name",
                                            "hf://models/Org/name"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        placed(A, addresses[i], cache, "/snapshots/" SHA, "/snapshots/" SHA);
    placed(A, "https://huggingface.co/Org/name/tree/refs%2Fpr%2F9", cache, SHA, SHB);
    placed(A, "https://huggingface.co/Org/name/tree/refs/pr/9/x", cache, SHA, SHB);
    placed(A, repo, cache, SHA, SHA);
    placed(A, arena_printf(A, "%s/", repo), cache, SHA, SHA);
    placed(A, arena_printf(A, "%s/snapshots", repo), cache, SHA, SHA);
    placed(A, arena_printf(A, "%s/snapshots/", repo), cache, SHA, SHA);
    placed(A, arena_printf(A, "%s/snapshots/" SHB, repo), cache, SHA, SHB);
    no_place(A, "https://huggingface.co/datasets/Org/name", cache, "the address of no model");
    no_place(A, "https://example.org/Org/name", cache, "never uses the network");
    no_place(A, "https://huggingface.co/Org/nam", cache, "but Org/name is: -m Org/name");
    no_place(A, "https://huggingface.co/", cache, "no such folder");
    no_place(A, cache, cache, "a cache of 1 model, no model; name one of them: Org/name");
    no_place(A, arena_printf(A, "%s/snapshots/" SHA "/plain.txt", repo), cache,
             "is a file; a model is a folder, here -m");
    const char *run = kit_folder(A);
    kit_write(run, "checkpoint-500/config.json", BYTES("{}"));
    kit_write(run, "checkpoint-1500/config.json", BYTES("{}"));
    kit_write(run, "checkpoint-99/config.json", BYTES("{}"));
    kit_write(run, "checkpoint-best/config.json", BYTES("{}"));
    kit_write(run, "checkpoint-2000", BYTES("no folder"));
    no_place(A, run, cache, "/checkpoint-1500: -m ");
    kit_write(run, "config.json", BYTES("{}"));
    Err e = {0};
    CHECK(!checkpoint_open(A, run, &e));
    CHECK_HAS(e.text, "the trainer's last checkpoint is");
    const char *outer = kit_folder(A);
    kit_write(outer, "final/config.json", BYTES("{}"));
    kit_write(outer, "logs/x", BYTES("{}"));
    no_place(A, outer, cache, "no config.json here; models are in");
    unlink(arena_printf(A, "%s/snapshots/" SHA "/config.json",
                        repo)); // main's is then not there to go with the pull request
    no_place(A, arena_printf(A, "%s/snapshots/" SHB, repo), cache, "this snapshot holds weights alone");
}

static bool look_up(Arena *a, void *cache, Err *e)
{
    Place p;
    const char *note = NULL;
    return place_find(a, "hf.co/Org/name/tree/refs%2Fpr%2F9", NULL, cache, NULL, &note, &p, e);
}

TEST(every_fault_in_the_look_up)
{
    clear_environment(A);
    char *cache = str_zero(A, str_of(cache_tree(A)));
    test_every_fault(A, FAULT_ALLOC, look_up, cache);
    test_every_fault(A, FAULT_IO, look_up, cache);
    test_every_fault(A, FAULT_SHORT, look_up, cache);
}
