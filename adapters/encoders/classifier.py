"""Classifier of sequences with early exits, used as those of scikit-learn are."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from adapters._common.checks import read_count, read_share
from adapters._common.publish import public
from adapters.calibration.risk import RiskControl, learn_then_test
from adapters.encoders.backbones import Backbone, backbone_of
from adapters.encoders.backbones.base import INPUTS
from adapters.encoders.contract import EncoderPolicy
from adapters.encoders.heads import ExitHeads, heads_named
from adapters.encoders.inputs import Rows, read_rows
from adapters.encoders.registry import encoder_policy_named
from adapters.encoders.report import EncoderReport
from adapters.encoders.run import EncoderOutput, evaluating, run_batches
from adapters.encoders.states import FirstTokenStates, first_token_states, readings
from adapters.encoders.systems import SYSTEMS, EncoderSystem
from adapters.encoders.uncertainty import ConformalSets, conformal_sets, expected_calibration_error
from adapters.errors import FullDepthWarning
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

if TYPE_CHECKING:
    from adapters.training.loop import History
    from adapters.training.registry import FitSettings

__all__ = ["EarlyExitClassifier"]

_HELD_OUT = 0.2  # of the rows, where a rule learns from rows that its heads were not fitted to


@public("adapters.encoders")
class EarlyExitClassifier:
    """Early-exit classifier of sequences on a pretrained encoder.

    Heads on the first token after every layer say what a text is, and a rule says after which layer that is enough.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A BERT, RoBERTa, ALBERT or MPNet of ``AutoModel`` or ``AutoModelForSequenceClassification``. It is not changed:
        with ``frozen=False`` a copy is trained. The own classifier of the latter is the last exit (but with PALBERT,
        whose classifier is one for all layers), and is not trained while the encoder is frozen.
    tokenizer : callable, optional
        What makes tokens of texts; not needed where encodings are given.
    system : {"pabee", "palbert", "jei_dnn"}, default "pabee"
        Heads and their training: a linear head after each layer; one head and learned halting; linear heads and gates.
    policy : EncoderPolicy or str, optional
        When rows leave (default: the system's own rule).
    frozen : bool, default True
        Whether only heads are trained, on states that are worked out once.
    max_length : int, default 128
        Tokens that a text is cut to.
    batch_size : int, default 32
        Texts that run together in a prediction.
    seed : int, default 0
        Of weights, order and splits.
    training : mapping, optional
        Options of the system's training, such as ``{"beta": 0.5}`` of
        ``adapters.training.palbert.fit_palbert``.

    Attributes
    ----------
    classes_ : list
        Labels, sorted.
    heads_ : ExitHeads
        Fitted heads.
    history_ : History
        Course of the training.
    calibration_ : RiskControl or None
        How the threshold was chosen.

    Raises
    ------
    ews.errors.ArgumentError
        If an argument cannot be used.
    adapters.errors.UnsupportedModelError
        If rows cannot leave this model early.

    Examples
    --------
    >>> import torch
    >>> from transformers import BertConfig, BertModel
    >>> from adapters.encoders import EarlyExitClassifier, PabeePolicy
    >>> config = BertConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     initializer_range=0.3,
    ... )
    >>> torch.manual_seed(0).initial_seed()
    0
    >>> ids = [[2, 10 + row % 2 * 20, 5, 3] for row in range(40)]
    >>> labels = ["odd" if row % 2 else "even" for row in range(40)]
    >>> made = EarlyExitClassifier(BertModel(config), policy=PabeePolicy(patience=1))
    >>> made.fit({"input_ids": ids}, labels, learning_rate=0.05).score({"input_ids": ids}, labels)
    1.0
    >>> made.report().mean_depth
    2.0
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Callable[..., Any] | None = None,
        *,
        system: str = "pabee",
        policy: EncoderPolicy | str | None = None,
        frozen: bool = True,
        max_length: int = 128,
        batch_size: int = 32,
        seed: int = 0,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        if system not in SYSTEMS:
            raise UnknownNameError("system", system, tuple(SYSTEMS))
        if not isinstance(frozen, bool):
            raise InputTypeError("frozen", frozen, "True or False")
        if SYSTEMS[system].needs_frozen and not frozen:
            raise ArgumentError("frozen", False, f"True with system={system!r}, which trains nothing of the encoder")
        backbone_of(model)
        self.model, self.tokenizer = model, tokenizer
        self.system, self.frozen = system, frozen
        self.max_length = read_count("max_length", max_length)
        self.batch_size = read_count("batch_size", batch_size)
        self.seed = seed
        self.training = dict(training or {})
        named = self._system.policy if policy is None else policy
        self.policy: EncoderPolicy = encoder_policy_named(named) if isinstance(named, str) else named
        if not isinstance(self.policy, EncoderPolicy):
            raise InputTypeError("policy", policy, "an exit rule of encoders, or its name")
        self.classes_: list[Any] = []
        self.heads_: ExitHeads | None = None
        self.history_: History | None = None
        self.calibration_: RiskControl | None = None
        self.sets_: ConformalSets | None = None
        self._tuned: Any = None  # the copy that was trained, where the encoder is not frozen
        self._report: EncoderReport | None = None

    @property
    def _system(self) -> EncoderSystem:
        return SYSTEMS[self.system]

    def _backbone(self) -> Backbone:
        return backbone_of(self.model if self._tuned is None else self._tuned)

    # ---- fitting --------------------------------------------------------------------------------------------------

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
    ) -> EarlyExitClassifier:
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
        classes, truth = _encode(labels, len(rows))
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

    # ---- predicting -----------------------------------------------------------------------------------------------

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
        return _probabilities(self._run(texts))

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
        return self.sets_.sets(_probabilities(found), found.report.depths)

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
        found, truth = _probabilities(run), self._truth(labels, run.report.rows)
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

    # ---- calibrating ----------------------------------------------------------------------------------------------

    def calibrate(
        self,
        texts: Any,
        labels: Sequence[Any] | None = None,
        *,
        loss: float = 0.01,
        confidence: float = 0.95,
    ) -> EarlyExitClassifier:
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
        found = _probabilities(self._replay(kept, self.policy.with_setting(value))).argmax(axis=1)
        return np.asarray((final == truth) & (found != truth), dtype=np.int64)

    def calibrate_sets(self, texts: Any, labels: Sequence[Any], *, alpha: float = 0.1) -> EarlyExitClassifier:
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
        self.sets_ = conformal_sets(_probabilities(found), found.report.depths, truth, alpha=read_share("alpha", alpha))
        return self

    def _replay(self, kept: FirstTokenStates, policy: EncoderPolicy) -> EncoderOutput:
        """What a rule would do, on states that are at hand."""
        index = np.arange(len(kept))
        return run_batches(kept, [(index, None)], len(kept), policy=policy, heads=self._fitted())

    # ---- keeping --------------------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """Write ``classifier.json`` and ``classifier.safetensors``: heads, rule and calibration, a trained encoder too.

        Parameters
        ----------
        folder : path
            Made where it does not exist.

        Raises
        ------
        ews.errors.ArgumentError
            If nothing was fitted yet, or the rule is not one that can be made by name.
        """
        from adapters.encoders.saving import save_classifier

        self._fitted()
        save_classifier(self, Path(folder))

    @classmethod
    def load(cls, folder: Path | str, model: Any, tokenizer: Callable[..., Any] | None = None) -> EarlyExitClassifier:
        """Read a classifier, and see that it belongs to a model.

        Parameters
        ----------
        folder : path
            Where :meth:`save` wrote.
        model : transformers.PreTrainedModel
            The pretrained model that it was made with.
        tokenizer : callable, optional
            Of the model.

        Returns
        -------
        EarlyExitClassifier
            As it was saved.

        Raises
        ------
        adapters.errors.PolicyMismatchError
            If the files are missing, cut short or changed, or were made with another model.
        """
        from adapters.encoders.saving import load_classifier

        return load_classifier(cls, Path(folder), model, tokenizer)

    # ---- small --------------------------------------------------------------------------------------------------

    @property
    def _pad_token(self) -> int:
        found = getattr(self.model.config, "pad_token_id", None)
        return 0 if found is None else int(found)

    def _rows(self, texts: Any) -> Rows:
        backbone = self._backbone()
        names = tuple(each for each in INPUTS if each != "token_type_ids" or backbone.has_token_types)
        return read_rows(texts, self.tokenizer, names=names, pad_token=self._pad_token, max_length=self.max_length)

    def _states(self, rows: Rows) -> FirstTokenStates:
        """States of rows after all layers, in their order."""
        backbone = self._backbone()
        order: list[int] = []

        def inputs() -> Iterator[Mapping[str, torch.Tensor]]:
            for index, each in rows.batches(self.batch_size):
                order.extend(index.tolist())
                yield each

        with evaluating(backbone.model):
            found = first_token_states(backbone, inputs())
        back = torch.from_numpy(np.argsort(order))
        found = found.rows(back)
        if self.heads_ is None or backbone.device.type == "cpu":
            return found
        moved = None if found.own is None else found.own.to(backbone.device)
        return replace(found, states=found.states.to(backbone.device), own=moved)

    def _fitted(self) -> ExitHeads:
        if self.heads_ is None:
            raise ArgumentError("classifier", described("one that was not fitted"), "fit first, or load")
        return self.heads_

    def _truth(self, labels: Sequence[Any], count: int) -> npt.NDArray[np.int64]:
        places = {label: place for place, label in enumerate(self.classes_)}
        given = _plain(labels)
        unknown = [label for label in given if label not in places]
        if unknown:
            raise ArgumentError("labels", unknown[0], f"one of {', '.join(map(repr, self.classes_))}")
        if len(given) != count:
            raise ArgumentError("labels", described(f"{len(given)} labels"), f"{count}, one for each text")
        return np.array([places[label] for label in given], dtype=np.int64)


def _plain(labels: Sequence[Any]) -> list[Any]:
    found = [label.item() if isinstance(label, np.generic | torch.Tensor) else label for label in labels]
    odd = [label for label in found if not isinstance(label, str | int)]
    if odd:
        raise InputTypeError("labels", odd[0], "strings, whole numbers or booleans")
    return found


def _encode(labels: Sequence[Any], count: int) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Classes, sorted, and the place of each label among them."""
    given = _plain(labels)
    if len(given) != count:
        raise ArgumentError("labels", described(f"{len(given)} labels"), f"{count}, one for each text")
    if len({type(label) for label in given}) > 1:
        raise InputTypeError("labels", described("labels of several types"), "labels of one type")
    classes = sorted(set(given))
    if len(classes) < 2:
        raise ArgumentError("labels", described(f"{len(classes)} class"), "two classes or more")
    places = {label: place for place, label in enumerate(classes)}
    return classes, np.array([places[label] for label in given], dtype=np.int64)


def _probabilities(found: EncoderOutput) -> npt.NDArray[np.float64]:
    assert found.logits is not None  # heads always say something
    return np.asarray(found.logits.double().softmax(-1).cpu().numpy())
