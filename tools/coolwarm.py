#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints attr/reports/coolwarm.h: 200 steps of the diverging colour map blue - grey - red ("coolwarm"), and for each whether
white text on it has more contrast (WCAG 2.1) than black.

K. Moreland, Diverging Color Maps for Scientific Visualization, ISVC 2009: go from one end colour to the other through
white in Msh, the polar form of CIELAB (M: distance from black, s: saturation angle, h: hue), where equal steps look
equal; towards the unsaturated middle the hue turns a little so that M can stay constant.

    python3 tools/coolwarm.py > attr/reports/coolwarm.h
"""
import math

STEPS, POINTS, BLUE, RED = 200, 33, (59, 76, 192), (180, 4, 38)
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
TO_RGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
WHITE = (0.9505, 1.0, 1.089)


def times(matrix, v):
    return [sum(a * b for a, b in zip(row, v)) for row in matrix]


def msh_of(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (c / 255 for c in rgb)]
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116
               for v in (c / w for c, w in zip(times(TO_XYZ, linear), WHITE)))
    L, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    M = math.sqrt(L * L + a * a + b * b)
    return M, math.acos(L / M), math.atan2(b, a)


def rgb_of(M, s, h):
    L, a, b = M * math.cos(s), M * math.sin(s) * math.cos(h), M * math.sin(s) * math.sin(h)
    y = (L + 16) / 116
    xyz = [w * (v ** 3 if v ** 3 > 0.008856 else (v - 16 / 116) / 7.787) for v, w in zip((y + a / 500, y, y - b / 200), WHITE)]
    return [255 * (12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055)
            for c in (min(max(c, 0), 1) for c in times(TO_RGB, xyz))]


def turned_hue(end, M):
    """The hue of an unsaturated colour of distance M next to a saturated one (section 5 of the paper)."""
    if end[0] >= M:
        return end[2]
    spin = end[1] * math.sqrt(M * M - end[0] ** 2) / (end[0] * math.sin(end[1]))
    return end[2] + spin if end[2] > -math.pi / 3 else end[2] - spin


def color(t):
    blue, red = msh_of(BLUE), msh_of(RED)
    M = max(blue[0], red[0], 88)
    end = blue if t < 0.5 else red
    k = 2 * t if t < 0.5 else 2 - 2 * t           # 0 at the end, 1 in the middle
    middle = (M, 0, turned_hue(end, M))
    return rgb_of(*(a * (1 - k) + b * k for a, b in zip(end, middle)))


def wants_white(rgb):
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (c / 255 for c in rgb))
    luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return int(1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05)


points = [color(i / (POINTS - 1)) for i in range(POINTS)]
print("// SPDX-License-Identifier: Apache-2.0\n// coolwarm.h — made by tools/coolwarm.py: Moreland's blue - grey - red, %d steps: red, green, blue,\n// and 1 where"
      " white text has more contrast than black.\n#pragma once" % STEPS)
print("#include <stdint.h>\n\nstatic const uint8_t coolwarm[%d][4] = {" % STEPS)
for i in range(0, STEPS, 4):
    row = []
    for j in range(i, i + 4):
        at = j / (STEPS - 1) * (POINTS - 1)
        k = min(int(at), POINTS - 2)
        rgb = [int(a + (b - a) * (at - k)) for a, b in zip(points[k], points[k + 1])]
        row.append("{%d, %d, %d, %d}" % (*rgb, wants_white(rgb)))
    print("    " + ", ".join(row) + ",")
print("};")
