"""The base of all results: what every one of them can do, made from its fields."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, get_args

import numpy as np

from ews._common.agreement import refuse_contradictions
from ews._common.layout import Report
from ews._common.plain import ALLOWED, field_types, plain, read, same
from ews._common.publish import public
from ews._common.words import number_text, time_text
from ews.errors import ArgumentError, InputTypeError, described

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Result", "ResultsByColumn"]

FORMAT = 1
_FEW = 6  # values that are written out
_SENTENCE = re.compile("_sentences?$")
One = TypeVar("One", bound="Result")
# Fields whose own fields stand in the dictionary of the result: a series is "time", "value", "name", …
_SPREAD = ("series", "grids")
_PACKAGES = ("ews", "adapters")


@public("ews.results")
class Result:
    """What a function of this library found: frozen, with its data, its choices and its seed.

    Every result is read (:meth:`summary`), seen (:meth:`plot`), and leaves for other programs (:meth:`to_frame`,
    :meth:`to_csv`, :meth:`to_dict`, :meth:`to_json`, :meth:`to_html`). :meth:`from_json` brings it back, equal to what
    it was: results are equal where all their fields are.

    Examples
    --------
    >>> import ews
    >>> from ews.results import Result
    >>> trend = ews.trends.kendall([1.0, 3.0, 2.0])
    >>> Result.from_json(trend.to_json()) == trend
    True
    """

    __slots__ = ()
    # Fields that the dictionary has under another name, and properties that it has beside the fields; fields that are
    # the columns of the table, and the one that is its index where that is not the series' time. Fields of one shape,
    # by the names of its lengths: "n" is the series' own, "axis" the index's. And mappings with the
    # same names, where they hold any;
    # what is at least 1, and what holds an entry at least.
    _keys: ClassVar[Mapping[str, str]] = {}
    _derived: ClassVar[tuple[str, ...]] = ()
    _table: ClassVar[tuple[str, ...]] = ()
    _axis: ClassVar[str] = ""
    _shapes: ClassVar[Mapping[str, str]] = {}
    _named_alike: ClassVar[str] = ""
    _positive: ClassVar[str] = ""
    _filled: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Where the class says nothing of its own, what it inherits: the decorator would write out every array.
        if "__repr__" not in vars(cls):
            cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """In one line: its numbers, of arrays how many, and the seed."""
        shown = [f for f in dataclasses.fields(self) if f.repr and not _SENTENCE.search(f.name)]  # type: ignore[arg-type]
        parts = [f"{one.name}={_brief(getattr(self, one.name))}" for one in shown if one.name != "config"]
        config: Any = getattr(self, "config", None)
        if hasattr(config, "seed"):
            parts.append(f"seed={config.seed!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    # ---- read and seen --------------------------------------------------------------------------------------------

    def summary(self) -> str:
        """The result as plain text, ready for a paper's appendix.

        Returns
        -------
        str
            What was found, how, with which choices and seed; at most 96 columns.
        """
        return self._report().text()

    def plot(self) -> Figure:
        """The result as a figure.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; save it with ``savefig``.
        """
        from ews._common.figures import frame_figure

        return frame_figure(self._report().title, self.to_frame())

    def _report(self) -> Report:
        """What the result says: here each field, on a line of its own."""
        report = Report(" ".join(re.findall(r"[A-Z][a-z0-9]*", type(self).__name__)).capitalize())
        rows = [[name, text] for name, text in _described_fields(self)]
        report.table(["field", "value"], rows)
        return report

    # ---- leaves for other programs --------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """The result as a table.

        Returns
        -------
        pandas.DataFrame
            One row an observation (or an entry of what the result is measured over); one row of numbers where there is
            no such axis.
        """
        import pandas as pd

        if not self._table:
            fields = [field.name for field in dataclasses.fields(self) if field.name != "config"]  # type: ignore[arg-type]
            parts = [part for name in (*fields, *self._derived) for part in _parts(name, getattr(self, name))]
            return pd.DataFrame({name: [plain(one)] for name, one in parts if not isinstance(one, np.ndarray)})
        series: Any = getattr(self, "series", None)
        if self._axis or series is not None:
            name = self._axis or series.time_name or "time"
            index = pd.Index(getattr(self, self._axis) if self._axis else series.time, name=name)
        else:
            index = None
        columns = {} if self._axis or series is None else {"value": series.values}
        for field in self._table:
            for name, one in _parts(field, getattr(self, field)):
                columns |= dict(_split(name, one))
        return pd.DataFrame(columns, index=index)

    def to_csv(self, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> str:
        """:meth:`to_frame` as comma-separated values.

        Parameters
        ----------
        path : str or path, optional
            File to write as well.
        overwrite : bool, default False
            Whether a file that exists may be replaced.

        Returns
        -------
        str
            The text, with a header; missing values are empty.

        Raises
        ------
        ews.errors.ArgumentError
            If the file exists and may not be replaced, or its folder does not exist.
        """
        import pandas as pd

        frame = self.to_frame()
        if isinstance(frame.columns, pd.MultiIndex):
            frame.columns = pd.Index(["_".join(map(str, names)) for names in frame.columns])
        unnamed = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
        return _written(frame.to_csv(index=not unnamed, lineterminator="\n"), path, overwrite)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists; NaN becomes None, infinities and dates become text.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """
        from ews import __version__

        found = {"earlywarning": __version__, "result": _path(type(self)), "format": FORMAT}
        found |= self._written_fields() | {name: plain(getattr(self, name)) for name in self._derived}
        return found | self._beside(found)

    def to_json(self, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> str:
        """:meth:`to_dict` as a JSON text.

        Parameters
        ----------
        path : str or path, optional
            File to write as well.
        overwrite : bool, default False
            Whether a file that exists may be replaced.

        Returns
        -------
        str
            Valid JSON: no NaN.

        Raises
        ------
        ews.errors.ArgumentError
            If the file exists and may not be replaced, or its folder does not exist.
        """
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)
        return _written(text, path, overwrite)

    def to_html(self, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> str:
        """The result as one self-contained page.

        Parameters
        ----------
        path : str or path, optional
            File to write as well.
        overwrite : bool, default False
            Whether a file that exists may be replaced.

        Returns
        -------
        str
            HTML without any outside resource.

        Raises
        ------
        ews.errors.ArgumentError
            If the file exists and may not be replaced, or its folder does not exist.
        """
        return _written(self._page(), path, overwrite)

    def _page(self) -> str:
        from ews._common import page

        report = self._report()
        content = page.body(report, self.plot(), config=getattr(self, "config", None))
        return page.document(report.title, content)

    def _repr_html_(self) -> str:
        from ews._common import page

        return page.fragment(self._report(), self.plot())

    # ---- and back -------------------------------------------------------------------------------------------------

    @classmethod
    def from_json(cls, source: str | os.PathLike[str]) -> Self:
        """Read a result that :meth:`to_json` wrote.

        Parameters
        ----------
        source : str or path
            The JSON text, which begins with ``{``; or a file.

        Returns
        -------
        Result
            Equal to the one that was written. Called on ``Result`` itself, whichever it was.

        Raises
        ------
        ews.errors.ArgumentError
            If there is no such file, it is not JSON, or it holds something else or another version.
        """
        text = _text(source)
        try:
            saved = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            why = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
            given = described(f"{str(source)[:60]!r}, which is no such JSON ({why})")
            raise ArgumentError("source", given, "a JSON text that to_json gave, or a file of it") from None
        return cls.from_dict(saved)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Read a result that :meth:`to_dict` gave.

        Parameters
        ----------
        saved : mapping
            The dictionary.

        Returns
        -------
        Result
            Equal to the one that gave it.

        Raises
        ------
        ews.errors.ArgumentError
            If it holds something else or another version.
        """
        if not isinstance(saved, Mapping):
            raise ArgumentError("saved", saved, ALLOWED)
        tag = saved.get("result")
        kind = _class_of(tag)
        if kind is None or not issubclass(kind, cls):
            given = described(f"{'something without a result' if tag is None else f'a result {tag!r}'}")
            raise ArgumentError("saved", given, f"{_path(cls)}, as its to_json or to_dict gave it")
        if saved.get("format") != FORMAT:
            given = described(f"format {saved.get('format')!r} of earlywarning {saved.get('earlywarning')}")
            raise ArgumentError("saved", given, f"format {FORMAT}; read it with the version that wrote it")
        found = kind(**kind._read_fields(saved))
        refuse_contradictions(found)
        try:  # what no rule of lengths, names and ranges says: a name of which nothing is known, say
            found.summary(), found.to_frame(), found.to_dict()
        except Exception as error:  # noqa: BLE001  # whatever it is, the fields are not those of one result
            given = described(f"fields that contradict each other ({type(error).__name__}: {str(error)[:80]})")
            raise ArgumentError("saved", given, ALLOWED) from None
        return found

    # ---- how fields are written -----------------------------------------------------------------------------------

    @classmethod
    def _key(cls, name: str) -> str:
        """What the dictionary calls a field."""
        return cls._keys.get(name, re.sub(r"_sentence(s?)$", "", name))

    def _beside(self, found: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - some subclasses need it
        """What the dictionary holds beside fields and properties: the same numbers, as a reader looks for them."""
        return {}

    def _written_fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        measured = _measured(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, field.name)
            if field.name in _SPREAD:
                found |= {_spread(part.name): plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
            elif field.name == "indicators" and measured is not None:
                found["indicators"] = {name: plain(one.values) for name, one in value.items()}
                found |= {f"{part}s": {name: getattr(one, part) for name, one in value.items()} for part in _SAID}
            else:
                found[self._key(field.name)] = plain(value)
        return found

    @classmethod
    def _read_fields(cls, saved: Mapping[str, Any]) -> dict[str, Any]:
        own: Any = cls
        hints, kind = field_types(own), _measured(own)
        fields: dict[str, Any] = {}
        for name, hint in hints.items():
            if name in _SPREAD:
                parts = field_types(hint)
                fields[name] = hint(**{part: _taken(parts[part], saved, _spread(part)) for part in parts})
            elif name == "indicators" and kind is not None:
                parts = field_types(kind)
                time = _taken(parts["time"], saved, "time")
                said = {part: _mapping(saved, f"{part}s") for part in _SAID}
                fields[name] = {
                    one: kind(
                        name=one,
                        values=read(parts["values"], values, where=f"indicators.{one}"),
                        time=time,
                        **{part: _taken(parts[part], said[part], one) for part in _SAID},
                    )
                    for one, values in _mapping(saved, "indicators").items()
                }
            else:
                fields[name] = _taken(hint, saved, cls._key(name))
        return fields

    # ---- equality -------------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return same(self, other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        named = [getattr(self, field.name) for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        return hash((type(self), *(value for value in named if isinstance(value, str | int))))


_SAID = ("label", "alarm")


def _measured(kind: type) -> Any:
    """The class of the indicators over time that results of a kind hold by name; None where they hold none."""
    parts = get_args(field_types(kind).get("indicators"))
    return parts[1] if len(parts) == 2 and dataclasses.is_dataclass(parts[1]) else None


class ResultsByColumn(Result, Mapping[str, One]):
    """Results of one kind, by the column of a table that each is of."""

    __slots__ = ()

    @property
    def _results(self) -> Mapping[str, One]:
        found: Mapping[str, One] = getattr(self, dataclasses.fields(self)[0].name)  # type: ignore[arg-type]
        return found

    def __getitem__(self, column: str) -> One:
        return self._results[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def to_dict(self) -> dict[str, Any]:
        """``to_dict`` of each column's result.

        Returns
        -------
        dict
            By column.
        """
        return {column: one.to_dict() for column, one in self.items()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Read results that :meth:`to_dict` gave.

        Parameters
        ----------
        saved : mapping
            The dictionary, by column.

        Returns
        -------
        Result
            Equal to the one that gave it.

        Raises
        ------
        ews.errors.ArgumentError
            If it holds something else or another version.
        """
        (hint,) = field_types(cls).values()
        return cls(read(hint, saved))  # type: ignore[call-arg]


def _brief(value: Any) -> str:
    """One line of a value: short ones as they are, of long ones how many."""
    if isinstance(value, np.ndarray):
        if value.size > _FEW:
            return f"<{' × '.join(map(str, value.shape))} values>"
        return str(value.tolist()) if value.dtype.kind in "biuf" else str(value.astype(str).tolist())
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name!r}: {_brief(one)}' for name, one in value.items())}}}"
    if isinstance(value, Result):
        return repr(value)
    if dataclasses.is_dataclass(value) and isinstance(value, Sized):
        return f"<{type(value).__name__.lower()} of {len(value)}>"
    if dataclasses.is_dataclass(value) and any(
        isinstance(getattr(value, one.name), np.ndarray) for one in dataclasses.fields(value)
    ):
        return f"<{type(value).__name__.lower()}>"
    if isinstance(value, np.generic):
        return repr(value.item()) if value.dtype.kind in "biuf" else str(value)
    return repr(value)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _class_of(tag: Any) -> type[Result] | None:
    """The class of results that a path such as ``"ews.Detection"`` names, and nothing else."""
    module, _, name = tag.rpartition(".") if isinstance(tag, str) else ("", "", "")
    if module.partition(".")[0] not in _PACKAGES or "_" in module:
        return None
    try:
        kind = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return kind if isinstance(kind, type) and issubclass(kind, Result) else None


