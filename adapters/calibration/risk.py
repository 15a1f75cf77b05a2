"""Which of several rules keeps its disagreement with the full model under a stated rate, with stated confidence.

Tokens of one text succeed and fail together, so the unit of all that follows is the sequence: a bound that counts
tokens as if they were independent promises far more than it keeps. Nothing is assumed about how errors depend on each
other within a sequence.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews.errors import InputTypeError, UnknownNameError, ValueRangeError, described

__all__ = [
    "RiskControl",
    "RiskControlConfig",
    "betting_p_value",
    "binomial_p_value",
    "learn_then_test",
    "ratio_losses",
    "smallest_sample",
]

FloatArray = npt.NDArray[np.float64]
Target = Literal["agreement", "sequence"]

# The most powerful test of each target; the binomial is exact.
_TESTS: dict[Target, str] = {"agreement": "betting", "sequence": "binomial"}


@dataclass(frozen=True, slots=True)
class RiskControlConfig:
    """Every choice behind a :class:`RiskControl`.

    Attributes
    ----------
    risk : float
        The share that must not be exceeded.
    confidence : float
        Probability, over the draw of the calibration sequences, that it is not.
    target : {"agreement", "sequence"}
        Share of tokens that differ, or of sequences with any token that differs.
    test : {"betting", "binomial"}
        Which p-value.
    max_size : int
        The longest that a sequence can be, in tokens.
    seed : int or None
        Seed of the order in which sequences are bet on; None where order plays no part.
    """

    risk: float
    confidence: float
    target: Target
    test: str
    max_size: int
    seed: int | None


@dataclass(frozen=True, slots=True)
class RiskControl:
    """Which rule was chosen by :func:`learn_then_test`, and on what evidence.

    Attributes
    ----------
    index : int or None
        The most aggressive rule whose risk is held; None where not even the first can be shown to hold it.
    risks : tuple of float
        Share of tokens (or of sequences) that differ, as observed, for each rule.
    p_values : tuple of float
        Of the rules tested, from the first on; the test ends with the first rule that fails.
    n_sequences, n_tokens : int
        What the choice is based on.
    config : RiskControlConfig
        Every choice.
    """

    index: int | None
    risks: tuple[float, ...]
    p_values: tuple[float, ...]
    n_sequences: int
    n_tokens: int
    config: RiskControlConfig

    @property
    def sentence(self) -> str:
        """One line for a report."""
        promise = f"at most {self.config.risk:g} of {_unit(self.config)} with confidence {self.config.confidence:g}"
        return f"{promise}: {_outcome(self)}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """
        return asdict(self) | {"risks": list(self.risks), "p_values": list(self.p_values)}


