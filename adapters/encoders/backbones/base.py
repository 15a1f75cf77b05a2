"""What the engine asks of an encoder: its embedding, its mask, its layers one by one, and what its own head says."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask

from ews.errors import ArgumentError, InputTypeError, UnknownNameError, described

__all__ = ["INPUTS", "Backbone", "EncoderPass"]

INPUTS = ("attention_mask", "input_ids", "inputs_embeds", "position_ids", "token_type_ids")


class Backbone(ABC):
    """A bidirectional encoder of transformers, taken apart without being changed.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        What ``AutoModel`` or ``AutoModelForSequenceClassification`` makes.

    Attributes
    ----------
    model, base : transformers.PreTrainedModel
        The whole, and the encoder within it.
    depth, width : int
        How many layers run, and how wide a state is.
    classes : int or None
        What the model's own classifier tells apart; None where it has none.
    """

    model_types: ClassVar[tuple[str, ...]] = ()

    def __init__(self, model: Any) -> None:
        self.model = model
        self.base = model.base_model
        self.config = model.config
        self.depth = int(model.config.num_hidden_layers)
        self.width = int(model.config.hidden_size)
        self.classes: int | None = None if self.base is model else int(model.config.num_labels)

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        found: torch.device = self.base.get_input_embeddings().weight.device
        return found

    def open(self, inputs: Mapping[str, Tensor]) -> EncoderPass:
        """Embed a batch, which then goes through the layers one by one.

        Parameters
        ----------
        inputs : mapping of str to Tensor
            What a tokenizer makes: `input_ids` of shape (rows, tokens), and what goes with them.

        Returns
        -------
        EncoderPass
            The batch before the first layer.

        Raises
        ------
        ews.errors.ArgumentError
            If an input is missing, of another kind, or not known to this encoder.
        """
        given = self._read(inputs)
        mask = given.pop("attention_mask", None)
        hidden: Tensor = self.embed(given)
        made: Any = create_bidirectional_mask(config=self.config, inputs_embeds=hidden, attention_mask=mask)
        return EncoderPass(self, self.enter(hidden), made)

    def _read(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given: dict[str, Tensor] = {}
        for name, value in inputs.items():
            if name not in INPUTS or (name == "token_type_ids" and not self.has_token_types):
                known = INPUTS if self.has_token_types else tuple(each for each in INPUTS if each != "token_type_ids")
                raise UnknownNameError("inputs", name, known)
            kind: object = value
            if kind is None:
                continue
            if not isinstance(kind, Tensor):
                raise InputTypeError(f"inputs[{name!r}]", described(f"a {type(kind).__name__}"), "a tensor")
            given[name] = kind.to(self.device)
        named = [name for name in ("input_ids", "inputs_embeds") if name in given]
        if len(named) != 1:
            raise ArgumentError(
                "inputs", described(" and ".join(named) or "none of them"), "input_ids or inputs_embeds"
            )
        shape = given[named[0]].shape
        if len(shape) != (2 if named[0] == "input_ids" else 3) or 0 in shape:
            raise ArgumentError(f"inputs[{named[0]!r}]", described(f"shape {tuple(shape)}"), "shape (rows, tokens)")
        mask = given.get("attention_mask")
        if mask is not None and mask.ndim == 2 and mask.shape != shape[:2]:
            raise ArgumentError(
                "inputs['attention_mask']", described(f"shape {tuple(mask.shape)}"), f"shape {tuple(shape[:2])}"
            )
        return given

    # ---- what differs ---------------------------------------------------------------------------------------------

    has_token_types: ClassVar[bool] = True

    @property
    def holder(self) -> nn.Module:
        """The module that holds the layers, and is not called."""
        found: nn.Module = self.base.encoder
        return found

    def embed(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Tokens to states, shape (rows, tokens, width of the embedding)."""
        found: Tensor = self.base.embeddings(**inputs)
        return found

    def enter(self, embedded: Tensor) -> Tensor:
        """Embedded tokens to what the first layer reads."""
        return embedded

    def shared(self, hidden: Tensor) -> Tensor | None:
        """What all layers read besides states and mask, the same for every row; None for nothing."""
        return None

    def layer(self, index: int, hidden: Tensor, mask: Tensor | None, shared: Tensor | None) -> Tensor:
        """States after layer `index`."""
        return first_of(self.base.encoder.layer[index](hidden, mask))

    @abstractmethod
    def own_logits(self, hidden: Tensor) -> Tensor:
        """What the model's own classifier makes of the states after the last layer."""


class EncoderPass:
    """One batch on its way through the layers, of which rows can be dropped.

    Parameters
    ----------
    backbone : Backbone
        The encoder.
    hidden : Tensor of shape (rows, tokens, width)
        What the first layer reads.
    mask : Tensor or None
        The mask that the model itself would have made.
    """

    __slots__ = ("_backbone", "_mask", "_shared", "hidden")

    def __init__(self, backbone: Backbone, hidden: Tensor, mask: Tensor | None) -> None:
        self._backbone = backbone
        self._mask = mask
        self._shared = backbone.shared(hidden)
        self.hidden = hidden

    @property
    def rows(self) -> int:
        """How many rows still run."""
        return self.hidden.shape[0]

    @property
    def first(self) -> Tensor:
        """The state of the first token ([CLS]), shape (rows, width)."""
        return self.hidden[:, 0]

    def advance(self, index: int) -> None:
        """Run layer `index` on the rows that are left."""
        self.hidden = self._backbone.layer(index, self.hidden, self._mask, self._shared)

    def keep(self, index: Tensor) -> None:
        """Drop all rows but these from the batch."""
        self.hidden = self.hidden.index_select(0, index)
        if self._mask is not None and self._mask.shape[0] > 1:
            self._mask = self._mask.index_select(0, index)
        if self._shared is not None:
            self._shared = self._shared[: len(index)]

    def own_logits(self) -> Tensor | None:
        """What the model's own classifier says after the last layer; None where it has none."""
        return None if self._backbone.classes is None else self._backbone.own_logits(self.hidden)


def first_of(found: Any) -> Tensor:
    """The states among what a layer returns, which is a tuple in some architectures and versions."""
    state: Tensor = found[0] if isinstance(found, tuple) else found
    return state
