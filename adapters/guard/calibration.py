"""Calibration of a guard: generations at full depth, and the thresholds that few of them reach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from adapters.calibration.fingerprint import fingerprint
from adapters.families import Family, family_of
from adapters.guard.alarm import Detector, anew, ending_tokens
from adapters.guard.chart import ChartCalibration, ScoreChart
from adapters.guard.token_signals import TokenSignals
from adapters.policies.never import NeverExitPolicy
from adapters.texts.reading import padded, read_texts
from ews import MonitorCalibration
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

FloatArray = npt.NDArray[np.float64]

_JUDGED = 64  # tokens over which a loop is judged
_UNJUDGED = 32  # the last of a run

__all__ = ["GuardCalibration", "calibrate_monitors", "default_monitors", "read_count"]


@dataclass(frozen=True, eq=False)
class GuardCalibration:
    """What a guard's alarms are based on.

    Attributes
    ----------
    prompts : int
        How many healthy generations at full depth were recorded.
    horizon : int
        Tokens of each that were watched.
    false_alarm_rate : float
        Share of such generations in which the guard alarms, at most, over all signals together.
    seed : int
        Seed of the sampling.
    model : str
        Fingerprint of the model.
    signals : mapping of str to ChartCalibration or ews.MonitorCalibration
        Thresholds of each signal. Each has its part of the rate (Bonferroni), as a monitor watches one series.
    looped : int
        Generations that were left out, as they fell into a loop at full depth: over some 64 tokens, more than half
        completed a 4-gram that they had before.
    """

    prompts: int
    horizon: int
    false_alarm_rate: float
    seed: int
    model: str
    signals: Mapping[str, ChartCalibration | MonitorCalibration]
    looped: int = 0

    @property
    def false_alarms(self) -> float:
        """Alarms in 10,000 healthy tokens, at most."""
        return 10_000.0 * self.false_alarm_rate / self.horizon

    @property
    def sentence(self) -> str:
        """One line for a report."""
        return (
            f"a healthy generation like the {self.prompts} recorded sets off an alarm within {self.horizon} tokens in "
            f"at most {self.false_alarm_rate:.3g} of cases, {self.false_alarms:.3g} in 10,000 tokens "
            f"({', '.join(self.signals)})"
        )


def default_monitors() -> dict[str, Detector]:
    """What a guard watches unless told otherwise: score tests of repetitions, cycles and entropy.

    A loop repeats what was just said (``"cycle"``), or says again what it said before and is ever more certain of it
    (``"sure_repetition"``); gibberish raises the entropy of what is emitted. They were chosen on texts of stories15m
    and SmolLM2-135M, on each of which another sees loops soonest, and measured on other ones
    (``docs/generated/llm_guard.csv``).

    Returns
    -------
    dict of str to ScoreChart
        Not calibrated.

    Examples
    --------
    >>> list(default_monitors())
    ['sure_repetition', 'cycle', 'entropy']
    """
    return {name: ScoreChart() for name in ("sure_repetition", "cycle", "entropy")}


def calibrate_monitors(
    monitors: Mapping[str, Detector],
    model: Any,
    prompts: Iterable[Any],
    *,
    tokenizer: Any,
    max_new_tokens: int,
    false_alarms: float | None,
    false_alarm_rate: float | None,
    rows: int,
    seed: int,
    options: Mapping[str, Any],
) -> tuple[dict[str, Detector], GuardCalibration]:
    """Record generations at full depth; the arguments are those of :meth:`adapters.Guarded.calibrate`.

    Returns
    -------
    (dict of str to ScoreChart or ews.IndicatorMonitor, GuardCalibration)
        Calibrated copies of the monitors, and what they are based on.
    """
    family = family_of(model)
    read_count("max_new_tokens", max_new_tokens, least=2)
    read_count("rows", rows, least=1)
    texts = read_texts(prompts, tokenizer, family, further=max_new_tokens)
    horizon = max_new_tokens - 1  # the first comes from the prompt
    # Whether the last tokens already begin a loop is not known.
    horizon -= _UNJUDGED if horizon >= 3 * _UNJUDGED else 0
    rate = _rate_of(false_alarms, false_alarm_rate, horizon)
    share = rate / len(monitors)
    _require_texts(len(texts), rate, monitors)
    recorder = _Recorder((*monitors, *(name for name in ("repetition",) if name not in monitors)))
    pad = model.generation_config.pad_token_id
    options = {"pad_token_id": 0 if pad is None else pad, **options}
    runs = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for first in range(0, len(texts), rows):
            input_ids, mask = padded(texts[first : first + rows])
            model.generate(
                input_ids=input_ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=max_new_tokens,
                custom_generate=recorder,
                **options,
            )
            runs.append(recorder.records(max_new_tokens - 1))
    recorded = np.concatenate(runs)
    looped = _looped(recorded[:, :, recorder.place("repetition")])
    _require_texts(int((~looped).sum()), rate, monitors, looped=int(looped.sum()))
    recorded = recorded[~looped, :horizon]
    calibrated = {name: anew(monitor) for name, monitor in monitors.items()}
    found = {
        name: monitor.calibrate_on(recorded[:, :, place], false_alarm_rate=share)
        for place, (name, monitor) in enumerate(calibrated.items())
    }
    return calibrated, GuardCalibration(
        prompts=len(recorded),
        horizon=horizon,
        false_alarm_rate=rate,
        seed=seed,
        model=fingerprint(model),
        signals=MappingProxyType(found),
        looped=int(looped.sum()),
    )


def _looped(repeats: FloatArray) -> npt.NDArray[np.bool_]:
    """Which runs fell into a loop: over some 64 tokens, more than half said something again; NaN are none."""
    total = np.cumsum(np.pad(np.nan_to_num(repeats), ((0, 0), (_JUDGED, 0))), axis=1)
    return np.asarray(((total[:, _JUDGED:] - total[:, :-_JUDGED]) > 0.5 * _JUDGED).any(axis=1))


def _require_texts(given: int, rate: float, monitors: Mapping[str, Detector], *, looped: int = 0) -> None:
    """Refuse fewer healthy texts than the rate asks for."""
    share = rate / len(monitors)
    # Half of a monitor's runs say what the level is; a chart takes its level from all of them.
    needs = [
        math.ceil((1.0 - 1e-12) / share) - 1 if isinstance(one, ScoreChart) else 2 * (math.ceil(2.0 / share) - 1)
        for one in monitors.values()
    ]
    if given < max(needs):
        said = (
            f"{given} prompts"
            if not looped
            else f"{given} prompts that do not loop by themselves, beside {looped} that do"
        )
        raise ArgumentError(
            "prompts",
            described(said),
            f"at least {max(needs)} for a rate of {rate:.3g} of them over {len(monitors)} signal(s); fewer for "
            "larger false_alarms or false_alarm_rate",
        )


class _Recorder(NeverExitPolicy):
    """Full depth, with the signals of each token kept."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self._names = names
        self._kept: list[np.ndarray[Any, Any]] = []

    def bind(self, family: Family) -> None:
        self._idle = ending_tokens(family)

    def start(self, rows: int, input_ids: Tensor | None) -> None:  # noqa: ARG002
        self._kept = []
        self._time = TokenSignals(self._names, rows=rows, idle=self._idle)

    def taken(self, input_ids: Tensor) -> None:
        self._time.take(input_ids)

    def emitted(self, logits: Tensor) -> None:
        measured = self._time.measure(logits)
        measured[self._time.idle | self._time.broken] = np.nan
        self._kept.append(measured)

    def place(self, name: str) -> int:
        """The column of a signal."""
        return self._names.index(name)

    def records(self, length: int) -> np.ndarray[Any, Any]:
        """Shape (rows, length, signals), NaN after a row has ended."""
        found = np.stack(self._kept, axis=1)
        return np.pad(found, ((0, 0), (0, length - found.shape[1]), (0, 0)), constant_values=np.nan)


