"""A classifier answers: classes, probabilities and sets, and what they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.encoders.classifier.base import ClassifierBase
from adapters.encoders.contract import EncoderPolicy
from adapters.encoders.report import EncoderReport
from adapters.encoders.run import EncoderOutput, evaluating, run_batches
from adapters.encoders.states import FirstTokenStates
from adapters.encoders.uncertainty import expected_calibration_error
from ews.errors import ArgumentError, described

__all__ = ["Predicts", "probabilities"]


class Predicts(ClassifierBase):
    """Classifier that answers for texts."""

    def predict(self, texts: Any) -> npt.NDArray[Any]:
        """Classes of texts.

        Parameters
        ----------
        texts : sequence or mapping
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n,)
            Labels.
        """
        found: npt.NDArray[Any] = np.array(self.classes_)[self.predict_proba(texts).argmax(axis=1)]
        return found

    def predict_proba(self, texts: Any) -> npt.NDArray[np.float64]:
        """Probabilities of classes, of the head that each text left at.

        Parameters
        ----------
        texts : sequence or mapping
            As for :meth:`fit`.

        Returns
        -------
        ndarray of shape (n, classes)
            In the order of `classes_`.
        """
        return probabilities(self._run(texts))

    def predict_sets(self, texts: Any) -> npt.NDArray[np.bool_]:
        """Conformal sets of classes, after :meth:`calibrate_sets`.

        Parameters
        ----------
        texts : sequence or mapping
            As for :meth:`fit`.

        Returns
        -------
        ndarray of bool of shape (n, classes)
            True for classes in the set.

        Raises
        ------
        ews.errors.ArgumentError
            If there was no such calibration.
        """
        if self.sets_ is None:
            raise ArgumentError("classifier", described("one without conformal sets"), "calibrate_sets first")
        found = self._run(texts)
        return self.sets_.sets(probabilities(found), found.report.depths)

    def score(self, texts: Any, labels: Sequence[Any]) -> float:
        """Accuracy.

        Parameters
        ----------
        texts : sequence or mapping
            As for :meth:`fit`.
        labels : sequence
            The truth.

        Returns
        -------
        float
            Share of texts whose class is found.
        """
        found = self.predict_proba(texts).argmax(axis=1)
        return float((found == self._truth(labels, len(found))).mean())

    def measure(self, texts: Any, labels: Sequence[Any]) -> dict[str, float]:
        """Accuracy, calibration error and layers; coverage and size of sets where they were calibrated.

        Parameters
        ----------
        texts : sequence or mapping
            As for :meth:`fit`.
        labels : sequence
            The truth.

        Returns
        -------
        dict
            ``"accuracy"``, ``"ece"`` (15 quantile bins), ``"mean_depth"``, and ``"coverage"`` and ``"size"``.
        """
        run = self._run(texts)
        found, truth = probabilities(run), self._truth(labels, run.report.rows)
        numbers = {
            "accuracy": float((found.argmax(axis=1) == truth).mean()),
            "ece": expected_calibration_error(found, truth),
            "mean_depth": run.report.mean_depth,
        }
        return numbers if self.sets_ is None else numbers | self.sets_.measure(found, run.report.depths, truth)

    def report(self) -> EncoderReport:
        """Layers of each row, and wall time, of the newest prediction.

        Returns
        -------
        EncoderReport
            What ran.

        Raises
        ------
        ews.errors.ArgumentError
            If nothing was predicted yet.
        """
        if self._report is None:
            raise ArgumentError("classifier", described("one that has predicted nothing yet"), "predict first")
        return self._report

    def _run(self, texts: Any) -> EncoderOutput:
        heads, rows, backbone = self._fitted(), self._rows(texts), self._backbone()
        with evaluating(backbone.model, heads):
            found = run_batches(backbone, rows.batches(self.batch_size), len(rows), policy=self.policy, heads=heads)
        self._report = found.report
        return found

    def _replay(self, kept: FirstTokenStates, policy: EncoderPolicy) -> EncoderOutput:
        """What a rule would do, on states that are at hand."""
        index = np.arange(len(kept))
        return run_batches(kept, [(index, None)], len(kept), policy=policy, heads=self._fitted())


def probabilities(found: EncoderOutput) -> npt.NDArray[np.float64]:
    """Of classes, shape (texts, classes)."""
    assert found.logits is not None  # heads always say something
    return np.asarray(found.logits.double().softmax(-1).cpu().numpy())
