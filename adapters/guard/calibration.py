"""Calibration of a guard: generations at full depth, and the thresholds that few of them reach."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.calibration.fingerprint import fingerprint
from adapters.families import Family, family_of
from adapters.guard.alarm import anew, ending_tokens
from adapters.guard.token_signals import TokenSignals
from adapters.policies.never import NeverExitPolicy
from adapters.texts.reading import padded, read_texts
from ews import IndicatorMonitor, MonitorCalibration
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["GuardCalibration", "calibrate_monitors", "default_monitors", "read_count"]


@dataclass(frozen=True, eq=False)
class GuardCalibration:
    """What a guard's alarms are based on.

    Attributes
    ----------
    prompts : int
        How many generations at full depth were recorded.
    horizon : int
        Tokens of each that were watched.
    false_alarm_rate : float
        Share of such generations in which the guard alarms, at most, over all signals together.
    seed : int
        Seed of the sampling.
    model : str
        Fingerprint of the model.
    signals : mapping of str to ews.MonitorCalibration
        Thresholds of each signal. Each has its part of the rate (Bonferroni), as a monitor watches one series.
    """

    prompts: int
    horizon: int
    false_alarm_rate: float
    seed: int
    model: str
    signals: Mapping[str, MonitorCalibration]

    @property
    def sentence(self) -> str:
        """One line for a report."""
        return (
            f"a generation at full depth like the {self.prompts} recorded sets off an alarm within {self.horizon} "
            f"tokens in at most {self.false_alarm_rate:g} of cases ({', '.join(self.signals)})"
        )


def default_monitors() -> dict[str, IndicatorMonitor]:
    """What a guard watches unless told otherwise: level and memory of the entropy over the last 8 tokens.

    Gibberish raises the entropy of what is emitted, and a loop lowers it or makes it come and go with the loop's
    period: the mean shows the first, the lag-1 autocorrelation the second.

    This was chosen among some 40 choices of signal, window and indicators, and their pairs, on texts of one model
    (stories15m, greedy): it warned of the most collapses ten tokens ahead, and no pair did better, as a second signal
    takes its part of the rate of false alarms. It is no choice for every model. On SmolLM2-135M, sampled and left after
    layer 28 of 30, it missed nearly all collapses (``docs/generated/llm_collapse.csv``): entropy cannot fall below 0,
    and healthy texts of that model have stretches of 8 tokens near it, so that a loop goes hardly further. Measure
    before you rely on it; where healthy texts are that certain, longer windows may serve better.

    Returns
    -------
    dict of str to ews.IndicatorMonitor
        Not calibrated.

    Examples
    --------
    >>> default_monitors()
    {'entropy': <IndicatorMonitor window=8 rule='level': 0 observations, not calibrated>}
    """
    return {"entropy": IndicatorMonitor(window=8, history=8, detrend=None, indicators=("mean", "ac1"))}


def calibrate_monitors(
    monitors: Mapping[str, IndicatorMonitor],
    model: Any,
    prompts: Iterable[Any],
    *,
    tokenizer: Any,
    max_new_tokens: int,
    false_alarm_rate: float,
    rows: int,
    seed: int,
    options: Mapping[str, Any],
) -> tuple[dict[str, IndicatorMonitor], GuardCalibration]:
    """Record generations at full depth; the arguments are those of :meth:`adapters.Guarded.calibrate`.

    Returns
    -------
    (dict of str to ews.IndicatorMonitor, GuardCalibration)
        Calibrated copies of the monitors, and what they are based on.
    """
    family = family_of(model)
    read_count("max_new_tokens", max_new_tokens, least=2)
    read_count("rows", rows, least=1)
    texts = read_texts(prompts, tokenizer, family, further=max_new_tokens)
    share = _share(false_alarm_rate, len(monitors))
    least = 2 * (math.ceil(2.0 / share) - 1)  # half of them are held against the thresholds
    if len(texts) < least:
        raise ArgumentError(
            "prompts",
            described(f"{len(texts)} prompts"),
            f"at least {least} for a rate of {false_alarm_rate:g} over {len(monitors)} signal(s)",
        )
    recorder = _Recorder(tuple(monitors))
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
    calibrated = {name: anew(monitor) for name, monitor in monitors.items()}
    found = {
        name: monitor.calibrate_on(recorded[:, :, place], false_alarm_rate=share)
        for place, (name, monitor) in enumerate(calibrated.items())
    }
    return calibrated, GuardCalibration(
        prompts=len(texts),
        horizon=max_new_tokens - 1,  # the first comes from the prompt
        false_alarm_rate=float(false_alarm_rate),
        seed=seed,
        model=fingerprint(model),
        signals=MappingProxyType(found),
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

    def records(self, length: int) -> np.ndarray[Any, Any]:
        """Shape (rows, length, signals), NaN after a row has ended."""
        found = np.stack(self._kept, axis=1)
        return np.pad(found, ((0, 0), (0, length - found.shape[1]), (0, 0)), constant_values=np.nan)


def read_count(argument: str, given: object, *, least: int) -> None:
    if not isinstance(given, int) or isinstance(given, bool):
        raise InputTypeError(argument, given, f"a whole number of {least} or more")
    if given < least:
        raise ValueRangeError(argument, given, f"{least} or more")


def _share(rate: object, signals: int) -> float:
    """The part of the rate that each signal has."""
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0.0 < rate < 1.0:
        raise ValueRangeError("false_alarm_rate", rate, "a number between 0 and 1")
    return float(rate) / signals
