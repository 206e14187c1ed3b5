#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the polynomial coefficients in tensor/kern.c: interpolation at Chebyshev nodes, evaluated with 60 digits.

    minimax.py          prints each table with its largest relative error (needs mpmath)
"""
from mpmath import mp, mpf, cos, pi, tanh, erf, erfc, exp, log, lu_solve, matrix

mp.dps = 60


def fit(f, lo, hi, degree):
    n = degree + 1
    nodes = [(lo + hi) / 2 + (hi - lo) / 2 * cos((2 * k + 1) * pi / (2 * n)) for k in range(n)]
    a = matrix(n, n)
    b = matrix(n, 1)
    for i, x in enumerate(nodes):
        b[i] = f(x)
        for j in range(n):
            a[i, j] = x ** j
    return [c for c in lu_solve(a, b)]


def show(name, f, lo, hi, degree, whole):
    """whole(x, p): the function that the polynomial value p belongs to, relative to which its error is stated"""
    c = fit(f, mpf(lo), mpf(hi), degree)
    worst = max(abs(whole(x, sum(k * x ** j for j, k in enumerate(c))) / whole(x, f(x)) - 1)
                for x in (mpf(lo) + (mpf(hi) - mpf(lo)) * i / 2000 for i in range(1, 2001)))
    print(f"{name} on [{lo}, {hi}], relative error {float(worst):.1e}")
    print("   ", ", ".join(f"{float(k):.9e}f" for k in c))


show("tanh(x) = x + x t p(t), t = x^2", lambda t: (tanh(t ** .5) / t ** .5 - 1) / t, "1e-12", "0.41", 6,
     lambda t, p: 1 + t * p)
show("erf(x) = x + x p(t), t = x^2", lambda t: erf(t ** .5) / t ** .5 - 1, "1e-12", "1", 9, lambda t, p: 1 + p)
show("erfc(x) = exp(-x^2) p(t), t = 1/x", lambda t: exp(t ** -2) * erfc(1 / t), "0.25", "1", 9, lambda t, p: p)
