"""What is around the layers is either honoured, as in the plain model, or refused before anything runs."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.hooks import AlignDevicesHook, ModelHook, SequentialHook, add_hook_to_module
from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from transformers import DynamicCache, LlamaForCausalLM, LlamaModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from adapters import FixedExitPolicy, NeverExitPolicy, Plan, Policy, RandomExitPolicy
from adapters.decoding import engine
from adapters.decoding.projection import Projection
from adapters.errors import UnsupportedModelError
from adapters.families import family_of
from adapters.families.surroundings import require_no_dropout
from ews.errors import InputTypeError
from tests.adapters.driving import Feeding, plain, prompt
from tests.adapters.tiny import TINY

# What peft says in passing, and a name that it asks transformers by and that will go.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Position ids are not supported"),
    pytest.mark.filterwarnings("ignore:Already unmerged"),
]

LAYERS, TOKENS = 5, 8


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def louder(_: Any, __: Any, output: Any) -> Any:
    """A forward hook that changes what comes out, position by position."""
    if isinstance(output, tuple):
        return (output[0] * 1.25, *output[1:])
    return output * 1.25 if isinstance(output, Tensor) else None


def turned(_: Any, args: Any, kwargs: Any) -> Any:
    """A forward pre-hook that changes what goes in."""
    if args and args[0].is_floating_point():
        return (args[0].roll(1, -1), *args[1:]), kwargs
    return args, kwargs | {
        "hidden_states": kwargs["hidden_states"].roll(1, -1)
    } if "hidden_states" in kwargs else kwargs


def same_logits(found: Any, expected: Any, *, bits: bool) -> None:
    assert torch.equal(found.sequences, expected.sequences)
    for one, other in zip(found.logits, expected.logits, strict=True):
        assert torch.equal(one, other) if bits else torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def honoured(model: Any) -> Any:
    """That all policies give the changed model's own text; what that is."""
    inputs = prompt()
    expected = plain(model, inputs, tokens=TOKENS)
    same_logits(plain(model, inputs, tokens=TOKENS, custom_generate=NeverExitPolicy()), expected, bits=True)
    for policy in (FixedExitPolicy(depth=2, cache="verify"), RandomExitPolicy(cache="verify", rate=0.7)):
        found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
        same_logits(found, expected, bits=False)
        assert policy.report().drafted > 0
        with policy.attach(model):
            same_logits(plain(model, inputs, tokens=TOKENS), expected, bits=False)
    return expected


def projected_as_modules_do(model: Any) -> None:
    """That keys and values of layers left out are those that the attention itself would write."""
    family = family_of(model)
    hidden = torch.randn(2, 3, family.width, dtype=model.dtype, generator=torch.Generator().manual_seed(4))
    positions = torch.arange(3)[None]
    with torch.no_grad():
        rotary = family.rotary(hidden, positions)
        mask = family.masks(hidden, None, None, positions)
        found = Projection(family)(1, hidden, rotary)
        for index, (keys, values) in enumerate(found, start=1):
            cache = DynamicCache()
            kind = family.kinds[index]
            family.attend(index, hidden, mask=mask[kind], position_ids=positions, rotary=rotary, cache=cache)
            for one, other in ((keys, cache.layers[index].keys), (values, cache.layers[index].values)):
                torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


# ---- honoured ------------------------------------------------------------------------------------------------------

PLACES: dict[str, Callable[[Any], nn.Module]] = {
    "model": lambda model: model,
    "embedding": lambda model: model.get_input_embeddings(),
    "layer": lambda model: family_of(model).layers[3],
    "first layer": lambda model: family_of(model).layers[0],
    "attention": lambda model: family_of(model).attention(3),
    "mlp": lambda model: family_of(model).layers[3].mlp,
    "attention norm": lambda model: family_of(model).attention_input_norm(3),
    "keys": lambda model: family_of(model).key_value_modules(3)[0],
    "values": lambda model: family_of(model).key_value_modules(3)[-1],
    "final norm": lambda model: family_of(model).norm,
    "head": lambda model: family_of(model).head,
}
# What has no floating input to change before it.
BEFORE = [name for name in PLACES if name not in ("model", "embedding")]


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("place", PLACES)
def test_forward_hooks_are_honoured(name: str, place: str) -> None:
    model = TINY[name](dtype=torch.float64)
    before = plain(model, prompt(), tokens=TOKENS)
    if place == "model":
        PLACES[place](model).register_forward_hook(lambda _, __, out: out | {"logits": -out.logits})
    else:
        PLACES[place](model).register_forward_hook(louder)
    after = honoured(model)
    assert not all(torch.equal(*pair) for pair in zip(after.logits, before.logits, strict=True))
    projected_as_modules_do(model)


