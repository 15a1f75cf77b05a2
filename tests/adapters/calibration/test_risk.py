"""Calibrated exit thresholds: p-values and choices against slow versions, and the promises in simulations.

The simulated population is known exactly: members with a length and, for each rule, a share of tokens that differ.
These shares follow a beta distribution over members, so tokens of a sequence differ together; hard members are longer.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import FrozenInstanceError
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import special, stats

from adapters.calibration.risk import (
    RiskControl,
    Target,
    betting_p_value,
    binomial_p_value,
    learn_then_test,
    ratio_losses,
    smallest_sample,
)
from ews.errors import InputTypeError, UnknownNameError, ValueRangeError

LIMIT = 0.05
LEVEL = 0.05
REPETITIONS = 400
SEQUENCES = 300


# Slow and obvious versions.


def slow_betting(losses: list[float], risk: float, level: float) -> float:
    capital, highest, squares, aim = 1.0, 1.0, 0.0, 1.0 / level
    for t, loss in enumerate(losses):
        while highest >= aim * (1.0 - 1e-12):
            aim /= level
        variance = (squares + (1.0 / risk) * risk * (1.0 - risk)) / (t + 1.0 / risk)
        stake = math.sqrt(2.0 * math.log(aim / capital) / ((len(losses) - t) * variance)) if capital else math.inf
        capital *= 1.0 + min(stake, 1.0 / (1.0 - risk)) * (risk - loss)
        highest = max(highest, capital)
        squares += (risk - loss) ** 2
    return 1.0 / highest


def slow_hoeffding_bentkus(losses: list[float], risk: float) -> float:
    n = len(losses)
    mean = min(sum(losses) / n, risk)
    distance = (mean * math.log(mean / risk) if mean else 0.0) + (1 - mean) * math.log((1 - mean) / (1 - risk))
    return min(1.0, math.exp(-n * distance), math.e * stats.binom.cdf(math.ceil(sum(losses)), n, risk))


def slow_binomial(losses: list[float], risk: float) -> float:
    n = len(losses)
    return sum(math.comb(n, k) * risk**k * (1 - risk) ** (n - k) for k in range(int(sum(losses)) + 1))


# A population whose risk is known.


class Population(NamedTuple):
    sizes: np.ndarray  # (members,)
    shares: np.ndarray  # (rules, members)

    @property
    def agreement(self) -> np.ndarray:
        return np.asarray((self.shares * self.sizes).sum(axis=1) / self.sizes.sum())

    @property
    def sequence(self) -> np.ndarray:
        return np.asarray((1.0 - (1.0 - self.shares) ** self.sizes).mean(axis=1))

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts (rules, n), nested from rule to rule, and sizes (n,)."""
        members = rng.integers(len(self.sizes), size=n)
        sizes, shares = self.sizes[members], self.shares[:, members]
        counts = np.zeros(shares.shape, dtype=np.int64)
        below, wrong = np.zeros(n), np.zeros(n, dtype=np.int64)
        for rule, share in enumerate(shares):
            wrong = wrong + rng.binomial(sizes - wrong, np.clip((share - below) / (1.0 - below), 0.0, 1.0))
            counts[rule], below = wrong, share
        return counts, sizes


