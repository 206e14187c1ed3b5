// SPDX-License-Identifier: Apache-2.0
// t_result.c — Inseq's files: what is read and written again is the same, and no file can do harm.
#include "kit.h"
#include "same.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ------------------------------------------------------------------------------------------ the library's files

static bool wanted(const char *folder, const char *name)
{
    size_t n = strlen(name);
    if (n < 5 || strcmp(name + n - 5, ".json")) return false;
    return !strstr(name, "scores-dicts") && !strstr(name, ".tables.json") && strcmp(folder, ".");
}

// Written in a form of Inseq's that we read but do not write: the value is the same, the bytes are not.
static bool other_bytes(const char *path, const Attribution *x)
{
    static const char *const forms[] = {"older/", "save-float16", "save-float8", "save-primitives",
                                        "stepwise.raw"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strstr(path, forms[i])) return true;
    return x->n && x->sequence[0].kind == OUT_MULTI; // "_num_dimensions" is ours
}

// Every golden result: read, write, read. The bytes equal the library's wherever it wrote the form that we write.
TEST(result_round_trip)
{
    static const char *const folders[] = {"aggregate", "attribute", "older", "notebook"};
    int n = 0, same_bytes = 0;
    for (size_t k = 0; k < sizeof folders / sizeof folders[0]; k++) {
        DIR *d = opendir(arena_printf(A, "test/golden/cases/%s", folders[k]));
        if (!d) {
            FAIL("no folder %s", folders[k]);
            continue;
        }
        for (struct dirent *f; (f = readdir(d));) {
            if (!wanted(folders[k], f->d_name)) continue;
            Arena *a = arena_create(A);
            const char *path = arena_printf(a, "%s/%s", folders[k], f->d_name);
            Attribution x, y;
            Err e = {0};
            if (golden_attribution(a, path, &x)) {
                Buf b = {.arena = a};
                attr_to_json(a, &x, &b);
                if (!attr_from_json(a, buf_view(&b), path, &y, &e)) FAIL("%s: %s", path, e.text);
                else if (same_attribution(path, &y, &x, EXACT)) n++;
                bool equal = str_eq(buf_view(&b), golden_text(a, path));
                same_bytes += equal;
                if (!equal && !other_bytes(path, &x)) FAIL("%s: other bytes than the library's", path);
            }
            arena_free(a);
        }
        closedir(d);
    }
    CHECK(n > 300);
    CHECK(same_bytes > 290);
}

// Half precision, an eighth, gzip, plain lists, plain dictionaries: all of the same result.
TEST(result_precisions_and_forms)
{
    Attribution full, x;
    const struct {
        const char *name;
        Tolerance t;
    } forms[] = {
        {"primitives.json", EXACT},
        {"float16.json", {6e-8, 5e-4}},
        {"float8.json", {1e-3, 0.0625}},
    };
    if (!golden_attribution(A, "aggregate/marian-en-nl-save-plain-lists.json", &full)) return;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (golden_attribution(A, arena_printf(A, "aggregate/marian-en-nl-save-%s", forms[i].name), &x))
            same_attribution(forms[i].name, &x, &full, forms[i].t);
    Attribution small;
    Err e = {0};
    CHECK(attr_aggregate_default(A, &full, &small, &e));
    if (golden_attribution(A, "aggregate/marian-en-nl-save-compressed.json.gz", &x))
        same_attribution("compressed", &small, &x, GOLDEN);
}

// Inseq 0.6 and 0.7 agree on the same cases.
TEST(result_older_equals_newer)
{
    static const char *const cases[] = {"marian-attention-both-forced", "marian-batch",
                                        "marian-fn-contrast_prob_diff", "t5-ixg-both-forced"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Attribution x, y;
        if (golden_attribution(A, arena_printf(A, "older/older-%s.json", cases[i]), &x) &&
            golden_attribution(A, arena_printf(A, "attribute/%s.json", cases[i]), &y))
            same_attribution(cases[i], &x, &y, (Tolerance){2e-5, 1e-4});
    }
}

