// SPDX-License-Identifier: Apache-2.0
// demo.c — the models inside the program: the files of nn/demo/, taken in by the assembler as they are. They are found as
// folders such as builtin:demo/en-nl (tensor/base.h), which nn/files/hub.c knows by their names, demo/en-nl. tools/train.c made
// them.
#include "../tensor/base.h"

#define DEMO(id, name) EMBED_FILE(demo_##id, "nn/" name)
#include "demo.def"
#undef DEMO

const BuiltinFile file_builtins[] = {
#define DEMO(id, name) {name, demo_##id, demo_##id##_end},
#include "demo.def"
#undef DEMO
    {NULL, NULL, NULL},
};
