"""The memory of the default answer for a long record, in a process of its own."""

from __future__ import annotations

import sys

import pytest

from benchmarks.startup import long_record


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the most that a process held from /proc")
def test_a_long_record_takes_no_more_than_thirty_times_itself() -> None:
    seconds, times = long_record(200_000)
    assert times <= 30.0
    assert seconds < 600.0