TEST(result_info)
{
    Attribution x;
    if (!golden_attribution(A, "attribute/marian-steps.json", &x)) return;
    CHECK_STR(str_of(attr_info(A, &x, "attributed_fn")), STR_LIT("probability_fn"));
    CHECK(!attr_info(A, &x, "attr_pos_end")); // a number
    CHECK(!attr_info(A, &x, "absent"));
}

// ------------------------------------------------------------------------------------------ small files

static const char shell_start[] =
    "{\"attributes\": {\"sequence_attributions\": [{\"attributes\": {"
    "\"source\": [{\"id\": 4, \"token\": \"a\"}, [\"b\", 5]], \"target\": [\"c\", \"d\", \"e\"], "
    "\"attr_pos_start\": 1, ";
static const char shell_end[] = "}}]}}";

static bool read_small(Arena *A, const char *fields, Attribution *out, Err *e)
{
    return attr_from_json(A, str_of(arena_printf(A, "%s%s%s", shell_start, fields, shell_end)), "small.json",
                          out, e);
}

static const char *tensor(Arena *A, const char *header, size_t bytes)
{
    Buf file = {.arena = A}, text = {.arena = A};
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++) buf_char(&file, (char)(n >> (8 * i)));
    buf_put(&file, header, n);
    for (size_t i = 0; i < bytes; i++) buf_char(&file, (char)(i * 7));
    buf_base64(&text, file.s, file.n);
    return text.s;
}

TEST(result_small_files)
{
    Attribution x;
    Err e = {0};
    CHECK(read_small(A, "\"source_attributions\": [[1, 2.5], [NaN, null]], \"step_scores\": {\"n\": [3, 4]}",
                     &x, &e));
    const Sequence *s = x.sequence;
    CHECK_INT(s->n_source, 2);
    CHECK_INT(s->source[1].id, 5);
    CHECK_INT(s->target[0].id, -1);
    CHECK_INT(s->attr_pos_end, 3);
    CHECK(s->kind == OUT_COARSE);
    CHECK_NEAR(s->source_attributions.v[1], 2.5, 0);
    CHECK(isnan(s->source_attributions.v[2]) && isnan(s->source_attributions.v[3]));
    CHECK(s->step_scores[0].is_int && s->step_scores[0].scores.v[1] == 4);

    // column-major arrays of numpy, 64-bit floats, 16-bit ones
    CHECK(read_small(
        A,
        "\"source_attributions\": {\"__ndarray__\": \"b64:AAAAAAAA8D8AAAAAAAAAQAAAAAAAAAhAAAAAAAAAEEA=\", "
        "\"dtype\": \"float64\", \"shape\": [2, 2], \"Corder\": false}",
        &x, &e));
    const float columns[] = {1, 3, 2, 4};
    for (int i = 0; i < 4; i++) CHECK_NEAR(x.sequence->source_attributions.v[i], columns[i], 0);
    CHECK(read_small(A,
                     "\"step_scores\": {\"h\": {\"__ndarray__\": \"b64:AD4BAA==\", \"dtype\": \"float16\", "
                     "\"shape\": [2]}}",
                     &x, &e));
    CHECK_NEAR(x.sequence->step_scores[0].scores.v[0], 1.5, 0);
    CHECK_NEAR(x.sequence->step_scores[0].scores.v[1], 5.960464477539063e-08, 0);
    CHECK(!e.set);

    // no sequences at all, and an empty one
    CHECK(attr_from_json(A, STR_LIT("{\"sequence_attributions\": []}"), "x", &x, &e));
    CHECK_INT(x.n, 0);
    CHECK(attr_from_json(A, STR_LIT("{\"sequence_attributions\": [{\"source\": [], \"target\": []}]}"), "x",
                         &x, &e));
    CHECK(x.sequence[0].kind == OUT_STEPS);
}

