"""Any collection of labelled series → :class:`Records`: clean series, labels, groups and times of transition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.times import last_instant
from ews._evaluation.roc.run import read_groups, read_labels
from ews.errors import ArgumentError, InputTypeError, SeriesTooShortError, UnknownNameError, described
from ews.models import Simulation
from ews.series import Duplicates, Missing, Series, as_series, split_columns

__all__ = ["Records", "read_collection"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Records:
    """Labelled series, ready to be scored."""

    names: tuple[str, ...]  # one for each series
    series: tuple[Series, ...]  # clean, and cut at the last time used
    labels: npt.NDArray[np.bool_]  # which are positive
    groups: npt.NDArray[np.int64]  # which are of one record or site
    transition: FloatArray  # time of transition of each, counted from its first sample, in its units of time
    notes: tuple[str, ...]  # what a reader should know of the collection


@dataclass(frozen=True)
class _Item:
    """One series as it was given."""

    name: str
    data: Any
    time: Any
    place: int  # of the member of the collection that it came from
    truth: Simulation | None


def read_collection(
    collection: Any,
    labels: Any,
    *,
    time: Any,
    until: Any,
    transition: Any,
    groups: Any,
    missing: Missing,
    duplicates: Duplicates,
    causal: bool,
) -> Records:
    """Read a collection; what is wrong with one series is said of that series."""
    items, keys, time = _items(collection, time)
    truth = _labels(labels, items, keys)
    limits, transitions = (
        _each(name, one, items, keys) for name, one in (("until", until), ("transition", transition))
    )
    series = []
    for item, limit, passed in zip(items, limits, transitions, strict=True):
        if limit is None:
            limit = item.truth.transition if item.truth is not None and passed is None else passed
        series.append(_clean(item, time, limit, missing, duplicates, causal))
    when = np.array([_elapsed(one, item, passed) for one, item, passed in zip(series, items, transitions, strict=True)])
    members = read_groups(_spread(groups, items, keys) if groups is not None else None, len(items))
    return Records(
        tuple(item.name for item in items), tuple(series), truth, members, when, _length_notes(series, truth)
    )


def _items(collection: Any, time: Any) -> tuple[list[_Item], list[str], Any]:
    """The series of a collection, and the names of its members."""
    columns, time = split_columns(collection, time=time)
    if columns is not None:
        members: list[tuple[str, Any]] = list(columns.items())
    elif isinstance(collection, Mapping):
        members = [(str(name), one) for name, one in collection.items()]
    elif isinstance(collection, Simulation):
        members = [(collection.model, collection)]
    elif isinstance(collection, np.ndarray):
        if collection.ndim != 2:
            given = described(f"an array of shape {collection.shape}")
            raise InputTypeError("collection", given, "an array of shape (series, time), a list, a dict or a DataFrame")
        members = [(str(row), values) for row, values in enumerate(collection)]
    elif isinstance(collection, Sequence) and not isinstance(collection, str | bytes):
        members = [(_own_name(one, place), one) for place, one in enumerate(collection)]
    else:
        raise InputTypeError("collection", collection, "a list or dict of series, a DataFrame, or an array of rows")
    if not members:
        raise SeriesTooShortError("collection", described("no series"), "at least one positive and one negative")
    items = []
    for place, (name, one) in enumerate(members):
        if isinstance(one, Simulation) and one.values.ndim == 2:
            items += [_Item(f"{name} {row}", values, one.time, place, one) for row, values in enumerate(one.values)]
        else:
            items.append(_Item(name, one, None, place, one if isinstance(one, Simulation) else None))
    return items, [name for name, _ in members], time


def _own_name(one: Any, place: int) -> str:
    name = getattr(one, "name", getattr(one, "model", None))
    return name if isinstance(name, str) else str(place)


def _labels(given: Any, items: list[_Item], keys: list[str]) -> npt.NDArray[np.bool_]:
    if given is None:
        if any(item.truth is None for item in items):
            raise ArgumentError("labels", given, "one label for each series; only simulations know their own")
        return read_labels(
            [item.truth is not None and item.truth.bifurcation is not None for item in items], len(items)
        )
    return read_labels(_spread(given, items, keys, argument="labels"), len(items))


def _spread(given: Any, items: list[_Item], keys: list[str], argument: str = "groups") -> list[Any]:
    """One entry for each series, from one for each member of the collection, by place or by name."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable) or _is_single(given):
        raise InputTypeError(argument, given, "one entry for each series, as a sequence or a dict")
    if hasattr(given, "to_dict") and not isinstance(given, Mapping) and _names_all(given, keys):
        given = given.to_dict()  # a pandas Series indexed by the names of the series
    if isinstance(given, Mapping):
        named = {str(name): one for name, one in given.items()}
        absent = [key for key in keys if key not in named]
        if absent:
            raise UnknownNameError(argument, described(f"no entry for {absent[0]!r}, only {list(named)}"), keys)
        return [named[keys[item.place]] for item in items]
    entries = list(given)
    if len(entries) == len(keys):
        return [entries[item.place] for item in items]
    if len(entries) == len(items):
        return entries
    raise ArgumentError(argument, described(f"{len(entries)} entries"), f"{len(keys)}, one for each series")


def _is_single(given: Any) -> bool:
    """Whether an array is of no dimension: it says that it can be gone through, and cannot."""
    return getattr(given, "ndim", 1) == 0


def _names_all(given: Any, keys: list[str]) -> bool:
    return {str(one) for one in getattr(given, "index", ())} >= set(keys)


def _each(argument: str, given: Any, items: list[_Item], keys: list[str]) -> list[Any]:
    """A time for each series, from one for all of them or one each."""
    if given is None or isinstance(given, str) or not isinstance(given, Iterable) or _is_single(given):
        return [given] * len(items)
    return _spread(given, items, keys, argument)


def _clean(item: _Item, time: Any, until: Any, missing: Missing, duplicates: Duplicates, causal: bool) -> Series:
    try:
        return as_series(
            item.data,
            time=item.time if time is None else time,
            name=item.name,
            until=until,
            missing=missing,
            duplicates=duplicates,
            causal=causal,
        )
    except ArgumentError as error:
        if error.argument != "series":
            raise
        raise type(error)(f"series {item.name!r}", error.given, error.allowed) from None


def _elapsed(series: Series, item: _Item, transition: Any) -> float:
    """Time from the first sample to the transition: where none is known, to the last time used."""
    if transition is None and item.truth is not None:
        transition = item.truth.transition
    dates = series.time.dtype.kind == "M"
    try:
        last: Any = series.time[-1] if transition is None else last_instant(transition, dates=dates)
    except InputTypeError as error:  # there the time is called until
        raise InputTypeError("transition", error.given, error.allowed) from None
    passed = last - series.time[0]
    return float(passed / np.timedelta64(86_400_000_000_000, "ns")) if dates else float(passed)


def _length_notes(series: Sequence[Series], labels: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """Lengths that differ between the kinds can separate them by themselves."""
    lengths = np.array([len(one) for one in series])
    positive, negative = np.median(lengths[labels]), np.median(lengths[~labels])
    if max(positive, negative) <= 1.1 * min(positive, negative):
        return ()
    return (
        f"positive records have {positive:g} samples and negative ones {negative:g} (medians): a score that depends on "
        "the length separates them by that alone; cut them to like lengths with until",
    )
