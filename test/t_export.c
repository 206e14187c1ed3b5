// SPDX-License-Identifier: Apache-2.0
// t_export.c — --export and the formats that only it has a use for: TSV, Markdown, LaTeX, JSON Lines, NPZ. Their structure is
// checked here; tools/readers.sh opens them with the programs that they are for.
#include "cli.h"
#include "hostile_tokens.h"
#include "../attr/results/aggregate.h"

#include <math.h>

static const ReportOptions PLAIN = {.min_val = NAN, .max_val = NAN, .unicode = true};

// Tokens from a list as source and as generated tokens.
static Attribution table(Arena *A, const Str *tokens, int64_t rows, int64_t columns)
{
    Sequence *s = arena_new(A, Sequence, 1);
    *s = (Sequence){.n_source = rows,
                    .n_target = columns,
                    .attr_pos_end = columns,
                    .kind = OUT_COARSE,
                    .n_step_scores = 2};
    s->source = arena_new(A, Token, rows + 1), s->target = arena_new(A, Token, columns + 1);
    for (int64_t i = 0; i < rows; i++) s->source[i].text = tokens[i];
    for (int64_t i = 0; i < columns; i++) s->target[i].text = tokens[i];
    s->source_attributions = scores_new(A, 2, (int64_t[]){rows, columns});
    for (int64_t i = 0; i < rows * columns; i++) s->source_attributions.v[i] = (float)(i % 11 - 4) * 0.1f;
    s->step_scores = arena_new(A, NamedScores, 2);
    s->step_scores[0] = (NamedScores){.name = STR_LIT("../p"), .scores = scores_new(A, 1, &columns)};
    s->step_scores[1] = (NamedScores){.name = STR_LIT(".._p"), .scores = scores_new(A, 1, &columns)};
    return (Attribution){.sequence = s, .n = 1};
}

static Str written(Arena *A, const char *format, const Attribution *t, const ReportOptions *o)
{
    Buf b = {.arena = A};
    Err e = {0};
    if (!attr_report(format)->write(A, t, o, &b, &e)) FAIL("%s: %s", format, e.text);
    return buf_view(&b);
}

// ------------------------------------------------------------------------------------------ LaTeX

// Whether what stands between tables and their rules is nothing but text, known commands and cells.
static bool tex_harmless(const char *s, char *why, size_t room)
{
    static const char *const known[] = {
        "textbf",          "small",          "rightarrow",      "downarrow",   "begin",    "end",
        "toprule",         "midrule",        "bottomrule",      "cellcolor",   "color",    "par",
        "bigskip",         "medskip",        "large",           "inseqchar",   "inseqend", "textbackslash",
        "textasciicircum", "textasciitilde", "textless",        "textgreater", "textbar",  "textquotedbl",
        "textquotesingle", "textasciigrave", "textvisiblespace"};
    int depth = 0;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        snprintf(why, room, "%.40s", s);
        if ((c < ' ' && c != '\n') || strchr("%#~^", c)) return false;
        depth += (c == '{') - (c == '}');
        if (depth < 0) return false;
        if (c != '\\') continue;
        if (strchr("\\{}$&#%_", s[1])) {
            s++;
            continue;
        }
        size_t n = 0;
        while ((s[1 + n] | 32) >= 'a' && (s[1 + n] | 32) <= 'z') n++;
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found |= strlen(known[i]) == n && !strncmp(known[i], s + 1, n);
        if (!found) return false;
        s += n;
    }
    return depth == 0;
}

TEST(export_tex_hostile_tokens)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 4);
    Str s = written(A, "tex", &t, &PLAIN);
    CHECK(utf8_valid(s, NULL));
    const char *body = strstr(s.s, "\\textbf{Source");
    char why[80];
    if (!body) FAIL("no table");
    else if (!tex_harmless(body, why, sizeof why)) FAIL("LaTeX that acts: %s", why);
    size_t rows = 0;
    for (const char *c = s.s; (c = strstr(c, " \\\\\n")); c++) rows++;
    CHECK_INT(rows, 2 + N_HOSTILE + 2);
    CHECK_HAS(s.s, "\\inseqend\n");
}

// ------------------------------------------------------------------------------------------ Markdown

