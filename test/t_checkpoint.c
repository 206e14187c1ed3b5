// SPDX-License-Identifier: Apache-2.0
// t_checkpoint.c — weights that must load: golden models and files by torch and safetensors, shards, real layouts,
// and every allocation and I/O call failing. What must not load is in t_hostile.c and t_hostile_pickle.c.
#include "../nn/files/checkpoint.h"
#include "kit.h"

#include <time.h>

#define MODELS "test/golden/models/"
#define GOLDEN "test/golden/checkpoints/"

static void check_equal(const Stored *got, const Stored *want)
{
    CHECK_STR(got->name, want->name);
    CHECK_INT(got->dtype, want->dtype);
    CHECK_INT(got->rank, want->rank);
    for (int i = 0; i < want->rank; i++) CHECK_INT(got->dim[i], want->dim[i]);
    CHECK_INT(got->bytes, want->bytes);
    if (got->bytes == want->bytes && memcmp(got->data, want->data, want->bytes) != 0)
        FAIL("%.*s: bytes differ (%s:+%" PRIu64 ")", (int)got->name.n, got->name.s, got->file, got->at);
}

TEST(golden_models_hold_the_same_bytes)
{
    static const char *const others[] = {"marian-en-nl-bin", "marian-en-nl-legacy", "marian-en-nl-sharded"};
    static const char *const formats[] = {"pickle (zip)", "pickle (legacy)", "safetensors"};
    Err e = {0};
    const Checkpoint *want = checkpoint_open(A, MODELS "marian-en-nl", &e);
    CHECK_STR(str_of(e.text), STR_LIT(""));
    if (!want) return;
    CHECK_INT(want->n, 128);
    CHECK_INT(want->bytes, 1418476);
    for (size_t m = 0; m < 3; m++) {
        const Checkpoint *got = checkpoint_open(A, arena_printf(A, MODELS "%s", others[m]), &e);
        CHECK_STR(str_of(e.text), STR_LIT(""));
        if (!got) return;
        CHECK_STR(str_of(got->format), str_of(formats[m]));
        CHECK_INT(got->n_files, m == 2 ? 3 : 1);
        for (size_t i = 0; i < want->n; i++) {
            const Stored *t = checkpoint_find(got, want->tensor[i].name.s);
            if (t) check_equal(t, &want->tensor[i]);
            else FAIL("%s lacks %s", others[m], want->tensor[i].name.s);
        }
    }
}

TEST(golden_models_in_half_precision)
{
    Err e = {0};
    const Checkpoint *want = checkpoint_open(A, MODELS "marian-en-nl", &e);
    const Checkpoint *f16 = checkpoint_open(A, MODELS "marian-en-nl-f16", &e);
    const Checkpoint *bf16 = checkpoint_open(A, MODELS "marian-en-nl-bf16", &e);
    CHECK_STR(str_of(e.text), STR_LIT(""));
    for (size_t i = 0; want && f16 && bf16 && i < want->n; i++) {
        const Stored *w = &want->tensor[i], *h = checkpoint_find(f16, w->name.s),
                     *b = checkpoint_find(bf16, w->name.s);
        CHECK(h && h->dtype == DT_F16 && h->bytes * 2 == w->bytes);
        CHECK(b && b->dtype == DT_BF16 && b->bytes * 2 == w->bytes);
        for (size_t k = 0; b && k < b->bytes / 2; k++) { // bfloat16 is the upper half, rounded
            uint32_t full;
            uint16_t half;
            memcpy(&full, (const char *)w->data + 4 * k, 4);
            memcpy(&half, (const char *)b->data + 2 * k, 2);
            if ((full + 0x7FFF + (full >> 16 & 1)) >> 16 != half)
                FAIL("%s[%zu] is no rounding", w->name.s, k);
        }
        test_count((long)w->bytes / 4);
    }
}

