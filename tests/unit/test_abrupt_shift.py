"""The abrupt-shift score: its definition, its place, its test, its report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import ews
from ews._analysis.abrupt_shift.run import scores
from ews.errors import InputTypeError, MissingValuesError, SeriesTooShortError, UnknownNameError, ValueRangeError
from tests.reference import naive_spatial as naive


def stepped(n: int = 120, at: int = 70, size: float = 8.0, seed: int = 1) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(n)
    x[at:] += size
    return x


@pytest.mark.parametrize("n", [45, 61, 90])
def test_score_is_its_definition(n: int) -> None:
    x = np.cumsum(np.random.default_rng(n).standard_normal(n))
    found = ews.abrupt_shift(x, n_surrogates=0)
    assert (found.config.shortest, found.config.longest) == (5, n // 3)
    np.testing.assert_allclose(found.score, naive.abrupt_score(x, range(5, n // 3 + 1), 3.0), atol=1e-12)


def test_rows_are_scored_one_by_one() -> None:
    rows = np.random.default_rng(3).standard_normal((4, 50)).cumsum(axis=1)
    together = scores(rows, range(5, 17), 3.0)
    for row, score in zip(rows, together, strict=True):
        np.testing.assert_array_equal(scores(row[None], range(5, 17), 3.0)[0], score)


def test_a_bare_step_by_hand() -> None:
    x = np.zeros(60)
    x[32:] = 1.0
    found = ews.abrupt_shift(x, longest=7, n_surrogates=0)
    # Segments of 5 begin at 0, of 6 at 0, of 7 at 2: the step lies in 30 to 34, 30 to 35 and 30 to 36.
    expected = np.zeros(60)
    expected[30:35], expected[35], expected[36] = 1.0, 2 / 3, 1 / 3
    np.testing.assert_allclose(found.score, expected, atol=1e-15)
    assert found.position == 32
    x[:30], x[30:] = 0.0, 1.0  # a step between segments is seen by none of them
    assert ews.abrupt_shift(x, longest=7, n_surrogates=0).statistic == 0.0


def test_step_is_found_where_it_is() -> None:
    for sign in (1.0, -1.0):
        found = ews.abrupt_shift(sign * stepped(), n_surrogates=99)
        assert abs(found.position - 69) <= 3
        assert np.sign(found.score[found.position]) == sign
        assert found.warning
    steady = ews.abrupt_shift(stepped(size=0.0), n_surrogates=99)
    assert not steady.warning


def test_a_straight_line_has_no_shift() -> None:
    found = ews.abrupt_shift(np.linspace(0.0, 0.7, 60), n_surrogates=20)
    assert found.statistic == 0.0
    assert not found.warning
    assert "0 throughout" in found.summary()


def test_time_and_until_are_those_of_the_series() -> None:
    x = pd.Series(stepped(), index=pd.date_range("2000-01-01", periods=120, freq="MS"), name="cover")
    found = ews.abrupt_shift(x, missing="interpolate", n_surrogates=20)
    assert str(found.location)[:4] == "2005"
    cut = ews.abrupt_shift(x, missing="interpolate", until="2004", n_surrogates=0)
    assert len(cut.series) == 60


def test_result_reads_and_writes() -> None:
    found = ews.abrupt_shift(stepped(60, 30), n_surrogates=30, seed=np.random.default_rng(5))
    text = found.summary()
    assert str(found.config.seed) in text
    assert max(map(len, text.splitlines())) <= 100
    stored = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert stored["statistic"] == found.statistic
    assert found.to_frame().shape == (60, 2)
    assert len(found.plot().axes) == 2
    assert len(ews.abrupt_shift(stepped(60, 30), n_surrogates=0).plot().axes) == 2
    again = ews.abrupt_shift(stepped(60, 30), n_surrogates=30, seed=found.config.seed)
    np.testing.assert_array_equal(again.surrogate_statistic, found.surrogate_statistic)


@pytest.mark.parametrize(
    ("series", "options", "error"),
    [
        (["a", "b"], {}, InputTypeError),
        ([1.0, np.nan, 2.0] * 10, {}, MissingValuesError),
        (np.ones(50), {}, ValueRangeError),
        (np.arange(14.0), {}, SeriesTooShortError),
        (stepped(60), {"shortest": 2}, ValueRangeError),
        (stepped(60), {"longest": 21}, ValueRangeError),
        (stepped(60), {"longest": 4}, ValueRangeError),
        (stepped(60), {"threshold": 0.0}, ValueRangeError),
        (stepped(60), {"null": "ar2"}, UnknownNameError),
        (stepped(60), {"alpha": 2}, ValueRangeError),
        (stepped(60), {"n_surrogates": -2}, ValueRangeError),
        (stepped(60), {"seed": "x"}, ValueRangeError),
    ],
)
def test_bad_input_is_refused_by_name(series: object, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        ews.abrupt_shift(series, **options)  # type: ignore[arg-type]


def test_a_step_without_noise_is_no_error() -> None:
    found = ews.abrupt_shift(np.repeat([0.3, 1.1], 50), n_surrogates=99)
    assert found.warning
    assert found.pvalue == 0.01
    assert abs(found.location - 49) <= 2
    assert "no noise" in found.null_sentence


def test_scores_that_are_equal_but_for_rounding_count_for_the_null() -> None:
    """With two lengths a score is 0, ½ or 1, so that surrogates tie with the series; the definition counts them."""
    x = np.random.default_rng(3).standard_normal(40)
    found = ews.abrupt_shift(x, shortest=5, longest=6, n_surrogates=99)
    halves, own = np.round(2 * found.surrogate_statistic), round(2 * found.statistic)
    assert 0 < (halves == own).sum() < 99
    assert found.pvalue == (1 + (halves >= own).sum()) / 100


def test_a_slope_at_the_threshold_itself_does_not_vote() -> None:
    from ews._analysis.abrupt_shift.run import NORMAL_MAD, ROUNDING, scores

    met = 0
    for top in np.arange(3.0, 40.0):  # for some of these a float lies exactly at the limit
        slopes = np.array([0.0, 1.0, -2.0, top, -1.0])
        row = np.repeat(slopes, 3) * np.tile([-1.0, 0.0, 1.0], 5)
        spread, allowance = NORMAL_MAD * np.median(np.abs(slopes)), ROUNDING * np.ptp(row)
        limit = (top - allowance) / spread
        for threshold in limit + np.spacing(limit) * np.arange(-4, 5):
            if threshold * spread + allowance == top:
                met += 1
                assert scores(row[None, :], range(3, 4), threshold)[0, 9:12].tolist() == [0.0, 0.0, 0.0]
        assert scores(row[None, :], range(3, 4), 0.999 * limit)[0, 9:12].tolist() == [1.0, 1.0, 1.0]
    assert met > 0
