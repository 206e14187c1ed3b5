// SPDX-License-Identifier: Apache-2.0
// t_json.c — JSON: the conformance suite, numbers against strtod, hostile texts, strings out and back.
//
// test/golden/json holds JSONTestSuite (MIT, see the licence beside it). y_* must be read, n_* refused; for
// i_* and test_transform the suite leaves the choice, and the tables below say what ours is.
#include "test.h"

#include <dirent.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const Json *parse(Arena *A, const char *text)
{
    Err e = {0};
    return json_parse(A, str_of(text), "t", &e);
}

// The value as compact JSON in ASCII: what the reader understood.
static void show(Buf *b, const Json *j)
{
    static const char *const words[] = {"null", "false", "true"};
    if (j->kind <= J_TRUE) buf_str(b, str_of(words[j->kind]));
    else if (j->kind == J_STRING) buf_json_ascii(b, j->text);
    else if (j->kind == J_NUMBER && j->is_int) buf_printf(b, "%" PRId64, j->i);
    else if (j->kind == J_NUMBER) buf_printf(b, "%.17g", j->number);
    else {
        buf_char(b, j->kind == J_ARRAY ? '[' : '{');
        for (const Json *c = j->child; c; c = c->next) {
            if (j->kind == J_OBJECT) buf_json_ascii(b, c->key), buf_char(b, ':');
            show(b, c);
            if (c->next) buf_char(b, ',');
        }
        buf_char(b, j->kind == J_ARRAY ? ']' : '}');
    }
}

static Str shown(Arena *A, const Json *j)
{
    Buf b = {.arena = A};
    show(&b, j);
    return buf_view(&b);
}

// ------------------------------------------------------------------------------------------- the suite

typedef struct Choice {
    const char *name, *as; // as: what we read; NULL: refused
} Choice;

static const Choice choices[] = {
    // Python's json writes these three, so we read them
    {"n_number_NaN.json", "[nan]"},
    {"n_number_infinity.json", "[inf]"},
    {"n_number_minus_infinity.json", "[-inf]"},
    // numbers: the nearest double, infinite and zero where that is it
    {"i_number_double_huge_neg_exp.json", "[0]"},
    {"i_number_huge_exp.json", "[inf]"},
    {"i_number_neg_int_huge_exp.json", "[-inf]"},
    {"i_number_pos_double_huge_exp.json", "[inf]"},
    {"i_number_real_neg_overflow.json", "[-inf]"},
    {"i_number_real_pos_overflow.json", "[inf]"},
    {"i_number_real_underflow.json", "[0]"},
    {"i_number_too_big_neg_int.json", "[-1.2312312312312312e+29]"},
    {"i_number_too_big_pos_int.json", "[1e+20]"},
    {"i_number_very_big_negative_int.json", "[-2.3746237467327691e+47]"},
    // half a surrogate pair: U+FFFD
    {"i_object_key_lone_2nd_surrogate.json", "{\"\\ufffd\":0}"},
    {"i_string_1st_surrogate_but_2nd_missing.json", "[\"\\ufffd\"]"},
    {"i_string_1st_valid_surrogate_2nd_invalid.json", "[\"\\ufffd\\u1234\"]"},
    {"i_string_incomplete_surrogate_and_escape_valid.json", "[\"\\ufffd\\n\"]"},
    {"i_string_incomplete_surrogate_pair.json", "[\"\\ufffda\"]"},
    {"i_string_incomplete_surrogates_escape_valid.json", "[\"\\ufffd\\ufffd\\n\"]"},
    {"i_string_invalid_lonely_surrogate.json", "[\"\\ufffd\"]"},
    {"i_string_invalid_surrogate.json", "[\"\\ufffdabc\"]"},
    {"i_string_inverted_surrogates_U+1D11E.json", "[\"\\ufffd\\ufffd\"]"},
    {"i_string_lone_second_surrogate.json", "[\"\\ufffd\"]"},
    // bytes that are no UTF-8: refused
    {"i_string_UTF-16LE_with_BOM.json", NULL},
    {"i_string_UTF-8_invalid_sequence.json", NULL},
    {"i_string_UTF8_surrogate_U+D800.json", NULL},
    {"i_string_invalid_utf-8.json", NULL},
    {"i_string_iso_latin_1.json", NULL},
    {"i_string_lone_utf8_continuation_byte.json", NULL},
    {"i_string_not_in_unicode_range.json", NULL},
    {"i_string_overlong_sequence_2_bytes.json", NULL},
    {"i_string_overlong_sequence_6_bytes.json", NULL},
    {"i_string_overlong_sequence_6_bytes_null.json", NULL},
    {"i_string_truncated-utf-8.json", NULL},
    {"i_string_utf16BE_no_BOM.json", NULL},
    {"i_string_utf16LE_no_BOM.json", NULL},
    // a byte order mark is skipped; 500 levels are within the limit of 512 ("" here: read, whatever it shows)
    {"i_structure_UTF-8_BOM_empty_object.json", "{}"},
    {"i_structure_500_nested_arrays.json", ""},
    // test_transform: integers exact within int64, else the nearest double; duplicates and key forms are kept
    {"number_-9223372036854775808.json", "[-9223372036854775808]"},
    {"number_-9223372036854775809.json", "[-9.2233720368547758e+18]"},
    {"number_1.0.json", "[1]"},
    {"number_1.000000000000000005.json", "[1]"},
    {"number_1000000000000000.json", "[1000000000000000]"},
    {"number_10000000000000000999.json", "[1e+19]"},
    {"number_1e-999.json", "[0]"},
    {"number_1e6.json", "[1000000]"},
    {"number_9223372036854775807.json", "[9223372036854775807]"},
    {"number_9223372036854775808.json", "[9.2233720368547758e+18]"},
    {"object_key_nfc_nfd.json", "{\"\\u00e9\":\"NFC\",\"e\\u0301\":\"NFD\"}"},
    {"object_key_nfd_nfc.json", "{\"e\\u0301\":\"NFD\",\"\\u00e9\":\"NFC\"}"},
    {"object_same_key_different_values.json", "{\"a\":1,\"a\":2}"},
    {"object_same_key_same_value.json", "{\"a\":1,\"a\":1}"},
    {"object_same_key_unclear_values.json", "{\"a\":0,\"a\":0}"},
    {"string_1_escaped_invalid_codepoint.json", "[\"\\ufffd\"]"},
    {"string_1_invalid_codepoint.json", NULL},
    {"string_2_escaped_invalid_codepoints.json", "[\"\\ufffd\\ufffd\"]"},
    {"string_2_invalid_codepoints.json", NULL},
    {"string_3_escaped_invalid_codepoints.json", "[\"\\ufffd\\ufffd\\ufffd\"]"},
    {"string_3_invalid_codepoints.json", NULL},
    {"string_with_escaped_NULL.json", "[\"A\\u0000B\"]"},
};

