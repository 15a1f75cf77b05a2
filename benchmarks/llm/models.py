"""Real pretrained models in local folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["load", "model_folder"]


def model_folder(name: str) -> Path:
    """The folder of a model: below EARLYWARNING_MODELS, else below ~/.cache/earlywarning/models.

    Raises
    ------
    FileNotFoundError
        If it is not there; the message says how to get it.
    """
    base = Path(os.environ.get("EARLYWARNING_MODELS") or Path.home() / ".cache" / "earlywarning" / "models")
    folder = base / name
    if not (folder / "config.json").exists():
        raise FileNotFoundError(
            f"no model {name} in {base}: put a from_pretrained folder there, or set EARLYWARNING_MODELS"
        )
    return folder


def load(name: str, *, dtype: str = "float32") -> tuple[Any, Any]:
    """A model for inference, and its tokenizer (None where the folder has none)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = model_folder(name)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    has_tokenizer = any((folder / file).exists() for file in ("tokenizer.json", "tokenizer.model"))
    return model, AutoTokenizer.from_pretrained(folder) if has_tokenizer else None
