// SPDX-License-Identifier: Apache-2.0
// cmd_bench.c — how near this machine's limits a run comes.
#include "commands.h"

static int run(Args *a)
{
    Err e = {0};
    Loaded l = {0};
    BenchResult r;
    const OptionValue *s = args_get(a, "source_tokens"), *t = args_get(a, "target_tokens"),
                      *runs = args_get(a, "runs");
    BenchOptions o = {.source_tokens = s->given ? s->number : 24,
                      .target_tokens = t->given ? t->number : 22,
                      .decode_tokens = 20,
                      .runs = runs->given ? (int)runs->number : 5,
                      .max_memory = attr_defaults().max_memory};
    if (o.source_tokens < 1 || o.target_tokens < 1 || o.runs < 1 || o.runs > 1000 ||
        o.source_tokens > 65536 || o.target_tokens > 65536)
        return cmd_complain("bench: source and target tokens from 1 to 65536, runs from 1 to 1000"),
               EXIT_USAGE;
    if (args_get(a, "max_memory")->given) o.max_memory = (size_t)args_get(a, "max_memory")->number;
    if (!args_start_machine(a, &e)) return cmd_fail(&e, EXIT_INPUT);
    double start = wall_clock();
    if (!args_load(a, args_text(a, "model_name_or_path"), &l, &e)) return cmd_fail(&e, EXIT_INPUT);
    double loaded = wall_clock() - start;
    if (!l.info->encoder_decoder && !s->given) o.source_tokens = 64;
    if (!l.info->encoder_decoder && !t->given) o.target_tokens = 24;
    if (!attr_bench(a->a, l.model, &o, &r, &e)) return cmd_fail(&e, EXIT_INPUT);
    Buf b = {.arena = a->a};
    r.loading = loaded;
    (args_on(a, "json") ? attr_bench_json : attr_bench_text)(&o, &r, &b);
    return cmd_print_text(a, buf_view(&b));
}

const Command command_bench = {
    .name = "bench",
    .options = INFO | BENCH,
    .run = run,
    .usage = "-m MODEL [--source-tokens S] [--target-tokens T]",
    .summary = "how near this machine's limits a run comes",
    .example = "-m demo/en-nl",
};