TEST(export_md_hostile_tokens)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 4);
    Str s = written(A, "md", &t, &PLAIN);
    CHECK(utf8_valid(s, NULL));
    size_t rows = 0;
    for (const char *line = s.s, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        size_t bars = 0;
        for (const char *c = line; c < end; c++) {
            if ((unsigned char)*c < ' ') FAIL("a control character in: %.80s", line);
            if (*c == '\\') c++;
            else if (*c == '|') bars++;
            else if (*c == '<' && strncmp(c, "<br>", 4)) FAIL("markup in: %.80s", line);
            else if ((*c == '[' || *c == '`' || *c == '~' || *c == '@')) FAIL("%c in: %.80s", *c, line);
            else if (*c == '<') c += 3;
        }
        if (*line != '|') continue;
        rows++;
        if (bars != 2 + 4 + 1) FAIL("%zu bars in: %.*s", bars, (int)(end - line), line);
    }
    CHECK_INT(rows, 2 + N_HOSTILE + 2);
}

// Each cell has its own number and nothing else.
TEST(export_numbers_in_cells)
{
    static const Str tokens[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    Attribution t = table(A, tokens, 2, 3);
    t.sequence->step_scores[0].scores.v[1] = 0.75f;
    const char *md = written(A, "md", &t, &PLAIN).s, *tex = written(A, "tex", &t, &PLAIN).s;
    CHECK_HAS(md, "\n| 0 | a | **-0.4** | **-0.3** | **-0.2** |\n| 1 | b | -0.1 | 0.0 | 0.1 |\n");
    CHECK_HAS(md, "\n| | *../p* | 0.0 | 0.75 | 0.0 |\n");
    CHECK_HAS(tex, "}$-$0.1 &");
    CHECK_HAS(tex, " & 0.0 & \\cellcolor[HTML]{");
    CHECK_HAS(tex, " & ../p & {0.0} & \\textbf{0.75} & {0.0} \\\\\n");
}

// ------------------------------------------------------------------------------------------ TSV and JSON Lines

TEST(export_tsv_hostile_tokens)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 3);
    Str s = written(A, "tsv", &t, &PLAIN), csv = written(A, "csv", &t, &PLAIN);
    CHECK_INT(s.n, csv.n);
    size_t fields = 0, rows = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) { // the same bytes but for what separates, which no token can forge
        quoted ^= s.s[i] == '"';
        bool separates = !quoted && s.s[i] == '\t';
        if (separates ? csv.s[i] != ',' : s.s[i] != csv.s[i]) FAIL("byte %zu differs", i), i = s.n;
        fields += separates;
        if (quoted || i >= s.n || s.s[i] != '\n') continue;
        if (fields != 9) FAIL("row %zu has %zu separators", rows, fields);
        fields = 0, rows++;
    }
    CHECK_INT(rows, 1 + 3 * (N_HOSTILE + 2));
}

TEST(export_jsonl_lines)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 3);
    Sequence two[2] = {t.sequence[0], t.sequence[0]};
    t.sequence = two, t.n = 2;
    Str s = written(A, "jsonl", &t, &PLAIN);
    size_t n = 0;
    for (const char *line = s.s, *end; *line; line = end + 1, n++) {
        Err e = {0};
        end = strchr(line, '\n');
        const Json *j = json_parse(A, (Str){line, (size_t)(end - line)}, "line", &e), *tokens;
        if (!j) FAIL("line %zu: %s", n, e.text);
        if (!(tokens = json_get(j, "source_tokens"))) continue;
        CHECK_INT(json_get(j, "sequence")->i, (int64_t)n);
        CHECK_INT(tokens->count, N_HOSTILE);
        size_t i = 0;
        for (const Json *c = tokens->child; c; c = c->next, i++)
            if (utf8_valid(hostile_tokens[i], NULL)) CHECK_STR(c->text, hostile_tokens[i]);
    }
    CHECK_INT(n, 2);
}

// ------------------------------------------------------------------------------------------ NPZ

static uint32_t le(const char *s, int n)
{
    uint32_t v = 0;
    while (n--) v = v << 8 | (uint8_t)s[n];
    return v;
}