// The info survives as it is, with keys in order, at most 20 levels of indent.
TEST(result_info_layout)
{
    Buf deep = {.arena = A}, out = {.arena = A};
    buf_str(&deep, STR_LIT("{\"info\": {\"z\": 1e5, \"a\": "));
    for (int i = 0; i < 400; i++) buf_char(&deep, '[');
    buf_str(&deep, STR_LIT("\"\xc3\xa9\""));
    for (int i = 0; i < 400; i++) buf_char(&deep, ']');
    buf_str(&deep, STR_LIT(", \"m\": {\"y\": {}, \"x\": [], \"x\": NaN}}, \"sequence_attributions\": []}"));
    Attribution x, y;
    Err e = {0};
    CHECK(attr_from_json(A, buf_view(&deep), "deep", &x, &e));
    attr_to_json(A, &x, &out);
    CHECK(out.n < 20000);
    CHECK_HAS(out.s, "[\"\\u00e9\"]");
    CHECK_HAS(out.s, "\"m\": {\n                \"x\": NaN,\n                \"y\": {}\n            },\n     "
                     "       \"z\": 1e5");
    CHECK(attr_from_json(A, buf_view(&out), "again", &y, &e));
    CHECK_INT(y.n_info, 3);
}

// ------------------------------------------------------------------------------------------ hostile files

TEST(result_refuses)
{
    const struct {
        const char *fields, *says;
    } cases[] = {
        {"\"source_attributions\": \"*\"", "not base64"},
        {"\"source_attributions\": \"AAAA\"", "tensor header claims"},
        {"\"source_attributions\": \"/////////38=\"",
         "tensor header claims 9223372036854775807 bytes, 0 remain"},
        {"\"source_attributions\": 3", "a list of numbers or a tensor"},
        {"\"source_attributions\": {}", "a list of numbers or a tensor"},
        {"\"source_attributions\": [[1, 2], [3]]", "a list as long as the ones before"},
        {"\"source_attributions\": [[1, 2], [3, [4]]]", "found an array, expected a number"},
        {"\"source_attributions\": [[1, 2], 3]", "a list as long as the ones before"},
        {"\"source_attributions\": [[1, 2], [3, \"x\"]]", "expected a number"},
        {"\"source_attributions\": [[[[[[1]]]]]]", "nested deeper than 5"},
        {"\"source_attributions\": [[1, 2]]", "shape [1, 2]"},
        {"\"source_attributions\": [[1], [2]]", "2 tokens and 2 steps"},
        {"\"source_attributions\": [1, 2]", "shape [2, 0]"},
        {"\"target_attributions\": [[1,2],[1,2],[1,2],[1,2]]", "3 tokens and 2 steps"},
        {"\"source_attributions\": [[1,2],[1,2]], \"target_attributions\": [[[1],[2]]]", "differ in shape"},
        {"\"step_scores\": {\"p\": [1]}", "step scores 'p' have 1 values for 2 steps"},
        {"\"step_scores\": {\"p\": [[1, 2]]}", "for 2 steps"},
        {"\"step_scores\": [1]", "an object of named tensors"},
        {"\"attr_pos_start\": -1", "0 or greater"},
        {"\"attr_pos_start\": 1.5", "0 or greater"},
        {"\"attr_pos_start\": 3, \"attr_pos_end\": 2", "lies after attr_pos_end"},
        {"\"source\": 3", "a list of tokens is missing"},
        {"\"source\": [3]", "a token without a text"},
        {"\"source\": [{\"id\": 4}]", "a token without a text"},
        {"\"source\": [{\"id\": 2147483648, \"token\": \"x\"}]", "32 bits"},
        {"\"source\": [{\"id\": \"4\", \"token\": \"x\"}]", "32 bits"},
        {"\"source_attributions\": {\"__ndarray__\": \"AAAA\", \"dtype\": \"float32\", \"shape\": [1]}",
         "b64:"},
        {"\"source_attributions\": {\"__ndarray__\": \"b64:AAAA\", \"dtype\": \"object\", \"shape\": [1]}",
         "known dtype"},
        {"\"source_attributions\": {\"__ndarray__\": \"b64:AAAA\", \"dtype\": \"float32\", \"shape\": [1]}",
         "comes with 3"},
        {"\"source_attributions\": {\"__ndarray__\": \"b64:AAAA\", \"dtype\": \"float32\", \"shape\": [-1]}",
         "negative"},
        {"\"source_attributions\": {\"__ndarray__\": \"b64:\", \"dtype\": \"int8\", \"shape\": [0, "
         "9223372036854775807]}",
         "too large"},
        {"\"source_attributions\": {\"__ndarray__\": \"b64:\", \"dtype\": \"int8\", "
         "\"shape\": [4294967296, 4294967296]}",
         "too large"},
        {"\"source_attributions\": {\"__ndarray__\": \"b64:AAAA\", \"dtype\": \"float32\"}",
         "shape must be a list"},
        {"\"source_attributions\": {\"__ndarray__\": \"b64.gz:AAAA\", \"dtype\": \"float32\", \"shape\": "
         "[1]}",
         "gzip"},
        {"\"source_attributions\": {\"__ndarray__\": 7}", "a string or a list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Attribution x;
        Err e = {0};
        if (read_small(A, cases[i].fields, &x, &e)) FAIL("read: %s", cases[i].fields);
        CHECK_HAS(e.text, cases[i].says);
        CHECK_HAS(e.text, "small.json");
    }
}

TEST(result_refuses_tensor_headers)
{
    const struct {
        const char *header;
        size_t bytes;
        const char *says;
    } cases[] = {
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 15, "data_offsets"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,12]}}", 16,
         "comes with 12 bytes"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[-4,12]}}", 16,
         "data_offsets"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[16,0]}}", 16, "data_offsets"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16,16]}}", 16,
         "data_offsets"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":7}}", 16, "data_offsets"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[2,2]}}", 16, "data_offsets"},
        {"{\"attribution\":{\"dtype\":\"F31\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", 16,
         "unknown dtype 'F31'"},
        {"{\"attribution\":{\"shape\":[2,2],\"data_offsets\":[0,16]}}", 16, "names no tensor with a dtype"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
         "at most 5"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":\"2\",\"data_offsets\":[0,4]}}", 4,
         "shape must be a list"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
         "too large"},
        {"{\"attribution\":{\"dtype\":\"F32\",\"shape\":[0,9000000000000000000],\"data_offsets\":[0,0]}}", 0,
         "too large"},
        {"{\"a\":{},\"b\":{}}", 0, "two tensors"},
        {"{\"__metadata__\":{}}", 0, "names no tensor"},
        {"[]", 0, "names no tensor"},
        {"{", 0, "tensor header"},
        {"", 0, "tensor header"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Attribution x;
        Err e = {0};
        const char *t = tensor(A, cases[i].header, cases[i].bytes);
        if (read_small(A, arena_printf(A, "\"source_attributions\": \"%s\"", t), &x, &e))
            FAIL("read: %s", cases[i].header);
        CHECK_HAS(e.text, cases[i].says);
    }
}

