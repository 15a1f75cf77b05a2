"""A classifier as two files, and back: JSON for what was chosen, safetensors for what was fitted."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from adapters._common.files import digest_of, has_digest, read_json, read_plain, write_whole
from adapters.calibration.fingerprint import fingerprint
from adapters.calibration.risk import RiskControl, RiskControlConfig
from adapters.encoders.heads import HEADS, ExitHeads, heads_named
from adapters.encoders.registry import encoder_policy_named, name_of
from adapters.encoders.systems import SYSTEMS
from adapters.encoders.uncertainty import ConformalSets
from adapters.errors import PolicyMismatchError
from ews.errors import ArgumentError, EWSError, described

if TYPE_CHECKING:
    from adapters.encoders.classifier import EarlyExitClassifier

__all__ = ["load_classifier", "save_classifier"]

_FORMAT, _VERSION = "earlywarning encoder classifier", 1
_WORDS, _TENSORS = "classifier.json", "classifier.safetensors"
_WORDS_BYTES = 4 << 20
_SAVED = "a folder that EarlyExitClassifier.save wrote"
_MOST_CLASSES, _MOST_HIDDEN = 1 << 16, 1 << 14


def save_classifier(made: EarlyExitClassifier, folder: Path) -> None:
    """Write ``classifier.json`` and ``classifier.safetensors``, each whole or not at all.

    Raises
    ------
    ews.errors.ArgumentError
        If the rule cannot be made by name from plain options, or the folder is a file.
    """
    heads = made._fitted()
    options = made.policy.options()
    try:
        digest_of(options)
    except (TypeError, ValueError):
        raise ArgumentError(
            "policy", made.policy, "a rule whose options are plain (a seed, and no generator)"
        ) from None
    content = {
        "model": fingerprint(made.model),
        "system": made.system,
        "frozen": made.frozen,
        "max_length": made.max_length,
        "batch_size": made.batch_size,
        "seed": made.seed,
        "training": made.training,
        "classes": made.classes_,
        "heads": {"kind": heads.kind, "shape": heads.shape()},
        "policy": {"name": name_of(made.policy), "options": options},
        "calibration": None if made.calibration_ is None else made.calibration_.to_dict(),
        "sets": None if made.sets_ is None else made.sets_.to_dict(),
    }
    tensors = {f"heads.{name}": each for name, each in heads.state_dict().items()}
    tensors |= {f"policy.{name}": torch.from_numpy(each) for name, each in made.policy.fitted().items()}
    if made._tuned is not None:
        tensors |= {f"model.{name}": each for name, each in made._tuned.named_parameters()}
    data = tensor_bytes({name: each.detach().cpu().contiguous().clone() for name, each in tensors.items()})
    words = {
        "format": _FORMAT,
        "version": _VERSION,
        "sha256": {"content": digest_of(content), _TENSORS: hashlib.sha256(data).hexdigest()},
        "content": content,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ArgumentError("folder", str(folder), "a folder, or a path where there is nothing") from None
    write_whole(folder / _TENSORS, data)
    write_whole(folder / _WORDS, (json.dumps(words, indent=1, allow_nan=False) + "\n").encode())


def load_classifier(
    kind: type[EarlyExitClassifier], folder: Path, model: Any, tokenizer: Callable[..., Any] | None
) -> EarlyExitClassifier:
    """Read what :func:`save_classifier` wrote, and see that nothing was changed and that it is for this model.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If a file is missing, cut short or changed, is of another version, or was made with another model.
    """
    words = read_json(read_plain(folder / _WORDS, "folder", most=_WORDS_BYTES, allowed=_SAVED), _WORDS, allowed=_SAVED)
    try:
        digests, content = _content(words)
        if content["model"] != fingerprint(model):
            _refuse("model", "one with another architecture or other weights", "the model that it was made with")
        made = kind(
            model,
            tokenizer,
            system=content["system"],
            policy=encoder_policy_named(content["policy"]["name"], **content["policy"]["options"]),
            frozen=content["frozen"],
            max_length=content["max_length"],
            batch_size=content["batch_size"],
            seed=content["seed"],
            training=content["training"],
        )
        made.classes_ = list(content["classes"])
        heads = _heads(content, made)
        most = 8 * sum(each.numel() for each in (*heads.parameters(), *model.parameters())) + _WORDS_BYTES
        data = read_plain(folder / _TENSORS, "folder", most=most, allowed=_SAVED)
        if hashlib.sha256(data).hexdigest() != digests[_TENSORS]:
            _refuse(_TENSORS, "a file that was cut short or changed", f"the file that was saved beside {_WORDS}")
        tensors = read_tensors(data)
        made.heads_ = heads
        _fill(made, tensors)
        made.calibration_ = _calibration(content["calibration"])
        made.sets_ = _sets(content["sets"])
    except PolicyMismatchError:
        raise
    except (EWSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as failed:
        _refuse(_WORDS, f"what cannot be read ({type(failed).__name__}: {failed})", _SAVED)
    return made


def _content(words: Any) -> tuple[dict[str, str], dict[str, Any]]:
    if not isinstance(words, dict) or words.get("format") != _FORMAT:
        _refuse(_WORDS, "JSON of something else", f"an object with the format {_FORMAT!r}")
    if words.get("version") != _VERSION or isinstance(words["version"], bool):
        _refuse("version", f"{words.get('version')!r}", f"{_VERSION}, which this version of the library reads")
    digests, content = words["sha256"], words["content"]
    if not has_digest(content, digests["content"]):
        _refuse(_WORDS, "content that was changed", "the file as it was saved")
    return digests, content


def _heads(content: Mapping[str, Any], made: EarlyExitClassifier) -> ExitHeads:
    """Heads of the saved shape, once it is known to fit the model, so that nobody's file makes others of any size."""
    backbone, shape = made._backbone(), dict(content["heads"]["shape"])
    named = content["heads"]["kind"]
    sizes = [each for name, each in shape.items() if name != "final"]
    if (
        named not in HEADS
        or named != SYSTEMS[made.system].heads
        or any(not isinstance(each, int) or isinstance(each, bool) or each < 1 for each in sizes)
        or shape["width"] != backbone.width
        or shape["exits"] not in (backbone.depth, backbone.depth - 1)
        or shape["classes"] != len(made.classes_)
        or not 2 <= len(made.classes_) <= _MOST_CLASSES
        or shape.get("hidden", 1) > _MOST_HIDDEN
    ):
        _refuse("heads", "heads that do not fit the model", f"{backbone.depth} heads of width {backbone.width}")
    return heads_named(named, **shape).to(backbone.device).requires_grad_(False)


