"""A classifier's threshold and sets, set so that something can be promised of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from adapters._common.checks import read_share
from adapters.calibration.risk import learn_then_test
from adapters.encoders.classifier.predicting import Predicts, probabilities
from adapters.encoders.states import FirstTokenStates, readings
from adapters.encoders.uncertainty import conformal_sets
from adapters.errors import FullDepthWarning
from ews.errors import ArgumentError, described

__all__ = ["Calibrates"]


class Calibrates(Predicts):
    """Classifier whose early exits can be calibrated."""

    def calibrate(
        self,
        texts: Any,
        labels: Sequence[Any] | None = None,
        *,
        loss: float = 0.01,
        confidence: float = 0.95,
    ) -> Self:
        """Set the rule's threshold so that early exits cost no more accuracy than stated, with stated confidence.

        Thresholds are fixed beforehand and tested from the most conservative on (Learn-then-Test, with the exact
        binomial), on the share of texts that all layers get right and the early exit wrong. That share is an upper
        bound of the loss of accuracy; texts that only the early exit gets right count for nothing.

        Parameters
        ----------
        texts : sequence or mapping
            As for :meth:`fit`; nothing may have been fitted to them. For a loss of 0.01 at confidence 0.95 no fewer
            than 299.
        labels : sequence, optional
            The truth (default: what all layers say, so that `loss` is a share of texts with another answer).
        loss : float, default 0.01
            Accuracy that may be lost.
        confidence : float, default 0.95
            Probability, over the draw of the texts, that no more is.

        Returns
        -------
        EarlyExitClassifier
            Itself, with `calibration_`. Where not even the most conservative threshold passes, every row runs every
            layer, and a :class:`adapters.errors.FullDepthWarning` says so.

        Raises
        ------
        ews.errors.ArgumentError
            If the rule has no threshold, or an argument cannot be used.
        """
        heads = self._fitted()
        settings = self.policy.settings(self._backbone().depth, len(self.classes_))
        kept = self._states(self._rows(texts))
        with torch.no_grad():
            final = readings(heads, kept)[0][:, -1].argmax(-1).cpu().numpy()
        truth = final if labels is None else self._truth(labels, len(kept))
        harmed = np.stack([self._harm(kept, value, final, truth) for value in settings])
        self.calibration_ = learn_then_test(
            harmed, np.ones(len(kept), dtype=np.int64), risk=loss, confidence=confidence, target="sequence"
        )
        index = self.calibration_.index
        self.policy = self.policy.with_setting(settings[index or 0])
        self.sets_ = None
        if not index:
            warnings.warn(
                f"no threshold can be shown to lose at most {loss:g} with confidence {confidence:g} on {len(kept)} "
                "texts: every row runs every layer",
                FullDepthWarning,
                stacklevel=2,
            )
        return self

    def promise(self) -> str:
        """What calibration shows of the threshold, in one line.

        Returns
        -------
        str
            For a report.

        Raises
        ------
        ews.errors.ArgumentError
            If nothing was calibrated yet.
        """
        found = self.calibration_
        if found is None:
            raise ArgumentError("classifier", described("one that was not calibrated"), "calibrate first")
        said = f"at most {found.config.risk:g} of texts lose the answer of all layers with confidence "
        said += f"{found.config.confidence:g}: "
        if not found.index:
            return said + f"not shown for any threshold on {found.n_sequences} texts; every row runs every layer"
        value = getattr(self.policy, str(self.policy.knob))
        risk = found.risks[found.index]
        return said + f"{self.policy.knob} {value:.4g}, {risk:.3g} observed on {found.n_sequences} texts"

    def _harm(
        self, kept: FirstTokenStates, value: Any, final: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Which rows all layers get right, and the rule at this setting wrong."""
        found = probabilities(self._replay(kept, self.policy.with_setting(value))).argmax(axis=1)
        return np.asarray((final == truth) & (found != truth), dtype=np.int64)

    def calibrate_sets(self, texts: Any, labels: Sequence[Any], *, alpha: float = 0.1) -> Self:
        """Conformal sets that miss the truth in a share `alpha` at most, with a quantile for each exit.

        Parameters
        ----------
        texts : sequence or mapping
            As for :meth:`fit`; nothing may have been fitted to them.
        labels : sequence
            The truth.
        alpha : float, default 0.1
            That share.

        Returns
        -------
        EarlyExitClassifier
            Itself; :meth:`predict_sets` gives sets.
        """
        found = self._run(texts)
        truth = self._truth(labels, found.report.rows)
        self.sets_ = conformal_sets(probabilities(found), found.report.depths, truth, alpha=read_share("alpha", alpha))
        return self