static const Choice *choice_for(const char *name)
{
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (!strcmp(choices[i].name, name)) return &choices[i];
    return NULL;
}

// The text in memory of exactly its size, so that a sanitizer sees every read beyond it.
static const Json *parse_exactly(Arena *A, Str text, const char *path, char **copy, Err *e)
{
    *copy = malloc(text.n ? text.n : 1);
    if (text.n) memcpy(*copy, text.s, text.n);
    return json_parse(A, (Str){*copy, text.n}, path, e);
}

static void judge(Arena *A, const char *folder, const char *name)
{
    Arena *a = arena_create(A);
    Err e = {0};
    Str text = {0};
    char *copy;
    const char *path = arena_printf(a, "%s/%s", folder, name);
    CHECK(file_map(a, path, &text, &e));
    const Json *j = parse_exactly(a, text, path, &copy, &e);
    const Choice *choice = choice_for(name);
    bool wanted = choice ? choice->as != NULL : name[0] == 'y';
    if (!choice && name[0] != 'y' && name[0] != 'n') FAIL("%s: no outcome recorded", name);
    if ((j != NULL) != wanted || e.set == wanted) FAIL("%s: %s %s", name, j ? "read" : "refused:", e.text);
    else if (j && choice && *choice->as) CHECK_STR(shown(a, j), str_of(choice->as));
    else if (!j) CHECK_HAS(e.text, "line ");
    else test_count(1);
    free(copy);
    arena_free(a);
}

static int count_files(Arena *A, const char *folder, const char *start)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *f; d && (f = readdir(d));)
        if (f->d_name[0] != '.' && !strncmp(f->d_name, start, strlen(start)))
            judge(A, folder, f->d_name), n++;
    if (d) closedir(d);
    return n;
}

