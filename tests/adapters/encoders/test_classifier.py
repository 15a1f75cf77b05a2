"""The classifier of sequences: fitted, calibrated, kept, and read back."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters.encoders import (
    ConfidenceExit,
    EarlyExitClassifier,
    EWSEncoderExit,
    NeverLeave,
    PabeePolicy,
    RandomDepthExit,
    conformal_quantile,
    conformal_sets,
    expected_calibration_error,
)
from adapters.encoders.systems import SYSTEMS
from adapters.errors import FullDepthWarning, PolicyMismatchError
from ews.errors import ArgumentError, EWSError, InputTypeError, UnknownNameError
from tests.adapters.tiny_encoders import encoder, shared

WORDS = ["red", "green", "blue", "one", "two", "three", "up", "down", "left", "right"]


def tokenizer(texts: list[str], pairs: list[str] | None = None, **_: Any) -> dict[str, list[list[int]]]:
    joined = [f"{a} ; {b}" for a, b in zip(texts, pairs, strict=True)] if pairs else texts
    ids = [[2, *(10 + WORDS.index(word) if word in WORDS else 5 for word in text.split()), 3] for text in joined]
    return {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]}


def said(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of three to eight words, and whether there are more colours than directions among them."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(count)]
    colours = [sum(word in WORDS[:3] for word in text.split()) for text in texts]
    ways = [sum(word in WORDS[6:] for word in text.split()) for text in texts]
    return texts, ["colour" if a > b else "way" for a, b in zip(colours, ways, strict=True)]


def small(system: str = "pabee", name: str = "bert", **options: Any) -> EarlyExitClassifier:
    return EarlyExitClassifier(shared(name, layers=5, classify=False), tokenizer, system=system, **options)


@pytest.fixture(scope="module")
def fitted() -> EarlyExitClassifier:
    return small(policy=PabeePolicy(patience=2)).fit(*said(400), epochs=15, learning_rate=0.02)


def copy_of(made: EarlyExitClassifier, policy: Any) -> EarlyExitClassifier:
    again = small()
    again.classes_, again.heads_, again.policy = made.classes_, made.heads_, policy
    return again


@pytest.mark.parametrize("system", SYSTEMS)
def test_fit_predict_save_load(system: str, tmp_path: Path) -> None:
    texts, labels = said(300)
    own = {"warm_up": 10, "trade_off": 0.02, "period": 20} if system == "jei_dnn" else None
    made = small(system, training=own)
    before = {name: each.clone() for name, each in made.model.state_dict().items()}
    assert made.fit(texts, labels, epochs=30, learning_rate=0.2 if system == "jei_dnn" else 0.02) is made
    assert made.score(texts, labels) > 0.75
    found, depths = made.predict_proba(texts), made.report().depths.tolist()
    assert found.shape == (300, 2)
    assert np.allclose(found.sum(axis=1), 1.0)
    assert made.predict(texts).tolist() == [made.classes_[each] for each in found.argmax(axis=1)]
    assert made.report().rows == 300
    assert all(torch.equal(each, before[name]) for name, each in made.model.state_dict().items())
    made.calibrate_sets(*said(100, seed=1), alpha=0.2)
    made.save(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["classifier.json", "classifier.safetensors"]
    again = EarlyExitClassifier.load(tmp_path, made.model, tokenizer)
    assert np.array_equal(again.predict_proba(texts), found)
    assert again.report().depths.tolist() == depths
    assert again.sets_ == made.sets_
    assert np.array_equal(again.predict_sets(texts), made.predict_sets(texts))


def test_batches_of_any_size_and_order(fitted: EarlyExitClassifier) -> None:
    texts, _ = said(60, seed=3)
    for policy in (PabeePolicy(patience=1), RandomDepthExit(rate=0.4, seed=2)):
        whole = copy_of(fitted, policy)
        found, depths = whole.predict_proba(texts), whole.report().depths
        whole.batch_size = 7
        assert np.allclose(whole.predict_proba(texts), found, atol=1e-5)
        assert whole.report().depths.tolist() == depths.tolist()
        assert depths.min() < 5
    # Encodings are as good as texts, padded or not.
    encoded = tokenizer(texts)
    assert np.array_equal(whole.predict_proba(encoded), whole.predict_proba(texts))
    length = max(map(len, encoded["input_ids"]))
    padded = {name: [row + [0] * (length - len(row)) for row in rows] for name, rows in encoded.items()}
    assert np.array_equal(whole.predict_proba(padded), whole.predict_proba(texts))


def test_own_classifier_of_the_model_is_the_last_exit() -> None:
    model = shared("bert", layers=5)
    texts = [text for text, _ in zip(*said(60), strict=True)]
    labels = ["a", "b", "c"] * 20
    made = EarlyExitClassifier(model, tokenizer, policy="never", batch_size=60).fit(texts, labels, epochs=1)
    assert made.heads_ is not None
    assert made.heads_.exits == 4
    encoded = made._rows(texts)
    index, inputs = next(iter(encoded.batches(60)))
    with torch.no_grad():
        plain = model(**inputs).logits.double().softmax(-1).numpy()
    assert np.array_equal(made.predict_proba(texts)[index], plain)
    with pytest.raises(ArgumentError, match="2 classes"):
        EarlyExitClassifier(model, tokenizer).fit(texts, ["a", "b"] * 30)


@pytest.mark.parametrize(("layers", "patience"), [(1, 1), (2, 1), (6, 3), (12, 6), (24, 6)])
def test_patience_suits_the_layers_unless_it_is_given(layers: int, patience: int) -> None:
    made = EarlyExitClassifier(encoder("bert", layers=layers, classify=False), tokenizer)
    assert made.policy.patience == patience  # type: ignore[attr-defined]
    given = EarlyExitClassifier(encoder("bert", layers=layers, classify=False), tokenizer, policy="pabee")
    assert given.policy.patience == 6  # type: ignore[attr-defined]


def test_encoder_trained_too_is_a_copy(tmp_path: Path) -> None:
    texts, labels = said(80)
    model = encoder("mpnet", layers=3, classify=False)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    made = EarlyExitClassifier(model, tokenizer, system="palbert", frozen=False)
    made.fit(texts, labels, epochs=2, learning_rate=1e-3)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert not model.training
    frozen = EarlyExitClassifier(model, tokenizer, system="palbert").fit(texts, labels, epochs=2, learning_rate=1e-3)
    assert not np.allclose(frozen.predict_proba(texts), made.predict_proba(texts))
    made.save(tmp_path)
    again = EarlyExitClassifier.load(tmp_path, model, tokenizer)
    assert np.array_equal(again.predict_proba(texts), made.predict_proba(texts))
    with pytest.raises(ArgumentError, match="frozen"):
        EarlyExitClassifier(model, system="jei_dnn", frozen=False)


def test_calibrated_loss_is_held(fitted: EarlyExitClassifier) -> None:
    made = copy_of(fitted, ConfidenceExit())
    made.calibrate(*said(600, seed=5), loss=0.03)
    control = made.calibration_
    assert control is not None
    assert control.index
    assert control.config.target == "sequence"
    assert 0 <= control.risks[control.index] <= 0.03
    texts, labels = said(600, seed=6)
    early, depth = made.score(texts, labels), made.report().mean_depth
    assert depth < 4.5
    assert copy_of(fitted, NeverLeave()).score(texts, labels) - early <= 0.03
    # A stricter promise leaves later; one that cannot be shown leaves nowhere, and says so.
    strict = copy_of(fitted, ConfidenceExit()).calibrate(*said(600, seed=5), loss=0.01)
    assert strict.policy.threshold >= made.policy.threshold  # type: ignore[attr-defined]
    hopeless = copy_of(fitted, ConfidenceExit())
    with pytest.warns(FullDepthWarning, match="every row runs every layer"):
        hopeless.calibrate(*said(50, seed=5), loss=0.01)
    assert "not shown" in hopeless.promise()
    assert re.search(r"at most 0\.03 .* threshold 0\.\d+, .* observed on 600 texts", made.promise())
    hopeless.predict(texts[:50])
    assert hopeless.report().mean_depth == 5
    # Without labels the promise is of answers that stay the same.
    same = copy_of(fitted, ConfidenceExit()).calibrate(said(600, seed=5)[0], loss=0.05)
    assert same.calibration_ is not None
    with pytest.raises(EWSError, match="threshold"):
        copy_of(fitted, NeverLeave()).calibrate(*said(50))


def test_rule_that_learns_does_so_from_texts_held_out(tmp_path: Path) -> None:
    texts, labels = said(300)
    made = small(policy=EWSEncoderExit(threshold=0.8)).fit(texts, labels, epochs=12, learning_rate=0.02)
    assert made.history_ is not None
    assert made.history_.steps == 12 * 8  # 240 of 300, in batches of 32
    found = made.predict_proba(texts)
    assert made.report().mean_depth < 5
    made.save(tmp_path)
    again = EarlyExitClassifier.load(tmp_path, made.model, tokenizer)
    assert np.array_equal(again.predict_proba(texts), found)


def test_what_was_changed_or_is_of_another_model_is_refused(fitted: EarlyExitClassifier, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    words, tensors = tmp_path / "classifier.json", tmp_path / "classifier.safetensors"
    kept, weights = words.read_text(), tensors.read_bytes()
    with pytest.raises(PolicyMismatchError, match="model"):
        EarlyExitClassifier.load(tmp_path, encoder("bert", layers=5, classify=False, seed=1))
    with pytest.raises(PolicyMismatchError, match="model"):
        EarlyExitClassifier.load(tmp_path, encoder("roberta", layers=5, classify=False))
    for spoil in (
        lambda: tensors.write_bytes(weights[:-4]),
        lambda: tensors.write_bytes(weights[:-4] + b"\0\0\0\1"),
        lambda: tensors.unlink(),
        lambda: words.write_text(kept.replace('"patience": 2', '"patience": 1')),
        lambda: words.write_text(kept.replace('"version": 1', '"version": 2')),
        lambda: words.write_text("{}"),
        lambda: words.write_text(kept[:-20]),
    ):
        spoil()
        with pytest.raises(PolicyMismatchError):
            EarlyExitClassifier.load(tmp_path, fitted.model)
        words.write_text(kept)
        tensors.write_bytes(weights)
    # Whoever makes the digests right as well still cannot make heads of any size, or weights that are not numbers.
    from adapters._common.files import digest_of

    content = json.loads(kept)
    for path, value in (("shape", {"width": 32, "classes": 2, "exits": 10**9}), ("kind", "os.system"), ("shape", [])):
        changed = json.loads(kept)
        changed["content"]["heads"][path] = value
        changed["sha256"]["content"] = digest_of(changed["content"])
        words.write_text(json.dumps(changed))
        with pytest.raises(PolicyMismatchError):
            EarlyExitClassifier.load(tmp_path, fitted.model)
    words.write_text(json.dumps(content))
    assert EarlyExitClassifier.load(tmp_path, fitted.model).classes_ == ["colour", "way"]


def test_what_cannot_be_used_is_refused(fitted: EarlyExitClassifier) -> None:
    texts, labels = said(20)
    with pytest.raises(UnknownNameError, match="palbert"):
        small("palbet")
    with pytest.raises(ArgumentError, match="fit first"):
        small().predict(texts)
    with pytest.raises(ArgumentError, match="predict first"):
        small().report()
    with pytest.raises(ArgumentError, match="tokenizer"):
        EarlyExitClassifier(shared("bert", layers=5, classify=False)).fit(texts, labels)
    for given, wanted in ((texts, labels[:-1]), ([], []), (texts, ["one"] * 20), ("text", labels)):
        with pytest.raises(EWSError):
            small().fit(given, wanted)
    with pytest.raises(InputTypeError, match="labels"):
        small().fit(texts, [0.5] * 20)
    with pytest.raises(InputTypeError, match="one type"):
        small().fit(texts, [1, "a"] * 10)
    with pytest.raises(ArgumentError, match="'colour'"):
        fitted.score(texts, ["bird"] * 20)
    with pytest.raises(InputTypeError, match="pairs"):
        fitted.predict(["red", ("red", "blue")])
    with pytest.raises(ArgumentError, match="calibrate_sets"):
        copy_of(fitted, NeverLeave()).predict_sets(texts)
    assert fitted.predict([("red", "blue"), ("up", "down")]).shape == (2,)


# ---- uncertainty -----------------------------------------------------------------------------------------------------


def test_calibration_error_over_quantile_bins() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1.0, 30_000)
    said_ = np.stack((sure, 1.0 - sure), axis=1)
    honest = (rng.random(30_000) > sure).astype(int)
    assert expected_calibration_error(said_, honest) < 0.01
    assert abs(expected_calibration_error(said_, np.zeros(30_000, dtype=int)) - 0.25) < 0.01
    # By hand: two bins of two.
    few = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]]
    assert expected_calibration_error(few, [0, 1, 0, 0], bins=2) == pytest.approx((0.425 + 0.35) / 2)
    for bad in ([0, 1], [0, 1, 2, 0], [0.0, 1.0, 0.0, 0.0]):
        with pytest.raises(ArgumentError, match="labels"):
            expected_calibration_error(few, bad)


def test_conformal_sets_cover_at_each_exit() -> None:
    rng = np.random.default_rng(0)

    def rows(count: int) -> tuple[Any, Any, Any]:
        depths = rng.choice([2, 4, 6], count, p=[0.48, 0.5, 0.02])
        truth = rng.integers(0, 4, count)
        logits = rng.normal(size=(count, 4))
        logits[np.arange(count), truth] += depths / 2
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), depths, truth

    found = conformal_sets(*rows(500), alpha=0.1)
    assert set(found.of_exits) == {2, 4}  # about ten left at 6: too few for a quantile of their own
    probabilities, depths, truth = rows(20_000)
    for depth in (2, 4):
        at = depths == depth
        measured = found.measure(probabilities[at], depths[at], truth[at])
        assert 0.85 < measured["coverage"] < 0.95
    sizes = [
        found.measure(probabilities[depths == each], depths[depths == each], truth[depths == each])["size"]
        for each in (2, 4)
    ]
    assert sizes[0] > sizes[1]
    # ⌈(n + 1)(1 − α)⌉-th of n.
    scores = np.arange(1, 20) / 20
    assert conformal_quantile(scores, alpha=0.1) == scores[17]
    assert conformal_quantile(scores, alpha=0.05) == scores[18]
    assert conformal_quantile(scores, alpha=0.04) == np.inf
    with pytest.raises(ArgumentError, match="alpha"):
        conformal_quantile(scores, alpha=0.0)


def test_no_warning_on_the_way(fitted: EarlyExitClassifier) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(fitted.measure(*said(40, seed=9))) == {"accuracy", "ece", "mean_depth"}
