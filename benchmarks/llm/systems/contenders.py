"""The systems: for each budget a setting that keeps within it on the fitting texts, or the reason why none does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from adapters.calibration.rules import TOLERANCES, DepthRule, Rule, choose_rules
from adapters.calibration.table import ExitTable
from adapters.cli.loading import load_policy
from adapters.decoding.contract import Policy
from adapters.heads.logistic import Logistic
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.ffn_skip import FFNSkipPolicy
from adapters.policies.registry import policy_named
from adapters.texts.replaying import replay
from benchmarks.llm.systems.account import Use, within
from benchmarks.llm.systems.shorthead import ShortHeadPolicy
from benchmarks.llm.systems.workbench import DEPTHS, TOKENS, Workbench
from ews.errors import EWSError

__all__ = ["CONTROL", "CONTROLS", "EWS", "SHORT", "SYSTEMS", "Choice", "rule_use", "small_blocks"]

_WARMUP = 0.1  # of FFN-SkipLLM, as published
_BOLD = tuple(np.linspace(0.62, 0.98, 19))  # further than calibration would look for a risk
_RIGHT = tuple(np.linspace(0.05, 0.975, 38))  # probabilities from which a classifier lets a token leave
_COPYING = 5  # rules that copy states, each with other depths, of which that is measured
_RULE_TEXTS = 8  # on which it is measured what copied states do
_FFN_TEXTS, _FFN_TOKENS = 10, 24  # on which its threshold is found

_FOLDER = "folder"  # of a policy that was trained

EWS, CONTROL, ONE_LOOK = "EWS", "EWS without windows (control)", "one look, no rule (control)"
SHORT = " + short head"  # after the name of a system that has the head of the early-warning policy
CONTROLS = {CONTROL: "without windows", ONE_LOOK: "of one look"}


@dataclass(frozen=True)
class Choice:
    """A system in the setting that was found for a budget.

    Attributes
    ----------
    setting : str
        What was set, for the table.
    policy : str
        Name in the registry of policies.
    options : mapping
        Its options; of the calibrated policy its rule, features and cache.
    expected : float
        Cost on the fitting texts, of the full model's.
    short : bool
        Whether it reads through the short-listed head.
    """

    setting: str
    policy: str
    options: Mapping[str, Any] = field(default_factory=dict)
    expected: float = 1.0
    short: bool = False

    def make(self, bench: Workbench) -> Policy:
        """The policy."""
        if self.short:
            rule = replace(self, short=False).make(bench)
            measure = _MEASURES.get(self.policy)
            threshold = float(self.options["threshold"]) if measure is not None else np.inf
            return ShortHeadPolicy(
                rule, bench.head, measure=measure, threshold=-threshold if measure == "entropy" else threshold
            )
        if self.policy == _FOLDER:
            return load_policy(str(bench.duo[self.options["folder"]]), bench.model)
        if self.policy == "classifier":
            return policy_named(self.policy, classifiers=bench.classifiers, **self.options)
        if "rule" not in self.options:
            return policy_named(self.policy, **self.options)
        cache = self.options["cache"]
        calibration = bench.calibration(self.options["features"], cache)
        rule = Rule.from_dict(self.options["rule"])
        return EWSExitPolicy(calibration=replace(calibration, rule=rule), cache=cache)

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and strings."""
        return asdict(self)


System = Callable[[Workbench, float], "Choice | str"]
_MEASURES = {"confidence": "probability", "entropy": "entropy"}  # of rules that go by a prediction


def _short(system: System) -> System:
    """The same system with the short-listed head, set anew for it."""

    def find(bench: Workbench, budget: float) -> Choice | str:
        found = system(bench.short_listed, budget)
        return found if isinstance(found, str) else replace(found, short=True)

    return find


def _too_dear(least: float) -> str:
    return f"none fits: at its boldest it costs {least:.2f}"


# ---- the early-warning policy, and its controls ---------------------------------------------------------------------


def rule_use(rule: Rule, bench: Workbench, features: Any, part: Any) -> Use:
    """What a token runs under a rule, on texts of the recording."""
    table = bench.evidence(features, part)
    columns, _, classifiers, predictions = rule.outcome(table)
    depths = np.asarray((*table.depths, bench.family.depth))[columns]
    mean = float(depths.mean())
    return Use(mean, mean, float((columns < 0).mean()), float(predictions.mean()), float(classifiers.mean()))


