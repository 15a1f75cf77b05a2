"""One tree of errors: each names the argument, what was given and what is allowed, and survives pickling."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest

from ews import errors

ARGUMENT_ERRORS = [
    error
    for error in vars(errors).values()
    if inspect.isclass(error) and issubclass(error, errors.ArgumentError) and error is not errors.UnknownNameError
]


def test_all_is_complete_and_sorted() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and not name.startswith("_")}
    classes = {name for name in classes if getattr(errors, name).__module__ == "ews.errors"}
    assert set(errors.__all__) == classes
    assert list(errors.__all__) == sorted(errors.__all__)


def test_there_is_one_tree() -> None:
    for name in errors.__all__:
        found = getattr(errors, name)
        assert issubclass(found, errors.EWSError) != issubclass(found, errors.EWSWarning)
    assert issubclass(errors.ArgumentError, ValueError)
    assert issubclass(errors.InputTypeError, TypeError)


@pytest.mark.parametrize("error", ARGUMENT_ERRORS)
def test_messages_name_argument_given_and_allowed(error: type[errors.ArgumentError]) -> None:
    found = error("window", 0, "an integer of 2 or more")
    assert str(found) == "window: got 0; allowed: an integer of 2 or more"
    assert (found.argument, found.given, found.allowed) == ("window", 0, "an integer of 2 or more")


@pytest.mark.parametrize("error", ARGUMENT_ERRORS)
@pytest.mark.parametrize("given", [0, "zero", None, errors.described("an array of shape (3,)")])
def test_errors_survive_pickling_and_copying(error: type[errors.ArgumentError], given: object) -> None:
    found = error("window", given, "an integer")
    for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert type(again) is error
        assert str(again) == str(found)
        assert (again.argument, again.given, again.allowed) == ("window", given, "an integer")


def test_unknown_names_suggest_the_nearest_and_survive_pickling() -> None:
    found = errors.UnknownNameError("null", "ar", ("ar1", "fourier"))
    assert str(found) == "null: got 'ar'; allowed: one of 'ar1', 'fourier' (did you mean 'ar1'?)"
    again = pickle.loads(pickle.dumps(found))
    assert (str(again), again.names) == (str(found), ("ar1", "fourier"))
    assert "did you mean" not in str(errors.UnknownNameError("null", "zzz", ("ar1", "fourier")))
    assert "did you mean" not in str(errors.UnknownNameError("null", None, ("ar1", "fourier")))


def test_what_was_given_is_shown_on_one_short_line() -> None:
    text = str(errors.InputTypeError("series", np.ones((100, 100)), "numbers"))
    assert "\n" not in text
    assert len(text) < 200
    assert str(errors.InputTypeError("x", errors.described("a set"), "numbers")).startswith("x: got a set;")
    assert str(errors.InputTypeError("x", "a set", "numbers")).startswith("x: got 'a set';")