TEST(json_suite)
{
    CHECK_INT(count_files(A, "test/golden/json/test_parsing", "y_"), 95);
    CHECK_INT(count_files(A, "test/golden/json/test_parsing", "n_"), 188);
    CHECK_INT(count_files(A, "test/golden/json/test_parsing", "i_"), 35);
    CHECK_INT(count_files(A, "test/golden/json/test_transform", ""), 22);
}

// ------------------------------------------------------------------------------------------- values

TEST(json_values)
{
    const Json *j =
        parse(A, "\xEF\xBB\xBF {\"a\": [1, -2.5, \"x\\ny\"], \"b\":{}, \"c\" : null, \"a\":true}\n");
    CHECK(j && j->kind == J_OBJECT);
    CHECK_INT(j->count, 4);
    CHECK_INT(j->at, 4);
    CHECK(json_get(j, "a")->kind == J_TRUE); // the last duplicate
    CHECK(json_get(j, "c")->kind == J_NULL);
    CHECK(!json_get(j, "d") && !json_get(NULL, "a") && !json_get(json_get(j, "a"), "a"));
    const Json *list = j->child;
    CHECK_INT(list->count, 3);
    CHECK_STR(list->key, STR_LIT("a"));
    CHECK_STR(list->child->next->text, STR_LIT("-2.5"));
    CHECK_NEAR(list->child->next->number, -2.5, 0);
    CHECK_STR(list->child->next->next->text, STR_LIT("x\ny"));
    CHECK_INT(json_get(j, "b")->count, 0);
    CHECK(!strcmp(json_kind_name(list), "an array") && !strcmp(json_kind_name(j), "an object"));

    static const char text[] = "[\"seen\", \"\\u00e9\\uD834\\uDD1E\\/\\b\\f\\r\\t\\\\\\\"\", \"\\u0000\"]";
    j = parse(A, text);
    CHECK(j->child->text.s == text + 2); // a view
    CHECK_STR(j->child->next->text, STR_LIT("\xC3\xA9\xF0\x9D\x84\x9E/\b\f\r\t\\\""));
    CHECK_STR(j->child->next->next->text, ((Str){"", 1}));
}

static void check_error(Arena *A, Str text, const char *part)
{
    Err e = {0};
    CHECK(!json_parse(A, text, "f.json", &e));
    CHECK_HAS(e.text, part);
}

TEST(json_errors)
{
    check_error(A, STR_LIT("{\"a\": 1,\n \"b\" 2}"), "f.json:+14: line 2, column 6: found '2'; expected ':'");
    check_error(A, STR_LIT("[\"\xC3\xA9\" x"), "f.json:+6: line 1, column 6: found 'x'; expected ',' or ']'");
    check_error(A, STR_LIT(""), "f.json:+0: line 1, column 1: found the end of the text; expected a value");
    check_error(A, STR_LIT("{\"a\":1,}"), "expected a member's name in double quotes");
    check_error(A, STR_LIT("[1] 2"), ":+4: ");
    check_error(A, STR_LIT("[1,]"), "found ']'; expected a value");
    check_error(A, STR_LIT("[\"a\x01\"]"), "byte 0x01");
    check_error(A, STR_LIT("[\"a\xff\"]"), ":+3: line 1, column 4: found byte 0xFF; expected valid UTF-8");
    check_error(A, STR_LIT("[\"abc"), ":+1: line 1, column 2: this string has no end");
    check_error(A, STR_LIT("[\"\\u12x4\"]"), ":+4: line 1, column 5: expected four hex digits");
    check_error(A, STR_LIT("[\"\\q\"]"), ":+3: line 1, column 4: found 'q'");
    check_error(A, STR_LIT("[01]"), "may not begin with 0");
    check_error(A, STR_LIT("[tru]"), "true?");
    CHECK(!json_parse(A, (Str){0}, NULL, NULL)); // without a name, and nobody wants the words
}

static char *nested(Arena *A, int depth)
{
    char *s = arena_new(A, char, 2 * depth + 1);
    memset(s, '[', (size_t)depth);
    memset(s + depth, ']', (size_t)depth);
    return s;
}

TEST(json_depth)
{
    CHECK(parse(A, nested(A, 512)));
    check_error(A, str_of(nested(A, 513)),
                "f.json:+512: line 1, column 513: arrays and objects are nested deeper");
}

