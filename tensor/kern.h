// SPDX-License-Identifier: Apache-2.0
// kern.h — private to tensor/: the table of inner loops, one for each instruction set; K is the one in use.
#pragma once
#include "tensor.h"

typedef struct Kern {
    const char *isa;
#define KERN(returns, name, args) returns(*name) args;
#include "kern.def"
#undef KERN
} Kern;

extern const Kern *K; // set once by cpu_select

enum {
    K_BLOCK = 512,  // columns summed in one chain of fused multiply-adds before the blocks are added
    PANEL = 24,     // rows of a packed panel: a multiple of every TILE_M, and ROWS_V registers
    FEW = 8,        // up to so many rows gemm_nt needs no packing
    SPINNERS = 384, // floats of spin_fma
};

// Floats that `pack` needs for this many rows of k columns.
static inline int64_t packed_size(int64_t rows, int64_t k) { return (rows + PANEL - 1) / PANEL * PANEL * k; }
