"""``ews llm train`` as a user meets it: data of each kind, what is written, how it goes on, what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, BertConfig, BertModel, PreTrainedTokenizerFast
from typer.testing import CliRunner

from adapters import SkipDecodePolicy
from adapters.cli import app
from adapters.cli.loading import load_model, load_policy
from adapters.cli.training_data import read_labelled, read_texts_to_continue
from adapters.encoders import EarlyExitClassifier
from adapters.training.loop import fit_modules
from adapters.training.registry import FitSettings, System, register_system, system_named, systems
from adapters.training.skip_decode import train_skip_decode
from ews.errors import ArgumentError
from tests.adapters.tiny import TINY

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of random weights with a tokenizer of 100 words."""
    path = tmp_path_factory.mktemp("model")
    TINY["llama"](layers=6).save_pretrained(path)
    hundred_words().save_pretrained(path)
    return path


def hundred_words() -> Any:
    words = Tokenizer(WordLevel({"[UNK]": 0, **{f"w{number}": number for number in range(1, 101)}}, unk_token="[UNK]"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "corpus.txt"
    path.write_text("\n".join(" ".join(f"w{(3 * at + row) % 97 + 1}" for at in range(20)) for row in range(16)))
    return path


def run(*arguments: Any, status: int = 0) -> Any:
    found = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "120"})
    assert found.exit_code == status, (found.output, found.exception)
    return found


FEW = ("--length", 12, "--prompt-tokens", 3, "--epochs", 2, "--batch-size", 8, "--learning-rate", 1e-3)


def test_every_system_is_named_in_the_help() -> None:
    text = " ".join(run("train", "--help").output.split())
    for system in systems():
        assert system.name in text
        assert system.own_options()
    assert "--resume" in text


def test_skip_decode_is_trained_written_and_decoded_with(folder: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run("train", "skip-decode", folder, corpus, "--out", out, *FEW, "--option", "min-exit=2")
    assert "steps, loss" in found.stdout
    assert f"wrote {out}" in found.stderr
    model, tokenizer = load_model(str(out))
    assert tokenizer is not None
    policy = load_policy(str(out), model)
    assert isinstance(policy, SkipDecodePolicy)
    assert (policy.min_exit, policy.length) == (2, 9)
    said = run("generate", out, "w5 w6", "--policy", out, "--max-new-tokens", 6, "--json").stdout
    assert json.loads(said)["report"]["layers_per_token"] < 6
    with pytest.raises(ArgumentError, match="model"):
        load_policy(str(out), load_model(str(folder))[0])
    refused = run("train", "skip-decode", folder, corpus, "--out", out, *FEW, status=2)
    assert "--force" in refused.stderr
    (out / "checkpoints" / "optimizer.pt").write_bytes(pickle.dumps(1))
    refused = run("train", "skip-decode", folder, corpus, "--out", out, *FEW, "--resume", status=2)
    assert "never read" in refused.stderr


def test_small_blocks_are_trained_beside_a_model_and_decoded_with(folder: Path, corpus: Path, tmp_path: Path) -> None:
    line = ("train", "duo", folder, corpus, "--out", tmp_path / "out", *FEW)
    found = run(*line, "--option", "ratio=4", "--option", "budget=0.25", "--option", "alpha=100")
    assert [row.split(":")[0] for row in found.stdout.splitlines()[1:]] == [
        "distil", "random", "router", "budget", "whole_share",
    ]  # fmt: skip
    said = run("generate", folder, "w5 w6", "--policy", tmp_path / "out", "--max-new-tokens", 6, "--json").stdout
    assert json.loads(said)["report"]["policy"] == "DuoPolicy"
    tuned = tmp_path / "other"
    TINY["llama"](layers=6, seed=1).save_pretrained(tuned)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tuned / name).write_bytes((folder / name).read_bytes())
    refused = run("generate", tuned, "w5 w6", "--policy", tmp_path / "out", status=2)
    assert "trained beside" in refused.stderr