def _fill(made: EarlyExitClassifier, tensors: Mapping[str, Tensor]) -> None:
    """Put weights where they belong, each of the shape and name that is expected, and finite."""
    parts: dict[str, dict[str, Tensor]] = {"heads": {}, "policy": {}, "model": {}}
    for name, each in tensors.items():
        part, _, inner = name.partition(".")
        if part not in parts or (each.is_floating_point() and not bool(torch.isfinite(each).all())):
            _refuse(_TENSORS, f"{name!r}", "finite weights of heads, rule and model")
        parts[part][inner] = each
    made._fitted().load_state_dict(parts["heads"])
    made.policy.load_fitted({name: np.asarray(each.numpy()) for name, each in parts["policy"].items()})
    if made.frozen != (not parts["model"]):
        _refuse(_TENSORS, "weights of a trained encoder where there are none, or the other way round", _SAVED)
    if parts["model"]:
        tuned = copy.deepcopy(made.model)
        named = dict(tuned.named_parameters())
        if set(named) != set(parts["model"]):
            _refuse(_TENSORS, "weights of another model", "those of the model that it was made with")
        with torch.no_grad():
            for name, each in parts["model"].items():
                if each.shape != named[name].shape:
                    _refuse(_TENSORS, f"{name!r} of shape {tuple(each.shape)}", f"shape {tuple(named[name].shape)}")
                named[name].copy_(each)
        made._tuned = tuned.eval()


def _calibration(content: Any) -> RiskControl | None:
    if content is None:
        return None
    given = {each.name: content[each.name] for each in fields(RiskControl)}
    config = RiskControlConfig(**given.pop("config"))
    return RiskControl(**{**given, "risks": tuple(given["risks"]), "p_values": tuple(given["p_values"])}, config=config)


def _sets(content: Any) -> ConformalSets | None:
    if content is None:
        return None

    def number(value: Any) -> float:
        return math.inf if value is None else float(value)

    exits = {int(depth): number(value) for depth, value in content["of_exits"].items()}
    return ConformalSets(float(content["alpha"]), number(content["everywhere"]), exits, int(content["n"]))


def _refuse(argument: str, given: str, allowed: str) -> NoReturn:
    raise PolicyMismatchError(argument, described(given), allowed)
