"""Early warning of a collapse over token time: full depth returns before skipping has ruined a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters._common.publish import public
from adapters.calibration.fingerprint import Known
from adapters.decoding.contract import BoolArray, Exit, FFNRoute, IntArray, Plan, Policy, Trajectory
from adapters.errors import PolicyMismatchError
from adapters.families import Family
from adapters.guard.alarm import Detector, GuardAlarm, Watch, anew, ending_tokens
from adapters.guard.calibration import GuardCalibration, calibrate_monitors, default_monitors, read_count
from adapters.guard.chart import ScoreChart
from adapters.guard.saving import load_guard, save_guard
from adapters.guard.token_signals import TOKEN_SIGNALS
from ews import IndicatorMonitor
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["Guarded"]

_WHOLE = Plan()


@public("adapters")
class Guarded(Policy):
    """Collapse guard: a policy that returns to full depth when the text begins to collapse.

    What is left out of a token is decided by the policy within. This one watches signals over *token time*, each with a
    sequential score test that was calibrated on generations at full depth, and once one alarms every layer runs, for
    the rest of the generation or for a while. Tokens and logits are those of the policy within, bit for bit, as long as
    nothing alarms.

    Parameters
    ----------
    policy : Policy
        What decides; its unit and cache are taken over. Its cache cannot be ``"monotone"``: layers that were left out
        for good cannot be run again.
    monitors : mapping of str to ScoreChart or ews.IndicatorMonitor, optional
        Which signals are watched and how; :meth:`calibrate` calibrates copies of them. Signals are ``"entropy"`` and
        ``"margin"`` of the emitted logits (``adapters.guard.token_signals.logit_signals``), ``"repetition"`` and
        ``"cycle"`` of the tokens, and ``"sure_repetition"`` of both (``adapters.guard.token_signals.TokenSignals``).
        The default was chosen by measurement: see ``adapters.guard.calibration.default_monitors``.
    cooldown : int, optional
        After how many tokens at full depth the policy within decides again, and the monitors start anew (default: not
        in this generation).

    Attributes
    ----------
    calibration : GuardCalibration or None
        What the alarms are based on.
    alarms : tuple of GuardAlarm
        Alarms of the last generation; the report has them as events.

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
    ('layer', 'deferred', ('sure_repetition', 'cycle', 'entropy'))
    """

    def __init__(
        self, policy: Policy, *, monitors: Mapping[str, Detector] | None = None, cooldown: int | None = None
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
            read_count("cooldown", cooldown, least=1)
        super().__init__(unit=policy.unit, cache=policy.cache)
        self.policy = policy
        self.drafts = policy.drafts
        self.cooldown = cooldown
        self.calibration: GuardCalibration | None = None
        self.alarms: tuple[GuardAlarm, ...] = ()
        self._monitors = _read_monitors(monitors)
        self._depth = 0
        self._idle: frozenset[int] = frozenset()
        self._known = Known()  # the model whose fingerprint was compared

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the signals that are watched."""
        return tuple(self._monitors)

    # ---- calibration ----------------------------------------------------------------------------------------------

    def calibrate(
        self,
        model: Any,
        prompts: Iterable[Any],
        *,
        tokenizer: Any = None,
        max_new_tokens: int,
        false_alarms: float | None = None,
        false_alarm_rate: float | None = None,
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
            Like those to come, in an order that means nothing. Texts that loop at full depth, too, are left out: they
            are what alarms are for.
        tokenizer : callable, optional
            What makes tokens of prompts that are strings.
        max_new_tokens : int
            How long generations will be; the horizon of the false-alarm rate.
        false_alarms : float, default 1.0
            Alarms in 10,000 healthy tokens, at most, over all signals together. One asks for some 30,000 tokens.
        false_alarm_rate : float, optional
            The same as a share of healthy generations with an alarm, instead of `false_alarms`.
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
        self._monitors, self.calibration = calibrate_monitors(
            self._monitors,
            model,
            prompts,
            tokenizer=tokenizer,
            max_new_tokens=max_new_tokens,
            false_alarms=false_alarms,
            false_alarm_rate=false_alarm_rate,
            rows=rows,
            seed=seed,
            options=options,
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
        save_guard(Path(path), self._monitors, self._calibrated())

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
        monitors, calibration = load_guard(Path(path))
        guarded = cls(policy, monitors=monitors, cooldown=cooldown)
        guarded.calibration = calibration
        return guarded

    def _calibrated(self) -> GuardCalibration:
        if self.calibration is None:
            raise ArgumentError("calibration", None, "a guard that was calibrated: call calibrate, or load a saved one")
        return self.calibration

    # ---- the contract ---------------------------------------------------------------------------------------------

    def bind(self, family: Family) -> None:
        """Check that the alarms were calibrated on this model, and bind the guarded policy to it."""
        expected = self._calibrated().model
        if not self._known.is_same(family.model, expected):
            raise PolicyMismatchError(
                "model", described("one with other weights"), "the model that the guard was calibrated on, as it was"
            )
        self.policy.bind(family)
        self._depth = family.depth
        self._idle = ending_tokens(family)

    def unbind(self) -> None:
        """Forget the model, and let the guarded policy forget it."""
        self.policy.unbind()

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Begin a generation, and watch each row anew."""
        self.policy.start(rows, input_ids)
        self._watch = Watch(self._monitors, rows=rows, idle=self._idle, cooldown=self.cooldown)
        self.alarms = ()

    def taken(self, input_ids: Tensor) -> None:
        """Take in the tokens, and let rows go whose cool-down is over."""
        self.policy.taken(input_ids)
        self._watch.take(input_ids)

    def plan(self, step: int) -> Plan:
        """Plan of the guarded policy, without what it leaves out of rows that alarmed."""
        restored = self._watch.restored
        if restored.all():
            return _WHOLE
        plan = self.policy.plan(step)
        if not restored.any():
            return plan
        leaves = plan.exit
        if leaves is not None:
            leaves = np.where(restored, self._depth, leaves)
        routes = plan.ffn_routes
        if routes is not None:
            routes = np.where(restored[:, None], FFNRoute.FULL, routes)
        return Plan(exit=leaves, checks=plan.checks, ffn_checks=plan.ffn_checks, ffn_routes=routes)

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Decide by the guarded policy, for rows that have not alarmed."""
        restored = self._watch.restored if trajectory.rows is None else self._watch.restored[trajectory.rows]
        if restored.all():
            return None
        found = self.policy.check(trajectory)
        self.looking = self.policy.looking
        if found is None or not restored.any():
            return found
        leaving = np.ones(len(restored), dtype=bool) if found.rows is None else np.asarray(found.rows, dtype=bool)
        logits = found.logits
        if logits is not None:
            logits = logits[torch.as_tensor(~restored[leaving], device=logits.device)]
        leaving = leaving & ~restored
        return Exit(leaving, logits) if leaving.any() else None

    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray | IntArray:
        """Decide by the guarded policy; blocks of rows that alarmed run."""
        found = self.policy.run_ffn(index, post_attention)
        restored = self._watch.restored
        if not restored.any():
            return found
        if len(post_attention) != len(restored):  # some rows have left, and nobody says which
            return True
        return np.where(restored, FFNRoute.FULL, found)

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        """What the guarded policy puts in the place of a feed-forward block."""
        return self.policy.instead_of_ffn(index, post_attention)

    def ffn_done(self, index: int, post_attention: Tensor, after: Tensor) -> None:
        """Pass on what a feed-forward block did."""
        self.policy.ffn_done(index, post_attention, after)

    def emitted(self, logits: Tensor) -> None:
        """Measure the signals of the new token, and see whether a monitor alarms."""
        self.policy.emitted(logits)
        back = "from here on" if self.cooldown is None else f"for {self.cooldown} tokens"
        for alarm in self._watch.measure(logits):
            self.alarms += (alarm,)
            self.events.append(f"guard: row {alarm.row}, token {alarm.token}: {alarm.reason}; full depth {back}")


def _read_monitors(monitors: Mapping[str, Detector] | None) -> dict[str, Detector]:
    if monitors is None:
        return default_monitors()
    given: object = monitors
    if not isinstance(given, Mapping) or not given:
        raise InputTypeError(
            "monitors", monitors, "a mapping of one signal or more to ScoreChart or ews.IndicatorMonitor"
        )
    for name, monitor in given.items():
        if name not in TOKEN_SIGNALS:
            raise UnknownNameError("monitors", name, TOKEN_SIGNALS)
        if not isinstance(monitor, ScoreChart | IndicatorMonitor):
            raise InputTypeError(f"monitors[{name!r}]", monitor, "a ScoreChart or an ews.IndicatorMonitor")
    return {name: anew(monitor) for name, monitor in monitors.items()}
