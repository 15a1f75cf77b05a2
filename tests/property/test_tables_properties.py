"""A table written in any notation is read back as it was, or refused: never as other numbers or times."""

from __future__ import annotations

import datetime as dt
import io
import random
from collections import Counter

import numpy as np
import pytest

import ews
from ews.errors import EWSError

DATES = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d %b %Y", "%Y%m%d", "%b %d, %Y", "%d-%m-%Y",
    "%Y-%m-%d %H:%M", "%d/%m/%y",
)  # fmt: skip


def written(value: float | None, decimal: str, thousands: str, digits: int, missing: str) -> str:
    if value is None:
        return missing
    whole, _, fraction = f"{abs(value):.{digits}f}".partition(".")
    if thousands:
        whole = f"{int(whole):,}".replace(",", thousands)
    return "-" * (value < 0) + whole + (decimal + fraction if fraction else "")


def case(seed: int) -> tuple[bytes, list[object], dict[str, list[float | None]]]:
    """A file, its times and its values."""
    draw = random.Random(seed)
    n = draw.choice([5, 12, 30])
    decimal, separator = draw.choice(".,"), draw.choice([",", ";", "\t", "|"])
    thousands = draw.choice(["", "", "", *({",", ".", "'", " "} - {decimal})])
    digits, scale = draw.choice([0, 1, 2, 4]), draw.choice([1, 10, 1000, 5000, 1e5])
    missing = draw.choice(["", "NA", "n.a.", "-99999999", "-", "NaN"])
    start, step, notation = (
        dt.datetime(draw.randint(1950, 2010), draw.randint(1, 12), 3),
        draw.choice([1, 7, 30]),
        draw.choice(DATES),
    )
    times: list[object] = [start + dt.timedelta(days=step * i) for i in range(n)]
    shown = [time.strftime(notation) for time in times if isinstance(time, dt.datetime)]
    if draw.random() < 0.3:
        times, shown = [1900 + i / 2 for i in range(n)], [written(1900 + i / 2, decimal, "", 1, "") for i in range(n)]
    values = {
        f"v{k}": [None if draw.random() < 0.05 else round(draw.gauss(2, 1) * scale, digits) for _ in range(n)]
        for k in range(draw.choice([1, 2, 3]))
    }
    columns = {"when": shown} | {
        name: [written(value, decimal, thousands, digits, missing) for value in column]
        for name, column in values.items()
    }
    if draw.random() < 0.3:
        columns["note"] = [draw.choice(["ok", "x, y", "a;b", ""]) for _ in range(n)]
    everything = draw.random() < 0.2

    def row(cells: list[str]) -> str:
        quoted = [f'"{cell}"' if everything or separator in cell else cell for cell in cells]
        return separator.join(quoted) + tail

    tail = separator if draw.random() < 0.15 else ""
    lines = [draw.choice(["Lake Mendota", "# a comment", f"sep={separator}"])] if draw.random() < 0.3 else []
    lines.append(row(list(columns)))
    if draw.random() < 0.2:
        lines.append(row([{"when": "date", "note": ""}.get(name, "µg/L") for name in columns]))
    lines += [row(list(cells)) for cells in zip(*columns.values(), strict=True)]
    text = draw.choice(["\n", "\r\n"]).join([*lines, ""])
    return text.encode(draw.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])), times, values


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_what_is_read_is_what_was_written(first: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + 100):
        content, times, values = case(seed)
        try:
            table = ews.read_table(io.BytesIO(content), time="when", value="v*")
        except EWSError:
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        assert list(table) == list(values), seed
        for name, column in values.items():
            expected = np.array([np.nan if value is None else value for value in column], dtype=np.float64)
            # Three digits after every sign: the two readings differ in unit only, and the report says which was taken.
            if any(f"in column {name!r} three digits follow every" in note for note in table.notes):
                factor = np.nanmedian(expected / table[name])
                assert round(factor, 6) in (1, 1000), seed
                expected /= factor
            np.testing.assert_allclose(table[name].to_numpy(), expected, err_msg=str(seed))
            index = table[name].index
            if isinstance(times[0], dt.datetime):
                assert [str(time)[:10] for time in index] == [str(time)[:10] for time in times], seed
            else:
                assert list(index) == times, seed
    assert outcomes["read"] > 50
