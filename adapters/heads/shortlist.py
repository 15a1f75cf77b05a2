"""From a state between two layers to a token and a confidence, for far less than the model's own head costs.

A *look* has four steps: a lens moves the state to where the last layer would take it, the model's own norm is applied,
a low-rank 8-bit image of the head ranks the whole vocabulary, and the best few are scored exactly with the head's own
rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapters.errors import UnsupportedModelError
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

if TYPE_CHECKING:
    from adapters.families import Family

__all__ = ["FullHead", "LensMoments", "Look", "Screen", "ShortHead", "TunedLens"]

_ROWS = 2048  # states, or rows of the head, per product while fitting
_STRIDE = 32  # ranks that the 8-bit product takes are multiples of this
_ALIGNMENT = 64  # bytes; what torch gives to every new tensor


@dataclass(frozen=True, slots=True)
class Look:
    """What a state says, as far as a short-listed head can tell.

    Attributes
    ----------
    token : Tensor of int64 of shape (rows,)
        The best candidate.
    confidence : Tensor of float32 of shape (rows,)
        Its share of the candidates' softmax, 0 to 1. The rest of the vocabulary is not counted: measured, it orders
        the looks no worse, and the sum over the vocabulary costs as much as a tenth of a layer.
    ids : Tensor of int64 of shape (rows, candidates)
        The tokens that were scored, in no order.
    logits : Tensor of float32 of shape (rows, candidates)
        Their exact logits.
    screened : Tensor of shape (rows, vocabulary)
        The approximate logits that chose them.
    """

    token: Tensor
    confidence: Tensor
    ids: Tensor
    logits: Tensor
    screened: Tensor


class FullHead:
    """The model's own norm and head, by reference.

    Parameters
    ----------
    norm : callable
        From the residual stream, shape (rows, width), to what the head reads.
    weight : Tensor of shape (vocabulary, width)
        The head. It is not copied.
    bias : Tensor of shape (vocabulary,), optional
        Its bias.
    softcap : float, optional
        Bound c of logits, which become c·tanh(x / c) (Gemma 2); None for none.

    Raises
    ------
    ews.errors.InputTypeError
        If the weight is not a matrix.
    ews.errors.ValueRangeError
        If softcap is not above 0.

    References
    ----------
    Gemma Team (2024). Gemma 2: improving open language models at a practical size. arXiv 2408.00118, section 2.

    Examples
    --------
    >>> import torch
    >>> head = FullHead(torch.nn.Identity(), torch.eye(3))
    >>> head(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2., 3.]])
    """

    def __init__(
        self,
        norm: Callable[[Tensor], Tensor],
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        softcap: float | None = None,
    ) -> None:
        if weight.ndim != 2:
            raise InputTypeError("weight", described(f"a tensor of shape {tuple(weight.shape)}"), "(vocabulary, width)")
        if softcap is not None and not softcap > 0:
            raise ValueRangeError("softcap", softcap, "above 0, or None")
        self.norm = norm
        self.weight = weight.detach()  # shares its storage
        self.bias = None if bias is None else bias.detach()
        self.softcap = softcap

    @classmethod
    def of(cls, family: Family) -> FullHead:
        """The head of a model.

        Parameters
        ----------
        family : Family
            The model, taken apart.

        Returns
        -------
        FullHead
            Its norm and head.

        Raises
        ------
        adapters.errors.UnsupportedModelError
            If its head is not a matrix or is kept out of memory, or its logits are scaled.
        """
        head: Any = family.head
        if getattr(head, "weight", None) is None or head.weight.ndim != 2 or not head.weight.is_floating_point():
            raise UnsupportedModelError(
                "model", described(f"a head of type {type(head).__name__}"), "a head with one weight"
            )
        for name in ("logit_scale", "logits_scaling"):
            if getattr(family.config, name, None) not in (None, 1, 1.0):
                raise UnsupportedModelError(
                    "model", described(f"a configuration with {name}"), "logits that are not scaled"
                )
        softcap = getattr(family.config, "final_logit_softcapping", None)
        return cls(family.finish, *family.head_weights(), softcap=softcap)

    @property
    def vocabulary(self) -> int:
        """How many tokens the head knows."""
        return int(self.weight.shape[0])

    @property
    def width(self) -> int:
        """Size of the residual stream."""
        return int(self.weight.shape[1])

    def __call__(self, hidden: Tensor) -> Tensor:
        """States, shape (rows, width), to logits, shape (rows, vocabulary)."""
        return self.capped(nn.functional.linear(self.norm(hidden).to(self.weight.device), self.weight, self.bias))

    def score(self, finished: Tensor, ids: Tensor) -> Tensor:
        """Exact logits of some tokens only.

        Parameters
        ----------
        finished : Tensor of shape (rows, width)
            States after the norm.
        ids : Tensor of int64 of shape (rows, candidates)
            The tokens, of each row its own.

        Returns
        -------
        Tensor of float32 of shape (rows, candidates)
            Their logits.
        """
        rows = self.weight.index_select(0, ids.reshape(-1)).view(*ids.shape, -1)
        found = torch.bmm(rows, finished.unsqueeze(-1)).squeeze(-1)
        if self.bias is not None:
            found = found + self.bias[ids]
        return self.capped(found.float())

    def capped(self, logits: Tensor) -> Tensor:
        """Logits within the bound, where there is one."""
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap


class LensMoments:
    """Running sums from which lenses and a screen are fitted; memory does not grow with the number of states.

    Parameters
    ----------
    depths : sequence of int
        Depths to fit a lens at, each once, the last layer's not among them.
    width : int
        Size of the residual stream. Two matrices of float64 of this size are kept per depth.

    Raises
    ------
    ews.errors.ArgumentError
        If a depth comes twice.
    """

    def __init__(self, depths: Sequence[int], width: int) -> None:
        self.depths = tuple(int(depth) for depth in depths)
        if len(set(self.depths)) != len(self.depths):
            raise ArgumentError("depths", list(depths), "each depth once")
        self.width = int(width)
        self.count = 0
        size = len(self.depths)
        self._inner = torch.zeros(size, width, width, dtype=torch.float64)
        self._cross = torch.zeros(size, width, width, dtype=torch.float64)
        self._states = torch.zeros(size, width, dtype=torch.float64)
        self._finals = torch.zeros(width, dtype=torch.float64)
        self._finished = torch.zeros(width, width, dtype=torch.float64)

    def add(self, states: Tensor, finals: Tensor, finished: Tensor | None = None) -> None:
        """Count more tokens in.

        Parameters
        ----------
        states : Tensor of shape (tokens, depths, width)
            Residual stream at the depths.
        finals : Tensor of shape (tokens, width)
            After the last layer, before the norm.
        finished : Tensor of shape (tokens, width), optional
            The same after the norm; a screen is fitted to these.

        Raises
        ------
        ews.errors.InputTypeError
            If the shapes do not fit.
        """
        wanted = (len(finals), len(self.depths), self.width)
        if tuple(states.shape) != wanted or finals.shape[1:] != (self.width,):
            given = f"states of shape {tuple(states.shape)} and finals of shape {tuple(finals.shape)}"
            raise InputTypeError("states", described(given), "(tokens, depths, width) and (tokens, width)")
        for begin in range(0, len(finals), _ROWS):
            part = slice(begin, begin + _ROWS)
            final = finals[part].detach().float().cpu()
            for index in range(len(self.depths)):
                state = states[part, index].detach().float().cpu()
                self._inner[index] += state.T @ state
                self._cross[index] += state.T @ final
                self._states[index] += state.sum(0, dtype=torch.float64)
            self._finals += final.sum(0, dtype=torch.float64)
            if finished is not None:
                done = finished[part].detach().float().cpu()
                self._finished += done.T @ done
            self.count += len(final)

    @property
    def finished(self) -> Tensor:
        """Second moment of the states after the norm, float64 of shape (width, width)."""
        return self._finished / max(self.count, 1)

    def solve(self, index: int, ridge: float) -> tuple[Tensor, Tensor]:
        """Ridge regression of final − state on the state, about their means; weight (in, out) and bias, float32."""
        count = max(self.count, 1)
        state, final = self._states[index] / count, self._finals / count
        inner = self._inner[index] / count - torch.outer(state, state)
        cross = self._cross[index] / count - torch.outer(state, final)
        scale = inner.diagonal().mean().clamp(min=torch.finfo(torch.float64).tiny)
        damped = inner + ridge * scale * torch.eye(self.width, dtype=torch.float64)
        weight = torch.linalg.solve(damped, cross - inner)
        return weight.float(), (final - state - state @ weight).float()


class TunedLens:
    """Per depth an affine map from the state there to the one after the last layer: h + h A + b.

    Parameters
    ----------
    depths : sequence of int
        Where there is a lens.
    weight : Tensor of shape (depths, width, width)
        A, rows in.
    bias : Tensor of shape (depths, width)
        b.

    Raises
    ------
    ews.errors.InputTypeError
        If the shapes do not fit.

    References
    ----------
    Belrose, N. et al. (2023). Eliciting latent predictions from transformers with the tuned lens. arXiv 2303.08112,
    eq. 8; here fitted by ridge regression to the last state instead of by gradient steps on the logits.

    Examples
    --------
    >>> import torch
    >>> states = torch.randn(50, 1, 4, generator=torch.Generator().manual_seed(0))
    >>> lens = TunedLens.fit(states, 2 * states[:, 0] + 1, depths=(3,), ridge=1e-6)
    >>> lens(torch.zeros(1, 4), 3)
    tensor([[1.00, 1.00, 1.00, 1.00]])
    """

    def __init__(self, depths: Sequence[int], weight: Tensor, bias: Tensor) -> None:
        self.depths = tuple(int(depth) for depth in depths)
        size = len(self.depths)
        if (
            weight.ndim != 3
            or weight.shape[1] != weight.shape[2]
            or tuple(bias.shape) != (size, weight.shape[1])
            or len(weight) != size
        ):
            given = f"{size} depths, weight {tuple(weight.shape)}, bias {tuple(bias.shape)}"
            raise InputTypeError("weight", described(given), "(depths, width, width) and (depths, width)")
        self.weight, self.bias = weight, bias
        self._of = {depth: index for index, depth in enumerate(self.depths)}

    @classmethod
    def fit(cls, states: Tensor, finals: Tensor, *, depths: Sequence[int], ridge: float = 0.1) -> TunedLens:
        """Fit to states that are all at hand.

        Parameters
        ----------
        states : Tensor of shape (tokens, depths, width)
            Residual stream at the depths.
        finals : Tensor of shape (tokens, width)
            After the last layer, before the norm.
        depths : sequence of int
            The depths, in the order of `states`.
        ridge : float, default 0.1
            See :meth:`of_moments`.

        Returns
        -------
        TunedLens
            In float32.

        Raises
        ------
        ews.errors.ArgumentError
            If shapes do not fit or ridge is not above 0.
        """
        moments = LensMoments(depths, finals.shape[-1])
        moments.add(states, finals)
        return cls.of_moments(moments, ridge=ridge)

    @classmethod
    def of_moments(cls, moments: LensMoments, *, ridge: float = 0.1) -> TunedLens:
        """Fit to sums of states.

        Parameters
        ----------
        moments : LensMoments
            The sums.
        ridge : float, default 0.1
            Penalty on A, in units of the mean variance of a feature of the state.

        Returns
        -------
        TunedLens
            In float32.

        Raises
        ------
        ews.errors.ValueRangeError
            If ridge is not above 0.
        ews.errors.ArgumentError
            If nothing was counted.
        """
        if not ridge > 0:
            raise ValueRangeError("ridge", ridge, "above 0")
        if moments.count == 0:
            raise ArgumentError("moments", described("sums of no states"), "at least one state")
        width = moments.width
        fitted = [moments.solve(index, ridge) for index in range(len(moments.depths))]
        weights = [weight for weight, _ in fitted] or [torch.zeros(0, width, width)]
        biases = [bias for _, bias in fitted] or [torch.zeros(0, width)]
        join = torch.stack if fitted else torch.cat
        return cls(moments.depths, join(weights), join(biases))

    def __contains__(self, depth: object) -> bool:
        return depth in self._of

    def __call__(self, hidden: Tensor, depth: int) -> Tensor:
        """States at a depth, shape (rows, width), to where the last layer would take them."""
        if depth not in self._of:
            raise ValueRangeError("depth", depth, f"one of {', '.join(map(str, self.depths))}, where there is a lens")
        index = self._of[depth]
        return torch.addmm(hidden + self.bias[index], hidden, self.weight[index])

    def to(self, like: Tensor) -> TunedLens:
        """The same lens with the type and device of a tensor."""
        return TunedLens(self.depths, self.weight.to(like), self.bias.to(like))


class Screen:
    """A low-rank image of the head in 8 bits, which ranks the whole vocabulary.

    Parameters
    ----------
    basis : Tensor of shape (rank, width)
        Directions of the normed state that are kept.
    weight : Tensor of int8 of shape (vocabulary, rank)
        The head on these directions, each row divided by its scale.
    scale : Tensor of shape (vocabulary,)
        Scale of each row.
    bias : Tensor of shape (vocabulary,), optional
        Bias of the head.

    Notes
    -----
    Rows of the vocabulary are read once per look, so that time goes with bytes: 8 bits allow four times the rank of
    float32. Where there is no product of 8-bit weights (off the processor, or where rank is no
    multiple of 32) the image is unpacked once, in the type of the model.
    """

    def __init__(self, basis: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None = None) -> None:
        self.basis, self.weight, self.scale, self.bias = basis, _aligned(weight), scale, bias
        # bfloat16, in which the 8-bit product is fast; states of any type are cast to it for the screen alone.
        self._packed_scale = scale.to(torch.bfloat16)
        self._plain = None if self._packs() else (weight.float() * scale.float().unsqueeze(1)).to(basis)

    @classmethod
    def fit(cls, head: FullHead, second_moment: Tensor, *, rank: int) -> Screen:
        """The head on the directions in which normed states are largest.

        Parameters
        ----------
        head : FullHead
            The head.
        second_moment : Tensor of shape (width, width)
            Mean of z zᵀ over states z after the norm.
        rank : int
            How many directions; no more than the width.

        Returns
        -------
        Screen
            In the type and on the device of the head.

        Raises
        ------
        ews.errors.ArgumentError
            If the moment has the wrong shape or rank is out of range.
        """
        if tuple(second_moment.shape) != (head.width, head.width):
            given = f"a tensor of shape {tuple(second_moment.shape)}"
            raise InputTypeError("second_moment", described(given), f"({head.width}, {head.width})")
        if not 1 <= rank <= head.width:
            raise ValueRangeError("rank", rank, f"1 to {head.width}, the width")
        _, vectors = torch.linalg.eigh(second_moment.detach().double().cpu())  # rising
        basis = vectors[:, -rank:].flip(1).T.float().contiguous().to(head.weight.device)
        image = torch.empty(head.vocabulary, rank, dtype=torch.int8, device=basis.device)
        scale = torch.empty(head.vocabulary, device=basis.device)
        for begin in range(0, head.vocabulary, _ROWS):
            part = slice(begin, begin + _ROWS)
            rows = head.weight[part].float() @ basis.T
            scale[part] = rows.abs().amax(1).clamp(min=1e-12) / 127
            image[part] = (rows / scale[part].unsqueeze(1)).round().to(torch.int8)
        return cls(basis.to(head.weight.dtype), image, scale.to(torch.float32), head.bias)

    def _packs(self) -> bool:
        # The product loads whole registers from aligned addresses, and ends the process where an address is not: rows
        # must begin at such addresses (rank), and so must the matrix (_aligned; what is read from a file does not).
        if self.weight.device.type != "cpu" or self.rank % _STRIDE or not hasattr(torch, "_weight_int8pack_mm"):
            return False
        try:
            torch._weight_int8pack_mm(
                torch.zeros(1, self.weight.shape[1], dtype=torch.bfloat16), self.weight, self._packed_scale
            )
        except (RuntimeError, NotImplementedError):
            return False
        return True

    @property
    def rank(self) -> int:
        """How many directions are kept."""
        return int(self.weight.shape[1])

    def __call__(self, finished: Tensor) -> Tensor:
        """States after the norm, shape (rows, width), to approximate logits, shape (rows, vocabulary)."""
        kept = nn.functional.linear(finished, self.basis)
        if self._plain is not None:
            return nn.functional.linear(kept, self._plain, self.bias)
        found = torch._weight_int8pack_mm(_aligned(kept.to(torch.bfloat16)), self.weight, self._packed_scale)
        return found if self.bias is None else found + self.bias


def _aligned(tensor: Tensor) -> Tensor:
    """The same values at an address that vector instructions can load from; a copy only where it is not one already."""
    if tensor.is_contiguous() and tensor.data_ptr() % _ALIGNMENT == 0:
        return tensor
    return tensor.clone(memory_format=torch.contiguous_format)


class ShortHead:
    """A head that scores only the tokens that can win.

    Parameters
    ----------
    head : FullHead
        The model's own, whose rows score the candidates.
    screen : Screen
        What chooses them.
    lens : TunedLens, optional
        Moves states of depths it knows; states of other depths, the last among them, are taken as they are.
    candidates : int, default 128
        How many tokens are scored exactly.

    Raises
    ------
    ews.errors.ValueRangeError
        If candidates is not from 1 to the vocabulary.

    Notes
    -----
    No step waits for the device. On a model of 30 layers, width 576 and 49,152 tokens, a look at rank 192 costs about
    one layer, the full head four to six.

    Examples
    --------
    >>> import torch
    >>> weight = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
    >>> head = FullHead(torch.nn.Identity(), weight)
    >>> short = ShortHead.fit(head, torch.eye(8), rank=8, candidates=10)
    >>> states = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    >>> look = short.look(states, 5)
    >>> bool((look.token == head(states).argmax(-1)).all())
    True
    """

    def __init__(self, head: FullHead, screen: Screen, *, lens: TunedLens | None = None, candidates: int = 128) -> None:
        if not 1 <= candidates <= head.vocabulary:
            raise ValueRangeError("candidates", candidates, f"1 to {head.vocabulary}, the vocabulary")
        self.head, self.screen, self.candidates = head, screen, int(candidates)
        self.lens = None if lens is None else lens.to(head.weight)

    @classmethod
    def fit(
        cls,
        head: FullHead,
        second_moment: Tensor,
        *,
        lens: TunedLens | None = None,
        rank: int | None = None,
        candidates: int | None = None,
    ) -> ShortHead:
        """From the head and the second moment of what it reads.

        Parameters
        ----------
        head : FullHead
            The model's own.
        second_moment : Tensor of shape (width, width)
            Mean of z zᵀ over states z after the norm, such as :attr:`LensMoments.finished`.
        lens : TunedLens, optional
            Its lens.
        rank : int, optional
            Rank of the screen (default: a third of the width, down to a multiple of 32).
        candidates : int, optional
            How many tokens are scored exactly (default: 128, or the vocabulary where that is smaller).

        Returns
        -------
        ShortHead
            On the device of the head.

        Raises
        ------
        ews.errors.ArgumentError
            If a number is out of range.
        """
        rank = min(head.width, max(_STRIDE, head.width // 3 // _STRIDE * _STRIDE)) if rank is None else rank
        candidates = min(128, head.vocabulary) if candidates is None else candidates
        return cls(head, Screen.fit(head, second_moment, rank=rank), lens=lens, candidates=candidates)

    def look(self, hidden: Tensor, depth: int) -> Look:
        """What states at a depth say.

        Parameters
        ----------
        hidden : Tensor of shape (rows, width)
            Residual stream after `depth` layers, before the norm.
        depth : int
            How many layers have run.

        Returns
        -------
        Look
            Token, confidence and candidates, on the device.
        """
        hidden = hidden.to(self.head.weight.device)
        if self.lens is not None and depth in self.lens:
            hidden = self.lens(hidden, depth)
        finished = self.head.norm(hidden).to(hidden.device)
        screened = self.screen(finished)
        ids = screened.topk(self.candidates, dim=-1, sorted=False).indices
        logits = self.head.score(finished, ids)
        share, best = logits.softmax(-1).max(-1)
        return Look(ids.gather(1, best.unsqueeze(1)).squeeze(1), share, ids, logits, screened)

    def logits(self, look: Look) -> Tensor:
        """A row over the whole vocabulary, for the model's logits processors.

        Parameters
        ----------
        look : Look
            What :meth:`look` returned.

        Returns
        -------
        Tensor of float32 of shape (rows, vocabulary)
            Exact logits of the candidates, and elsewhere the screen's, so that a constraint that forbids all candidates
            still finds an order among the other tokens and no row is empty.
        """
        return self.head.capped(look.screened.float()).scatter(1, look.ids, look.logits)

    def tensors(self) -> dict[str, Tensor]:
        """What must be saved; the head's own weight is not part of it.

        Returns
        -------
        dict of str to Tensor
            Contiguous tensors under fixed names.
        """
        found = {
            "candidates": torch.tensor(self.candidates),
            "screen.basis": self.screen.basis.contiguous(),
            "screen.weight": self.screen.weight,
            "screen.scale": self.screen.scale,
        }
        if self.lens is not None:
            found["lens.depths"] = torch.tensor(self.lens.depths, dtype=torch.int64)
            found["lens.weight"], found["lens.bias"] = self.lens.weight.contiguous(), self.lens.bias.contiguous()
        return found

    @classmethod
    def from_tensors(cls, head: FullHead, tensors: Mapping[str, Tensor]) -> ShortHead:
        """The inverse of :meth:`tensors`.

        Parameters
        ----------
        head : FullHead
            The head of the same model.
        tensors : mapping of str to Tensor
            What was saved.

        Returns
        -------
        ShortHead
            With the type and on the device of the head.

        Raises
        ------
        ews.errors.ArgumentError
            If a tensor is missing or does not fit the head.
        """
        missing = [
            name for name in ("candidates", "screen.basis", "screen.weight", "screen.scale") if name not in tensors
        ]
        if missing:
            raise ArgumentError(
                "tensors", described(f"none named {', '.join(missing)}"), "what ShortHead.tensors() returns"
            )
        basis, weight, scale = (tensors[f"screen.{name}"] for name in ("basis", "weight", "scale"))
        shapes = (tuple(basis.shape[1:]), tuple(weight.shape), tuple(scale.shape))
        if shapes != ((head.width,), (head.vocabulary, len(basis)), (head.vocabulary,)):
            given = f"a screen of shapes {', '.join(map(str, shapes))}"
            raise ArgumentError("tensors", described(given), f"one for {head.vocabulary} tokens of width {head.width}")
        device = head.weight.device
        screen = Screen(basis.to(head.weight), weight.to(device), scale.to(device), head.bias)
        lens = None
        if "lens.depths" in tensors:
            lens = TunedLens(tensors["lens.depths"].tolist(), tensors["lens.weight"], tensors["lens.bias"])
        return cls(head, screen, lens=lens, candidates=int(tensors["candidates"]))