// Every prefix of a text with all kinds of things in it is refused, without a read beyond its end.
TEST(json_prefixes)
{
    static const char text[] =
        "{\"k\\u00e9\":[1,-2.5e+3,\"\\uD834\\uDD1E\xC3\xA9\",true,false,null],\"o\":{\"x\":0}}";
    for (size_t n = 0; n < sizeof text; n++) {
        Arena *a = arena_create(A);
        Err e = {0};
        char *copy;
        CHECK((parse_exactly(a, (Str){text, n}, "t", &copy, &e) != NULL) == (n == sizeof text - 1));
        free(copy);
        arena_free(a);
    }
}

static bool parse_under_faults(Arena *A, void *context, Err *e)
{
    return json_parse(A, str_of(context), "t", e);
}

TEST(json_out_of_memory)
{
    Buf b = {.arena = A};
    buf_char(&b, '[');
    for (int i = 0; i < 3000; i++) buf_printf(&b, "{\"\\u0041%d\":\"\\n\"},", i);
    buf_str(&b, STR_LIT("0]"));
    test_every_fault(A, FAULT_ALLOC, parse_under_faults, b.s);
}

// ------------------------------------------------------------------------------------------- numbers

static uint64_t next_random(uint64_t *state) // splitmix64
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void check_number(Arena *A, const char *text, double want)
{
    const Json *j = parse(A, text);
    if (!j || j->kind != J_NUMBER || memcmp(&j->number, &want, sizeof want))
        FAIL("%.60s is %.17g, expected %.17g", text, j ? j->number : (double)NAN, want);
    else test_count(1);
}

TEST(json_numbers)
{
    uint64_t state = 1;
    char text[400];
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next_random(&state);
        double x;
        memcpy(&x, &bits, 8);
        if (!isfinite(x)) continue;
        snprintf(text, sizeof text, "%.*g", 1 + (int)(next_random(&state) % 25), x);
        check_number(A, text, strtod(text, NULL));
        snprintf(text, sizeof text, "%.*f", (int)(bits % 30), ldexp(x, -ilogb(x) + (int)(bits % 200) - 100));
        check_number(A, text, strtod(text, NULL));
        if (i % 1000 == 0) arena_reset(A);
    }
    check_number(A, "-0", -0.0);
    check_number(A, "1.7976931348623157e308", DBL_MAX);
    check_number(A, "1.7976931348623159e308", (double)INFINITY);
    check_number(A, "4.9406564584124654e-324", 4.9406564584124654e-324);
    check_number(A, "2.2250738585072011e-308", 2.2250738585072011e-308); // once hung other parsers
    check_number(A, "0e999999999999999999999", 0.0);
    check_number(A, "1e-99999999999999999999", 0.0);
    check_number(A, "-1e99999999999999999999", -(double)INFINITY);
    check_number(A, "Infinity", (double)INFINITY);
    check_number(A, "-Infinity", -(double)INFINITY);
    CHECK(isnan(parse(A, "NaN")->number));
    CHECK(!parse(A, "-NaN") && !parse(A, "+1") && !parse(A, "Inf") && !parse(A, ".5") && !parse(A, "1."));
}

// Half-way between 1 and its successor, then one digit behind thousands of zeros that decides; and places of
// the decimal point that the exponent takes back.
TEST(json_long_numbers)
{
    Buf b = {.arena = A};
    buf_str(&b, STR_LIT("1.00000000000000011102230246251565404236316680908203125"));
    check_number(A, b.s, 1.0);
    for (int i = 0; i < 5000; i++) buf_char(&b, '0');
    check_number(A, b.s, 1.0);
    buf_char(&b, '1');
    check_number(A, b.s, 1.0 + DBL_EPSILON);

    Buf c = {.arena = A};
    buf_str(&c, STR_LIT("0."));
    for (int i = 0; i < 200000; i++) buf_char(&c, '0');
    buf_str(&c, STR_LIT("125e200001"));
    check_number(A, c.s, 1.25);
    Buf d = {.arena = A};
    buf_char(&d, '5');
    for (int i = 0; i < 200000; i++) buf_char(&d, '0');
    buf_str(&d, STR_LIT("e-199999"));
    check_number(A, d.s, 50);
}

TEST(json_integers)
{
    CHECK(parse(A, "9223372036854775807")->i == INT64_MAX && parse(A, "9223372036854775807")->is_int);
    CHECK(parse(A, "-9223372036854775808")->i == INT64_MIN && parse(A, "-9223372036854775808")->is_int);
    CHECK(!parse(A, "9223372036854775808")->is_int && !parse(A, "-9223372036854775809")->is_int);
    CHECK(!parse(A, "18446744073709551617")->is_int && !parse(A, "1.0")->is_int && !parse(A, "1e2")->is_int);
    CHECK(parse(A, "-0")->is_int && parse(A, "-0")->i == 0);
}

