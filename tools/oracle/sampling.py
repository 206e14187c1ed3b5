# SPDX-License-Identifier: Apache-2.0
"""What transformers' filters of sampling leave of some rows of scores: test/golden/sampling.json.

    python tools/oracle/sampling.py

Rows are float32; `left` are the ids that may still be drawn, `scores` their scores after all filters of the case, in the
order in which generate() has them.
"""
import json, os
import torch
from transformers.generation import logits_process as lp

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "test", "golden", "sampling.json")
CASES = [{"temperature": 0.7}, {"temperature": 2.5, "top_k": 7}, {"top_k": 1}, {"top_k": 500}, {"top_p": 0.9}, {"top_p": 0.2},
         {"top_p": 0.0}, {"min_p": 0.1}, {"min_p": 0.0}, {"min_p": 1.0}, {"typical_p": 0.9}, {"typical_p": 0.2}, {"typical_p": 0.001},
         {"temperature": 0.6, "top_k": 20, "top_p": 0.9}, {"temperature": 1.5, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
         {"temperature": 0.9, "top_k": 30, "top_p": 0.8, "min_p": 0.02, "typical_p": 0.7}]
CASES += [{**case, "num_beams": 2} for case in CASES if case.get("top_k", 1) < 500]  # where two are always left
g = torch.Generator().manual_seed(7)
rows = [torch.randn(90, generator=g) * s for s in (0.5, 2.0, 5.0)]
tied = torch.round(torch.randn(60, generator=g) * 2)
tied[5] = -float("inf")
rows.append(tied)
made = []
for case in CASES:
    for k, row in enumerate(rows):
        if k == 3 and ("top_p" in case or "typical_p" in case or ("min_p" in case and "num_beams" in case)):
            continue  # equal scores are sorted by luck there
        z = row[None].clone()
        least = 2 if "num_beams" in case else 1  # one end token, and another
        t = case.get("temperature", 1.0)
        if t != 1.0: z = lp.TemperatureLogitsWarper(t)(None, z)
        if "top_k" in case: z = lp.TopKLogitsWarper(case["top_k"], min_tokens_to_keep=least)(None, z)
        if "top_p" in case: z = lp.TopPLogitsWarper(case["top_p"], min_tokens_to_keep=least)(None, z)
        if "min_p" in case: z = lp.MinPLogitsWarper(case["min_p"], min_tokens_to_keep=least)(None, z)
        if "typical_p" in case: z = lp.TypicalLogitsWarper(case["typical_p"], min_tokens_to_keep=least)(None, z)
        left = [i for i in range(z.shape[1]) if z[0, i] > -float("inf")]
        made.append({"row": k, "args": {"do_sample": True, "top_k": 0, **case}, "left": left, "scores": [float(z[0, i]) for i in left]})
number = lambda x: -1e9 if x == -float("inf") else float(x)
json.dump({"rows": [[number(x) for x in r] for r in rows], "cases": made}, open(OUT, "w"))
print(len(made), os.path.getsize(OUT))
