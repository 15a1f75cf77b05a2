"""What rules have in common that leave where one number says so: a threshold, its fall, and its calibration."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from adapters._common.checks import read_early_depths, read_share
from adapters.decoding.contract import CacheMode, Exit, Plan, Policy, Trajectory
from adapters.families import Family
from ews.errors import ArgumentError, InputTypeError, ValueRangeError

if TYPE_CHECKING:
    from adapters.calibration.thresholds import ThresholdCalibration

__all__ = ["ThresholdPolicy", "decayed"]


def decayed(threshold: float, token: int, *, horizon: int, temperature: float = 4.0) -> float:
    r"""Threshold of one token, which falls over a generation, since early mistakes spoil more of what follows.

    Parameters
    ----------
    threshold : float
        λ, from 0 to 1.
    token : int
        Number t of the token, from 0, which comes from the prompt.
    horizon : int
        Expected number of tokens N.
    temperature : float, default 4.0
        Rate τ of the fall.

    Returns
    -------
    float
        :math:`0.9\,\lambda + 0.1\,e^{-\tau t / N}`, within [0, 1] (Schuster et al. 2022, eq. 5). The second term is
        not multiplied by λ, as it is in one public implementation.

    Examples
    --------
    >>> [round(decayed(0.5, t, horizon=100), 3) for t in (0, 50, 100)]
    [0.55, 0.464, 0.452]
    """
    return min(1.0, 0.9 * threshold + 0.1 * math.exp(-temperature * token / horizon))


class ThresholdPolicy(Policy):
    """Early exit where a number that is read from the states passes a threshold."""

    leaves_below: ClassVar[bool] = False  # where the number must be small
    first_depth: ClassVar[int] = 1  # how many layers it takes

    def __init__(
        self,
        *,
        threshold: float,
        depths: Sequence[int] | None,
        horizon: int | None = None,
        temperature: float = 4.0,
        cache: CacheMode,
        drafts: int | None,
    ) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        self.threshold = threshold
        self.depths = depths
        given: object = horizon
        if given is not None and (not isinstance(given, Integral) or isinstance(given, bool)):
            raise InputTypeError("horizon", horizon, "a whole number of tokens, or None")
        if horizon is not None and horizon < 1:
            raise ValueRangeError("horizon", horizon, "1 or more")
        self.horizon = horizon
        self.temperature = read_share("temperature", temperature, high=np.inf)
        self.calibration: ThresholdCalibration | None = None
        self._plan = Plan()
        self._now = threshold

    @abstractmethod
    def look(self, trajectory: Trajectory) -> tuple[Tensor, Tensor | None]:
        """The number of each row, and the logits of a prediction where one was made for it.

        Parameters
        ----------
        trajectory : Trajectory
            The states so far.

        Returns
        -------
        (Tensor of shape (rows,), Tensor of shape (rows, vocabulary) or None)
            NaN where the number is not defined.
        """

    @property
    def goes_by_step(self) -> bool:
        """A threshold that falls is another for another token."""
        return self.horizon is not None

    def bind(self, family: Family) -> None:
        """Resolve the depths to ask at, for this model."""
        self._family = family
        self._plan = Plan(checks=read_early_depths("depths", self.depths, family.depth, first=self.first_depth))

    def threshold_at(self, token: int) -> float:
        """The threshold for one token.

        Parameters
        ----------
        token : int
            Number of the token, from 0, which comes from the prompt.

        Returns
        -------
        float
            `threshold`, or what `horizon` makes of it.
        """
        if self.horizon is None:
            return self.threshold
        return decayed(self.threshold, token, horizon=self.horizon, temperature=self.temperature)

    def plan(self, step: int) -> Plan:
        """Plan the same checks for every token."""
        self._now = self.threshold_at(step + 1)
        return self._plan

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Leave where the number passes the threshold; never where it is not defined."""
        started = time.perf_counter()
        found, logits = self.look(trajectory)
        rows = (found < self._now if self.leaves_below else found >= self._now).cpu().numpy()  # the host waits once
        if logits is not None:
            self.looking += time.perf_counter() - started
        if not rows.any():
            return None
        if logits is None or rows.all():
            return Exit(rows=None if rows.all() else rows, logits=logits)
        return Exit(rows=rows, logits=logits[torch.as_tensor(np.flatnonzero(rows), device=logits.device)])

    @classmethod
    def calibrate(
        cls,
        model: Any,
        tokenizer: Any,
        texts: Sequence[Any],
        *,
        risk: float = 0.05,
        confidence: float = 0.95,
        target: Literal["agreement", "sequence"] = "agreement",
        max_new_tokens: int = 64,
        seed: int = 0,
        progress: bool = True,
        **options: Any,
    ) -> Self:
        """Find the threshold that saves most while disagreement with the full model stays below a stated risk.

        Thresholds are tested from the most conservative on, on texts of their own, until one fails (Learn then Test).
        Tokens are judged on the text that the full model wrote, which exits leave as it is.

        Parameters
        ----------
        model : transformers.PreTrainedModel
            A causal language model.
        tokenizer : callable or None
            What makes tokens of strings.
        texts : sequence of str, or of sequences of int
            Prompts of the kind that the policy will see: what is promised holds for such prompts.
        risk : float, default 0.05
            Share of tokens (``target="agreement"``) or of continuations (``"sequence"``) that may differ from the full
            model's, given the same text before them.
        confidence : float, default 0.95
            Probability, over the draw of the texts, that the promise holds.
        target : {"agreement", "sequence"}, default "agreement"
            What `risk` is a share of.
        max_new_tokens : int, default 64
            How long the continuations are.
        seed : int, default 0
            Seed of the split of the texts and of the test.
        progress : bool, default True
            Show a bar.
        **options
            Of the policy; all but its threshold.

        Returns
        -------
        ThresholdPolicy
            With its ``calibration``. Where no threshold holds the risk it never leaves, and a
            :class:`adapters.errors.FullDepthWarning` says so.

        Raises
        ------
        ews.errors.ArgumentError
            If there are too few texts for that risk and confidence, or an argument cannot be used.

        References
        ----------
        Angelopoulos, A. N. et al. (2021). Learn then test: calibrating predictive algorithms to achieve risk control.
        arXiv:2110.01052. Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35, sec. 4.
        """
        from adapters.calibration.thresholds import calibrate_threshold

        if "threshold" in options:
            raise ArgumentError("threshold", options["threshold"], "none: it is what is calibrated")
        found = calibrate_threshold(
            model,
            tokenizer,
            texts,
            policy=cls(**options),
            risk=risk,
            confidence=confidence,
            target=target,
            max_new_tokens=max_new_tokens,
            seed=seed,
            progress=progress,
        )
        if found.threshold is None:
            options["depths"] = ()  # nowhere to leave
        else:
            options["threshold"] = found.threshold
        policy = cls(**options)
        policy.calibration = found
        return policy