TEST(files_by_torch_and_safetensors)
{
    Err e = {0};
    Str text, bytes;
    const Json *index =
        file_read(A, GOLDEN "index.json", 1 << 22, &text, &e) ? json_parse(A, text, "index.json", &e) : NULL;
    CHECK_STR(str_of(e.text), STR_LIT(""));
    if (!index) return;
    long n = 0;
    for (const Json *j = json_get(index, "load")->child; j; j = j->next) {
        const char *file = str_zero(A, json_get(j, "file")->text),
                   *like = str_zero(A, json_get(j, "like")->text);
        e = (Err){0};
        file_map(A, arena_printf(A, GOLDEN "%s", like), &bytes, &e);
        const Checkpoint *want = checkpoint_from_bytes(A, "model.safetensors", bytes, &e);
        file_map(A, arena_printf(A, GOLDEN "%s", file), &bytes, &e);
        const Checkpoint *got = checkpoint_from_bytes(
            A, strstr(file, ".bin") ? "pytorch_model.bin" : "model.safetensors", bytes, &e);
        if (e.set || !want || !got) {
            FAIL("%s", e.text);
            continue;
        }
        CHECK_STR(str_of(got->format), json_get(j, "format")->text);
        CHECK_INT(got->n, json_get(j, "n")->i);
        CHECK_INT(got->n, want->n);
        for (size_t i = 0; i < got->n && i < want->n; i++, n++)
            check_equal(&got->tensor[i], &want->tensor[i]);
    }
    for (const Json *file = json_get(index, "crc")->child; file; file = file->next) {
        file_map(A, arena_printf(A, GOLDEN "%.*s", (int)file->key.n, file->key.s), &bytes, &e);
        const Checkpoint *c = checkpoint_from_bytes(A, "model.safetensors", bytes, &e);
        CHECK(c && c->n == file->count);
        for (const Json *t = file->child; c && t; t = t->next) {
            const Stored *x = checkpoint_find(c, str_zero(A, t->key));
            CHECK(x && (int64_t)(x->bytes ? kit_crc(x->data, x->bytes) : 0) == t->i);
        }
    }
    CHECK(n >= 400);
}

TEST(shared_storages_are_views_and_only_strided_tensors_are_copied)
{
    Err e = {0};
    Str bytes;
    file_map(A, GOLDEN "legacy-forms.bin", &bytes, &e);
    const Checkpoint *c = checkpoint_from_bytes(A, "pytorch_model.bin", bytes, &e);
    CHECK(c != NULL);
    if (!c) return;
    for (size_t i = 0; i < c->n; i++) {
        const Stored *t = &c->tensor[i];
        bool inside = (const char *)t->data >= bytes.s && (const char *)t->data <= bytes.s + bytes.n;
        bool strided = str_ends(t->name, STR_LIT("transposed")) || str_ends(t->name, STR_LIT("column")) ||
                       str_ends(t->name, STR_LIT("block")) || str_ends(t->name, STR_LIT("second")) ||
                       str_ends(t->name, STR_LIT("permuted")) || str_ends(t->name, STR_LIT("expanded"));
        if (inside == strided) FAIL("%s is %s", t->name.s, inside ? "a view" : "a copy");
        else test_count(1);
    }
    CHECK(checkpoint_find(c, "float32.shared")->data == checkpoint_find(c, "float32.contiguous")->data);
    CHECK(checkpoint_find(c, "nothing") == NULL);
}

TEST(verify_reads_the_crc_of_storages)
{
    const char *folder = kit_folder(A);
    Str zip = kit_zip_of(A, BYTES(KIT_GOOD));
    Err e = {0};
    kit_write(folder, "pytorch_model.bin", zip);
    CHECK(checkpoint_open(A, folder, &e) && checkpoint_verify(folder, &e));
    size_t at = 0;
    while (memcmp(zip.s + at, "\0\0\200?", 4) != 0) at++;
    kit_patch(zip, at, 1, 1); // a bit of the first float
    kit_write(folder, "pytorch_model.bin", zip);
    CHECK(checkpoint_open(A, folder, &e));
    CHECK(!checkpoint_verify(folder, &e));
    CHECK_HAS(e.text, "the CRC of 'm/data/0' is");
}