def _candidates(bench: Workbench, features: Any) -> list[tuple[Rule, str]]:
    """Rules and caches: as calibration proposes them; for states that are copied upwards, as others copy them; with the
    short-listed head after the last layer whatever it says, as others have it there; and with exits that a classifier
    decides alone, as others decide by one number of the state."""
    table, layers = bench.evidence(features, bench.proposing), bench.family.depth
    last = DepthRule(layers, None, -np.inf, 0.0)
    alone = _decided_by_classifiers(table, layers, last)
    found: list[tuple[Rule, str]] = []
    for cache, completion in (("deferred", bench.account.costs.completion), ("propagate", bench.account.projection)):
        costs = replace(bench.account.costs, completion=completion)
        found += [(rule, cache) for rule in choose_rules(table, costs, layers)]
        short = replace(costs, head=costs.prediction)
        for rule in choose_rules(table, short, layers, tolerances=(*TOLERANCES, *_BOLD)):
            exits = (*(each for each in rule.exits if each.depth < layers), last)
            found.append((replace(rule, exits=exits), cache))
        found += [(rule, cache) for rule in alone]
    return found


def _decided_by_classifiers(table: ExitTable, layers: int, last: DepthRule) -> list[Rule]:
    """At one depth, two or three: a token leaves where its prediction is right with some probability, unseen."""
    inner = [at for at, depth in enumerate(table.depths) if depth < layers]
    fitted = {at: Logistic.fit(table.features[:, at], table.correct[:, at]) for at in inner}
    found = []
    for count in (1, 2, 3):
        for chosen in combinations(inner, count):
            for right in _RIGHT:
                odds = float(np.log(right / (1 - right)))
                exits = tuple(DepthRule(table.depths[at], fitted[at], odds, 0.0) for at in chosen)
                found.append(Rule(1 - right, (*exits, last)))
    return found


def _calibrated(features: Any, *, rules: bool) -> System:
    """The rule that keeps within the budget with the fewest tokens that differ.

    Rules come from one half of the texts that rules are for. What they cost and how often they agree is read off the
    other, on which no classifier was fitted: with many features the ones that fit their own texts best would be taken.
    There, states are the full model's. What it costs in agreement that later tokens see copied states is measured on
    some texts, for the best rules that copy.
    """
    known: dict[str, list[tuple[Rule, str, float, float]]] = {}  # of each model: also agreement and cost

    def weighed(bench: Workbench) -> list[tuple[Rule, str, float, float]]:
        if bench.name not in known:
            part = bench.choosing
            table = bench.evidence(features, part)
            tried = _candidates(bench, features) if rules else []
            tried += [  # every token leaves at the first look that it takes
                (Rule(1.0, (DepthRule(depth, None, -np.inf, 0.0),)), "monotone") for depth in table.depths
            ]
            known[bench.name] = [
                (
                    rule,
                    cache,
                    float(rule.outcome(table)[1].mean()),
                    bench.account.share(rule_use(rule, bench, features, part), cache),
                )
                for rule, cache in tried
            ]
        return known[bench.name]

    def find(bench: Workbench, budget: float) -> Choice | str:
        best: dict[tuple[str, tuple[int, ...]], tuple[float, float, Choice]] = {}  # by cache, and depths of looks
        for rule, cache, agrees, cost in weighed(bench):
            depths = tuple(each.depth for each in rule.exits)
            if cost <= budget and ((cache, depths) not in best or (agrees, -cost) > best[cache, depths][:2]):
                gates = sum(each.classifier is not None for each in rule.exits)
                setting = f"looks after {', '.join(map(str, depths))}; gates: {gates or 'none'}"
                options = {"rule": rule.to_dict(), "features": features, "cache": cache}
                best[cache, depths] = (agrees, -cost, Choice(setting, "ews", options, cost))
        if not best:
            return _too_dear(min(cost for *_, cost in weighed(bench)))
        exact = [each for (cache, _), each in best.items() if cache != "propagate"]
        copying = [each for (cache, _), each in best.items() if cache == "propagate"]
        likely = sorted(copying, key=lambda each: each[:2], reverse=True)[:_COPYING]
        likely = [each for each in likely if each[0] > max((other[0] for other in exact), default=0.0)]
        found = exact + [(agrees + _drift(bench, choice), cost, choice) for agrees, cost, choice in likely]
        return max(found, key=lambda each: each[:2])[2]

    return find


