"""What the machine and the packages are that a table was measured with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

__all__ = ["busy", "cores", "describe"]

PACKAGES = (
    "earlywarning",
    "numpy",
    "scipy",
    "numba",
    "pandas",
    "polars",
    "ewstools",
    "bottleneck",
    "numbagg",
    "screamer",
    "pymannkendall",
)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy() -> bool:
    """Whether others have kept more than half of a core busy for the last minute."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5


def describe() -> dict[str, str]:
    """Processor, cores, load, and versions of what is compared; no names of hosts, users or folders."""
    described = {
        "processor": _processor(),
        "cores": str(cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
    }
    if hasattr(os, "getloadavg"):
        described["load of the last minute, before the first run"] = f"{os.getloadavg()[0]:.1f}"
    for name in PACKAGES:
        try:
            described[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return described


def _processor() -> str:
    """Its name, as far as the system tells."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        fields = dict(line.split(":", 1) for line in listed.read_text().splitlines() if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        if "model name" in names:
            numbers = ", ".join(f"{key} {names[key]}" for key in ("cpu family", "model") if key in names)
            return f"{names['model name']} ({numbers})" if numbers else names["model name"]
    return platform.processor() or platform.machine()
