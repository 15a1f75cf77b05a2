"""Whole trajectories through the layers, for analysis: signals of every token at every depth, ready for :mod:`ews`.

Hidden states are reduced to their signals while the layers run; what is kept of a token is a few numbers a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import DynamicCache

from adapters._common.checks import read_count
from adapters._common.publish import public
from adapters.families import Family, family_of
from adapters.signals import SIGNALS
from adapters.texts.reading import end_tokens, padded, positions, read_texts
from adapters.texts.recording import Recorder, listening
from adapters.windows import STATISTICS, rolling
from ews.errors import ArgumentError, EWSError, UnknownNameError, ValueRangeError, described

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Trajectories", "TrajectoriesConfig", "capture"]

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# The first depth at which each signal exists: a change needs one layer, a turn two.
_FIRST = {"cosine": 1, "update_norm": 1, "log_norm": 0, "alignment": 2}
_USUAL = ("variance", "ac1", "skewness", "trend")


@dataclass(frozen=True, slots=True)
class TrajectoriesConfig:
    """How trajectories were captured.

    Attributes
    ----------
    model : str
        Class of the model.
    depth : int
        How many layers it has.
    n_texts : int
        How many texts it read.
    signals : tuple of str
        What was measured of each state.
    window : int
        Window of :meth:`Trajectories.windowed`, in layers.
    statistics : tuple of str
        Statistics of the window.
    max_new_tokens : int or None
        How many tokens the model wrote at most for each text; None where it read the text itself.
    batch_size : int
        How many texts went through the model at once.
    lens : bool
        Whether the head read every state.
    """

    model: str
    depth: int
    n_texts: int
    signals: tuple[str, ...]
    window: int
    statistics: tuple[str, ...]
    max_new_tokens: int | None
    batch_size: int
    lens: bool


@public("adapters")
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Trajectories:
    """Signals of the residual stream, by token and layer.

    Layer l is the state after l layers; layer 0 is what enters the first.

    Attributes
    ----------
    values : ndarray of shape (tokens, layers + 1, signals)
        The signals, in float32 (float64 for a model in float64); NaN where one needs an earlier layer.
    signals : tuple of str
        Names of the signals.
    first : tuple of int
        The first layer at which each is defined.
    text, position, token_id : ndarray of int64 of shape (tokens,)
        Which text a token belongs to, its place there from 0 (padding does not count), and the token.
    predicted : ndarray of int64 of shape (tokens,) or None
        The token that the full model puts next; known with ``lens=True`` and where the model wrote.
    lens_correct : ndarray of bool of shape (tokens, layers + 1) or None
        Whether the model's own norm and head, put on the state after a layer, put that same token next.
    config : TrajectoriesConfig
        How they were captured.

    See Also
    --------
    capture : What makes them.
    """

    values: FloatArray
    signals: tuple[str, ...]
    first: tuple[int, ...]
    text: IntArray
    position: IntArray
    token_id: IntArray
    predicted: IntArray | None
    lens_correct: BoolArray | None
    config: TrajectoriesConfig

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        names = ", ".join(self.signals)
        return (
            f"<Trajectories: {len(self)} tokens of {self.config.n_texts} texts, {self.config.depth} layers of "
            f"{self.config.model}; {names}>"
        )

    def signal(self, name: str) -> npt.NDArray[np.float64]:
        """One signal, as :mod:`ews` takes it.

        Parameters
        ----------
        name : str
            One of `signals`.

        Returns
        -------
        ndarray of float64 of shape (tokens, layers)
            Over the layers at which it is defined, which :meth:`layers` gives.

        Raises
        ------
        ews.errors.UnknownNameError
            If there is no such signal.

        Examples
        --------
        >>> import ews
        >>> from adapters import capture
        >>> from transformers import LlamaConfig, LlamaForCausalLM
        >>> config = LlamaConfig(
        ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=6, num_attention_heads=2
        ... )
        >>> found = capture(LlamaForCausalLM(config).eval(), [[3, 1, 4], [1, 5]])
        >>> ews.variance(found.signal("cosine"), window=4).shape
        (5, 6)
        """
        index = self._index(name)
        return self.values[:, self.first[index] :, index].astype(np.float64)

    def layers(self, name: str) -> IntArray:
        """After how many layers the columns of :meth:`signal` were measured.

        Parameters
        ----------
        name : str
            One of `signals`.

        Returns
        -------
        ndarray of int64 of shape (layers,)
            From the first layer at which the signal is defined to the last.
        """
        return np.arange(self.first[self._index(name)], self.values.shape[1])

    def settling(self) -> IntArray:
        """The first layer from which on the lens puts the model's own token next.

        Returns
        -------
        ndarray of int64 of shape (tokens,)
            From 0 to the number of layers, at which every token has settled.

        Raises
        ------
        ews.errors.ArgumentError
            If the lens was not read.
        """
        if self.lens_correct is None:
            raise ArgumentError("lens", False, "trajectories captured with lens=True")
        right_at_the_end = np.logical_and.accumulate(self.lens_correct[:, ::-1], axis=1).sum(axis=1)
        return np.asarray(self.lens_correct.shape[1] - right_at_the_end, dtype=np.int64)

    def crossing(self, name: str, *, threshold: float, alarm: Literal["up", "down"] = "up") -> npt.NDArray[np.float64]:
        """The first layer at which a signal is beyond a threshold.

        Parameters
        ----------
        name : str
            One of `signals`.
        threshold : float
            In the unit of the signal.
        alarm : {"up", "down"}, default "up"
            Whether above or below the threshold is beyond it.

        Returns
        -------
        ndarray of float64 of shape (tokens,)
            NaN where it never is.

        Raises
        ------
        ews.errors.UnknownNameError
            If there is no such signal, or no such side.
        ews.errors.ValueRangeError
            If the threshold is no finite number.
        """
        if alarm not in ("up", "down"):
            raise UnknownNameError("alarm", alarm, ("up", "down"))
        if not np.isfinite(threshold):
            raise ValueRangeError("threshold", threshold, "a finite number")
        values = self.signal(name)
        beyond = values > threshold if alarm == "up" else values < threshold
        at = self.layers(name)[beyond.argmax(axis=1)].astype(np.float64)
        return np.where(beyond.any(axis=1), at, np.nan)

    def windowed(self, *, window: int | None = None, statistics: str | Sequence[str] | None = None) -> Trajectories:
        """Statistics of every signal in a window that slides over the layers.

        Parameters
        ----------
        window : int, optional
            Window in layers (default: that of the config).
        statistics : str or sequence of str, optional
            Of :data:`adapters.windows.STATISTICS` (default: those of the config).

        Returns
        -------
        Trajectories
            The same tokens with float64 signals named ``"cosine_variance"``, ``"cosine_ac1"``, …, each at the last
            layer of its window.

        Raises
        ------
        ews.errors.WindowError
            If the window is too short for a statistic, or longer than one of the signals.
        ews.errors.UnknownNameError
            If there is no such statistic.
        """
        length = self.config.window if window is None else window
        chosen = self.config.statistics if statistics is None else _names("statistics", statistics, STATISTICS)
        names, first, columns = [], [], []
        for index, name in enumerate(self.signals):
            begin = self.first[index]
            defined = torch.from_numpy(np.ascontiguousarray(self.values[:, begin:, index]))
            for statistic, values in rolling(defined, window=length, statistics=chosen).items():
                names.append(f"{name}_{statistic}")
                first.append(begin + length - 1)
                columns.append(np.pad(values.numpy(), ((0, 0), (begin, 0)), constant_values=np.nan))
        config = replace(self.config, window=length, statistics=chosen)
        return replace(self, values=np.stack(columns, axis=-1), signals=tuple(names), first=tuple(first), config=config)

    def to_xarray(self) -> xr.DataArray:
        """The values with names on every axis.

        Returns
        -------
        xarray.DataArray
            Dimensions token, layer and signal; text, position, token_id (and predicted, lens_correct and settling,
            where they are known) as further coordinates. The attributes hold the config.

        Raises
        ------
        ews.errors.EWSError
            If xarray is not installed.
        """
        try:
            import xarray as xr
        except ModuleNotFoundError:
            raise EWSError(
                "to_xarray needs the package xarray, which is not installed (pip install 'earlywarning[grid]'); "
                "to_frame needs pandas only"
            ) from None
        coordinates: dict[str, Any] = {"layer": np.arange(self.values.shape[1]), "signal": list(self.signals)}
        coordinates |= {name: ("token", values) for name, values in self._of_tokens().items()}
        if self.lens_correct is not None:
            coordinates["lens_correct"] = (("token", "layer"), self.lens_correct)
        config = {name: getattr(self.config, name) for name in TrajectoriesConfig.__slots__}
        return xr.DataArray(
            self.values, dims=("token", "layer", "signal"), coords=coordinates, name="signals", attrs=config
        )

    def to_frame(self) -> pd.DataFrame:
        """One row for each token and layer.

        Returns
        -------
        pandas.DataFrame
            Columns text, position, token_id (and predicted and settling, where they are known), layer, one for each
            signal, and lens_correct, where it is known.
        """
        import pandas as pd

        tokens, layers = self.values.shape[:2]
        columns: dict[str, Any] = {name: np.repeat(values, layers) for name, values in self._of_tokens().items()}
        columns["layer"] = np.tile(np.arange(layers), tokens)
        columns |= {name: self.values[..., index].ravel() for index, name in enumerate(self.signals)}
        if self.lens_correct is not None:
            columns["lens_correct"] = self.lens_correct.ravel()
        return pd.DataFrame(columns)

    def _of_tokens(self) -> dict[str, IntArray]:
        found = {"text": self.text, "position": self.position, "token_id": self.token_id}
        if self.predicted is not None:
            found["predicted"] = self.predicted
        if self.lens_correct is not None:
            found["settling"] = self.settling()
        return found

    def _index(self, name: str) -> int:
        if name not in self.signals:
            raise UnknownNameError("name", name, self.signals)
        return self.signals.index(name)


def capture(
    model: Any,
    texts: Iterable[Any],
    *,
    tokenizer: Any = None,
    max_new_tokens: int | None = None,
    batch_size: int = 8,
    signals: str | Sequence[str] = SIGNALS,
    window: int = 8,
    statistics: str | Sequence[str] = _USUAL,
    lens: bool = False,
) -> Trajectories:
    """Record the signals of every token at every layer while a model reads, or writes.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model of a family that ``adapters.families`` knows, in evaluation mode. It gets hooks for
        the time of the call and is as before when it ends, however it ends.
    texts : iterable of str or of sequences of int
        What it reads: strings, which need a tokenizer, or token ids.
    tokenizer : callable, optional
        Called with one string at a time; its ``"input_ids"`` are the tokens, special ones as it adds them.
    max_new_tokens : int, optional
        Let the model go on from each text with its most probable token, up to so many times or until it ends the
        text, and record the passes that wrote: the last token of the text, and all that were written but the last. The
        logits are taken as they are, without the penalties that a ``generation_config`` may ask for. By default
        the text itself is read, and all its tokens are recorded.
    batch_size : int, default 8
        How many texts go through the model at once, those of like length together.
    signals : str or sequence of str, default all
        Names among :data:`adapters.signals.SIGNALS`.
    window : int, default 8
        Default window of :meth:`Trajectories.windowed`, in layers: a quarter or so of a small model's.
    statistics : str or sequence of str, default ("variance", "ac1", "skewness", "trend")
        Its default statistics, of :data:`adapters.windows.STATISTICS`.
    lens : bool, default False
        Whether to put the model's norm and head on every state (the raw logit lens), which takes longer than the layers
        themselves.

    Returns
    -------
    Trajectories
        The signals, text after text.

    Raises
    ------
    ews.errors.ArgumentError
        If there are no texts, one has no token, one is a string and there is no tokenizer, or the model is in training
        mode.
    ews.errors.InputTypeError
        If a text is neither a string nor a sequence of whole numbers.
    ews.errors.ValueRangeError
        If a token is not in the vocabulary, a text is longer than the model's positions, or an option is no count.
    ews.errors.UnknownNameError
        If there is no such signal or statistic.
    adapters.errors.UnsupportedModelError
        If the model's family is not known.

    Notes
    -----
    Memory holds three states of the batch at a time, and of a token that is done one number for each layer and signal.
    The lens works on chunks of tokens, so that its logits take no more than 64 MiB in float32.

    References
    ----------
    nostalgebraist (2020). Interpreting GPT: the logit lens. LessWrong.

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=6, num_attention_heads=2,
    ...     eos_token_id=None,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> found = capture(model, [[3, 1, 4, 1], [5, 9]], lens=True)
    >>> found.signal("alignment").shape, found.layers("alignment")
    ((6, 5), array([2, 3, 4, 5, 6]))
    >>> int(found.settling().max()) <= 6
    True
    >>> len(capture(model, [[3, 1, 4, 1], [5, 9]], max_new_tokens=5, signals="cosine"))
    10
    """
    family = family_of(model)
    if any(module.training for module in model.modules()):
        raise ArgumentError("model", described("a model in training mode"), "model.eval(): dropout would be recorded")
    names = _names("signals", signals, SIGNALS)
    config = TrajectoriesConfig(
        model=type(model).__name__,
        depth=family.depth,
        n_texts=0,
        signals=names,
        window=read_count("window", window),
        statistics=_names("statistics", statistics, STATISTICS),
        max_new_tokens=None if max_new_tokens is None else read_count("max_new_tokens", max_new_tokens),
        batch_size=read_count("batch_size", batch_size),
        lens=bool(lens),
    )
    tokens = read_texts(texts, tokenizer, family, further=(max_new_tokens or 1) - 1)
    recorder = Recorder(family, signals=names, lens=config.lens, head=max_new_tokens is not None)
    done: dict[int, _Piece] = {}
    longest_first = sorted(range(len(tokens)), key=lambda index: -len(tokens[index]))
    with torch.no_grad(), listening(family, recorder.take):
        for start in range(0, len(tokens), config.batch_size):
            chosen = longest_first[start : start + config.batch_size]
            batch = [tokens[index] for index in chosen]
            if max_new_tokens is None:
                pieces = _read(family, recorder, batch)
            else:
                pieces = _write(family, recorder, batch, max_new_tokens)
            done |= zip(chosen, pieces, strict=True)
    return _joined([done[index] for index in range(len(tokens))], replace(config, n_texts=len(tokens)))


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one text gave: signals, shape (tokens, layers + 1, signals), and what the head read, or None."""

    position: IntArray
    token_id: IntArray
    values: Tensor
    read: Tensor | None


