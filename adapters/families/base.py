"""Where a decoder keeps its embedding, layers, norm and head, and how one of its layers is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask

from adapters._common.publish import public
from adapters.errors import UnsupportedModelError
from adapters.families.convention import convention_of
from adapters.families.placement import own_part, runs_on
from adapters.families.processes import processes_of
from ews.errors import described

__all__ = ["FULL", "SLIDING", "Family", "Masks", "Module", "Rotary"]

FULL, SLIDING = "full_attention", "sliding_attention"
_MASKS: dict[str, Callable[..., Any]] = {FULL: create_causal_mask, SLIDING: create_sliding_window_causal_mask}

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
# Kind of layer → what its attention adds to a position (cosines and sines); None where positions are embedded.
Rotary = Mapping[str, tuple[Tensor, Tensor]] | None
# A module of transformers: which parts it has, and what they return, no type says.
Module = Any
# Kind of layer → its mask; None where every query sees all that came before it.
Masks = Mapping[str, Tensor | None]


@public("adapters.families")
class Family:
    """One decoder, taken apart without changing it.

    The defaults are those of Llama: pre-norm, rotary positions, separate projections. A family overrides what differs.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model of one of `model_types`.

    Attributes
    ----------
    layers : tuple of nn.Module
        The decoder layers, first to last.
    depth : int
        How many there are.
    convention : Convention
        What the installed version of transformers calls the arguments of the model and of its layers.
    width : int
        Size of the residual stream.
    kinds : tuple of str
        Of each layer, ``"full_attention"`` or ``"sliding_attention"``.
    windows : tuple of int or None
        Of each layer, how many positions back it attends, itself included; None for all.
    norm : nn.Module
        The final norm.
    head : nn.Module
        From the final norm to the vocabulary.
    home : torch.device, str or int
        Where the embedding computes. The states that policies see are there, and whatever is said of all layers.
    devices : tuple of torch.device, str or int
        Where each layer computes.
    processes : Processes or None
        Who share the layers by tensor parallelism; None where this process has all of them.
    parts : int
        Over how many processes the heads of keys and values are divided.
    """

    model_types: ClassVar[tuple[str, ...]] = ()
    #: Whether attention wants a mask even where every query sees everything.
    always_masked: ClassVar[bool] = False

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.config = model.config
        self.decoder = self.find_decoder()
        self.layers: tuple[Module, ...] = tuple(self.find_layers())
        self.depth = len(self.layers)
        self.convention = convention_of(model, self.layers[0])
        self.width = int(self.config.hidden_size)
        self.norm = self.find_norm()
        self.head: Module = model.get_output_embeddings()
        window = getattr(self.config, "sliding_window", None)
        self.kinds = self.find_kinds()
        self.home = runs_on(model.get_input_embeddings())
        self.devices = tuple(runs_on(layer) for layer in self.layers)
        self.processes = processes_of(model)
        self.parts = 1 if self.processes is None or not _divides_heads(model.tp_plan) else self.processes.count
        self.windows = tuple(window if kind == SLIDING else None for kind in self.kinds)

    # ---- where the parts are --------------------------------------------------------------------------------------

    def find_decoder(self) -> Module:
        """The module that holds embedding, layers and norm."""
        return self.model.model

    def find_layers(self) -> Sequence[Module]:
        """The decoder layers."""
        return self.decoder.layers

    def find_norm(self) -> Module:
        """The norm after the last layer."""
        return self.decoder.norm

    def find_kinds(self) -> tuple[str, ...]:
        """Which mask each layer takes."""
        return (FULL,) * self.depth

    # ---- one pass, in steps ---------------------------------------------------------------------------------------

    def positions(self, input_ids: Tensor, attention_mask: Any, seen: int) -> Tensor:
        """Positions that the model itself counts where it is given none, shape (1 or rows, tokens).

        Parameters
        ----------
        input_ids : Tensor of shape (rows, tokens)
            The new tokens.
        attention_mask : Tensor of shape (rows, seen + tokens) or None
            False or 0 where a slot holds padding. Most models count it along unless they are told not to.
        seen : int
            How many tokens the cache holds.

        Returns
        -------
        Tensor
            The positions.
        """
        return torch.arange(seen, seen + input_ids.shape[1], device=input_ids.device)[None]

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        return self.decoder.embed_tokens(input_ids)

    def rotary(self, hidden: Tensor, position_ids: Tensor) -> Rotary:
        """What attention needs of the positions, shape (rows, tokens)."""
        pair = self.decoder.rotary_emb(hidden, position_ids=position_ids)
        return dict.fromkeys(self.kinds, pair)

    @property
    def stretches(self) -> list[tuple[str, int]]:
        """Kinds of rotary positions whose frequencies depend on the length of the text, and from which length on."""
        module: Any = getattr(self.decoder, "rotary_emb", None)
        kinds = getattr(module, "rope_type", ())
        found = []
        for kind in {kinds} if isinstance(kinds, str) else set(dict(kinds).values()):
            if "dynamic" in kind:
                found.append(("dynamic", int(module.original_max_seq_len)))
            elif kind == "longrope":
                found.append((kind, int(self.config.rope_parameters["original_max_position_embeddings"])))
        return found

    def masks(self, hidden: Tensor, attention_mask: Any, cache: Cache | None, position_ids: Tensor | None) -> Masks:
        """The masks that the model itself would make for a pass in which every layer holds the same tokens."""
        if isinstance(attention_mask, Mapping):
            return attention_mask
        always = {"allow_is_causal_skip": False} if self.always_masked else {}
        return {
            kind: _MASKS[kind](
                config=self.config,
                inputs_embeds=hidden,
                attention_mask=attention_mask,
                position_ids=position_ids,
                **{self.convention.mask: cache},
                **always,
            )
            for kind in dict.fromkeys(self.kinds)
        }

    def arguments(
        self, index: int, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> dict[str, Any]:
        """Keyword arguments of layer `index` and of its attention alike."""
        found = {
            "attention_mask": mask,
            "position_ids": position_ids,
            self.convention.layer: cache,
            "use_cache": True,
        }
        if rotary is not None:
            found["position_embeddings"] = rotary[self.kinds[index]]
        return found

    def run(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> Tensor:
        """Layer `index` as it is."""
        return self.layers[index](hidden, **self.arguments(index, mask, position_ids, rotary, cache))

    def attend(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> Tensor:
        """The first half of layer `index`: the residual stream after its attention."""
        found, _ = self.attention(index)(
            hidden_states=self.attention_input_norm(index)(hidden),
            **self.arguments(index, mask, position_ids, rotary, cache),
        )
        return self.attended(index, hidden, found)

    def attended(self, index: int, hidden: Tensor, found: Tensor) -> Tensor:
        """The residual stream with what the attention of layer `index` found added to it."""
        return hidden + found

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block.

        Parameters
        ----------
        index : int
            The layer.
        post_attention : Tensor
            What :meth:`attend` returned, or some of its rows.
        entering : Tensor
            What entered the layer, the same rows: where both halves run side by side the block reads this.

        Returns
        -------
        Tensor
            The residual stream after the layer.
        """
        layer = self.layers[index]
        return post_attention + layer.mlp(layer.post_attention_layernorm(post_attention))

    def halves(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> tuple[Tensor, Tensor | None]:
        """The first half of layer `index`, and what :meth:`second` needs to add as the layer does.

        Returns
        -------
        (Tensor, Tensor or None)
            What :meth:`attend` returns; and what the attention found, where the layer adds the two halves to each
            other before the state.
        """
        return self.attend(index, hidden, mask=mask, position_ids=position_ids, rotary=rotary, cache=cache), None

    def second(self, index: int, post_attention: Tensor, entering: Tensor, found: Tensor | None) -> Tensor:
        """:meth:`feed` of what :meth:`halves` returned, or of the same rows of both: the layer bit for bit."""
        return self.feed(index, post_attention, entering)

    def finish(self, hidden: Tensor) -> Tensor:
        """The residual stream after the last layer run, to what the head reads."""
        return self.norm(hidden)

    def logits(self, finished: Tensor) -> Tensor:
        """What the head makes of it, over the vocabulary."""
        return self.head(finished)

    def head_weights(self) -> tuple[Tensor, Tensor | None]:
        """Weight, shape (vocabulary, width), and bias of the head, whole and in memory, for those who use parts of it.

        Under tensor parallelism each process gets a copy of all of it, so that what is made of it needs nobody else;
        all must ask at the same time.

        Raises
        ------
        adapters.errors.UnsupportedModelError
            If the head is kept out of memory.
        """
        weight, bias = (
            None if each is None else own_part(each.detach(), divided=False)
            for each in (self.head.weight, getattr(self.head, "bias", None))
        )
        if weight is None or weight.device.type == "meta":
            raise UnsupportedModelError(
                "model",
                described("a head that is kept out of memory"),
                "a device_map that keeps the head on a device ('lm_head': 'cpu' or 0)",
            )
        return weight, bias

    @property
    def head_in_layers(self) -> float:
        """What the head costs in units of a layer (their mean), by the weights that a token meets in each."""
        layers = sum(self.weights_read(index) for index in range(self.depth))
        return self.depth * sum(each.numel() for each in self.head.parameters()) / max(layers, 1)

    def weights_read(self, index: int) -> float:
        """How many weights of layer `index` a token meets: all, but for experts that it is not sent to."""
        return sum(each.numel() for each in self.layers[index].parameters())

    @property
    def logit_scale(self) -> float:
        """What the head's products are multiplied by to become logits."""
        return 1.0

    # ---- several devices, several processes -----------------------------------------------------------------------

    def placed(self, index: int, hidden: Tensor) -> Tensor:
        """A state, where layer `index` computes."""
        return hidden.to(self.devices[index])

    def agreed(self, rows: BoolArray) -> BoolArray:
        """One choice among rows, the same on every process that shares the model.

        Whatever a policy puts through a part of the model (its head, say) for some rows only, or not each time, must
        come from such a choice: under tensor parallelism all processes have to call it alike.

        Parameters
        ----------
        rows : ndarray of bool of shape (rows,)
            What this process would choose.

        Returns
        -------
        ndarray of bool of shape (rows,)
            What the first of them chose; with one process the same array.
        """
        return rows if self.processes is None else self.processes.numbers(rows).astype(bool)

    # ---- keys and values of layers that are not run ---------------------------------------------------------------

    def attention_input_norm(self, index: int) -> Module:
        """The norm before the attention of layer `index`."""
        return self.layers[index].input_layernorm

    def attention(self, index: int) -> Module:
        """The attention of layer `index`."""
        return self.layers[index].self_attn

    def key_value_weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weights, shape (heads × size, width), and biases of the key and value projections of layer `index`.

        They are as the modules hold them: off memory with offloading, spread over processes with tensor parallelism.
        """
        key, value = self.key_value_modules(index)
        return key.weight, value.weight, key.bias, value.bias

    def key_value_modules(self, index: int) -> tuple[Any, ...]:
        """The modules that keys and values of layer `index` come out of: one for each, or one for both."""
        attention: Any = self.attention(index)
        return attention.k_proj, attention.v_proj

    def keys_and_values(self, index: int, normed: Tensor) -> tuple[Tensor, Tensor]:
        """What these modules make of a normed state, each of shape (rows, tokens, heads × size)."""
        key, value = self.key_value_modules(index)
        return key(normed), value(normed)

    def key_value_heads(self, index: int) -> int:
        """How many heads keys and values have in layer `index`, over all processes."""
        return int(self.config.num_key_value_heads)

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        if rotary is None:
            return keys
        cosine, sine = rotary[self.kinds[index]]
        return _rotated(keys, cosine.unsqueeze(1), sine.unsqueeze(1))

    def shape_values(self, index: int, values: Tensor, rotary: Rotary) -> Tensor:
        """Values, shape (rows, heads, tokens, size), as the cache holds them."""
        return values


def _divides_heads(plan: Mapping[str, str]) -> bool:
    """Whether each process holds the keys of its own heads only, as transformers tells from a plan."""
    ends = ("k_proj", "qkv_proj", "query_key_value")
    return any(name.rsplit(".", 1)[-1] in ends and style == "colwise" for name, style in plan.items())


def _rotated(keys: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary positions on the leading features of each head, pairs being half a head apart (Su et al. 2021, eq. 34)."""
    turning = cosine.shape[-1]
    turned, rest = keys[..., :turning], keys[..., turning:]
    half = turning // 2
    swapped = torch.cat((-turned[..., half:], turned[..., :half]), dim=-1)
    found = turned * cosine + swapped * sine
    return torch.cat((found, rest), dim=-1) if rest.shape[-1] else found
