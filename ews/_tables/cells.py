"""What one cell is: a number in some notation, a date, nothing, or text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = [
    "MISSING", "NUMBER", "TOTAL", "has_date", "is_excel_error", "is_missing", "is_observation", "looks_like_number",
    "plain", "plain_floats",
]  # fmt: skip

# What stands for nothing wherever it is met, in small letters.
MISSING = frozenset(
    ("", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "nat", "1.#ind", "-1.#ind",
     "1.#qnan", "-1.#qnan", "#n/a n/a")
)  # fmt: skip
_SPACES = re.compile("[\u00a0\u2007\u2009\u202f]")
_GROUPS = r"[0-9]{1,3}(?:[.,'’ ][0-9]{3})+|[0-9]+"
# A number in any notation that is read: groups of thousands, decimal point or comma, exponent.
NUMBER = re.compile(rf"[+-]?(?:(?:{_GROUPS})(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r"[-+0-9.eE\n]*")
_EXCEL_ERROR = re.compile(r"#(N/A|NULL!|DIV/0!|VALUE!|REF!|NAME\?|NUM!|SPILL!|CALC!)", re.IGNORECASE)
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_CLOCK = r"(?:[T ][-0-9:.,+ apmzAPMZ]*)?"
_DATE = re.compile(
    rf"""(?:[0-9]{{4}}(?:[-/][0-9]{{1,2}}|[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}){_CLOCK}    # year first
    |[0-9]{{1,2}}([-/.])[0-9]{{1,2}}\1(?:[0-9]{{4}}|[0-9]{{2}}){_CLOCK}    # year last
    |[0-9]{{1,2}}[- .]{{1,2}}{_MONTH}\.?[- ,]{{1,2}}(?:[0-9]{{4}}|[0-9]{{2}}){_CLOCK}
    |{_MONTH}\.?[- ](?:[0-9]{{1,2}},?[- ])?(?:[0-9]{{4}}|[0-9]{{2}}){_CLOCK}
    |[0-9]{{4}}[- ]?(?:{_MONTH}|Q[1-4])|Q[1-4][- ][0-9]{{4}})""",
    re.IGNORECASE | re.VERBOSE,
)
TOTAL = re.compile(
    r"(grand |sub)?-?(totals?|sum|mean|average|avg|summe|gesamt|mittel(wert)?|moyenne|somme|totale|media|suma)\W*",
    re.IGNORECASE,
)


def plain(cell: str) -> str:
    """The cell with one kind of space and of minus sign: spreadsheets write several."""
    if cell.isascii():
        return cell.strip()
    cell = _SPACES.sub(" ", cell).strip()
    return "-" + cell[1:] if cell[:1] in "−–" and cell[1:2].isdigit() else cell


def plain_floats(cells: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """All cells as floats, NaN where one is empty, if they are written as Python writes them; else None."""
    if not _PLAIN.fullmatch("\n".join(cells)):
        return None
    try:
        found = np.array([cell or "nan" for cell in cells], dtype=np.float64)
    except ValueError:
        return None
    return None if np.isinf(found).any() else found


def is_missing(cell: str) -> bool:
    """Whether the cell says in so many words that there is no value."""
    return cell.lower() in MISSING


def is_excel_error(text: str) -> bool:
    """Whether the text begins with an error of a spreadsheet, which begins like a comment."""
    return _EXCEL_ERROR.match(text) is not None


def has_date(cell: str) -> bool:
    """Whether the cell has the shape of a date."""
    return _DATE.fullmatch(cell) is not None


def looks_like_number(cell: str) -> bool:
    """Whether the cell is a number, or one with a sign about it: ``<0.5``, ``12 %``, ``0x1F``."""
    bare = re.sub(r"^[<>≤≥~=±]+\s*|\s*[%‰*†]+$", "", cell)
    return NUMBER.fullmatch(bare) is not None or re.fullmatch(r"[+-]?0[xX][0-9a-fA-F]+", cell) is not None


def is_observation(cell: str) -> bool:
    """Whether the cell is a number or a date, not a name."""
    return looks_like_number(cell) or has_date(cell)
