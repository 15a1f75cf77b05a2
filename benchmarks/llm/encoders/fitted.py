"""An encoder's heads and the states that they read: worked out once, kept in a folder."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from adapters.encoders import ExitHeads, heads_named
from adapters.encoders.backbones import Backbone, backbone_of
from adapters.encoders.inputs import Rows, read_rows
from adapters.encoders.states import FirstTokenStates, states_of_rows
from adapters.encoders.systems import SYSTEMS
from adapters.training.encoder_heads import HeadsTask
from adapters.training.jei_dnn import fit_inference_modules
from adapters.training.registry import FitSettings
from benchmarks.llm.encoders.tasks import Sizes, task
from benchmarks.llm.models import model_folder

__all__ = ["Case", "Fitted", "fitted_of"]

LENGTH = 96  # tokens of a text
# Of heads on a frozen encoder: a few thousand texts in the usual epochs would be too few.
STEPS = 3000
TRADE_OFFS = (0.03, 0.1, 0.3, 1.0)  # of JEI-DNN, which trains gates and heads anew for each
_WARM_UP = 1 / 3  # of JEI-DNN's epochs, as 5 of 15
TUNED = FitSettings(epochs=3, batch_size=32, learning_rate=5e-5)  # of whatever is trained together with its encoder


@dataclass(frozen=True)
class Case:
    """What a row of the table is about."""

    model: str
    task: str
    encoder: str  # "frozen" or "fine-tuned"
    sizes: Sizes
    seed: int

    @property
    def folder(self) -> Path:
        """Where what takes long is kept."""
        base = os.environ.get("EARLYWARNING_STATES") or Path.home() / ".cache" / "earlywarning" / "states"
        sizes = "-".join(map(str, (self.sizes.train, self.sizes.tuning, self.sizes.test)))
        return Path(base) / f"{self.model}-{self.task}-{self.encoder}-{sizes}-{self.seed}"


@dataclass(frozen=True)
class Fitted:
    """Heads by name with the states that each reads, of texts for fitting, choosing and scoring.

    JEI-DNN has heads for each trade-off.
    """

    case: Case
    backbone: Backbone
    rows: list[Rows]
    truth: list[Any]
    heads: dict[str, ExitHeads]
    kept: dict[str, list[FirstTokenStates]]
    gated: dict[float, ExitHeads]


def fitted_of(case: Case) -> Fitted:
    """Everything that is fitted for a case.

    Heads of a frozen encoder all read the same states. Where it is fine-tuned, PABEE's and PALBERT's heads are trained
    with an encoder of their own, and those that train no encoder (JEI-DNN's, and one head shared by all layers) read
    the states of PABEE's.
    """
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder = model_folder(case.model)
    model: Any = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    splits = task(case.task, case.sizes, case.seed)
    backbone, truth = backbone_of(model), [each.labels for each in splits]
    names = ("input_ids", "attention_mask") + (("token_type_ids",) if backbone.has_token_types else ())
    reading: dict[str, Any] = {"names": names, "pad_token": int(model.config.pad_token_id), "max_length": LENGTH}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [read_rows(each.texts, tokenizer, **reading) for each in splits]
    made = Fitted(case, backbone, rows, truth, {}, {}, {})
    if case.encoder == "fine-tuned":
        for name in ("pabee", "palbert"):
            _tune(made, name)
    else:
        made.kept["pabee"] = made.kept["palbert"] = _states(made, case.folder, backbone)
        made.heads["pabee"], made.heads["palbert"] = _fit(made, "pabee"), _fit(made, "palbert")
    kept = made.kept["pabee"]
    made.kept.update(jei_dnn=kept, jei_warm=kept, shared=kept)
    warm_up = round(_WARM_UP * _epochs(made, "jei_dnn"))
    for trade_off in TRADE_OFFS:
        made.gated[trade_off] = _fit(made, "jei_dnn", trade_off=trade_off, warm_up=warm_up)
    made.heads["jei_warm"] = _fit(made, "jei_dnn", fit_inference_modules)
    made.heads["shared"] = _fit(made, "pabee", kind="ponder")  # one classifier for all layers: what sharing alone does
    return made


def _states(made: Fitted, folder: Path, backbone: Backbone) -> list[FirstTokenStates]:
    """States of all three lots of texts, from the folder where they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, rows in zip(("train", "tuning", "test"), made.rows, strict=True):
        path = folder / f"{name}.safetensors"
        if not path.exists():
            started = time.perf_counter()
            save_file({"states": _in_order(rows, backbone).states.contiguous()}, path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
            print(f"  {folder.name}/{path.name}: {time.perf_counter() - started:.0f} s", flush=True)
        found.append(FirstTokenStates(load_file(path)["states"]))
    return found


def _in_order(rows: Rows, backbone: Backbone) -> FirstTokenStates:
    return states_of_rows(backbone, rows, batch_size=32)


def _new(made: Fitted, kind: str) -> ExitHeads:
    classes = int(max(each.max() for each in made.truth)) + 1
    held = made.backbone
    return heads_named(kind, seed=made.case.seed, width=held.width, classes=classes, exits=held.depth)


def _fit(
    made: Fitted, name: str, function: Callable[..., Any] | None = None, *, kind: str | None = None, **options: Any
) -> ExitHeads:
    """Heads of a system, or of another kind, trained on states that are at hand, by its function or another."""
    system = SYSTEMS[name]
    heads = _new(made, kind or system.heads)
    given = HeadsTask(heads, torch.from_numpy(made.truth[0]), kept=made.kept["pabee"][0])
    fit = FitSettings(epochs=_epochs(made, name), batch_size=system.batch_size, seed=made.case.seed)
    (function or system.function())(given, fit, **options)
    return heads.requires_grad_(False).eval()


def _epochs(made: Fitted, name: str) -> int:
    """Of heads on a frozen encoder."""
    system = SYSTEMS[name]
    return max(system.epochs, math.ceil(STEPS / math.ceil(len(made.truth[0]) / system.batch_size)))


def _tune(made: Fitted, name: str) -> None:
    """Heads of a system and a copy of the encoder, trained together."""
    system, heads = SYSTEMS[name], _new(made, SYSTEMS[name].heads)
    folder = made.case.folder / name
    backbone = backbone_of(copy.deepcopy(made.backbone.model))
    done = folder / "tuned.safetensors"
    if not done.exists():
        given = HeadsTask(
            heads,
            torch.from_numpy(made.truth[0]),
            backbone=backbone,
            inputs=made.rows[0].rows,
            collate=made.rows[0].collate,
        )
        fit = replace(TUNED, seed=made.case.seed, directory=folder / "run", checkpoint_every=20, resume=True)
        backbone.model.train()
        history = system.function()(given, fit)
        print(f"  {folder.parent.name}/{name}: {history.steps} steps, {history.seconds:.0f} s", flush=True)
        save_file({name: each.contiguous() for name, each in given.modules().state_dict().items()}, done)
    else:
        HeadsTask(heads, torch.from_numpy(made.truth[0]), backbone=backbone).modules().load_state_dict(load_file(done))
    backbone.model.requires_grad_(False).eval()
    made.heads[name] = heads.requires_grad_(False).eval()
    made.kept[name] = _states(made, folder, backbone)
