"""The contract between an exit rule and the engine of encoders: what a rule is shown, and what it answers."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adapters._common.publish import public
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    from adapters.encoders.states import FirstTokenStates

__all__ = ["EncoderPolicy", "EncoderPromise", "ExitView", "Leave"]

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_READABLE = (torch.float32, torch.float64)  # by numpy, without an operator of torch


@public("adapters.encoders")
class ExitView:
    """What an exit rule is shown after a layer, of the rows that still run.

    Nothing is put together, and nothing copied from a device, before it is asked for. Of few rows the time of a rule
    goes into calls, and those of numpy cost a third of torch's: hence arrays on the host (`scores`, :meth:`said`,
    :meth:`halts`) beside the tensors as the heads gave them.

    Parameters
    ----------
    layers : int
        How many layers there are.
    rows : ndarray of int of shape (rows,)
        Which rows of the whole call these are, in the order in which it was given them.
    said : sequence of (Tensor or None)
        What the exit head after each layer so far says, shape (rows, classes); None where none was asked.
    halting : sequence of (Tensor or None)
        The heads' own halting probabilities, shape (rows,).
    states : sequence of Tensor
        The first token's states after 0, 1, … layers, shape (rows, width); empty where the rule needs none.
    held : dict, optional
        Arrays of the rows that were worked out after earlier layers.

    Attributes
    ----------
    depth : int
        How many layers have run.
    """

    __slots__ = ("_halting", "_held", "_said", "_states", "depth", "layers", "rows")

    def __init__(
        self,
        layers: int,
        rows: IntArray,
        said: Sequence[Tensor | None],
        halting: Sequence[Tensor | None] = (),
        states: Sequence[Tensor] = (),
        held: dict[tuple[str, int], FloatArray] | None = None,
    ) -> None:
        self.depth, self.layers, self.rows = len(said), layers, rows
        self._said, self._halting, self._states = said, halting, states
        self._held: dict[tuple[str, int], FloatArray] = {} if held is None else held

    def once(self, name: str, depth: int, work: Callable[[int], FloatArray]) -> FloatArray:
        """What a rule works out of one layer: once, however often it is asked for while rows run.

        Parameters
        ----------
        name : str
            What it is called.
        depth : int
            After how many layers, from 1 on.
        work : callable
            Of the depth; gives an array whose first axis is the rows.

        Returns
        -------
        ndarray of shape (rows, ...)
            Of the rows that still run. It is not to be written to.
        """
        found = self._held.get((name, depth))
        if found is None:
            found = self._held[name, depth] = work(depth)
        return found

    def said(self, depth: int) -> FloatArray:
        """What the head after a layer says, on the host.

        Parameters
        ----------
        depth : int
            After how many layers, from 1 on.

        Returns
        -------
        ndarray of float64 of shape (rows, classes)
            NaN where none was asked.
        """
        return self.once("said", depth, self._copied)

    def felt(self, depth: int) -> FloatArray:
        """The first token's states after a layer, on the host, for rules that need them.

        Parameters
        ----------
        depth : int
            After how many layers, from 0 on.

        Returns
        -------
        ndarray of float64 of shape (rows, width)
            The states.
        """
        return self.once("felt", depth, lambda place: _on_host(self._states[place]))

    @property
    def scores(self) -> FloatArray:
        """What the newest head says, on the host, float64 of shape (rows, classes)."""
        return self.said(self.depth)

    def halts(self, depth: int) -> FloatArray:
        """The halting probabilities of the head after a layer, on the host.

        Parameters
        ----------
        depth : int
            After how many layers, from 1 on.

        Returns
        -------
        ndarray of float64 of shape (rows,)
            NaN where none was asked.

        Raises
        ------
        ews.errors.ArgumentError
            If the newest head has none.
        """
        if not self._halting or self._halting[-1] is None:
            given = described("heads without halting probabilities")
            raise ArgumentError("heads", given, "heads that have them: gated or ponder")
        return self.once("halting", depth, self._halted)

    def _copied(self, depth: int) -> FloatArray:
        found = self._said[depth - 1]
        return np.full(self.newest.shape, np.nan) if found is None else _on_host(found)

    def _halted(self, depth: int) -> FloatArray:
        found = self._halting[depth - 1]
        return np.full(len(self.rows), np.nan) if found is None else _on_host(found)

    @property
    def newest(self) -> Tensor:
        """What the newest head says, shape (rows, classes)."""
        found = self._said[-1]
        assert found is not None  # a rule is asked where a head was read
        return found

    @property
    def logits(self) -> Tensor:
        """What the heads said so far, shape (rows, depth, classes); NaN after layers where none was asked."""
        return _stacked(self._said, self.newest)

    @property
    def halting(self) -> Tensor | None:
        """The heads' own halting probabilities so far, shape (rows, depth); None where they have none."""
        if not self._halting or all(each is None for each in self._halting):
            return None
        return _stacked(self._halting, self.newest[:, 0])

    @property
    def states(self) -> Tensor | None:
        """The first token's states after 0, 1, … layers, shape (rows, depth + 1, width), for rules that need them."""
        return torch.stack(list(self._states), dim=1) if self._states else None


