"""Arrays of results that are made when they are asked for are fields like others."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from functools import partial

import numpy as np
import pytest

import ews
from ews._common.lazy import lazy_arrays


@lazy_arrays("made")
@dataclass(frozen=True, eq=False)
class Holder:
    made: np.ndarray
    plain: int = 0


def test_a_field_is_given_or_made() -> None:
    given = np.arange(3.0)
    assert Holder(given).made is given
    made = Holder(partial(np.full, 2, 7.0), 1)  # type: ignore[arg-type]
    np.testing.assert_array_equal(made.made, [7.0, 7.0])
    assert [field.name for field in fields(made)] == ["made", "plain"]
    assert (replace(made, plain=2).made == 7.0).all()
    with pytest.raises(FrozenInstanceError):
        made.made = given  # type: ignore[misc]
    with pytest.raises(TypeError, match="made"):
        Holder()  # type: ignore[call-arg]


def test_a_detection_with_made_arrays_is_kept_copied_and_read_again() -> None:
    x = np.random.default_rng(1).standard_normal(90)
    found = ews.detect(x, n_surrogates=49)
    assert isinstance(found, ews.Detection)
    assert found.scores is not None
    for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), ews.Detection.from_json(found.to_json())):
        assert again == found
        assert isinstance(again, ews.Detection)
        assert again.scores is not None
        np.testing.assert_array_equal(again.scores.memory_upper, found.scores.memory_upper)
        np.testing.assert_array_equal(again.surrogate_band["ac1"].upper, found.surrogate_band["ac1"].upper)
    assert found.scores.to_frame()["spread_lower"].notna().all()