// ------------------------------------------------------------------------------------------- hostile texts

// head, then body again and again up to n bytes, then tail.
static Str text_of(Arena *A, size_t n, const char *head, const char *body, const char *tail)
{
    Buf b = {.arena = A};
    buf_str(&b, str_of(head));
    while (b.n < n) buf_str(&b, str_of(body));
    buf_str(&b, str_of(tail));
    return buf_view(&b);
}

// Time grows with the length and no faster: what is quadratic would take hours here, so the limit can be
// generous.
TEST(json_hostile)
{
    static const struct Hostile {
        size_t n;
        const char *head, *body, *tail;
        bool ok;
    } texts[] = {
        {10000000, "", "[", "", false},
        {10000000, "", "{\"a\":", "", false},
        {10000000, "\"", "\\\"", "\"", true},
        {10000000, "\"", "\\\"", "", false},
        {10000000, "\"", "\xC3\xA9", "", false},
        {10000000, "[\"", "\\ud834\\udd1e", "\"]", true},
        {10000000, "\"", "\\ud834", "\"", true},
        {10000000, "", "\n", "x", false},
        {10000000, "", "12345678901234567890", "", true},
        {10000000, "0.", "0000000000000000000", "e10000000", true},
        {10000000, "1e", "12345678901234567890", "", true},
        {2000000, "[", "1,", "1]", true},
        {2000000, "[", "[],", "[]]", true},
        {2000000, "{", "\"\\u0061\":\"\\n\",", "\"a\":1}", true},
        {1000000, "[", "4e-320,", "1]", true},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Arena *a = arena_create(A);
        Str text = text_of(a, texts[i].n, texts[i].head, texts[i].body, texts[i].tail);
        double start = seconds();
        Err e = {0};
        CHECK((json_parse(a, text, "hostile", &e) != NULL) == texts[i].ok);
        double took = seconds() - start;
        if (took > 5) FAIL("\"%s%s...\" took %.1f s", texts[i].head, texts[i].body, took);
        arena_free(a);
    }
}

// ------------------------------------------------------------------------------------------- strings out

static Str out(Arena *A, Str s, bool ascii)
{
    Buf b = {.arena = A};
    if (ascii) buf_json_ascii(&b, s);
    else buf_json(&b, s);
    return buf_view(&b);
}

TEST(json_strings_out)
{
    Str s = STR_LIT("a\"\\/\b\f\n\r\t\x01\x1f\x7f \xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E\0.");
    CHECK_STR(out(A, s, false), STR_LIT("\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f \xC3\xA9\xE2\x82\xAC"
                                        "\xF0\x9D\x84\x9E\\u0000.\""));
    CHECK_STR(out(A, s, true), STR_LIT("\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f \\u00e9\\u20ac"
                                       "\\ud834\\udd1e\\u0000.\"")); // as Python's json.dumps
    CHECK_STR(out(A, STR_LIT("x\xE2\x82y\xFF"), false), STR_LIT("\"x\xEF\xBF\xBDy\xEF\xBF\xBD\""));
    CHECK_STR(out(A, STR_LIT("x\xE2\x82y\xFF"), true), STR_LIT("\"x\\ufffdy\\ufffd\""));
    CHECK_STR(out(A, (Str){0}, true), STR_LIT("\"\""));
}

// Out and back gives the string again, whatever characters are in it.
TEST(json_strings_back)
{
    uint64_t state = 2;
    for (int i = 0; i < 20000; i++) {
        char s[200];
        size_t n = 0, most = next_random(&state) % 190;
        while (n < most) {
            uint32_t cp =
                (uint32_t)(next_random(&state) >> (43 + next_random(&state) % 16)); // all magnitudes
            if (cp < 0xD800 || (cp > 0xDFFF && cp < 0x110000)) n += (size_t)utf8_encode(cp, s + n);
        }
        for (int ascii = 0; ascii < 2; ascii++) {
            const Json *j = json_parse(A, out(A, (Str){s, n}, ascii), "t", NULL);
            CHECK(j && str_eq(j->text, (Str){s, n}));
        }
        arena_reset(A);
    }
}
