"""Short-listed language-model head: from a state between two layers to a token, for far less than the head costs.

An exit-head prediction has four steps: a tuned lens moves the state to where the last layer would take it, the model's
own norm is applied, a low-rank 8-bit image of the head screens the whole vocabulary, and the best few are scored
exactly with the head's own rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from adapters.heads.full import FullHead
from adapters.heads.lens import TunedLens
from adapters.heads.prediction import ExitPrediction
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["Screen", "ShortListHead"]

_ROWS = 2048  # rows of the head per product while fitting
_STRIDE = 32  # ranks that the 8-bit product takes are multiples of this
_ALIGNMENT = 64  # bytes; what torch gives to every new tensor


class Screen:
    """The screen of a short-listed head: a low-rank image of the head in 8 bits, which ranks the whole vocabulary.

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
    Rows of the vocabulary are read once per prediction, so that time goes with bytes: 8 bits allow four times the rank
    of float32. Where there is no product of 8-bit weights (off the processor, or where rank is no multiple of 32) the
    image is unpacked once, in the type of the model.
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


class ShortListHead:
    """A short-listed language-model head: a screen ranks the vocabulary, and the best few tokens are scored exactly.

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

    References
    ----------
    Shim, K., Lee, M., Choi, I., Boo, Y. & Sung, W. (2017). SVD-softmax: fast softmax approximation on large vocabulary
    neural networks. NeurIPS 30 (a low-rank preview of all logits, exact ones for the best). Chen, P. H. et al. (2019).
    Learning to screen for fast softmax inference on large vocabulary neural networks. ICLR.

    Notes
    -----
    No step waits for the device. On a model of 30 layers, width 576 and 49,152 tokens, a prediction at rank 192 costs
    about one layer, the full head four to six.

    Examples
    --------
    >>> import torch
    >>> weight = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
    >>> head = FullHead(torch.nn.Identity(), weight)
    >>> short = ShortListHead.fit(head, torch.eye(8), rank=8, candidates=10)
    >>> states = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    >>> bool((short.predict(states, 5).token == head(states).argmax(-1)).all())
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
    ) -> ShortListHead:
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
        ShortListHead
            On the device of the head.

        Raises
        ------
        ews.errors.ArgumentError
            If a number is out of range.
        """
        rank = min(head.width, max(_STRIDE, head.width // 3 // _STRIDE * _STRIDE)) if rank is None else rank
        candidates = min(128, head.vocabulary) if candidates is None else candidates
        return cls(head, Screen.fit(head, second_moment, rank=rank), lens=lens, candidates=candidates)

    def predict(self, hidden: Tensor, depth: int) -> ExitPrediction:
        """Exit-head prediction from states at a depth.

        Parameters
        ----------
        hidden : Tensor of shape (rows, width)
            Residual stream after `depth` layers, before the norm.
        depth : int
            How many layers have run.

        Returns
        -------
        ExitPrediction
            On the device of the head. The confidence is a token's share of the candidates' softmax; the rest of the
            vocabulary is not counted: measured, it orders the predictions no worse, and the sum over the vocabulary
            costs as much as a tenth of a layer.
        """
        hidden = hidden.to(self.head.weight.device)
        if self.lens is not None and depth in self.lens:
            hidden = self.lens(hidden, depth)
        finished = self.head.norm(hidden).to(hidden.device)
        screened = self.screen(finished)
        ids = screened.topk(self.candidates, dim=-1, sorted=False).indices
        exact = self.head.score(finished, ids)
        share, best = exact.softmax(-1).max(-1)
        token = ids.gather(1, best.unsqueeze(1)).squeeze(1)
        return ExitPrediction(token, share, 0, screened, ids, exact, self.head.softcap)

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
    def from_tensors(cls, head: FullHead, tensors: Mapping[str, Tensor]) -> ShortListHead:
        """The inverse of :meth:`tensors`.

        Parameters
        ----------
        head : FullHead
            The head of the same model.
        tensors : mapping of str to Tensor
            What was saved.

        Returns
        -------
        ShortListHead
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
                "tensors", described(f"none named {', '.join(missing)}"), "what ShortListHead.tensors() returns"
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
