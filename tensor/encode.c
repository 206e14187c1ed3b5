// SPDX-License-Identifier: Apache-2.0
// encode.c — float32 numbers as bitsandbytes codes them (0.50, on a CPU), for weights that are quantized while they are loaded
// or to be written. codes.h is the way back.
//
//   8 bits   x to half float h; q = round(h (1 / m 127)), ties to even; m the largest |h| of the row
//   4 bits   the nearest of 16 numbers to x / m; m the largest |x| of a block. Of two that are equally near the lower
//   nested   m less the mean of all m, in blocks of 256: the nearest of 256 numbers to one of 65536 even steps that is nearest
//            to (m - mean) / n; n the largest of the block
//
// The mean is torch's: float32, summed in the order that torch has with AVX2 or AVX-512 and one thread (a large layer's last bit
// depends on its number of threads there).
#include "tensor.h"

#include <string.h>

enum { PART = 1024, NESTED = 256 };

// bitsandbytes.functional.get_4bit_type; but there code 8 of FP4 is 0, and its functions make a negative zero of it
const float code_nf4[16] = {-1.0F,         -0.696192801F, -0.525073051F,  -0.394917488F,
                            -0.284441382F, -0.18477343F,  -0.0910500363F, 0.0F,
                            0.0795802996F, 0.160930201F,  0.246112302F,   0.337915242F,
                            0.440709829F,  0.562617004F,  0.722956836F,   1.0F};
const float code_fp4[16] = {
    0.0F,  0.00520833349F,  0.666666687F,  1.0F,  0.333333343F,  0.5F,  0.166666672F,  0.25F,
    -0.0F, -0.00520833349F, -0.666666687F, -1.0F, -0.333333343F, -0.5F, -0.166666672F, -0.25F};

// create_dynamic_map(): below these numbers their negatives, then 0, and last 1.
static const float dynamic[127] = {
    5.50000038e-07F, 3.25000019e-06F, 7.7499999e-06F,  2.12499981e-05F, 4.37499984e-05F, 6.62500024e-05F,
    8.87499991e-05F, 0.000156250011F, 0.000268750038F, 0.000381250022F, 0.000493750034F, 0.000606250076F,
    0.00071875006F,  0.000831249985F, 0.000943750085F, 0.00128124992F,  0.00184375001F,  0.00240624999F,
    0.00296874996F,  0.00353124971F,  0.00409374991F,  0.00465624966F,  0.00521875033F,  0.00578125007F,
    0.00634374982F,  0.00690625003F,  0.00746874977F,  0.00803124998F,  0.00859375019F,  0.00915624946F,
    0.00971874967F,  0.0114062503F,   0.0142187504F,   0.0170312505F,   0.0198437516F,   0.0226562507F,
    0.0254687499F,   0.028281251F,    0.0310937501F,   0.0339062512F,   0.0367187522F,   0.0395312496F,
    0.0423437469F,   0.0451562516F,   0.047968749F,    0.05078125F,     0.053593751F,    0.0564062484F,
    0.0592187531F,   0.0620312504F,   0.0648437515F,   0.0676562563F,   0.0704687461F,   0.0732812509F,
    0.0760937482F,   0.078906253F,    0.0817187577F,   0.0845312476F,   0.0873437524F,   0.0901562497F,
    0.0929687545F,   0.0957812592F,   0.0985937491F,   0.107031256F,    0.12109375F,     0.135156244F,
    0.149218753F,    0.163281247F,    0.177343756F,    0.19140625F,     0.205468744F,    0.219531253F,
    0.233593747F,    0.247656241F,    0.26171875F,     0.275781274F,    0.289843738F,    0.303906262F,
    0.317968726F,    0.33203125F,     0.346093744F,    0.360156238F,    0.374218762F,    0.388281226F,
    0.40234375F,     0.416406244F,    0.430468738F,    0.444531262F,    0.458593726F,    0.47265625F,
    0.486718714F,    0.500781238F,    0.514843702F,    0.528906226F,    0.54296875F,     0.557031274F,
    0.571093798F,    0.585156262F,    0.599218726F,    0.61328125F,     0.627343774F,    0.641406298F,
    0.655468762F,    0.669531226F,    0.68359375F,     0.697656274F,    0.711718798F,    0.725781262F,
    0.739843726F,    0.75390625F,     0.767968774F,    0.782031238F,    0.796093762F,    0.810156226F,
    0.82421875F,     0.838281274F,    0.852343738F,    0.866406262F,    0.880468726F,    0.89453125F,
    0.908593774F,    0.922656238F,    0.936718762F,    0.950781226F,    0.96484375F,     0.978906274F,
    0.992968738F};

float code_dynamic(int i)
{
    return i == 127 ? 0 : i == 255 ? 1 : i > 127 ? dynamic[i - 128] : -dynamic[126 - i];
}

static float size_of(float x) { return x < 0 ? -x : x; }

static float nearest(float x) { return (x + 12582912.0F) - 12582912.0F; } // 1.5 * 2^23: what is left is whole

// ------------------------------------------------------------------------------------------------ 8 bits

// So many numbers as half floats have them. -1, or the first that has no place there.
static int64_t halves(float *out, const float *x, int64_t n)
{
    uint16_t half[PART];
    const int64_t bad = num_narrow(half, x, W_F16, n);
    num_widen(out, half, W_F16, 0, n);
    return bad;
}