// ---------------------------------------------------------------------------------------------------- folders

TEST(order_of_files_and_what_is_tried)
{
    const char *folder = kit_folder(A);
    Err e = {0};
    CHECK(!checkpoint_open(A, folder, &e));
    CHECK_HAS(e.text, folder);
    CHECK_HAS(e.text, "tried model.safetensors, model.safetensors.index.json, pytorch_model.bin, "
                      "pytorch_model.bin.index.json");
    kit_write(folder, "tf_model.h5", BYTES("x"));
    e = (Err){0};
    CHECK(!checkpoint_open(A, folder, &e));
    CHECK_HAS(e.text, "found tf_model.h5 (TensorFlow)");
    e = (Err){0};
    CHECK(!checkpoint_open(A, "build/no_such_folder", &e));
    CHECK_HAS(e.text, "no such folder");
    Str st = kit_safetensors(A, BYTES(KIT_HEADER), 16), bin = kit_zip_of(A, BYTES(KIT_GOOD));
    const Checkpoint *c;
    e = (Err){0};
    kit_write(folder, "bin.index.json", BYTES("{}"));
    kit_write(folder, "pytorch_model.bin.index.json", BYTES("{\"weight_map\":{\"w\":\"a.bin\"}}"));
    kit_write(folder, "a.bin", bin);
    CHECK((c = checkpoint_open(A, folder, &e)) && strstr(c->files[0], "/a.bin"));
    kit_write(folder, "pytorch_model.bin", bin);
    CHECK((c = checkpoint_open(A, folder, &e)) && strstr(c->files[0], "/pytorch_model.bin"));
    kit_write(folder, "model.safetensors.index.json", BYTES("{\"weight_map\":{\"w\":\"b.safetensors\"}}"));
    kit_write(folder, "b.safetensors", st);
    CHECK((c = checkpoint_open(A, folder, &e)) && strstr(c->files[0], "/b.safetensors"));
    kit_write(folder, "model.safetensors", st);
    CHECK((c = checkpoint_open(A, folder, &e)) && strstr(c->files[0], "/model.safetensors"));
    kit_write(folder, "model.safetensors",
              BYTES("short")); // a bad file is an error, never a reason to try the next
    CHECK(!checkpoint_open(A, folder, &e));
    CHECK_HAS(e.text, "model.safetensors:+0: 5 bytes are too few");
}

static const char *open_index(Arena *A, const char *folder, const char *json, Err *e)
{
    *e = (Err){0};
    kit_write(folder, "model.safetensors.index.json", str_of(json));
    return checkpoint_open(A, folder, e) ? "" : e->text;
}

TEST(shard_names_must_be_plain)
{
    static const char *const bad[] = {
        "../x",        "..",
        ".",           "",
        "/etc/passwd", "a/b",
        "a\\\\b",      "./a",
        "a/",          "/",
        "//",          "..\\\\x",
        "a/../b",      "~/a/b",
        "C:\\\\x",     "x\\u0000y",
        "\\u0000",     "a\\u001b]0;x\\u0007",
        "a\\n",        "../../../../etc/passwd",
        "a//b",        "\\u002fetc",
        "..\\u002fx",  "a/.",
        "./",          "../",
        "a\\u005cb",   "file:///x",
        "http://h/x",  "\\\\\\\\server\\\\x",
        "a/b/c/d",     "x/",
    };
    const char *folder = kit_folder(A);
    Err e;
    kit_write(folder, "b", kit_safetensors(A, BYTES(KIT_HEADER), 16));
    kit_write(folder, "a/b", kit_safetensors(A, BYTES(KIT_HEADER), 16));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_HAS(open_index(A, folder, arena_printf(A, "{\"weight_map\":{\"w\":\"%s\"}}", bad[i]), &e),
                  "must be plain names");
    char long_name[400];
    memset(long_name, 'a', sizeof long_name);
    CHECK_HAS(open_index(A, folder, arena_printf(A, "{\"weight_map\":{\"w\":\"%.300s\"}}", long_name), &e),
              "must be plain names");
    CHECK_STR(str_of(open_index(A, folder, "{\"weight_map\":{\"w\":\"b\"}}", &e)), STR_LIT(""));
}

