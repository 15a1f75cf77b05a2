"""A table of many columns: the page stays small, and says what it leaves out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import ews.report
from ews.results import Detection, Detections


def test_pages_of_many_columns_are_bounded_and_say_so(
    make_detection: Callable[..., Detection], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ews.report.MOST_IN_FULL == 20
    monkeypatch.setattr(ews.report, "MOST_IN_FULL", 2)  # as with 20, and quicker drawn
    quiet, loud = (make_detection(verdict=verdict) for verdict in ("no warning", "warning"))
    many = Detections({f"c{place}": loud if place == 4 else quiet for place in range(5)})
    text = ews.report.page(many)
    assert text.count('<section class="one">') == 2
    assert "The table has all 5 series. Of 2 of them" in text
    assert all(f">{name}<" in text for name in many)
    assert "<h2>c4</h2>" in text
    few = Detections({"a": loud, "b": quiet})
    assert "The table has all" not in ews.report.page(few)
