"""A classifier learns: heads, the encoder where it is not frozen, and the rule."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch

from adapters.encoders.backbones import Backbone
from adapters.encoders.classifier.base import ClassifierBase
from adapters.encoders.classifier.labels import encoded
from adapters.encoders.contract import EncoderPolicy
from adapters.encoders.heads import ExitHeads, heads_named
from adapters.encoders.inputs import Rows
from adapters.encoders.states import readings
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    from adapters.training.loop import History
    from adapters.training.registry import FitSettings

__all__ = ["Fits"]

_HELD_OUT = 0.2  # of the rows, where a rule learns from rows that its heads were not fitted to


class Fits(ClassifierBase):
    """Classifier that is fitted to labelled texts."""

    def fit(
        self,
        texts: Any,
        labels: Sequence[Any],
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        directory: Path | str | None = None,
        checkpoint_every: int | None = None,
        resume: bool = False,
        progress: bool | Callable[[int, int], object] | None = None,
        fit: FitSettings | None = None,
    ) -> Self:
        """Fit heads, the encoder where it is not frozen, and the rule if it learns.

        Parameters
        ----------
        texts : sequence of str, sequence of (str, str), or mapping of str to sequence
            Texts, pairs, or what the tokenizer made of them.
        labels : sequence
            A class for each: strings, whole numbers or booleans.
        epochs, batch_size : int, optional
            Of the training (default: what is usual for the system).
        learning_rate : float, optional
            The same.
        directory : path, optional
            Where checkpoints go.
        checkpoint_every : int, optional
            Steps between two.
        resume : bool, default False
            Whether to go on from the checkpoint there; the weights are then those of a run without a break.
        progress : bool or callable, optional
            True for a bar.
        fit : FitSettings, optional
            All of these in one, in place of them.

        Returns
        -------
        EarlyExitClassifier
            Itself.

        Raises
        ------
        ews.errors.ArgumentError
            If texts and labels cannot be used, or the model's own classifier has another number of classes.
        """
        from adapters.training.registry import FitSettings

        given = fit
        if given is None:
            given = FitSettings(
                epochs=self._system.epochs if epochs is None else epochs,
                batch_size=self._system.batch_size if batch_size is None else batch_size,
                learning_rate=learning_rate,
                seed=self.seed,
                directory=None if directory is None else Path(directory),
                checkpoint_every=checkpoint_every,
                resume=resume,
                progress=progress,
            )
        rows = self._rows(texts)
        classes, truth = encoded(labels, len(rows))
        self._tuned = None if self.frozen else copy.deepcopy(self.model)
        self.classes_, self.calibration_, self.sets_, self._report = classes, None, None, None
        backbone = self._backbone()
        self.heads_ = self._new_heads(backbone)
        learning, held = self._split(len(rows))
        self.history_ = self._train(backbone, rows, truth, learning, given)
        self.heads_.requires_grad_(False)
        if held is not None:
            kept = self._states(Rows([rows.rows[each] for each in held], self._pad_token))
            with torch.no_grad():
                self.policy.fit(kept, *readings(self.heads_, kept))
        return self

    def _new_heads(self, backbone: Backbone) -> ExitHeads:
        count = len(self.classes_)
        own = backbone.classes is not None and not self._system.ends
        if own and backbone.classes != count:
            raise ArgumentError(
                "labels",
                described(f"{count} classes for a model whose classifier has {backbone.classes}"),
                f"AutoModel in its place, or num_labels={count}",
            )
        shape = {"width": backbone.width, "classes": count, "exits": backbone.depth - own, **self._system.shape}
        if self._system.heads == "gated":
            shape["final"] = not own
        return heads_named(self._system.heads, seed=self.seed, **shape).to(backbone.device)

    def _split(self, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Rows for the heads, and rows that the rule learns from, if it does."""
        everything = np.arange(count)
        if type(self.policy).fit is EncoderPolicy.fit:
            return everything, None
        drawn = np.random.default_rng([self.seed, 1]).permutation(count)
        cut = int(_HELD_OUT * count)
        if cut < 1:
            raise ArgumentError("texts", described(f"{count} texts"), "5 or more: the rule learns from a fifth of them")
        return np.sort(drawn[cut:]), np.sort(drawn[:cut])

    def _train(
        self,
        backbone: Backbone,
        rows: Rows,
        truth: npt.NDArray[np.int64],
        learning: npt.NDArray[np.int64],
        fit: FitSettings,
    ) -> History:
        from adapters.training.encoder_heads import HeadsTask

        assert self.heads_ is not None
        chosen = Rows([rows.rows[each] for each in learning], self._pad_token)
        wanted = torch.from_numpy(truth[learning])
        config = {"frozen": self.frozen, "classes": self.classes_}
        if self.frozen:
            task = HeadsTask(self.heads_, wanted, kept=self._states(chosen), config=config)
            found: History = self._system.function()(task, fit, **self.training)
            return found
        backbone.model.train()
        task = HeadsTask(
            self.heads_, wanted, backbone=backbone, inputs=chosen.rows, collate=chosen.collate, config=config
        )
        try:
            tuned: History = self._system.function()(task, fit, **self.training)
        finally:
            backbone.model.eval()
        return tuned
