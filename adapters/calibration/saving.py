"""A fitted policy as two files, and back: JSON for what was chosen, safetensors for what was fitted."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from adapters.calibration.costs import Costs
from adapters.calibration.result import Calibration, CalibrationConfig, calibration_dict, require_model
from adapters.calibration.risk import Target
from adapters.calibration.rules import Rule
from adapters.decoding.contract import CACHES, UNITS
from adapters.errors import PolicyDtypeWarning, PolicyMismatchError
from adapters.families import Family, family_of
from adapters.heads.exit_classifier import FEATURES, feature_names
from ews.errors import ArgumentError, described

__all__ = ["FORMAT", "VERSION", "calibration_from_dict", "load_calibration", "save_calibration"]

FORMAT, VERSION = "earlywarning policy", 1
_WORDS, _TENSORS = "policy.json", "policy.safetensors"
_NAMES: dict[str, tuple[str, ...]] = {
    "target": get_args(Target),
    "unit": UNITS,
    "cache": CACHES,
    "features": FEATURES,
}
# What a short-listed head is made of: name → type. A lens is there or not as a whole; None: any floating type.
_HEAD: dict[str, torch.dtype | None] = {
    "candidates": torch.int64,
    "screen.basis": None,
    "screen.weight": torch.int8,
    "screen.scale": None,
}
_LENS: dict[str, torch.dtype | None] = {"lens.depths": torch.int64, "lens.weight": None, "lens.bias": None}


def save_calibration(calibration: Calibration, folder: Path) -> None:
    """Write ``policy.json`` and ``policy.safetensors``, each whole or not at all.

    Parameters
    ----------
    calibration : Calibration
        What was found.
    folder : Path
        Made where it does not exist. What was saved there before is replaced.

    Raises
    ------
    ews.errors.ArgumentError
        If a number in it is not finite, or the folder is a file.
    """
    tensors = {name: each.detach().cpu().contiguous().clone() for name, each in calibration.tensors.items()}
    odd = [name for name, each in tensors.items() if not _is_finite(each)]
    content = calibration_dict(calibration)
    try:
        digest = _digest_of(content)
    except ValueError:
        odd.append("calibration")
    if odd:
        raise ArgumentError("policy", described(f"numbers in {', '.join(odd)} that are not finite"), "finite numbers")
    data = tensor_bytes(tensors)
    words = {
        "format": FORMAT,
        "version": VERSION,
        "sha256": {"calibration": digest, _TENSORS: hashlib.sha256(data).hexdigest()},
        "calibration": content,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ArgumentError("folder", str(folder), "a folder, or a path where there is nothing") from None
    # The words last: a new file of tensors beside old words is noticed, since their digest is in the words.
    _replace(folder / _TENSORS, data)
    _replace(folder / _WORDS, (json.dumps(words, indent=1, allow_nan=False) + "\n").encode())


def load_calibration(folder: Path, model: Any) -> Calibration:
    """Read what :func:`save_calibration` wrote, and see that nothing was changed and that it is for this model.

    Parameters
    ----------
    folder : Path
        Where it is.
    model : transformers.PreTrainedModel
        The model that it is for. With weights of another type a :class:`adapters.errors.PolicyDtypeWarning` is given.

    Returns
    -------
    Calibration
        As it was saved.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If a file is missing, cut short or changed, is of another version, or was made with another model.
    """
    words = _read_words(folder)
    data = _read_bytes(folder, _TENSORS)
    found, expected = hashlib.sha256(data).hexdigest(), words["sha256"][_TENSORS]
    if found != expected:
        _refuse(
            _TENSORS,
            described(f"{len(data)} bytes with SHA-256 {found[:12]}…, cut short or changed"),
            f"the file that was saved beside {_WORDS} (SHA-256 {expected[:12]}…)",
        )
    try:
        tensors = read_tensors(data)
    except (SafetensorError, ValueError, KeyError):
        _refuse(_TENSORS, described("a file that is not safetensors"), "what EWSExitPolicy.save wrote")
    family = family_of(model)
    calibration = calibration_from_dict(words["calibration"], tensors)
    require_model(calibration, model)
    _require_fit(calibration, family)
    dtype = str(model.dtype).removeprefix("torch.")
    if dtype != calibration.config.dtype:
        warnings.warn(
            f"the policy was calibrated with weights in {calibration.config.dtype} and the model has {dtype}: tokens "
            f"may differ between the two, and the risk of {calibration.config.risk:g} was not tested with {dtype}",
            PolicyDtypeWarning,
            stacklevel=3,
        )
    return calibration


def calibration_from_dict(found: Any, tensors: Mapping[str, Tensor]) -> Calibration:
    """The inverse of :func:`adapters.calibration.result.calibration_dict`; every field is looked at.

    Parameters
    ----------
    found : dict
        What that function returned, perhaps by way of JSON.
    tensors : mapping of str to Tensor
        The tensors, which are not in it.

    Returns
    -------
    Calibration
        As before.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If a field is missing, of another type, or not finite.
    """
    config = _config(_part(found, "config", "calibration"))
    rule = _part(found, "rule", "calibration")
    if rule is not None:
        _check_rule(rule, len(feature_names(config.features)))
    control = _part(found, "control", "calibration")
    if not isinstance(control, dict):
        _refuse("control", control, "an object")
    costs = {each.name: _part(_part(found, "costs", "calibration"), each.name, "costs") for each in fields(Costs)}
    for name, value in costs.items():
        if name == "measured":
            _bool("costs.measured", value)
        else:
            _number(f"costs.{name}", value)
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            _refuse(name, described("a tensor with values that are not finite"), "finite values")
    return Calibration(
        config=config,
        fingerprint=_word("fingerprint", _part(found, "fingerprint", "calibration")),
        rule=None if rule is None else Rule.from_dict(rule),
        tensors=dict(tensors),
        control=control,
        costs=Costs(**costs),
        expected=_number("expected", _part(found, "expected", "calibration")),
    )


# ---- files ---------------------------------------------------------------------------------------------------------


def _replace(path: Path, data: bytes) -> None:
    """Write beside the file, then put it in its place: a reader sees the old file or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)  # mkstemp gives it to its owner alone
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read_bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as failed:
        why = "does not exist" if isinstance(failed, FileNotFoundError) else "cannot be read"
        _refuse("folder", described(f"{str(folder)!r}, where {name} {why}"), "a folder that EWSExitPolicy.save wrote")