def learn_then_test(
    losses: npt.ArrayLike,
    sizes: npt.ArrayLike,
    *,
    risk: float,
    confidence: float = 0.95,
    target: Target = "agreement",
    max_size: int | None = None,
    seed: int | np.random.Generator = 0,
) -> RiskControl:
    """The most aggressive rule whose risk is at most `risk` with probability `confidence`.

    Rules are tested from the most conservative on, each for the hypothesis that its risk is above `risk`, at level
    1 − `confidence`, until one cannot be rejected. Whichever rule is the first that is truly too risky, a wrong choice
    needs its test to err, so that no correction for the number of rules is due.

    Parameters
    ----------
    losses : array_like of shape (n_rules, n_sequences)
        Tokens of each sequence that differ from those of the full model, under each rule. Rules from the most
        conservative to the most aggressive, an order that must not be found from these same sequences.
    sizes : array_like of shape (n_sequences,)
        Tokens of each sequence.
    risk : float
        The share that must not be exceeded, within (0, 1).
    confidence : float, default 0.95
        Probability, over the draw of the sequences, that the chosen rule does not exceed it.
    target : {"agreement", "sequence"}, default "agreement"
        ``"agreement"``: expected tokens that differ by expected tokens, Σd / Σn in the long run. ``"sequence"``:
        probability that a sequence has any token that differs.
    max_size : int, optional
        The longest that a sequence can be, in tokens, known beforehand: the limit with which the texts were cut or
        generated (default: the longest given). If longer ones can occur the promise does not hold for agreement.
    seed : int or numpy.random.Generator, default 0
        Order in which :func:`betting_p_value` sees the sequences. Drawn, since texts are often stored by kind.

    Returns
    -------
    RiskControl
        The rule, or None where `risk` cannot be met: then run at full depth.

    Raises
    ------
    ews.errors.ArgumentError
        For arrays that do not fit each other, hold no counts, or any choice that cannot be used.

    Notes
    -----
    The promise is for sequences drawn as those of the calibration were, independently. Where several come from one
    document, add them up and pass documents.

    Agreement is tested by betting (:func:`betting_p_value`), whole sequences by the binomial, which is exact there.
    Betting is used for what it can show with few sequences. Over 18 simulated settings (risk
    0.02 to 0.2; 100, 300 or 1,000 sequences of equal or unequal length; correlation within sequences 0.05 to 0.99; true
    risk 0.2 to 0.8 of `risk`; level 0.05) it passed 0.60 of the rules that deserve it, Hoeffding–Bentkus 0.23, and the
    bets of Waudby-Smith & Ramdas 0.50 or 0.37, kept to three quarters or a half of the stake. A rule right at the limit
    passed in at most 0.051 of 2,000 repetitions, within simulation error of the level that it cannot exceed.

    Lengths that vary cost power for agreement, since one unseen sequence of the greatest length may be wrong
    throughout: at the least what counts is Σn / `max_size` sequences (see :func:`smallest_sample`). Sequences of equal
    length cost the fewest.

    References
    ----------
    Angelopoulos, A. N., Bates, S., Candès, E. J., Jordan, M. I. & Lei, L. (2021). Learn then test: calibrating
    predictive algorithms to achieve risk control. arXiv:2110.01052 (fixed sequence testing). Schuster, T. et al.
    (2022). Confident adaptive language modeling. NeurIPS 35 (the same for exit thresholds). Waudby-Smith, I. & Ramdas,
    A. (2024). Estimating means of bounded random variables by betting. J. R. Stat. Soc. B 86, 1–27.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shares = np.array([[0.0], [0.005], [0.02], [0.05], [0.1]])
    >>> result = learn_then_test(rng.binomial(64, shares, (5, 400)), np.full(400, 64), risk=0.04)
    >>> result.index, [round(share, 3) for share in result.risks]
    (2, [0.0, 0.005, 0.02, 0.05, 0.1])
    >>> print(result.sentence)
    at most 0.04 of tokens differ with confidence 0.95: rule 3 of 5, 0.0196 observed on 400 sequences (25600 tokens)
    >>> learn_then_test(np.zeros((5, 20)), np.full(20, 64), risk=0.04).index is None
    True
    """
    counts, lengths, longest = _read(losses, sizes, max_size)
    level = 1.0 - _share("confidence", confidence)
    limit = _share("risk", risk)
    if target not in _TESTS:
        raise UnknownNameError("target", target, _TESTS)
    shuffle: int | None = None
    if target == "agreement":
        shuffle = _read_seed(seed)
        bounded = ratio_losses(counts, lengths, risk=limit, max_size=longest)
        bounded = bounded[:, np.random.default_rng(shuffle).permutation(len(lengths))]
        p_values = betting_p_value(bounded, risk=limit, level=level)
    else:
        p_values = binomial_p_value(1.0 * (counts > 0), risk=limit)
    passed = int(np.argmin(np.append(p_values <= level, False)))  # rules before the first that fails
    return RiskControl(
        index=passed - 1 if passed else None,
        risks=_observed(counts, lengths, target),
        p_values=tuple(p_values[: passed + 1].tolist()),
        n_sequences=len(lengths),
        n_tokens=int(lengths.sum()),
        config=RiskControlConfig(limit, float(confidence), target, _TESTS[target], longest, shuffle),
    )


