"""Learned exit classifiers (CALM): at each depth, from the state alone, whether the prediction there would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters._common.checks import read_early_depths
from adapters._common.files import digest_of, has_digest, read_json, read_plain, write_whole
from adapters._common.publish import public
from adapters.calibration.exits import reporting
from adapters.calibration.fingerprint import fingerprint
from adapters.calibration.table import trajectories_of
from adapters.errors import PolicyMismatchError
from adapters.families import Family, family_of
from adapters.heads.full import top_tokens
from adapters.heads.logistic import Logistic
from adapters.texts.continuations import full_model_continuations
from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["StateClassifiers", "fit_classifiers"]

_FORMAT, _VERSION = "earlywarning classifiers", 1
_ALLOWED = "a file that StateClassifiers.save wrote"
_PARTS = ("base", "width", "tokens", "right", "classifiers")


@public("adapters.calibration.classifiers")
@dataclass(frozen=True, slots=True)
class StateClassifiers:
    """Logistic regressions on the residual stream, one for each of some depths, of one model.

    Attributes
    ----------
    base : str
        Fingerprint of the model.
    width : int
        Size of its residual stream.
    tokens : int
        How many they were fitted to.
    right : mapping of int to float
        Depth → share of these whose prediction there was the full model's token.
    classifiers : mapping of int to Logistic
        Depth → log-odds of that, from the state.
    """

    base: str
    width: int
    tokens: int
    right: Mapping[int, float]
    classifiers: Mapping[int, Logistic]

    def save(self, path: str | Path) -> None:
        """Write one JSON file, whole or not at all.

        Parameters
        ----------
        path : path
            The file.
        """
        content = {
            "base": self.base,
            "width": self.width,
            "tokens": self.tokens,
            "right": {str(depth): share for depth, share in self.right.items()},
            "classifiers": {
                str(depth): {"weight": each.weight.tolist(), "bias": each.bias}
                for depth, each in self.classifiers.items()
            },
        }
        words = {"format": _FORMAT, "version": _VERSION, "sha256": digest_of(content), **content}
        write_whole(Path(path), (json.dumps(words, allow_nan=False) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path, model: Any) -> StateClassifiers:
        """Read what :meth:`save` wrote, and see that it is for a model.

        Parameters
        ----------
        path : path
            The file.
        model : transformers.PreTrainedModel
            The model.

        Returns
        -------
        StateClassifiers
            As before.

        Raises
        ------
        adapters.errors.PolicyMismatchError
            If the file is missing, was changed or holds something else, or the model is another.
        """
        family = family_of(model)
        most = (1 << 20) + 32 * family.depth * (family.width + 8)  # a number takes up to 25 bytes
        words = read_json(read_plain(Path(path), "path", most=most, allowed=_ALLOWED), "path", allowed=_ALLOWED)
        if not isinstance(words, dict) or set(words) != {"format", "version", "sha256", *_PARTS}:
            raise PolicyMismatchError("path", described("JSON of something else"), _ALLOWED)
        if (words["format"], words["version"]) != (_FORMAT, _VERSION):
            raise PolicyMismatchError("version", words["version"], f"{_FORMAT!r}, {_VERSION}")
        content = {name: words[name] for name in _PARTS}
        if not has_digest(content, words["sha256"]):
            raise PolicyMismatchError("path", described("classifiers that were changed"), _ALLOWED)
        found = _read(content, family)
        if fingerprint(model) != found.base:
            given = described(f"a {model.config.model_type} model with other weights")
            raise PolicyMismatchError("model", given, "the model that the classifiers were fitted to")
        return found


def fit_classifiers(
    model: Any,
    tokenizer: Any,
    texts: Sequence[Any],
    *,
    depths: Sequence[int] | None = None,
    max_new_tokens: int = 64,
    progress: bool = True,
) -> StateClassifiers:
    """Fit to states that the full model has while it writes; see :meth:`adapters.ClassifierPolicy.fit`.

    Parameters
    ----------
    model, tokenizer, texts, depths, max_new_tokens, progress
        See :meth:`adapters.ClassifierPolicy.fit`.

    Returns
    -------
    StateClassifiers
        What was fitted.
    """
    family = family_of(model)
    if isinstance(texts, str):
        raise InputTypeError("texts", texts, "a list of texts")
    among = read_early_depths("depths", depths, family.depth)
    if not among:
        raise ArgumentError("depths", depths, f"one or more from 1 to {family.depth - 1}")
    states: dict[int, list[Any]] = {depth: [] for depth in among}
    events: dict[int, list[Any]] = {depth: [] for depth in among}
    with reporting(progress, 2 * len(texts)) as advance:
        written = full_model_continuations(
            model, texts, tokenizer=tokenizer, max_new_tokens=max_new_tokens, progress=advance
        )
        for text, trajectory in trajectories_of(family, written, indices=range(len(written))):
            full = top_tokens(family, trajectory[-1])
            for depth in among:
                states[depth].append(trajectory[depth].float().cpu().numpy())
                events[depth].append((top_tokens(family, trajectory[depth]) == full).cpu().numpy())
            advance(len(np.unique(text)))
    fitted = {depth: Logistic.fit(np.concatenate(states[depth]), np.concatenate(events[depth])) for depth in among}
    right = {depth: float(np.concatenate(events[depth]).mean()) for depth in among}
    tokens = sum(len(part) for part in events[among[0]])
    return StateClassifiers(fingerprint(model), family.width, tokens, right, fitted)


def _read(content: Mapping[str, Any], family: Family) -> StateClassifiers:
    """Every field looked at, before anything is made of it."""
    base, width, tokens = content["base"], content["width"], content["tokens"]
    if not isinstance(base, str) or not re.fullmatch(r"[0-9a-f]{64}", base):
        raise PolicyMismatchError("base", base, "the fingerprint of a model")
    if type(width) is not int or width != family.width:
        raise PolicyMismatchError("width", width, f"{family.width}, that of the model")
    if type(tokens) is not int or tokens < 1:
        raise PolicyMismatchError("tokens", tokens, "a whole number of 1 or more")
    right, given = content["right"], content["classifiers"]
    if not isinstance(right, dict) or not isinstance(given, dict) or set(right) != set(given) or not given:
        raise PolicyMismatchError("classifiers", described("depths that do not match those of 'right'"), _ALLOWED)
    found: dict[int, Logistic] = {}
    for name, each in given.items():
        if not re.fullmatch(r"[1-9][0-9]{0,5}", name) or int(name) >= family.depth:
            raise PolicyMismatchError("classifiers", name, f"depths from 1 to {family.depth - 1}")
        if not _is_number(right[name], 0.0, 1.0):
            raise PolicyMismatchError(f"right.{name}", right[name], "a number from 0 to 1")
        weight = each.get("weight") if isinstance(each, dict) and set(each) == {"weight", "bias"} else None
        if not isinstance(weight, list) or len(weight) != width or not all(_is_number(one) for one in weight):
            raise PolicyMismatchError(f"classifiers.{name}", described("no such weights"), f"{width} finite numbers")
        if not _is_number(each["bias"]):
            raise PolicyMismatchError(f"classifiers.{name}.bias", each["bias"], "a finite number")
        found[int(name)] = Logistic(np.array(weight, dtype=np.float64), float(each["bias"]))
    shares = {int(name): float(share) for name, share in right.items()}
    return StateClassifiers(base, width, tokens, shares, found)


def _is_number(value: Any, low: float = -1e30, high: float = 1e30) -> bool:
    return type(value) in (int, float) and low <= value <= high  # NaN compares false
