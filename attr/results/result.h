// SPDX-License-Identifier: Apache-2.0
// result.h — what result_json.c (writing) and result_read.c (reading) share. Private to attr/.
#pragma once
#include "../attr.h"

// Any JSON value as Python's json.dumps(indent=4, sort_keys=True) lays it out, starting at that depth; COMPACT: on
// one line. strict: NaN and the infinities, which only Python writes, become null.
enum { COMPACT = 1000 };
void json_pretty(Arena *a, Buf *b, const Json *j, int depth, bool strict);
bool output_class_named(Str name, OutputClass *out); // Inseq's class name; false if it is none of them