@pytest.mark.parametrize("name", ["qwen3", "gpt_neox-serial"])
@pytest.mark.parametrize("place", BEFORE)
def test_forward_pre_hooks_are_honoured(name: str, place: str) -> None:
    model = TINY[name](dtype=torch.float64)
    before = plain(model, prompt(), tokens=TOKENS)
    PLACES[place](model).register_forward_pre_hook(turned, with_kwargs=True)
    after = honoured(model)
    assert not all(torch.equal(*pair) for pair in zip(after.logits, before.logits, strict=True))
    if place == "attention":
        refused(model, "on the attention of layer 3.*propagate", FixedExitPolicy(depth=2, cache="propagate"))
    else:
        projected_as_modules_do(model)


class Doubled(nn.Linear):
    """A projection of someone's own."""

    def forward(self, given: Tensor) -> Tensor:
        """Twice as much."""
        return 2 * super().forward(given)


def pruned(model: Any) -> None:
    for layer in family_of(model).layers:
        prune.l1_unstructured(layer.self_attn.k_proj, "weight", amount=0.5)
        prune.l1_unstructured(layer.mlp.up_proj, "weight", amount=0.5)


def parametrized(model: Any) -> None:
    for layer in family_of(model).layers:
        parametrizations.weight_norm(layer.self_attn.v_proj)
        layer.self_attn.v_proj.parametrizations.weight.original0.data *= 1.5


def reshaped(model: Any) -> None:
    for layer in family_of(model).layers[2:]:
        layer.self_attn.v_proj.__class__ = Doubled


def wrapped_within(model: Any) -> None:
    for layer in family_of(model).layers[2:]:
        forward = layer.self_attn.k_proj.forward
        layer.self_attn.k_proj.forward = lambda given, _forward=forward: 0.5 * _forward(given)
        norm = layer.input_layernorm.forward
        layer.input_layernorm.forward = functools.partial(lambda found, given: found(given) + 0.1, norm)


def aligned(model: Any) -> None:
    add_hook_to_module(model, AlignDevicesHook(io_same_device=True))
    add_hook_to_module(model.model, AlignDevicesHook(execution_device="cpu"))


def bound_again(model: Any) -> None:
    model.forward = types.MethodType(type(model).forward, model)
    model.model.forward = model.model.forward


def steered(model: Any) -> None:
    model.model.layers[2] = type("Steered", (LlamaDecoderLayer,), {"forward": _steer})(model.config, 2).to(model.dtype)


def _steer(self: Any, hidden_states: Tensor, **options: Any) -> Tensor:
    found: Tensor = LlamaDecoderLayer.forward(self, hidden_states, **options)
    return found + 0.3


@pytest.mark.parametrize("change", [pruned, parametrized, reshaped, wrapped_within, aligned, bound_again, steered])
def test_what_is_done_to_parts_is_honoured(change: Callable[[Any], None]) -> None:
    model = TINY["llama"](dtype=torch.float64)
    change(model)
    honoured(model)
    projected_as_modules_do(model)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_around_a_generation_is_honoured(dtype: torch.dtype) -> None:
    model, inputs = TINY["llama"](), prompt()
    with torch.autocast("cpu", dtype=dtype):
        expected = plain(model, inputs, tokens=TOKENS)
        same_logits(plain(model, inputs, tokens=TOKENS, custom_generate=NeverExitPolicy()), expected, bits=True)
        for policy in (FixedExitPolicy(depth=2, cache="verify"), FixedExitPolicy(depth=2, cache="propagate")):
            found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
            for one, other in zip(found.past_key_values.layers, expected.past_key_values.layers, strict=True):
                assert (one.keys.dtype, one.values.dtype) == (other.keys.dtype, other.values.dtype)
            if policy.cache == "verify":
                for one, other in zip(found.logits, expected.logits, strict=True):
                    torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
    assert not torch.equal(plain(model, inputs, tokens=TOKENS).logits[-1], expected.logits[-1])


