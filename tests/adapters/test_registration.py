"""Policies and families of one's own become known in one call, or by being installed; what is wrong is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import ArceeConfig, ArceeForCausalLM, LlamaConfig, LlamaForCausalLM

import adapters
import adapters.families
from adapters import FixedExitPolicy, NeverExitPolicy, Plan, Policy, policy_named
from adapters.errors import UnsupportedModelError
from adapters.families import Family, family_of
from adapters.policies import registry
from ews.errors import ArgumentError, InputTypeError, UnknownNameError
from tests.adapters.driving import plain, prompt
from tests.adapters.tiny import TINY, VOCABULARY

SIZE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": None,
}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Nothing stays registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "POLICIES", dict(registry.POLICIES))
        patch.setattr(adapters.families, "_KNOWN", dict(adapters.families._KNOWN))
        yield


class Halfway(Policy):
    """Half of the layers."""

    def __init__(self, *, cache: Any = "deferred") -> None:
        super().__init__(unit="layer", cache=cache)

    def bind(self, family: Family) -> None:
        """Learn how many there are."""
        self.half = family.depth // 2

    def plan(self, step: int) -> Plan:
        """Leave there."""
        return Plan(exit=self.half)


def test_a_policy_of_ones_own() -> None:
    assert adapters.register_policy("halfway", Halfway) is Halfway
    adapters.register_policy("halfway", Halfway)  # a cell that is run twice
    assert "halfway" in registry.policy_names()
    model, inputs = TINY["llama"](), prompt()
    expected = plain(model, inputs)
    found = plain(model, inputs, custom_generate=policy_named("halfway", cache="verify"))
    assert torch.equal(found.sequences, expected.sequences)


class Undecided(Policy):
    """One that has no plan."""


@pytest.mark.parametrize(
    ("name", "policy", "error", "match"),
    [
        ("fixed", Halfway, ArgumentError, "that of FixedExitPolicy"),
        ("half way", Halfway, ArgumentError, "letters, digits"),
        (3, Halfway, ArgumentError, "letters, digits"),
        ("", Halfway, ArgumentError, "letters, digits"),
        ("half", Halfway(), InputTypeError, "a subclass of adapters.Policy"),
        ("half", Family, InputTypeError, "a subclass of adapters.Policy"),
        ("half", Undecided, InputTypeError, "which has no plan"),
    ],
)
def test_policies_that_cannot_be_registered(name: Any, policy: Any, error: type[Exception], match: str) -> None:
    before = registry.policy_names()
    with pytest.raises(error, match=match):
        adapters.register_policy(name, policy)
    assert registry.policy_names() == before


class Arcee(Family):
    """Llama, but for what its feed-forward blocks do within."""

    model_types = ("arcee",)


def test_a_family_of_ones_own() -> None:
    model, inputs = ArceeForCausalLM(ArceeConfig(**SIZE)).eval(), prompt()
    with pytest.raises(UnsupportedModelError, match="model_type 'arcee'"):
        family_of(model)
    assert adapters.register_family(Arcee) is Arcee
    adapters.register_family(Arcee)
    expected = plain(model, inputs)
    found = plain(model, inputs, custom_generate=NeverExitPolicy())
    assert all(torch.equal(*pair) for pair in zip(found.logits, expected.logits, strict=True))
    found = plain(model, inputs, custom_generate=FixedExitPolicy(depth=2, cache="verify"))
    assert torch.equal(found.sequences, expected.sequences)


def test_a_model_of_ones_own() -> None:
    """With a type that transformers does not know, and a forward of its own, which its family vouches for."""

    class OwnConfig(LlamaConfig):
        model_type = "own_llama"

    class Own(LlamaForCausalLM):
        config_class = OwnConfig

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return super().forward(*args, **kwargs)

    class OwnFamily(Family):
        model_types = ("own_llama",)

    model, inputs = Own(OwnConfig(**SIZE)).eval(), prompt()
    adapters.register_family(OwnFamily)
    expected = plain(model, inputs)
    found = plain(model, inputs, custom_generate=FixedExitPolicy(depth=2, cache="verify"))
    assert torch.equal(found.sequences, expected.sequences)


@pytest.mark.parametrize(
    ("family", "error", "match"),
    [
        (Halfway, InputTypeError, "a subclass of adapters.families.Family"),
        ("arcee", InputTypeError, "a subclass of adapters.families.Family"),
        (type("Nameless", (Family,), {}), InputTypeError, "model types"),
        (type("Text", (Family,), {"model_types": "arcee"}), InputTypeError, "model types"),
        (type("Again", (Family,), {"model_types": ("arcee2", "llama")}), ArgumentError, "another one for 'llama'"),
    ],
)
def test_families_that_cannot_be_registered(family: Any, error: type[Exception], match: str) -> None:
    before = dict(adapters.families._KNOWN)
    with pytest.raises(error, match=match):
        adapters.register_family(family)
    assert before == adapters.families._KNOWN


def test_what_is_installed_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(
        "from adapters import FixedExitPolicy\nfrom adapters.families import Family\n"
        "class Calm(FixedExitPolicy): pass\nclass Arcee(Family): model_types = ('arcee',)\n"
    )
    told = tmp_path / "elsewhere-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[earlywarning.policies]\ncalm = elsewhere:Calm\nbroken = nowhere:Nothing\n"
        "[earlywarning.families]\narcee = elsewhere:Arcee\n"
    )
    code = (
        "import sys; import adapters; from adapters.policies.registry import policy_names\n"
        "assert {'calm', 'broken', 'fixed'} <= set(policy_names()) and 'elsewhere' not in sys.modules\n"
        "assert type(adapters.policy_named('calm', depth=2)).__module__ == 'elsewhere'\n"
        "from transformers import ArceeConfig, ArceeForCausalLM; from adapters.families import family_of\n"
        "model = ArceeForCausalLM(ArceeConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=2,\n"
        "                                     num_attention_heads=2, num_key_value_heads=2))\n"
        "assert type(family_of(model)).__module__ == 'elsewhere'\n"
    )
    root = Path(__file__).parents[2]
    paths = f"{tmp_path}:{root}"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": paths, "PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(UnknownNameError, match="calmer"):
        policy_named("calmer")