def read_count(argument: str, given: object, *, least: int) -> None:
    if not isinstance(given, int) or isinstance(given, bool):
        raise InputTypeError(argument, given, f"a whole number of {least} or more")
    if given < least:
        raise ValueRangeError(argument, given, f"{least} or more")


def _rate_of(false_alarms: object, false_alarm_rate: object, horizon: int) -> float:
    """Share of healthy generations with an alarm, from whichever of the two was given."""
    if false_alarms is not None and false_alarm_rate is not None:
        raise ArgumentError("false_alarm_rate", false_alarm_rate, "only one of false_alarms and false_alarm_rate")
    if false_alarm_rate is not None:
        if not isinstance(false_alarm_rate, int | float) or not 0.0 < float(false_alarm_rate) < 1.0:
            raise ValueRangeError("false_alarm_rate", false_alarm_rate, "a number between 0 and 1")
        return float(false_alarm_rate)
    alarms = 1.0 if false_alarms is None else false_alarms
    if not isinstance(alarms, int | float) or isinstance(alarms, bool) or not 0.0 < alarms * horizon < 10_000.0:
        raise ValueRangeError(
            "false_alarms", alarms, f"a number of alarms in 10,000 tokens, below {10_000 / horizon:g}"
        )
    return float(alarms) * horizon / 10_000.0