def smallest_sample(*, risk: float, confidence: float = 0.95, fill: float = 1.0) -> int:
    """How many sequences it takes to show a risk of at most `risk` if no token at all differs.

    With fewer no rule can be chosen, whatever the test; with errors more are needed.

    Parameters
    ----------
    risk : float
        The share that must not be exceeded, within (0, 1).
    confidence : float, default 0.95
        Of :func:`learn_then_test`.
    fill : float, default 1
        Mean length of the sequences by the greatest that is possible, within (0, 1]; 1 for the target ``"sequence"``.

    Returns
    -------
    int
        Number of sequences.

    Raises
    ------
    ews.errors.ArgumentError
        For a number outside its range.

    Notes
    -----
    A population in which sequences are without error, but for a share π that is as long as can be and wrong throughout,
    has a risk above α = `risk` as soon as π > αf / (1 − α + αf), f being the fill of the others, and n sequences show
    nothing of that with probability (1 − π)ⁿ. So a test at level δ needs n ≥ log(1/δ) / log(1 + αf / (1 − α)). Both
    p-values of this module attain it for f = 1 and risks of up to a half. For f < 1 betting needs a few more.

    Examples
    --------
    >>> smallest_sample(risk=0.05), smallest_sample(risk=0.01), smallest_sample(risk=0.05, fill=0.5)
    (59, 299, 116)
    """
    limit, share = _share("risk", risk), _number("fill", fill)
    if not 0.0 < share <= 1.0:
        raise ValueRangeError("fill", fill, "a number within (0, 1]")
    odds = limit * share / (1.0 - limit)
    least = -math.log(1.0 - _share("confidence", confidence)) / math.log1p(odds)
    return math.ceil(least * (1.0 - 1e-12))  # rounding does not ask for one more


def ratio_losses(
    losses: npt.ArrayLike, sizes: npt.ArrayLike, *, risk: float, max_size: int | None = None
) -> FloatArray:
    """Losses within [0, 1] whose mean is above `risk` just where the share of tokens that differ is.

    Parameters
    ----------
    losses : array_like of shape (n_rules, n_sequences)
        Tokens of each sequence that differ, under each rule.
    sizes : array_like of shape (n_sequences,)
        Tokens of each sequence.
    risk : float
        The share that must not be exceeded, within (0, 1).
    max_size : int, optional
        The longest that a sequence can be, in tokens, known beforehand (default: the longest given).

    Returns
    -------
    ndarray of shape (n_rules, n_sequences)
        The losses; d / n where all sequences are as long as can be.

    Raises
    ------
    ews.errors.ArgumentError
        For arrays that do not fit each other, hold no counts, or a number outside its range.

    Notes
    -----
    The share of tokens that differ in the long run is E[d] / E[n], a ratio of two means over sequences. It exceeds α
    just where E[d − αn] > 0. With n ≤ N the difference lies within [−αN, (1 − α)N]; divided by N and raised by α it
    becomes

        L = d / N + α · (1 − n / N),    0 ≤ L ≤ 1,    E[L] > α  ⇔  E[d] / E[n] > α,

    so a test for the mean of a bounded variable is one for the ratio, however lengths and errors depend on each other.
    N must be known before the data are seen. The mean of d / n over sequences would be another quantity, which gives
    the tokens of short sequences more weight.

    Examples
    --------
    >>> ratio_losses([[0, 8, 0]], [8, 8, 4], risk=0.1)
    array([[0.  , 1.  , 0.05]])
    """
    counts, lengths, longest = _read(losses, sizes, max_size)
    limit = _share("risk", risk)
    return np.asarray(np.clip(counts / longest + limit * (1.0 - lengths / longest), 0.0, 1.0))