def population(means: Any, *, correlation: float, longest: int = 128, members: int = 2000) -> Population:
    rank = (np.arange(members) + 0.5) / members
    concentration = (1.0 - correlation) / correlation
    shares = [special.betaincinv(m * concentration, (1 - m) * concentration, rank) if m else 0.0 * rank for m in means]
    rng = np.random.default_rng(0)
    sizes = rng.integers(longest // 4, longest + 1, size=members)
    sizes[(rank > 0.9) | (rng.random(members) < 0.3)] = longest  # texts cut at the limit, hard ones all
    return Population(sizes, np.minimum(np.array(shares), 1.0 - 1e-9))


@pytest.fixture(scope="module")
def correlated() -> Population:
    return population(np.linspace(0.0, 0.08, 33), correlation=0.4)


@pytest.fixture(scope="module")
def samples(correlated: Population) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(20)
    return [correlated.draw(rng, SEQUENCES) for _ in range(REPETITIONS)]


def most_allowed(level: float, repetitions: int) -> float:
    return level + 3.0 * math.sqrt(level * (1.0 - level) / repetitions)


def true_risks(results: list[Any], risks: np.ndarray) -> np.ndarray:
    return np.array([0.0 if result.index is None else risks[result.index] for result in results])


# The promises, on correlated sequences of unequal length.


def test_the_population_can_tell_good_methods_from_bad_ones(correlated: Population) -> None:
    risks = correlated.agreement
    assert ((risks > LIMIT) & (risks < 1.05 * LIMIT)).any()  # just too risky
    assert (np.diff(risks) > 0).all()
    # Members that are often wrong are longer, so the mean of the shares is another number.
    assert (risks[1:] > 1.1 * correlated.shares.mean(axis=1)[1:]).all()


def test_learn_then_test_keeps_its_promise_and_is_not_vacuous(
    correlated: Population, samples: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    results = [learn_then_test(*sample, risk=LIMIT, confidence=1.0 - LEVEL) for sample in samples]
    chosen = true_risks(results, correlated.agreement)
    assert (chosen > LIMIT).mean() <= most_allowed(LEVEL, REPETITIONS)
    assert all(result.index is not None for result in results)
    assert np.median(chosen) > 0.5 * LIMIT
    assert (chosen > 0.2 * LIMIT).mean() > 0.9


def test_a_binomial_bound_over_tokens_breaks_the_same_promise(
    correlated: Population, samples: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    wrong = np.array([counts.sum(axis=1) for counts, _ in samples])
    tokens = np.array([sizes.sum() for _, sizes in samples])
    rejected = stats.binom.cdf(wrong, tokens[:, None], LIMIT) <= LEVEL
    first_failure = np.argmin(np.column_stack([rejected, np.zeros(REPETITIONS, dtype=bool)]), axis=1)
    chosen = correlated.agreement[first_failure - 1]
    assert (chosen > LIMIT).mean() > 4 * most_allowed(LEVEL, REPETITIONS)


@pytest.mark.parametrize(("correlation", "n"), [(0.05, SEQUENCES), (0.9, SEQUENCES), (0.9, 1000)])
def test_the_promise_holds_for_weak_and_near_total_correlation(correlation: float, n: int) -> None:
    people = population(np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]) * LIMIT, correlation=correlation)
    # The last rule is put just above the limit, so that every wrong choice is one of it.
    scale = 1.0001 * LIMIT / people.agreement[-1]
    people = Population(people.sizes, people.shares * scale)
    rng = np.random.default_rng(21)
    results = [learn_then_test(*people.draw(rng, n), risk=LIMIT) for _ in range(200)]
    chosen = true_risks(results, people.agreement)
    assert (chosen > LIMIT).mean() <= most_allowed(LEVEL, 200)
    assert chosen.mean() > (0.3 if n == 1000 else 0.1) * LIMIT


def test_learn_then_test_on_whole_sequences() -> None:
    people = population(np.linspace(0.0, 0.05, 21), correlation=0.6)
    risks = people.sequence
    limit = 0.9999 * risks[10]  # the eleventh rule is just too risky
    assert risks[9] < limit < risks[10]
    rng = np.random.default_rng(22)
    results = [learn_then_test(*people.draw(rng, SEQUENCES), risk=limit, target="sequence") for _ in range(REPETITIONS)]
    chosen = true_risks(results, risks)
    assert (chosen > limit).mean() <= most_allowed(LEVEL, REPETITIONS)
    assert (chosen > limit).mean() > 0.005  # exact, so not far below its level
    assert np.median(chosen) > 0.5 * limit


# The p-values.


def null_losses(kind: str, shape: tuple[int, int], rng: np.random.Generator, mean: float) -> np.ndarray:
    """Losses within [0, 1] with the given mean, the hardest case of the hypothesis."""
    if kind == "zero or one":
        return (rng.random(shape) < mean).astype(float)
    if kind == "zero or half":
        return 0.5 * (rng.random(shape) < 2.0 * mean)
    if kind == "beta":
        return rng.beta(2.0 * mean, 2.0 * (1.0 - mean), shape)
    if kind == "beta-binomial":
        return rng.binomial(64, rng.beta(0.5 * mean, 0.5 * (1.0 - mean), shape)) / 64
    rate = 0.2 * mean  # a little below the mean, but for rare losses of 1
    return np.where(rng.random(shape) < rate, 1.0, (mean - rate) / (1.0 - rate))


KINDS = ["zero or one", "zero or half", "beta", "beta-binomial", "rare"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize("mean", [0.05, 0.2])
def test_p_values_are_valid_at_every_level(kind: str, n: int, mean: float) -> None:
    losses = null_losses(kind, (4000, n), np.random.default_rng(25), mean)
    p_values = {
        "betting": betting_p_value(losses, risk=mean, level=0.05),
    }
    if kind == "zero or one":
        p_values["binomial"] = binomial_p_value(losses, risk=mean)
    for name, values in p_values.items():
        assert values.shape == (4000,)
        for level in (0.005, 0.05, 0.2):
            assert (values <= level).mean() <= most_allowed(level, 4000), (name, level)


def test_a_normal_approximation_is_not_valid_where_losses_of_one_are_rare() -> None:
    """The reason for bounds that hold for every distribution; and the test above can fail."""
    losses = null_losses("rare", (4000, 60), np.random.default_rng(25), 0.05)
    spread = losses.std(axis=1, ddof=1).clip(1e-12)
    p_values = stats.norm.cdf((losses.mean(axis=1) - 0.05) / (spread / math.sqrt(60)))
    assert (p_values <= 0.05).mean() > 5 * most_allowed(0.05, 4000)


def test_betting_shows_more_than_hoeffding_bentkus() -> None:
    rng = np.random.default_rng(26)
    for share, least in ((0.5, 0.85), (0.7, 0.4)):
        losses = rng.binomial(64, rng.beta(2 * share * LIMIT, 2 * (1 - share * LIMIT), (400, SEQUENCES))) / 64
        betting = (betting_p_value(losses, risk=LIMIT) <= LEVEL).mean()
        other = np.mean([slow_hoeffding_bentkus(row.tolist(), LIMIT) <= LEVEL for row in losses])
        assert betting > least
        assert betting > other + 0.3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 2, 17, 250])
