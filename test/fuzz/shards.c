// SPDX-License-Identifier: Apache-2.0
// shards.c — any bytes as the index of a checkpoint in two parts.
#include "../../nn/files/checkpoint.h"
#include "fuzz_kit.h"

static void put_shard(Arena *a, const char *folder, const char *file, const char *tensor)
{
    Buf b = {.arena = a};
    const char *head =
        arena_printf(a, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", tensor);
    uint64_t n = strlen(head);
    buf_put(&b, &n, 8), buf_str(&b, str_of(head)), buf_put(&b, "\0\0\0\0", 4);
    fuzz_file(arena_printf(a, "%s/%s", folder, file), buf_view(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool ready;
    Arena *a = fuzz_arena();
    Err e = {0};
    const char *folder = fuzz_folder("shards");
    if (!ready) put_shard(a, folder, "a.safetensors", "w"), put_shard(a, folder, "b.safetensors", "v");
    ready = true;
    fuzz_file(arena_printf(a, "%s/model.safetensors.index.json", folder), (Str){(const char *)data, n});
    const Checkpoint *c = checkpoint_open(a, folder, &e);
    REQUIRE((c == NULL) == e.set);
    return 0;
}