def betting_p_value(losses: npt.ArrayLike, *, risk: float, level: float = 0.05) -> FloatArray:
    """Betting p-value for the hypothesis that the mean of losses within [0, 1] is above `risk`.

    Parameters
    ----------
    losses : array_like of shape (..., n_sequences)
        Independent losses within [0, 1], in an order that does not depend on them.
    risk : float
        Greatest mean under the alternative, within (0, 1).
    level : float, default 0.05
        Level for which the bets are made. The p-value is valid at every level, and strongest at this.

    Returns
    -------
    ndarray of shape (...)
        p-values.

    Raises
    ------
    ews.errors.ArgumentError
        For losses outside [0, 1], none, or a number outside its range.

    Notes
    -----
    A gambler starts with a capital of 1 and stakes on losses below α = `risk`: K_t = K_{t−1} · (1 + λ_t (α − L_t)),
    where 0 ≤ λ_t ≤ 1 / (1 − α) is chosen from earlier losses alone. If the mean is α or more, K is a supermartingale
    and ever reaches 1/p with probability p at most (Ville's inequality), so p = 1 / max K.

    The bet is λ_t = √(2 g / (m v)): with a second moment v of α − L, it is the one that makes the capital grow most
    likely by a factor exp(g) within the m sequences left (to second order). Waudby-Smith & Ramdas take g = log(1/δ)
    and m = n throughout; here both are taken anew for each sequence, as Voráček & Orabona propose, so that a gambler
    who fell behind bets more and one who is ahead bets less. Once 1/δ is reached the aim is 1/δ², and so on. v starts
    from α(1 − α), the largest variance that losses within [0, 1] with mean α can have, weighted as 1/α sequences, in
    which one loss of 1 is expected. All of the capital may be at stake, without which a sample of the smallest size
    would never do.

    References
    ----------
    Waudby-Smith, I. & Ramdas, A. (2024). Estimating means of bounded random variables by betting. J. R. Stat. Soc. B
    86, 1–27, section 4. Voráček, V. & Orabona, F. (2025). STaR-Bets: sequential target-recalculating bets for tighter
    confidence intervals. arXiv:2505.22422.

    Examples
    --------
    >>> import numpy as np
    >>> float(betting_p_value(np.zeros(59), risk=0.05)), float(betting_p_value(np.full(59, 0.05), risk=0.05))
    (0.0485, 1.0)
    """
    values, limit = _bounded(losses), _share("risk", risk)
    step = -math.log(_share("level", level))
    n = values.shape[-1]
    gain = np.ascontiguousarray(np.moveaxis(limit - values, -1, 0))  # one sequence after the other
    known = np.zeros_like(gain)  # sums of squares of the sequences before
    np.cumsum(gain[:-1] ** 2, axis=0, out=known[1:])
    passed = np.arange(n).reshape(-1, *[1] * (values.ndim - 1))
    moment = (known + (1.0 - limit)) / (passed + 1.0 / limit)
    scale = 2.0 / ((n - passed) * moment)
    highest_stake = (1.0 - 1e-12) / (1.0 - limit)  # by rounding the capital never falls below 0
    log_capital = np.zeros(values.shape[:-1])
    highest = np.zeros(values.shape[:-1])
    for gained, factor in zip(gain, scale, strict=True):
        missing = step * (np.floor(highest / step) + 1.0) - log_capital
        stake = np.minimum(np.sqrt(missing * factor), highest_stake)
        log_capital += np.log1p(stake * gained)
        np.maximum(highest, log_capital, out=highest)
    return np.asarray(np.exp(-highest))


def binomial_p_value(losses: npt.ArrayLike, *, risk: float) -> FloatArray:
    """Exact p-value for the hypothesis that losses of 0 or 1 are 1 with a probability above `risk`.

    Parameters
    ----------
    losses : array_like of shape (..., n_sequences)
        Independent losses, each 0 or 1.
    risk : float
        Greatest probability under the alternative, within (0, 1).

    Returns
    -------
    ndarray of shape (...)
        p-values, P(Bin(n, `risk`) ≤ Σ losses): no valid test is more powerful, randomised ones aside.

    Raises
    ------
    ews.errors.ArgumentError
        For losses other than 0 and 1, none, or a number outside its range.

    References
    ----------
    Clopper, C. J. & Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case of the
    binomial. Biometrika 26, 404–413.

    Examples
    --------
    >>> import numpy as np
    >>> float(binomial_p_value(np.zeros(59), risk=0.05)), float(binomial_p_value(np.eye(93)[0], risk=0.05))
    (0.0485, 0.0500)
    """
    from scipy.special import bdtr

    values, limit = _bounded(losses), _share("risk", risk)
    if not np.all((values == 0.0) | (values == 1.0)):
        other = float(values[(values != 0.0) & (values != 1.0)][0])
        raise ValueRangeError("losses", other, "0 or 1; for losses between them use betting_p_value")
    return np.asarray(bdtr(values.sum(axis=-1), values.shape[-1], limit))


