"""Early warning of a collapse over token time: full depth returns before skipping has ruined a text."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters._common.publish import public
from adapters.calibration.fingerprint import fingerprint
from adapters.decoding.contract import BoolArray, Exit, Plan, Policy, Trajectory
from adapters.errors import PolicyMismatchError
from adapters.families import Family, family_of
from adapters.guard.token_signals import TOKEN_SIGNALS, TokenSignals
from adapters.policies.never import NeverExitPolicy
from adapters.texts.reading import padded, read_texts
from ews import Monitor, MonitorCalibration
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, described

__all__ = ["GuardAlarm", "GuardCalibration", "Guarded", "default_monitors"]

_FORMAT = 1
_WHOLE = Plan()


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


@dataclass(frozen=True, slots=True)
class GuardAlarm:
    """A row that returned to full depth.

    Attributes
    ----------
    row : int
        Which of the batch.
    token : int
        How many tokens of the generation had been taken in; layers come back for the next.
    reason : str
        What alarmed, and how far from the usual it was.
    """

    row: int
    token: int
    reason: str


def default_monitors() -> dict[str, Monitor]:
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
    dict of str to ews.Monitor
        Not calibrated.

    Examples
    --------
    >>> default_monitors()
    {'entropy': <Monitor window=8 rule='level': 0 observations, not calibrated>}
    """
    return {"entropy": Monitor(window=8, history=8, detrend=None, indicators=("mean", "ac1"))}