@pytest.mark.parametrize("factor", [0.1, 0.6, 1.0])
def test_p_values_equal_the_slow_versions(kind: str, n: int, factor: float) -> None:
    risk = 0.15
    losses = null_losses(kind, (6, n), np.random.default_rng(27), factor * risk)
    for level in (0.05, 0.01):
        slow = [slow_betting(row.tolist(), risk, level) for row in losses]
        np.testing.assert_allclose(betting_p_value(losses, risk=risk, level=level), slow, rtol=1e-6)
    if kind == "zero or one":
        slow = [slow_binomial(row.tolist(), risk) for row in losses]
        np.testing.assert_allclose(binomial_p_value(losses, risk=risk), slow, rtol=1e-9)


def test_p_values_of_any_leading_shape_are_those_of_the_rows() -> None:
    losses = null_losses("beta", (12, 80), np.random.default_rng(28), 0.1)
    rows = np.array([betting_p_value(row, risk=0.2) for row in losses])
    np.testing.assert_array_equal(betting_p_value(losses.reshape(3, 4, 80), risk=0.2), rows.reshape(3, 4))


def test_p_values_at_the_ends() -> None:
    ones, zeros = np.ones((2, 30)), np.zeros((2, 30))
    assert betting_p_value(ones, risk=0.1).tolist() == [1.0, 1.0]
    np.testing.assert_allclose(binomial_p_value(ones, risk=0.1), 1.0)
    for p_value in (betting_p_value, binomial_p_value):
        np.testing.assert_allclose(p_value(zeros, risk=0.1), 0.9**30, rtol=1e-9)


def test_betting_goes_on_where_the_level_is_passed() -> None:
    assert betting_p_value(np.zeros(3000), risk=0.05, level=0.05) < 1e-20


# From a ratio to a mean.


def test_ratio_losses_have_a_mean_above_the_risk_just_where_the_ratio_is() -> None:
    rng = np.random.default_rng(29)
    sizes = rng.integers(1, 200, size=40)
    counts = rng.binomial(sizes, np.linspace(0.0, 0.2, 60)[:, None])
    for risk in (0.03, 0.1):
        for longest in (None, 512):
            losses = ratio_losses(counts, sizes, risk=risk, max_size=longest)
            assert losses.min() >= 0.0
            assert losses.max() <= 1.0
            ratio = counts.sum(axis=1) / sizes.sum()
            far = np.abs(ratio - risk) > 1e-9
            assert ((losses.mean(axis=1) > risk) == (ratio > risk))[far].all()
            # Not only the sign: the distance is that of the ratio, in units of the greatest length.
            np.testing.assert_allclose(
                losses.mean(axis=1) - risk, (ratio - risk) * sizes.mean() / (longest or sizes.max()), atol=1e-12
            )


