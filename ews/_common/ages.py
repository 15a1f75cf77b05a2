"""Ages before present as times: larger is earlier, and saying so is up to the user."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ews._common.publish import public

__all__ = ["Ages", "called_time", "named_like_ages"]

_AGE = re.compile(
    r"(?<![^\W\d_])(ages?|cal_?bp|yr_?bp|yrs_?bp|years_?bp|ybp|ka_?bp|kyr_?bp|bp|ka|kyrs?|kya|ma|myrs?|mya|b2k|ago"
    r"|before_present|before_(19|20)[0-9]{2}|alter|edad|idade|ålder|âge|età"
    r"|depths?|mcd|mbsf|tiefe|profondeur|profundidad|profundidade|profondità|djup)(?![^\W\d_])"
)
_TIME = re.compile(
    r"(time|date|year|yr|years?_?ce|day|days|month|datetime|timestamp|doy|t)([ _.(\[].*)?", re.IGNORECASE
)


@public("ews")
@dataclass(frozen=True, eq=False)
class Ages:
    """Ages before present, to be given as ``time=``: the oldest observation comes first.

    Time runs from larger to smaller ages, so that the times of the result are the negative ages, and `until` is an age
    as well: the youngest that is used. A note in the result says that time was turned round.

    Parameters
    ----------
    values : array_like of shape (n,) or str
        The ages, larger being earlier; or the name of a column of the table that they stand in.
    unit : str, default ""
        What they are counted in, for example ``"ka BP"``; for the report only.

    Examples
    --------
    >>> import ews
    >>> from ews.series import as_series
    >>> series = as_series([1.0, 3.0, 2.0, 4.0], time=ews.Ages([50, 100, 150, 200], unit="yr BP"))
    >>> series.values.tolist(), series.time.tolist()
    ([4.0, 2.0, 3.0, 1.0], [-200.0, -150.0, -100.0, -50.0])
    """

    values: Any
    unit: str = ""


def called_time(name: str) -> bool:
    """Whether a column's name says that it holds times."""
    return _TIME.fullmatch(name) is not None or named_like_ages(name)


def named_like_ages(name: str | None) -> bool:
    """Whether a time axis is called what ages before present, or depths in a core, are called: larger is earlier."""
    if name is None:
        return False
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # ageBP is two
    return _AGE.search(re.sub(r"[\W_]+", "_", words.lower())) is not None