def _read_words(folder: Path) -> dict[str, Any]:
    """The JSON, once it is known to be what was saved."""
    try:
        words = json.loads(_read_bytes(folder, _WORDS).decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as failed:
        if isinstance(failed, PolicyMismatchError):
            raise
        _refuse(_WORDS, described("a file that is not JSON, or was cut short"), "what EWSExitPolicy.save wrote")
    if not isinstance(words, dict) or words.get("format") != FORMAT:
        _refuse(_WORDS, described("JSON of something else"), f"an object with the format {FORMAT!r}")
    version = words.get("version")
    if isinstance(version, bool) or version != VERSION:
        _refuse("version", version, f"{VERSION}, which this version of the library reads")
    digests, content = _part(words, "sha256", _WORDS), _part(words, "calibration", _WORDS)
    for name in ("calibration", _TENSORS):
        _word(f"sha256.{name}", _part(digests, name, "sha256"))
    try:
        is_same = _digest_of(content) == digests["calibration"]
    except ValueError:  # a number beyond all floats, such as 1e999
        is_same = False
    if not is_same:
        _refuse(_WORDS, described("a calibration that was changed"), "the file as EWSExitPolicy.save wrote it")
    return words


def _digest_of(content: Any) -> str:
    """Of JSON, whatever its spaces and the order of its names."""
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()


# ---- fields --------------------------------------------------------------------------------------------------------


def _config(found: Any) -> CalibrationConfig:
    given = {each.name: _part(found, each.name, "config") for each in fields(CalibrationConfig)}
    for name, names in _NAMES.items():
        if given[name] not in names:
            _refuse(f"config.{name}", given[name], f"one of {', '.join(map(repr, names))}")
    for name in ("risk", "confidence"):
        if not 0 < _number(f"config.{name}", given[name]) < 1:
            _refuse(f"config.{name}", given[name], "a number within (0, 1)")
    for name in ("texts", "tokens", "max_new_tokens", "seed"):
        _count(f"config.{name}", given[name], 0)
    _count("config.window", given["window"], 3)
    for name in ("dtype", "model_type"):
        _word(f"config.{name}", given[name])
    return CalibrationConfig(**given)


def _check_rule(rule: Any, features: int) -> None:
    """That a rule is what :meth:`adapters.calibration.rules.Rule.to_dict` gives."""
    _number("rule.tolerance", _part(rule, "tolerance", "rule"))
    for at, each in enumerate(_list("rule.exits", _part(rule, "exits", "rule"))):
        where = f"rule.exits[{at}]"
        _count(f"{where}.depth", _part(each, "depth", where), 1)
        _number(f"{where}.threshold", _part(each, "threshold", where))
        gate, limit = _part(each, "gate", where), _part(each, "gate_threshold", where)
        if gate is not None:
            _check_gate(f"{where}.gate", gate, features)
        if limit is not None:
            _number(f"{where}.gate_threshold", limit)
    for at, each in enumerate(_list("rule.feeds", _part(rule, "feeds", "rule"))):
        where = f"rule.feeds[{at}]"
        layers = _list(f"{where}.layers", _part(each, "layers", where))
        for index in layers:
            _count(f"{where}.layers", index, 0)
        if not layers or layers != sorted(set(layers)):
            _refuse(f"{where}.layers", layers, "indices of layers, rising, at least one")
        _check_gate(f"{where}.gate", _part(each, "gate", where), features)
        _number(f"{where}.gate_threshold", _part(each, "gate_threshold", where))


def _check_gate(where: str, gate: Any, features: int) -> None:
    weight = _list(f"{where}.weight", _part(gate, "weight", where))
    for each in weight:
        _number(f"{where}.weight", each)
    if len(weight) != features:
        _refuse(f"{where}.weight", described(f"{len(weight)} numbers"), f"{features}, one for each feature")
    _number(f"{where}.bias", _part(gate, "bias", where))


def _require_fit(calibration: Calibration, family: Family) -> None:
    """That rule and tensors are for a model of this shape; what then still does not fit is found on binding."""
    rule, tensors, window = calibration.rule, calibration.tensors, calibration.config.window
    for each in () if rule is None else rule.exits:
        if not window < each.depth <= family.depth:
            _refuse("rule.exits", each.depth, f"depths from {window + 1} to {family.depth}")
    for group in () if rule is None else rule.feeds:
        if not (window < group.layers[0] and group.layers[-1] < family.depth):
            _refuse("rule.feeds", list(group.layers), f"layers from {window + 1} to {family.depth - 1}")
    kinds = _HEAD | _LENS
    if set(tensors) not in (set(), set(_HEAD), set(kinds)):
        _refuse(_TENSORS, described(f"tensors named {', '.join(sorted(tensors))}"), f"{', '.join(kinds)}")
    for name, tensor in tensors.items():
        kind = kinds[name]
        if not (tensor.is_floating_point() if kind is None else tensor.dtype == kind):
            _refuse(name, described(f"a tensor of {tensor.dtype}"), "a floating type" if kind is None else str(kind))
    lens = tensors.get("lens.weight")
    if lens is not None and lens.shape[1:] != (family.width, family.width):
        _refuse("lens.weight", described(f"shape {tuple(lens.shape)}"), f"(depths, {family.width}, {family.width})")
    if rule is not None and rule.exits and not tensors:
        _refuse(_TENSORS, described("no tensors"), "those of the head that the rule looks through")
    try:
        calibration.bind(family)
    except PolicyMismatchError:
        raise
    except (ArgumentError, RuntimeError) as failed:
        _refuse(_TENSORS, described(f"tensors that do not fit the model ({failed})"), "what EWSExitPolicy.save wrote")


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _part(found: Any, name: str, where: str) -> Any:
    if not isinstance(found, dict):
        _refuse(where, found, "an object")
    if name not in found:
        _refuse(where, described(f"an object without {name!r}"), "what EWSExitPolicy.save wrote")
    return found[name]


def _kind(allowed: str, accepts: Callable[[Any], bool]) -> Callable[[str, Any], Any]:
    """A check of one kind of value."""

    def read(where: str, value: Any) -> Any:
        if not accepts(value):
            _refuse(where, value, allowed)
        return value

    return read


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


_number = _kind("a finite number", _is_number)
_word = _kind("a string", lambda value: isinstance(value, str))
_bool = _kind("true or false", lambda value: isinstance(value, bool))
_list = _kind("a list", lambda value: isinstance(value, list))


def _count(where: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        _refuse(where, value, f"a whole number, {least} or more")


def _refuse_constant(name: str) -> NoReturn:
    _refuse(_WORDS, described(name), "finite numbers")


def _refuse(argument: str, given: object, allowed: str) -> NoReturn:
    raise PolicyMismatchError(argument, given, allowed)