def test_ratio_losses_are_shares_where_lengths_are_equal() -> None:
    counts = np.arange(12).reshape(3, 4)
    np.testing.assert_allclose(ratio_losses(counts, np.full(4, 16), risk=0.3), counts / 16)


def test_a_higher_possible_length_makes_it_harder() -> None:
    counts, sizes = np.zeros((1, 400)), np.full(400, 50)
    by_length = [learn_then_test(counts, sizes, risk=0.05, max_size=n).p_values[0] for n in (50, 100, 200, 400)]
    assert by_length == sorted(by_length)
    assert len(set(by_length)) == 4


# Learn-then-Test.


def rules(shares: Any, n: int, size: int = 64, seed: int = 30) -> tuple[np.ndarray, np.ndarray]:
    counts = np.random.default_rng(seed).binomial(size, np.reshape(shares, (-1, 1)), (len(shares), n))
    return counts, np.full(n, size)


def test_the_choice_is_that_of_testing_one_rule_after_the_other() -> None:
    counts, sizes = rules(np.linspace(0.0, 0.08, 15), 200)
    for target, limit in (("agreement", 0.05), ("sequence", 0.6)):
        result = learn_then_test(counts, sizes, risk=limit, target=target, seed=4)  # type: ignore[arg-type]
        order = np.random.default_rng(4).permutation(200)
        expected, p_values = None, []
        for rule, row in enumerate(counts):
            if target == "agreement":
                p_values.append(slow_betting((row[order] / 64).tolist(), limit, 1 - 0.95))
            else:
                p_values.append(slow_binomial([float(count > 0) for count in row], limit))
            if p_values[-1] > 1 - 0.95:
                break
            expected = rule
        assert result.index == expected
        assert expected is not None
        assert 0 < expected < 14
        np.testing.assert_allclose(result.p_values, p_values, rtol=1e-6)


def test_a_p_value_at_the_level_passes() -> None:
    """One sequence without an error has p = 1 − risk, here exactly the level."""
    options: dict[str, Any] = {"target": "sequence", "risk": 0.5}
    assert learn_then_test([[0]], [1], confidence=0.5, **options).index == 0
    assert learn_then_test([[0]], [1], confidence=0.5 + 1e-9, **options).index is None


def test_a_rule_behind_a_failure_is_not_chosen() -> None:
    counts, sizes = rules([0.0, 0.2, 0.0, 0.0], 300)
    result = learn_then_test(counts, sizes, risk=0.05)
    assert result.index == 0
    assert len(result.p_values) == 2
    assert result.p_values[1] > 0.05
    assert len(result.risks) == 4


def test_every_rule_may_pass() -> None:
    result = learn_then_test(*rules([0.0, 0.001, 0.002], 300), risk=0.05)
    assert result.index == 2
    assert len(result.p_values) == 3


def test_what_cannot_be_met_is_none() -> None:
    result = learn_then_test(*rules([0.3, 0.4], 300), risk=0.05)
    assert result.index is None
    assert len(result.p_values) == 1
    assert "no rule of 2 can be shown to hold that" in result.sentence


def test_sequences_stored_from_the_easiest_to_the_hardest_do_not_mislead() -> None:
    rng = np.random.default_rng(31)
    shape = (REPETITIONS, SEQUENCES)
    counts = np.sort(rng.binomial(64, rng.beta(LIMIT, 1.0 - LIMIT, shape)))  # right at the limit
    assert (betting_p_value(counts / 64, risk=LIMIT) <= LEVEL).mean() > 0.9
    sizes = np.full(SEQUENCES, 64)
    chosen = [learn_then_test(row[None], sizes, risk=LIMIT, seed=seed).index for seed, row in enumerate(counts)]
    assert np.mean([index is not None for index in chosen]) <= most_allowed(LEVEL, REPETITIONS)


