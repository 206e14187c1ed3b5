#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make coverage: which lines and branches the tests run, for each room; below that the files that are run least.
#
#   tools/coverage.sh [TEST ...]     all tests, or those whose names begin so
#
# Instruction sets other than the one that the machine chooses are run too where it has them, so tensor/kern.c counts its
# best build. What ends by a signal or by _exit is not counted.
set -eu
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL
B=build/coverage
find $B -name '*.gcda' -delete 2>/dev/null || true
make -s B=$B FAULTS=1 CFLAGS='-O1 -g --coverage' LDFLAGS=--coverage $B/inseq $B/run
INSEQ=$B/inseq $B/run "$@" >$B/tests.log 2>&1 || true
tail -1 $B/tests.log
find $B -name '*.gcda' ! -path '*/test/*' -exec gcov -n -b {} + 2>/dev/null | awk '
    function of(line) { sub(/.*of /, "", line); return line + 0 }
    function part(line) { sub(/.*:/, "", line); return of(line) * (line + 0) / 100 }
    /^File / { f = $2; gsub(/\047/, "", f); sub(/^\.\//, "", f); next }
    f ~ /^\// || f ~ /\.h$/ || f == "" { next }
    /^Lines executed/ { if (part($0) > ran[f]) ran[f] = part($0); lines[f] = of($0) }
    /^Taken at least/ { if (part($0) > taken[f]) taken[f] = part($0); branches[f] = of($0); f = "" }
    END {
        for (f in lines) {
            room = f; if (!sub(/\/[^\/]*$/, "", room)) room = "."
            r[room] += ran[f]; l[room] += lines[f]; t[room] += taken[f]; b[room] += branches[f]
            R += ran[f]; L += lines[f]; T += taken[f]; N += branches[f]
            printf "2 %5.1f %-42s %6d lines not run\n", 100 * ran[f] / lines[f], f, lines[f] - ran[f]
        }
        printf "0 %-22s %8s %7s   %8s %7s\n", "room", "lines", "run", "branches", "taken"
        for (room in r) printf "1 %-22s %8d %6.1f%%   %8d %6.1f%%\n", room, l[room], 100 * r[room] / l[room], b[room], b[room] ? 100 * t[room] / b[room] : 100
        printf "1~%-22s %8d %6.1f%%   %8d %6.1f%%\n", "all", L, 100 * R / L, N, 100 * T / N
    }' >$B/report
grep '^[01]' $B/report | sort | cut -c3-
echo
grep '^2' $B/report | sort -k2n | head -15 | cut -c3-