static uint32_t crc_of(Str s) // of ISO 3309, bit by bit
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.n; i++) {
        crc ^= (uint8_t)s.s[i];
        for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

// Looks a member up in the directory, as a reader does, and checks what both headers say of it.
static Str npy(Str zip, const char *name, char header[300])
{
    const char *end = zip.s + zip.n - 22;
    CHECK_INT(le(end, 4), 0x06054b50);
    CHECK_INT(le(end + 16, 4) + le(end + 12, 4) + 22, zip.n);
    const char *d = zip.s + le(end + 16, 4);
    for (uint32_t k = le(end + 10, 2); k; k--, d += 46 + le(d + 28, 2)) {
        CHECK_INT(le(d, 4), 0x02014b50);
        const char *local = zip.s + le(d + 42, 4);
        Str own = {d + 46, le(d + 28, 2)}, data = {local + 30 + own.n, le(d + 24, 4)};
        CHECK_INT(le(local, 4), 0x04034b50), CHECK_INT(le(d + 10, 2), 0), CHECK_INT(le(d + 20, 4), data.n);
        CHECK(!memcmp(local + 4, d + 6, 26)); // what both have in common
        CHECK(!memcmp(local + 30, own.s, own.n));
        CHECK_INT(crc_of(data), le(d + 16, 4));
        CHECK(!memchr(own.s, '/', own.n) && !memchr(own.s + 1, '.', own.n - 5));
        if (!str_is(own, name)) continue;
        CHECK(!memcmp(data.s, "\x93NUMPY\1\0", 8));
        size_t n = le(data.s + 8, 2);
        CHECK_INT((10 + n) % 64, 0), CHECK(data.s[9 + n] == '\n');
        snprintf(header, 300, "%.*s", (int)(n < 290 ? n : 290), data.s + 10);
        return (Str){data.s + 10 + n, data.n - 10 - n};
    }
    FAIL("no member %s", name);
    return (Str){"", 0};
}

TEST(export_npz_arrays)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 3);
    Str s = written(A, "npz", &t, &PLAIN), again = written(A, "npz", &t, &PLAIN);
    CHECK_STR(s, again);
    char header[300];
    Str x = npy(s, "s0_source.npy", header);
    CHECK_HAS(header, "{'descr': '<f4', 'fortran_order': False, 'shape': ");
    CHECK_HAS(header, arena_printf(A, "(%d, 3)", (int)N_HOSTILE));
    CHECK_INT(x.n, N_HOSTILE * 3 * 4);
    CHECK(!memcmp(x.s, t.sequence->source_attributions.v, x.n));
    x = npy(s, "s0_source_tokens.npy", header);
    CHECK_HAS(header, "'descr': '<U");
    size_t room = x.n / N_HOSTILE / 4;
    CHECK_HAS(header, arena_printf(A, "<U%zu'", room));
    for (size_t i = 0; i < N_HOSTILE; i++) {
        Buf b = {.arena = A};
        size_t last = room;
        while (last && !le(x.s + (i * room + last - 1) * 4, 4)) last--;
        for (size_t k = 0; k < last; k++) {
            char c[4];
            buf_put(&b, c, (size_t)utf8_encode(le(x.s + (i * room + k) * 4, 4), c));
        }
        Str want = hostile_tokens[i];
        while (want.n && !want.s[want.n - 1]) want.n--;
        if (utf8_valid(want, NULL)) CHECK_STR(buf_view(&b), want);
    }
    npy(s, "s0_step____p.npy", header), npy(s, "s0_step____p_1.npy", header);
    x = npy(s, "s0_steps.npy", header);
    CHECK_HAS(header, "(3,)"), CHECK_INT(le(x.s + 16, 4), 2);
    Attribution none = {0};
    s = written(A, "npz", &none, &PLAIN);
    CHECK_INT(s.n, 22);
}

// ------------------------------------------------------------------------------------------ numbers and width

