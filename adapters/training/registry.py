"""Systems that can be trained, by name: what each is, what it takes, and where the function is that trains it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adapters._common.publish import public
from ews.errors import ArgumentError, UnknownNameError, described

__all__ = ["FitSettings", "System", "register_system", "system_named", "systems"]

Takes = Literal["texts", "labelled texts"]


@public("adapters.training")
@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings that all systems have in common.

    Attributes
    ----------
    epochs, batch_size : int
        As for :func:`adapters.training.fit_modules`.
    learning_rate : float or None
        None for the system's own.
    seed : int
        Of all chance.
    accumulate : int
        In how many parts a batch goes through.
    directory : Path or None
        Where checkpoints go.
    checkpoint_every : int or None
        Steps between two; None for one each epoch.
    resume : bool
        Whether to go on from there.
    progress : bool or callable or None
        Who is told.
    """

    epochs: int = 1
    batch_size: int = 8
    learning_rate: float | None = None
    seed: int = 0
    accumulate: int = 1
    directory: Path | None = None
    checkpoint_every: int | None = None
    resume: bool = False
    progress: bool | Callable[[int, int], object] | None = None

    def options(self) -> dict[str, Any]:
        """What of this :func:`adapters.training.fit_modules` takes by the same name."""
        names = ("epochs", "batch_size", "seed", "accumulate", "directory", "checkpoint_every", "resume", "progress")
        return {name: getattr(self, name) for name in names}


@public("adapters.training")
@dataclass(frozen=True, slots=True)
class System:
    """System that can be trained.

    Attributes
    ----------
    name : str
        What it is called.
    summary : str
        One line: what is trained.
    model : {"decoder", "encoder"}
        What it is trained in or beside: a causal language model, or an encoder of sequences.
    takes : {"texts", "labelled texts"}
        Its data: texts to go on writing, or texts with a class each.
    home : str
        Where the function is, ``"module:function"``. It is called as ``function(model, data, folder=..., fit=...)``,
        with a model, a list of ``adapters.texts.continuations.Continuation`` (or of pairs of text and label, and
        ``tokenizer=``), the folder that it writes, :class:`FitSettings` and options of its own, and returns plain
        numbers for a report.
    epochs, batch_size : int
        What it is usually trained for.
    """

    name: str
    summary: str
    model: Literal["decoder", "encoder"]
    takes: Takes
    home: str
    epochs: int = 1
    batch_size: int = 8

    def function(self) -> Callable[..., Mapping[str, Any]]:
        """What trains it."""
        module, _, name = self.home.partition(":")
        found: Callable[..., Mapping[str, Any]] = getattr(importlib.import_module(module), name)
        return found

    def own_options(self) -> dict[str, Any]:
        """Options of its own, with their defaults."""
        shared = ("model", "data", "folder", "fit", "tokenizer")
        parameters = inspect.signature(self.function()).parameters
        return {name: each.default for name, each in parameters.items() if name not in shared}

    def require_options(self, given: Mapping[str, Any]) -> None:
        """See that it takes these options.

        Parameters
        ----------
        given : mapping of str to object
            Options of its own.

        Raises
        ------
        ews.errors.UnknownNameError
            If it has none of this name.
        """
        known = tuple(self.own_options())
        for name in given:
            if name not in known:
                raise UnknownNameError(f"option of {self.name}", name, known)


_SYSTEMS: dict[str, System] = {
    each.name: each
    for each in (
        System(
            "duo",
            "Duo-LLM: small feed-forward blocks beside the model, and a router to them",
            "decoder",
            "texts",
            "adapters.training.duo:train_duo",
        ),
        System(
            "jei_dnn",
            "JEI-DNN: linear heads after every layer of a frozen encoder, and gates trained with them in turn",
            "encoder",
            "labelled texts",
            "adapters.training.jei_dnn:train_jei_dnn",
            epochs=15,
            batch_size=64,
        ),
        System(
            "layer_skip",
            "LayerSkip: a loss at every exit and layers that drop out, whole or through LoRA",
            "decoder",
            "texts",
            "adapters.training.layer_skip:train_layer_skip",
        ),
        System(
            "pabee",
            "PABEE: a head after every layer, left once its answer stands",
            "encoder",
            "labelled texts",
            "adapters.training.pabee:train_pabee",
            epochs=10,
            batch_size=32,
        ),
        System(
            "palbert",
            "PALBERT: one head for all layers of an encoder, and learned halting",
            "encoder",
            "labelled texts",
            "adapters.training.palbert:train_palbert",
            epochs=10,
            batch_size=32,
        ),
        System(
            "skip_decode",
            "SkipDecode: the model itself with its schedule of layers on, whole or through LoRA",
            "decoder",
            "texts",
            "adapters.training.skip_decode:train_skip_decode",
        ),
    )
}


def register_system(system: System) -> None:
    """Make a system known under its name.

    Parameters
    ----------
    system : System
        What it is.

    Raises
    ------
    ews.errors.ArgumentError
        If the name is taken by another.

    Examples
    --------
    >>> from adapters import training
    >>> mine = training.System("mine", "a head of my own", "encoder", "labelled texts", "my_package:train")
    >>> training.register_system(mine)
    >>> "mine" in [one.name for one in training.systems()]
    True
    >>> _ = _SYSTEMS.pop("mine")
    """
    if _SYSTEMS.get(system.name, system) != system:
        raise ArgumentError("system", described(f"the name {system.name!r}, which is taken"), "another name")
    _SYSTEMS[system.name] = system


def system_named(name: str) -> System:
    """The system of this name.

    Parameters
    ----------
    name : str
        A name; "-" and "_" are one.

    Returns
    -------
    System
        What is known of it.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is none.

    Examples
    --------
    >>> system_named("layer-skip").takes
    'texts'
    """
    found = _SYSTEMS.get(name.replace("-", "_"))
    if found is None:
        raise UnknownNameError("system", name, tuple(_SYSTEMS))
    return found


def systems() -> tuple[System, ...]:
    """Systems that can be trained, sorted by name.

    Returns
    -------
    tuple of System
        Those of this package, and those that were registered.

    Examples
    --------
    >>> from adapters import training
    >>> [one.name for one in training.systems()]
    ['duo', 'jei_dnn', 'layer_skip', 'pabee', 'palbert', 'skip_decode']
    """
    return tuple(_SYSTEMS[name] for name in sorted(_SYSTEMS))