def _drift(bench: Workbench, choice: Choice) -> float:
    """By how much a rule agrees more (less, where it is negative) on states that it has changed itself: same tokens."""
    part = bench.choosing[:_RULE_TEXTS]
    texts = bench.texts(part)
    table = bench.evidence(choice.options["features"], part)
    agrees = Rule.from_dict(choice.options["rule"]).outcome(table)[1]
    recorded = sum(float(agrees[table.text == index][: text.decided].sum()) for index, text in texts.items())
    changed = replay(bench.model, choice.make(bench), list(texts.values())).agreement
    return float(changed - recorded / sum(text.decided for text in texts.values()))


# ---- thresholds -----------------------------------------------------------------------------------------------------

_HEADLESS: tuple[Mapping[str, Any], ...] = ({}, {"depths": DEPTHS})
# At every layer, as published; and since each look costs a full head, at fewer.
_LOOKS: tuple[Sequence[float] | None, ...] = (None, (0.35,), (0.5,), (0.7,), (0.85,), (2 / 3, 0.8, 0.9))


def _at(shares: Sequence[float] | None, layers: int) -> list[int]:
    """Depths that are given as shares of the model; all of them for None."""
    if shares is None:
        return list(range(1, layers))
    return sorted({min(layers - 1, max(2, round(layers * share))) for share in shares})


def _translated(bench: Workbench) -> tuple[list[int], ...]:
    """Depths of the short-listed head's lens, where that is what is read: all of them, and each alone."""
    if not bench.short or bench.head.lens is None:
        return ()
    depths = sorted(bench.head.lens.depths)
    return (depths, *([depth] for depth in depths))


def _headless(
    name: str, option: str, ends: tuple[float, float], *, fixed: Sequence[Mapping[str, Any]] = _HEADLESS
) -> System:
    """A threshold on what costs no head, by bisection; of several ways to set the rest, what agrees most."""

    def find(bench: Workbench, budget: float) -> Choice | str:
        least, found = np.inf, []
        ways = [
            {**each, "depths": _at(each["depths"], bench.family.depth)} if "depths" in each else each for each in fixed
        ]
        if any("depths" in each for each in fixed):
            ways += [{"depths": depths} for depths in _translated(bench)]
        for others in ways:
            given = {**others, "cache": "propagate"}

            def seen(value: float, given: Mapping[str, Any] = given) -> tuple[float, float]:
                found = bench.simulated(Choice("", name, {option: value, **given}).make(bench))
                return bench.account.share(found.use, "propagate"), found.agreement

            least = min(least, *(seen(end)[0] for end in ends))
            value = within(lambda each, seen=seen: seen(each)[0], budget, ends)
            if value is not None:
                cost, agreement = seen(value)
                setting = f"{option} {value:.3g}{_listed(given.get('depths'))}"
                found.append((agreement, Choice(setting, name, {option: value, **given}, cost)))
        return max(found, key=lambda each: each[0])[1] if found else _too_dear(least)

    return find


def _confident(
    name: str, measure: str, ends: tuple[float, float], *, surer: Callable[[Any, float], Any] = np.greater_equal
) -> System:
    """A threshold on what the full head says, by bisection; of several depths to look at, what agrees most."""

    def find(bench: Workbench, budget: float) -> Choice | str:
        least, found = np.inf, []
        ways = [(shares is None, _at(shares, bench.family.depth)) for shares in _LOOKS]
        for everywhere, depths in (*ways, *((False, depths) for depths in _translated(bench))):

            def seen(value: float, depths: list[int] = depths) -> tuple[float, float]:
                found = bench.confident(surer(bench.lens.measures[measure], value), depths)
                return bench.account.share(found.use, "propagate"), found.agreement

            least = min(least, *(seen(end)[0] for end in ends))
            value = within(lambda each, seen=seen: seen(each)[0], budget, ends)
            if value is not None:
                cost, agreement = seen(value)
                options: dict[str, Any] = {"threshold": value, "depths": depths, "cache": "propagate"}
                said = " at every layer" if everywhere else _listed(depths)
                found.append((agreement, Choice(f"threshold {value:.3g}{said}", name, options, cost)))
        return max(found, key=lambda each: each[0])[1] if found else _too_dear(least)

    return find


def _listed(depths: Sequence[int] | None) -> str:
    return "" if depths is None else f" after {', '.join(map(str, depths))}"


# ---- plans that are known beforehand --------------------------------------------------------------------------------


