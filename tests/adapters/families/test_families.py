"""A decoder taken apart computes what the whole one does, bit for bit."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    LlamaConfig,
    LlamaForSequenceClassification,
    LlamaModel,
    PreTrainedModel,
    StaticCache,
    T5Config,
    T5ForConditionalGeneration,
)

from adapters.decoding.projection import Projection
from adapters.errors import UnsupportedGenerationError, UnsupportedModelError
from adapters.families import FAMILIES, FULL, SLIDING, Family, family_of
from adapters.policies import NeverExitPolicy, RandomExitPolicy
from ews.errors import InputTypeError
from tests.adapters.tiny import SINGLE, TINY, VOCABULARY, WINDOW, WINDOWED

ROWS, TOKENS = 3, 12  # more tokens than a window holds
ATTENTIONS = ("eager", "sdpa")
every_model = pytest.mark.parametrize("name", TINY)
both_attentions = pytest.mark.parametrize("attention", ATTENTIONS)
with_and_without_padding = pytest.mark.parametrize("padded", [False, True], ids=["level", "padded"])


@pytest.fixture(autouse=True)
def _one_thread_no_gradients() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(threads)


def prompt(*, padded: bool, tokens: int = TOKENS) -> tuple[Tensor, Tensor]:
    """Token ids, and a mask with some padding on the left of all rows but the first."""
    ids = torch.randint(1, VOCABULARY, (ROWS, tokens), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    if padded:
        for row in range(1, ROWS):
            mask[row, : 2 * row] = 0
        ids = ids * mask
    return ids, mask


def counted(mask: Tensor) -> Tensor:
    """Positions as ``generate`` counts them."""
    return (mask.cumsum(-1) - 1).masked_fill(mask == 0, 0)


def states(family: Family, *, tokens: int = TOKENS, seed: int = 2) -> Tensor:
    """Random states, as they enter a layer."""
    shape = (ROWS, tokens, family.width)
    found = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return found.to(family.model.dtype)


def in_steps(
    family: Family, input_ids: Tensor, attention_mask: Any, cache: Any, position_ids: Tensor, kept: int = 0
) -> Tensor:
    """Logits of the decoder, part by part, of the newest `kept` tokens (0: of all)."""
    hidden = family.embed(input_ids, position_ids)
    masks = family.masks(hidden, attention_mask, cache, position_ids)
    rotary = family.rotary(hidden, position_ids)
    for index in range(family.depth):
        mask = masks[family.kinds[index]]
        hidden = family.run(index, hidden, mask=mask, position_ids=position_ids, rotary=rotary, cache=cache)
    return family.logits(family.finish(hidden)[:, -kept:])


def assert_equal(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def assert_caches_equal(found: Any, expected: Any) -> None:
    for one, other in zip(found.layers, expected.layers, strict=True):
        assert_equal(one.keys, other.keys)
        assert_equal(one.values, other.values)


# ---- one pass, in steps --------------------------------------------------------------------------------------------


@every_model
@both_attentions
@with_and_without_padding
@pytest.mark.parametrize("counting", ["given", "own"])
def test_prompt_and_next_token_are_those_of_the_model(name: str, attention: str, padded: bool, counting: str) -> None:
    model = TINY[name](attn_implementation=attention)
    family = family_of(model)
    ids, mask = prompt(padded=padded)
    caches = DynamicCache(config=model.config), DynamicCache(config=model.config)
    for step in range(3):
        seen = mask.shape[1] - ids.shape[1]
        given = counted(mask)[:, seen:] if counting == "given" else None
        positions = family.positions(ids, mask, seen) if given is None else given
        expected = model(ids, attention_mask=mask, position_ids=given, past_key_values=caches[0], use_cache=True).logits
        found = in_steps(family, ids, mask, caches[1], positions)
        assert expected.shape == (*ids.shape, VOCABULARY)
        assert_equal(found, expected)
        assert_caches_equal(caches[1], caches[0])
        ids = torch.full((ROWS, 1), 7 + step)
        mask = torch.cat((mask, torch.ones_like(ids)), dim=1)


@every_model
def test_no_mask_and_no_cache(name: str) -> None:
    model = TINY[name]()
    family = family_of(model)
    ids, _ = prompt(padded=False)
    assert_equal(in_steps(family, ids, None, None, family.positions(ids, None, 0)), model(ids, use_cache=False).logits)


@every_model
def test_padding_in_the_middle(name: str) -> None:
    model = TINY[name]()
    family = family_of(model)
    ids, mask = prompt(padded=False)
    mask[1, 4:6] = mask[2, -1] = 0
    found = in_steps(family, ids, mask, None, family.positions(ids, mask, 0))
    assert_equal(found, model(ids, attention_mask=mask, use_cache=False).logits)


@every_model
@both_attentions
@with_and_without_padding
@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_masks_that_generate_prepares(name: str, attention: str, padded: bool, kind: str) -> None:
    model = TINY[name](attn_implementation=attention)
    family = family_of(model)
    ids, mask = prompt(padded=padded)
    forward = model.forward
    masks = []

    @functools.wraps(forward)
    def compared(**given: Any) -> Any:
        twin = copy.deepcopy(given[family.convention.cache])
        output = forward(**given)
        seen = given.get("attention_mask")
        places = given.get("position_ids")  # not of a model without positions
        logits = in_steps(family, given["input_ids"], seen, twin, places, given.get("logits_to_keep", 0))
        assert_equal(logits, output.logits)
        assert_caches_equal(twin, given[family.convention.cache])
        masks.append(seen)
        return output

    model.forward = compared
    made = DynamicCache(config=model.config) if kind == "dynamic" else StaticCache(model.config, max_cache_len=32)
    model.generate(ids, attention_mask=mask, past_key_values=made, max_new_tokens=6, do_sample=False)
    assert len(masks) == 6
    prepared = [isinstance(one, Mapping) or (one is not None and one.ndim == 4) for one in masks]
    assert all(prepared[1:]) is (kind == "static" and name != "bloom")  # which reads positions out of a plain one


@every_model
def test_half_precision(name: str) -> None:
    model = TINY[name](dtype=torch.bfloat16)
    family = family_of(model)
    ids, mask = prompt(padded=True)
    caches = DynamicCache(config=model.config), DynamicCache(config=model.config)
    positions = counted(mask)
    expected = model(ids, attention_mask=mask, position_ids=positions, past_key_values=caches[0]).logits
    assert expected.dtype == torch.bfloat16
    assert_equal(in_steps(family, ids, mask, caches[1], positions), expected)


@both_attentions
def test_windows_that_some_layers_of_qwen2_have(attention: str) -> None:
    options = {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 2}
    model = TINY["qwen2"](attn_implementation=attention, **options)
    family = family_of(model)
    assert family.kinds == (FULL, FULL, SLIDING, SLIDING, SLIDING)
    assert family.windows == (None, None, WINDOW, WINDOW, WINDOW)
    ids, mask = prompt(padded=True)
    positions = counted(mask)
    expected = model(ids, attention_mask=mask, position_ids=positions, use_cache=False).logits
    assert_equal(in_steps(family, ids, mask, None, positions), expected)


VARIANTS = [
    ("bloom", {"apply_residual_connection_post_layernorm": True}),
    ("bloom", {"n_head": 3}),  # whose slopes are no powers of one number
    ("cohere", {"use_qk_norm": False}),
    ("deepseek_v2", {"topk_method": "group_limited_greedy", "n_group": 2, "topk_group": 1, "q_lora_rank": 16}),
    ("deepseek_v3", {"rope_interleave": False, "q_lora_rank": None}),
    ("falcon-new", {"num_ln_in_parallel_attn": 1}),
    ("falcon", {"multi_query": False, "bias": True}),
    ("gemma2", {"final_logit_softcapping": None}),
    ("mixtral", {"sliding_window": WINDOW}),
    ("phi", {"qk_layernorm": True, "num_key_value_heads": 4}),
    ("qwen2_moe", {"decoder_sparse_step": 2, "qkv_bias": False}),
    ("qwen3_moe", {"use_sliding_window": True, "sliding_window": WINDOW, "norm_topk_prob": False}),
    ("starcoder2", {"sliding_window": None, "use_bias": False}),
]


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[f"{name}-{next(iter(one))}" for name, one in VARIANTS])
def test_variants_that_released_models_have(name: str, options: dict[str, Any]) -> None:
    model = TINY[name](attn_implementation="eager", **options)
    family = family_of(model)
    assert (SLIDING in family.kinds) is (
        options.get("sliding_window", getattr(model.config, "sliding_window", 0)) == WINDOW
    )
    ids, mask = prompt(padded=True)
    caches = DynamicCache(config=model.config), DynamicCache(config=model.config)
    expected = model(ids, attention_mask=mask, position_ids=counted(mask), past_key_values=caches[0]).logits
    assert_equal(in_steps(family, ids, mask, caches[1], counted(mask)), expected)
    assert_caches_equal(caches[1], caches[0])
    model = TINY[name](dtype=torch.float32 if name in SINGLE else torch.float64, **options)
    project = Projection(family_of(model))  # against what hooks on the layers' inputs saw
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    place = torch.arange(TOKENS)[None]
    cache, entered = DynamicCache(), []
    hooks = [
        layer.register_forward_pre_hook(lambda _, args: entered.append(args[0])) for layer in family_of(model).layers
    ]
    model(**inputs, position_ids=place, past_key_values=cache)
    for hook in hooks:
        hook.remove()
    for index, hidden in enumerate(entered):
        ((keys, values),) = project(index, hidden, family_of(model).rotary(hidden, place), index + 1)
        torch.testing.assert_close(keys, cache.layers[index].keys, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(values, cache.layers[index].values, rtol=1e-4, atol=1e-4)


# ---- what a family says of itself ----------------------------------------------------------------------------------

KINDS = {
    "gemma3": (SLIDING, FULL, SLIDING, SLIDING, FULL),
    "gemma2": (SLIDING, FULL, SLIDING, FULL, SLIDING),
    "mistral": (SLIDING,) * 5,
    "starcoder2": (SLIDING,) * 5,
    "cohere2": (SLIDING, SLIDING, FULL, SLIDING, SLIDING),
}


@every_model
def test_parts(name: str) -> None:
    model = TINY[name]()
    family = family_of(model)
    assert family.depth == len(family.layers) == model.config.num_hidden_layers == 5
    assert family.width == model.config.hidden_size == family.embed(*[torch.zeros(1, 1, dtype=int)] * 2).shape[-1]
    assert family.kinds == KINDS.get(name, (FULL,) * 5)
    assert family.windows == tuple(WINDOW if kind == SLIDING else None for kind in family.kinds)
    assert family.head is model.get_output_embeddings()
    assert all(part in set(model.modules()) for part in family.layers)
    assert (SLIDING in family.kinds) is (name in WINDOWED)
    if name != "opt-post":
        assert family.norm in set(model.modules())


@pytest.mark.parametrize("name", [*TINY, "phi3-window"])
@both_attentions
def test_a_layer_sees_its_window_and_no_further(name: str, attention: str) -> None:
    options = {"sliding_window": WINDOW} if name == "phi3-window" else {}
    family = family_of(TINY[name.removesuffix("-window")](attn_implementation=attention, **options))
    if name == "phi3-window":
        assert family.windows == (WINDOW,) * 5
    positions = torch.arange(TOKENS)[None]
    hidden = states(family)
    for index in range(family.depth):
        reach = family.windows[index] or TOKENS
        changed = [
            not torch.equal(last(family, index, moved, positions), last(family, index, hidden, positions))
            for moved in (with_noise(hidden, TOKENS - 1 - back) for back in range(TOKENS))
        ]
        assert changed == [back < reach for back in range(TOKENS)]


def last(family: Family, index: int, hidden: Tensor, positions: Tensor) -> Tensor:
    """What one layer makes of the newest token."""
    masks = family.masks(hidden, None, None, positions)
    context = {"position_ids": positions, "rotary": family.rotary(hidden, positions), "cache": None}
    return family.run(index, hidden, mask=masks[family.kinds[index]], **context)[:, -1]


def with_noise(hidden: Tensor, token: int) -> Tensor:
    found = hidden.clone()
    found[:, token] += torch.randn(found[:, token].shape, generator=torch.Generator().manual_seed(5))
    return found


# ---- halves of a layer ---------------------------------------------------------------------------------------------


@every_model
@both_attentions
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_two_halves_are_a_layer(name: str, attention: str, dtype: torch.dtype) -> None:
    model = TINY[name](attn_implementation=attention, dtype=dtype)
    family = family_of(model)
    whole, halved = DynamicCache(config=model.config), DynamicCache(config=model.config)
    # The eager attention of transformers makes nan of a token that sees nothing, in float64.
    _, mask = prompt(padded=model.config._attn_implementation == "sdpa" or dtype == torch.float32)
    for tokens in (TOKENS, 1):  # a prompt, then one token
        positions = counted(mask)[:, -tokens:]
        hidden = states(family, tokens=tokens)
        masks = family.masks(hidden, mask, whole, positions)
        rotary = family.rotary(hidden, positions)
        for index in range(family.depth):
            context = {"mask": masks[family.kinds[index]], "position_ids": positions, "rotary": rotary}
            expected = family.run(index, hidden, cache=whole, **context)
            post_attention, attention = family.halves(index, hidden, cache=halved, **context)
            assert_equal(family.second(index, post_attention, hidden, attention), expected)
            rows = torch.tensor([0, 2])
            looked = None if attention is None else attention[rows]
            some = family.second(index, post_attention[rows], hidden[rows], looked)
            if dtype == torch.float64:
                torch.testing.assert_close(family.feed(index, post_attention, hidden), expected, rtol=0, atol=1e-12)
                torch.testing.assert_close(some, expected[rows], rtol=0, atol=1e-12)
            assert not torch.equal(post_attention, expected)
            hidden = expected
        assert_caches_equal(halved, whole)
        mask = torch.cat((mask, torch.ones(ROWS, 1, dtype=mask.dtype)), dim=1)


@pytest.mark.parametrize(
    "name", ["phi3", "opt", "gpt2", "gpt_neox", "gpt_neox-serial", "phi", "starcoder2", "falcon-serial", "bloom"]
)
def test_two_halves_are_a_layer_in_training_too(name: str) -> None:
    """Where a layer drops units, its halves drop the same ones when the draws are the same."""
    names = {
        "opt": "dropout",
        **dict.fromkeys(("gpt2", "phi", "phi3"), "resid_pdrop"),
        "starcoder2": "residual_dropout",
    }
    family = family_of(TINY[name](**{names.get(name, "hidden_dropout"): 0.5}).train())
    hidden, positions = states(family), torch.arange(TOKENS)[None]
    context = {"position_ids": positions, "rotary": family.rotary(hidden, positions), "cache": None}
    context["mask"] = family.masks(hidden, None, None, positions)[family.kinds[1]]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = family.run(1, hidden, **context)
        torch.manual_seed(3)
        found = family.feed(1, family.attend(1, hidden, **context), hidden)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


# ---- mixtures ------------------------------------------------------------------------------------------------------

MIXTURES = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "deepseek_v2", "deepseek_v3")


@pytest.mark.parametrize("name", MIXTURES)
def test_a_token_takes_its_experts_whoever_else_is_there(name: str) -> None:
    family = family_of(TINY[name]())
    hidden = states(family)
    for index in range(family.depth):
        together = family.feed(index, hidden, hidden)
        for row, token in ((0, 0), (1, 5), (2, TOKENS - 1)):
            one = hidden[row : row + 1, token : token + 1]
            torch.testing.assert_close(family.feed(index, one, one)[0, 0], together[row, token], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*MIXTURES, "llama"])
def test_weights_that_a_token_meets_are_those_that_change_what_it_becomes(name: str) -> None:
    """Counted slowly: of the parts that hold weights, which would the gradient of one token reach."""
    family = family_of(TINY[name]())
    hidden = states(family, tokens=1)[:1]
    place = torch.zeros(1, 1, dtype=torch.int64)
    context = {"mask": None, "position_ids": place, "rotary": family.rotary(hidden, place), "cache": None}
    for index, layer in enumerate(family.layers):
        layer.zero_grad()
        with torch.enable_grad():
            family.run(index, hidden, **context).square().sum().backward()
        met = 0
        for part, weight in layer.named_parameters():
            # Of one token alone queries and keys decide nothing, and experts are stacked.
            experts = weight.grad.flatten(1).any(dim=1).sum() / len(weight) if ".experts." in part else 1
            met += weight.numel() * float(experts)
        assert family.weights_read(index) == met
    layers = sum(family.weights_read(index) for index in range(family.depth)) / family.depth
    assert family.head_in_layers == pytest.approx(family.head.weight.numel() / layers)
    if name in MIXTURES:
        assert layers < sum(each.numel() for each in family.layers[-1].parameters())


def test_router_logits_of_a_token_are_refused() -> None:
    """Layers that were left out have none; ``generate`` has no place for them, so that a configuration is no wish."""
    model, (ids, _) = TINY["mixtral"](), prompt(padded=False)
    refused = pytest.raises(UnsupportedGenerationError, match=r"output_router_logits: got True; .*False")
    policy, never = RandomExitPolicy(rate=0.5), NeverExitPolicy()
    options = {"max_new_tokens": 3, "do_sample": False}
    with refused:
        model.generate(ids, custom_generate=policy, output_router_logits=True, **options)
    expected = model.generate(ids, **options)
    model.config.output_router_logits = True
    assert torch.equal(model.generate(ids, custom_generate=never, **options), expected)
    cache = DynamicCache(config=model.config)
    with policy.attach(model):
        model(ids, past_key_values=cache)
        with refused:
            model(ids[:, :1], past_key_values=cache)
        model(ids[:, :1], past_key_values=cache, output_router_logits=False)


# ---- keys and values -----------------------------------------------------------------------------------------------


@every_model
def test_keys_and_values_from_the_projections(name: str) -> None:
    family = family_of(TINY[name](dtype=torch.float64))
    hidden = states(family)
    _, mask = prompt(padded=True)
    positions = counted(mask)
    rotary = family.rotary(hidden, positions)
    masks = family.masks(hidden, mask, None, positions)
    for index in range(family.depth):
        cache = DynamicCache()  # not told of windows, so that it keeps everything
        mask_here = masks[family.kinds[index]]
        family.run(index, hidden, mask=mask_here, position_ids=positions, rotary=rotary, cache=cache)
        written = cache.layers[index]
        key, value, key_bias, value_bias = family.key_value_weights(index)
        heads = family.key_value_heads(index)
        for weight, held in ((key, written.keys), (value, written.values)):
            assert weight.shape == (heads * held.shape[-1], family.width)
        normed = family.attention_input_norm(index)(hidden)
        keys = normed @ key.T + (0 if key_bias is None else key_bias)
        values = normed @ value.T + (0 if value_bias is None else value_bias)
        keys, values = (one.unflatten(-1, (heads, -1)).transpose(1, 2) for one in (keys, values))
        torch.testing.assert_close(family.shape_keys(index, keys, rotary), written.keys, rtol=0, atol=1e-12)
        values = family.shape_values(index, values, rotary)
        torch.testing.assert_close(values, written.values, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("llama", {"attention_bias": True}),
        ("qwen3", {"attention_bias": True}),
        ("opt", {"enable_bias": False}),
        ("gpt_neox", {"attention_bias": False}),
        ("starcoder2", {"use_bias": False}),
        ("falcon-new", {"bias": True}),
        ("deepseek_v3", {"attention_bias": True}),
    ],
)
def test_biases_are_optional(name: str, options: dict[str, Any]) -> None:
    default = family_of(TINY[name]()).key_value_weights(0)[2:]
    family = family_of(TINY[name](**options))
    other = family.key_value_weights(0)[2:]
    assert [bias is None for bias in other] == [bias is not None for bias in default]


# ---- what cannot be taken apart ------------------------------------------------------------------------------------

SMALL: dict[str, Any] = {"vocab_size": 32, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2}


def t5() -> PreTrainedModel:
    return T5ForConditionalGeneration(T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2))


def gemma_with_eyes() -> PreTrainedModel:
    text = {**SMALL, "intermediate_size": 32, "head_dim": 8, "num_key_value_heads": 1}
    eyes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**eyes, "image_size": 28, "patch_size": 14}
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=31)
    return Gemma3ForConditionalGeneration(config)


@pytest.mark.parametrize(("build", "kind"), [(t5, "t5"), (gemma_with_eyes, "gemma3")], ids=["t5", "gemma3"])
def test_unknown_architectures_are_refused(build: Any, kind: str) -> None:
    with pytest.raises(
        UnsupportedModelError, match=rf"model_type '{kind}'.*bloom, cohere, .*gemma3_text, gpt2, .*, qwen3"
    ):
        family_of(build())


@pytest.mark.parametrize("kind", [LlamaModel, LlamaForSequenceClassification])
def test_models_without_a_vocabulary_are_refused(kind: Any) -> None:
    with pytest.raises(UnsupportedModelError, match=rf"{kind.__name__}.*causal language model"):
        family_of(kind(LlamaConfig(**SMALL, intermediate_size=32, pad_token_id=0)))


@pytest.mark.parametrize("thing", [None, "llama", torch.nn.Linear(2, 2), LlamaConfig(**SMALL)])
def test_other_things_are_refused(thing: Any) -> None:
    with pytest.raises(InputTypeError, match=rf"a {type(thing).__name__}; .*language model of transformers"):
        family_of(thing)


def test_compiled_models_are_refused() -> None:
    model = TINY["llama"](layers=1)
    with pytest.raises(UnsupportedModelError, match="_orig_mod"):
        family_of(torch.compile(model, backend="eager"))
    assert family_of(model).depth == 1
    model.compile(backend="eager")
    with pytest.raises(UnsupportedModelError, match=r"model\.compile\(\).*anew"):
        family_of(model)


@pytest.mark.parametrize(("flag", "value"), [("is_quantized", True), ("hf_quantizer", object())])
def test_quantised_models_are_refused(flag: str, value: Any) -> None:
    model = TINY["llama"](layers=1)
    setattr(model, flag, value)
    with pytest.raises(UnsupportedModelError, match=r"quantised.*bfloat16"):
        family_of(model)


@pytest.mark.parametrize("attention", ["flash_attention_2", "flex_attention"])
def test_other_attentions_are_refused(attention: str) -> None:
    model = TINY["llama"](layers=1)
    model.config._attn_implementation = attention
    with pytest.raises(UnsupportedModelError, match=f"{attention}.*'sdpa' or 'eager'"):
        family_of(model)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gpt2", {"add_cross_attention": True}),
        ("gemma2", {"use_bidirectional_attention": True}),
        ("gemma3", {"use_bidirectional_attention": True}),
        ("falcon", {"alibi": True}),
        ("olmoe", {"clip_qkv": 8.0}),
    ],
)
def test_decoders_that_do_more_are_refused(name: str, options: dict[str, Any]) -> None:
    ((option, value),) = options.items()
    with pytest.raises(UnsupportedModelError, match=f"{option}={value}"):
        family_of(TINY[name](**options))


def test_every_family_is_tested_and_named_once() -> None:
    tested = {type(family_of(build(layers=1))) for build in TINY.values()}
    assert tested == set(FAMILIES)
    kinds = [kind for family in FAMILIES for kind in family.model_types]
    assert len(kinds) == len(set(kinds))


@every_model
def test_the_model_is_left_alone(name: str) -> None:
    model = TINY[name]()
    before, settings = {key: value.clone() for key, value in model.state_dict().items()}, model.config.to_dict()
    held = set(model.__dict__)
    family = family_of(model)
    ids, mask = prompt(padded=True)
    in_steps(family, ids, mask, DynamicCache(config=model.config), counted(mask))
    assert set(model.__dict__) == held
    assert model.config.to_dict() == settings
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