def test_what_accelerate_unwraps_is_honoured() -> None:
    model = TINY["llama"](dtype=torch.float64)
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    prepared = accelerator.prepare_model(model)
    refused(prepared, "forward of its own.*accelerate.*unwrap_model")
    honoured(accelerator.unwrap_model(prepared, keep_fp32_wrapper=False))


# ---- adapters of peft ----------------------------------------------------------------------------------------------

EVERYWHERE = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "down_proj", "lm_head"]


def with_lora(**options: Any) -> Any:
    """A model of peft whose adapters do something."""
    model = TINY["llama"](dtype=torch.float64)
    settings = {"r": 4, "target_modules": EVERYWHERE, "init_lora_weights": False, **options}
    with torch.random.fork_rng():
        torch.manual_seed(8)
        return get_peft_model(model, LoraConfig(task_type=TaskType.CAUSAL_LM, **settings)).eval()


@pytest.mark.parametrize("options", [{}, {"use_dora": True}, {"target_modules": ["k_proj", "v_proj"]}])
def test_lora_is_honoured_in_every_state(options: dict[str, Any]) -> None:
    whole = with_lora(**options)
    with torch.random.fork_rng():
        torch.manual_seed(9)
        whole.add_adapter("other", LoraConfig(r=2, target_modules=["v_proj", "gate_proj"], init_lora_weights=False))
    whole.to(torch.float64)
    model = whole.get_base_model()
    texts = []

    def look() -> None:
        texts.append(torch.stack(honoured(model).logits))
        projected_as_modules_do(model)

    look()
    whole.set_adapter("other")
    look()
    with whole.disable_adapter():
        look()
    whole.merge_adapter()
    look()
    whole.unmerge_adapter()
    whole.set_adapter("default")
    look()
    assert torch.allclose(texts[1], texts[3], atol=1e-4)  # merged is the same function
    assert torch.allclose(texts[0], texts[4], atol=1e-4)
    assert all(not torch.allclose(texts[a], texts[b], atol=1e-2) for a, b in ((0, 1), (0, 2), (1, 2)))
    merged = whole.merge_and_unload()
    honoured(merged)
    projected_as_modules_do(merged)


@pytest.mark.parametrize("cache", ["propagate", "deferred"])
def test_weights_merged_between_generations_are_seen(cache: Any) -> None:
    whole, inputs = with_lora(target_modules=["k_proj", "v_proj"]), prompt()
    model = whole.get_base_model()
    policy = FixedExitPolicy(depth=2, cache=cache)
    with policy.attach(model):
        apart = plain(model, inputs, tokens=TOKENS)
        with whole.disable_adapter():
            without = plain(model, inputs, tokens=TOKENS)
        whole.merge_adapter()
        merged = plain(model, inputs, tokens=TOKENS)
    same_logits(merged, apart, bits=False)
    assert not torch.allclose(without.logits[-1], apart.logits[-1], atol=1e-2)


@pytest.mark.parametrize(
    "config",
    [
        IA3Config(
            task_type=TaskType.CAUSAL_LM, target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]
        ),
        PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3),
        PrefixTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=3),
    ],
    ids=["ia3", "prompt", "prefix"],
)
def test_other_adapters_by_their_own_generate(config: Any) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        whole = get_peft_model(TINY["llama"](dtype=torch.float64), config).to(torch.float64).eval()
        for name, each in whole.named_parameters():
            if "ia3" in name or "prompt" in name:
                each.data = torch.randn_like(each)
    inputs = prompt()
    expected = plain(whole, inputs, tokens=TOKENS)
    for policy in (NeverExitPolicy(), FixedExitPolicy(depth=2, cache="verify")):
        found = plain(whole, inputs, tokens=TOKENS, custom_generate=policy)
        same_logits(found, expected, bits=False)
        assert policy.report().tokens == TOKENS - 1


