"""Run every evidence script, or those named: ``python -m benchmarks.evidence power verdicts``."""

from __future__ import annotations

import importlib
import sys
import time

ALL = (
    "false_alarms",
    "false_alarms_slow",
    "false_alarms_detectors",
    "false_alarms_outside",
    "power",
    "score_tests",
    "measurement_error",
    "kept_tables",
    "control_power",
    "sampling",
    "flickering",
    "oscillating",
    "intervals",
    "verdicts",
    "spatial",
    "maps",
    "composite",
    "monitor",
    "monitor_run_lengths",
    "multivariate",
    "stock",
    "flip_rule",
    "transforms",
    "flip_scores",
    "chick_heart",
    "peers",
    "classifier_inputs",
    "verdict_power",
    "readme_figure",
)

for name in sys.argv[1:] or ALL:
    started = time.perf_counter()
    importlib.import_module(f"benchmarks.evidence.{name}").main()
    print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
