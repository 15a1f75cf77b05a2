"""The simulated systems: moments against theory, bifurcations against eigenvalues found numerically, steps halved."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, fsolve

from ews import errors, models
from ews._kernels import simulate

# The lattice has maps for values: tests/unit/test_lattice.py.
SIMULATORS = {
    name: getattr(models, name)
    for name in models.__all__
    if name not in ("LatticeSimulation", "Simulation", "harvested_lattice")
}
DRIVEN = {
    "harvested_population": "harvest",
    "transcritical": "harvest",
    "pitchfork": "control",
    "hopf": "attack",
    "ricker": "growth",
}


def slope(function: Callable[[float], float], x: float) -> float:
    """Central difference."""
    step = 1e-6 * max(1.0, abs(x))
    return (function(x + step) - function(x - step)) / (2 * step)


# --- what every simulator promises ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIMULATORS)
def test_result_is_complete_and_says_what_made_it(name: str) -> None:
    simulation = SIMULATORS[name](n=40, seed=7)
    assert simulation.model == name
    assert simulation.values.shape == simulation.time.shape == simulation.parameter.shape == (40,)
    assert simulation.values.dtype == np.float64
    assert np.isfinite(simulation.values).all()
    assert set(simulation.config) == set(inspect.signature(SIMULATORS[name]).parameters) - {"seed"}
    again = SIMULATORS[name](**simulation.config, seed=simulation.seed)
    np.testing.assert_array_equal(again.values, simulation.values)


@pytest.mark.parametrize("name", SIMULATORS)
def test_options_are_keyword_only(name: str) -> None:
    with pytest.raises(TypeError):
        SIMULATORS[name](100)


@pytest.mark.parametrize("name", SIMULATORS)
def test_replicate_depends_on_seed_and_index_only(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    single = SIMULATORS[name](n=30, seed=3)
    many = SIMULATORS[name](n=30, seed=3, replicates=5)
    assert many.values.shape == (5, 30)
    np.testing.assert_array_equal(many.values[0], single.values)
    assert len(np.unique(many.values[:, -1])) == 5
    monkeypatch.setattr("ews.models.simulation._CHUNK", 1)  # one replicate a chunk
    np.testing.assert_array_equal(SIMULATORS[name](n=30, seed=3, replicates=5).values, many.values)


def test_seeds() -> None:
    def draw(seed: int | np.random.Generator | None) -> models.Simulation:
        return models.ar1(n=20, seed=seed)

    assert not np.array_equal(draw(1).values, draw(2).values)
    assert not np.array_equal(draw(None).values, draw(None).values)
    fresh = draw(None)
    np.testing.assert_array_equal(draw(fresh.seed).values, fresh.values)
    generator = np.random.default_rng(5)
    twin = copy.deepcopy(generator)
    first, second = draw(generator), draw(generator)
    assert not np.array_equal(first.values, second.values)
    np.testing.assert_array_equal(draw(twin).values, first.values)


def test_simulation_is_an_array_and_a_table() -> None:
    simulation = models.ar1(n=6, seed=1)
    np.testing.assert_array_equal(np.asarray(simulation), simulation.values)
    assert np.asarray(simulation, dtype=np.float32).dtype == np.float32
    assert len(simulation) == 6
    frame = simulation.to_frame()
    assert list(frame.columns) == ["parameter", "value"]
    np.testing.assert_array_equal(frame.index, simulation.time)
    np.testing.assert_array_equal(frame["value"], simulation.values)
    batch = models.ar1(n=6, seed=1, replicates=2)
    assert list(batch.to_frame().columns) == ["parameter", "value 0", "value 1"]
    with pytest.raises(AttributeError):
        simulation.seed = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        simulation.config["n"] = 3  # type: ignore[index]


# --- noise and step ---------------------------------------------------------------------------------------------------


def autocorrelation(values: np.ndarray) -> np.ndarray:
    """Lag-1 autocorrelation of each row around the known mean 0."""
    return (values[:, 1:] * values[:, :-1]).mean(axis=1) / (values**2).mean(axis=1)


@pytest.mark.parametrize(("rate", "noise", "interval"), [(0.5, 1.0, 0.2), (2.0, 0.3, 1.5)])
def test_ornstein_uhlenbeck_has_its_variance_and_autocorrelation(rate: float, noise: float, interval: float) -> None:
    values = models.ornstein_uhlenbeck(n=400, rate=rate, noise=noise, interval=interval, replicates=200, seed=11).values
    squares = (values**2).mean(axis=1)
    standard_error = squares.std(ddof=1) / math.sqrt(squares.size)
    assert abs(squares.mean() - noise**2 / (2 * rate)) < 4 * standard_error
    products = (values[:, 1:] * values[:, :-1]).mean(axis=1)
    expected = noise**2 / (2 * rate) * math.exp(-rate * interval)
    assert abs(products.mean() - expected) < 4 * products.std(ddof=1) / math.sqrt(products.size)
    # Stationary from the first sample on.
    assert abs(values[:, 0].var() / (noise**2 / (2 * rate)) - 1) < 4 * math.sqrt(2 / 200)


def test_ornstein_uhlenbeck_is_exact_at_any_interval() -> None:
    """Neither a vanishing interval (φ = 1 in floating point) nor a long one needs a special case."""
    frozen = models.ornstein_uhlenbeck(n=50, interval=1e-18, rate=1.0, seed=1)
    np.testing.assert_allclose(np.diff(frozen.values).std(ddof=1), 1e-9, rtol=0.3)
    white = models.ornstein_uhlenbeck(n=4000, interval=100.0, rate=1.0, noise=2.0, seed=1)
    assert abs(white.values.var() - 2.0) < 4 * 2.0 * math.sqrt(2 / 4000)
    assert abs(autocorrelation(white.values[None])[0]) < 4 / math.sqrt(4000)


@pytest.mark.parametrize("coefficient", [0.0, 0.9, -0.7])
def test_ar1_has_its_variance_and_autocorrelation(coefficient: float) -> None:
    values = models.ar1(n=400, coefficient=coefficient, noise=2.0, replicates=200, seed=4).values
    squares = (values**2).mean(axis=1)
    expected = 4.0 / (1 - coefficient**2)
    assert abs(squares.mean() - expected) < 4 * squares.std(ddof=1) / math.sqrt(200)
    products = (values[:, 1:] * values[:, :-1]).mean(axis=1)
    assert abs(products.mean() - coefficient * expected) < 4 * products.std(ddof=1) / math.sqrt(200)


def test_mean_shifts_the_linear_systems() -> None:
    for draw in (models.ar1, models.ornstein_uhlenbeck):
        shifted, centred = draw(n=50, mean=3.0, seed=1), draw(n=50, seed=1)
        np.testing.assert_allclose(shifted.values, centred.values + 3.0, rtol=1e-14)


@pytest.mark.jit
def test_integrated_linear_system_has_the_variance_of_its_theory() -> None:
    """Near 0 the pitchfork is an Ornstein–Uhlenbeck process of rate −μ: an error in σ√Δt shows at once."""
    values = models.pitchfork(n=500, control=-1.0, noise=0.01, steps=10, replicates=200, seed=2).values
    squares = (values**2).mean(axis=1)
    step = 0.1
    expected = 0.01**2 / 2 / (1 - step / 2)  # of Euler's scheme, x ← (1 − Δt) x + σ √Δt z, in closed form
    assert abs(squares.mean() - expected) < 4 * squares.std(ddof=1) / math.sqrt(200)
    memory = (values[:, 1:] * values[:, :-1]).mean(axis=1)
    assert abs(memory.mean() - (1 - step) ** 10 * expected) < 4 * memory.std(ddof=1) / math.sqrt(200)


@pytest.mark.jit
@pytest.mark.parametrize(
    ("name", "options", "steps"),
    [
        ("harvested_population", {"harvest": 2.0}, 10),
        ("transcritical", {"harvest": 0.5}, 10),
        ("pitchfork", {"control": -0.5}, 10),
        ("hopf", {"attack": 13.0}, 20),
    ],
)
def test_halving_the_step_leaves_the_variance(name: str, options: dict[str, float], steps: int) -> None:
    variances = [
        SIMULATORS[name](n=300, steps=count, replicates=200, seed=count, **options).values.var(axis=1)
        for count in (steps, 2 * steps)
    ]
    coarse, fine = (v.mean() for v in variances)
    standard_error = math.hypot(*(v.std(ddof=1) / math.sqrt(v.size) for v in variances))
    assert abs(coarse - fine) < 4 * standard_error + 0.05 * fine
    assert standard_error < 0.1 * fine


@pytest.mark.jit
@pytest.mark.parametrize("proportional", [0.0, 1.0])
def test_strong_convergence_is_of_first_order(proportional: float) -> None:
    """On one Brownian path, halving the step halves the error; Euler's scheme would only reach √2 for such noise."""
    rng = np.random.default_rng(8)
    finest, rows = 1024, 300
    normals = rng.standard_normal((rows, finest))
    constants = np.array([1.0, 10.0, 1.0])

    def at_end(steps: int) -> np.ndarray:
        summed = normals.reshape(rows, steps, -1).sum(axis=2) / math.sqrt(finest // steps)
        out = np.empty((rows, 2))
        simulate.integrate(
            simulate.FOLD, constants, np.array([1.5, 2.0]), 7.0, 0.5, proportional, 0.0, 1.0 / steps, steps, 0,
            np.ascontiguousarray(summed), out,
        )  # fmt: skip
        return out[:, 1]

    exact = at_end(finest)
    error = {steps: np.abs(at_end(steps) - exact).mean() for steps in (16, 32, 64)}
    assert error[16] / error[32] > 1.75
    assert error[32] / error[64] > 1.75


def test_population_never_goes_below_zero() -> None:
    for name in ("harvested_population", "transcritical", "hopf", "ricker"):
        noise = 0.6 if name != "transcritical" else 3.0
        assert SIMULATORS[name](n=60, noise=noise, seed=1, replicates=5).values.min() >= 0.0
    assert (models.transcritical(n=100, harvest=2.0, noise=0.5, seed=1).values == 0.0).any()


# --- where the bifurcation lies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"growth": 0.7, "capacity": 24.0, "half_saturation": 1.9}])
def test_fold_is_where_the_eigenvalue_vanishes(options: dict[str, float]) -> None:
    simulation = models.harvested_population(n=20, harvest=(0.5, 1.0), seed=1, **options)
    r, k, s = (simulation.config[name] for name in ("growth", "capacity", "half_saturation"))

    def turning(point: np.ndarray) -> list[float]:
        def drift(x: float) -> float:
            return r * x * (1 - x / k) - point[1] * x**2 / (s**2 + x**2)

        return [drift(point[0]), slope(drift, point[0])]

    state, harvest = fsolve(turning, [0.55 * k, 0.26 * r * k / s])
    assert state > 0.3 * k  # the upper fold, not the lower one
    assert simulation.critical == pytest.approx(harvest, rel=1e-7)


def test_transcritical_is_where_both_eigenvalues_vanish() -> None:
    critical = models.transcritical(n=20, growth=0.8, capacity=5.0, harvest=(0.0, 0.5), seed=1).critical
    for branch in (lambda _: 0.0, lambda c: 5.0 * (1 - c / 0.8)):

        def eigenvalue(c: float, branch: Callable[[float], float] = branch) -> float:
            return slope(lambda x: x * (0.8 * (1 - x / 5.0) - c), branch(c))

        assert critical == pytest.approx(brentq(eigenvalue, 0.3, 1.3), rel=1e-6)


def test_pitchfork_is_where_the_eigenvalue_vanishes() -> None:
    critical = models.pitchfork(n=20, seed=1).critical
    assert critical == pytest.approx(brentq(lambda mu: slope(lambda x: mu * x - x**3, 0.0), -1.0, 0.7), abs=1e-9)


def test_period_doubling_is_where_the_multiplier_is_minus_one() -> None:
    critical = models.ricker(n=20, capacity=7.0, seed=1).critical
    multiplier = brentq(lambda r: slope(lambda x: x * math.exp(r * (1 - x / 7.0)), 7.0) + 1.0, 0.5, 3.0)
    assert critical == pytest.approx(multiplier, rel=1e-7)


@pytest.mark.parametrize("options", [{}, {"capacity": 2.5, "handling": 0.1, "mortality": 1.5, "attack": (3.0, 9.0)}])
def test_hopf_is_where_the_real_part_vanishes(options: dict[str, float]) -> None:
    simulation = models.hopf(n=20, seed=1, **options)
    r, k, h, e, m = (simulation.config[name] for name in ("growth", "capacity", "handling", "conversion", "mortality"))

    def rates(state: np.ndarray, a: float) -> np.ndarray:
        x, y = state
        eaten = a * x * y / (1 + a * h * x)
        return np.array([r * x * (1 - x / k) - eaten, e * eaten - m * y])

    def eigenvalues(a: float) -> np.ndarray:
        state = fsolve(rates, [0.4 * k, r / a], args=(a,), xtol=1e-13)
        assert state.min() > 0.01
        columns = [(rates(state + d, a) - rates(state - d, a)) / 2e-6 for d in np.eye(2) * 1e-6]
        return np.linalg.eigvals(np.array(columns).T)

    crossing = brentq(lambda a: eigenvalues(a).real.max(), 0.8 * simulation.critical, 1.2 * simulation.critical)
    assert simulation.critical == pytest.approx(crossing, rel=1e-6)
    assert np.abs(eigenvalues(crossing).imag).min() > 0.1  # a complex pair, so a Hopf bifurcation


# --- the deterministic limit -----------------------------------------------------------------------------------------


def consumer_and_resource(state: np.ndarray, a: float) -> list[float]:
    x, y = state
    eaten = a * x * y / (1 + 0.15 * a * x)
    return [4.0 * x * (1 - x / 1.7) - eaten, 0.5 * eaten - 2.0 * y]


@pytest.mark.parametrize(
    ("name", "ramp", "rates", "start"),
    [
        (
            "harvested_population",
            (0.0, 8.0),
            lambda s, c: [s[0] * (1 - s[0] / 10) - c * s[0] ** 2 / (1 + s[0] ** 2)],
            [10],
        ),
        ("transcritical", (0.0, 2.0), lambda s, c: [s[0] * (1 - s[0] / 10 - c)], [10.0]),
        ("pitchfork", (1.0, 4.0), lambda s, mu: [mu * s[0] - s[0] ** 3], [1.0]),
        ("hopf", (8.0, 40.0), consumer_and_resource, [10 / 8, 0.5 * (1 - 10 / 8 / 1.7) * (1 + 0.15 * 10)]),
    ],
)
def test_without_noise_a_fast_ramp_is_integrated_like_an_ordinary_differential_equation(
    name: str, ramp: tuple[float, float], rates: Callable[[np.ndarray, float], list[float]], start: list[float]
) -> None:
    """The parameter moves within an interval too: here four intervals hold the whole ramp."""
    options = {"noise": 0.0, "interval": 1.0, "steps": 1000, "burn_in": 1, "seed": 1, DRIVEN[name]: ramp}
    simulation = SIMULATORS[name](n=5, **options)
    exact = solve_ivp(
        lambda t, state: rates(state, ramp[0] + (ramp[1] - ramp[0]) * t / 4.0),
        (0.0, 4.0), start, t_eval=simulation.time, rtol=1e-10, atol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(simulation.values, exact.y[0], rtol=5e-3 if name != "hopf" else 1e-4)


def test_without_noise_the_population_follows_the_upper_branch_and_falls_at_the_fold() -> None:
    simulation = models.harvested_population(n=4000, harvest=(1.0, 2.7), noise=0.0, steps=2, seed=1)
    harvest, x = simulation.parameter, simulation.values
    on_branch = harvest < 2.5
    residual = x * (1 - x / 10) - harvest * x**2 / (1 + x**2)
    assert np.abs(residual[on_branch]).max() < 5e-3
    assert simulation.transition == pytest.approx((simulation.critical - 1.0) / 1.7 * 3999, rel=1e-12)
    fall = simulation.time[np.flatnonzero(x < 2.0)[0]]
    assert simulation.transition < fall < simulation.transition + 150  # a ramp passes the fold before the state falls


def test_without_noise_the_transcritical_branch_reaches_zero() -> None:
    simulation = models.transcritical(n=2000, harvest=(0.0, 1.2), noise=0.0, steps=2, seed=1)
    branch = np.maximum(10 * (1 - simulation.parameter), 0.0)
    assert np.abs(simulation.values - branch).max() < 0.3  # the lag of a ramp is largest at the bifurcation itself
    assert np.abs(simulation.values - branch)[:1000].max() < 0.02


def test_without_noise_the_spiral_damps_before_and_grows_after_its_bifurcation() -> None:
    critical = models.hopf(n=2, seed=1).critical
    constants = np.array([4.0, 1.7, 0.15, 0.5, 2.0])
    for factor, growing in ((0.99, False), (1.01, True)):
        attack = factor * critical
        resource = 10.0 / attack
        consumer = 4.0 / attack * (1 - resource / 1.7) * (1 + attack * 0.15 * resource)
        out = np.empty((2, 1, 400))
        simulate.integrate_consumer_resource(
            constants, np.full(400, attack), np.array([1.001 * resource, consumer]), 0.0, 0.025, 20, 0,
            np.zeros((1, 2 * 399 * 20)), out,
        )  # fmt: skip
        swing = np.abs(out[0, 0] - resource)
        assert bool(swing[-50:].max() > 1.2 * swing[:50].max()) is growing


def test_without_noise_the_ricker_map_alternates_beyond_its_bifurcation() -> None:
    simulation = models.ricker(n=4000, growth=(1.5, 2.2), noise=0.0, seed=1)
    assert simulation.transition == pytest.approx(0.5 / 0.7 * 3999)
    np.testing.assert_array_equal(simulation.values, 10.0)  # exactly on the fixed point, stable or not
    disturbed = models.ricker(n=4000, growth=(1.5, 2.2), noise=1e-9, seed=1)
    alternation = np.abs(np.diff(disturbed.values))
    assert alternation[: int(disturbed.transition)].max() < 1e-6
    assert alternation[-10:].min() > 1.0


@pytest.mark.parametrize("name", ["harvested_population", "transcritical", "pitchfork", "hopf", "ricker"])
def test_null_and_backward_ramps(name: str) -> None:
    option = DRIVEN[name]
    default = inspect.signature(SIMULATORS[name]).parameters[option].default
    forced = SIMULATORS[name](n=30, seed=1)
    assert forced.bifurcation is not None
    assert 0 < forced.transition < forced.time[-1]
    assert np.interp(forced.transition, forced.time, forced.parameter) == pytest.approx(forced.critical, abs=1e-12)
    null = SIMULATORS[name](n=30, seed=1, **{option: default[0]})
    assert null.transition is None
    assert null.bifurcation is None
    assert (null.parameter == default[0]).all()
    short_of_it = SIMULATORS[name](n=30, seed=1, **{option: (default[0], 0.5 * (default[0] + forced.critical))})
    assert short_of_it.transition is None
    assert short_of_it.bifurcation == forced.bifurcation


def test_recovery_is_not_a_fold() -> None:
    assert models.harvested_population(n=30, harvest=(3.0, 1.0), seed=1).transition is None


@pytest.mark.jit
@pytest.mark.parametrize("name", ["harvested_population", "transcritical", "pitchfork", "hopf", "ricker"])
def test_variance_rises_towards_every_bifurcation(name: str) -> None:
    simulation = SIMULATORS[name](n=1000, replicates=60, seed=6)
    end = int(np.searchsorted(simulation.time, simulation.transition))

    def variance(part: np.ndarray) -> float:
        t = np.arange(part.shape[1])
        fit = np.polynomial.polynomial.polyfit(t, part.T, 2)
        return float((part - np.polynomial.polynomial.polyval(t, fit)).var(axis=1).mean())

    assert variance(simulation.values[:, end - 150 : end]) > 1.3 * variance(simulation.values[:, :150])


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "argument"),
    [
        ("ar1", {"n": 1}, "n"),
        ("ar1", {"n": 2.5}, "n"),
        ("ar1", {"n": True}, "n"),
        ("ar1", {"coefficient": 1.0}, "coefficient"),
        ("ar1", {"coefficient": -1.0}, "coefficient"),
        ("ar1", {"noise": -1.0}, "noise"),
        ("ar1", {"noise": math.nan}, "noise"),
        ("ar1", {"mean": "0"}, "mean"),
        ("ar1", {"seed": -1}, "seed"),
        ("ar1", {"seed": 0.5}, "seed"),
        ("ar1", {"replicates": 0}, "replicates"),
        ("ornstein_uhlenbeck", {"rate": 0.0}, "rate"),
        ("ornstein_uhlenbeck", {"interval": 0.0}, "interval"),
        ("harvested_population", {"capacity": 5.0}, "capacity"),
        ("harvested_population", {"harvest": -1.0}, "harvest"),
        ("harvested_population", {"harvest": (1.0, 2.0, 3.0)}, "harvest"),
        ("harvested_population", {"harvest": (1.0, math.inf)}, "harvest"),
        ("harvested_population", {"harvest": "high"}, "harvest"),
        ("harvested_population", {"half_saturation": 0.0}, "half_saturation"),
        ("harvested_population", {"steps": 0}, "steps"),
        ("harvested_population", {"burn_in": -1}, "burn_in"),
        ("transcritical", {"growth": 0.0}, "growth"),
        ("pitchfork", {"control": None}, "control"),
        ("hopf", {"attack": 2.0}, "attack"),
        ("hopf", {"mortality": 4.0}, "mortality"),
        ("ricker", {"capacity": -1.0}, "capacity"),
    ],
)
def test_bad_options_are_refused_by_name(name: str, options: dict[str, object], argument: str) -> None:
    with pytest.raises(errors.ArgumentError) as caught:
        SIMULATORS[name](**{"n": 50, "seed": 1, **options})
    assert caught.value.argument == argument


def test_an_unstable_step_is_refused() -> None:
    with pytest.raises(errors.ValueRangeError, match="steps"):
        models.pitchfork(n=50, control=(-1.0, 0.0), interval=100.0, steps=1, seed=1)
