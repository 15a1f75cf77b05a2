"""What a simulator returns, and what all simulators share: the ramp, the sampling, the random streams."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.publish import public
from ews._common.seeds import resolve_seed
from ews.errors import ArgumentError, ValueRangeError, described

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Ramp", "Sampling", "Seed", "Simulation", "crossing", "draw", "ramp", "result", "sampling"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
Bifurcation: TypeAlias = Literal["fold", "transcritical", "pitchfork", "hopf", "period-doubling"]
Ramp: TypeAlias = "float | tuple[float, float]"
Seed: TypeAlias = "int | np.random.Generator | None"

MOST_SAMPLES = 2**28  # 2 GB
_CHUNK = 4_000_000  # variates drawn at once: 32 MB, whatever the number of replicates


@public("ews.models")
@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulated series, with the truth about them.

    Attributes
    ----------
    values : ndarray of shape (n,) or (replicates, n)
        The observed state at each sample.
    time : ndarray of shape (n,)
        Time of each sample, from 0, in the units of the model.
    parameter : ndarray of shape (n,)
        The driving parameter at each sample.
    transition : float or None
        Time at which the deterministic system bifurcates; None where the parameter does not get there. The noisy system
        may leave its state earlier, and a fast ramp leaves it later.
    critical : float or None
        Value of the parameter at the bifurcation; None for a model that has none.
    bifurcation : {"fold", "transcritical", "pitchfork", "hopf", "period-doubling"} or None
        The kind of bifurcation that the parameter drives the system along; None where the parameter is constant.
    model : str
        Name of the function that made it.
    config : mapping
        The options of that function, all of them.
    seed : int
        The entropy of the random streams: the same function with ``**config, seed=seed`` gives the same values.
    """

    values: FloatArray
    time: FloatArray
    parameter: FloatArray
    transition: float | None
    critical: float | None
    bifurcation: Bifurcation | None
    model: str
    config: Mapping[str, Any]
    seed: int

    def __len__(self) -> int:
        """Number of samples."""
        return self.time.size

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Give the values, so that numpy takes the simulation for an array."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def to_frame(self) -> pd.DataFrame:
        """Lay the simulation out as a table.

        Returns
        -------
        pandas.DataFrame
            Indexed by time, with the columns ``parameter`` and ``value``, or ``value 0``, ``value 1``, … of the
            replicates.
        """
        import pandas as pd

        rows = np.atleast_2d(self.values)  # in one array: replicates may be very many
        names = ["value"] if self.values.ndim == 1 else [f"value {row}" for row in range(len(rows))]
        columns = np.column_stack([self.parameter, rows.T])
        return pd.DataFrame(columns, columns=["parameter", *names], index=pd.Index(self.time, name="time"))


@dataclass(frozen=True)
class Sampling:
    """How many samples, how far apart, and in how many steps each interval is integrated."""

    n: int
    interval: float
    steps: int
    burn_in: int
    replicates: int | None

    @property
    def step(self) -> float:
        """Length of one step of integration, in units of time."""
        return self.interval / self.steps

    @property
    def time(self) -> FloatArray:
        """Time of each sample."""
        return np.arange(self.n, dtype=np.float64) * self.interval

    @property
    def rows(self) -> int:
        """Number of series."""
        return 1 if self.replicates is None else self.replicates

    @property
    def draws(self) -> int:
        """Steps from the start of the burn-in to the last sample."""
        return (self.burn_in + self.n - 1) * self.steps


def sampling(
    n: int, *, interval: float = 1.0, steps: int = 1, burn_in: int = 0, replicates: int | None = None
) -> Sampling:
    """Check the options that say where the samples lie."""
    plan = Sampling(
        n=checks.whole("n", n, least=2, most=MOST_SAMPLES),
        interval=checks.number("interval", interval, above=0.0),
        steps=checks.whole("steps", steps, least=1, most=MOST_SAMPLES),
        burn_in=checks.whole("burn_in", burn_in, least=0, most=MOST_SAMPLES),
        replicates=None if replicates is None else checks.whole("replicates", replicates, least=1, most=MOST_SAMPLES),
    )
    _check_amount("n", plan.draws, "`steps` times the sum of `n` and `burn_in`")
    _check_amount("replicates", plan.rows * plan.n, "`n` times `replicates`")
    return plan


