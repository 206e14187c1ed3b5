// SPDX-License-Identifier: Apache-2.0
// sha256.h — FIPS 180-4: a page names its script by it, and files that were trained are known by it.
#pragma once
#include "../../tensor/base.h"

void sha256(Str bytes, uint8_t out[32]);
void sha256_hex(Str bytes, char out[65]);