int64_t code_8bit(int8_t *q, float *most, const float *row, int64_t n)
{
    float h[PART], top = 0;
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < PART ? n - i : PART;
        const int64_t bad = halves(h, row + i, m);
        if (bad >= 0) return i + bad;
        for (int64_t k = 0; k < m; k++) top = size_of(h[k]) > top ? size_of(h[k]) : top;
    }
    const float scale = top > 0 ? 1.0F / top * 127.0F : 0; // so torch divides a number by a tensor
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < PART ? n - i : PART;
        halves(h, row + i, m);
        for (int64_t k = 0; k < m; k++) q[i + k] = (int8_t)nearest(h[k] * scale);
    }
    return *most = top, -1;
}

// ------------------------------------------------------------------------------------------------ 4 bits

// The numbers in order, and what codes they have.
static const uint8_t nf4_order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                     fp4_order[16] = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

// How many of the bounds between neighbours x is above.
static void places(uint8_t *place, const float *x, int64_t n, const float bound[15])
{
    memset(place, 0, (size_t)n);
    for (int b = 0; b < 15; b++)
        for (int64_t i = 0; i < n; i++) place[i] = (uint8_t)(place[i] + (x[i] > bound[b]));
}

int64_t code_4bit(uint8_t *q, float *most, const float *x, int64_t n, int64_t block, bool nf4)
{
    const float *table = nf4 ? code_nf4 : code_fp4;
    const uint8_t *order = nf4 ? nf4_order : fp4_order;
    float bound[15], part[PART];
    uint8_t place[PART + 1];
    for (int b = 0; b < 15; b++) bound[b] = (table[order[b]] + table[order[b + 1]]) / 2;
    for (int64_t at = 0, length; at < n; at += length, most++) {
        length = n - at < block ? n - at : block;
        float top = 0;
        for (int64_t i = 0; i < length; i++) {
            if (x[at + i] - x[at + i] != 0) return at + i;
            top = size_of(x[at + i]) > top ? size_of(x[at + i]) : top;
        }
        const float floor = top < 1e-38F ? 1e-38F : top, scale = 1.0F / floor;
        *most = length == block ? top : floor;
        for (int64_t i = 0, m; i < length; i += m) {
            m = length - i < PART ? length - i : PART;
            for (int64_t k = 0; k < m; k++) { // a block that is cut short is divided
                const float s = length == block ? x[at + i + k] * scale : x[at + i + k] / floor;
                part[k] = s < -1 ? -1 : s > 1 ? 1 : s;
            }
            places(place, part, m, bound);
            place[m] = 7; // of 0, behind the last one of an odd number
            for (int64_t k = 0; k < m; k += 2)
                q[(at + i + k) / 2] = (uint8_t)(order[place[k]] << 4 | order[place[k + 1]]);
        }
    }
    return -1;
}

// ------------------------------------------------------------------------------------------------ nested

static uint8_t place_of(float x)
{
    const int step = (int)((x + 1) * 32767.5F + 0.5F);
    const float even = (float)((double)step / 65535 * 2 - 1);
    int low = 0, high = 255; // the bounds below low are below it, those from high on are not
    while (low < high) {
        const int middle = (low + high) / 2;
        if ((code_dynamic(middle) + code_dynamic(middle + 1)) / 2 < even) low = middle + 1;
        else high = middle;
    }
    return (uint8_t)low;
}

static int64_t log2_above(int64_t n) // the least p with 2^p >= n
{
    int64_t p = 0;
    while ((int64_t)1 << p < n) p++;
    return p;
}

// aten/native/cpu/SumKernel.cpp: 32 sums side by side, which rise through four levels as a counter's digits do; then four of
// them become one, eight times; what is over is added up by itself, and those eight to it.
static float sum_as_torch(const float *x, int64_t n)
{
    enum { LEVELS = 4, WIDE = 32, LANES = 8 };
    float sum[LEVELS][WIDE] = {{0}}, all = 0;
    const int64_t size = n / WIDE, power = log2_above(size) / LEVELS > 4 ? log2_above(size) / LEVELS : 4,
                  step = 1 << power;
    for (int64_t i = 0; i < size;) {
        const int64_t end = i + step <= size ? i + step : size;
        const bool whole = end - i == step;
        for (; i < end; i++)
            for (int k = 0; k < WIDE; k++) sum[0][k] += x[i * WIDE + k];
        for (int j = 1; j < LEVELS && whole; j++) {
            for (int k = 0; k < WIDE; k++) sum[j][k] += sum[j - 1][k], sum[j - 1][k] = 0;
            if (i & (step - 1) << j * power) break;
        }
    }
    for (int j = 1; j < LEVELS; j++)
        for (int k = 0; k < WIDE; k++) sum[0][k] += sum[j][k];
    for (int64_t i = size * WIDE; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) sum[0][k] += x[i + k];
    for (int k = LANES; k < WIDE; k++) sum[0][k % LANES] += sum[0][k];
    for (int64_t i = n / LANES * LANES; i < n; i++) all += x[i];
    for (int k = 0; k < LANES; k++) all += sum[0][k];
    return all;
}

void code_nested(uint8_t *q, float *nested, float *offset, const float *most, int64_t n)
{
    *offset = sum_as_torch(most, n) / (float)n;
    for (int64_t at = 0, m; at < n; at += m, nested++) {
        m = n - at < NESTED ? n - at : NESTED;
        float top = 0;
        for (int64_t i = at; i < at + m; i++)
            top = size_of(most[i] - *offset) > top ? size_of(most[i] - *offset) : top;
        for (int64_t i = at; i < at + m; i++) q[i] = top > 0 ? place_of((most[i] - *offset) / top) : 0;
        *nested = top;
    }
}