def planned(bench: Workbench, policy: Policy) -> float:
    """Cost of a policy whose plan says all, over the tokens of a continuation."""
    policy.bind(bench.family)
    policy.start(1, None)
    layers, blocks = [], []
    for step in range(TOKENS - 1):
        plan = policy.plan(step)
        run = (bench.family.depth if plan.exit is None else int(np.mean(plan.exit))) - len(plan.skip_layers)
        left_out = 0 if plan.ffn_routes is None else int((np.asarray(plan.ffn_routes) != 1).sum())
        layers.append(run)
        blocks.append(run - left_out)
    policy.unbind()
    return bench.account.share(Use(float(np.mean(layers)), float(np.mean(blocks)), 1.0), policy.cache)


def _stepped(
    name: str, options: Callable[[Workbench, float], dict[str, Any]], ends: tuple[float, float], say: str
) -> System:
    """A parameter of a policy whose plan says all, by bisection."""

    def find(bench: Workbench, budget: float) -> Choice | str:
        def cost(value: float) -> float:
            return planned(bench, policy_named(name, **options(bench, value)))

        value = within(cost, budget, ends)
        if value is None:
            return _too_dear(min(map(cost, ends)))
        given = options(bench, value)
        setting = say.format(**{key: f"{each:.3g}" if isinstance(each, float) else each for key, each in given.items()})
        return Choice(setting, name, given, cost(value))

    return find


def _fixed(bench: Workbench, budget: float) -> Choice | str:
    costs = {depth: planned(bench, policy_named("fixed", depth=depth)) for depth in range(1, bench.family.depth)}
    fits = [depth for depth, cost in costs.items() if cost <= budget]
    if not fits:
        return _too_dear(min(costs.values()))
    return Choice(f"after {max(fits)} layers", "fixed", {"depth": max(fits)}, costs[max(fits)])


def _random(bench: Workbench, budget: float) -> Choice | str:
    depth = bench.family.depth

    def cost(rate: float) -> float:
        mean = rate * depth / 2 + (1 - rate) * depth
        return bench.account.share(Use(mean, mean, 1.0), "propagate")

    rate = within(cost, budget, (0.0, 1.0))
    if rate is None:
        return _too_dear(cost(1.0))
    return Choice(f"rate {rate:.2f}", "random", {"rate": rate, "cache": "propagate"}, cost(rate))


def _skip_decode(bench: Workbench, value: float) -> dict[str, Any]:
    """From all layers down to some, or where that is not enough from fewer down to the warm-up layer and the last."""
    depth = bench.family.depth
    least = 2  # the warm-up layer, and the last
    span = round(value * (2 * depth - 2 * least))  # how much of both ends is taken away
    low = depth - min(span, depth - least)
    high = depth - max(0, span - (depth - least))
    return {"length": TOKENS - 1, "max_exit": high, "min_exit": low}


# ---- feed-forward blocks --------------------------------------------------------------------------------------------


def _share_of_blocks(bench: Workbench, budget: float) -> float:
    """Share of the feed-forward blocks of a token whose leaving out keeps within a budget."""
    return (1 - budget) * bench.account.full / (bench.account.costs.ffn * bench.family.depth)


def _greedy_ffn(bench: Workbench, budget: float) -> Choice | str:
    """By the calibration of the policy itself, on short continuations of some fitting prompts."""
    length = TOKENS - 1
    warmup = _WARMUP * length
    wanted = _share_of_blocks(bench, budget) * length / (length - warmup)
    if wanted > 1:
        return "none fits: more than all blocks would have to be left out"
    prompts = sorted((each.tokens[: each.prompt].tolist() for each in bench.fitting), key=len)[:_FFN_TEXTS]
    try:
        found = FFNSkipPolicy.calibrate(
            bench.model, None, prompts, skip_ratio=wanted, max_new_tokens=_FFN_TOKENS, progress=False
        ).calibration
    except EWSError as error:
        return f"none fits: {wanted:.2f} of the blocks would have to be left out ({str(error).splitlines()[0]})"
    assert found is not None
    options = {**found.options, "warmup": _WARMUP, "length": length}
    left_out = found.realised * (length - warmup) / length
    cost = bench.account.share(Use(bench.family.depth, bench.family.depth * (1 - left_out), 1.0), "exact")
    setting = f"τ {found.threshold:.3f}, k {found.k}, layers {found.cold_start} to {found.cold_end - 1}"
    return Choice(setting, "ffn_skip", options, cost)


