"""Captured trajectories against the hidden states that a model itself returns, and the figures made of them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch

import ews
from adapters.errors import NothingDecidedWarning
from adapters.families import family_of
from adapters.heads import full
from adapters.signals import SIGNALS
from adapters.texts import recording
from adapters.trajectories import Trajectories, capture
from adapters.trajectory_plots import fan_figure, lead_figure
from ews.errors import ArgumentError, EWSError, InputTypeError, UnknownNameError, ValueRangeError, WindowError
from tests.adapters.test_signals import slow
from tests.adapters.tiny import SINGLE, TINY, VOCABULARY, WIDTH

# Of lengths that batches of two and three must pad, one shorter than the longest sliding window and one longer.
LENGTHS = (5, 1, 12, 7)
DOUBLE = [name for name in TINY if name not in SINGLE]  # what two ways say alike to the last digits
TEXTS = [np.random.default_rng(length).integers(1, VOCABULARY, length).tolist() for length in LENGTHS]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def llama() -> Any:
    return TINY["llama"](dtype=torch.float64)


@pytest.fixture(scope="module")
def deep() -> Trajectories:
    """Many layers, and a lens that settles at different ones."""
    return capture(TINY["llama"](layers=24, dtype=torch.float64), TEXTS, lens=True)


def hidden_states(model: Any, tokens: Sequence[int]) -> np.ndarray:
    """What the model itself returns, shape (tokens, layers + 1, width); the last without the final norm."""
    last: list[torch.Tensor] = []
    handle = (
        family_of(model)
        .layers[-1]
        .register_forward_hook(
            lambda _module, _args, output: last.append(output[0] if isinstance(output, tuple) else output)
        )
    )
    with torch.no_grad():
        states = model(torch.tensor([tokens]), output_hidden_states=True, use_cache=False).hidden_states
    handle.remove()
    return torch.stack([*states[:-1], last[0]], dim=2)[0].numpy()


def hooks(model: Any) -> list[int]:
    return [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]


# ---- what is recorded ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOUBLE)
def test_signals_are_those_of_the_hidden_states_that_the_model_returns(name: str) -> None:
    model = TINY[name](dtype=torch.float64)
    found = capture(model, TEXTS, batch_size=3)
    expected = np.concatenate([[slow(one) for one in hidden_states(model, tokens)] for tokens in TEXTS])
    assert found.values.dtype == np.float64
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", DOUBLE)
def test_predictions_are_those_of_the_model(name: str) -> None:
    model = TINY[name](dtype=torch.float64)
    found = capture(model, TEXTS, batch_size=4, lens=True)
    with torch.no_grad():
        expected = [model(torch.tensor([tokens])).logits[0].argmax(-1) for tokens in TEXTS]
    assert found.predicted is not None
    assert found.predicted.tolist() == torch.cat(expected).tolist()


@pytest.mark.parametrize("name", DOUBLE)
@pytest.mark.parametrize("batch_size", [2, 4])
def test_a_padded_batch_equals_singles(name: str, batch_size: int) -> None:
    model = TINY[name](dtype=torch.float64)
    batch, single = (capture(model, TEXTS, batch_size=size, lens=True) for size in (batch_size, 1))
    np.testing.assert_allclose(batch.values, single.values, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(batch.lens_correct, single.lens_correct)
    np.testing.assert_array_equal(batch.predicted, single.predicted)


def test_tokens_stand_in_the_order_of_the_texts(llama: Any) -> None:
    found = capture(llama, TEXTS, batch_size=2)
    assert found.token_id.tolist() == [token for tokens in TEXTS for token in tokens]
    assert found.text.tolist() == [index for index, length in enumerate(LENGTHS) for _ in range(length)]
    assert found.position.tolist() == [place for length in LENGTHS for place in range(length)]
    assert len(found) == sum(LENGTHS)
    assert found.predicted is None
    assert found.lens_correct is None


def test_a_text_may_be_an_array_a_tensor_or_a_string(llama: Any) -> None:
    def tokenizer(text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) - ord("a") for letter in text]}

    found = capture(
        llama, (text for text in [np.array([1, 2]), torch.tensor([1, 2]), "bc", (1, 2)]), tokenizer=tokenizer
    )
    assert found.token_id.tolist() == [1, 2] * 4


def test_asked_signals_are_columns_in_the_order_asked(llama: Any) -> None:
    every, some = capture(llama, TEXTS), capture(llama, TEXTS, signals=("log_norm", "cosine", "log_norm"))
    assert every.signals == SIGNALS
    assert some.signals == some.config.signals == ("log_norm", "cosine")
    np.testing.assert_array_equal(some.values, every.values[..., [2, 0]])
    assert capture(llama, TEXTS, signals="alignment").signals == ("alignment",)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrower_models_give_float32(dtype: torch.dtype) -> None:
    found = capture(TINY["llama"](dtype=dtype), TEXTS, lens=True)
    exact = capture(TINY["llama"](dtype=torch.float64), TEXTS)
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, exact.values, atol=1e-4 if dtype == torch.float32 else 0.15)


# ---- the lens ------------------------------------------------------------------------------------------------------


def test_the_lens_reads_every_state(llama: Any) -> None:
    found = capture(llama, TEXTS, lens=True)
    with torch.no_grad():
        states = torch.from_numpy(np.concatenate([hidden_states(llama, tokens) for tokens in TEXTS]))
        tokens = llama.lm_head(llama.model.norm(states)).argmax(-1)
    expected = tokens == tokens[:, -1:]
    np.testing.assert_array_equal(found.lens_correct, expected.numpy())
    assert 0 < expected[:, :-1].float().mean() < 1  # or there was nothing to get wrong


def test_the_lens_in_chunks_is_the_lens(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = capture(llama, TEXTS, lens=True)
    rows: list[int] = []
    head = llama.lm_head.register_forward_pre_hook(lambda _module, args: rows.append(len(args[0])))
    monkeypatch.setattr(full, "_LOGITS_AT_ONCE", 3 * VOCABULARY)
    chunks = capture(llama, TEXTS, lens=True)
    head.remove()
    assert max(rows) == 3
    np.testing.assert_array_equal(chunks.lens_correct, whole.lens_correct)


def test_settling_is_where_the_lens_stays_right(deep: Trajectories) -> None:
    assert deep.lens_correct is not None
    expected = []
    for right in deep.lens_correct.tolist():
        layer = len(right) - 1
        while layer > 0 and right[layer - 1]:
            layer -= 1
        expected.append(layer)
    assert deep.settling().tolist() == expected
    assert len(set(expected)) > 3
    assert any(any(right[:layer]) for right, layer in zip(deep.lens_correct.tolist(), expected, strict=True))


def test_the_head_is_left_alone_unless_asked(llama: Any) -> None:
    calls: list[None] = []
    handle = llama.lm_head.register_forward_hook(lambda *_: calls.append(None))
    capture(llama, TEXTS)
    handle.remove()
    assert not calls


# ---- writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DOUBLE)
def test_what_is_written_is_what_generate_writes(name: str) -> None:
    model = TINY[name](dtype=torch.float64)
    found = capture(model, TEXTS, max_new_tokens=6, batch_size=3, lens=True)
    forced = []
    for index, tokens in enumerate(TEXTS):
        ids = torch.tensor([tokens])
        whole = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6)[0].tolist()
        mine = found.text == index
        assert found.predicted is not None
        assert found.predicted[mine].tolist() == whole[len(tokens) :]
        assert found.token_id[mine].tolist() == whole[len(tokens) - 1 : -1]
        assert found.position[mine].tolist() == list(range(len(tokens) - 1, len(whole) - 1))
        forced.append(capture(model, [whole[:-1]], lens=True).values[len(tokens) - 1 :])
    np.testing.assert_allclose(found.values, np.concatenate(forced), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("as_list", [False, True])
def test_writing_ends_with_the_text(as_list: bool) -> None:
    model = TINY["llama"](dtype=torch.float64)
    free = capture(model, TEXTS, max_new_tokens=8)
    assert free.predicted is not None
    first = free.predicted[free.text == 0]
    end = int(first[2])
    model.generation_config.eos_token_id = [end, 0] if as_list else end
    found = capture(model, TEXTS, max_new_tokens=8, batch_size=4)
    assert found.predicted is not None
    for index in range(len(TEXTS)):
        whole = free.predicted[free.text == index].tolist()
        ends = {end, 0} if as_list else {end}
        cut = next((place + 1 for place, token in enumerate(whole) if token in ends), len(whole))
        assert found.predicted[found.text == index].tolist() == whole[:cut]
    assert (found.text == 0).sum() < 8


# ---- the model afterwards, and memory ------------------------------------------------------------------------------


def test_hooks_are_gone_afterwards_and_the_users_are_not() -> None:
    llama = TINY["llama"]()  # a fresh one: transformers leaves hooks of its own on models that returned hidden states
    handle = llama.model.layers[1].register_forward_hook(lambda *_: None)
    before = hooks(llama)
    capture(llama, TEXTS, lens=True)
    capture(llama, TEXTS, max_new_tokens=2)
    assert hooks(llama) == before
    assert sum(before) == 1
    handle.remove()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_hooks_are_gone_after_an_exception(error: type[BaseException]) -> None:
    llama = TINY["llama"]()

    def fail(*_: Any) -> None:
        assert sum(hooks(llama)) > 1
        raise error("in the middle")

    handle = llama.model.layers[3].register_forward_hook(fail)
    with pytest.raises(error, match="in the middle"):
        capture(llama, TEXTS)
    handle.remove()
    assert sum(hooks(llama)) == 0


def test_nothing_else_of_the_users_changes(llama: Any) -> None:
    texts = [torch.tensor(tokens) for tokens in TEXTS]
    before = [text.clone() for text in texts], llama.config.to_dict(), llama.generation_config.to_dict()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    capture(llama, texts, max_new_tokens=2, lens=True)
    assert all(torch.equal(one, other) for one, other in zip(texts, before[0], strict=True))
    assert (llama.config.to_dict(), llama.generation_config.to_dict()) == before[1:]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()
    assert not any(parameter.grad is not None for parameter in llama.parameters())


def test_three_states_are_held_and_none_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TINY["llama"](layers=12)
    texts = TEXTS * 6
    held: list[tuple[int, ...]] = []
    true = recording.signals_of

    def watched(states: torch.Tensor) -> torch.Tensor:
        held.append(tuple(states.shape))
        return true(states)

    def states_alive() -> int:
        gc.collect()
        tensors = (thing for thing in gc.get_objects() if type(thing) is torch.Tensor)
        return sum(1 for tensor in tensors if tensor.ndim and tensor.shape[-1] == WIDTH)

    monkeypatch.setattr(recording, "signals_of", watched)
    before = states_alive()
    found = capture(model, texts, batch_size=4)
    assert states_alive() == before
    assert max(count for _, count, _ in held) == 3
    assert max(rows for rows, _, _ in held) <= 4 * max(LENGTHS)
    assert found.values.nbytes == len(found) * 13 * 4 * 4
    assert found.values.base is None or found.values.base.nbytes == found.values.nbytes


def test_a_model_under_a_policy_is_read_whole(llama: Any) -> None:
    from adapters.policies.fixed import FixedExitPolicy

    plain = capture(llama, TEXTS, max_new_tokens=3)
    with pytest.warns(NothingDecidedWarning), FixedExitPolicy(depth=2).attach(llama):
        under = capture(llama, TEXTS, max_new_tokens=3)
    np.testing.assert_array_equal(under.values, plain.values)


# ---- towards ews ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "first"), list(zip(SIGNALS, (1, 1, 0, 2), strict=True)))
def test_a_signal_starts_where_it_is_defined(deep: Trajectories, name: str, first: int) -> None:
    found = deep.signal(name)
    assert deep.layers(name).tolist() == list(range(first, 25))
    assert found.shape == (len(deep), 25 - first)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert np.isnan(deep.values[:, :first, deep.signals.index(name)]).all()


@pytest.mark.parametrize(
    ("statistic", "of_ews"),
    [("variance", ews.variance), ("ac1", ews.autocorrelation), ("skewness", ews.skewness), ("mean", ews.mean)],
)
def test_windowed_signals_are_those_of_ews(deep: Trajectories, statistic: str, of_ews: Callable[..., Any]) -> None:
    found = deep.windowed(window=6, statistics=statistic)
    for name in SIGNALS:
        expected = of_ews(deep.signal(name), window=6)[:, 5:]
        np.testing.assert_allclose(found.signal(f"{name}_{statistic}"), expected, rtol=1e-9, atol=1e-12)
        assert found.layers(f"{name}_{statistic}")[0] == deep.layers(name)[0] + 5


def test_windowed_takes_its_defaults_from_the_capture() -> None:
    model = TINY["llama"](layers=9, dtype=torch.float64)
    found = capture(model, TEXTS, window=5, statistics=("trend", "ac1"), signals=("cosine", "alignment"), lens=True)
    windowed = found.windowed()
    assert windowed.signals == ("cosine_trend", "cosine_ac1", "alignment_trend", "alignment_ac1")
    assert windowed.values.shape == (len(found), 10, 4)
    assert windowed.first == (5, 5, 6, 6)
    assert (windowed.config.window, windowed.config.statistics) == (5, ("trend", "ac1"))
    assert windowed.settling().tolist() == found.settling().tolist()
    assert found.windowed(window=3).config.window == 3
    with pytest.raises(WindowError, match=r"window: got 9; allowed: .*8"):
        found.windowed(window=9)
    with pytest.raises(UnknownNameError, match="variance"):
        found.windowed(statistics="varience")


def test_the_mean_trajectory_goes_into_detect(deep: Trajectories) -> None:
    result = ews.detect(
        deep.signal("alignment").mean(axis=0), time=deep.layers("alignment"), n_surrogates=99, window=8, seed=1
    )
    assert result.series.time[[0, -1]].tolist() == [2, 24]
    assert result.verdict in {"warning", "no warning", "inconclusive"}


@pytest.mark.parametrize("alarm", ["up", "down"])
def test_crossing_is_the_first_layer_beyond(deep: Trajectories, alarm: str) -> None:
    values = deep.signal("update_norm")
    threshold = float(np.quantile(values.max(axis=1) if alarm == "up" else values.min(axis=1), 0.5))
    expected = []
    for row in values:
        beyond = [layer for layer, value in enumerate(row, start=1) if (value > threshold) == (alarm == "up")]
        beyond = [layer for layer in beyond if row[layer - 1] != threshold]
        expected.append(beyond[0] if beyond else np.nan)
    found = deep.crossing("update_norm", threshold=threshold, alarm=alarm)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, expected)
    assert 0 < np.isnan(found).sum() < len(found)


def test_xarray_names_every_axis(deep: Trajectories) -> None:
    found = deep.to_xarray()
    assert found.dims == ("token", "layer", "signal")
    np.testing.assert_array_equal(found.sel(signal="cosine", layer=7), deep.values[:, 7, 0])
    assert found.coords["text"].values.tolist() == deep.text.tolist()
    assert (
        found.coords["position"].dims == found.coords["token_id"].dims == found.coords["predicted"].dims == ("token",)
    )
    assert found.coords["settling"].values.tolist() == deep.settling().tolist()
    assert found.coords["lens_correct"].dims == ("token", "layer")
    assert found.attrs["signals"] == SIGNALS
    assert found.attrs["depth"] == 24
    # What xarray is for: one line for the mean of each text.
    mean = found.groupby("text").mean()
    np.testing.assert_allclose(mean.sel(text=2, signal="log_norm"), deep.values[deep.text == 2][..., 2].mean(axis=0))


def test_without_xarray_the_error_says_what_to_install(deep: Trajectories, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(EWSError, match=r"earlywarning\[grid\]"):
        deep.to_xarray()
    assert len(deep.to_frame()) == len(deep) * 25


def test_the_frame_has_a_row_for_each_token_and_layer(llama: Any) -> None:
    with_lens, without = capture(llama, TEXTS, lens=True), capture(llama, TEXTS)
    frame = with_lens.to_frame()
    tokens = ["text", "position", "token_id", "predicted", "settling"]
    assert list(frame) == [*tokens, "layer", *SIGNALS, "lens_correct"]
    assert list(without.to_frame()) == [*tokens[:3], "layer", *SIGNALS]
    row = frame[(frame.text == 2) & (frame.position == 3) & (frame.layer == 4)]
    at = sum(LENGTHS[:2]) + 3
    assert row[list(SIGNALS)].to_numpy().tolist() == [with_lens.values[at, 4].tolist()]
    assert with_lens.lens_correct is not None
    assert row.lens_correct.tolist() == [with_lens.lens_correct[at, 4]]
    assert row.token_id.tolist() == [TEXTS[2][3]]
    assert len(frame) == len(with_lens) * 6


def test_the_result_says_what_it_is(deep: Trajectories) -> None:
    said = repr(deep)
    assert said == (
        "<Trajectories: 25 tokens of 4 texts, 24 layers of LlamaForCausalLM; cosine, update_norm, log_norm, alignment>"
    )


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "error", "said"),
    [
        ([], ArgumentError, "texts: got no text; allowed: one text or more"),
        ([[1, 2], []], ArgumentError, r"texts\[1\]: got a text of no tokens"),
        (["a word"], ArgumentError, r"tokenizer: got None; allowed: a tokenizer, since texts\[0\] is a string"),
        ("a word", InputTypeError, "put a single one into a list"),
        ({"input_ids": [[1]]}, InputTypeError, "texts: got a dict"),
        (7, InputTypeError, "texts: got a int"),
        ([3, 4], InputTypeError, r"texts\[0\]: got a int"),
        ([[[1, 2]]], InputTypeError, "one dimension"),
        ([[[1, 2], [3]]], InputTypeError, "one dimension"),
        ([[1.5]], InputTypeError, "float64"),
        ([[True]], InputTypeError, "bool"),
        ([[1], [2, VOCABULARY]], ValueRangeError, r"texts\[1\]: got 101; allowed: tokens from 0 to 100"),
        ([[-1]], ValueRangeError, "got -1"),
        ([[1] * 257], ValueRangeError, r"texts\[0\]: got 257 tokens; allowed: at most the model's 256 positions"),
    ],
)
def test_texts_that_cannot_be_read_are_refused(llama: Any, texts: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        capture(llama, texts)


def test_an_empty_string_is_refused(llama: Any) -> None:
    with pytest.raises(ArgumentError, match=r"texts\[0\]: got a text of no tokens"):
        capture(llama, [""], tokenizer=lambda _: {"input_ids": []})


def test_what_is_written_must_fit_too(llama: Any) -> None:
    assert len(capture(llama, [[1] * 255], max_new_tokens=2, signals="cosine")) == 2
    with pytest.raises(ValueRangeError, match="255 tokens and 2 more to be read"):
        capture(llama, [[1] * 255], max_new_tokens=3)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"signals": "cosin"}, UnknownNameError, "did you mean 'cosine'"),
        ({"signals": ("cosine", "entropy")}, UnknownNameError, "signals: got 'entropy'"),
        ({"signals": ()}, ArgumentError, "signals: got ()"),
        ({"statistics": "varianc"}, UnknownNameError, "did you mean 'variance'"),
        ({"batch_size": 0}, ValueRangeError, "batch_size: got 0"),
        ({"batch_size": True}, ValueRangeError, "batch_size: got True"),
        ({"max_new_tokens": 0}, ValueRangeError, "max_new_tokens: got 0"),
        ({"max_new_tokens": 2.0}, ValueRangeError, "max_new_tokens: got 2.0"),
        ({"window": -1}, ValueRangeError, "window: got -1"),
    ],
)
def test_options_out_of_range_are_refused(
    llama: Any, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as raised:
        capture(llama, TEXTS, **options)
    assert said in str(raised.value)


def test_a_model_in_training_mode_is_refused() -> None:
    model = TINY["llama"]()
    model.model.layers[2].train()
    with pytest.raises(ArgumentError, match=r"model\.eval\(\)"):
        capture(model, TEXTS)
    assert model.model.layers[2].training


def test_the_lens_must_have_been_read(llama: Any) -> None:
    found = capture(llama, TEXTS)
    with pytest.raises(ArgumentError, match="lens=True"):
        found.settling()
    with pytest.raises(ArgumentError, match="lens=True"):
        lead_figure(found, "cosine", threshold=0.5)
    with pytest.raises(ArgumentError, match="lens=True"):
        fan_figure(found, split=2)


def test_unknown_names_are_refused(deep: Trajectories) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        deep.signal("cosin")
    with pytest.raises(UnknownNameError, match="alarm: got 'both'"):
        deep.crossing("cosine", threshold=0.5, alarm="both")  # type: ignore[arg-type]
    with pytest.raises(ValueRangeError, match="threshold: got nan"):
        deep.crossing("cosine", threshold=float("nan"))


# ---- figures -------------------------------------------------------------------------------------------------------


def test_the_fan_shows_quantiles_of_early_and_late_tokens(deep: Trajectories) -> None:
    split = int(np.median(deep.settling()))
    axes = fan_figure(deep, "update_norm", split=split).axes[0]
    early = deep.settling() <= split
    for line, members, label in zip(axes.lines, (early, ~early), (f"settled by layer {split}", "later"), strict=True):
        np.testing.assert_allclose(line.get_xdata(), np.arange(1, 25))
        np.testing.assert_allclose(line.get_ydata(), np.median(deep.signal("update_norm")[members], axis=0))
        assert line.get_label() == f"{label} ({members.sum()} tokens)"
    assert len(axes.collections) == 4
    edges = axes.collections[0].get_paths()[0].vertices
    lower, upper = np.percentile(deep.signal("update_norm")[early], (5, 95), axis=0)
    assert {round(float(y), 9) for _, y in edges} == {round(float(y), 9) for y in [*lower, *upper]}
    assert axes.get_ylabel() == "update norm"


def test_the_fan_of_all_tokens_needs_no_lens_and_no_full_column(llama: Any) -> None:
    axes = fan_figure(capture(llama, TEXTS)).axes[0]
    assert [line.get_label() for line in axes.lines] == ["all (25 tokens)"]
    constant = capture(llama, [[1] * 5], window=3, statistics="ac1").windowed()
    constant.values[:, 4] = np.nan
    drawn = fan_figure(constant, "cosine_ac1").axes[0]
    assert drawn.get_ylabel() == "lag-1 autocorrelation of cosine"
    assert np.isnan(drawn.lines[0].get_ydata()).tolist() == [False, True, False]


@pytest.mark.parametrize(("split", "who"), [(24, "late"), (-1, "early")])
def test_a_split_with_nobody_on_one_side_is_refused(deep: Trajectories, split: int, who: str) -> None:
    with pytest.raises(ArgumentError, match=f"leaves no {who} token"):
        fan_figure(deep, split=split)


def test_the_leads_are_settling_less_crossing(deep: Trajectories) -> None:
    windowed = deep.windowed(window=6)
    threshold = float(np.nanmedian(windowed.signal("cosine_variance")))
    axes = lead_figure(windowed, "cosine_variance", threshold=threshold, alarm="down").axes[0]
    leads = deep.settling() - windowed.crossing("cosine_variance", threshold=threshold, alarm="down")
    leads = leads[np.isfinite(leads)]
    drawn = {round(bar.get_x() + 0.4): bar.get_height() for bar in axes.patches[: len(axes.containers[0])]}
    for lead, count in drawn.items():
        assert count == (leads == lead).sum()
    assert sum(drawn.values()) == leads.size
    assert f"{np.mean(leads > 0):.0%} before" in axes.get_title(loc="right")


def test_the_dashed_line_pairs_every_crossing_with_every_settling(deep: Trajectories) -> None:
    threshold = float(np.median(deep.signal("update_norm")))
    axes = lead_figure(deep, "update_norm", threshold=threshold).axes[0]
    crossing = deep.crossing("update_norm", threshold=threshold)
    crossed = np.isfinite(crossing)
    settling = deep.settling()[crossed]
    pairs = [later - sooner for later in settling for sooner in crossing[crossed]]
    expected, edges, _ = axes.patches[-1].get_data()
    for lead, count in zip(edges[:-1] + 0.5, expected, strict=True):
        assert count == pytest.approx(pairs.count(lead) / crossed.sum())


def test_a_threshold_that_nothing_crosses_is_refused(deep: Trajectories) -> None:
    with pytest.raises(ValueRangeError, match="threshold: got 2; allowed: one that cosine of some token is above"):
        lead_figure(deep, "cosine", threshold=2)


def test_figures_are_unknown_to_pyplot_and_deaf_to_style_sheets(deep: Trajectories) -> None:
    plain = fan_figure(deep).axes[0]
    with mpl.rc_context({"axes.grid": True, "axes.labelsize": 40, "axes.facecolor": "black"}):
        styled = fan_figure(deep).axes[0]
    assert styled.get_facecolor() == plain.get_facecolor()
    assert styled.xaxis.label.get_size() == plain.xaxis.label.get_size() == 8
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
    fan_figure(deep).canvas.draw()
