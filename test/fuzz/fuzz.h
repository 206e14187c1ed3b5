// SPDX-License-Identifier: Apache-2.0
// fuzz.h — what the entry points in test/fuzz/*.c share. Each file there is one libFuzzer target:
// tools/fuzz.sh finds it by its name, starts it from test/corpus/NAME/ and, if there is one, with the
// dictionary test/fuzz/NAME.dict.
//
// A target feeds bytes to one reader and then requires what must hold for any bytes: no sanitizer finding, an
// error in words or a result, and a result that survives being written and read again.
#pragma once
#include "../../tensor/base.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

// A promise that no input may break; the fuzzer keeps the input that does.
#define REQUIRE(x) ((x) ? (void)0 : BUG("%s", #x))

// One arena for all inputs, emptied for each: much faster than a new one, and it tests arena_reset on the way.
static inline Arena *fuzz_arena(void)
{
    static Arena *arena;
    if (!arena) arena = arena_create(NULL);
    arena_reset(arena);
    return arena;
}