def test_the_same_seed_gives_the_same_result_and_is_recorded() -> None:
    counts, sizes = rules(np.linspace(0.0, 0.08, 15), 200)
    first = learn_then_test(counts, sizes, risk=0.05, seed=3)
    assert first == learn_then_test(counts, sizes, risk=0.05, seed=3)
    assert first.config.seed == 3
    assert first.p_values != learn_then_test(counts, sizes, risk=0.05, seed=5).p_values
    drawn = learn_then_test(counts, sizes, risk=0.05, seed=np.random.default_rng(6))
    assert drawn.config.seed is not None
    assert drawn == learn_then_test(counts, sizes, risk=0.05, seed=drawn.config.seed)
    assert learn_then_test(counts, sizes, risk=0.05, target="sequence").config.seed is None


def test_the_result_says_what_it_rests_on() -> None:
    counts, sizes = rules([0.0, 0.01, 0.3], 250)
    result = learn_then_test(counts, sizes, risk=0.05, confidence=0.9, max_size=70)
    assert isinstance(result, RiskControl)
    assert (result.n_sequences, result.n_tokens, result.index) == (250, 16000, 1)
    np.testing.assert_allclose(result.risks, counts.sum(axis=1) / 16000)
    config = result.config
    assert (config.risk, config.confidence, config.target, config.test) == (0.05, 0.9, "agreement", "betting")
    assert (config.max_size, config.seed) == (70, 0)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()
    assert "with confidence 0.9: rule 2 of 3" in result.sentence
    with pytest.raises(FrozenInstanceError):
        result.index = 2  # type: ignore[misc]
    whole = learn_then_test(counts, sizes, risk=0.7, target="sequence")
    np.testing.assert_allclose(whole.risks, (counts > 0).mean(axis=1))
    assert whole.config.test == "binomial"


def test_nothing_of_the_users_is_changed() -> None:
    counts, sizes = rules([0.0, 0.01, 0.3], 100)
    counts.flags.writeable = sizes.flags.writeable = False
    before = counts.copy()
    learn_then_test(counts, sizes, risk=0.05)
    np.testing.assert_array_equal(counts, before)


def test_fifty_rules_on_thousands_of_sequences_take_a_moment() -> None:
    counts, sizes = rules(np.linspace(0.0, 0.1, 50), 5000)
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        learn_then_test(counts, sizes, risk=0.05)
        best = min(best, time.process_time() - start)
    assert best < 0.5