TEST(export_digits_percent_width)
{
    Str tokens[12];
    for (int i = 0; i < 12; i++) tokens[i] = str_of(arena_printf(A, "token%d", i));
    Attribution t = table(A, tokens, 3, 12);
    ReportOptions o = PLAIN;
    t.sequence->source_attributions.v[0] = 0.123456789f;
    static const char *const formats[] = {"terminal", "svg", "md", "tex", "html"};
    for (int i = 0; i < 5; i++) {
        const char *f = formats[i], *sign = i == 3 ? "\\%" : "%";
        o = PLAIN;
        CHECK_HAS(written(A, f, &t, &o).s, i ? "0.123" : "0.12");
        o.decimals = 6;
        CHECK_HAS(written(A, f, &t, &o).s, "0.12346");
        o.percent = true, o.decimals = 0;
        CHECK_HAS(written(A, f, &t, &o).s, arena_printf(A, "%s%s", i ? "12.3" : "12", sign));
        o.decimals = 3;
        CHECK_HAS(written(A, f, &t, &o).s, arena_printf(A, "12.35%s", sign));
        if (i == 4) break; // a page scrolls
        o = PLAIN;
        CHECK(!strstr(written(A, f, &t, &o).s, "columns 0 to"));
        o.width = 60;
        const char *s = written(A, f, &t, &o).s;
        CHECK_HAS(s, "(columns 0 to "), CHECK_HAS(s, " to 11 of 12)");
        for (int k = 0; k < 12; k++) CHECK_HAS(s, str_zero(A, tokens[k]));
    }
}

// ------------------------------------------------------------------------------------------ the command line

TEST(export_files)
{
    static const char *const ends[] = {"html", "svg",  "csv",   "tsv", "md",
                                       "tex",  "json", "jsonl", "npz", "JSONL.gz"};
    enum { N = sizeof ends / sizeof *ends };
    const char *folder = kit_folder(A),
               *words[8 + 2 * N + 3] = {"attribute", "-m", "demo/en-nl", "-i", TEXT, "--hide"};
    size_t n = 6, size;
    for (int i = 0; i < N; i++)
        words[n++] = "--export", words[n++] = arena_printf(A, "%s/x.%s", folder, ends[i]);
    check_ran("attribute", run_with(A, &(Setup){0}, words));
    for (int i = 0; i < N; i++) {
        const char *s = slurp(A, words[7 + 2 * i], &size);
        CHECK(s && size > 100);
        if (i == N - 1) CHECK(s && !memcmp(s, "\x1f\x8b", 2));
    }
    // the old options and --format say the same
    const char *csv = arena_printf(A, "%s/old.csv", folder), *svg = arena_printf(A, "%s/old.svg", folder),
               *saved = arena_printf(A, "%s/saved.json", folder);
    check_ran("old", RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "--hide", "--csv", csv, "--svg", svg,
                         "-o", saved));
    CHECK_STR(str_of(slurp(A, csv, NULL)), str_of(slurp(A, words[11], NULL)));
    CHECK_STR(str_of(slurp(A, svg, NULL)), str_of(slurp(A, words[9], NULL)));
    Run r = RUN("show", saved, "--format", "tex");
    CHECK_STR(str_of(r.out), str_of(slurp(A, words[17], NULL)));
    r = RUN("show", saved, "--common_scale", "--digits", "1", "--percent", "--width", "60");
    check_ran("show", r);
    CHECK_HAS(r.out, "%");
    const char *same = arena_printf(A, "%s/./x.md", folder);
    check_refused("unknown", RUN("show", saved, "--export", "x.pdf"), 2,
                  "known are .html .svg .csv .tsv .md .tex .json .jsonl .npz");
    check_refused("none", RUN("show", saved, "--export", "-"), 2, "says no format");
    check_refused("twice", RUN("show", saved, "--export", words[15], "--export", same), 2, "to one file");
    check_refused("itself", RUN("show", saved, "--export", saved), 2, "is the file that is shown");
    check_refused("digits", RUN("show", saved, "--digits", "12"), 2, "from 0 to 9");
    check_refused("width", RUN("show", saved, "--width", "5"), 2, "from 20");
    check_refused("folder", RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "--export", "no/such/x.md"), 1,
                  "--export no/such");
    check_refused("format", RUN("show", saved, "--format", "jsnl"), 2, "did you mean json");
    check_refused("plan", RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "--plan", "-o", saved), 2,
                  "--plan attributes nothing");
    r = RUN("lens", "-m", "demo/en-nl", "-i", TEXT, "--format", "jsonl");
    check_ran("lens", r);
    CHECK_INT(lines(r.out), 3);
    r = RUN("compare", "-m", "demo/en-nl", "-a", "saliency", "-a", "occlusion", "-i", TEXT, "-o", saved,
            "--format", "md");
    check_ran("compare", r);
    CHECK_HAS(r.out, "## saliency:");
    check_ran("show", RUN("show", saved));
}

