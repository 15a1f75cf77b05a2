"""The whole run on a GPU, in one call: ``python -m benchmarks.llm.gpu [--device cuda] [--layers 16]``.

Prints a short table and JSON with the device's name. Weights are random, of the shape of Llama-3.2-1B, in bfloat16, as
times do not depend on them. Plain and policies alternate. Beside the times it counts how often the host waited for the
device, for each token.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from adapters.decoding.contract import Policy
from adapters.policies.confidence import ConfidencePolicy
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.never import NeverExitPolicy
from benchmarks.llm.speed import SkipFeedsPolicy, random_model, timed

_WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "aten::_local_scalar_dense")


def waits(model: Any, policy: Policy | None, prompt: torch.Tensor, tokens: int) -> float:
    """How often the host waited, for each token."""
    activities = [ProfilerActivity.CPU]
    if prompt.is_cuda:
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        timed(model, policy, prompt, tokens)
    return sum(event.count for event in seen.key_averages() if event.key in _WAITS) / tokens


def main() -> None:
    """Run, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--vocabulary", type=int, default=128256)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    chosen = parser.parse_args()
    model = random_model(
        "llama",
        dtype=torch.bfloat16,
        hidden_size=chosen.width,
        intermediate_size=4 * chosen.width,
        num_hidden_layers=chosen.layers,
        num_attention_heads=chosen.width // 64,
        num_key_value_heads=max(1, chosen.width // 256),
        vocab_size=chosen.vocabulary,
        tie_word_embeddings=True,
    ).to(chosen.device)
    prompt = torch.arange(5, 69, device=chosen.device)[None]
    half = chosen.layers // 2
    policies: dict[str, Policy | None] = {
        "plain generate": None,
        "never": NeverExitPolicy(),
        f"fixed exit after {half}": FixedExitPolicy(depth=half),
        f"{len(range(1, chosen.layers, 2))} feed-forward blocks left out": SkipFeedsPolicy(
            frozenset(range(1, chosen.layers, 2))
        ),
        "EWS, training-free, never confirmed": EWSExitPolicy(threshold=1.0, warmup=0),
        "confidence at every layer, never sure": ConfidencePolicy(threshold=1.0),
    }
    for policy in policies.values():
        timed(model, policy, prompt, 8)
    spent: dict[str, list[float]] = {name: [] for name in policies}
    for _ in range(chosen.repeats):
        for name, policy in policies.items():
            if prompt.is_cuda:
                torch.cuda.synchronize()
            spent[name].append(timed(model, policy, prompt, chosen.tokens))
    device = torch.cuda.get_device_name() if prompt.is_cuda else chosen.device
    plain = statistics.median(spent["plain generate"])
    rows = []
    for name, policy in policies.items():
        rows.append(
            {
                "setting": name,
                "milliseconds a token": 1e3 * statistics.median(spent[name]) / chosen.tokens,
                "time, of plain generate": statistics.median(spent[name]) / plain,
                "waits a token": waits(model, policy, prompt, 16),
            }
        )
        print(f"{name:45s}" + "".join(f"{value:12.3f}" for value in list(rows[-1].values())[1:]), flush=True)
    chosen.output.write_text(json.dumps({"device": device, "layers": chosen.layers, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