def _spread(name: str) -> str:
    """What the dictionary calls a field of a series."""
    return "value" if name == "values" else name


def _taken(hint: Any, saved: Any, key: str) -> Any:
    if not isinstance(saved, Mapping) or key not in saved:
        raise ArgumentError("saved", described(f"something without {key!r}"), ALLOWED)
    return read(hint, saved[key], where=key)


def _mapping(saved: Any, key: str) -> Mapping[str, Any]:
    found = _taken(Any, saved, key)
    if not isinstance(found, Mapping):
        raise ArgumentError(key, found, ALLOWED)
    return found


def _text(source: Any) -> str:
    if isinstance(source, str) and source.lstrip()[:1] in ("{", "["):
        return source
    if not isinstance(source, str | os.PathLike):
        raise InputTypeError("source", source, "a JSON text that to_json gave, or a file of it")
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        given = described(f"{str(source)[:60]!r} ({getattr(error, 'strerror', None) or 'not text'})")
        raise ArgumentError("source", given, "a JSON text that to_json gave, or a file of it") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _written(text: str, path: Any, overwrite: Any) -> str:
    """`text`, also in a file where one is named; a file that exists is kept unless that was asked for."""
    if not isinstance(overwrite, bool | np.bool_):
        raise InputTypeError("overwrite", overwrite, "True or False")
    if path is None:
        return text
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise InputTypeError("path", path, "the name of a file, or None for the text alone")
    file = Path(path)
    if file.is_dir():
        raise ArgumentError("path", described(f"the folder {file}"), "a file to write")
    if not file.parent.is_dir():
        raise ArgumentError("path", described(str(file)), "a file in a folder that exists")
    try:
        with file.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        raise ArgumentError("path", described(f"{file}, which exists"), "a new file, or overwrite=True") from None
    return text


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _parts(f"{name}_{key}", one)
    elif isinstance(value, Result):
        for field in dataclasses.fields(value):  # type: ignore[arg-type]
            yield from _parts(f"{name}_{field.name}", getattr(value, field.name))
    elif isinstance(value, np.ndarray | str | int | float | np.datetime64) or value is None:
        yield name, value


def _split(name: str, array: Any) -> Iterator[tuple[str, Any]]:
    if array.ndim == 1:
        yield name, array
    elif array.ndim == 2:
        for place in range(array.shape[1]):
            yield f"{name}_{place}", array[:, place]


def _described_fields(result: Result) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(result):  # type: ignore[arg-type]
        for name, value in _parts(field.name, getattr(result, field.name)):
            yield name, _said(value)
    for name in result._derived:
        yield name, _said(getattr(result, name))


def _said(value: Any) -> str:
    if isinstance(value, np.ndarray):
        size = " × ".join(map(str, value.shape))
        finite = value[~np.isnan(value)] if value.dtype.kind in "fM" else value
        if finite.dtype.kind not in "fiM" or not finite.size:
            return f"{size} values"
        say = time_text if finite.dtype.kind == "M" else number_text
        return f"{size} values, {say(finite.min())} to {say(finite.max())}"
    if isinstance(value, np.datetime64):
        return time_text(value)
    if isinstance(value, tuple):
        return " to ".join(map(_said, value)) if value else "–"
    return "–" if value is None else number_text(value) if isinstance(value, float) else str(value)