def test_an_interrupted_command_goes_on_to_the_same_model(
    folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ("train", "layer_skip", folder, corpus, *FEW, "--lora", 2, "--checkpoint-every", 2)
    whole = json.loads(run(*line, "--out", tmp_path / "whole", "--json").stdout)
    stopped = tmp_path / "stopped"

    def killed(*given: Any, **options: Any) -> Any:
        def tell(done: int, total: int) -> None:
            if done == 5:
                raise KeyboardInterrupt

        return fit_modules(*given, **{**options, "progress": tell})

    with monkeypatch.context() as patched:
        patched.setattr("adapters.training.tuning.fit_modules", killed)
        CliRunner().invoke(app, [str(each) for each in (*line, "--out", stopped)])
    assert not (stopped / "system.json").exists()
    again = json.loads(run(*line, "--out", stopped, "--resume", "--json").stdout)
    assert again["tuned"] == whole["tuned"]
    name = "adapter_model.safetensors"
    assert (stopped / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    other = run("train", "layer_skip", folder, corpus, *FEW, "--lora", 3, "--out", stopped, "--resume", status=2)
    assert "another settings" in other.stderr


def test_a_system_of_labelled_texts_gets_them(folder: Path, tmp_path: Path) -> None:
    register_system(System("counting", "Counts its texts", "decoder", "labelled texts", f"{__name__}:count"))
    (tmp_path / "rows.tsv").write_text("sentence\tlabel\nw1 w2\t1\nw3\t0\n")
    found = run("train", "counting", folder, tmp_path / "rows.tsv", "--out", tmp_path / "out", "--json")
    assert json.loads(found.stdout) == {"texts": [["w1 w2", 1], ["w3", 0]], "epochs": 1, "times": 2}
    found = run(
        "train", "counting", folder, tmp_path / "rows.tsv", "--out", tmp_path / "o", "--option", "more=1", status=2
    )
    assert "times" in found.stderr
    with pytest.raises(ArgumentError, match="taken"):
        register_system(System("counting", "Another", "decoder", "texts", "nowhere:train"))
    assert system_named("counting").own_options() == {"times": 2}


@pytest.mark.parametrize("system", ["pabee", "palbert", "jei_dnn"])
def test_an_encoder_gets_exits_for_as_long_as_its_system_takes(system: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "model", tmp_path / "out"
    config = BertConfig(
        vocab_size=101, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2, pad_token_id=0
    )
    BertModel(config).save_pretrained(folder)
    hundred_words().save_pretrained(folder)
    table = tmp_path / "rows.tsv"
    table.write_text("text\tlabel\n" + "".join(f"w{4 + row % 2} w9\t{'ab'[row % 2]}\n" for row in range(40)))
    found = json.loads(run("train", system, folder, table, "--out", out, "--json").stdout)
    usual = system_named(system)
    assert found["steps"] == usual.epochs * -(-40 // usual.batch_size) > usual.epochs - 1 >= 9
    assert found["layers"] == 3
    model, tokenizer = load_model(str(folder), kind="encoder")
    made = EarlyExitClassifier.load(out, model, tokenizer)
    assert made.system == system
    assert set(made.predict(["w4 w9", "w5 w9"])) <= {"a", "b"}
    said = run("train", system, folder, table, "--out", out, status=2).stderr  # nothing is written over unasked
    assert "--force" in said
    other = run("train", system, folder, table, "--out", tmp_path / "o", "--option", "head_rat=1", status=2)
    assert "head_rat" in other.stderr


def count(model: Any, data: Any, *, folder: Path, fit: FitSettings, tokenizer: Any = None, times: int = 2) -> Any:
    return {"texts": [list(each) for each in data], "epochs": fit.epochs, "times": times}


def test_texts_come_from_lines_fields_and_ids(folder: Path, tmp_path: Path) -> None:
    _, tokenizer = load_model(str(folder))
    (tmp_path / "a.txt").write_text(" ".join(f"w{number}" for number in range(1, 24)))
    (tmp_path / "b.jsonl").write_text(
        '{"prompt": "w1 w2", "completion": "w3 w4 w5"}\n\n{"text": "w1 w2 w3 w4 w5 w6 w7"}\n{"tokens": [1, 2, 3, 4]}\n'
    )
    pieces = read_texts_to_continue(tmp_path / "a.txt", tokenizer, length=10, prompt=3)
    assert [(each.tokens[0], len(each.tokens), each.prompt) for each in pieces] == [(1, 10, 3), (11, 10, 3)]
    named = read_texts_to_continue(tmp_path / "b.jsonl", tokenizer, length=6, prompt=3)
    assert [(each.tokens.tolist(), each.prompt) for each in named] == [
        ([1, 2, 3, 4, 5], 2),
        ([1, 2, 3, 4, 5, 6], 3),
        ([1, 2, 3, 4], 3),
    ]
    with pytest.raises(ArgumentError, match="without a tokenizer"):
        read_texts_to_continue(tmp_path / "a.txt", None, length=10, prompt=3)
    (tmp_path / "c.jsonl").write_text('{"tokens": [1, 2, 3, 4]}\n')
    np.testing.assert_array_equal(
        read_texts_to_continue(tmp_path / "c.jsonl", None, length=9, prompt=1)[0].tokens, [1, 2, 3, 4]
    )


def test_labelled_texts_come_from_columns(tmp_path: Path) -> None:
    def read(name: str, text: str, **options: Any) -> Any:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_labelled(tmp_path / name, **options)

    assert read("a.tsv", '\ufeffsentence\tlabel\n"a b\t1\nc\t0\n') == [('"a b', 1), ("c", 0)]
    pairs = read("b.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tyes\n1\tc\td\tno\n")
    assert pairs == [(("a", "b"), "yes"), (("c", "d"), "no")]
    assert read("c.tsv", "x\t1\t\ta\ny\t0\t*\tb\n", label="2", columns=["4"]) == [("a", 1), ("b", 0)]
    assert read("d.csv", 'text,class\n"a, b",x\nc,y\n') == [("a, b", "x"), ("c", "y")]
    assert read("e.jsonl", '{"text": "a", "label": 2}\n{"text": "b", "label": 1}\n') == [("a", 2), ("b", 1)]
    for text, options, said in (
        ("a\tb\nc\td\n", {}, "--label-column"),
        ("a\tlabel\nc\t1\n", {}, "two classes"),
        ("a\tlabel\nc\n", {}, "line 2"),
        ("a\tb\tc\tlabel\n1\t2\t3\t4\n", {}, "--text-column"),
        ("a\tlabel\nc\t1\nd\t0\n", {"columns": ["b"]}, "--text-column"),
        ("a\tlabel\nc\t1\nd\t0\n", {"label": "klass"}, "--label-column"),
        ("", {}, "holds nothing"),
    ):
        with pytest.raises(ArgumentError, match=said):
            read("f.tsv", text, **options)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("skip_encode", "{model}", "{corpus}"), "skip_decode"),
        (("layer_skip", "./nowhere", "{corpus}"), "MODEL"),
        (("layer_skip", "{model}", "{tmp}/none.txt"), "No such file"),
        (("layer_skip", "{model}", "{tmp}/bad.jsonl"), "line 1"),
        (("layer_skip", "{model}", "{tmp}/short.txt"), "holds no text"),
        (("layer_skip", "{model}", "{corpus}", "--option", "dropout"), "name=value"),
        (("layer_skip", "{model}", "{corpus}", "--option", "drop=0.1"), "dropout"),
        (("layer_skip", "{model}", "{corpus}", "--option", "dropout=2"), "dropout"),
        (("layer_skip", "{model}", "{corpus}", "--prompt-tokens", "128"), "--prompt-tokens"),
        (("layer_skip", "{model}", "{corpus}", "--epochs", "0"), "epochs"),
        (("layer_skip", "{model}", "{corpus}", "--lora", "0"), "lora"),
        (("layer_skip", "{model}", "{corpus}", "--length", "999", "--prompt-tokens", "9"), "256 positions"),
        (("skip_decode", "{model}", "{corpus}", "--option", "min_exit=9"), "min_exit"),
    ],
)
def test_unusable_input_is_one_message_and_status_2(
    folder: Path, corpus: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"other": 1}\n')
    (tmp_path / "short.txt").write_text("w1 w2\n")
    line = [each.format(tmp=tmp_path, model=folder, corpus=corpus) for each in arguments]
    found = run("train", *line, "--out", tmp_path / "out", status=2)
    assert found.stderr.startswith("error: ")
    assert says in found.stderr
    assert found.stdout == ""


def test_an_adapter_is_loaded_into_its_model(folder: Path, corpus: Path, tmp_path: Path) -> None:
    model, tokenizer = load_model(str(folder))
    texts = read_texts_to_continue(corpus, tokenizer, length=12, prompt=3)
    words = train_skip_decode(model, texts, folder=tmp_path, fit=FitSettings(batch_size=8), lora=2, speedup=1.5)
    assert words["policy"] == {"name": "skip_decode", "options": {"length": 9, "speedup": 1.5, "warmup_layers": 1}}
    said = run("generate", folder, "w5 w6", "--policy", tmp_path, "--max-new-tokens", 6, "--json").stdout
    policy = SkipDecodePolicy(length=9, speedup=1.5)
    expected = model.generate(
        torch.tensor([[5, 6]]), max_new_tokens=6, do_sample=False, custom_generate=policy, pad_token_id=0
    )
    assert json.loads(said)["tokens"] == expected[0, 2:].tolist()
    assert AutoModelForCausalLM.from_pretrained(folder) is not None
