#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh — every target of test/fuzz/ for a while: tools/fuzz.sh [SECONDS_EACH] [NAME...]
#
# Builds all rooms with clang, libFuzzer and the address and undefined-behaviour sanitizers into build/fuzz/, then runs
# each target NAME (test/fuzz/NAME.c) from the seeds test/corpus/NAME/, with the dictionary test/fuzz/NAME.dict if there
# is one. New inputs gather in build/fuzz/corpus/NAME/ and are kept from run to run; an input that breaks something is
# written to build/fuzz/found/NAME-* (make it a seed, and a test, when it is fixed). Exit status 1 if there was any.
#
# A room that does not compile keeps only those targets from linking that need it. Another clang: CC=clang-16.
set -u
cd "$(dirname "$0")/.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL
seconds=${1:-60}
[ $# -gt 0 ] && shift
CC=${CC:-clang}
B=$PWD/build/fuzz # absolute: a target may go to a folder of its own
flags='-O1 -g -gdwarf-4 -fsanitize=fuzzer-no-link'

# The rooms, by the Makefile's own rules; the objects of what it could build become one archive.
mkdir -p $B/found $B/corpus
rooms=$(for f in tensor/*.c tok/*.c nn/*.c nn/*/*.c attr/*.c attr/*/*.c; do [ -f "$f" ] && [ "$f" != tensor/kern.c ] && echo "$B/${f%.c}.o"; done)
[ -f tensor/kern.c ] && case $($CC -dumpmachine) in
    x86_64*) rooms="$rooms $B/tensor/kern_avx512.o $B/tensor/kern_avx2.o $B/tensor/kern_scalar.o" ;;
    aarch64*) rooms="$rooms $B/tensor/kern_neon.o $B/tensor/kern_scalar.o" ;;
    *) rooms="$rooms $B/tensor/kern_scalar.o" ;;
esac
make -s -k CC="$CC" SAN=1 B=$B CFLAGS="$flags" $rooms >$B/make.log 2>&1 ||
    { echo "some rooms do not compile, see $B/make.log:"; grep -m 5 'error:' $B/make.log; }
rm -f $B/rooms.a
ar rcs $B/rooms.a $(for o in $rooms; do [ -f "$o" ] && echo "$o"; done) || exit 1

build() { # the target's own file, linked with what it needs of the rooms
    $CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -g -gdwarf-4 -pthread \
        -DVERSION='"fuzz"' \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
        "test/fuzz/$1.c" $B/rooms.a ${UTF8PROC:--l:libutf8proc.a} -lm -o "$B/fuzz_$1" >"$B/$1.log" 2>&1
}

figure() { sed -n "s/^stat::$2: *//p" "$B/$1.log"; }

failed=0
printf '%-20s %12s %10s %8s %7s  %s\n' target runs runs/s features MB result
for name in ${*:-$(for f in test/fuzz/*.c; do basename "$f" .c; done)}; do
    if ! build "$name"; then
        printf '%-20s %48s  %s\n' "$name" '' "does not build, see $B/$name.log"
        failed=1
        continue
    fi
    mkdir -p "$B/corpus/$name"
    seeds=; [ -d "test/corpus/$name" ] && seeds=$PWD/test/corpus/$name
    words=; [ -f "test/fuzz/$name.dict" ] && words=-dict=$PWD/test/fuzz/$name.dict
    if "$B/fuzz_$name" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -print_final_stats=1 $words \
        -artifact_prefix="$B/found/$name-" "$B/corpus/$name" $seeds >"$B/$name.log" 2>&1; then
        result=clean
    else
        result="FOUND: $(grep -m 1 -E 'ERROR|internal error|SUMMARY|runtime error' "$B/$name.log"), see $B/$name.log"
        failed=1
    fi
    features=$(sed -n 's/.* ft: \([0-9]*\).*/\1/p' "$B/$name.log" | tail -1)
    printf '%-20s %12s %10s %8s %7s  %s\n' "$name" "$(figure "$name" number_of_executed_units)" \
        "$(figure "$name" average_exec_per_sec)" "$features" "$(figure "$name" peak_rss_mb)" "$result"
done
exit $failed
