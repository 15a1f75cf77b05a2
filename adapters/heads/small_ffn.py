"""Small feed-forward blocks beside the model's own, and the router that chooses between the two (Duo-LLM)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from adapters._common.checks import read_count
from adapters._common.publish import public
from ews.errors import UnknownNameError

if TYPE_CHECKING:
    from adapters.families import Family

__all__ = ["CHOICES", "Router", "SmallFFNShape", "SmallFFNs"]

CHOICES = ("big", "small", "skip")
_NORMS = ("layer", "rms")
_WIDTHS = ("intermediate_size", "ffn_dim", "n_inner")  # what configurations call the width of a block
_ACTIVATIONS = ("hidden_act", "hidden_activation", "activation_function")
_GATES = ("gate_proj", "gate_up_proj", "w3")


@dataclass(frozen=True, slots=True)
class SmallFFNShape:
    """Shape of small feed-forward blocks, one for each layer.

    Attributes
    ----------
    layers, width, inner : int
        Layers of the model, size of its residual stream, and width of a small block.
    gated : bool
        Whether the activation of one projection multiplies another (SwiGLU and its like).
    activation : str
        As transformers names it.
    norm : {"rms", "layer"}
        What the block reads the residual stream through.
    epsilon : float
        Of that norm.
    """

    layers: int
    width: int
    inner: int
    gated: bool
    activation: str
    norm: str
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        for name in ("layers", "width", "inner"):
            read_count(name, getattr(self, name))
        if self.activation not in ACT2FN:
            raise UnknownNameError("activation", self.activation, tuple(ACT2FN))
        if self.norm not in _NORMS:
            raise UnknownNameError("norm", self.norm, _NORMS)

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and words."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class _Block(nn.Module):
    def __init__(self, shape: SmallFFNShape) -> None:
        super().__init__()
        norm = nn.RMSNorm if shape.norm == "rms" else nn.LayerNorm
        self.norm = norm(shape.width, eps=shape.epsilon)
        self.up = nn.Linear(shape.width, shape.inner, bias=not shape.gated)
        self.gate = nn.Linear(shape.width, shape.inner, bias=False) if shape.gated else None
        self.down = nn.Linear(shape.inner, shape.width, bias=not shape.gated)
        self.activation = ACT2FN[shape.activation]
        nn.init.zeros_(self.down.weight)
        if self.down.bias is not None:
            nn.init.zeros_(self.down.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        read = self.norm(hidden)
        within = self.up(read)
        within = self.activation(within) if self.gate is None else self.activation(self.gate(read)) * within
        found: Tensor = self.down(within)
        return found


@public("adapters.policies.duo")
class SmallFFNs(nn.Module):
    """Small feed-forward blocks beside a model's own, of the same kind and a sixteenth of the width.

    Each reads the residual stream after the attention of its layer, through a norm of its own, and adds nothing before
    it is trained, since the last projection starts from zero.

    Parameters
    ----------
    shape : SmallFFNShape
        How many, how wide, and of what kind.

    References
    ----------
    Alizadeh, K. et al. (2024). Duo-LLM: a framework for studying adaptive computation in large language models.
    arXiv:2410.10846, section 3 (auxiliary modules).

    Examples
    --------
    >>> import torch
    >>> from adapters.families import family_of
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> small = SmallFFNs.for_family(family_of(LlamaForCausalLM(config)))
    >>> small.shape.inner, small.shape.gated, bool(small(1, torch.ones(3, 16)).any())
    (4, True, False)
    """

    def __init__(self, shape: SmallFFNShape) -> None:
        super().__init__()
        self.shape = shape
        self.blocks = nn.ModuleList(_Block(shape) for _ in range(shape.layers))

    @classmethod
    def for_family(cls, family: Family, *, ratio: int = 16) -> SmallFFNs:
        """Untrained ones for a model.

        Parameters
        ----------
        family : Family
            The model.
        ratio : int, default 16
            How much narrower than the model's own they are (as in the paper).

        Returns
        -------
        SmallFFNs
            In float32, on the processor, drawn with torch's own generator.

        Raises
        ------
        ews.errors.ValueRangeError
            If the ratio is no whole number of 1 or more.
        """
        read_count("ratio", ratio)
        config = family.config
        wide = next((value for name in _WIDTHS if (value := getattr(config, name, None)) is not None), 4 * family.width)
        named = [name.split(".") for name, _ in family.layers[0].named_parameters()]
        activation = next((str(value) for name in _ACTIVATIONS if (value := getattr(config, name, None))), "gelu")
        shape = SmallFFNShape(
            layers=family.depth,
            width=family.width,
            inner=max(1, int(wide) // ratio),
            gated=any(part in _GATES for parts in named for part in parts),
            activation=activation,
            norm="layer" if isinstance(family.norm, nn.LayerNorm) else "rms",
        )
        return cls(shape)

    def forward(self, index: int, post_attention: Tensor) -> Tensor:
        """What the small block of a layer adds.

        Parameters
        ----------
        index : int
            The layer.
        post_attention : Tensor of shape (..., width)
            The residual stream after its attention.

        Returns
        -------
        Tensor of the same shape
            To be added to it; of the type of the weights.
        """
        block: Any = self.blocks[index]
        found: Tensor = block(post_attention.to(block.up.weight.dtype))
        return found


@public("adapters.policies.duo")
class Router(nn.Module):
    r"""Router of tokens to big, small or no feed-forward blocks: at each layer a linear map, and the likeliest choice.

    It reads the residual stream after the attention, divided by its root mean square, so that its size, which grows
    over the layers, plays no part. Before it is trained all choices are alike, of which the first, the whole block,
    is taken.

    Parameters
    ----------
    layers, width : int
        Layers of the model, and size of its residual stream.

    References
    ----------
    Alizadeh, K. et al. (2024). Duo-LLM: a framework for studying adaptive computation in large language models.
    arXiv:2410.10846, section 3 (router: :math:`\mathrm{softmax}(W h / \tau)`).

    Examples
    --------
    >>> import torch
    >>> router = Router(2, 16)
    >>> router(1, torch.ones(3, 16)).shape, CHOICES
    (torch.Size([3, 3]), ('big', 'small', 'skip'))
    """

    def __init__(self, layers: int, width: int) -> None:
        super().__init__()
        shape = read_count("layers", layers), len(CHOICES), read_count("width", width)
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape[:2]))

    @classmethod
    def for_family(cls, family: Family) -> Router:
        """An untrained one for a model.

        Parameters
        ----------
        family : Family
            The model.

        Returns
        -------
        Router
            In float32, on the processor.
        """
        return cls(family.depth, family.width)

    def forward(self, index: int, hidden: Tensor) -> Tensor:
        """Logits of the choices at a layer.

        Parameters
        ----------
        index : int
            The layer.
        hidden : Tensor of shape (..., width)
            The residual stream after its attention.

        Returns
        -------
        Tensor of shape (..., 3)
            Logits of "big", "small" and "skip".
        """
        weight = self.weight[index]
        read = nn.functional.rms_norm(hidden.to(weight.dtype), hidden.shape[-1:])
        return nn.functional.linear(read, weight, self.bias[index])