def _read(losses: npt.ArrayLike, sizes: npt.ArrayLike, max_size: int | None) -> tuple[FloatArray, FloatArray, int]:
    """Counts (n_rules, n_sequences), lengths (n_sequences,) and the greatest length."""
    counts, lengths = _numbers("losses", losses), _numbers("sizes", sizes)
    if lengths.ndim != 1 or not len(lengths):
        raise InputTypeError("sizes", described(f"an array of shape {lengths.shape}"), "one dimension, (n_sequences,)")
    if counts.ndim != 2 or counts.shape[1] != len(lengths) or not len(counts):
        raise InputTypeError(
            "losses", described(f"an array of shape {counts.shape}"), f"(n_rules, n_sequences) = (…, {len(lengths)})"
        )
    unfit = ~(np.isfinite(lengths) & (lengths >= 1.0) & (lengths == np.floor(lengths)))
    if unfit.any():
        raise ValueRangeError(
            "sizes", float(lengths[unfit][0]), "whole numbers of 1 or more; leave empty sequences out"
        )
    unfit = ~((counts >= 0.0) & (counts <= lengths))
    if unfit.any():
        rule, sequence = map(int, np.argwhere(unfit)[0])
        raise ValueRangeError(
            "losses",
            described(f"{counts[rule, sequence]:g} for rule {rule}, sequence {sequence}"),
            f"0 to the size of the sequence, {lengths[sequence]:g}",
        )
    longest = int(lengths.max())
    if max_size is None:
        return counts, lengths, longest
    if isinstance(max_size, bool) or not isinstance(max_size, numbers.Integral) or max_size < longest:
        raise ValueRangeError("max_size", max_size, f"a whole number, at least the longest sequence, {longest}")
    return counts, lengths, int(max_size)


def _bounded(losses: npt.ArrayLike) -> FloatArray:
    values = _numbers("losses", losses)
    if values.ndim == 0 or not values.shape[-1]:
        raise InputTypeError(
            "losses", described(f"an array of shape {values.shape}"), "(..., n_sequences), one or more"
        )
    unfit = ~((values >= 0.0) & (values <= 1.0))
    if unfit.any():
        raise ValueRangeError("losses", float(values[unfit][0]), "numbers within [0, 1]")
    return values


def _numbers(argument: str, given: npt.ArrayLike) -> FloatArray:
    try:
        values = np.asarray(given)
    except ValueError as error:
        raise InputTypeError(argument, given, "an array of real numbers") from error
    if values.dtype.kind not in "biuf":
        raise InputTypeError(argument, described(f"an array of {values.dtype}"), "an array of real numbers")
    return values.astype(np.float64)


def _number(argument: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise InputTypeError(argument, given, "a number")
    return float(given)


def _share(argument: str, given: Any) -> float:
    value = _number(argument, given)
    if not 0.0 < value < 1.0:
        raise ValueRangeError(argument, given, "a number within (0, 1)")
    return value


def _read_seed(seed: int | np.random.Generator) -> int:
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63 - 1))
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral) or seed < 0:
        raise ValueRangeError("seed", seed, "an integer of 0 or more, or a numpy.random.Generator")
    return int(seed)


def _observed(counts: FloatArray, lengths: FloatArray, target: str) -> tuple[float, ...]:
    shares = counts.sum(axis=1) / lengths.sum() if target == "agreement" else (counts > 0).mean(axis=1)
    return tuple(shares.tolist())


def _unit(config: RiskControlConfig) -> str:
    return "tokens differ" if config.target == "agreement" else "sequences have a token that differs"


def _outcome(result: RiskControl) -> str:
    base = f"on {result.n_sequences} sequences ({result.n_tokens} tokens)"
    if result.index is None:
        return f"no rule of {len(result.risks)} can be shown to hold that {base}"
    return f"rule {result.index + 1} of {len(result.risks)}, {result.risks[result.index]:.3g} observed {base}"
