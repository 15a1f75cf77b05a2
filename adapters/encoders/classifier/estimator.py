"""The classifier that users make: fitted, asked, calibrated, kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters._common.publish import public
from adapters.encoders.classifier.calibrating import Calibrates
from adapters.encoders.classifier.fitting import Fits

__all__ = ["EarlyExitClassifier"]


@public("adapters.encoders")
class EarlyExitClassifier(Fits, Calibrates):
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
        When rows leave (default: the system's own rule; PABEE's patience is then 6, or half of the layers if that is
        less).
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
