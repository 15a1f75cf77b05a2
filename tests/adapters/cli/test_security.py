"""A model's folder comes from anywhere: no code of it runs, nothing hangs, and what is wrong is one line."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

import adapters.cli.chat
from adapters.cli import app
from tests.adapters.tiny import TINY

torch.set_num_threads(1)
CODE = """
from pathlib import Path
Path({marker!r}).touch()
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class Config(LlamaConfig):
    model_type = {kind!r}
class Model(LlamaForCausalLM):
    config_class = Config
class Words(PreTrainedTokenizerFast):
    pass
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole")
    TINY["llama"](layers=3).save_pretrained(path)
    words = Tokenizer(WordLevel({"[UNK]": 0, **{f"w{number}": number for number in range(1, 100)}}, unk_token="[UNK]"))
    words.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(path)
    return path


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def run(*arguments: Any, status: int, typed: str = "") -> Any:
    found = CliRunner().invoke(app, [str(each) for each in arguments], input=typed, env={"COLUMNS": "120"})
    assert found.exit_code == status, (found.output, found.exception)
    return found


def refused(model: Path, *options: Any, prompt: str = "w1 w2", policy: str = "never") -> str:
    """One line of error, and the status for it."""
    found = run(
        "generate", model, prompt, "--policy", policy, "--max-new-tokens", 2, *options, status=2, typed="y\n" * 5
    )
    (line,) = found.stderr.splitlines()
    assert line.startswith("error: ")
    assert found.stdout == ""
    return line


def edited(path: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))


# ---- code ------------------------------------------------------------------------------------------------------------


def _with_code(model: Path, marker: Path, kind: str) -> None:
    (model / "own.py").write_text(CODE.format(marker=str(marker), kind=kind))
    named = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    edited(model / "config.json", lambda found: found.update(auto_map=named, model_type=kind, architectures=["Model"]))