def _on_host(values: Tensor) -> FloatArray:
    if values.device.type != "cpu" or values.requires_grad or values.dtype not in _READABLE:
        found: FloatArray = values.detach().to("cpu", torch.float64).numpy()
        return found
    return values.numpy().astype(np.float64, copy=False)


def _stacked(each: Sequence[Tensor | None], like: Tensor) -> Tensor:
    return torch.stack([torch.full_like(like, torch.nan) if one is None else one for one in each], dim=1)


@public("adapters.encoders")
@dataclass(frozen=True, slots=True)
class Leave:
    """Which rows leave after a layer, and what they emit.

    Attributes
    ----------
    rows : ndarray or Tensor of bool of shape (rows,)
        True for rows that leave. After the last layer all do, whatever it says.
    logits : Tensor of shape (rows, classes) or None
        What rows emit if they leave; None for what the newest head says.
    """

    rows: np.ndarray[Any, np.dtype[np.bool_]] | Tensor
    logits: Tensor | None = None


@public("adapters.encoders")
@dataclass(frozen=True, slots=True)
class EncoderPromise:
    """Properties that a rule declares, and that the contract tests hold it to.

    Attributes
    ----------
    options : mapping of str to object
        Arguments with which some rows of a small random model leave early.
    leaves : bool
        Some rows leave early with these options.
    never : mapping of str to object or None
        Arguments with which none leaves; None where there are none.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    leaves: bool = True
    never: Mapping[str, Any] | None = None


@public("adapters.encoders")
class EncoderPolicy(ABC):
    """Exit rule of an encoder: after which layer a row leaves, and with what answer.

    A rule is a dataclass whose fields are its options. It keeps nothing of a row between layers, since all that was
    said of a row so far is shown to it again; so rows may be dropped, reordered or run in batches of any size.
    """

    promise: ClassVar[EncoderPromise] = EncoderPromise()
    heads: ClassVar[str | None] = None  # the kind of heads whose halting probabilities it reads
    history: ClassVar[bool] = False  # whether heads must have been asked after every layer before
    needs_states: ClassVar[bool] = False
    knob: ClassVar[str | None] = None  # the option that calibration turns

    def bind(self, layers: int, classes: int) -> None:
        """Check that the options fit an encoder; raise where they do not.

        Parameters
        ----------
        layers : int
            How many layers it has.
        classes : int
            How many classes its heads tell apart.
        """

    def begin(self, rows: int) -> None:
        """Begin a call.

        Parameters
        ----------
        rows : int
            How many rows it has in all, over all of its batches.
        """

    def asks(self, layers: int) -> Sequence[int]:
        """After how many layers the rule is asked; all but the last by default.

        Parameters
        ----------
        layers : int
            How many layers the encoder has.

        Returns
        -------
        sequence of int
            Depths from 1 to `layers`, rising.
        """
        return range(1, layers)

    @abstractmethod
    def leave(self, view: ExitView) -> Leave | None:
        """Decide which rows leave.

        Parameters
        ----------
        view : ExitView
            What is known after this layer. It is not to be written to.

        Returns
        -------
        Leave or None
            Which rows leave, and what they emit; None where none does. Rows whose newest logits are not finite stay,
            whatever it says.
        """

    # ---- calibration ----------------------------------------------------------------------------------------------

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """Values of the option that calibration turns, from the most conservative to the most aggressive.

        Parameters
        ----------
        layers, classes : int
            As for :meth:`bind`.

        Returns
        -------
        tuple
            The values; none of them depends on data.

        Raises
        ------
        ews.errors.ArgumentError
            If the rule has no such option.
        """
        named = described(f"{type(self).__name__}, which has no threshold")
        raise ArgumentError("policy", named, "a rule with a threshold, such as ConfidenceExit or PabeePolicy")

    def with_setting(self, value: Any) -> EncoderPolicy:
        """The same rule at another value of that option, with what was fitted for it.

        Parameters
        ----------
        value : object
            One of :meth:`settings`.

        Returns
        -------
        EncoderPolicy
            A new rule.
        """
        held: Any = self
        found: EncoderPolicy = dataclasses.replace(held, **{str(self.knob): value})
        found.load_fitted(self.fitted())
        return found

    # ---- fitting and keeping --------------------------------------------------------------------------------------

    def fit(self, states: FirstTokenStates, logits: Tensor, halting: Tensor | None) -> None:
        """Fit what the rule learns from data, if it learns anything.

        Parameters
        ----------
        states : FirstTokenStates
            The first token's states of texts that nothing else was fitted to.
        logits : Tensor of shape (rows, layers, classes)
            What the exit heads say of them.
        halting : Tensor of shape (rows, layers) or None
            Their halting probabilities.
        """

    def options(self) -> dict[str, Any]:
        """The arguments that make this rule again.

        Returns
        -------
        dict
            Name → value.
        """
        held: Any = self
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(held) if each.init}

    def fitted(self) -> dict[str, np.ndarray[Any, Any]]:
        """What :meth:`fit` found, as arrays by name; nothing by default.

        Returns
        -------
        dict
            Name → array.
        """
        return {}

    def load_fitted(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take what :meth:`fitted` gave.

        Parameters
        ----------
        arrays : mapping
            Name → array.
        """
