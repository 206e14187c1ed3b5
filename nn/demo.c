// SPDX-License-Identifier: Apache-2.0
// demo.c — the models inside the program: the files of nn/demo/, taken in by the assembler as they are. They are found as
// folders such as builtin:demo/en-nl (tensor/base.h), which nn/files/hub.c knows by their names, demo/en-nl. tools/train.c made
// them.
#include "../tensor/base.h"

// Each file's bytes stand at an address that safetensors' numbers may like, and a NUL follows them.
#define DEMO(id, name)                                                                                       \
    __asm__(".pushsection .rodata\n"                                                                         \
            ".balign 64\n"                                                                                   \
            ".globl demo_" #id "\n.hidden demo_" #id "\n"                                                    \
            "demo_" #id ":\n"                                                                                \
            ".incbin \"nn/" name "\"\n"                                                                      \
            ".globl demo_" #id "_end\n.hidden demo_" #id "_end\n"                                            \
            "demo_" #id "_end:\n"                                                                            \
            ".byte 0\n"                                                                                      \
            ".popsection\n");                                                                                \
    extern const char demo_##id[], demo_##id##_end[];
#include "demo.def"
#undef DEMO

const BuiltinFile file_builtins[] = {
#define DEMO(id, name) {name, demo_##id, demo_##id##_end},
#include "demo.def"
#undef DEMO
    {NULL, NULL, NULL},
};