TEST(result_refuses_files)
{
    const struct {
        Str text;
        const char *says;
    } cases[] = {
        {STR_LIT(""), "expected"},
        {STR_LIT("[]"), "no list sequence_attributions"},
        {STR_LIT("{}"), "no list sequence_attributions"},
        {STR_LIT("{\"sequence_attributions\": {}}"), "no list sequence_attributions"},
        {STR_LIT("{\"sequence_attributions\": [3]}"), "expected an object"},
        {STR_LIT("{\"sequence_attributions\": [], \"info\": 3}"), "info: found"},
        {STR_LIT("{\"sequence_attributions\": [{\"__instance_type__\": [\"os\", \"system\"], \"attributes\": "
                 "{\"source\": [], "
                 "\"target\": []}}]}"),
         "one of Inseq's four"},
        {STR_LIT("\x1f\x8b"), "gzip"},
        {STR_LIT("\x1f\x8b\x08\0\0\0\0\0\0\x03"
                 "abcdef"),
         "broken or cut off"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Attribution x;
        Err e = {0};
        if (attr_from_json(A, cases[i].text, "f.json", &x, &e)) FAIL("case %zu was read", i);
        CHECK_HAS(e.text, cases[i].says);
    }
}

// Every prefix is refused; every changed bit gives an error in words or a result that can be written.
TEST(result_truncated_and_flipped)
{
    static const char *const files[] = {"aggregate/marian-en-nl-save-compressed.json.gz",
                                        "older/older-gpt2-ixg.json"};
    for (size_t k = 0; k < 2; k++) {
        Str text = golden_text(A, files[k]);
        size_t step = k ? 7 : 1;
        Arena *a = arena_create(A);
        for (size_t n = 0; n < text.n; n += step) {
            Attribution x;
            Err e = {0};
            if (attr_from_json(a, (Str){text.s, n}, "cut", &x, &e) || !e.set)
                FAIL("%s: prefix of %zu read", files[k], n);
            arena_reset(a);
        }
        char *copy = str_zero(A, text);
        memcpy(copy, text.s, text.n);
        for (size_t bit = 0; bit < text.n * 8; bit += k ? 131 : 13) {
            Attribution x;
            Err e = {0};
            copy[bit / 8] ^= (char)(1 << bit % 8);
            if (attr_from_json(a, (Str){copy, text.n}, "flipped", &x, &e)) {
                Buf b = {.arena = a};
                attr_to_json(a, &x, &b);
                CHECK(b.n > 0);
            } else CHECK(e.set);
            copy[bit / 8] ^= (char)(1 << bit % 8);
            arena_reset(a);
        }
        arena_free(a);
    }
}

// A gzip bomb stops at the size that the array may have.
TEST(result_gzip_bomb)
{
    Buf gz = {.arena = A}, text = {.arena = A};
    static const uint8_t head[] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3};
    buf_put(&gz, head, sizeof head);
    // one block of the fixed code: a zero byte, then "258 times what lies 1 back" again and again: 11000101 00000 pairs
    static const uint8_t start[] = {0x63};
    buf_put(&gz, start, 1);
    for (int i = 0; i < 20000; i++) buf_char(&gz, 0x18); // whatever these bits say, output must stay bounded
    buf_base64(&text, gz.s, gz.n);
    Attribution x;
    Err e = {0};
    CHECK(!read_small(
        A,
        arena_printf(A,
                     "\"source_attributions\": {\"__ndarray__\": \"b64.gz:%s\", \"dtype\": \"float32\", "
                     "\"shape\": [2, 2]}",
                     text.s),
        &x, &e));
    CHECK_HAS(e.text, "broken or cut off compressed data, or more than 16 bytes");
}

