"""The ridge-penalised logistic regression against the optimum that others find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as statsmodels
import torch
from scipy.optimize import minimize

from adapters.heads.logistic import Logistic


def drawn(n: int = 400, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)) * [1.0, 50.0, 0.01, 1.0] + [0.0, 1000.0, 5.0, -2.0]
    z = (x - x.mean(0)) / x.std(0)
    return x, rng.random(n) < 1 / (1 + np.exp(-(z @ [1.0, -2.0, 0.5, 0.0] + 0.3)))


def objective(beta: Any, z: Any, y: Any, ridge: float) -> float:
    eta = z @ beta[:-1] + beta[-1]
    return float(np.logaddexp(0, eta).sum() - y @ eta + ridge * (beta[:-1] ** 2).sum() / 2)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 30.0])
def test_optimum_of_the_penalised_likelihood(ridge: float) -> None:
    x, y = drawn()
    z = (x - x.mean(0)) / x.std(0)
    best = minimize(objective, np.zeros(5), (z, y.astype(float), ridge), method="BFGS", options={"gtol": 1e-9})
    fit = Logistic.fit(x, y, ridge=ridge)
    np.testing.assert_allclose(fit.weight * x.std(0), best.x[:-1], atol=1e-5)
    np.testing.assert_allclose(fit.bias + fit.weight @ x.mean(0), best.x[-1], atol=1e-5)
    np.testing.assert_allclose(fit.score(x), z @ best.x[:-1] + best.x[-1], atol=1e-4)


def test_without_a_penalty_it_is_that_of_statsmodels() -> None:
    x, y = drawn()
    z = (x - x.mean(0)) / x.std(0)
    peer = statsmodels.Logit(y.astype(float), statsmodels.add_constant(z)).fit(disp=0, tol=1e-12)
    fit = Logistic.fit(x, y, ridge=0.0)
    np.testing.assert_allclose(fit.score(x), statsmodels.add_constant(z) @ peer.params, atol=1e-5)


def test_units_and_offsets_do_not_matter() -> None:
    x, y = drawn()
    np.testing.assert_allclose(Logistic.fit(x, y).score(x), Logistic.fit(x * 1e6 - 3e7, y).score(x * 1e6 - 3e7), 1e-5)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_left_out(odd: float) -> None:
    x, y = drawn()
    spoiled = np.concatenate((x, x[:20]))
    spoiled[400:, 2] = odd
    fit = Logistic.fit(spoiled, np.concatenate((y, ~y[:20])))
    np.testing.assert_array_equal(fit.weight, Logistic.fit(x, y).weight)
    with np.errstate(invalid="ignore"):
        assert not (fit.score(np.array([[0.0, np.nan, 0.0, 0.0]])) >= -np.inf).any()


@pytest.mark.parametrize("event", [True, False])
def test_one_outcome_gives_a_constant(event: bool) -> None:
    x, _ = drawn(20)
    fit = Logistic.fit(x, np.full(20, event))
    assert not fit.weight.any()
    assert fit.bias == pytest.approx(np.log(20.5 / 0.5) * (1 if event else -1))


def test_no_row_at_all() -> None:
    fit = Logistic.fit(np.full((3, 2), np.nan), [True, False, True])
    assert fit.weight.tolist() == [0.0, 0.0]
    assert fit.bias == 0.0


def test_classes_that_a_line_parts_stay_finite() -> None:
    x = np.r_[np.linspace(-2, -1, 50), np.linspace(1, 2, 50)][:, None]
    fit = Logistic.fit(x, x[:, 0] > 0)
    assert np.isfinite(fit.weight).all()
    assert ((fit.score(x) > 0) == (x[:, 0] > 0)).all()
    assert np.isfinite(Logistic.fit(x, x[:, 0] > 0, ridge=0.0).weight).all()


def test_a_constant_feature_has_no_weight() -> None:
    x, y = drawn()
    fit = Logistic.fit(np.column_stack((x, np.full(len(x), 7.0))), y)
    assert fit.weight[-1] == 0
    np.testing.assert_allclose(fit.weight[:-1], Logistic.fit(x, y).weight, rtol=1e-6)


def test_tensors_are_scored_as_arrays() -> None:
    x, y = drawn()
    fit = Logistic.fit(x, y)
    scored = torch.from_numpy(x) @ torch.from_numpy(fit.weight) + fit.bias
    np.testing.assert_allclose(scored.numpy(), fit.score(x), rtol=1e-12)
    assert fit.score(x.reshape(4, 100, 4)).shape == (4, 100)
