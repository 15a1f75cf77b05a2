"""What each process of a tensor-parallel group runs, and what one process runs to compare with.

``python tensor_parallel_worker.py FOLDER`` with RANK and WORLD_SIZE set, as torchrun sets them: reads the models in
FOLDER, meets the others through the file FOLDER/meeting, and writes FOLDER/rank-N.json.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import BoolArray, CacheMode, Exit, Plan, Policy, Trajectory
from adapters.families import Family
from adapters.heads.full import FullHead
from adapters.heads.shortlist import ShortListHead
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.never import NeverExitPolicy
from adapters.policies.random import RandomExitPolicy

MODELS = ("llama", "gpt_neox", "phi3", "qwen3", "mixtral", "olmo2")
NEW = 9

ONE = torch.tensor([[5, 17, 23, 42, 8]])
# Rows of different lengths, padded on the left with 0.
THREE = torch.tensor([[0, 0, 31, 7, 77], [5, 17, 23, 42, 8], [0, 64, 9, 2, 50]])


def rank() -> int:
    """Which of the processes this is; 0 where it is alone."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


class Sure(Policy):
    """Leave where the model's head, asked after each layer, is surer than some share; emit what it said."""

    def __init__(self, *, cache: CacheMode, least: float = 0.2) -> None:
        super().__init__(unit="layer", cache=cache)
        self.least = least

    def bind(self, family: Family) -> None:
        self._family = family

    def plan(self, step: int) -> Plan:
        return Plan(checks=tuple(range(1, self._family.depth)))

    def look(self, states: Tensor) -> Tensor:
        return self._family.logits(self._family.finish(states[:, None]))[:, 0]

    def check(self, trajectory: Trajectory) -> Exit | None:
        logits = self.look(trajectory.state())
        rows = (logits.softmax(-1).amax(-1) > self.least).cpu().numpy()
        return Exit(rows=rows, logits=logits[torch.as_tensor(rows, device=logits.device)])


class SometimesSure(Sure):
    """Look only at rows that a cheap signal picks, which the processes agree on first."""

    astray = False

    def check(self, trajectory: Trajectory) -> Exit | None:
        states = trajectory.state()
        worth = (states[:, 0] > 0).numpy()
        worth = self._family.agreed(~worth if self.astray and rank() else worth)
        if not worth.any():
            return None
        logits = self.look(states[torch.from_numpy(worth)])
        sure = (logits.softmax(-1).amax(-1) > self.least).cpu().numpy()
        rows = worth.copy()
        rows[worth] = sure
        return Exit(rows=rows, logits=logits[torch.as_tensor(sure, device=logits.device)])


class Short(Sure):
    """Look through a short list of tokens, for which no process needs another."""

    def bind(self, family: Family) -> None:
        super().bind(family)
        head = FullHead.of(family)
        self._short = ShortListHead.fit(head, torch.eye(family.width, dtype=head.weight.dtype), rank=16, candidates=10)

    def check(self, trajectory: Trajectory) -> Exit | None:
        look = self._short.predict(trajectory.state(), trajectory.depth)
        rows = (look.confidence > self.least).cpu().numpy()
        logits = look.logits()
        return Exit(rows=rows, logits=logits[torch.as_tensor(rows, device=logits.device)])


class Feeds(Policy):
    """Leave out feed-forward blocks where the state says so, row by row."""

    def __init__(self) -> None:
        super().__init__(unit="ffn", cache="exact")

    def bind(self, family: Family) -> None:
        self._depth = family.depth

    def plan(self, step: int) -> Plan:
        return Plan(ffn_checks=frozenset(range(1, self._depth)))

    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray:
        return (post_attention[:, index] > 0).numpy()


