// SPDX-License-Identifier: Apache-2.0
// curves.c — the deletion and insertion curves of a sequence as two drawings for its page: means over the steps, a solid
// line by the scores and a dashed one in a random order. SVG inside HTML; colours are the page's.
#include "report.h"

#include <math.h>

enum {
    WIDE = 300,
    HIGH = 150,
    LEFT = 52,
    TOP = 10,
    BELOW = 24
}; // of the plot, and what surrounds it: pixels

static double mean(const Scores *x, int64_t row)
{
    double sum = 0;
    for (int64_t c = 0; c < x->dim[1]; c++) sum += (double)x->v[row * x->dim[1] + c];
    return sum / (double)x->dim[1];
}

typedef struct Axis {
    double low, high;
} Axis;

static void widen(Axis *y, const Scores *x)
{
    for (int64_t q = 0; x->v && q < x->dim[0]; q++) {
        double v = mean(x, q);
        if (v < y->low) y->low = v;
        if (v > y->high) y->high = v;
    }
}

static void put_line(Buf *b, const Scores *x, const char *class, Axis y)
{
    if (!x->v) return;
    buf_printf(b, "<polyline class=\"%s\" points=\"", class);
    for (int64_t q = 0; q < x->dim[0]; q++)
        buf_printf(b, "%s%d,%.1f", q ? " " : "", LEFT + (int)(q * WIDE / (x->dim[0] - 1)),
                   (double)TOP + (double)HIGH * (y.high - mean(x, q)) / (y.high - y.low));
    buf_str(b, STR_LIT("\"/>\n"));
}

static void put_drawing(Buf *b, const char *title, const char *how, const Scores *own, const Scores *random,
                        Axis y)
{
    buf_printf(b,
               "<figure>\n<figcaption><b>%s</b> %s</figcaption>\n"
               "<svg width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"%s\">\n"
               "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
               title, how, LEFT + WIDE + 24, TOP + HIGH + BELOW, title, LEFT, TOP, WIDE, HIGH);
    for (int k = 0; k <= 2; k++) {
        buf_printf(b, "<text class=\"y\" x=\"%d\" y=\"%d\">%.3g</text>", LEFT - 6, TOP + HIGH * k / 2 + 4,
                   y.high - (y.high - y.low) * k / 2);
        buf_printf(b, "<text x=\"%d\" y=\"%d\">%d %%</text>\n", LEFT + WIDE * k / 2, TOP + HIGH + 18, 50 * k);
    }
    put_line(b, random, "random", y), put_line(b, own, "own", y);
    buf_str(b, STR_LIT("</svg>\n</figure>\n"));
}

void curves_html(const Evaluation *x, Buf *b)
{
    if (!x->own.deletion.dim[1]) return;
    Axis y = {0, 0};
    widen(&y, &x->own.deletion), widen(&y, &x->own.insertion);
    widen(&y, &x->random.deletion), widen(&y, &x->random.insertion);
    if (!isfinite(y.high - y.low)) return;
    if (y.high == y.low) y.high = 1;
    buf_str(b, STR_LIT("<div class=\"curves\">\n"));
    put_drawing(b, "Deletion:", "the most important tokens are taken away; the lower, the better",
                &x->own.deletion, &x->random.deletion, y);
    put_drawing(b, "Insertion:", "only the most important tokens are left; the higher, the better",
                &x->own.insertion, &x->random.insertion, y);
    buf_str(b,
            STR_LIT("<p class=\"soft\">Attributed function, mean over the steps, by the share of tokens."));
    if (x->random.deletion.v) buf_str(b, STR_LIT(" Dashed: tokens in random order."));
    buf_str(b, STR_LIT("</p>\n</div>\n"));
}