@public("adapters")
class Guarded(Policy):
    """A policy that returns to full depth when the text begins to collapse.

    What is left out of a token is decided by the policy within. This one watches signals over *token time*, each with
    an :class:`ews.Monitor` that was calibrated on generations at full depth, and once a monitor alarms every layer
    runs, for the rest of the generation or for a while. Tokens and logits are those of the policy within, bit for bit,
    as long as nothing alarms.

    Parameters
    ----------
    policy : Policy
        What decides; its unit and cache are taken over. Its cache cannot be ``"monotone"``: layers that were left out
        for good cannot be run again.
    monitors : mapping of str to ews.Monitor, optional
        Which signals are watched and how; :meth:`calibrate` calibrates copies of them. Signals are ``"entropy"`` and
        ``"margin"`` of the emitted logits (``adapters.guard.token_signals.logit_signals``) and ``"repetition"`` of the
        tokens (``adapters.guard.token_signals.Repetition``). The default was chosen by measurement: see
        :func:`default_monitors`.
    cooldown : int, optional
        After how many tokens at full depth the policy within decides again, and the monitors start anew (default: not
        in this generation).

    Attributes
    ----------
    calibration : GuardCalibration or None
        What the alarms are based on.
    alarms : tuple of GuardAlarm
        Of the last generation; the report has them as events.

    Raises
    ------
    ews.errors.ArgumentError
        If the policy cannot return to full depth, or another choice cannot be used.

    Notes
    -----
    Rows of a batch are watched one by one, and only those that alarm return to full depth; layers in between that a
    plan leaves out (``skip_layers``) come back for all rows, as the engine leaves them out for all or none. Tokens that
    end or pad a row, as the model's ``generation_config`` names them, are not watched. Logits that are no numbers alarm
    at once.

    An alarm says that a text is unlike those of the calibration, whatever the cause: prompts of another kind, or
    another temperature, need their own. Beyond the horizon the rate of false alarms is not known. The first tokens fill
    the windows and cannot alarm.

    What was written before an alarm stays, so that a model which is already caught in a loop may go on in it.

    Examples
    --------
    >>> from adapters import FixedExitPolicy, Guarded
    >>> guarded = Guarded(FixedExitPolicy(depth=4, cache="deferred"))
    >>> guarded.unit, guarded.cache, guarded.signals
    ('layer', 'deferred', ('entropy',))
    """

    def __init__(
        self, policy: Policy, *, monitors: Mapping[str, Monitor] | None = None, cooldown: int | None = None
    ) -> None:
        given: object = policy
        if not isinstance(given, Policy):
            raise InputTypeError("policy", policy, "a policy")
        if isinstance(policy, Guarded):
            raise ArgumentError("policy", described("one that is guarded"), "a policy without a guard")
        if policy.cache == "monotone":
            raise ArgumentError(
                "policy",
                described("one with cache='monotone', whose layers are left out for good"),
                "a cache that full depth can return to: 'propagate', 'deferred', 'exact' or 'verify'",
            )
        if cooldown is not None:
            _read_count("cooldown", cooldown, least=1)
        super().__init__(unit=policy.unit, cache=policy.cache)
        self.policy = policy
        self.drafts = policy.drafts
        self.cooldown = cooldown
        self.calibration: GuardCalibration | None = None
        self.alarms: tuple[GuardAlarm, ...] = ()
        self._monitors = _read_monitors(monitors)
        self._depth = 0
        self._idle: frozenset[int] = frozenset()
        self._known: weakref.ref[Any] | None = None  # the model whose fingerprint was compared

    @property
    def signals(self) -> tuple[str, ...]:
        """Which are watched."""
        return tuple(self._monitors)

    # ---- calibration ----------------------------------------------------------------------------------------------

    def calibrate(
        self,
        model: Any,
        prompts: Iterable[Any],
        *,
        tokenizer: Any = None,
        max_new_tokens: int,
        false_alarm_rate: float = 0.05,
        rows: int = 8,
        seed: int = 0,
        **options: Any,
    ) -> GuardCalibration:
        """Record generations at full depth, and find the thresholds that few of them reach.

        Parameters
        ----------
        model : transformers.PreTrainedModel
            The model that will be watched.
        prompts : iterable of str or of sequences of int
            Like those to come, in an order that means nothing: the first half says what is usual, the second how far
            healthy texts stray from it.
        tokenizer : callable, optional
            What makes tokens of prompts that are strings.
        max_new_tokens : int
            How long generations will be; the horizon of the false-alarm rate.
        false_alarm_rate : float, default 0.05
            Share of generations at full depth with an alarm, over all signals together.
        rows : int, default 8
            How many prompts are run at once; it changes nothing but the time.
        seed : int, default 0
            Seed of the sampling, where options ask for it; torch's own generator is left as it was.
        **options
            For ``model.generate``: the same as later, such as ``do_sample=True, temperature=0.8``.

        Returns
        -------
        GuardCalibration
            Kept as ``calibration`` too.

        Raises
        ------
        ews.errors.ArgumentError
            If there are too few prompts for that rate, or the horizon is shorter than a window.
        """
        family = family_of(model)
        _read_count("max_new_tokens", max_new_tokens, least=2)
        _read_count("rows", rows, least=1)
        texts = read_texts(prompts, tokenizer, family, further=max_new_tokens)
        share = _share(false_alarm_rate, len(self._monitors))
        least = 2 * (math.ceil(2.0 / share) - 1)  # half of them are held against the thresholds
        if len(texts) < least:
            raise ArgumentError(
                "prompts",
                described(f"{len(texts)} prompts"),
                f"at least {least} for a rate of {false_alarm_rate:g} over {len(self._monitors)} signal(s)",
            )
        recorder = _Recorder(self.signals)
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
        monitors = {name: _again(monitor) for name, monitor in self._monitors.items()}
        found = {
            name: monitor.calibrate_on(recorded[:, :, place], false_alarm_rate=share)
            for place, (name, monitor) in enumerate(monitors.items())
        }
        self._monitors = monitors
        self.calibration = GuardCalibration(
            prompts=len(texts),
            horizon=max_new_tokens - 1,  # the first comes from the prompt
            false_alarm_rate=float(false_alarm_rate),
            seed=seed,
            model=fingerprint(model),
            signals=MappingProxyType(found),
        )
        return self.calibration

    def around(self, policy: Policy, *, cooldown: int | None = None) -> Guarded:
        """The same guard around another policy: the calibration is about full depth, not about what is left out.

        Parameters
        ----------
        policy : Policy
            What decides.
        cooldown : int, optional
            As of :class:`Guarded`.

        Returns
        -------
        Guarded
            Calibrated as this one.
        """
        other = Guarded(policy, monitors=self._monitors, cooldown=cooldown)
        other.calibration = self.calibration
        return other

    def save(self, path: str | Path) -> None:
        """Write the calibrated monitors, without the policy, as JSON.

        Parameters
        ----------
        path : str or Path
            The file.

        Raises
        ------
        ews.errors.ArgumentError
            If nothing was calibrated.
        """
        calibration = self._calibrated()
        saved = {
            "guard": _FORMAT,
            "prompts": calibration.prompts,
            "horizon": calibration.horizon,
            "false_alarm_rate": calibration.false_alarm_rate,
            "seed": calibration.seed,
            "model": calibration.model,
            "monitors": {name: monitor.to_dict() for name, monitor in self._monitors.items()},
        }
        Path(path).write_text(json.dumps(saved), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path, policy: Policy, *, cooldown: int | None = None) -> Guarded:
        """Put a policy under the monitors that were saved.

        Parameters
        ----------
        path : str or Path
            What :meth:`save` wrote.
        policy : Policy
            What decides; not necessarily the one that was guarded before, as the calibration is about full depth.
        cooldown : int, optional
            As of :class:`Guarded`.

        Returns
        -------
        Guarded
            Calibrated as before.

        Raises
        ------
        ews.errors.ArgumentError
            If the file is no saved guard.
        """
        try:
            saved = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError:
            saved = None
        if not isinstance(saved, dict) or saved.get("guard") != _FORMAT:
            raise ArgumentError("path", str(path), "a file that Guarded.save wrote")
        try:
            monitors = {name: Monitor.from_dict(each) for name, each in saved["monitors"].items()}
            found = {name: monitor.calibration for name, monitor in monitors.items()}
            calibration = GuardCalibration(
                prompts=int(saved["prompts"]),
                horizon=int(saved["horizon"]),
                false_alarm_rate=float(saved["false_alarm_rate"]),
                seed=int(saved["seed"]),
                model=str(saved["model"]),
                signals=MappingProxyType({name: each for name, each in found.items() if each is not None}),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ArgumentError("path", str(path), "a file that Guarded.save wrote, with all its parts") from error
        if set(calibration.signals) != set(monitors):
            raise ArgumentError("path", str(path), "a file whose monitors are all calibrated")
        guarded = cls(policy, monitors=monitors, cooldown=cooldown)
        guarded.calibration = calibration
        return guarded

    def _calibrated(self) -> GuardCalibration:
        if self.calibration is None:
            raise ArgumentError("calibration", None, "a guard that was calibrated: call calibrate, or load a saved one")
        return self.calibration

    # ---- the contract ---------------------------------------------------------------------------------------------

    def bind(self, family: Family) -> None:
        """See that the alarms are based on this model, and let the policy within meet it."""
        expected = self._calibrated().model
        if self._known is None or self._known() is not family.model:
            if fingerprint(family.model) != expected:
                raise PolicyMismatchError(
                    "model", described("one with other weights"), "the model that the guard was calibrated on"
                )
            self._known = weakref.ref(family.model)
        self.policy.bind(family)
        self._depth = family.depth
        self._idle = _ending(family)

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Watch each row anew."""
        self.policy.start(rows, input_ids)
        self._time = TokenSignals(self.signals, rows=rows, idle=self._idle)
        self._watch = [self._fresh() for _ in range(rows)]
        self.alarms = ()
        self._since = np.full(rows, -1)  # at which token a row returned to full depth; −1 where it did not

    def _fresh(self) -> dict[str, Monitor]:
        return {name: _again(monitor) for name, monitor in self._monitors.items()}

    def taken(self, input_ids: Tensor) -> None:
        """Take in the tokens, and let rows go whose cool-down is over."""
        self.policy.taken(input_ids)
        self._time.take(input_ids)
        if self.cooldown is not None:
            for row in np.flatnonzero((self._since >= 0) & (self._time.count - self._since > self.cooldown)):
                self._since[row] = -1
                self._watch[row] = self._fresh()

    def plan(self, step: int) -> Plan:
        """That of the policy within, without what it leaves out of rows that alarmed."""
        restored = self._since >= 0
        if restored.all():
            return _WHOLE
        plan = self.policy.plan(step)
        if not restored.any():
            return plan
        leaves = plan.exit
        if leaves is not None:
            leaves = np.where(restored, self._depth, leaves)
        return Plan(exit=leaves, checks=plan.checks, feeds=plan.feeds)

    def check(self, trajectory: Trajectory) -> Exit | None:
        """The answer of the policy within, for rows that it may decide on."""
        among = self._since if trajectory.rows is None else self._since[trajectory.rows]
        if (among >= 0).all():
            return None
        found = self.policy.check(trajectory)
        self.looking, self.heads = self.policy.looking, self.policy.heads
        if found is None or (among < 0).all():
            return found
        leaving = np.ones(len(among), dtype=bool) if found.rows is None else np.asarray(found.rows, dtype=bool)
        logits = found.logits
        if logits is not None:
            logits = logits[torch.as_tensor((among < 0)[leaving], device=logits.device)]
        leaving = leaving & (among < 0)
        return Exit(leaving, logits) if leaving.any() else None

    def feeds(self, index: int, middle: Tensor) -> bool | BoolArray:
        """The answer of the policy within, and True for rows that alarmed."""
        found = self.policy.feeds(index, middle)
        if not (self._since >= 0).any():
            return found
        if len(middle) != len(self._since):  # some rows have left, and nobody says which
            return True
        return np.asarray((self._since >= 0) | found)

    def fed(self, index: int, middle: Tensor, after: Tensor) -> None:
        """Pass it on."""
        self.policy.fed(index, middle, after)

    def emitted(self, logits: Tensor) -> None:
        """Measure the signals of the new token, and see whether a monitor alarms."""
        self.policy.emitted(logits)
        if (self._since >= 0).all():
            return
        measured = self._time.measure(logits)
        for row in np.flatnonzero((self._since < 0) & ~self._time.idle).tolist():
            why = "logits are no numbers" if self._time.broken[row] else self._alarm(row, measured[row].tolist())
            if why:
                self._since[row] = self._time.count
                self.alarms += (GuardAlarm(row, self._time.count, why),)
                back = "from here on" if self.cooldown is None else f"for {self.cooldown} tokens"
                self.events.append(f"guard: row {row}, token {self._time.count}: {why}; full depth {back}")

    def _alarm(self, row: int, values: list[float]) -> str:
        """Why a row alarms; nothing where it does not."""
        found = []
        for value, (name, monitor) in zip(values, self._watch[row].items(), strict=True):
            state = monitor.update(value)
            if state.alarm:
                found.append(f"{name}: {state.reasons[0]}")
        return "; ".join(found)


class _Recorder(NeverExitPolicy):
    """Full depth, with the signals of each token kept."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self._names = names
        self._kept: list[np.ndarray[Any, Any]] = []

    def bind(self, family: Family) -> None:
        self._idle = _ending(family)

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


def _again(monitor: Monitor) -> Monitor:
    """A copy that has seen nothing."""
    copy = Monitor.from_dict(monitor.to_dict())
    copy.reset()
    return copy


def _ending(family: Family) -> frozenset[int]:
    """Tokens that end or pad a row, as far as the model's own configuration knows."""
    config = family.model.generation_config
    ends = config.eos_token_id
    ends = ends if isinstance(ends, list | tuple) else [ends]
    return frozenset(token for token in (*ends, config.pad_token_id) if token is not None)


def _read_monitors(monitors: Mapping[str, Monitor] | None) -> dict[str, Monitor]:
    if monitors is None:
        return default_monitors()
    given: object = monitors
    if not isinstance(given, Mapping) or not given:
        raise InputTypeError("monitors", monitors, "a mapping of one signal or more to ews.Monitor")
    for name, monitor in given.items():
        if name not in TOKEN_SIGNALS:
            raise UnknownNameError("monitors", name, TOKEN_SIGNALS)
        if not isinstance(monitor, Monitor):
            raise InputTypeError(f"monitors[{name!r}]", monitor, "an ews.Monitor")
    return {name: _again(monitor) for name, monitor in monitors.items()}


def _read_count(argument: str, given: object, *, least: int) -> None:
    if not isinstance(given, int) or isinstance(given, bool):
        raise InputTypeError(argument, given, f"a whole number of {least} or more")
    if given < least:
        raise ValueRangeError(argument, given, f"{least} or more")


def _share(rate: object, signals: int) -> float:
    """The part of the rate that each signal has."""
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0.0 < rate < 1.0:
        raise ValueRangeError("false_alarm_rate", rate, "a number between 0 and 1")
    return float(rate) / signals
