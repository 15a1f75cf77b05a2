"""``progress=``: None, True or a function of done and total; one rule in every verb that takes long."""

from __future__ import annotations

import inspect
import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import ews
from ews._common.progress import bar, reporting
from ews.errors import InputTypeError

X = np.random.default_rng(5).standard_normal(80)
TABLE = np.random.default_rng(6).standard_normal((60, 2))
MAPS = np.random.default_rng(7).standard_normal((12, 8, 8))
FAST: dict[str, Any] = {"n_surrogates": 19}
VERBS: dict[str, Any] = {
    "detect": lambda **options: ews.detect(X, **FAST, **options),
    "detect_multivariate": lambda **options: ews.detect_multivariate(TABLE, **FAST, **options),
    "detect_spatial": lambda **options: ews.detect_spatial(MAPS, indicators="variance", **FAST, **options),
    "composite": lambda **options: ews.composite(X, **FAST, **options),
    "sensitivity": lambda **options: ews.sensitivity(X, windows=[0.5], bandwidths=[0.2], **FAST, **options),
    "evaluate": lambda **options: ews.evaluate([X, X[::-1]], [1, 0], n_times=1, n_bootstrap=9, **options),
    "benchmark": lambda **options: ews.benchmark(
        n=60, replicates=2, positives="fold", nulls="white", n_times=1, n_bootstrap=9, **options
    ),
    "abrupt_shift": lambda **options: ews.abrupt_shift(X, **FAST, **options),
    "calibrate": lambda **options: ews.IndicatorMonitor(window=10, bandwidth=10, indicators="variance").calibrate(
        X, horizon=20, n_simulations=39, **options
    ),
    "classifier": lambda **options: ews.bifurcations.classifier(X, history=0, **FAST, **options),
    "jacobian": lambda **options: ews.bifurcations.jacobian(X, stride=20, **FAST, **options),
    "jumps": lambda **options: ews.bifurcations.jumps(X, **FAST, **options),
    "langevin": lambda **options: ews.bifurcations.langevin(X, **FAST, **options),
    "likelihood": lambda **options: ews.bifurcations.likelihood(np.exp(X), n_bootstrap=5, **options),
    "potential": lambda **options: ews.bifurcations.potential(X, n_bootstrap=9, **FAST, **options),
    "restoring": lambda **options: ews.bifurcations.restoring(X, n_bootstrap=20, **FAST, **options),
    "spectral": lambda **options: ews.bifurcations.spectral(X, n_surrogates=5, **options),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_function_hears_of_every_step_up_to_the_last(verb: str) -> None:
    heard: list[tuple[int, int]] = []
    silent = VERBS[verb]()
    told = VERBS[verb](progress=lambda done, total: heard.append((done, total)))
    done, total = zip(*heard, strict=True)
    assert len(set(total)) == 1
    assert list(done) == sorted(done)
    assert done[0] > 0
    assert done[-1] == total[0]
    assert type(told) is type(silent)
    wrong: Any
    for wrong in (3, "yes", [], 1):
        with pytest.raises(InputTypeError, match=r"^progress: got .* True for a bar"):
            VERBS[verb](progress=wrong)


def test_a_verb_keeps_its_signature_and_name() -> None:
    for verb in (ews.detect, ews.evaluate, ews.bifurcations.restoring, ews.IndicatorMonitor.calibrate):
        assert "progress" in inspect.signature(verb).parameters
        assert verb.__doc__


def test_what_the_users_function_raises_reaches_the_user() -> None:
    def stops(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ews.detect(X, n_surrogates=500, progress=stops)


def test_a_bar_draws_on_a_terminal_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    with bar("testing", Console(file=screen, force_terminal=True, width=60)) as report:
        report(1, 2)
        report(2, 2)
    assert "testing" in screen.getvalue()
    ews.detect(X, progress=True, **FAST)
    ews.detect(X, progress=False, **FAST)
    shown = capsys.readouterr()
    assert shown.out == shown.err.strip() == ""
    with reporting(None) as silent:
        assert silent is None