def test_a_model_of_peft_is_told_apart() -> None:
    whole, inputs = with_lora(), prompt()
    with pytest.raises(InputTypeError, match=r"PeftModelForCausalLM.*get_base_model\(\)"):
        family_of(whole)
    with pytest.raises(InputTypeError, match=r"get_base_model\(\)"), NeverExitPolicy().attach(whole):
        pass
    expected = plain(whole, inputs, tokens=TOKENS)
    found = plain(whole, inputs, tokens=TOKENS, custom_generate=FixedExitPolicy(depth=2, cache="verify"))
    same_logits(found, expected, bits=False)


def test_wrappers_name_the_model_within() -> None:
    model = TINY["llama"]()
    with pytest.raises(InputTypeError, match="LlamaForCausalLM within, its attribute module"):
        family_of(nn.DataParallel(model))


# ---- refused -------------------------------------------------------------------------------------------------------


def refused(model: Any, match: str, policy: Policy | None = None) -> None:
    """That a policy says what it found, both ways, before anything ran."""
    policy = policy or FixedExitPolicy(depth=2, cache="verify")
    ran: list[Any] = []
    handle = list(family_of(model).layers[1].modules())[-1].register_forward_pre_hook(lambda *_: ran.append(1))
    with pytest.raises(UnsupportedModelError, match=match):
        model.generate(**prompt(), max_new_tokens=4, custom_generate=policy)
    with pytest.raises(UnsupportedModelError, match=match), policy.attach(model):
        ran.append("attached")
    assert not ran
    handle.remove()


class Colder(LlamaForCausalLM):
    """A model that changes its logits."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Divided by two."""
        found = super().forward(*args, **kwargs)
        found.logits = found.logits / 2
        return found


