// SPDX-License-Identifier: Apache-2.0
// vocab.c — any bytes as vocab.json. What the small reader takes, the full JSON reader must understand alike.
#include "fuzz.h"

#include "../../tok/kind.h"

#include <stdio.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char path[64];
    if (!path[0]) snprintf(path, sizeof path, "/tmp/fuzz_vocab_%d.json", (int)getpid());
    FILE *f = fopen(path, "wb");
    REQUIRE(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
    Arena *a = fuzz_arena();
    Err e = {0}, je = {0};
    Vocab v;
    bool ok = vocab_read(a, path, &v, &e);
    unlink(path);
    REQUIRE(ok == !e.set);
    if (!ok) return 0;
    const Json *top = json_parse(a, (Str){(const char *)data, n}, "vocab.json", &je);
    REQUIRE(top && top->kind == J_OBJECT);
    for (const Json *j = top->child; j; j = j->next) {
        const Json *last = j; // of equal keys the last counts
        for (const Json *k = top->count < 100 ? j->next : NULL; k; k = k->next)
            if (str_eq(k->key, j->key)) last = k;
        REQUIRE(last->is_int && (top->count >= 100 || vocab_id(&v, j->key) == last->i));
    }
    return 0;
}