def _read(family: Family, recorder: Recorder, batch: Sequence[IntArray]) -> list[_Piece]:
    """Texts as they are, in one pass."""
    input_ids, mask = padded(batch)
    device = family.model.device
    recorder.expect(mask.flatten().nonzero().squeeze(1).to(device))
    family.decoder(
        input_ids=input_ids.to(device),
        attention_mask=mask.to(device),
        position_ids=positions(mask).to(device),
        use_cache=False,
    )
    values, read = recorder.taken()
    lengths = [len(tokens) for tokens in batch]
    reads: Sequence[Tensor | None] = [None] * len(batch) if read is None else torch.split(read, lengths)
    return [
        _Piece(np.arange(len(tokens)), tokens, part, top)
        for tokens, part, top in zip(batch, torch.split(values, lengths), reads, strict=True)
    ]


def _write(family: Family, recorder: Recorder, batch: Sequence[IntArray], most: int) -> list[_Piece]:
    """What the model goes on with, one token a pass."""
    step, mask = padded(batch)
    device = family.model.device
    ends = end_tokens(family.model)
    cache = DynamicCache(config=family.config)
    rows = len(batch)
    entering, values, read = [], [], []
    counts, going = [0] * rows, [True] * rows
    for _ in range(most):
        width = step.shape[1]
        recorder.expect((torch.arange(rows) * width + width - 1).to(device))
        family.decoder(
            input_ids=step.to(device),
            attention_mask=mask.to(device),
            position_ids=positions(mask)[:, -width:].to(device),
            use_cache=True,
            **{family.convention.cache: cache},
        )
        found, top = recorder.taken()
        assert top is not None
        entering.append(step[:, -1])
        values.append(found)
        read.append(top)
        written = top[:, -1]
        for row, token in enumerate(written.tolist()):
            counts[row] += going[row]
            going[row] = going[row] and token not in ends
        if not any(going):
            break
        step = written[:, None]
        mask = torch.cat((mask, mask.new_ones(rows, 1)), dim=1)
    entered, measured, tops = torch.stack(entering, 1), torch.stack(values, 1), torch.stack(read, 1)
    return [
        _Piece(
            len(tokens) - 1 + np.arange(count),
            entered[row, :count].numpy(),
            measured[row, :count].clone(),
            tops[row, :count].clone(),
        )
        for row, (tokens, count) in enumerate(zip(batch, counts, strict=True))
    ]


def _joined(pieces: Sequence[_Piece], config: TrajectoriesConfig) -> Trajectories:
    reads = [piece.read for piece in pieces if piece.read is not None]
    read = torch.cat(reads).numpy() if reads else None
    return Trajectories(
        values=torch.cat([piece.values for piece in pieces]).numpy(),
        signals=config.signals,
        first=tuple(_FIRST[name] for name in config.signals),
        text=np.repeat(np.arange(len(pieces)), [len(piece.position) for piece in pieces]),
        position=np.concatenate([piece.position for piece in pieces]),
        token_id=np.concatenate([piece.token_id for piece in pieces]),
        predicted=None if read is None else read[:, -1].copy(),
        lens_correct=None if read is None or not config.lens else read == read[:, -1:],
        config=config,
    )


def _names(argument: str, given: str | Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(dict.fromkeys(given))
    if not names:
        raise ArgumentError(argument, given, f"one or more of {', '.join(map(repr, known))}")
    for name in names:
        if name not in known:
            raise UnknownNameError(argument, name, known)
    return names