class Routes(Policy):
    """Routes of feed-forward blocks that are planned in every other token, and told by the state in the others."""

    def __init__(self) -> None:
        super().__init__(unit="ffn", cache="exact")

    def bind(self, family: Family) -> None:
        self._depth = family.depth

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        self._rows = rows

    def plan(self, step: int) -> Plan:
        if step % 2:
            return Plan(ffn_checks=frozenset(range(self._depth)))
        return Plan(ffn_routes=np.random.default_rng(step).integers(0, 3, (self._rows, self._depth)))

    def run_ffn(self, index: int, post_attention: Tensor) -> Any:
        return ((post_attention[:, index] > 0).long() * 2).numpy()

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        return 0.1 * post_attention


class AstrayRoutes(Routes):
    """The other processes plan routes in other tokens, leave out more, and go the other ways where they are asked."""

    def plan(self, step: int) -> Plan:
        if rank() and step % 2 == 0:
            return Plan(ffn_routes=np.zeros(self._depth, dtype=int)) if step % 4 else Plan(ffn_checks=frozenset({1}))
        return super().plan(step)

    def run_ffn(self, index: int, post_attention: Tensor) -> Any:
        return 1 if rank() else super().run_ffn(index, post_attention)


class Both(Sure):
    """Leave, and leave out feed-forward blocks."""

    def plan(self, step: int) -> Plan:
        return Plan(checks=(2, 4), ffn_checks=frozenset(range(1, self._family.depth)))

    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray:
        return (post_attention[:, index] > 0).numpy()


class Skips(Policy):
    """Leave out other layers in between for each token."""

    def __init__(self) -> None:
        super().__init__(unit="layer", cache="propagate")

    def bind(self, family: Family) -> None:
        self._depth = family.depth

    def plan(self, step: int) -> Plan:
        return Plan(skip_layers=frozenset({1 + step % (self._depth - 1)}), exit=self._depth - step % 2)


class AstraySure(Sure):
    """The other processes answer otherwise: they stay where the first leaves, and leave, wordless, where it stays."""

    def check(self, trajectory: Trajectory) -> Exit | None:
        found = super().check(trajectory)
        if not rank() or found is None or found.rows is None:
            return found
        return Exit(rows=~found.rows) if trajectory.depth % 2 else None


class WordlessSure(Sure):
    """The first process leaves without logits of its own, the others with some."""

    def check(self, trajectory: Trajectory) -> Exit | None:
        found = super().check(trajectory)
        return found if rank() or found is None else Exit(rows=found.rows)


class AstrayFeeds(Feeds):
    """The other processes run the blocks that the first leaves out."""

    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray:
        return bool(index % 2) if rank() else super().run_ffn(index, post_attention)


class AstraySkips(Skips):
    """The other processes leave out nothing, and ask."""

    def plan(self, step: int) -> Plan:
        if rank():
            return Plan(checks=(1, 2), exit=np.array([1]) if step % 2 else None, ffn_checks=frozenset({2}))
        return super().plan(step)


def astray_looks() -> SometimesSure:
    """The other processes would look at other rows."""
    policy = SometimesSure(cache="deferred")
    policy.astray = True
    return policy


def _random(cache: CacheMode, *, rate: float = 0.7, seed: int = 0) -> RandomExitPolicy:
    return RandomExitPolicy(cache=cache, rate=rate, seed=seed)