TEST(bad_indexes)
{
    const char *folder = kit_folder(A);
    Err e;
    Str st = kit_safetensors(A, BYTES(KIT_HEADER), 16);
    kit_write(folder, "b", st);
    kit_write(folder, "c", st);
    CHECK_HAS(open_index(A, folder, "", &e), "model.safetensors.index.json");
    CHECK_HAS(open_index(A, folder, "[]", &e), "weight_map is absent");
    CHECK_HAS(open_index(A, folder, "{}", &e), "weight_map is absent");
    CHECK_HAS(open_index(A, folder, "{\"weight_map\":[]}", &e), "weight_map is a");
    CHECK_HAS(open_index(A, folder, "{\"weight_map\":{}}", &e), "weight_map is empty");
    CHECK_HAS(open_index(A, folder, "{\"weight_map\":{\"w\":1}}", &e), "must be plain names");
    CHECK_HAS(open_index(A, folder, "{\"weight_map\":{\"w\":\"b\",\"x\":\"b\"}}", &e),
              "'x' is in b, but that file lacks it");
    CHECK_HAS(open_index(A, folder, "{\"weight_map\":{\"w\":\"b\",\"v\":\"c\"}}", &e),
              "tensor 'w' is there twice");
    CHECK_HAS(open_index(A, folder, "{\"weight_map\":{\"w\":\"gone\"}}", &e), "gone");
    CHECK_HAS(open_index(A, folder, "{\"weight_map\":{\"w\":\"b\"}", &e), "index.json");
    CHECK_STR(str_of(open_index(A, folder, "{\"weight_map\":{\"w\":\"b\"},\"metadata\":null}", &e)),
              STR_LIT(""));
}

TEST(too_many_shards)
{
    const char *folder = kit_folder(A);
    Buf b = {.arena = A};
    buf_str(&b, STR_LIT("{\"weight_map\":{"));
    for (int i = 0; i < 4097; i++) buf_printf(&b, "%s\"t%d\":\"f%d\"", i ? "," : "", i, i);
    buf_str(&b, STR_LIT("}}"));
    Err e;
    CHECK_HAS(open_index(A, folder, b.s, &e), "weight_map names 4097 files; at most 4096 are possible");
}

TEST(dangling_links_are_incomplete_downloads)
{
    const char *folder = kit_folder(A);
    Err e = {0};
    CHECK_INT(symlink("../../blobs/0123", arena_printf(A, "%s/pytorch_model.bin", folder)), 0);
    CHECK(!checkpoint_open(A, folder, &e));
    CHECK_HAS(e.text, "cache entry incomplete: blob ../../blobs/0123 is missing");
}

// ---------------------------------------------------------------------------------------------------- real layouts

typedef struct Layout {
    Buf head;
    uint64_t end;
    size_t n;
} Layout;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const Checkpoint *open_timed(Arena *A, const char *folder, const char *what)
{
    Err e = {0};
    double start = now();
    const Checkpoint *c = checkpoint_open(A, folder, &e);
    printf("      %s: opened in %.2f ms\n", what, 1e3 * (now() - start));
    CHECK_STR(str_of(e.text), STR_LIT(""));
    return c;
}

static void sparse(const char *folder, const char *name, Str head, uint64_t size)
{
    kit_write(folder, name, head);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (truncate(path, (off_t)size) != 0) BUG("no sparse files in build/");
}