def test_code_of_a_model_runs_only_where_the_option_says_so(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    marker = tmp_path / "ran"
    _with_code(model, marker, "own-kind")
    said = refused(model)
    assert "needs code of its own" in said
    assert "--trust-remote-code" in said
    assert not marker.exists()
    arguments = ("generate", model, "w1", "--policy", "never", "--max-new-tokens", 2, "--trust-remote-code")
    CliRunner().invoke(
        app, [str(each) for each in arguments]
    )  # whether that family can be left early is another matter
    assert marker.exists()


def test_code_beside_a_known_model_stays_unread(model, tmp_path) -> None:
    marker = tmp_path / "ran"
    _with_code(model, marker, "llama")
    found = run("generate", model, "w1", "--policy", "never", "--max-new-tokens", 2, status=0, typed="y\n")
    assert "brings code of its own, which is not run" in found.stderr
    assert not marker.exists()


def test_code_of_a_tokenizer_is_refused(model, tmp_path) -> None:
    marker = tmp_path / "ran"
    (model / "own.py").write_text(CODE.format(marker=str(marker), kind="x"))
    named = {"AutoTokenizer": [None, "own.Words"]}
    edited(model / "tokenizer_config.json", lambda found: found.update(auto_map=named, tokenizer_class="Words"))
    assert "--trust-remote-code" in refused(model)
    assert not marker.exists()


def test_kernels_from_the_hub_are_code_too(model) -> None:
    edited(model / "config.json", lambda found: found.update(attn_implementation="somebody/kernel@main:run"))
    assert "code to be fetched" in refused(model)


# ---- files -----------------------------------------------------------------------------------------------------------


def _cut(name: str, share: float) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        data = (model / name).read_bytes()
        (model / name).write_bytes(data[: int(share * len(data))])

    return change


def _put(name: str, content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda model: (model / name).write_bytes(data) and None


def _set(**given: Any) -> Callable[[Path], None]:
    return lambda model: edited(model / "config.json", lambda found: found.update(given))


def _linked(name: str, target: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / name).unlink(missing_ok=True)
        (model / name).symlink_to(target)

    return change


def _pipe(name: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / name).unlink()
        os.mkfifo(model / name)

    return change


def _sharded(name: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        (model / "model.safetensors").rename(model.parent / "x.safetensors")
        shards = {"model.embed_tokens.weight": name.format(above=model.parent)}
        (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))

    return change


FILES: dict[str, Callable[[Path], None]] = {
    "configuration nested deeply": _put("config.json", '{"a":' + "[" * 100_000),
    "configuration of a list": _put("config.json", "[]"),
    "configuration cut short": _cut("config.json", 0.5),
    "configuration that is no text": _put("config.json", b"\xff\xfe\x00"),
    "generation nested deeply": _put("generation_config.json", '{"a":' * 100_000),
    "tokenizer configuration nested": _put("tokenizer_config.json", '{"a":' * 100_000),
    "tokenizer nested deeply": _put("tokenizer.json", "[" * 100_000),
    "tokenizer cut short": _cut("tokenizer.json", 0.5),
    "weights cut short": _cut("model.safetensors", 0.5),
    "weights cut in the header": _cut("model.safetensors", 0.01),
    "weights of nothing": _put("model.safetensors", b""),
    "weights with a huge header": _put("model.safetensors", b"\xff" * 8 + b"{}"),
    "weights that are a pipe": _pipe("model.safetensors"),
    "weights that are a device": _linked("model.safetensors", "/dev/zero"),
    "configuration that is a device": _linked("config.json", "/dev/null"),
    "tokenizer that is a device": _linked("tokenizer.json", "/dev/zero"),
    "weights above the folder": _sharded("../x.safetensors"),
    "weights in a folder and out of it": _sharded("sub/../../x.safetensors"),
    "weights at a path of their own": _sharded("{above}/x.safetensors"),
    "weights on a drive": _sharded("C:\\x.safetensors"),
    "weights above, in the other manner": _sharded("..\\x.safetensors"),
    "more layers than can be": _set(num_hidden_layers=10**12),
    "layers as text": _set(num_hidden_layers="many"),
    "no width": _set(hidden_size=0),
    "heads that do not divide": _set(num_attention_heads=7),
    "another width": _set(hidden_size=40),
    "unknown kind": _set(model_type="nothing-known", architectures=None),
}


@pytest.mark.parametrize("name", FILES)
def test_broken_or_hostile_folders_are_one_line(model, name) -> None:
    FILES[name](model)
    assert "MODEL: got " in refused(model)


TEMPLATES = {
    "attribute of a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "endless loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "endless number": "{{ 9 ** (9 ** 9) }}",
    "gigabytes": "{{ 'a' * 20000000000 }}",
    "much text": "{{ 'a' * 20000000 }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "syntax": "{% for %}",
    "unknown filter": "{{ messages | nothing }}",
    "its own refusal": "{{ raise_exception('no') }}",
    "no text": "{{ '' }}",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_are_bounded(model, name, monkeypatch) -> None:
    if name.startswith("endless"):
        monkeypatch.setattr(adapters.cli.chat, "SECONDS", 0.5)
    (model / "chat_template.jinja").write_text(TEMPLATES[name])
    assert ("PROMPT" if name == "no text" else "chat template") in refused(model)
    assert run("generate", model, "w1", "--policy", "never", "--plain", "--max-new-tokens", 2, status=0)


# ---- options ---------------------------------------------------------------------------------------------------------

OPTIONS: dict[str, tuple[dict[str, str], tuple[Any, ...], str]] = {
    "cold": ({}, ("--temperature", "1e-320"), "--temperature: got 1e-320"),
    "hot": ({}, ("--temperature", "inf"), "--temperature"),
    "no number": ({}, ("--temperature", "nan"), "--temperature"),
    "below zero": ({}, ("--temperature", "-1"), "--temperature"),
    "xla": ({}, ("--device", "xla"), "--device: got 'xla'"),
    "meta": ({}, ("--device", "meta"), "--device"),
    "no device": ({}, ("--device", "cpu:x"), "--device"),
    "a device too many": ({}, ("--device", "cuda:99"), "--device"),
    "empty prompt": ({"prompt": ""}, (), "PROMPT: got a text of no tokens"),
    "spaces": ({"prompt": " \t\n "}, (), "PROMPT: got a text of no tokens"),
    "half a pair": ({"prompt": "w1 \udcff"}, (), "PROMPT: got text that is no Unicode"),
    "long prompt": ({"prompt": "w1 " * 300}, (), "PROMPT: got 300 tokens"),
    "many tokens": ({}, ("--max-new-tokens", 10**12), "PROMPT"),
    "nested policy": ({"policy": "fixed:depth=" + "(" * 10_000}, (), "depth"),
    "nested lists": ({"policy": "fixed:depth=" + "[" * 10_000 + "]" * 10_000}, (), "depth"),
    "minus signs": ({"policy": "fixed:depth=" + "-" * 100_000 + "1"}, (), "depth"),
    "many plus signs": ({"policy": "confidence:depths=" + "+" * 10_000}, (), "depths"),
    "many digits": ({"policy": "fixed:depth=" + "9" * 10_000}, (), "depth"),
    "threshold that is none": ({"policy": "confidence:threshold=nan"}, (), "threshold"),
    "unknown option": ({"policy": "fixed:deep=1"}, (), "--policy"),
    "option of no policy": ({"policy": "never:unit=1"}, (), "--policy"),
    "unknown cache": ({"policy": "fixed:depth=2,cache=none"}, (), "cache"),
    "a policy that is a device": ({"policy": "/dev/null"}, (), "--policy"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_cannot_be_used(whole, name) -> None:
    given, options, says = OPTIONS[name]
    assert says in refused(whole, *options, **given)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"text": ' * 50_000, "9" * 10_000, '{"text": 1}', '"\\ud800"', '{"text": "a"', "{}"]
)
def test_prompts_that_cannot_be_read(whole, tmp_path, line) -> None:
    (tmp_path / "texts.JSONL").write_text(line)
    found = run("assess", whole, "--texts", tmp_path / "texts.JSONL", status=2)
    assert found.stderr.startswith("error: ")
    assert len(found.stderr.splitlines()) == 1


def test_prompts_without_end_are_refused(whole) -> None:
    assert "more than 256 MB" in run("assess", whole, "--texts", "/dev/zero", status=2).stderr


def test_outputs_never_replace_model_texts_or_policies(whole, tmp_path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("w1\n")
    config = (whole / "config.json").read_bytes()
    for output in (texts, whole / "config.json"):
        for command in ("assess", "bench"):
            found = run(command, whole, "--texts", texts, "--json", output, "--force", status=2)
            assert "--json: got a file that this command reads" in found.stderr
    (tmp_path / "policy.json").write_text("precious")
    found = run("calibrate", whole, "--texts", texts, "--output", tmp_path, status=2)
    assert "--output: got a file that exists" in found.stderr
    assert (texts.read_text(), (whole / "config.json").read_bytes()) == ("w1\n", config)
    assert (tmp_path / "policy.json").read_text() == "precious"
