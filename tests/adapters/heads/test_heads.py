"""Short-listed heads and lenses: exact where they must be, close to the model's own head where they may not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from adapters.errors import UnsupportedModelError
from adapters.families import family_of
from adapters.heads.full import FullHead
from adapters.heads.lens import LensMoments, TunedLens
from adapters.heads.shortlist import Screen, ShortListHead
from ews.errors import ArgumentError, InputTypeError, ValueRangeError
from tests.adapters.tiny import TINY

VOCABULARY, WIDTH = 300, 32


def _drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _head(*, norm: nn.Module | None = None, bias: bool = False, softcap: float | None = None) -> FullHead:
    norm = nn.RMSNorm(WIDTH, eps=1e-6) if norm is None else norm
    return FullHead(norm, _drawn(VOCABULARY, WIDTH), _drawn(VOCABULARY, seed=5) if bias else None, softcap=softcap)


def _lens(states: torch.Tensor, finals: torch.Tensor, *, depths: tuple[int, ...], ridge: float = 0.1) -> TunedLens:
    moments = LensMoments(depths, finals.shape[-1])
    moments.add(states, finals)
    return TunedLens.of_moments(moments, ridge=ridge)


HEADS = {
    "RMSNorm": _head(),
    "LayerNorm, bias": _head(norm=nn.LayerNorm(WIDTH), bias=True),
    "soft-capped": _head(softcap=5.0),
    "bias, soft-capped": _head(bias=True, softcap=5.0),
}


@pytest.fixture(params=HEADS)
def head(request: pytest.FixtureRequest) -> FullHead:
    return HEADS[request.param]


# ---- the short list ------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_all_candidates_give_the_full_head(head: FullHead) -> None:
    short = ShortListHead.fit(head, torch.eye(WIDTH), rank=4, candidates=VOCABULARY)
    states = _drawn(7, WIDTH, seed=1)
    look = short.predict(states, 3)
    full = head(states)
    torch.testing.assert_close(look.logits(), full, rtol=1e-5, atol=1e-5)
    assert torch.equal(look.token, full.argmax(-1))
    torch.testing.assert_close(look.confidence, full.softmax(-1).amax(-1), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_candidates_have_exact_logits(head: FullHead) -> None:
    short = ShortListHead.fit(head, torch.eye(WIDTH), rank=8, candidates=20)
    states = _drawn(7, WIDTH, seed=1)
    look = short.predict(states, 3)
    torch.testing.assert_close(look.exact, head(states).gather(1, look.ids), rtol=1e-5, atol=1e-5)
    assert all(len(set(row.tolist())) == 20 for row in look.ids)


@torch.no_grad()
def test_full_rank_screen_is_right_to_eight_bits(head: FullHead) -> None:
    screen = Screen.fit(head, torch.eye(WIDTH), rank=WIDTH)
    finished = head.norm(_drawn(50, WIDTH, seed=2))
    exact = nn.functional.linear(finished, head.weight, head.bias)
    error = (screen(finished).float() - exact).std() / exact.std()
    assert error < 0.02


@torch.no_grad()
def test_screen_keeps_the_directions_of_the_states() -> None:
    # States in a 4-dimensional subspace: rank 4 is enough for a head of any rank, and another 4 directions are not.
    head = FullHead(nn.Identity(), _drawn(VOCABULARY, WIDTH))
    states = _drawn(500, 4, seed=3) @ _drawn(4, WIDTH, seed=4)
    moment = states.T @ states / len(states)
    right = ShortListHead.fit(head, moment, rank=4, candidates=8)
    wrong = ShortListHead.fit(head, torch.diag(torch.arange(WIDTH, 0, -1.0)), rank=4, candidates=8)
    wanted = head(states).argmax(-1)
    assert (right.predict(states, 1).token == wanted).float().mean() > 0.99
    assert (wrong.predict(states, 1).token == wanted).float().mean() < 0.8


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 2, 5, 33])
def test_rows_do_not_depend_on_each_other(head: FullHead, rows: int) -> None:
    short = ShortListHead.fit(head, torch.eye(WIDTH), rank=32, candidates=40)
    states = _drawn(rows, WIDTH, seed=6)
    together = short.predict(states, 1)
    for row in range(rows):
        alone = short.predict(states[row : row + 1], 1)
        assert alone.token.item() == together.token[row].item()
        torch.testing.assert_close(alone.confidence[0], together.confidence[row], rtol=5e-3, atol=1e-4)


@torch.no_grad()
def test_unpacked_screen_equals_the_packed_one(head: FullHead, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = Screen.fit(head, torch.eye(WIDTH), rank=32)
    monkeypatch.setattr(Screen, "_packs", lambda _: False)
    plain = Screen(packed.basis, packed.weight, packed.scale, packed.bias)
    finished = head.norm(_drawn(9, WIDTH, seed=2))
    exact = plain(finished)
    assert (packed(finished).float() - exact).abs().max() < 0.03 * exact.std()


@torch.no_grad()
def test_row_for_sampling_keeps_an_order_where_candidates_are_forbidden() -> None:
    head = HEADS["RMSNorm"]
    short = ShortListHead.fit(head, torch.eye(WIDTH), rank=32, candidates=10)
    look = short.predict(_drawn(4, WIDTH, seed=7), 1)
    row = look.logits()
    assert row.isfinite().all()
    forbidden = row.scatter(1, look.ids, float("-inf"))
    assert forbidden.softmax(-1).isfinite().all()
    assert torch.equal(forbidden.argmax(-1), look.scores.float().scatter(1, look.ids, float("-inf")).argmax(-1))


def test_the_head_is_not_copied(head: FullHead) -> None:
    short = ShortListHead.fit(head, torch.eye(WIDTH), rank=8, candidates=10)
    weight = HEADS["RMSNorm"].weight
    assert FullHead(nn.Identity(), nn.Parameter(weight)).weight.data_ptr() == weight.data_ptr()
    assert all(tensor.numel() < head.weight.numel() for tensor in short.tensors().values())


@torch.no_grad()
def test_bfloat16_head() -> None:
    head = FullHead(nn.RMSNorm(WIDTH, dtype=torch.bfloat16), _drawn(VOCABULARY, WIDTH).bfloat16())
    short = ShortListHead.fit(head, torch.eye(WIDTH), rank=WIDTH, candidates=30)
    states = _drawn(40, WIDTH, seed=8).bfloat16()
    look = short.predict(states, 1)
    assert look.exact.dtype == look.confidence.dtype == torch.float32
    assert (look.token == head(states).argmax(-1)).float().mean() > 0.9  # bfloat16 logits tie


# ---- the lens ------------------------------------------------------------------------------------------------------


def test_lens_finds_an_affine_map() -> None:
    states = _drawn(400, 2, WIDTH)
    matrix, shift = _drawn(WIDTH, WIDTH, seed=1), _drawn(WIDTH, seed=2)
    lens = _lens(states, states[:, 1] @ matrix + shift, depths=(4, 9), ridge=1e-8)
    new = _drawn(5, WIDTH, seed=3)
    torch.testing.assert_close(lens(new, 9), new @ matrix + shift, rtol=1e-3, atol=1e-3)
    assert 4 in lens
    assert 5 not in lens


def test_strong_ridge_leaves_the_state_and_shifts_the_mean() -> None:
    states = _drawn(200, 1, WIDTH) + 3
    finals = states[:, 0] @ _drawn(WIDTH, WIDTH, seed=1)
    lens = _lens(states, finals, depths=(1,), ridge=1e9)
    torch.testing.assert_close(
        lens(states[:, 0], 1), states[:, 0] + (finals - states[:, 0]).mean(0), rtol=1e-4, atol=1e-3
    )


def test_ridge_equals_the_textbook() -> None:
    states, finals = _drawn(100, 1, WIDTH) + 1, _drawn(100, WIDTH, seed=1)
    lens = _lens(states, finals, depths=(1,), ridge=0.3)
    x, y = states[:, 0].double(), (finals - states[:, 0]).double()
    centred = x - x.mean(0)
    penalty = 0.3 * centred.square().sum(0).mean()
    matrix = torch.linalg.inv(centred.T @ centred + penalty * torch.eye(WIDTH)) @ centred.T @ (y - y.mean(0))
    torch.testing.assert_close(lens.weight[0].double(), matrix, rtol=1e-4, atol=1e-5)


def test_moments_in_parts_equal_moments_at_once() -> None:
    states, finals = _drawn(300, 3, WIDTH), _drawn(300, WIDTH, seed=1)
    at_once, parts = LensMoments((1, 2, 3), WIDTH), LensMoments((1, 2, 3), WIDTH)
    at_once.add(states, finals, finals)
    for begin in range(0, 300, 70):
        part = slice(begin, begin + 70)
        parts.add(states[part], finals[part], finals[part])
    one, other = TunedLens.of_moments(at_once), TunedLens.of_moments(parts)
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(at_once.finished, parts.finished, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(at_once.finished.float(), finals.T @ finals / 300, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_look_uses_the_lens_of_its_depth_only() -> None:
    head = HEADS["RMSNorm"]
    states = _drawn(300, 1, WIDTH)
    finals = states[:, 0] @ _drawn(WIDTH, WIDTH, seed=1)
    lens = _lens(states, finals, depths=(2,), ridge=1e-6)
    short = ShortListHead.fit(head, torch.eye(WIDTH), lens=lens, rank=WIDTH, candidates=30)
    assert (short.predict(states[:, 0], 2).token == head(finals).argmax(-1)).float().mean() > 0.98
    assert torch.equal(short.predict(finals, 6).token, head(finals).argmax(-1))


# ---- saved and loaded ----------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("lensed", [False, True])
def test_round_trip(head: FullHead, lensed: bool, tmp_path: Path) -> None:
    lens = _lens(_drawn(60, 2, WIDTH), _drawn(60, WIDTH, seed=1), depths=(2, 4)) if lensed else None
    short = ShortListHead.fit(head, torch.eye(WIDTH), lens=lens, rank=8, candidates=12)
    save_file(short.tensors(), tmp_path / "head.safetensors")
    again = ShortListHead.from_tensors(head, load_file(tmp_path / "head.safetensors"))
    states = _drawn(6, WIDTH, seed=9)
    for depth in (2, 3, 4):
        one, other = short.predict(states, depth), again.predict(states, depth)
        assert torch.equal(one.ids, other.ids)
        assert torch.equal(one.exact, other.exact)


def test_tensors_of_another_model_are_refused() -> None:
    tensors = ShortListHead.fit(HEADS["RMSNorm"], torch.eye(WIDTH), rank=8).tensors()
    other = FullHead(nn.Identity(), _drawn(VOCABULARY + 1, WIDTH))
    with pytest.raises(ArgumentError, match="one for 301 tokens of width 32"):
        ShortListHead.from_tensors(other, tensors)
    del tensors["screen.scale"]
    with pytest.raises(ArgumentError, match=r"none named screen\.scale"):
        ShortListHead.from_tensors(other, tensors)


# ---- what is refused -----------------------------------------------------------------------------------------------


def test_refusals() -> None:
    head = HEADS["RMSNorm"]
    with pytest.raises(ValueRangeError, match="softcap: got 0; allowed: above 0"):
        FullHead(nn.Identity(), head.weight, softcap=0)
    with pytest.raises(InputTypeError, match=r"\(vocabulary, width\)"):
        FullHead(nn.Identity(), head.weight[0])
    with pytest.raises(ValueRangeError, match="rank: got 33; allowed: 1 to 32"):
        Screen.fit(head, torch.eye(WIDTH), rank=33)
    with pytest.raises(InputTypeError, match="second_moment"):
        Screen.fit(head, torch.eye(3), rank=2)
    with pytest.raises(ValueRangeError, match="candidates: got 0; allowed: 1 to 300"):
        ShortListHead.fit(head, torch.eye(WIDTH), candidates=0)
    with pytest.raises(ArgumentError, match="each depth once"):
        LensMoments((1, 1), WIDTH)
    with pytest.raises(InputTypeError, match="states of shape"):
        LensMoments((1,), WIDTH).add(_drawn(4, 2, WIDTH), _drawn(4, WIDTH))
    with pytest.raises(ArgumentError, match="at least one state"):
        TunedLens.of_moments(LensMoments((1,), WIDTH))
    with pytest.raises(ValueRangeError, match="ridge"):
        _lens(_drawn(4, 1, WIDTH), _drawn(4, WIDTH), depths=(1,), ridge=0)
    lens = _lens(_drawn(4, 1, WIDTH), _drawn(4, WIDTH), depths=(1,))
    with pytest.raises(ValueRangeError, match="depth: got 2; allowed: one of 1"):
        lens(_drawn(1, WIDTH), 2)
    with pytest.raises(InputTypeError, match="weight"):
        TunedLens((1, 2), lens.weight, lens.bias)


# ---- on models -----------------------------------------------------------------------------------------------------


def _last_states(model: nn.Module, last: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """States after the last layer, before the final norm, and logits, of every position."""
    seen: list[torch.Tensor] = []
    hook = last.register_forward_hook(
        lambda *given: seen.append(given[2][0] if isinstance(given[2], tuple) else given[2])
    )
    try:
        logits = model(ids).logits
    finally:
        hook.remove()
    return seen[0].flatten(0, 1), logits.flatten(0, 1)


@torch.no_grad()
@pytest.mark.parametrize("name", TINY)
def test_head_of_every_family(name: str) -> None:
    model = TINY[name]()
    family = family_of(model)
    head = FullHead.of(family)
    ids = torch.randint(1, 100, (2, 9), generator=torch.Generator().manual_seed(0))
    states, logits = _last_states(model, family.layers[-1], ids)
    torch.testing.assert_close(head(states), logits, rtol=1e-4, atol=1e-4)
    assert head.weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    finished = family.finish(states)
    short = ShortListHead.fit(head, finished.T @ finished / len(finished), rank=head.width)
    assert torch.equal(short.predict(states, family.depth).token, logits.argmax(-1))


def test_logits_scaled_in_a_way_that_no_family_tells_are_refused() -> None:
    model = TINY[next(iter(TINY))]()
    model.config.logits_scaling = 8.0
    with pytest.raises(UnsupportedModelError, match="logits_scaling"):
        FullHead.of(family_of(model))


@pytest.mark.slow
@torch.no_grad()
def test_smollm2_short_head_agrees_with_its_own_head(smollm2: Path) -> None:
    folder = smollm2
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    family = family_of(model)
    head = FullHead.of(family)
    texts = [
        "The lake was clear for many years, until the fish came back and the water turned green in a single summer.",
        "To make bread you need flour, water, salt and yeast. Mix them in a bowl and wait for two hours before baking.",
    ]
    parts = [
        _last_states(model, family.layers[-1], tokenizer(text, return_tensors="pt")["input_ids"]) for text in texts
    ]
    states = torch.cat([state for state, _ in parts])
    logits = torch.cat([logit for _, logit in parts])
    finished = family.finish(states).float()
    # Fitted to the states it is tested on, but rank 64 of 576: what is tested is that eight bits and a list suffice.
    short = ShortListHead.fit(head, finished.T @ finished / len(finished), rank=64, candidates=128)
    agreed = (short.predict(states, family.depth).token == logits.argmax(-1)).float().mean()
    assert agreed > 0.9


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_weights_at_odd_addresses(rows: int) -> None:
    """What is read from a file begins anywhere; the 8-bit product of torch ends the process on such an address."""
    generator = torch.Generator().manual_seed(0)
    head = FullHead(torch.nn.Identity(), torch.randn(320, 64, generator=generator))
    short = ShortListHead.fit(head, torch.eye(64), rank=64, candidates=16)
    tensors = short.tensors()
    plain = tensors["screen.weight"]
    room = torch.zeros(plain.numel() + 64, dtype=torch.int8)
    shifted = room[3 : 3 + plain.numel()].view_as(plain)
    shifted.copy_(plain)
    assert shifted.data_ptr() % 16 != 0
    again = ShortListHead.from_tensors(head, {**tensors, "screen.weight": shifted})
    states = torch.randn(rows, 64, generator=generator)
    assert torch.equal(again.predict(states, 3).token, short.predict(states, 3).token)