static void st_tensor(Layout *l, const char *name, int64_t rows, int64_t cols)
{
    uint64_t bytes = (uint64_t)(rows * (cols ? cols : 1)) * 4;
    buf_printf(&l->head, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%" PRId64, l->n++ ? "," : "", name, rows);
    if (cols) buf_printf(&l->head, ",%" PRId64, cols);
    buf_printf(&l->head, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", l->end, l->end + bytes);
    l->end += bytes;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// flan-t5 with its names in the order safetensors writes them; returns the header with its length in front.
static Layout flan(Arena *A, int d, int ff, int layers, int heads)
{
    static const char *const part[] = {"SelfAttention.q",     "SelfAttention.k",   "SelfAttention.v",
                                       "SelfAttention.o",     "EncDecAttention.q", "EncDecAttention.k",
                                       "EncDecAttention.v",   "EncDecAttention.o", "DenseReluDense.wi_0",
                                       "DenseReluDense.wi_1", "DenseReluDense.wo", "layer_norm"};
    const char **names = arena_new(A, const char *, 2000);
    size_t n = 0;
    names[n++] = "shared", names[n++] = "lm_head";
    for (int side = 0; side < 2; side++) {
        const char *s = side ? "decoder" : "encoder";
        names[n++] = arena_printf(A, "%s.final_layer_norm", s);
        names[n++] = arena_printf(A, "%s.block.0.layer.0.SelfAttention.relative_attention_bias", s);
        for (int b = 0; b < layers; b++)
            for (int k = 0; k < 2 + side; k++)
                for (int p = 0; p < 12; p++) {
                    int group = p == 11 ? k : p < 4 ? 0 : p < 8 ? 1 : 1 + side;
                    if (group == k && (side || p < 4 || p >= 8))
                        names[n++] = arena_printf(A, "%s.block.%d.layer.%d.%s", s, b, k, part[p]);
                }
    }
    for (size_t i = 0; i < n; i++) names[i] = arena_printf(A, "%s.weight", names[i]);
    qsort(names, n, sizeof *names, by_text);
    Layout l = {.head = {.arena = A}};
    buf_str(&l.head, STR_LIT("{\"__metadata__\":{\"format\":\"pt\"},"));
    for (size_t i = 0; i < n; i++) {
        const char *s = names[i];
        int inner = heads * 64;
        if (strstr(s, "norm")) st_tensor(&l, s, d, 0);
        else if (strstr(s, "bias")) st_tensor(&l, s, 32, heads);
        else if (strstr(s, ".o.")) st_tensor(&l, s, d, inner);
        else if (strstr(s, ".wo.")) st_tensor(&l, s, d, ff);
        else if (strstr(s, ".wi_")) st_tensor(&l, s, ff, d);
        else if (strstr(s, "Attention")) st_tensor(&l, s, inner, d);
        else st_tensor(&l, s, 32128, d);
    }
    buf_char(&l.head, '}');
    return l;
}

TEST(layouts_of_flan_t5)
{
    static const struct {
        const char *name;
        int d, ff, layers, heads;
        bool padded;
        uint64_t data_at, size; // spec/checkpoints.md 2c: sizes of the published files
        size_t n;
    } models[] = {
        {"flan-t5-small", 512, 1024, 8, 6, true, 22440, 307867048, 190},
        {"flan-t5-base", 768, 2048, 12, 12, false, 33637, 990345061, 282},
        {"flan-t5-large", 1024, 2816, 24, 16, false, 68484, 3132668804, 558},
    };
    for (size_t m = 0; m < 3; m++) {
        const char *folder = kit_folder(A);
        Layout l = flan(A, models[m].d, models[m].ff, models[m].layers, models[m].heads);
        while (models[m].padded && l.head.n % 8) buf_char(&l.head, ' ');
        Buf file = {.arena = A};
        kit_put(&file, l.head.n, 8), buf_str(&file, buf_view(&l.head));
        CHECK_INT(l.n, models[m].n);
        CHECK_INT(file.n, models[m].data_at);
        CHECK_INT(file.n + l.end, models[m].size);
        sparse(folder, "model.safetensors", buf_view(&file), file.n + l.end);
        const Checkpoint *c = open_timed(A, folder, models[m].name);
        CHECK(c && c->n == models[m].n && c->bytes == l.end);
        const Stored *t = c ? checkpoint_find(c, "shared.weight") : NULL;
        CHECK(t && t->dim[0] == 32128 && t->dim[1] == models[m].d && t->at % 4 == models[m].data_at % 4);
    }
}

typedef struct Legacy {
    Buf pickle, keys;
    uint64_t size[300];
    size_t n;
} Legacy;

static void text(Buf *b, const char *s) { buf_char(b, 'X'), kit_put(b, strlen(s), 4), buf_str(b, str_of(s)); }

static void integer(Buf *b, int64_t x) { buf_char(b, 'J'), kit_put(b, (uint64_t)x, 4); }

static void bin_tensor(Legacy *l, const char *name, int64_t rows, int64_t cols, int share)
{
    int64_t count = rows * (cols ? cols : 1);
    size_t storage = share >= 0 ? (size_t)share : l->n;
    char key[32];
    snprintf(key, sizeof key, "%lld", 94000000000000LL + (long long)storage * 64);
    Buf *b = &l->pickle;
    text(b, name), buf_str(b, STR_LIT("ctorch._utils\n_rebuild_tensor_v2\n(("));
    text(b, "storage"), buf_str(b, STR_LIT("ctorch\nFloatStorage\n")), text(b, key), text(b, "cpu");
    integer(b, count), buf_str(b, BYTES("NtQK\0(")), integer(b, rows);
    if (cols) integer(b, cols);
    buf_str(b, STR_LIT("t(")), integer(b, cols ? cols : 1);
    if (cols) integer(b, 1);
    buf_str(b, STR_LIT("t\x89"
                       "ccollections\nOrderedDict\n)RtR"));
    if (share >= 0) return;
    text(&l->keys, key);
    l->size[l->n++] = (uint64_t)count;
}

// opus-mt-en-nl's file of 2020 (spec/checkpoints.md 3a): 258 names, 256 storages, floats for V = 67028.
TEST(layout_of_opus_mt)
{
    static const char *const sides[] = {"encoder", "decoder"};
    const int64_t V = 67028, D = 512, F = 2048;
    Legacy l = {.pickle = {.arena = A}, .keys = {.arena = A}};
    buf_str(&l.pickle, STR_LIT("\x80\2"
                               "ccollections\nOrderedDict\n)R("));
    buf_str(&l.keys, STR_LIT("\x80\2]("));
    bin_tensor(&l, "final_logits_bias", 1, V, -1);
    bin_tensor(&l, "model.shared.weight", V, D, -1);
    for (int s = 0; s < 2; s++) {
        bin_tensor(&l, arena_printf(A, "model.%s.embed_tokens.weight", sides[s]), V, D, 1);
        bin_tensor(&l, arena_printf(A, "model.%s.embed_positions.weight", sides[s]), 512, D, -1);
        for (int i = 0; i < 6; i++) {
            const char *at = arena_printf(A, "model.%s.layers.%d", sides[s], i);
            for (int block = 0; block <= s; block++) {
                const char *name = block ? "encoder_attn" : "self_attn";
                for (const char *p = "kvqo"; *p; p++) {
                    bin_tensor(
                        &l, arena_printf(A, "%s.%s.%.1s%s_proj.weight", at, name, p, *p == 'o' ? "ut" : ""),
                        D, D, -1);
                    bin_tensor(&l,
                               arena_printf(A, "%s.%s.%.1s%s_proj.bias", at, name, p, *p == 'o' ? "ut" : ""),
                               D, 0, -1);
                }
                bin_tensor(&l, arena_printf(A, "%s.%s_layer_norm.weight", at, name), D, 0, -1);
                bin_tensor(&l, arena_printf(A, "%s.%s_layer_norm.bias", at, name), D, 0, -1);
            }
            bin_tensor(&l, arena_printf(A, "%s.fc1.weight", at), F, D, -1);
            bin_tensor(&l, arena_printf(A, "%s.fc1.bias", at), F, 0, -1);
            bin_tensor(&l, arena_printf(A, "%s.fc2.weight", at), D, F, -1);
            bin_tensor(&l, arena_printf(A, "%s.fc2.bias", at), D, 0, -1);
            bin_tensor(&l, arena_printf(A, "%s.final_layer_norm.weight", at), D, 0, -1);
            bin_tensor(&l, arena_printf(A, "%s.final_layer_norm.bias", at), D, 0, -1);
        }
    }
    buf_str(&l.pickle, STR_LIT("u.")), buf_str(&l.keys, STR_LIT("e."));
    CHECK_INT(l.n, 256);
    Buf file = {.arena = A};
    buf_str(&file, BYTES(KIT_MAGIC KIT_MACHINE)), buf_str(&file, buf_view(&l.pickle)),
        buf_str(&file, buf_view(&l.keys));
    const char *folder = kit_folder(A);
    kit_write(folder, "pytorch_model.bin", buf_view(&file));
    int fd = open(arena_printf(A, "%s/pytorch_model.bin", folder), O_WRONLY);
    uint64_t at = file.n, floats = 0;
    for (size_t i = 0; i < l.n; i++) {
        if (pwrite(fd, &l.size[i], 8, (off_t)at) != 8) FAIL("cannot write"); // little-endian machines only
        at += 8 + 4 * l.size[i], floats += 4 * l.size[i];
    }
    if (ftruncate(fd, (off_t)at) != 0) FAIL("cannot write");
    close(fd);
    CHECK_INT(floats, 316246413 - 53821); // the published size less what is not floats
    const Checkpoint *c = open_timed(A, folder, "opus-mt-en-nl, legacy");
    CHECK(c && c->n == 258 && c->bytes == floats);
    if (c)
        CHECK(checkpoint_find(c, "model.encoder.embed_tokens.weight")->data ==
              checkpoint_find(c, "model.shared.weight")->data);
}

// ---------------------------------------------------------------------------------------------------- faults

static bool open_again(Arena *a, void *folder, Err *e)
{
    const Checkpoint *c = checkpoint_open(a, folder, e);
    return c && checkpoint_find(c, "w") != NULL;
}

TEST(every_fault_while_opening)
{
    Str st = kit_safetensors(A, BYTES(KIT_HEADER), 16),
        good = BYTES("\x80\2}" KIT_TEXT1("w")
                         KIT_TENSOR_OF(KIT_STORAGE, "K\0", "K\2K\2\x86", "K\1K\2\x86") "s.");
    for (int kind = 0; kind < 5; kind++) {
        const char *folder = kit_folder(A);
        if (kind == 0) kit_write(folder, "model.safetensors", st);
        if (kind == 1) kit_write(folder, "pytorch_model.bin", kit_zip_of(A, good));
        if (kind == 2) kit_write(folder, "pytorch_model.bin", kit_legacy_of(A, good));
        if (kind >= 3) {
            kit_write(folder, kind == 3 ? "model.safetensors.index.json" : "pytorch_model.bin.index.json",
                      BYTES("{\"weight_map\":{\"w\":\"b\"}}"));
            kit_write(folder, "b", kind == 3 ? st : kit_zip_of(A, good));
        }
        char *writable = str_zero(A, str_of(folder));
        test_every_fault(A, FAULT_ALLOC, open_again, writable);
        test_every_fault(A, FAULT_IO, open_again, writable);
        test_every_fault(A, FAULT_SHORT, open_again, writable);
    }
}
