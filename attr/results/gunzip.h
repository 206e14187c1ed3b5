// SPDX-License-Identifier: Apache-2.0
// gunzip.h — private to attr/: Inseq's older files keep large arrays compressed.
#pragma once
#include "../../tensor/base.h"

// The bytes of a gzip file (RFC 1952, one or more members), appended to out; at most `limit` of them.
// path and at (where the data stands in the file) are for the message only.
bool gunzip(Buf *out, Str in, size_t limit, const char *path, size_t at, Err *e);
