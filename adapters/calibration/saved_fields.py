"""Every field of a saved calibration, looked at before anything is made of it: it may come from anywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, NoReturn, get_args

import torch
from torch import Tensor

from adapters.calibration.costs import SAVED_NAMES, Costs
from adapters.calibration.result import Calibration, CalibrationConfig
from adapters.calibration.risk import RiskControl, RiskControlConfig, Target
from adapters.calibration.rules import Rule
from adapters.decoding.contract import CACHES, UNITS
from adapters.errors import PolicyMismatchError
from adapters.families import Family
from adapters.heads.exit_classifier import FEATURES, feature_names
from ews.errors import ArgumentError, described

__all__ = ["calibration_from_dict", "parts", "refuse", "require_fit", "word"]

_NAMES: dict[str, tuple[str, ...]] = {
    "target": get_args(Target),
    "unit": UNITS,
    "cache": CACHES,
    "features": FEATURES,
}
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
# What a short-listed head is made of: name → types and number of axes. A lens is there or not as a whole.
_HEAD: dict[str, tuple[tuple[torch.dtype, ...], int]] = {
    "candidates": ((torch.int64,), 0),
    "screen.basis": (_FLOATS, 2),
    "screen.weight": ((torch.int8,), 2),
    "screen.scale": (_FLOATS, 1),
}
_LENS: dict[str, tuple[tuple[torch.dtype, ...], int]] = {
    "lens.depths": ((torch.int64,), 1),
    "lens.weight": (_FLOATS, 3),
    "lens.bias": (_FLOATS, 2),
}
_TENSORS = "policy.safetensors"
_SAVED = "what EWSExitPolicy.save wrote"


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
        If a field is missing, unknown, of another type, or out of its range, or fields contradict each other.
    """
    names = ("config", "fingerprint", "rule", "control", "costs", "expected")
    config_, fingerprint, rule, control, costs_, expected = parts(found, names, "calibration")
    config = _config(config_)
    if rule is not None:
        _check_rule(rule, len(feature_names(config.features)), config.unit)
    _check_control(control)
    costs = dict(zip(SAVED_NAMES, parts(costs_, tuple(SAVED_NAMES), "costs"), strict=True))
    for name, value in costs.items():
        if name == "measured":
            _bool("costs.measured", value)
        else:
            _within(f"costs.{name}", value, 0.0)
    _check_tensors(tensors)
    return Calibration(
        config=config,
        fingerprint=word("fingerprint", fingerprint),
        rule=None if rule is None else Rule.from_dict(rule),
        tensors=dict(tensors),
        control=control,
        costs=Costs.from_dict(costs),
        expected=_within("expected", expected, 0.0),
    )


def require_fit(calibration: Calibration, family: Family) -> None:
    """See that rule and tensors are for a model of this shape; what then still does not fit is found on binding.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If they are not.
    """
    rule, tensors, window = calibration.rule, calibration.tensors, calibration.config.window
    if window >= family.depth:
        refuse("config.window", window, f"a window within the {family.depth} layers of the model")
    for each in () if rule is None else rule.exits:
        if not window < each.depth <= family.depth:
            refuse("rule.exits", each.depth, f"depths from {window + 1} to {family.depth}")
    for group in () if rule is None else rule.skips:
        if not (window < group.layers[0] and group.layers[-1] < family.depth):
            refuse("rule.feeds", list(group.layers), f"layers from {window + 1} to {family.depth - 1}")
    if "lens.weight" in tensors:
        depths = tensors["lens.depths"].tolist()
        shapes = tuple(tensors["lens.weight"].shape), tuple(tensors["lens.bias"].shape)
        wanted = (len(depths), family.width, family.width), (len(depths), family.width)
        if shapes != wanted:
            refuse("lens.weight", described(f"shapes {shapes[0]} and {shapes[1]} that do not fit"), f"{wanted}")
        if depths != sorted(set(depths)) or not all(1 <= depth <= family.depth for depth in depths):
            refuse("lens.depths", depths, f"depths of the model, 1 to {family.depth}, rising, each once")
    if rule is not None and rule.exits and not tensors:
        refuse(_TENSORS, described("no tensors"), "those of the head that the rule looks through")
    if "screen.basis" in tensors and not 1 <= len(tensors["screen.basis"]) <= family.width:
        refuse("screen.basis", described(f"rank {len(tensors['screen.basis'])}"), f"1 to {family.width}")
    try:
        calibration.bind(family)
    except PolicyMismatchError:
        raise
    except (ArgumentError, RuntimeError) as failed:
        refuse(_TENSORS, described(f"tensors that do not fit the model ({failed})"), _SAVED)


# ---- parts of it ---------------------------------------------------------------------------------------------------


def _config(found: Any) -> CalibrationConfig:
    names = _names_of(CalibrationConfig)
    given = dict(zip(names, parts(found, names, "config"), strict=True))
    for name, known in _NAMES.items():
        if given[name] not in known:
            refuse(f"config.{name}", given[name], f"one of {', '.join(map(repr, known))}")
    for name in ("risk", "confidence"):
        if not 0 < _number(f"config.{name}", given[name]) < 1:
            refuse(f"config.{name}", given[name], "a number within (0, 1)")
    for name in ("texts", "tokens", "max_new_tokens", "seed"):
        _count(f"config.{name}", given[name], 0)
    _count("config.window", given["window"], 3)
    for name in ("dtype", "model_type"):
        word(f"config.{name}", given[name])
    return CalibrationConfig(**given)


