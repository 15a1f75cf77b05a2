"""Everything that is measured of language models, in order: ``python -m benchmarks.llm``; hours on two cores.

Needs the models smollm2-135m, stories15m, qwen2.5-coder-0.5b, tinyllama-1.1b, minilm-l6 and mpnet-base, see
:mod:`benchmarks.llm.models`.
"""

from __future__ import annotations

import subprocess
import sys

STEPS = (
    ("record", "smollm2-135m", "--texts", "400"),
    ("record", "stories15m", "tinyllama-1.1b", "qwen2.5-coder-0.5b", "--texts", "240", "--new-tokens", "48"),
    ("auroc",),
    ("risk",),
    ("verify", "stories15m", "200"),
    ("collapse",),
    ("guard", "record", "stories15m", *(f"tuning-{k}" for k in range(5)), *(f"skipped-{k}" for k in (0, 1))),
    ("guard", "record", "smollm2-135m", *(f"tuning-{k}" for k in range(6)), "healthy-0", "skipped-0"),
    ("guard",),
    ("speed",),
    ("calibration",),
    ("train_claims",),
    ("pareto", "smollm2-135m"),
    (
        "pareto",
        "qwen2.5-coder-0.5b",
        "--no-feeds",
        "--texts",
        "16",
        "--prompts",
        "3",
        "--tokens",
        "24",
        "--repeats",
        "3",
    ),
    ("systems", "stories15m"),
    ("systems", "smollm2-135m", "--texts", "48"),
    ("systems", "qwen2.5-coder-0.5b", "tinyllama-1.1b", "--texts", "16"),
    ("encoders", "minilm-l6", "--train", "2000", "--tuning", "1000", "--test", "1000"),
    ("encoders", "mpnet-base", "--train", "1000", "--tuning", "600", "--test", "600"),
    (
        *("encoders", "minilm-l6", "--tuned", "--tasks", "trec", "sst2"),
        *("--train", "2000", "--tuning", "1000", "--test", "1000"),
    ),
)


def main() -> int:
    """Run each step in a process of its own; 1 where one of them fails."""
    failed = []
    for name, *options in STEPS:
        print(f"== {name} {' '.join(options)}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.llm.{name}", *options], check=False).returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "every step ran")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