// ------------------------------------------------------------------------------------------ faults

static bool read_and_write(Arena *A, void *context, Err *e)
{
    const Str *text = context;
    Attribution x, y;
    if (!attr_from_json(A, *text, "faults", &x, e) || !attr_aggregate_default(A, &x, &y, e)) return false;
    Buf b = {.arena = A};
    attr_to_json(A, &y, &b);
    return true;
}

// Sequences of about 70 KB each in the file, so that each is a write of its own.
static Attribution large(Arena *A, size_t n)
{
    Attribution t = {.sequence = arena_new(A, Sequence, n), .n = n};
    for (size_t i = 0; i < n; i++) {
        Sequence *s = &t.sequence[i];
        s->source_attributions = (Scores){.v = arena_new(A, float, 200 * 66), .rank = 2, .dim = {200, 66}};
        for (int k = 0; k < 200 * 66; k++) s->source_attributions.v[k] = (float)k / (float)(i + 3);
    }
    return t;
}

static bool save_large(Arena *A, void *path, Err *e)
{
    Attribution t = large(A, 2);
    return attr_save(A, &t, path, e);
}

// The file has the same bytes as the text in memory; whatever fails on the way, it is the old one or the new one.
TEST(result_saved_in_parts)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/r.json", folder);
    Buf whole = {.arena = A};
    Attribution t = large(A, 2);
    Str got = {"", 0};
    Err e = {0};
    attr_to_json(A, &t, &whole);
    CHECK(whole.n > 2 * 65536);
    CHECK(attr_save(A, &t, path, &e) && file_read(A, path, SIZE_MAX, &got, &e));
    CHECK_STR(got, buf_view(&whole));
    CHECK(!attr_save(A, &t, folder, &e));
    CHECK_HAS(e.text, "Is a directory");
    for (FaultKind k = 0; k < FAULT_KINDS; k++) {
        test_every_fault(A, k, save_large, (void *)(uintptr_t)path);
        CHECK(file_read(A, path, SIZE_MAX, &got, NULL) && str_eq(got, buf_view(&whole)));
    }
    DIR *d = opendir(folder);
    int files = 0;
    for (struct dirent *x; d && (x = readdir(d));) files += x->d_name[0] != '.';
    if (d) closedir(d);
    CHECK_INT(files, 1);
}