TEST(export_demo_json)
{
    Run r = RUN("demo", "--json", "--short");
    Err e = {0};
    check_ran("demo", r);
    const Json *j = json_parse(A, str_of(r.out), "demo", &e), *chapters = json_get(j, "chapters");
    CHECK(chapters && chapters->count == 1);
    CHECK(json_get(json_get(chapters->child, "result"), "sequences") != NULL);
}

// One layer or head of attention, live and saved; what aggregators take.
TEST(export_layers_and_aggregators)
{
    const char *folder = kit_folder(A), *saved = arena_printf(A, "%s/a.json", folder);
    Run r = RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "-a", "attention", "--layer", "0", "--head",
                "-1", "-o", saved, "--json");
    check_ran("attribute", r);
    Run again = RUN("show", saved, "--layer", "0", "--head", "3", "--json"),
        mean = RUN("show", saved, "--layer=0", "--json");
    CHECK_STR(str_of(again.out), str_of(r.out));
    CHECK(strcmp(mean.out, r.out));
    check_ran("diff", RUN("diff", saved, saved, "--layer", "1", "--head", "0"));
    check_refused("layer", RUN("show", saved, "--layer", "3"), 1, "there are 3, 0 to 2");
    check_refused("both", RUN("show", saved, "--layer", "1", "--attribution_aggregators", "mean"), 2,
                  "aggregate by themselves");
    check_ran("granular",
              RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "-a", "saliency", "--hide", "-o", saved));
    check_refused("granular", RUN("show", saved, "--head", "1"), 1, "embedding's components");
    r = RUN("show", saved, "--attribution_aggregators", "vnorm", "spans", "--aggregation_kwargs",
            "{\"source_spans\": [1, 3]}");
    CHECK_HAS(r.out, "▁nurse▁went");
    r = RUN("show", saved, "--attribution_aggregators", "scores", "--aggregation_kwargs",
            "{\"select_idx\": [0, 5, 7]}");
    check_ran("select", r);
    static const char *const bad[][2] = {{"{\"source_span\": 1}", "did you mean source_spans?"},
                                         {"{\"source_spans\": [[1]]}", "must be a list of [from, to)"},
                                         {"{\"select_idx\": \"1\"}", "an index or a list"},
                                         {"{\"special_chars\": 1}", "it must be a text"},
                                         {"{\"aggregate_source\": 1}", "true or false"},
                                         {"{\"vnorm_ord\": []}", "it must be a number"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(
            bad[i][0],
            RUN("show", saved, "--attribution_aggregators", "vnorm", "--aggregation_kwargs", bad[i][0]), 2,
            bad[i][1]);
}

TEST(export_small_faults)
{
    const char *folder = kit_folder(A), *text = arena_printf(A, "%s/many.txt", folder),
               *flat = arena_printf(A, "%s/f.json", folder);
    kit_write(folder, "many.txt", STR_LIT("hello\n")), kit_write(folder, "empty", (Str){"", 0});
    check_refused("text", RUN("show", text), 1, "this is not a result");
    check_refused("empty", RUN("show", arena_printf(A, "%s/empty", folder)), 1, "this is empty");
    check_ran("flat", RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "--hide", "--export", flat));
    check_refused("flat", RUN("show", flat), 1, "save one with 'inseq attribute -o FILE'");
    check_refused("folder", RUN("attribute", "-m", folder, "-i", TEXT), 1,
                  "a model is a folder with config.json");
    check_refused(
        "misplaced", RUN("show", flat, "--step_scores", "x"), 2,
        "unknown option --step_scores for show: it is one of attribute, attribute-dataset, compare");
    check_refused("misplaced", RUN("info", "demo/en-nl", "-i", "x"), 2,
                  "unknown option -i for info: it is one of attribute");
    check_refused("nowhere", RUN("info", "--frobnicate"), 2, "unknown option --frobnicate");
    check_refused("block",
                  RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "-a", "layer_gradient_x_activation",
                      "--target_layer", "encoder.layers[0]"),
                  1, "is a whole block");
}
