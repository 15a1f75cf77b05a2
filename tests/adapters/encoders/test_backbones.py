"""Encoders taken apart: the plain model bit for bit where nobody leaves, and a clear refusal of everything else."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    LlamaConfig,
    LlamaModel,
)

from adapters.encoders import FixedDepthExit, LinearHeads, encode, heads_named
from adapters.encoders.backbones import backbone_of
from adapters.errors import UnsupportedModelError
from ews.errors import ArgumentError, InputTypeError, UnknownNameError
from tests.adapters.tiny_encoders import CLASSES, ENCODERS, WIDTH, batch, encoder

SMALL = {"vocab_size": 31, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", ENCODERS)
def test_nobody_leaves_bit_for_bit(name: str, attention: str, dtype: torch.dtype) -> None:
    if name == "mpnet" and attention == "sdpa":
        attention = "eager"  # transformers has no other for it
    for classify in (True, False):
        model = encoder(name, attention=attention, classify=classify).to(dtype)
        for padded in (True, False):
            inputs = batch(name, padded=padded)
            if name in ("albert", "bert", "bert-chunked", "xlm-roberta"):
                inputs["token_type_ids"] = (inputs["input_ids"] % 2) * (name != "xlm-roberta")
            with torch.no_grad():
                plain = model(**inputs)
            found = encode(model, **inputs)
            if classify:
                assert torch.equal(found.logits, plain.logits)
            else:
                assert found.logits is None
                assert torch.equal(found.last_hidden_state, plain.last_hidden_state)


@pytest.mark.parametrize("name", ENCODERS)
def test_states_that_rows_leave_with_are_those_of_the_layer(name: str) -> None:
    model, inputs = encoder(name), batch(name)
    heads = heads_named("linear", width=WIDTH, classes=CLASSES, exits=6)
    with torch.no_grad():
        states = model.base_model(**inputs, output_hidden_states=True).hidden_states
    if name == "albert":
        states = states[::2]  # transformers records each of the two layers within a group
    found = encode(model, policy=FixedDepthExit(depth=3), heads=heads, **inputs)
    assert torch.equal(found.last_hidden_state, states[3])
    assert torch.equal(found.logits, heads(3, states[3][:, 0]).logits.detach())


def test_other_models_are_refused() -> None:
    decoder = BertLMHeadModel(BertConfig(**SMALL, is_decoder=True))
    hooked = encoder("bert")
    hooked.bert.register_forward_hook(lambda *given: given[-1])
    replaced = encoder("bert")
    replaced.bert.encoder.forward = lambda *_, **__: None
    with torch.device("meta"):
        empty = BertModel(BertConfig(**SMALL))
    flex = encoder("bert")
    flex.config._attn_implementation = "flex_attention"
    quantised = encoder("bert")
    quantised.is_quantized = True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, on the way
        compiled = torch.compile(encoder("bert"))

    class Mine(BertModel):
        def forward(self, *given: Any, **named: Any) -> Any:
            return super().forward(*given, **named)

    for model, word in (
        (DistilBertModel(DistilBertConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=16)), "distilbert"),
        (LlamaModel(LlamaConfig(**SMALL)), "llama"),
        (BertForMaskedLM(BertConfig(**SMALL)), "BertForMaskedLM"),
        (decoder, "BertLMHeadModel"),
        (BertModel(BertConfig(**SMALL, is_decoder=True)), "decoder"),
        (Mine(BertConfig(**SMALL)), "Mine"),
        (hooked, "hook"),
        (replaced, "forward of its own"),
        (empty, "meta"),
        (flex, "flex_attention"),
        (quantised, "quantised"),
        (compiled, "compiled"),
    ):
        with pytest.raises(UnsupportedModelError, match=word):
            backbone_of(model)
    for other in (nn.Linear(2, 2), "bert", None):
        with pytest.raises(InputTypeError, match="model"):
            backbone_of(other)


def test_hooks_on_layers_are_honoured() -> None:
    model, inputs = encoder("bert"), batch("bert")
    model.bert.encoder.layer[1].register_forward_hook(lambda *given: given[-1] * 1.5)
    with torch.no_grad():
        plain = model(**inputs).logits
    assert torch.equal(encode(model, **inputs).logits, plain)


def test_inputs_that_mean_nothing_here_are_refused() -> None:
    model, inputs = encoder("mpnet"), batch("mpnet")
    with pytest.raises(UnknownNameError, match="token_type_ids"):
        encode(model, **inputs, token_type_ids=torch.zeros_like(inputs["input_ids"]))
    with pytest.raises(UnknownNameError, match="labels"):
        encode(model, **inputs, labels=torch.zeros(4))
    with pytest.raises(ArgumentError, match="none of them"):
        encode(model, attention_mask=inputs["attention_mask"])
    with pytest.raises(ArgumentError, match="shape"):
        encode(model, input_ids=inputs["input_ids"][0])
    with pytest.raises(ArgumentError, match="attention_mask"):
        encode(model, input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"][:2])
    with pytest.raises(InputTypeError, match="input_ids"):
        encode(model, input_ids=[[1, 2]])  # type: ignore[arg-type]


def test_what_comes_out_can_be_learned_from() -> None:
    found = encode(encoder("bert"), **batch("bert"))
    weight = torch.ones((), requires_grad=True)
    (weight * found.logits).sum().backward()
    (weight * found.last_hidden_state).sum().backward()
    assert weight.grad is not None
    assert torch.isfinite(weight.grad)


def test_an_exception_on_the_way_leaves_the_model_as_it_was() -> None:
    model, inputs = encoder("bert"), batch("bert")
    before = encode(model, **inputs).logits
    heads = LinearHeads(WIDTH, CLASSES, 6)
    broken = FixedDepthExit(depth=3)
    broken.leave = lambda _: 1 / 0  # type: ignore[method-assign, return-value]
    with pytest.raises(ZeroDivisionError):
        encode(model, policy=broken, heads=heads, **inputs)
    assert torch.equal(encode(model, **inputs).logits, before)
