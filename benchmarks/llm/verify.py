"""Whether drafts that the whole model checks lose nothing: ``python -m benchmarks.llm.verify [model] [prompts]``.

Writes ``docs/generated/llm_verify.csv``: tokens against plain greedy decoding, prompt by prompt, in float32. A
difference is excused only where the two largest logits of the plain run lie within the rounding of float32 there, and
each is listed. Sampling is held against plain sampling with other seeds, by a χ² test of the tokens at each place.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import chi2_contingency

from adapters.decoding.contract import Policy
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.random import RandomExitPolicy
from benchmarks.llm.models import load
from benchmarks.llm.prompts import prompts, tokenised
from benchmarks.llm.record import story_beginnings

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
NEW = 128
# How far logits of one state differ between a pass over one token and over several, in float32 (measured, times two).
ROUNDING = 1e-4
SAMPLES, PLACES = 300, 5


def main() -> int:
    """Write the table; 1 where a difference is not excused."""
    name = sys.argv[1] if len(sys.argv) > 1 else "stories15m"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    model, tokenizer = load(name)
    layers = model.config.num_hidden_layers
    texts = story_beginnings(count) if tokenizer is None else tokenised(prompts(count + count // 5), tokenizer)[:count]
    started = time.perf_counter()
    plain = [model.generate(torch.tensor([text]), **_options()) for text in texts]
    print(f"plain: {time.perf_counter() - started:.0f} s", flush=True)
    rows, bad = [], 0
    policies: dict[str, Policy] = {
        f"fixed exit after {2 * layers // 3}": FixedExitPolicy(depth=2 * layers // 3, cache="verify"),
        "random exits, 60 %": RandomExitPolicy(rate=0.6, cache="verify"),
    }
    for label, policy in policies.items():
        same, excused, tokens, drafted, accepted = 0, [], 0, 0, 0
        for text, reference in zip(texts, plain, strict=True):
            found = model.generate(torch.tensor([text]), custom_generate=policy, **_options())
            report = policy.report()
            drafted, accepted = drafted + report.drafted, accepted + report.accepted
            expected = reference[0, len(text) :]
            written = found[0, len(text) :]
            tokens += len(expected)
            length = min(len(expected), len(written))
            differs = torch.nonzero(expected[:length] != written[:length])
            if not len(differs) and len(expected) == len(written):
                same += 1
                continue
            at = int(differs[0])
            two = _logits(model, reference[:, : len(text) + at]).topk(2).values
            gap = float(two[0] - two[1])
            excused.append(gap)
            if gap > ROUNDING:
                bad += 1
                print(f"NOT excused: {label}, token {at}, logits {gap:.2e} apart", flush=True)
        rows.append(
            {
                "Model": name,
                "Drafts from": label,
                "Prompts": str(len(texts)),
                "Tokens": f"{tokens:,}",
                "Same text": str(same),
                "Differ within rounding (gap of the two logits)": ", ".join(f"{gap:.1e}" for gap in excused) or "none",
                "Differ otherwise": str(sum(gap > ROUNDING for gap in excused)),
                "Drafted": f"{drafted:,}",
                "Confirmed": f"{accepted / max(drafted, 1):.0%}",
                "Sampling against plain, p": f"{sampling(model, texts[0], policy):.2f}",
            }
        )
        print("  ".join(rows[-1].values()), flush=True)
        with (FOLDER / "llm_verify.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return int(bad > 0)


def _options() -> dict[str, object]:
    return {"max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0}


def _logits(model: Any, text: torch.Tensor) -> torch.Tensor:
    """Of the token after a text, as one-token passes give them."""
    found = model.generate(
        text, **{**_options(), "max_new_tokens": 1}, output_logits=True, return_dict_in_generate=True
    )
    return found.logits[0][0]


def sampling(model: object, text: list[int], policy: Policy) -> float:
    """The smallest p-value over the places, times their number."""
    counts: list[list[Counter[int]]] = [[], []]
    for side, plugged in enumerate((None, policy)):
        torch.manual_seed(side)
        drawn = []
        for _ in range(SAMPLES):
            options = {} if plugged is None else {"custom_generate": plugged}
            ids = model.generate(  # type: ignore[attr-defined]
                torch.tensor([text]), max_new_tokens=PLACES, do_sample=True, top_k=8, pad_token_id=0, **options
            )[0, len(text) :]
            drawn.append(np.r_[ids.numpy(), np.full(PLACES - len(ids), -1)])
        counts[side] = [Counter(column.tolist()) for column in np.array(drawn).T]
    p = []
    for one, other in zip(*counts, strict=True):
        common = [token for token, _ in (one + other).most_common() if one[token] + other[token] >= 10]
        rest = [sum(each.values()) - sum(each[token] for token in common) for each in (one, other)]
        table = np.array([[one[token] for token in common] + [rest[0]], [other[token] for token in common] + [rest[1]]])
        table = table[:, table.sum(0) > 0]
        if table.shape[1] > 1:
            p.append(float(chi2_contingency(table).pvalue))
    return min(1.0, min(p) * len(p)) if p else 1.0


if __name__ == "__main__":
    sys.exit(main())