def _check_amount(argument: str, samples: int, made_of: str) -> None:
    if samples > MOST_SAMPLES:
        given = described(f"{samples:.3g} samples, which take {8e-9 * samples:.3g} GB")
        raise ValueRangeError(argument, given, f"at most {MOST_SAMPLES}: {made_of}")


def ramp(argument: str, given: Ramp, n: int, *, least: float = -math.inf) -> FloatArray:
    """Turn a constant, or (first, last), into the parameter at each of `n` samples."""
    ends = given if isinstance(given, tuple) else (given, given)
    if len(ends) != 2:
        raise ArgumentError(argument, given, "a number, or a pair (value at the first sample, value at the last)")
    first, last = (checks.number(argument, end, least=least) for end in ends)
    return np.linspace(first, last, n)


def crossing(
    time: FloatArray, parameter: FloatArray, critical: float, *, direction: Literal["up", "either"] = "either"
) -> float | None:
    """Time at which a linear ramp reaches `critical` from the side on which it starts; None where it does not."""
    first, last = float(parameter[0]), float(parameter[-1])
    if first < critical <= last or (direction == "either" and last <= critical < first):
        return float(time[-1]) * (critical - first) / (last - first)
    return None


def draw(
    plan: Sampling,
    seed: Seed,
    width: int,
    integrate: Callable[[FloatArray, FloatArray], None],
    *,
    states: int | None = None,
) -> tuple[FloatArray, int]:
    """Draw `width` normal variates a row and let `integrate(normals, out)` turn them into series, a chunk at a time.

    Replicate i takes the i-th stream of the seed, so that it does not depend on how many others are drawn.
    """
    entropy = entropy_of(seed)
    _check_amount("n", plan.rows * plan.n * (states or 1), "`n` times `replicates` times variables")
    shape = (plan.rows, plan.n) if states is None else (states, plan.rows, plan.n)
    values = np.empty(shape)
    chunk = max(1, _CHUNK // max(width, 1))
    for first in range(0, plan.rows, chunk):
        last = min(first + chunk, plan.rows)
        normals = np.empty((last - first, width))
        for row in range(first, last):
            stream = np.random.SeedSequence(entropy, spawn_key=(row,))
            np.random.Generator(np.random.PCG64DXSM(stream)).standard_normal(out=normals[row - first])
        out = np.empty((*shape[:-2], last - first, plan.n))
        with np.errstate(all="ignore"):  # an integration that runs away is caught below
            integrate(normals, out)
        values[..., first:last, :] = out
    if not np.isfinite(values).all():
        raise ValueRangeError(
            "steps", plan.steps, "enough steps a sample for a stable integration: this one left the finite numbers"
        )
    return (values[..., 0, :] if plan.replicates is None else values), entropy


def entropy_of(seed: Seed) -> int:
    """The integer from which all streams of a simulation spring."""
    if seed is None:
        return int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]  # an int where none was given
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63))
    return resolve_seed(seed)


def result(
    plan: Sampling,
    values: FloatArray,
    parameter: FloatArray,
    *,
    model: str,
    seed: int,
    config: Mapping[str, Any],
    bifurcation: Bifurcation | None = None,
    critical: float | None = None,
    transition: float | None = None,
) -> Simulation:
    """Put a simulation together; a constant parameter makes it a null system."""
    moving = bool(parameter[0] != parameter[-1])
    return Simulation(
        values=values,
        time=plan.time,
        parameter=parameter,
        transition=transition if moving else None,
        critical=critical,
        bifurcation=bifurcation if moving else None,
        model=model,
        config=MappingProxyType({name: option for name, option in config.items() if name != "seed"}),
        seed=seed,
    )
