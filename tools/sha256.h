// SPDX-License-Identifier: Apache-2.0
// sha256.h — FIPS 180-4, to compare what was trained with what was recorded.
#pragma once
#include "../tensor/base.h"

void sha256_hex(Str bytes, char out[65]);
