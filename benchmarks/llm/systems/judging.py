"""How far a setting keeps to the full model, and what it runs, on texts that nothing was fitted to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from adapters.calibration.rules import Rule
from adapters.decoding.contract import Policy, Trajectory
from adapters.decoding.heads import HeadCount
from adapters.oracle.result import Oracle
from adapters.oracle.search import oracle_routes
from adapters.policies.never import NeverExitPolicy
from adapters.texts.continuations import Continuation
from adapters.texts.forcing import forced_replay
from adapters.texts.replaying import Replay, replay
from benchmarks.llm.systems.account import Use
from benchmarks.llm.systems.contenders import Choice, rule_use, small_blocks
from benchmarks.llm.systems.shorthead import ShortHeadPolicy
from benchmarks.llm.systems.statistics import calibration_error
from benchmarks.llm.systems.workbench import TOKENS, Workbench

__all__ = ["Judge"]

_BATCH = 8
_MOST_LAYERS = 12  # up to which an oracle looks at every route
_EXIT_TEXTS = 8  # of a deeper model, on which it looks at every exit
_DRAWN_TEXTS, _DRAWN = 4, 8  # and at so many routes that are drawn for each number of feed-forward blocks or layers


class Judge:
    """Measures settings of one model, all on the same texts.

    Parameters
    ----------
    bench : Workbench
        The model and its texts.
    """

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self._full: dict[tuple[str, bool], Replay] = {}  # of the full model, by texts and whether token by token
        self._oracles: dict[str, Oracle] = {}

    def judged(self, choice: Choice) -> dict[str, Any]:
        """Everything about one setting that does not depend on the clock.

        Parameters
        ----------
        choice : Choice
            The setting.

        Returns
        -------
        dict
            Plain numbers.
        """
        bench = self.bench
        policy = choice.make(bench)
        seen, heads = self._replay(policy, "own", bench.judged)
        layers, blocks = float(seen.layers.mean()), float(seen.ffn_blocks.mean())
        use = Use(layers, blocks, heads, substitutes=small_blocks(policy, bench, layers - blocks))
        if "rule" in choice.options:
            rule = Rule.from_dict(choice.options["rule"])
            use = rule_use(rule, bench, choice.options["features"], bench.judged_part)
            use = replace(use, layers=layers, ffn_blocks=blocks)
        if isinstance(policy, ShortHeadPolicy):
            use = replace(use, predictions=policy.predicted / len(seen.text))
        differ, sizes = seen.counts()
        found: dict[str, Any] = {
            "choice": choice.to_dict(),
            "cache": policy.cache,
            "differ": differ.tolist(),
            "sizes": sizes.tolist(),
            "layers": use.layers,
            "ffn_blocks": use.ffn_blocks,
            "heads": use.heads,
            "predictions": use.predictions,
            "classifiers": use.classifiers,
            "substitutes": use.substitutes,
            "theory": bench.account.share(use, policy.cache),
            "memory": use.layers / bench.family.depth if policy.cache == "monotone" else 1.0,
            "depths": _by_position(seen, bench.judged),
            "own_perplexity": seen.perplexity,
            "full_own_perplexity": seen.full_model_perplexity,
        }
        others, _ = self._replay(choice.make(bench), "others", bench.others)
        follows = np.concatenate([each.tokens[each.prompt + 1 :] for each in bench.others])
        found |= {
            "perplexity": others.perplexity,
            "full_perplexity": others.full_model_perplexity,
            "ece": calibration_error(others.probability.tolist(), (others.said == follows).tolist()),
        }
        return found

    def regret(self, choice: Choice) -> dict[str, Any]:
        """How far a setting is from the best routes with as many whole blocks.

        Parameters
        ----------
        choice : Choice
            The setting.

        Returns
        -------
        dict
            "regret", its mean and interval in nats a token, and "oracle", the routes that were looked at.
        """
        policy = choice.make(self.bench)
        said, texts, oracle = self._oracle(policy)
        seen, _ = self._replay(policy, f"oracle {len(texts)}", texts)
        regret = oracle.regret(_whole(seen))
        return {"regret": [regret.mean, regret.low, regret.high], "oracle": said}

    def agreement_in_fitting(self, choice: Choice) -> float:
        """Share of tokens that are the full model's, on the texts that settings are found on.

        Parameters
        ----------
        choice : Choice
            The setting.

        Returns
        -------
        float
            From 0 to 1.
        """
        return self._replay(choice.make(self.bench), "fitting", self.bench.fitting)[0].agreement

    def _oracle(self, policy: Policy) -> tuple[str, list[Continuation], Oracle]:
        """What is looked at, on which texts, and what came of it: of what a policy chooses among, where a model is
        shallow; of a deeper one exits, or where layers or feed-forward blocks are left out some of the many routes."""
        bench, small = self.bench, getattr(policy, "small", None)
        deep, blocks = bench.family.depth > _MOST_LAYERS, small is not None or policy.unit == "ffn"
        what = "blocks" if blocks else "layers"
        options: dict[str, Any] = {"unit": "ffn" if blocks else "layer"}
        texts, said = bench.judged, f"all routes of {what}"
        if deep and not blocks and not _skips(policy, bench):
            options, texts, said = {"unit": "exit"}, texts[:_EXIT_TEXTS], "all exits"
        elif deep:
            texts, said = texts[:_DRAWN_TEXTS], f"{_DRAWN} routes a number of {what}, drawn"
            options |= {"search": "sample", "samples": _DRAWN}
        if small is not None:
            options |= {"small": small, "choices": ("big", "small")}
        said = f"{said}; {len(texts)} texts"
        if small is not None or said not in self._oracles:
            self._oracles[said] = oracle_routes(bench.model, texts, **options)
        return said, texts, self._oracles[said]

    def _replay(self, policy: Policy, name: str, texts: list[Continuation]) -> tuple[Replay, float]:
        """A replay, and how many full heads a token ran."""
        model, stepwise = self.bench.model, policy.goes_by_step
        with torch.no_grad():
            if (name, stepwise) not in self._full:  # in the same batches, so that rounding falls on both
                run = forced_replay if stepwise else replay
                self._full[name, stepwise] = run(model, NeverExitPolicy(), texts, batch_size=_BATCH)
            full = self._full[name, stepwise]
            counted = _Counted(self.bench.family.head, policy)
            if stepwise:
                seen = forced_replay(model, policy, texts, batch_size=_BATCH)
                seen = replace(seen, agrees=seen.said == full.said, full_model_log_likelihood=full.log_likelihood)
            else:
                seen = replay(model, policy, texts, batch_size=_BATCH, full_model=full)
        return seen, (counted.looks + len(seen.text) - counted.spoke) / len(seen.text)


class _Counted:
    """Counts the full heads that the checks of a policy take, and the tokens that leave with what a check made."""

    def __init__(self, head: Any, policy: Policy) -> None:
        self.looks = self.spoke = 0
        check, count = policy.check, HeadCount(head)

        def counted(trajectory: Trajectory) -> Any:
            with count.counting() as use:
                found = check(trajectory)
            self.looks += use.rows
            if found is not None and found.logits is not None:
                self.spoke += len(found.logits)
            return found

        policy.check = counted  # type: ignore[method-assign]


def _skips(policy: Policy, bench: Workbench) -> bool:
    """Whether its plan leaves out layers that are not the last ones."""
    policy.bind(bench.family)
    policy.start(1, None)
    found = any(policy.plan(step).skip_layers for step in (0, TOKENS - 2))
    policy.unbind()
    return found


def _whole(seen: Replay) -> Replay:
    """Counts that are means of a batch, rounded."""
    return replace(seen, ffn_blocks=np.rint(seen.ffn_blocks).astype(np.int64))


def _by_position(seen: Replay, texts: list[Continuation]) -> list[float]:
    """Mean number of layers of the tokens at each place of a continuation."""
    steps = np.concatenate([np.arange(each.decided) for each in texts])
    return (np.bincount(steps, seen.layers) / np.bincount(steps)).tolist()
