"""The suitability check: what it measures, what it concludes, and what it cannot work with."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch

from adapters.assessment.ffn import FixedFFNSkip, check_ffn
from adapters.assessment.result import LensCheck
from adapters.assessment.run import LEAVE_ALONE, Gain, Suitability, _settled, _verified, assess
from adapters.calibration.costs import Costs
from adapters.errors import UnsupportedModelError
from adapters.families import family_of
from adapters.texts.continuations import full_model_continuations
from adapters.texts.replaying import replay
from ews.errors import ArgumentError, InputTypeError, ValueRangeError
from tests.adapters.tiny import TINY

torch.set_num_threads(1)
LAYERS = 6


@pytest.fixture(scope="module")
def model() -> Any:
    return TINY["llama"](layers=LAYERS)


@pytest.fixture(scope="module")
def texts() -> list[list[int]]:
    random = np.random.default_rng(1)
    return [random.integers(1, 101, 6).tolist() for _ in range(20)]


@pytest.fixture(scope="module")
def found(model: Any, texts: list[list[int]]) -> Suitability:
    return assess(model, None, texts, max_new_tokens=16, progress=False)


def test_costs_are_measured(found: Suitability) -> None:
    costs = found.costs
    assert costs.measured
    assert found.layer_seconds > 0
    assert min(costs.head, costs.prediction, costs.classifier) > 0
    assert 0 <= costs.ffn <= 1
    assert costs.completion >= 0


def test_lens_is_right_after_the_last_layer(found: Suitability) -> None:
    assert [each.depth for each in found.lens] == list(range(1, LAYERS + 1))
    assert found.lens[-1].raw == 1.0
    assert all(0.0 <= each.raw <= 1.0 for each in found.lens)
    assert all(each.tuned is not None for each in found.lens)  # a model of six layers has room for all depths


def test_ways_are_bounded_by_foresight(found: Suitability) -> None:
    ways = {(gain.way, gain.cache): gain for gain in found.gains}
    exits = ways["early exits", "deferred"]
    assert exits.best <= ways["short head alone", "deferred"].best
    for gain in found.gains:
        assert 0 < gain.best <= 1
        assert gain.achievable is None or gain.achievable >= gain.best - 1e-9
    assert ways["early exits", "propagate"].achievable is None  # dense text cannot tell
    assert ways["drafts, checked", "verify"].agreement == 1.0


def test_what_was_done_is_recorded(found: Suitability) -> None:
    config = found.config
    assert (config.texts, config.tokens, config.layers, config.vocabulary) == (20, 20 * 15, LAYERS, 101)
    assert (config.model_type, config.dtype, config.device, config.seed) == ("llama", "float32", "cpu", 0)
    assert json.loads(json.dumps(found.to_dict()))["verdict"] == found.verdict


def test_same_seed_same_figures(model: Any, texts: list[list[int]], found: Suitability) -> None:
    again = assess(model, None, texts, max_new_tokens=16, progress=False)
    assert (again.lens, again.ffn) == (found.lens, found.ffn)


def test_model_is_as_before(model: Any, texts: list[list[int]]) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = [list(text) for text in texts]
    assess(model, None, given, max_new_tokens=16, progress=False)
    assert given == texts
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.model.layers)


@pytest.mark.parametrize(
    ("shares", "agreements", "verdict", "way"),
    [
        ((0.98, 1.0), (1.0, 1.0), "leave this model alone", None),
        ((LEAVE_ALONE, 1.0), (0.96, 1.0), "worth calibrating", 0),
        ((0.90, 0.70), (1.0, 0.95), "worth calibrating", 1),
        ((0.80, 0.795), (0.99, 0.95), "worth calibrating", 0),  # too near to tell: the more faithful one
        ((None, 0.9), (None, 0.95), "worth calibrating", 1),
        ((None, None), (None, None), "leave this model alone", None),
    ],
)
def test_verdict_goes_by_what_is_achievable(
    found: Suitability, shares: Any, agreements: Any, verdict: str, way: int | None
) -> None:
    gains = tuple(
        Gain("layer", "deferred", f"way {place}", 0.1, share, agreement)
        for place, (share, agreement) in enumerate(zip(shares, agreements, strict=True))
    )
    other = replace(found, gains=gains)
    assert other.verdict == verdict
    assert (other.recommended and other.recommended.way) == (None if way is None else f"way {way}")
    assert f"verdict: {verdict}" in other.summary()


def test_summary_fits_a_terminal(found: Suitability) -> None:
    lines = found.summary().splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("costs, in layers of") for line in lines)
    assert sum(line.lstrip().startswith(str(LAYERS)) for line in lines) >= 1


def test_comes_back_from_json_and_leaves_as_table_and_page(found: Suitability) -> None:
    text = found.to_json()
    assert json.loads(text)["recommended"] == (None if found.recommended is None else asdict(found.recommended))
    assert Suitability.from_json(text) == found
    assert len(found.to_frame()) == len(found.gains)
    page = found.to_html()
    assert found.gains[0].way in page
    assert "<pre" not in page
    assert found._repr_html_()
    with pytest.raises(ArgumentError, match="result 'ews"):
        Suitability.from_json(text.replace('"adapters.Suitability"', '"ews.Detection"'))


def test_figure_has_three_panels(found: Suitability) -> None:
    figure = found.plot()
    assert len(figure.axes) == 3
    assert found.verdict in figure.get_suptitle()


def test_settling_is_the_first_depth_from_which_all_are_right() -> None:
    right = np.array([[1, 0, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1]], dtype=bool)
    assert _settled(right, np.array([2, 4, 6, 8])).tolist() == [6, 8, 2]


def test_drafts_pay_where_they_are_cheap_and_right() -> None:
    costs = Costs(head=4.0, prediction=0.5, completion=0.0)
    sure = _verified([LensCheck(2, 0.0, 1.0), LensCheck(10, 1.0, 1.0)], costs, 10)[1]
    # Four drafts: 5 passes through 2 layers, 4 looks, one pass through 8 layers and the head, for 5 tokens.
    assert sure == pytest.approx((5 * 2 + 4 * 0.5 + 8 + 4) / 5 / 14)
    assert _verified([LensCheck(2, 0.0, 0.0)], costs, 10)[1] == 1.0  # what does not pay is not done


def test_blocks_are_left_out_as_a_policy_would(model: Any, texts: list[list[int]]) -> None:
    written = full_model_continuations(model, texts[:5], max_new_tokens=8)
    checks = check_ffn(family_of(model), written, indices=range(5), layers=(1, 4))
    assert [each.changed is None for each in checks] == [True, False, True, True, False, True]
    for layer in (1, 4):
        share = 1.0 - replay(model, FixedFFNSkip([layer]), written).agreement
        assert checks[layer].changed == pytest.approx(share)


def test_cosine_is_that_of_the_residual_stream(model: Any, texts: list[list[int]]) -> None:
    written = full_model_continuations(model, texts[:1], max_new_tokens=8)
    checks = check_ffn(family_of(model), written, indices=[0], layers=())
    layer = model.model.layers[2]
    seen: dict[str, Any] = {}
    hooks = [
        layer.post_attention_layernorm.register_forward_pre_hook(lambda _m, args: seen.__setitem__("before", args[0])),
        layer.register_forward_hook(lambda _m, _a, output: seen.__setitem__("after", output)),
    ]
    with torch.no_grad():
        model(torch.as_tensor(written[0].tokens)[None])
    for hook in hooks:
        hook.remove()
    decided = slice(written[0].prompt, -1)
    cosine = torch.nn.functional.cosine_similarity(seen["before"][0, decided], seen["after"][0, decided], dim=-1)
    assert checks[2].cosine == pytest.approx(float(cosine.median()), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"texts": [[1, 2]] * 5}, ArgumentError, "texts: got 5 texts; allowed: 12 or more"),
        ({"texts": "one text"}, InputTypeError, "put a single one into a list"),
        ({"texts": ["a string"] * 12}, ArgumentError, "tokenizer"),
        ({"max_new_tokens": 2}, ArgumentError, "texts on which the model says"),
        ({"tolerance": 0.0}, ValueRangeError, "tolerance"),
    ],
)
def test_what_cannot_be_assessed_is_refused(
    model: Any, texts: list[list[int]], change: dict[str, Any], error: type[Exception], says: str
) -> None:
    options = {"texts": texts, "progress": False, **change}
    with pytest.raises(error, match=says):
        assess(model, None, options.pop("texts"), **options)


def test_shallow_model_is_refused(texts: list[list[int]]) -> None:
    with pytest.raises(UnsupportedModelError, match="5 layers or more"):
        assess(TINY["llama"](layers=4), None, texts, progress=False)


def test_long_prompts_are_cut(texts: list[list[int]]) -> None:
    model = TINY["llama"](layers=5)
    long = [text * 60 for text in texts[:12]]  # 360 tokens; the model has 256 positions
    assert assess(model, None, long, max_new_tokens=12, progress=False).config.tokens == 12 * 11


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gpt_neox", "opt"])
def test_other_architectures(name: str, texts: list[list[int]]) -> None:
    model = TINY[name](layers=5)
    found = assess(model, None, texts[:12], max_new_tokens=12, progress=False)
    assert len(found.ffn) == len(found.lens) == 5
