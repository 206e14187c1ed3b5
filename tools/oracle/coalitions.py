# SPDX-License-Identifier: Apache-2.0
"""kernel_shap, sobol, square_grad and var_grad, from their papers' formulas in PyTorch float64, on the models of beyond.py.

    python coalitions.py        -> test/golden/beyond/coalitions-MODEL.safetensors

    kernel_shap     weighted least squares under one constraint, by its Lagrange system; the coalitions are those that the
                    program's seed draws. (All coalitions: Shapley's values, which beyond.py has and Captum agrees with.)
    sobol           Jansen's estimators of first and total order (arXiv:2111.04138), A and B by Latin hypercube
    square_grad     mean of squares of gradients at noisy inputs (arXiv:1806.10758)
    var_grad        their variance (arXiv:1810.03307), over n - 1 as torch.var

Every step is a pass of its own over the prefix alone. Random numbers are NumPy's RandomState, as in beyond.py; sobol's columns
2 i of A and 2 i + 1 of B have the seed SEED ^ 2654435761 (column + 1).
"""

import os

import beyond
import common
import numpy as np
import torch
from beyond import SEED, TEXTS, Case
from safetensors.torch import save_file

COALITIONS, MASKS = 24, 10


def players_of(c):
    return [("source", i) for i, t in enumerate(c.source) if t != c.eos] + [("target", i) for i in range(1, c.n)]


def values(c, s, players, masks):
    """The probability of word s with only these players there: masks [n, players]."""
    unk = c.embed([c.unk])[0]
    x, y = c.x.repeat(len(masks), 1, 1), c.y[:s].repeat(len(masks), 1, 1)
    for k, (side, i) in enumerate(players):
        if side == "source" or i < s:
            (x if side == "source" else y)[~masks[:, k], i] = unk
    with torch.no_grad():
        return c.value(c.forward(x, y), s)


def empty(c):
    out = c.room()
    for s in range(1, c.n + 1):
        out["target"][:s, s - 1] = 0
    return out


def drawn_coalitions(n):
    stream = np.random.RandomState(SEED)
    masks = np.zeros((COALITIONS, n), bool)
    shares = np.array([1 / (k * (n - k)) for k in range(1, n)])
    for i in range(0, COALITIONS, 2):
        at = stream.random_sample() * shares.sum()
        size = min(1 + int((np.cumsum(shares) <= at).sum()), n - 1)
        order = list(range(n))
        for k in range(size):
            j = k + int(stream.random_sample() * (n - k))
            order[k], order[j] = order[j], order[k]
        masks[i, order[:size]] = True
        masks[i + 1] = ~masks[i]
    return torch.tensor(masks)


def kernel_shap(c):
    everyone, out = players_of(c), empty(c)
    drawn = drawn_coalitions(len(everyone))
    for s in range(1, c.n + 1):
        m = sum(side == "source" or i < s for side, i in everyone)
        z = drawn[(0 < drawn[:, :m].sum(1)) & (drawn[:, :m].sum(1) < m)][:, :m]
        none, whole = values(c, s, everyone[:m], torch.tensor([[False] * m, [True] * m]))
        f = values(c, s, everyone[:m], z) - none
        z = z.double()
        lagrange = torch.ones(m + 1, m + 1)
        lagrange[:m, :m], lagrange[m, m] = z.T @ z / len(z), 0
        phi = torch.linalg.solve(lagrange, torch.cat([z.T @ f / len(z), (whole - none)[None]]))[:m]
        for (side, i), v in zip(everyone, phi):
            out[side][i, s - 1] = v
    return out


def hypercube(column):
    stream = np.random.RandomState(SEED ^ 2654435761 * (column + 1) % 2**32)
    order = list(range(MASKS))
    for k in range(MASKS - 1, 0, -1):
        j = int(stream.random_sample() * (k + 1))
        order[k], order[j] = order[j], order[k]
    return [(o + stream.random_sample()) / MASKS < 0.5 for o in order]


def sobol(c):
    everyone, total, first = players_of(c), empty(c), empty(c)
    A, B = (torch.tensor([hypercube(2 * i + which) for i in range(len(everyone))]).T for which in (0, 1))
    for s in range(1, c.n + 1):
        fa, fb = values(c, s, everyone, A), values(c, s, everyone, B)
        for i, (side, row) in enumerate(everyone):
            if side == "target" and row >= s:
                continue
            C = A.clone()
            C[:, i] = B[:, i]
            fc = values(c, s, everyone, C)
            total[side][row, s - 1] = ((fa - fc) ** 2).mean() / (2 * fa.var())
            first[side][row, s - 1] = (fa.var() - ((fb - fc) ** 2).mean() / 2) / fa.var()
    return total, first


def gradients(c):
    kinds = {name: c.room(c.x.shape[1]) for name in ("square_grad", "square_grad_input_x_gradient", "var_grad", "var_grad_input_x_gradient")}
    for s in range(1, c.n + 1):
        made = {"source": [], "target": []}
        for k in range(beyond.SAMPLES):
            stream = np.random.RandomState(SEED ^ 2654435761 * (k + 1) % 2**32)
            x, y = beyond.noisy(stream, c.x).requires_grad_(), beyond.noisy(stream, c.y)[:s].requires_grad_()
            for side, v, g in zip(made, (x, y), torch.autograd.grad(c.value(c.forward(x, y), s)[0], (x, y))):
                made[side].append(torch.stack([g, (g * v).detach()]))
        for side, all in made.items():
            all = torch.stack(all)  # [samples, 2, rows, D]
            for times, name in enumerate(("", "_input_x_gradient")):
                rows = all.shape[2]
                kinds["square_grad" + name][side][:rows, s - 1] = (all[:, times] ** 2).mean(0)
                kinds["var_grad" + name][side][:rows, s - 1] = all[:, times].var(0)
    return kinds


def make(name):
    c = Case(name, *TEXTS[name])
    total, first = sobol(c)
    scores = {"kernel_shap": kernel_shap(c), "sobol_total": total, "sobol_first": first, **gradients(c)}
    tensors = {f"{method}.{side}": v.float().contiguous() for method, sides in scores.items() for side, v in sides.items()}
    path = os.path.join(beyond.GOLDEN, "beyond", f"coalitions-{name}.safetensors")
    save_file(tensors, path)
    os.chmod(path, 0o644)
    common.say(name, {m: f"{max(v.nan_to_num().abs().max() for v in sides.values()):.3g}" for m, sides in scores.items()})


if __name__ == "__main__":
    common.repair()
    beyond.in_float64()
    torch.set_default_dtype(torch.float64)
    for name in TEXTS:
        make(name)