class Marked(LlamaModel):
    """A decoder that changes its states."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """One more."""
        found = super().forward(*args, **kwargs)
        found.last_hidden_state = found.last_hidden_state + 1
        return found


class Watching(ModelHook):
    """A hook of accelerate."""

    def post_forward(self, module: nn.Module, output: Any) -> Any:
        """Change nothing."""
        return output


def wrapped(forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return forward(*args, **kwargs)

    return outer


def _set(model: Any, forward: Any) -> None:
    model.forward = forward


AROUND: dict[str, tuple[Callable[[Any], Any], str]] = {
    "subclass": (lambda model: setattr(model, "__class__", Colder), r"Colder\.forward.*LlamaForCausalLM"),
    "wrapped": (lambda model: _set(model, wrapped(model.forward)), r"forward of its own.*logits_processor"),
    "partial": (lambda model: _set(model, functools.partial(model.forward)), "functools.partial"),
    "autocast": (lambda model: _set(model, torch.autocast("cpu")(model.forward)), "autocast"),
    "accelerate": (lambda model: add_hook_to_module(model, Watching()), "hook of accelerate.*Watching"),
    "accelerate, two": (
        lambda model: add_hook_to_module(model, SequentialHook(AlignDevicesHook(), Watching())),
        r"hook of accelerate \(Watching\)",
    ),
    "over accelerate": (
        lambda model: _set(add_hook_to_module(model, AlignDevicesHook()), wrapped(model.forward)),
        "forward of its own",
    ),
    "under accelerate": (
        lambda model: (_set(model, wrapped(model.forward)), add_hook_to_module(model, AlignDevicesHook())),
        "forward of its own",
    ),
    "decoder hook": (lambda model: model.model.register_forward_hook(louder), r"on model,.*forward hook \(louder"),
    "decoder pre-hook": (lambda model: model.model.register_forward_pre_hook(wrapped(louder)), "on model,.*pre-hook"),
    "decoder hook of a partial": (
        lambda model: model.model.register_forward_hook(functools.partial(louder)),
        "functools.partial of louder",
    ),
    "decoder wrapped": (lambda model: _set(model.model, wrapped(model.model.forward)), "on model,.*forward of its own"),
    "decoder accelerate": (lambda model: add_hook_to_module(model.model, Watching()), "on model,.*Watching"),
    "decoder subclass": (lambda model: setattr(model.model, "__class__", Marked), r"on model,.*Marked\.forward"),
    "decoder compiled": (lambda model: model.model.compile(backend="eager"), "on model.*torch.compile"),
}


@pytest.mark.parametrize("change", AROUND)
def test_what_would_be_passed_over_is_refused(change: str) -> None:
    model = TINY["llama"]()
    do, match = AROUND[change]
    do(model)
    refused(model, match)


@pytest.mark.parametrize(("name", "path"), [("opt", "model"), ("opt", "model.decoder"), ("gpt_neox", "gpt_neox")])
def test_every_module_that_holds_layers_is_looked_at(name: str, path: str) -> None:
    model = TINY[name]()
    model.get_submodule(path).register_forward_hook(louder)
    with pytest.raises(UnsupportedModelError, match=f"on {path},"), NeverExitPolicy().attach(model):
        pass


def test_a_class_that_was_patched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TINY["llama"]()
    monkeypatch.setattr(LlamaForCausalLM, "forward", wrapped(LlamaForCausalLM.forward))
    refused(model, r"LlamaForCausalLM\.forward of tests\.adapters")


def test_hooks_on_all_modules_are_refused() -> None:
    model = TINY["llama"]()
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        refused(model, "hook for all modules")
    finally:
        handle.remove()
    honoured(model.double())


LAYERWISE: dict[str, Callable[[Any], Any]] = {
    "hook": lambda layer: layer.register_forward_hook(louder),
    "pre-hook": lambda layer: layer.register_forward_pre_hook(lambda *_: None),
    "wrapped": lambda layer: _set(layer, wrapped(layer.forward)),
    "subclass": lambda layer: setattr(layer, "__class__", type("Own", (LlamaDecoderLayer,), {"forward": _steer})),
}


@pytest.mark.parametrize("change", LAYERWISE)
def test_layers_that_cannot_be_halved_are_refused(change: str) -> None:
    model = TINY["llama"](dtype=torch.float64)
    LAYERWISE[change](model.model.layers[3])
    refused(model, "on layer 3, which is run in two halves", Feeding(torch.ones(1, LAYERS, 1).bool()))
    honoured(model)


def test_blocks_decided_under_another_unit_are_refused_too() -> None:
    class Sly(Policy):
        def plan(self, step: int) -> Plan:
            return Plan(ffn_checks=frozenset({3}))

    model = TINY["llama"]()
    model.model.layers[3].register_forward_hook(louder)
    with pytest.raises(UnsupportedModelError, match="layer 3"):
        model.generate(**prompt(), max_new_tokens=4, custom_generate=Sly(unit="layer", cache="propagate"))


@pytest.mark.parametrize("place", ["attention", "mlp", "attention norm"])
def test_hooks_on_parts_are_honoured_in_halves(place: str) -> None:
    model, inputs = TINY["llama"](), prompt()
    PLACES[place](model).register_forward_hook(louder)
    expected = plain(model, inputs, tokens=TOKENS)
    policy = Feeding(torch.ones(1, LAYERS, 1).bool())
    same_logits(plain(model, inputs, tokens=TOKENS, custom_generate=policy), expected, bits=True)


def test_a_hook_that_comes_later_is_refused_too() -> None:
    model, inputs = TINY["llama"](), prompt()
    with FixedExitPolicy(depth=2, cache="verify").attach(model):
        plain(model, inputs, tokens=3)
        model.model.register_forward_hook(louder)
        with pytest.raises(UnsupportedModelError, match="on model"):
            plain(model, inputs, tokens=3)


def _head(model: Any) -> None:
    model.set_output_embeddings(nn.Linear(48, 101, bias=False))


def _layer(model: Any) -> None:
    model.model.layers[3] = TINY["llama"](seed=3).model.layers[3]


def _norm(model: Any) -> None:
    model.model.norm = TINY["llama"](seed=3).model.norm


def _decoder(model: Any) -> None:
    model.model = TINY["llama"](seed=3).model


def _adapted_head(model: Any) -> None:
    get_peft_model(model, LoraConfig(target_modules=["lm_head"], task_type=TaskType.CAUSAL_LM))


REPLACED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "head": (_head, "another head"),
    "adapted head": (_adapted_head, "another head"),
    "layer": (_layer, "another layer 3"),
    "layer less": (lambda model: model.model.layers.pop(-1), "another number of layers"),
    "norm": (_norm, "another final norm"),
    "decoder": (_decoder, "another decoder"),
}


@torch.no_grad()
@pytest.mark.parametrize("change", REPLACED)
def test_parts_replaced_within_the_block_are_refused(change: str) -> None:
    model, inputs = TINY["llama"](), prompt()
    do, match = REPLACED[change]
    with NeverExitPolicy().attach(model):
        plain(model, inputs, tokens=3)
        cache = model(**inputs).past_key_values
        do(model)
        with pytest.raises(UnsupportedModelError, match=f"{match}.*attach again"):
            plain(model, inputs, tokens=3)
        with pytest.raises(UnsupportedModelError, match=match):
            model(torch.tensor([[4]]), past_key_values=cache)
    if change == "layer less":
        model.config.num_hidden_layers -= 1
    honoured(model.double())


DROPPING: dict[str, Callable[[], Any]] = {
    "llama": lambda: TINY["llama"](attention_dropout=0.5),
    "opt": lambda: TINY["opt"](dropout=0.5),
    "gpt2": lambda: TINY["gpt2"](embd_pdrop=0.5, attn_pdrop=0.0, resid_pdrop=0.0),
    "gpt_neox": lambda: TINY["gpt_neox"](hidden_dropout=0.5),
    "bloom": lambda: TINY["bloom"](hidden_dropout=0.5),
    "falcon": lambda: TINY["falcon"](hidden_dropout=0.5),
    "phi": lambda: TINY["phi"](resid_pdrop=0.5),
    "starcoder2": lambda: TINY["starcoder2"](residual_dropout=0.5),
    "starcoder2, embedding": lambda: TINY["starcoder2"](embedding_dropout=0.5),
    "mixtral": lambda: TINY["mixtral"](dtype=torch.float64, router_jitter_noise=0.5),
    "lora": lambda: get_peft_model(
        TINY["llama"](), LoraConfig(target_modules=["v_proj"], lora_dropout=0.5, task_type=TaskType.CAUSAL_LM)
    ).get_base_model(),
}


@pytest.mark.parametrize("kind", DROPPING)
def test_dropout_is_not_verified_by_another_draw(kind: str) -> None:
    model = DROPPING[kind]().train()
    refused(model, "training mode, with dropout in", FixedExitPolicy(depth=2, cache="verify"))
    torch.manual_seed(0)
    expected = plain(model, prompt(), tokens=4)
    torch.manual_seed(0)
    assert torch.equal(
        plain(model, prompt(), tokens=4, custom_generate=NeverExitPolicy()).sequences, expected.sequences
    )
    honoured(model.eval().double())


def test_what_is_around_is_looked_at_once_in_a_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(family: Any) -> None:
        seen.append(family.depth)
        require_no_dropout(family)

    monkeypatch.setattr(engine, "require_no_dropout", counted)
    model, policy = TINY["llama"](), FixedExitPolicy(depth=2, cache="verify")
    plain(model, prompt(), tokens=4, custom_generate=policy)
    assert len(seen) == 1
    with policy.attach(model):
        plain(model, prompt(), tokens=4)
        plain(model, prompt(), tokens=4)
    assert len(seen) == 1 + 1 + 2
    with policy.attach(model):  # a loop of one's own
        inputs = prompt()
        held = model(**inputs)
        model.train()
        model.config.attention_dropout = 0.5
        for layer in model.model.layers:
            layer.self_attn.attention_dropout = 0.5
        with pytest.raises(UnsupportedModelError, match="training mode, with dropout in"):
            model(inputs["input_ids"][:, -1:], past_key_values=held.past_key_values)


class Backward(LlamaForCausalLM):
    """A model with a decoding loop of its own."""

    def _sample(self, *args: Any, **kwargs: Any) -> Any:
        return super()._sample(*args, **kwargs).flip(1)


def test_a_subclass_keeps_its_decoding_loop() -> None:
    model = TINY["llama"](dtype=torch.float64)
    model.__class__ = Backward
    options: dict[str, Any] = {**prompt(), "max_new_tokens": 5, "do_sample": False}
    policy = FixedExitPolicy(depth=2, cache="verify")
    found = model.generate(**options, custom_generate=policy)
    assert torch.equal(found, model.generate(**options))
    with policy.attach(model):
        assert torch.equal(found, model.generate(**options))