def _random_ffn(bench: Workbench, budget: float) -> Choice | str:
    rate = _share_of_blocks(bench, budget)
    if rate > 1:
        return f"none fits: without any block it costs {1 - (1 - budget) / rate:.2f}"
    return Choice(f"rate {rate:.2f}", "random_ffn", {"rate": rate}, budget)


def _fixed_ffn(bench: Workbench, budget: float) -> Choice | str:
    """Blocks that turn the state least, on the fitting texts."""
    depth, rate = bench.family.depth, _share_of_blocks(bench, budget)
    count = int(np.ceil(rate * depth - 1e-9))
    if count > depth:
        return f"none fits: without any block it costs {1 - (1 - budget) / rate:.2f}"
    cosines = [each.cosine for each in bench.blocks]
    layers = sorted(int(layer) for layer in np.argsort(cosines)[::-1][:count])
    use = Use(depth, depth - count, 1.0)
    setting = f"{count} blocks: {', '.join(map(str, layers))}"
    return Choice(setting, "fixed_ffn", {"layers": layers}, bench.account.share(use, "exact"))


def small_blocks(policy: Policy, bench: Workbench, left_out: float) -> float:
    """What stands in for so many feed-forward blocks, in whole blocks; 0 where nothing does."""
    small = getattr(policy, "small", None)
    if small is None:
        return 0.0
    size = sum(each.numel() for each in small.parameters()) / bench.family.depth
    layer = sum(each.numel() for each in bench.family.layers[bench.family.depth // 2].parameters())
    return float(left_out * size / (layer * bench.account.costs.ffn))


def _duo(bench: Workbench, budget: float) -> Choice | str:
    """Of those that were trained, the one that costs most within the budget."""
    if not bench.duo:
        return "not trained for this model"
    found = []
    for name, folder in bench.duo.items():
        policy = load_policy(str(folder), bench.model)
        seen = replay(bench.model, policy, bench.fitting[:_FFN_TEXTS])
        blocks = float(seen.ffn_blocks.mean())
        substitutes = small_blocks(policy, bench, bench.family.depth - blocks)
        cost = bench.account.share(Use(bench.family.depth, blocks, 1.0, substitutes=substitutes), "exact")
        found.append(Choice(f"trained, {blocks:.1f} big blocks", _FOLDER, {"folder": name}, cost))
    fits = [each for each in found if each.expected <= budget]
    return max(fits, key=lambda each: each.expected) if fits else _too_dear(min(each.expected for each in found))


_FOUND: dict[str, System] = {
    EWS: _calibrated("both", rules=True),
    CONTROL: _calibrated("raw", rules=True),
    ONE_LOOK: _calibrated("raw", rules=False),
    "SkipDecode": _stepped(
        "skip_decode", _skip_decode, (0.0, 1.0), "from {max_exit} to {min_exit} layers over {length} tokens"
    ),
    "unified layer skipping": _stepped(
        "unified_skip",
        lambda bench, value: {"speedup": 1.0 + value * (bench.family.depth / 2 - 1.0)},
        (0.0, 1.0),
        "speed-up {speedup}",
    ),
    "FFN-SkipLLM": _greedy_ffn,
    "random FFN skip": _random_ffn,
    "fixed FFN skip": _fixed_ffn,
    "Duo-LLM": _duo,
    "CALM confidence": _confident("confidence", "probability", (0.0, 1.0)),
    "CALM saturation": _headless("saturation", "threshold", (-1.0, 1.0)),
    "CALM learned classifier": _headless("classifier", "threshold", (0.0, 1.0), fixed=({},)),
    "DeeBERT entropy": _confident("entropy", "entropy", (0.0, 12.0), surer=np.less),
    "fixed point": _headless(
        "fixed_point", "update", (0.0, 4.0), fixed=(*_HEADLESS, *({**each, "alignment": -1.0} for each in _HEADLESS))
    ),
    "fixed exit": _fixed,
    "random exit": _random,
}

# Those that read early exits, once more with the head that the early-warning policy reads through. A fixed exit with it
# is the control of one look.
_READ_EXITS = (
    "CALM confidence",
    "CALM saturation",
    "CALM learned classifier",
    "DeeBERT entropy",
    "fixed point",
    "random exit",
)
SYSTEMS = _FOUND | {name + SHORT: _short(_FOUND[name]) for name in _READ_EXITS}