def _check_rule(rule: Any, features: int, unit: str) -> None:
    """That a rule is what :meth:`adapters.calibration.rules.Rule.to_dict` gives, for this unit."""
    tolerance, exits, skips = parts(rule, ("tolerance", "exits", "feeds"), "rule")
    _within("rule.tolerance", tolerance, 0.0, 1.0)
    depths, blocks = [], []
    for at, each in enumerate(_list("rule.exits", exits)):
        where = f"rule.exits[{at}]"
        depth, classifier, limit, threshold = parts(each, ("depth", "gate", "gate_threshold", "threshold"), where)
        _count(f"{where}.depth", depth, 1)
        depths.append(depth)
        _within(f"{where}.threshold", threshold, 0.0, 1.0)
        if (classifier is None) != (limit is None):
            refuse(f"{where}.gate_threshold", limit, "a number where there is a gate, null where there is none")
        if classifier is not None:
            _check_classifier(f"{where}.gate", classifier, features)
            _number(f"{where}.gate_threshold", limit)
    for at, each in enumerate(_list("rule.feeds", skips)):
        where = f"rule.feeds[{at}]"
        layers, classifier, limit = parts(each, ("layers", "gate", "gate_threshold"), where)
        for index in _list(f"{where}.layers", layers):
            _count(f"{where}.layers", index, 0)
        if not layers:
            refuse(f"{where}.layers", layers, "indices of layers, at least one")
        blocks += layers
        _check_classifier(f"{where}.gate", classifier, features)
        _number(f"{where}.gate_threshold", limit)
    for name, found in (("rule.exits", depths), ("rule.feeds.layers", blocks)):
        if not all(earlier < later for earlier, later in pairwise(found)):
            refuse(name, found, "rising, each once")
    if (unit == "layer" and skips) or (unit == "ffn" and exits) or not (exits or skips):
        fitted = " and ".join(name for name, part in (("exits", exits), ("feeds", skips)) if part) or "nothing"
        refuse("config.unit", described(f"{unit!r} beside a rule with {fitted}"), "what the rule leaves out")


def _check_classifier(where: str, classifier: Any, features: int) -> None:
    weight, bias = parts(classifier, ("weight", "bias"), where)
    for each in _list(f"{where}.weight", weight):
        _number(f"{where}.weight", each)
    if len(weight) != features:
        refuse(f"{where}.weight", described(f"{len(weight)} numbers"), f"{features}, one for each feature")
    _number(f"{where}.bias", bias)


def _check_control(control: Any) -> None:
    """That it is made of what :meth:`adapters.calibration.risk.RiskControl.to_dict` gives, as far as it was kept."""
    if not isinstance(control, dict):
        refuse("control", control, "an object")
    parts(control, [name for name in _names_of(RiskControl) if name in control], "control")
    for name in ("risks", "p_values"):
        for each in _list(f"control.{name}", control.get(name, [])):
            _within(f"control.{name}", each, 0.0, 1.0)
    for name in ("n_sequences", "n_tokens"):
        _count(f"control.{name}", control.get(name, 0), 0)
    index = control.get("index")
    if index is not None:
        _count("control.index", index, 0)
        if index >= len(control.get("risks", [])):
            refuse("control.index", index, "the index of a rule that was tested")
    if "config" in control:
        parts(control["config"], _names_of(RiskControlConfig), "control.config")


def _check_tensors(tensors: Mapping[str, Tensor]) -> None:
    kinds = _HEAD | _LENS
    if set(tensors) not in (set(), set(_HEAD), set(kinds)):
        refuse(_TENSORS, described(f"tensors named {', '.join(sorted(tensors))}"), f"{', '.join(kinds)}")
    for name, tensor in tensors.items():
        types, axes = kinds[name]
        if tensor.dtype not in types:
            allowed = "a floating type of 16 bits or more" if types is _FLOATS else str(types[0])
            refuse(name, described(f"a tensor of {tensor.dtype}"), allowed)
        if tensor.ndim != axes:
            refuse(name, described(f"a tensor of shape {tuple(tensor.shape)}"), f"one of {axes} axes")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            refuse(name, described("a tensor with values that are not finite"), "finite values")


# ---- kinds of value ------------------------------------------------------------------------------------------------


def parts(found: Any, names: Sequence[str], where: str) -> list[Any]:
    """The values under these names, which must be all that there are."""
    if not isinstance(found, dict):
        refuse(where, found, "an object")
    for name in names:
        if name not in found:
            refuse(where, described(f"an object without {name!r}"), _SAVED)
    more = [name for name in found if name not in names]
    if more:
        refuse(where, described(f"an object with {more[0]!r}, which is not known"), f"{', '.join(names)} alone")
    return [found[name] for name in names]


def refuse(argument: str, given: object, allowed: str) -> NoReturn:
    """Raise what a saved policy is refused with."""
    raise PolicyMismatchError(argument, given, allowed)


def _names_of(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _kind(allowed: str, accepts: Callable[[Any], bool]) -> Callable[[str, Any], Any]:
    """A check of one kind of value."""

    def read(where: str, value: Any) -> Any:
        if not accepts(value):
            refuse(where, value, allowed)
        return value

    return read


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


_number = _kind("a finite number", _is_number)
word = _kind("a string", lambda value: isinstance(value, str))
_bool = _kind("true or false", lambda value: isinstance(value, bool))
_list = _kind("a list", lambda value: isinstance(value, list))


def _within(where: str, value: Any, least: float, most: float = sys.float_info.max) -> float:
    if not least <= _number(where, value) <= most:
        refuse(where, value, f"{least:g} or more" + (f", at most {most:g}" if most < sys.float_info.max else ""))
    return float(value)


def _count(where: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        refuse(where, value, f"a whole number, {least} or more")
