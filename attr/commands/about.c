// SPDX-License-Identifier: Apache-2.0
// about.c — what this program is: --version, and --license, whose files the assembler takes in as they are.
#include "commands.h"

#include <stdio.h>
#include <utf8proc.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#define TAKE_IN(id, name)                                                                                    \
    __asm__(".pushsection .rodata\n"                                                                         \
            ".globl about_" #id "\n.hidden about_" #id "\n"                                                  \
            "about_" #id ":\n"                                                                               \
            ".incbin \"" name "\"\n"                                                                         \
            ".byte 0\n"                                                                                      \
            ".popsection\n");                                                                                \
    extern const char about_##id[];
TAKE_IN(license, "LICENSE")
TAKE_IN(notice, "NOTICE")

const char *cmd_commit(void) { return COMMIT; }

// All that decides which bits come out, and what a report of a fault should say. Nothing of the moment or the folder of
// the build is in it: the same source gives the same program.
int cmd_version(void)
{
    Err e = {0};
    bool ok = cpu_select(NULL, &e);
#ifdef __clang__
    const char *compiler = "clang " __clang_version__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
#ifdef __GLIBC__
    const char *libc = "glibc ", *libc_version = gnu_get_libc_version();
#else
    const char *libc = "another libc than glibc", *libc_version = "";
#endif
    printf("inseq " VERSION "\n"
           "commit        " COMMIT "\n"
           "compiler      %s for " MACHINE "\n"
           "instructions  %s\n"
           "libraries     %s%s, utf8proc %s; both inside\n"
           "licence       Apache-2.0, and the libraries' own: inseq --license\n",
           compiler, ok ? cpu_isa() : e.text, libc, libc_version, utf8proc_version());
    return 0;
}

int cmd_license(void)
{
    printf("%s\n%s\n%s", about_license,
           "------------------------------------------------------------------------", about_notice);
    return 0;
}