def test_importing_the_module_loads_numpy_alone() -> None:
    code = (
        "import sys, adapters.calibration.risk; print(sorted({'scipy', 'numba', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The smallest sample.


@pytest.mark.parametrize("risk", [0.01, 0.05, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_smallest_sample_is_enough_and_one_less_is_not(risk: float, confidence: float) -> None:
    n = smallest_sample(risk=risk, confidence=confidence)
    targets: tuple[Target, ...] = ("agreement", "sequence")
    for target in targets:
        for count, index in ((n, 0), (n - 1, None)):
            result = learn_then_test(
                np.zeros((1, count)), np.full(count, 9), risk=risk, confidence=confidence, target=target
            )
            assert result.index == index, (target, count)


@pytest.mark.parametrize("risk", [0.02, 0.1])
@pytest.mark.parametrize("fill", [0.3, 0.5, 0.8])
def test_the_smallest_sample_of_shorter_sequences(risk: float, fill: float) -> None:
    def passes(count: int) -> bool:
        sizes = np.full(count, round(100 * fill))
        return learn_then_test(np.zeros((1, count)), sizes, risk=risk, max_size=100).index == 0

    n = smallest_sample(risk=risk, fill=fill)
    assert not passes(n - 1)
    assert passes(math.ceil(1.02 * n))  # a few more than any test needs
    # Where n is computed from: a share of long sequences, wrong throughout, that brings the ratio to the risk.
    share = risk * fill / (1.0 - risk + risk * fill)
    assert share / (share + (1.0 - share) * fill) == pytest.approx(risk)
    assert (1.0 - share) ** n <= 0.05 < (1.0 - share) ** (n - 1)


# What is refused.

COUNTS = np.zeros((2, 3))
SIZES = np.array([4, 5, 6])


@pytest.mark.parametrize(
    ("losses", "sizes", "options", "error", "words"),
    [
        (np.zeros(3), SIZES, {}, InputTypeError, "losses: got an array of shape (3,)"),
        (np.zeros((2, 4)), SIZES, {}, InputTypeError, "(n_rules, n_sequences) = (…, 3)"),
        (np.zeros((0, 3)), SIZES, {}, InputTypeError, "losses: got an array of shape (0, 3)"),
        (np.zeros((2, 0)), [], {}, InputTypeError, "sizes: got an array of shape (0,)"),
        (COUNTS, np.ones((3, 1)), {}, InputTypeError, "sizes: got an array of shape (3, 1)"),
        (COUNTS, ["a", "b", "c"], {}, InputTypeError, "sizes: got an array of <U1"),
        ([[1, 2, 3], [1, 2]], SIZES, {}, InputTypeError, "losses: got [[1, 2, 3], [1, 2]]"),
        (COUNTS * 1j, SIZES, {}, InputTypeError, "losses: got an array of complex128"),
        (COUNTS, [4, 0, 6], {}, ValueRangeError, "sizes: got 0.0"),
        (COUNTS, [4, 5.5, 6], {}, ValueRangeError, "sizes: got 5.5"),
        (COUNTS, [4, math.nan, 6], {}, ValueRangeError, "sizes: got nan"),
        (COUNTS, [4, math.inf, 6], {}, ValueRangeError, "sizes: got inf"),
        ([[0, 6, 0]], SIZES, {}, ValueRangeError, "losses: got 6 for rule 0, sequence 1"),
        ([[0, 0, 0], [0, 0, -1]], SIZES, {}, ValueRangeError, "losses: got -1 for rule 1, sequence 2"),
        ([[0, math.nan, 0]], SIZES, {}, ValueRangeError, "losses: got nan for rule 0, sequence 1"),
        (COUNTS, SIZES, {"risk": 0.0}, ValueRangeError, "risk: got 0.0"),
        (COUNTS, SIZES, {"risk": 1}, ValueRangeError, "risk: got 1"),
        (COUNTS, SIZES, {"risk": "5 %"}, InputTypeError, "risk: got '5 %'"),
        (COUNTS, SIZES, {"max_size": 5}, ValueRangeError, "at least the longest sequence, 6"),
        (COUNTS, SIZES, {"max_size": 6.5}, ValueRangeError, "max_size: got 6.5"),
        (COUNTS, SIZES, {"target": "tokens"}, UnknownNameError, "'agreement', 'sequence'"),
    ],
)
def test_what_cannot_be_used_is_refused(losses: Any, sizes: Any, options: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        learn_then_test(losses, sizes, **({"risk": 0.1} | options))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"confidence": 1.0}, ValueRangeError, "confidence: got 1.0"),
        ({"confidence": math.nan}, ValueRangeError, "confidence: got nan"),
        ({"confidence": True}, InputTypeError, "confidence: got True"),
        ({"target": "agrement"}, UnknownNameError, "did you mean 'agreement'?"),
        ({"seed": -1}, ValueRangeError, "seed: got -1"),
        ({"seed": None}, ValueRangeError, "seed: got None"),
    ],
)
def test_choices_that_cannot_be_used_are_refused(options: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        learn_then_test(COUNTS, SIZES, **({"risk": 0.1} | options))
    assert words in str(caught.value)


@pytest.mark.parametrize("p_value", [betting_p_value, binomial_p_value])
def test_p_values_refuse_losses_that_are_none(p_value: Any) -> None:
    for losses, error in (([], InputTypeError), (0.5, InputTypeError), ([0.0, 1.1], ValueRangeError)):
        with pytest.raises(error, match="losses"):
            p_value(losses, risk=0.1)
    with pytest.raises(ValueRangeError, match="losses: got nan"):
        p_value([0.0, math.nan], risk=0.1)
    with pytest.raises(ValueRangeError, match="risk"):
        p_value([0.0], risk=0)


def test_the_binomial_refuses_shares() -> None:
    with pytest.raises(ValueRangeError, match=r"losses: got 0\.25; allowed: 0 or 1"):
        binomial_p_value([0.0, 0.25, 1.0], risk=0.1)


@pytest.mark.parametrize("fill", [0.0, 1.5, math.nan])
def test_the_smallest_sample_refuses_an_impossible_fill(fill: float) -> None:
    with pytest.raises(ValueRangeError, match="fill"):
        smallest_sample(risk=0.1, fill=fill)
