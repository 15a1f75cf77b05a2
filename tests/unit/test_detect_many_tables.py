"""Tables of surrogates on disk: the same for every process, and drawn anew where a file is not what was written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ews
from ews._analysis.many import keeping, table
from ews._kernels import jit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tables are kept, empty."""
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    return tmp_path / "tables"


def found() -> ews.DetectionMap:
    """A map, as a process that has drawn nothing yet makes it."""
    table.TABLES.clear()
    table.POWERS.clear()
    rows = ews.nulls.AR1(0.5, 1.0, 70).draw(0, 12, seed=1)
    rows[::2, 5::9] = np.nan
    return ews.detect_many(rows, null="table", n_surrogates=150, seed=3)


def broken_zip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))


SPOILT: list[Callable[[Path], object]] = [
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(file.read_bytes()[:-30]),
    broken_zip,
    lambda file: file.write_bytes(b"\x93NUMPY not what it says"),
    lambda file: np.savez(file, values=np.zeros(3)),
    lambda file: np.savez(file, values=np.array([{"a": 1}], dtype=object)),
    lambda file: np.savez(file, **{name: one.astype("f4") for name, one in np.load(file).items()}),
]


@pytest.mark.parametrize("spoil", SPOILT, ids=["empty", "cut", "flipped", "text", "others", "pickle", "single"])
def test_what_is_not_whole_is_drawn_anew(folder: Path, spoil: Callable[[Path], object]) -> None:
    first = found()
    files = sorted(folder.iterdir())
    assert len(files) == 26  # two shares of thirteen memories
    assert {file.suffix for file in files} == {".npz"}
    before = {file: file.stat().st_mtime_ns for file in files}
    assert found().to_dict() == first.to_dict()
    assert {file: file.stat().st_mtime_ns for file in files} == before  # read, not written again
    whole = files[7].read_bytes()
    spoil(files[7])
    assert found().to_dict() == first.to_dict()
    with np.load(files[7]) as again:
        assert set(again.files) == {"values", "memory", "control_values", "control_memory", "control_likeness"}
    assert len(files[7].read_bytes()) == len(whole)


def test_other_choices_are_other_tables_and_no_folder_is_no_hindrance(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = found()
    assert len(list(folder.iterdir())) == 26
    rows = ews.nulls.AR1(0.5, 1.0, 70).draw(0, 2, seed=1)
    for change in ({"seed": 4}, {"n_surrogates": 151}, {"causal": True}, {"season": 12}, {"bandwidth": 0.3}):
        before = len(list(folder.iterdir()))
        ews.detect_many(rows, **{"null": "table", "n_surrogates": 150, "seed": 3} | change)
        assert len(list(folder.iterdir())) == before + 13
    monkeypatch.setattr(jit, "cache_folder", lambda: None)
    assert found().to_dict() == first.to_dict()


def test_the_oldest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_MOST", 3)
    shapes = {"values": (2,)}
    for number in range(5):
        keeping.kept(number, shapes, lambda number=number: {"values": np.full(2, float(number))})
        for file in folder.iterdir():
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9))
    assert len(list(folder.iterdir())) == 3
    assert keeping.kept(4, shapes, lambda: {"values": np.zeros(2)})["values"][0] == 4.0
    assert keeping.kept(0, shapes, lambda: {"values": np.full(2, 9.0)})["values"][0] == 9.0