# Name of the run → the policy, and whether the prompt has several rows.
Runs = dict[str, tuple[Callable[[], Policy], bool]]
ALIKE: Runs = {
    "never": (NeverExitPolicy, False),
    "never, rows": (NeverExitPolicy, True),
    "random, deferred": (lambda: _random("deferred"), False),
    "random, propagate": (lambda: _random("propagate"), False),
    "random, verify": (lambda: _random("verify"), False),
    "random, deferred, rows": (lambda: _random("deferred"), True),
    "random, propagate, rows": (lambda: _random("propagate"), True),
    "sure, deferred": (lambda: Sure(cache="deferred"), False),
    "sure, propagate": (lambda: Sure(cache="propagate"), False),
    "sure, verify": (lambda: Sure(cache="verify"), False),
    "sure, deferred, rows": (lambda: Sure(cache="deferred"), True),
    "feeds": (Feeds, False),
    "feeds, rows": (Feeds, True),
    "routes, rows": (Routes, True),
    "both, rows": (lambda: Both(cache="propagate"), True),
    "skips": (Skips, False),
    "sometimes, rows": (lambda: SometimesSure(cache="deferred"), True),
    "short, rows": (lambda: Short(cache="deferred", least=0.5), True),
    "ews": (lambda: EWSExitPolicy(depths=(4, 5), threshold=0.1, window=3, warmup=1), False),
    "ews, rows": (lambda: EWSExitPolicy(depths=(4, 5), threshold=0.1, window=3, warmup=1), True),
}
# Runs in which the other processes decide otherwise → the run that must come out.
ASTRAY: dict[str, tuple[Callable[[], Policy], str]] = {
    "random, other seeds": (lambda: _random("deferred", seed=rank()), "random, deferred, rows"),
    "random, other rates": (lambda: _random("verify", rate=0.7 - 0.7 * rank()), "random, verify"),
    "sure, other answers": (lambda: AstraySure(cache="deferred"), "sure, deferred, rows"),
    "sure, other answers, one row": (lambda: AstraySure(cache="propagate"), "sure, propagate"),
    "sure, other words": (lambda: WordlessSure(cache="deferred"), "sure, deferred, rows"),
    "sure, other looks": (astray_looks, "sometimes, rows"),
    "feeds, other answers": (AstrayFeeds, "feeds, rows"),
    "routes, other routes": (AstrayRoutes, "routes, rows"),
    "skips, other plans": (AstraySkips, "skips"),
}
FUSED = ("never, rows", "random, propagate", "random, propagate, rows")  # what is run on all models


def run(model: Any, policy: Policy, *, several: bool) -> dict[str, Any]:
    """Tokens, where they left, and the keys of the last layer."""
    ids = THREE if several else ONE
    found = model.generate(
        input_ids=ids,
        attention_mask=(ids != 0).long(),
        custom_generate=policy,
        max_new_tokens=NEW,
        do_sample=False,
        return_dict_in_generate=True,
    )
    report = policy.report()
    return {
        "tokens": found.sequences.tolist(),
        "exits": {str(depth): count for depth, count in report.exits.items()},
        "feeds": report.ffn_blocks_per_token,
        "keys": found.past_key_values.layers[-1].keys.tolist(),
    }


def runs(models: Callable[[str], Any], *, astray: bool) -> dict[str, Any]:
    """All runs on all models."""
    found: dict[str, Any] = {}
    for name in MODELS:
        model = models(name)
        found[name] = {"parts": len(model.state_dict())}
        for title, (policy, several) in ALIKE.items():
            if name == MODELS[0] or title in FUSED:
                found[name][title] = run(model, policy(), several=several)
    if astray:
        model = models(MODELS[0])
        for title, (policy, like) in ASTRAY.items():
            found[MODELS[0]][title] = run(model, policy(), several=ALIKE[like][1])
    return found


def loading(name: str) -> dict[str, Any]:
    """How to load a model in double precision, in which experts have no products but the plain ones."""
    return {"dtype": torch.float64, **({"experts_implementation": "eager"} if name == "mixtral" else {})}


def main(folder: Path) -> None:
    """Meet, run, write."""
    from transformers import AutoModelForCausalLM
    from transformers.distributed import DistributedConfig

    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=int(os.environ["RANK"]),
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=timedelta(seconds=60),
    )

    def load(name: str) -> Any:
        config = DistributedConfig(tp_plan="auto")
        model = AutoModelForCausalLM.from_pretrained(folder / name, distributed_config=config, **loading(name))
        assert model._tp_size == 2
        return model

    found = runs(load, astray=True)
    (folder / f"rank-{rank()}.json").write_text(json.dumps(found))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
