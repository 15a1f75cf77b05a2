"""Watching a generation over token time: one set of monitors a row, and who alarmed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from adapters.decoding.contract import BoolArray
from adapters.families import Family
from adapters.guard.chart import ScoreChart
from adapters.guard.token_signals import TokenSignals
from adapters.texts.reading import end_tokens
from ews import IndicatorMonitor

__all__ = ["Detector", "GuardAlarm", "Watch", "anew", "ending_tokens"]


Detector = ScoreChart | IndicatorMonitor


@dataclass(frozen=True, slots=True)
class GuardAlarm:
    """A row that returned to full depth.

    Attributes
    ----------
    row : int
        Row of the batch.
    token : int
        How many tokens of the generation had been taken in; layers come back for the next.
    reason : str
        What alarmed, and how far from the usual it was.
    """

    row: int
    token: int
    reason: str


class Watch:
    """The rows of one generation under their monitors.

    Parameters
    ----------
    monitors : mapping of str to ScoreChart or ews.IndicatorMonitor
        Calibrated, one for each token signal; each row gets copies that have seen nothing.
    rows : int
        Size of the batch.
    idle : collection of int
        Tokens that end or pad a row, which are not watched.
    cooldown : int or None
        After how many tokens at full depth a row is watched anew; None for never.

    Attributes
    ----------
    signals : TokenSignals
        What the monitors are told.
    restored : ndarray of bool of shape (rows,)
        Rows that alarmed and run at full depth.
    """

    def __init__(
        self, monitors: Mapping[str, Detector], *, rows: int, idle: Collection[int], cooldown: int | None
    ) -> None:
        self._monitors = monitors
        self._cooldown = cooldown
        self.signals = TokenSignals(monitors, rows=rows, idle=idle)
        self._rows = [self._fresh() for _ in range(rows)]
        self._since = np.zeros(rows, dtype=np.int64)  # at which token a row was restored
        self.restored: BoolArray = np.zeros(rows, dtype=bool)

    def _fresh(self) -> dict[str, Detector]:
        return {name: anew(monitor) for name, monitor in self._monitors.items()}

    def take(self, input_ids: Tensor) -> None:
        """Take in the tokens that come next, shape (rows, 1), and let rows go whose cool-down is over."""
        self.signals.take(input_ids)
        if self._cooldown is None:
            return
        for row in np.flatnonzero(self.restored & (self.signals.count - self._since > self._cooldown)):
            self.restored[row] = False
            self._rows[row] = self._fresh()

    def measure(self, logits: Tensor) -> list[GuardAlarm]:
        """Update the monitors with what is emitted, shape (rows, vocabulary); the alarms that this sets off."""
        if self.restored.all():
            return []
        measured = self.signals.measure(logits)
        alarms = []
        for row in np.flatnonzero(~self.restored & ~self.signals.idle).tolist():
            broken = self.signals.broken[row]
            why = "logits are no numbers" if broken else self._reason(row, measured[row].tolist())
            if why:
                self.restored[row], self._since[row] = True, self.signals.count
                alarms.append(GuardAlarm(row, self.signals.count, why))
        return alarms

    def _reason(self, row: int, values: list[float]) -> str:
        """Why a row alarms; nothing where it does not."""
        states = {
            name: monitor.update(each) for each, (name, monitor) in zip(values, self._rows[row].items(), strict=True)
        }
        return "; ".join(f"{name}: {state.reasons[0]}" for name, state in states.items() if state.alarm)


def anew(monitor: Detector) -> Detector:
    """A copy that has seen nothing."""
    copy = type(monitor).from_dict(monitor.to_dict())
    copy.reset()
    return copy


def ending_tokens(family: Family) -> frozenset[int]:
    """Tokens that end or pad a row, as far as the model's own configuration knows."""
    return frozenset({*end_tokens(family.model), family.model.generation_config.pad_token_id} - {None})
