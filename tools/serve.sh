#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/serve.sh [N] — N requests (10,000) to inseq serve over 50 connections, hostile ones among them: as built, then with the
# address sanitizer, which at the end says what was lost. Then all tests of it there. Only addresses of this machine.
set -eu
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s FAULTS=1 build/gcc-faults/run build/gcc-faults/inseq
make -s FAULTS=1 SAN=1 CFLAGS='-O1 -g' build/gcc-san-faults/run build/gcc-san-faults/inseq
for B in build/gcc-faults build/gcc-san-faults; do
    echo "$B"
    time REQUESTS=${1:-10000} INSEQ=$B/inseq $B/run serve_leaves_nothing
done
INSEQ=$B/inseq $B/run t_serve
