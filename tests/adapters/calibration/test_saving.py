"""A policy on disk: read back as it was, or refused with a reason."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

import adapters._common.files
from adapters.calibration.result import Calibration, calibration_dict
from adapters.calibration.rules import Rule
from adapters.calibration.saving import calibration_from_dict
from adapters.errors import PolicyDtypeWarning, PolicyMismatchError
from adapters.policies.ews import EWSExitPolicy
from adapters.texts.replaying import replay
from ews.errors import ArgumentError, EWSWarning
from tests.adapters.fitting import fitted, model_of, written
from tests.adapters.tiny import TINY

UNITS = ["layer", "ffn", "both"]


def saved(folder: Path, unit: Any = "layer", calibration: Calibration | None = None) -> Path:
    EWSExitPolicy(calibration=calibration or fitted("llama", unit)).save(folder)
    return folder


def rewritten(folder: Path, change: Callable[[Any], None], tensors: dict[str, torch.Tensor] | None = None) -> None:
    """Change what was saved and make the digests right again, as someone who writes such files would."""
    words = json.loads((folder / "policy.json").read_text())
    change(words)
    if tensors is not None:
        (folder / "policy.safetensors").write_bytes(save(tensors))
    plain = json.dumps(words["calibration"], sort_keys=True, separators=(",", ":"))
    words["sha256"] = {
        "calibration": hashlib.sha256(plain.encode()).hexdigest(),
        "policy.safetensors": hashlib.sha256((folder / "policy.safetensors").read_bytes()).hexdigest(),
    }
    (folder / "policy.json").write_text(json.dumps(words))


def refused(folder: Path, match: str, name: str = "llama") -> None:
    with pytest.raises(PolicyMismatchError, match=match) as caught:
        EWSExitPolicy.load(folder, model_of(name))
    assert "allowed: " in str(caught.value)


# ---- there and back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS)
def test_a_policy_comes_back_as_it_was(unit: Any, tmp_path: Path) -> None:
    before = fitted("llama", unit)
    after = EWSExitPolicy.load(saved(tmp_path / "deep" / "folder", unit), model_of("llama")).calibration
    assert after is not None
    assert calibration_dict(after) == calibration_dict(before)
    assert after.config == before.config
    assert after.costs == before.costs
    assert set(after.tensors) == set(before.tensors)
    for name, tensor in before.tensors.items():
        assert torch.equal(after.tensors[name], tensor)
        assert after.tensors[name].dtype == tensor.dtype
    policies = [EWSExitPolicy(calibration=each) for each in (before, after)]
    one, other = (replay(model_of("llama"), policy, written("llama")) for policy in policies)
    for column in ("agrees", "depth", "ffn_blocks", "log_likelihood"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


@pytest.mark.parametrize("unit", UNITS)
def test_a_dictionary_comes_back_through_json(unit: Any) -> None:
    before = fitted("llama", unit)
    content = calibration_dict(before)
    text = json.dumps(content, allow_nan=False)
    after = calibration_from_dict(json.loads(text), before.tensors)
    assert calibration_dict(after) == content


def test_a_policy_that_never_leaves_comes_back(tmp_path: Path) -> None:
    before = dataclasses.replace(fitted("llama", "ffn"), rule=None, expected=1.0)
    after = EWSExitPolicy.load(saved(tmp_path, calibration=before), model_of("llama")).calibration
    assert after is not None
    assert after.rule is None


def test_two_files_and_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path)
    saved(tmp_path, "both")  # what stood there is replaced
    assert sorted(each.name for each in tmp_path.iterdir()) == ["policy.json", "policy.safetensors"]
    words = json.loads((tmp_path / "policy.json").read_text())
    assert words["version"] == 1
    digest = hashlib.sha256((tmp_path / "policy.safetensors").read_bytes()).hexdigest()
    assert words["sha256"]["policy.safetensors"] == digest
    assert set(load_file(tmp_path / "policy.safetensors")) == set(fitted("llama", "both").tensors)
    assert EWSExitPolicy.load(tmp_path, model_of("llama")).unit == "both"


def test_an_interrupted_save_leaves_the_old_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    def fails(_handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(adapters._common.files.os, "fsync", fails)
    with pytest.raises(OSError, match="no space"):
        saved(tmp_path, "both")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_a_save_interrupted_between_the_files_is_noticed(tmp_path: Path) -> None:
    saved(tmp_path / "one")
    saved(tmp_path / "other", "ffn")
    (tmp_path / "other" / "policy.safetensors").replace(tmp_path / "one" / "policy.safetensors")
    refused(tmp_path / "one", "SHA-256")


# ---- what cannot be saved ------------------------------------------------------------------------------------------


def test_nothing_to_save(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="policy: got one without a calibration"):
        EWSExitPolicy().save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_numbers_that_json_does_not_have(tmp_path: Path) -> None:
    odd = dataclasses.replace(fitted("llama"), control={"risks": [float("nan")]})
    with pytest.raises(ArgumentError, match="not finite"):
        saved(tmp_path, calibration=odd)
    tensors = {**fitted("llama").tensors, "lens.bias": torch.full((2, 48), torch.inf)}
    with pytest.raises(ArgumentError, match=r"numbers in lens\.bias"):
        saved(tmp_path, calibration=dataclasses.replace(fitted("llama"), tensors=tensors))
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="folder: got"):
        saved(tmp_path / "file")


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["policy.json", "policy.safetensors"])
def test_missing_and_unreadable_files(name: str, tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / name).unlink()
    refused(tmp_path, f"where {name} does not exist")
    (tmp_path / name).mkdir()
    refused(tmp_path, f"where {name} cannot be read")
    refused(tmp_path / "nowhere", "policy.json does not exist")


@pytest.mark.parametrize("name", ["policy.json", "policy.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_files_cut_short(name: str, share: float, tmp_path: Path) -> None:
    saved(tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    refused(tmp_path, name)


def test_any_changed_byte_of_the_tensors(tmp_path: Path) -> None:
    saved(tmp_path)
    data = (tmp_path / "policy.safetensors").read_bytes()
    for place in np.random.default_rng(0).integers(0, len(data), 10):
        other = bytearray(data)
        other[place] ^= 1
        (tmp_path / "policy.safetensors").write_bytes(other)
        refused(tmp_path, "changed")


def test_changed_words(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "policy.json"
    text = path.read_text()
    assert '"risk": 0.05' in text
    risks = [('"risk": 0.05', f'"risk": {each}') for each in ("0.01", "1e999")]
    for old, new in (*risks, ('"depth": 6', '"depth": 8'), ('"expected": 0.9', '"x": 0.9')):
        assert old in text
        path.write_text(text.replace(old, new, 1))
        refused(tmp_path, "a calibration that was changed")
    path.write_text(json.dumps(json.loads(text), sort_keys=True))  # another layout of the same
    assert EWSExitPolicy.load(tmp_path, model_of("llama")).calibration is not None


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "JSON of something else"),
        (b'{"format": "another"}', "JSON of something else"),
        (b'{"format": "earlywarning policy"}', "version: got None; allowed: 1"),
        (b'{"format": "earlywarning policy", "version": 2}', "version: got 2; allowed: 1"),
        (b'{"format": "earlywarning policy", "version": true}', "version: got True"),
        (b'{"format": "earlywarning policy", "version": 1}', "without 'sha256'"),
        (b'{"format": "earlywarning policy", "version": 1, "sha256": [], "calibration": {}}', "sha256: got"),
        (b'{"format": "earlywarning policy", "version": 1, "sha256": NaN}', "got NaN; allowed: finite"),
    ],
)
def test_other_words(content: bytes, match: str, tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "policy.json").write_bytes(content)
    refused(tmp_path, match)


def _put(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(words: Any) -> None:
        at = words["calibration"]
        for name in path[:-1]:
            at = at[name]
        at[path[-1]] = value

    return change


CHANGES = {
    "risk as text": (_put("config", "risk", value="0.05"), "config.risk: got '0.05'; allowed: a finite number"),
    "risk of 1": (_put("config", "risk", value=1), "config.risk: got 1"),
    "risk beyond floats": (_put("config", "risk", value=10**400), "config.risk"),
    "unknown unit": (_put("config", "unit", value="head"), "config.unit: got 'head'; allowed: one of 'layer'"),
    "unit as a list": (_put("config", "unit", value=["layer"]), "config.unit"),
    "unknown cache": (_put("config", "cache", value="none"), "config.cache"),
    "unknown features": (_put("config", "features", value="all"), "config.features"),
    "unknown target": (_put("config", "target", value="token"), "config.target"),
    "seed as a share": (_put("config", "seed", value=0.5), "config.seed"),
    "true as a number": (_put("config", "texts", value=True), "config.texts"),
    "short window": (_put("config", "window", value=2), "config.window"),
    "dtype as a number": (_put("config", "dtype", value=32), "config.dtype"),
    "no configuration": (_put("config", value=None), "config: got None"),
    "rule as a list": (_put("rule", value=[]), "rule: got"),
    "exits as an object": (_put("rule", "exits", value={}), "rule.exits"),
    "depth as text": (_put("rule", "exits", 0, "depth", value="6"), r"rule.exits\[0\].depth"),
    "a depth that has no window": (_put("rule", "exits", 0, "depth", value=4), "rule.exits: got 4"),
    "a depth beyond the model": (_put("rule", "exits", 2, "depth", value=10), "rule.exits: got 10"),
    "weights of another length": (_put("rule", "exits", 0, "gate", "weight", value=[1.0]), "1 numbers; allowed: 20"),
    "a weight as text": (_put("rule", "exits", 0, "gate", "weight", value=["1"] * 20), "gate.weight"),
    "no threshold": (_put("rule", "exits", 0, "threshold", value=None), "threshold"),
    "blocks as a number": (_put("rule", "feeds", value=3), "rule.feeds"),
    "no blocks": (_put("rule", "feeds", 0, "layers", value=[]), "layers"),
    "blocks that fall": (_put("rule", "feeds", 1, "layers", value=[7, 6]), "layers"),
    "blocks beyond the model": (_put("rule", "feeds", 1, "layers", value=[8, 9]), "rule.feeds"),
    "blocks before a window": (_put("rule", "feeds", 1, "layers", value=[3]), "rule.feeds"),
    "costs as text": (_put("costs", "head", value="much"), "costs.head"),
    "measured as a number": (_put("costs", "measured", value=1), "costs.measured"),
    "a depth twice": (_put("rule", "exits", 1, "depth", value=6), "rule.exits: got .6, 6, 9.; allowed: rising"),
    "depths that fall": (_put("rule", "exits", 1, "depth", value=5), "rule.exits"),
    "a block twice": (_put("rule", "feeds", 1, "layers", value=[5, 6]), "rule.feeds.layers"),
    "a threshold beyond one": (_put("rule", "exits", 0, "threshold", value=1.5), "threshold"),
    "a threshold below zero": (_put("rule", "exits", 0, "threshold", value=-1e300), "threshold"),
    "a gate without its threshold": (_put("rule", "exits", 0, "gate_threshold", value=None), "gate_threshold"),
    "a threshold without its gate": (_put("rule", "exits", 0, "gate", value=None), "gate_threshold"),
    "a tolerance of two": (_put("rule", "tolerance", value=2), "rule.tolerance"),
    "another unit": (_put("config", "unit", value="layer"), "config.unit: got 'layer' beside a rule with exits and"),
    "the other unit": (_put("config", "unit", value="ffn"), "config.unit: got 'ffn' beside a rule with exits and"),
    "a rule of nothing": (lambda words: words["calibration"]["rule"].update(exits=[], feeds=[]), "config.unit"),
    "one name more": (_put("more", value=1), "calibration: got an object with 'more'"),
    "one name more in the configuration": (_put("config", "more", value=1), "config: got an object with 'more'"),
    "one name more in the rule": (_put("rule", "more", value=1), "rule: got an object with 'more'"),
    "one name more in an exit": (_put("rule", "exits", 0, "more", value=1), r"rule.exits\[0\]: got an object with"),
    "one name more in a gate": (_put("rule", "exits", 0, "gate", "more", value=1), "gate: got an object with"),
    "one name more in the costs": (_put("costs", "more", value=1), "costs: got an object with"),
    "one name more in the control": (_put("control", "more", value=1), "control: got an object with"),
    "one name more beside all": (lambda words: words.update(more=1), "policy.json: got an object with 'more'"),
    "costs below zero": (_put("costs", "head", value=-1.0), "costs.head"),
    "expected below zero": (_put("expected", value=-1), "expected"),
    "a rule that was not tested": (_put("control", "index", value=7), "control.index"),
    "a window beyond the model": (_put("config", "window", value=10**9), "config.window"),
    "control as a list": (_put("control", value=[]), "control"),
    "fingerprint as a number": (_put("fingerprint", value=5), "fingerprint"),
    "expected as a list": (_put("expected", value=[1]), "expected"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_fields_of_another_type(name: str, tmp_path: Path) -> None:
    change, match = CHANGES[name]
    rewritten(saved(tmp_path, "both"), change)
    refused(tmp_path, match)


@pytest.mark.parametrize("name", ["config", "fingerprint", "rule", "control", "costs", "expected"])
def test_fields_that_are_missing(name: str, tmp_path: Path) -> None:
    rewritten(saved(tmp_path), lambda words: words["calibration"].pop(name))
    refused(tmp_path, f"without '{name}'")


TENSORS: dict[str, tuple[Callable[[dict[str, torch.Tensor]], Any], str]] = {
    "NaN": (lambda found: found["lens.weight"].fill_(torch.nan), "lens.weight: got a tensor with values that are not"),
    "infinity": (lambda found: found["screen.scale"].fill_(torch.inf), "screen.scale"),
    "part of a lens": (lambda found: found.pop("lens.bias"), "tensors named"),
    "part of a head": (lambda found: found.pop("screen.basis"), "tensors named"),
    "something more": (lambda found: found.update(more=torch.zeros(1)), "tensors named"),
    "nothing": (lambda found: found.clear(), "no tensors"),
    "another type": (lambda found: found.update({"screen.weight": found["screen.weight"].float()}), "torch.int8"),
    "whole numbers": (lambda found: found.update({"lens.bias": found["lens.bias"].int()}), "a floating type"),
    "another vocabulary": (lambda found: found.update({"screen.scale": torch.ones(9)}), "tensors"),
    "another width": (lambda found: found.update({"lens.weight": torch.zeros(2, 4, 4)}), "lens.weight"),
    "other depths": (lambda found: found.update({"lens.depths": torch.tensor([3])}), "do not fit"),
    "candidates as a vector": (
        lambda found: found.update(candidates=torch.tensor([3, 4])),
        "candidates: got a tensor of",
    ),
    "no candidates": (lambda found: found.update(candidates=torch.zeros(0, dtype=torch.int64)), "candidates: got"),
    "candidates below zero": (lambda found: found["candidates"].fill_(-3), "do not fit"),
    "depths in two dimensions": (lambda found: found.update({"lens.depths": torch.ones(3, 1).long()}), "lens.depths"),
    "depths that repeat": (lambda found: found["lens.depths"].fill_(6), "lens.depths: got .6"),
    "depths beyond the model": (lambda found: found["lens.depths"].add_(100), "lens.depths: got"),
    "depths below the model": (lambda found: found["lens.depths"].sub_(100), "lens.depths: got"),
    "eight bits": (lambda found: found.update({"lens.bias": found["lens.bias"].to(torch.float8_e5m2)}), "lens.bias"),
    "complex numbers": (lambda found: found.update({"lens.bias": found["lens.bias"].to(torch.complex64)}), "lens.bias"),
    "truth values": (lambda found: found.update({"screen.weight": found["screen.weight"] > 0}), "screen.weight"),
    "a basis of one number": (lambda found: found.update({"screen.basis": torch.tensor(1.0)}), "screen.basis"),
    "a basis of nothing": (
        lambda found: found.update({"screen.basis": torch.zeros(0, 48), "screen.weight": torch.zeros(101, 0).char()}),
        "screen.basis",
    ),
    "too many candidates": (lambda found: found["candidates"].fill_(10_000), "do not fit"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_do_not_fit(name: str, tmp_path: Path) -> None:
    change, match = TENSORS[name]
    saved(tmp_path)
    tensors = load_file(tmp_path / "policy.safetensors")
    change(tensors)
    rewritten(tmp_path, lambda _words: None, tensors)
    refused(tmp_path, match)


def test_thirty_thousand_exits_are_refused_at_once(tmp_path: Path) -> None:
    saved(tmp_path)
    rewritten(
        tmp_path, lambda words: words["calibration"]["rule"].update(exits=words["calibration"]["rule"]["exits"] * 9)
    )
    refused(tmp_path, "rising, each once")
    path = tmp_path / "policy.json"
    path.write_bytes(path.read_bytes() + b" " * (17 << 20))
    refused(tmp_path, "more than the")
    saved(tmp_path)
    with (tmp_path / "policy.safetensors").open("ab") as file:
        file.truncate(1 << 40)  # a file with a hole in it: a terabyte that takes no space
    refused(tmp_path, "more than the")


@pytest.mark.parametrize("name", ["policy.json", "policy.safetensors"])
def test_links_devices_and_pipes_are_refused(name: str, tmp_path: Path) -> None:
    saved(tmp_path / "other")
    for make in (
        lambda path: path.symlink_to(tmp_path / "other" / name),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("nothing"),
        os.mkfifo,
    ):
        saved(tmp_path / "mine")
        (tmp_path / "mine" / name).unlink()
        make(tmp_path / "mine" / name)
        refused(tmp_path / "mine", f"where {name} (is a link|cannot be read)")
    saved(tmp_path / "mine")  # saving replaces what is there, and follows no link
    assert (tmp_path / "mine" / name).is_file()


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path) / "policy.json"
    path.write_text(path.read_text().replace('"risk": 0.05', '"risk": 0.5, "risk": 0.05', 1))
    refused(tmp_path, "'risk' twice in one object")


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o007, 0o660)])
def test_modes_follow_the_umask(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        saved(tmp_path / "policy")
    finally:
        os.umask(before)
    assert {each.stat().st_mode & 0o777 for each in (tmp_path / "policy").iterdir()} == {mode}


def test_a_file_that_is_not_safetensors(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "policy.safetensors").write_bytes(b"\x80\x04 a pickle, perhaps")
    rewritten(tmp_path, lambda _words: None)
    refused(tmp_path, "not safetensors")


# ---- another model -------------------------------------------------------------------------------------------------


def test_another_architecture_or_other_weights(tmp_path: Path) -> None:
    saved(tmp_path)
    refused(tmp_path, "a gpt2 model with fingerprint .* the llama model", "gpt2")
    other = TINY["llama"](layers=9, dtype=torch.float64, seed=1)
    with pytest.raises(PolicyMismatchError, match="fingerprint"):
        EWSExitPolicy.load(tmp_path, other)


def test_the_same_model_in_another_type(tmp_path: Path) -> None:
    saved(tmp_path)
    same = TINY["llama"](layers=9, dtype=torch.bfloat16)
    with pytest.warns(
        PolicyDtypeWarning, match="calibrated with weights in float64 and the model has bfloat16"
    ) as told:
        policy = EWSExitPolicy.load(tmp_path, same)
    assert issubclass(PolicyDtypeWarning, EWSWarning)
    assert told[0].filename == __file__
    prompt = torch.tensor([[5, 6, 7]])
    same.generate(prompt, max_new_tokens=6, do_sample=False, custom_generate=policy)
    assert policy.report().tokens == 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EWSExitPolicy.load(tmp_path, model_of("llama"))


def test_rules_survive_infinite_thresholds() -> None:
    """A look at every token has a gate threshold of −∞, which JSON does not have."""
    rule = fitted("llama").rule
    assert rule is not None
    assert np.isneginf(rule.exits[-1].classifier_threshold)
    again = Rule.from_dict(json.loads(json.dumps(rule.to_dict(), allow_nan=False)))
    assert np.isneginf(again.exits[-1].classifier_threshold)
    assert again.to_dict() == rule.to_dict()


# ---- what an earlier version wrote ---------------------------------------------------------------------------------


def test_saved_names_stay_what_they_were() -> None:
    """Fields were renamed since; files keep the names that the first version of the format has."""
    found = calibration_dict(fitted("llama", "both"))
    assert set(found) == {"config", "fingerprint", "rule", "control", "costs", "expected"}
    assert found["costs"] == {
        "head": 8.0,
        "look": 1.0,
        "gate": 0.5,
        "feed": 0.7,
        "completion": 0.25,
        "measured": False,
    }
    assert set(found["rule"]) == {"tolerance", "exits", "feeds"}
    assert all(set(each) == {"depth", "gate", "gate_threshold", "threshold"} for each in found["rule"]["exits"])
    assert all(set(each) == {"layers", "gate", "gate_threshold"} for each in found["rule"]["feeds"])
    assert found["rule"]["feeds"]
    again = calibration_from_dict(json.loads(json.dumps(found)), fitted("llama", "both").tensors)
    assert calibration_dict(again) == found
    assert (again.costs.prediction, again.costs.classifier, again.costs.ffn) == (1.0, 0.5, 0.7)
