"""Files of many kinds, and for those that can be read the options that read them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["READABLE", "files"]

_ROWS = [f"2000-{1 + k // 28:02d}-{1 + k % 28:02d},{np.sin(k) + k / 60:.4f},{np.cos(2 * k):.3f}" for k in range(60)]
_PLAIN = "day,chl,oxygen\n" + "\n".join(_ROWS) + "\n"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _column(*cells: str) -> bytes:
    return ("x\n" + "\n".join([*(f"{np.sin(k):.4f}" for k in range(60)), *cells]) + "\n").encode()


def _row(cells: Iterable[object]) -> str:
    return ",".join(map(str, cells))


_TEXTS: dict[str, bytes] = {
    "plain.csv": _PLAIN.encode(),
    "semicolon.csv": _PLAIN.replace(".", "#").replace(",", ";").replace("#", ",").encode(),
    "utf16.csv": _PLAIN.encode("utf-16"),
    "latin.csv": _PLAIN.replace("oxygen", "sauerstoff é").encode("latin-1"),
    "bom.csv": b"\xef\xbb\xbf" + _PLAIN.encode(),
    "nul.csv": _PLAIN.replace("chl", "c\0hl").encode(),
    "nul_inside.csv": _PLAIN.encode()[:300] + b"\0" + _PLAIN.encode()[300:],
    "twice.csv": _PLAIN.replace("oxygen", "chl").encode(),
    "unnamed.csv": _PLAIN.replace("chl", "").encode(),
    "no_heading.csv": "\n".join(_ROWS).encode(),
    "quote.csv": _PLAIN.replace("day", '"day').encode(),
    "ragged.csv": (_PLAIN + "1,2,3,4,5,6\n7\n").encode(),
    "censored.csv": _column("<0.5"),
    "percent.csv": _column("5%"),
    "words.csv": _column("n/a", "-", "#N/A", "none"),
    "sentinel.csv": _column("-9999", "-9999"),
    "hex.csv": _column("0x1f"),
    "huge.csv": _column("1e400", "-1e308", "1e308"),
    "digits.csv": _column("9" * 5000),
    "infinite.csv": _column("inf", "-inf", "nan"),
    "spreadsheet.csv": _column('"=cmd()"', "'3"),
    "empty.csv": b"",
    "newline.csv": b"\n\n\n",
    "heading.csv": b"day,chl\n",
    "one.csv": b"x\n1\n",
    "constant.csv": b"x\n" + b"3\n" * 60,
    "binary.csv": bytes(range(256)) * 20,
    "zip.csv": b"PK\x03\x04" + bytes(500),
    "wide.csv": "\n".join(
        [_row(f"c{k}" for k in range(30)), *(_row(np.sin(j * k) for k in range(30)) for j in range(40))]).encode(),
    "long_line.csv": b"x" * 300_000 + b"\n1\n",
    "commas.csv": b",,,\n" * 60,
    "dates.csv": ("when,x\n" + "\n".join(f"{1 + k % 28}/{1 + k // 28}/2000,{np.sin(k)}" for k in range(60))).encode(),
    "years.csv": ("year,x\n" + "\n".join(f"{1900 + k},{np.sin(k)}" for k in range(60))).encode(),
    "years_twice.csv": ("year,x\n" + "\n".join(f"{1900 + k // 2},{np.sin(k)}" for k in range(60))).encode(),
    "times.csv": ("t,x\n" + "\n".join(f"{k}e300,{np.sin(k)}" for k in range(60))).encode(),
    "falling.csv": ("t,x\n" + "\n".join(f"{-k},{np.sin(k)}" for k in range(60))).encode(),
    "carriage.csv": _PLAIN.replace("\n", "\r").encode(),
    "comment.csv": ("# made by hand\n" + _PLAIN).encode(),
    "years_wide.csv": _row(["Year", *_MONTHS]).encode() + b"\n"
    + "\n".join(_row([1900 + k, *(k % (m + 2) for m in range(12))]) for k in range(20)).encode(),
    "lakes.csv": "\n".join(["lake,year,month,x", *(
        _row([lake, 1990 + k // 12, 1 + k % 12, k * len(lake) % 13]) for lake in ("Paul", "Peter") for k in range(60)
    )]).encode(),
    "thousands.csv": b"t;x\n" + b"\n".join(b"%d;1.%03d,5" % (k, k * 37 % 1000) for k in range(60)),
    "ages.csv": b"age_BP,x\n" + b"\n".join(b"%d,%d" % (9000 - 50 * k, k * k % 17) for k in range(60)),
    "surrogate.csv": b"\xed\xa0\x80,x\n1,2\n",
}  # fmt: skip

_QUARTERS = ("year,quarter,x\n" + "\n".join(f"{1990 + k // 4},{1 + k % 4},{np.sin(k):.3f}" for k in range(60))).encode()
_TEXTS |= {
    "quarters.csv": _QUARTERS,
    "pipes.txt": _PLAIN.replace(",", "|").encode(),
    "spaces.txt": _PLAIN.replace(",", "   ").encode(),
    "tabs.tsv": _PLAIN.replace(",", "\t").encode(),
    "greek.csv": _PLAIN.replace("chl", "χλωροφύλλη").encode("cp1253"),
    "utf16be.csv": _PLAIN.encode("utf-16-be"),
    "mixed_ends.csv": _PLAIN.replace("\n", "\r\n", 20).encode(),
    "quoted.csv": ("day,note,chl\n" + "\n".join(
        f'"{row.split(",")[0]}","a, ""b""\nc",{row.split(",")[1]}' for row in _ROWS)).encode(),
    "units.csv": _PLAIN.replace("\n", "\n(d),(mg/l),(mg/l)\n", 1).encode(),
    "above.csv": ("Lake survey\nStation 3\n\n" + _PLAIN).encode(),
    "below.csv": (_PLAIN + "\nSource: the survey\n").encode(),
    "count.csv": ("n\n" + "\n".join(str(k * k % 17) for k in range(60))).encode(),
    "zoned.csv": ("when,x\n" + "\n".join(f"2000-01-01T{k % 24:02d}:00:00+0{k // 24}:00,{np.sin(k)}" for k in range(60))
                  ).encode(),
    "hours.csv": ("when,clock,x\n" + "\n".join(
        f"2000-01-{1 + k // 24:02d},{k % 24:02d}:00,{np.sin(k):.3f}" for k in range(60))).encode(),
    "gaps.csv": ("year,x\n" + "\n".join(f"{1900 + k},{'' if k % 7 == 3 else np.sin(k)}" for k in range(60))).encode(),
    "decimal_years.csv": ("time,x\n" + "\n".join(f"{1990 + (k + 0.5) / 12:.3f},{np.sin(k):.4f}" for k in range(60))
                          ).encode(),
    "not_a_workbook.xlsx": _PLAIN.encode(),
}  # fmt: skip

# File → the options of ews.read_table that read it.
READABLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("plain.csv", {"time": "day", "value": "chl"}),
    ("plain.csv", {"time": "day", "value": ["chl", "oxygen"]}),
    ("plain.csv", {"value": "oxygen"}),
    ("semicolon.csv", {"time": "day", "value": "chl"}),
    ("semicolon.csv", {"value": "chl", "sep": "semicolon", "decimal": ","}),
    ("utf16.csv", {"time": "day", "value": "chl"}),
    ("utf16be.csv", {"time": "day", "value": "chl", "encoding": "utf-16-be"}),
    ("latin.csv", {"time": "day", "value": "chl", "encoding": "latin-1"}),
    ("greek.csv", {"time": "day", "value": "oxygen", "encoding": "cp1253"}),
    ("bom.csv", {"time": "day", "value": "chl"}),
    ("words.csv", {"value": "x", "na": ["-", "#N/A", "none"]}),
    ("sentinel.csv", {"value": "x", "na": "-9999"}),
    ("censored.csv", {"value": "x", "na": "<*"}),
    ("wide.csv", {"value": "c1*"}),
    ("dates.csv", {"time": "when", "date_format": "%d/%m/%Y"}),
    ("years.csv", {"time": "year"}),
    ("years_twice.csv", {"time": "year"}),
    ("carriage.csv", {"time": "day", "value": "chl"}),
    ("comment.csv", {"time": "day", "value": "chl", "comment": "#"}),
    ("above.csv", {"time": "day", "value": "chl", "skip": 3}),
    ("units.csv", {"time": "day", "value": "chl"}),
    ("years_wide.csv", {"time": "Year"}),
    ("lakes.csv", {"time": ["year", "month"], "value": "x", "by": "lake"}),
    ("lakes.csv", {"time": ["year", "month"], "value": "x", "where": "lake=Paul"}),
    ("lakes.csv", {"time": ["year", "month"], "value": "x", "where": ["lake=Peter", "year>1990"]}),
    ("thousands.csv", {"time": "t", "value": "x", "thousands": ".", "decimal": ","}),
    ("ages.csv", {"time": "age_BP", "ages": True}),
    ("quarters.csv", {"time": ["year", "quarter"], "value": "x"}),
    ("pipes.txt", {"time": "day", "value": "chl", "sep": "|"}),
    ("spaces.txt", {"time": "day", "value": "chl"}),
    ("tabs.tsv", {"time": "day", "value": "*y*", "sep": "tab"}),
    ("mixed_ends.csv", {"time": "day", "value": "chl"}),
    ("quoted.csv", {"time": "day", "value": "chl"}),
    ("count.csv", {"value": "n"}),
    ("zoned.csv", {"value": "x"}),
    ("hours.csv", {"time": ["when", "clock"], "value": "x"}),
    ("gaps.csv", {"time": "year"}),
    ("decimal_years.csv", {"time": "time"}),
    ("book.xlsx", {"time": "when", "value": "x", "sheet": "data"}),
    ("book.xlsx", {"value": "y", "sheet": 2}),
    ("one.ods", {"time": "when", "value": "x"}),
)  # fmt: skip


@cache
def files() -> dict[str, bytes]:
    """The files by name; workbooks among them, whose writers are slow to load."""
    frame = pd.DataFrame({
        "when": pd.date_range("2000", periods=60), "x": np.sin(np.arange(60.0)), "y": np.arange(60) % 7,
        "note": ["", "a"] * 30,
    })  # fmt: skip
    odd = pd.DataFrame({"a": [1, "x", None, True, 2.5] * 4, 3: ["=1+1", "#N/A", "", "5%", "'7"] * 4})
    sheets = {
        "book.xlsx": ("openpyxl", {"about": odd, "data": frame}),
        "one.ods": ("odf", {"data": frame}),
        "odd.xlsx": ("openpyxl", {"odd": odd}),
        "empty.xlsx": ("openpyxl", {"nothing": pd.DataFrame()}),
    }
    found = dict(_TEXTS)
    for name, (engine, parts) in sheets.items():
        written = io.BytesIO()
        with pd.ExcelWriter(written, engine=engine) as writer:  # type: ignore[call-overload]
            for title, part in parts.items():
                part.to_excel(writer, sheet_name=title, index=False)
        found[name] = written.getvalue()
    found["cut.xlsx"] = found["book.xlsx"][:3000]
    found["renamed.csv"] = found["book.xlsx"]
    return found
