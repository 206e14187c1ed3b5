#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make demo: the first chapter of `inseq demo` with the small models inside the program, and all chapters as a page.
set -eu
cd "$(dirname "$0")/.."
./inseq demo --short --html build/demo.html
echo "All chapters in the terminal: ./inseq demo"
