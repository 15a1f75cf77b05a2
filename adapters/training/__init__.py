"""Training of what a system needs beside a pretrained model, or in it: heads, small blocks, routers, weights.

Names load on first use, so that what reads a trained folder loads no loop.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "FitSettings": "registry",
    "History": "loop",
    "System": "registry",
    "fit_modules": "loop",
    "load_duo": "duo",
    "load_tuned": "tuning",
    "register_system": "registry",
    "systems": "registry",
    "train_duo": "duo",
    "train_jei_dnn": "jei_dnn",
    "train_layer_skip": "layer_skip",
    "train_pabee": "pabee",
    "train_palbert": "palbert",
    "train_skip_decode": "skip_decode",
}

__all__ = [
    "FitSettings",
    "History",
    "System",
    "fit_modules",
    "load_duo",
    "load_tuned",
    "register_system",
    "systems",
    "train_duo",
    "train_jei_dnn",
    "train_layer_skip",
    "train_pabee",
    "train_palbert",
    "train_skip_decode",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from adapters.training.duo import load_duo, train_duo
    from adapters.training.jei_dnn import train_jei_dnn
    from adapters.training.layer_skip import train_layer_skip
    from adapters.training.loop import History, fit_modules
    from adapters.training.pabee import train_pabee
    from adapters.training.palbert import train_palbert
    from adapters.training.registry import FitSettings, System, register_system, systems
    from adapters.training.skip_decode import train_skip_decode
    from adapters.training.tuning import load_tuned