TEST(result_faults)
{
    Str older = golden_text(A, "older/older-gpt2-ixg.json"),
        gz = golden_text(A, "aggregate/marian-en-nl-save-compressed.json.gz");
    test_every_fault(A, FAULT_ALLOC, read_and_write, &older);
    test_every_fault(A, FAULT_ALLOC, read_and_write, &gz);
}

// ------------------------------------------------------------------------------------------ every number format

static const char *tensor_of(Arena *A, const char *dtype, const void *bytes, size_t n, int count)
{
    const char *header = arena_printf(
        A, "{\"attribution\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%zu]}}", dtype, count, n);
    Buf file = {.arena = A}, text = {.arena = A};
    for (int i = 0; i < 8; i++) buf_char(&file, (char)(strlen(header) >> (8 * i)));
    buf_str(&file, str_of(header));
    buf_put(&file, bytes, n);
    buf_base64(&text, file.s, file.n);
    return text.s;
}

TEST(result_every_dtype)
{
    static const uint8_t b8[] = {1, 255}, f16[] = {0, 0x3E, 1, 0x80}, bf16[] = {0xC0, 0x3F, 0x80, 0xFF},
                         e4m3[] = {0x3C, 0xFE}, e5m2[] = {0x3E, 0xFC}, i16[] = {1, 0, 0xFE, 0xFF},
                         i32[] = {1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF};
    static const uint8_t i64[] = {1, 0, 0, 0, 0, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    const double f64[] = {1.5, 1e300};
    const float f32[] = {1.5f, -0.0f};
    const struct {
        const char *dtype;
        const void *bytes;
        size_t n;
        double first, second;
        bool is_int;
    } cases[] = {
        {"F64", f64, 16, 1.5, INFINITY, false},
        {"F32", f32, 8, 1.5, 0, false},
        {"F16", f16, 4, 1.5, -5.960464477539063e-08, false},
        {"BF16", bf16, 4, 1.5, -INFINITY, false},
        {"F8_E4M3", e4m3, 2, 1.5, -448, false},
        {"F8_E5M2", e5m2, 2, 1.5, -INFINITY, false},
        {"I64", i64, 16, 1, -2, true},
        {"I32", i32, 8, 1, -2, true},
        {"I16", i16, 4, 1, -2, true},
        {"I8", b8, 2, 1, -1, true},
        {"U64", i64, 16, 1, 18446744073709551614.0, true},
        {"U32", i32, 8, 1, 4294967294.0, true},
        {"U16", i16, 4, 1, 65534, true},
        {"U8", b8, 2, 1, 255, true},
        {"BOOL", b8, 2, 1, 255, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Attribution x;
        Err e = {0};
        const char *t = tensor_of(A, cases[i].dtype, cases[i].bytes, cases[i].n, 2);
        if (!read_small(A, arena_printf(A, "\"step_scores\": {\"s\": \"%s\"}", t), &x, &e)) {
            FAIL("%s: %s", cases[i].dtype, e.text);
            continue;
        }
        const NamedScores *s = x.sequence->step_scores;
        CHECK(s->scores.v[0] == (float)cases[i].first && s->scores.v[1] == (float)cases[i].second);
        CHECK(s->is_int == cases[i].is_int);
    }
}

// All 256 patterns of E4M3 against the definition of the format: sign, 4 bits of exponent (bias 7), 3 of fraction.
TEST(result_every_float8)
{
    uint8_t all[256];
    for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
    Attribution x;
    Err e = {0};
    const char *text =
        arena_printf(A,
                     "{\"sequence_attributions\": [{\"source\": [], \"target\": [%s\"x\"], \"step_scores\": "
                     "{\"s\": \"%s\"}}]}",
                     "\"x\", \"x\", \"x\", ", tensor_of(A, "F8_E4M3", all, 256, 256));
    CHECK(!attr_from_json(A, str_of(text), "f8", &x, &e)); // 256 values for 4 steps
    CHECK_HAS(e.text, "256 values for 4 steps");
    for (int i = 0; i < 256; i += 2) {
        e = (Err){0};
        if (!read_small(
                A,
                arena_printf(A, "\"step_scores\": {\"s\": \"%s\"}", tensor_of(A, "F8_E4M3", all + i, 2, 2)),
                &x, &e)) {
            FAIL("%s", e.text);
            return;
        }
        for (int k = 0; k < 2; k++) {
            int u = i + k, exponent = u >> 3 & 15, fraction = u & 7;
            double want = exponent ? ldexp(1 + fraction / 8.0, exponent - 7) : ldexp(fraction / 8.0, -6);
            float got = x.sequence->step_scores[0].scores.v[k];
            if ((u & 127) == 127) CHECK(isnan(got));
            else CHECK(got == (float)(u & 128 ? -want : want));
        }
    }
}

// ------------------------------------------------------------------------------------------ gzip by hand

static bool read_gzip(Arena *A, const uint8_t *bytes, size_t n, Err *e)
{
    Attribution x;
    return attr_from_json(A, (Str){(const char *)bytes, n}, "f.gz", &x, e) && x.n == 0;
}

// A stored block, all optional parts of the header, and two members in a row.
TEST(result_gzip_forms)
{
    static const char json[] = "{\"sequence_attributions\": []}";
    const size_t n = sizeof json - 1;
    Buf gz = {.arena = A};
    static const uint8_t head[] = {
        0x1F, 0x8B, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 2, 0, 'x', 'y', 'n', 0, 'c', 0, 9, 9};
    static const uint8_t empty[] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    buf_put(&gz, head, sizeof head);
    const uint8_t stored[] = {1, (uint8_t)n, 0, (uint8_t)~n, 0xFF};
    buf_put(&gz, stored, sizeof stored);
    buf_str(&gz, str_of(json));
    uint32_t crc = ~0u; // as in gunzip.c, bit by bit
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint8_t)json[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++) buf_char(&gz, (char)(crc >> (8 * i)));
    for (int i = 0; i < 4; i++) buf_char(&gz, (char)(i ? 0 : n));
    size_t one = gz.n;
    buf_put(&gz, empty, sizeof empty);
    Err e = {0};
    CHECK(read_gzip(A, (uint8_t *)gz.s, one, &e) && read_gzip(A, (uint8_t *)gz.s, gz.n, &e));
    gz.s[one - 5]++; // the checksum
    CHECK(!read_gzip(A, (uint8_t *)gz.s, gz.n, &e));
    CHECK_HAS(e.text, "does not match its checksum");
    gz.s[one - 5]--, gz.s[20] = 7, e = (Err){0}; // a block of the fourth kind
    CHECK(!read_gzip(A, (uint8_t *)gz.s, gz.n, &e));
    gz.s[20] = 1, gz.s[23] ^= 1, e = (Err){0}; // lengths that do not mirror each other
    CHECK(!read_gzip(A, (uint8_t *)gz.s, gz.n, &e));
    gz.s[23] ^= 1, gz.s[3] = (char)0x80, e = (Err){0};
    CHECK(!read_gzip(A, (uint8_t *)gz.s, gz.n, &e));
    CHECK_HAS(e.text, "not the header of a gzip member");
}

// ------------------------------------------------------------------------------------------ odd but right

TEST(result_odd_but_right)
{
    Attribution x, y;
    Err e = {0};
    Buf b = {.arena = A};
    // names and fields twice: the last counts; no tokens; no info
    CHECK(read_small(A, "\"step_scores\": {\"p\": [1, 2], \"p\": [3, 4], \"q\": null}", &x, &e));
    CHECK_INT(x.sequence->n_step_scores, 1);
    CHECK_NEAR(x.sequence->step_scores[0].scores.v[0], 3, 0);
    Str twice = STR_LIT(
        "{\"info\": {\"a\": 1, \"a\": 2}, \"sequence_attributions\": [{\"source\": [], \"target\": []}]}");
    CHECK(attr_from_json(A, twice, "twice", &x, &e));
    attr_to_json(A, &x, &b);
    CHECK_HAS(b.s, "\"a\": 2\n");
    CHECK(!strstr(b.s, "\"a\": 1"));
    CHECK_HAS(b.s, "\"source\": []");
    CHECK(attr_from_json(A, buf_view(&b), "again", &y, &e));
    b.n = 0, x.n_info = 0;
    attr_to_json(A, &x, &b);
    CHECK_HAS(b.s, "\"info\": {}");

    Buf many = {.arena = A};
    buf_str(&many, STR_LIT("\"step_scores\": {"));
    for (int i = 0; i < 1001; i++) buf_printf(&many, "%s\"%d\": [1, 2]", i ? ", " : "", i);
    buf_char(&many, '}');
    CHECK(!read_small(A, many.s, &x, &e));
    CHECK_HAS(e.text, "at most 1000");
}

// ------------------------------------------------------------------------------------------ gzip

// What is written is read again, by our reader here and by others' in tools; the same bytes each time.
TEST(result_gzip)
{
    uint32_t x = 1;
    for (int kind = 0; kind < 8; kind++)
        for (size_t n = 0; n < 400000; n = n * 3 + 1) {
            Buf text = {.arena = A}, packed[2] = {{.arena = A}, {.arena = A}}, again = {.arena = A};
            for (size_t i = 0; i < n; i++) {
                x = x * 1664525u + 1013904223u;
                uint32_t u = x >> 24;
                buf_char(&text, (char)(kind == 0   ? 'a'
                                       : kind == 1 ? (int)u
                                       : kind == 2 ? (int)(u & 3)
                                       : kind == 3 ? "ABCDEFGH"[i % 8]
                                       : kind == 4 ? (u < 250 ? 'x' : (int)u)
                                       : kind == 5 ? (int)(i % 40000 * 7 >> 3)
                                       : kind == 6 ? (i & (i - 1) ? 0 : (int)u)
                                                   : "0123456789abcdef"[u & 15]));
            }
            for (int k = 0; k < 2; k++) {
                Gzip z = {.out = &packed[k]};
                size_t half = k || kind < 2 ? n : n / 2;
                gzip_part(&z, (Str){buf_view(&text).s, half});
                if (half < n) gzip_part(&z, (Str){text.s + half, n - half});
                gzip_end(&z);
                Err e = {0};
                again.n = 0;
                if (!gunzip(&again, buf_view(&packed[k]), n, "it", 0, &e))
                    FAIL("kind %d, %zu bytes: %s", kind, n, e.text);
                CHECK(str_eq(buf_view(&again), buf_view(&text)));
                CHECK(packed[k].n < n + n / 1000 + 64);
            }
            if (kind < 2) CHECK(str_eq(buf_view(&packed[0]), buf_view(&packed[1])));
            if (kind != 1 && kind != 5 && n > 10000) CHECK(packed[0].n < n * 3 / 5);
        }
}

// Members one behind the other are one file; a string is found again beyond its block of 64 kB, and at the farthest distance.
// (Checked by hand as well: `gzip -t` and Python's gzip take what -o FILE.json.gz and --export FILE.csv.gz leave.)
TEST(result_gzip_members)
{
    enum { FAR = 32768 };
    Err e = {0};
    uint32_t x = 7;
    Buf noise = {.arena = A}, both = {.arena = A}, again = {.arena = A};
    for (int i = 0; i < FAR; i++) x = x * 1664525u + 1013904223u, buf_char(&noise, (char)(x >> 24));
    Str once = str_copy(A, buf_view(&noise));
    for (int i = 1; i < 8; i++) buf_str(&noise, once);
    Str whole = gzip_member(A, buf_view(&noise)), empty = gzip_member(A, (Str){"", 0});
    CHECK(whole.n > FAR && whole.n < FAR + FAR / 16);
    CHECK(empty.n == 10 + 2 + 8);
    buf_str(&both, empty), buf_str(&both, whole), buf_str(&both, empty), buf_str(&both, whole);
    CHECK(gunzip(&again, buf_view(&both), 2 * noise.n, "it", 0, &e));
    CHECK(again.n == 2 * noise.n && !memcmp(again.s, noise.s, noise.n) &&
          !memcmp(again.s + noise.n, noise.s, noise.n));
}
