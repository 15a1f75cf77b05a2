"""What the engine itself costs, and how much of a theoretical gain arrives: ``python -m benchmarks.llm.speed``.

Writes ``docs/generated/llm_overhead.csv`` (a policy that never leaves against plain ``generate``, on every family) and
``llm_realised.csv`` (a fixed exit, and feed-forward blocks left out, against what the bytes of the weights that are not
read would save). Plain and policy alternate; times are medians of their ratios.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from adapters.decoding.contract import Plan, Policy
from adapters.families import Family, family_of
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.never import NeverExitPolicy
from benchmarks import machine
from benchmarks.llm.models import load

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
TOKENS = 32

# Middle-sized models with random weights: large enough that a token takes milliseconds, as many as there are families.
_SIZES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "intermediate_size": 1536},
    "qwen2": {"num_key_value_heads": 2, "intermediate_size": 1536},
    "qwen3": {"num_key_value_heads": 2, "intermediate_size": 1536, "head_dim": 64},
    "gemma3_text": {"num_key_value_heads": 2, "intermediate_size": 1536, "head_dim": 64, "sliding_window": 64},
    "mistral": {"num_key_value_heads": 2, "intermediate_size": 1536, "sliding_window": 64},
    "phi3": {"num_key_value_heads": 2, "intermediate_size": 1536},
    "opt": {"ffn_dim": 2048, "word_embed_proj_dim": 512, "max_position_embeddings": 512},
    "gpt2": {"n_positions": 512},
    "gpt_neox": {"intermediate_size": 2048, "max_position_embeddings": 512},
}
_SHAPE = {"hidden_size": 512, "num_hidden_layers": 10, "num_attention_heads": 8, "vocab_size": 8192}


class SkipFeedsPolicy(Policy):
    """Leave out the feed-forward blocks of fixed layers."""

    def __init__(self, layers: frozenset[int]) -> None:
        super().__init__(unit="ffn", cache="exact")
        self._plan = Plan(ffn_checks=layers)

    def plan(self, step: int) -> Plan:  # noqa: ARG002
        """The same for every token."""
        return self._plan

    def run_ffn(self, index: int, post_attention: torch.Tensor) -> bool:  # noqa: ARG002
        """None of those that are asked about."""
        return False


def random_model(kind: str, *, dtype: torch.dtype = torch.float32, **shape: Any) -> Any:
    """A model of a family with random weights."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, **{**_SHAPE, **_SIZES.get(kind, {}), **shape}, pad_token_id=0, eos_token_id=None
    )
    return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def timed(model: Any, policy: Policy | None, prompt: torch.Tensor, tokens: int) -> float:
    """Seconds for `tokens` after a prompt, prompt included."""
    options = {} if policy is None else {"custom_generate": policy}
    started = time.perf_counter()
    model.generate(prompt, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens, pad_token_id=0, **options)
    return time.perf_counter() - started


def ratios(model: Any, policies: dict[str, Policy], *, tokens: int, repeats: int) -> dict[str, list[float]]:
    """Time of each policy by that of plain ``generate`` in the same turn."""
    prompt = torch.arange(5, 21)[None]
    for policy in (None, *policies.values()):
        timed(model, policy, prompt, 4)
    found: dict[str, list[float]] = {name: [] for name in policies}
    for turn in range(repeats):
        order: list[str | None] = [None, *policies]
        order = order[turn % len(order) :] + order[: turn % len(order)]
        spent = {name: timed(model, None if name is None else policies[name], prompt, tokens) for name in order}
        for name in policies:
            found[name].append(spent[name] / spent[None])
    return found


def overhead() -> list[dict[str, str]]:
    """Never leaving against plain generate."""
    cases: list[tuple[str, Callable[[], Any]]] = [
        (f"{kind} (random, 10 × 512)", lambda kind=kind: random_model(kind)) for kind in _SIZES
    ]
    cases += [
        (f"SmolLM2-135M, {dtype}", lambda dtype=dtype: load("smollm2-135m", dtype=dtype)[0])
        for dtype in ("float32", "bfloat16")
    ]
    rows = []
    for label, make in cases:
        model = make()
        real = label.startswith("SmolLM2")
        found = ratios(model, {"never": NeverExitPolicy()}, tokens=TOKENS, repeats=9 if real else 15)["never"]
        row = {
            "Model": label,
            "Time of never leaving, of plain generate": f"{statistics.median(found):.3f}",
            "Range": f"{min(found):.3f}–{max(found):.3f}",
            "Deciding, share of the engine's time": "",
            "Looks": "",
        }
        if real:
            policy = EWSExitPolicy(warmup=0, threshold=1.0)  # asks its gates at every depth, and never leaves
            for _ in range(5):
                timed(model, policy, torch.arange(5, 21)[None], TOKENS)
            report = policy.report()
            row["Deciding, share of the engine's time"] = f"{report.deciding_share:.3f}"
            row["Looks"] = f"{report.prediction_share:.3f}"
        rows.append(row)
        print("  ".join(row.values()), flush=True)
        del model
    return rows


def shares(family: Family) -> tuple[float, float]:
    """Bytes of one layer, and of one feed-forward block, as shares of those read for a token."""
    layer = sum(each.numel() for each in family.layers[family.depth // 2].parameters())
    attention = sum(each.numel() for each in family.layers[family.depth // 2].self_attn.parameters())
    head = family.head.weight.numel()
    whole = layer * family.depth + head
    return layer / whole, (layer - attention) / whole


def realised() -> list[dict[str, str]]:
    """Gains that arrive, by those that the bytes promise."""
    one_billion = {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    }
    cases: list[tuple[str, Callable[[], Any], int, int]] = [
        ("SmolLM2-135M, float32", lambda: load("smollm2-135m")[0], TOKENS, 7),
        ("SmolLM2-135M, bfloat16", lambda: load("smollm2-135m", dtype="bfloat16")[0], TOKENS, 7),
        (
            "random weights, shape of Llama-3.2-1B, bfloat16",
            lambda: random_model("llama", dtype=torch.bfloat16, **one_billion),
            8,
            5,
        ),
    ]
    rows = []
    for label, make, tokens, repeats in cases:
        model = make()
        family = family_of(model)
        half = family.depth // 2
        layer, feed = shares(family)
        policies = {
            f"exit after {half} of {family.depth} layers": (FixedExitPolicy(depth=half), (family.depth - half) * layer),
            f"{half} of {family.depth} feed-forward blocks left out": (
                SkipFeedsPolicy(frozenset(range(1, family.depth, 2))),
                len(range(1, family.depth, 2)) * feed,
            ),
        }
        found = ratios(model, {name: policy for name, (policy, _) in policies.items()}, tokens=tokens, repeats=repeats)
        for name, (_, gain) in policies.items():
            median = statistics.median(found[name])
            rows.append(
                {
                    "Model": label,
                    "Left out": name,
                    "Gain that the bytes promise": f"{gain:.3f}",
                    "Gain measured": f"{1 - median:.3f}",
                    "Share realised": f"{(1 - median) / gain:.2f}",
                    "Goal": "≥ 0.80",
                }
            )
            print("  ".join(rows[-1].values()), flush=True)
        del model
    return rows


def main() -> None:
    """Write both tables."""
    print(machine.describe()["processor"], "busy" if machine.busy() else "")
    chosen = sys.argv[1:] or ["overhead", "realised"]
    for name, measure in (("overhead", overhead), ("realised", realised)):
        if name in chosen:
            rows = measure()
            with (FOLDER / f"llm_{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()
