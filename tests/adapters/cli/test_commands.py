"""``ews llm`` as a user meets it: help, errors, and what each command prints and writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from adapters.cli import app
from adapters.cli.bench import usual
from adapters.cli.loading import load_model, load_policy
from adapters.cli.prompts import PROMPTS
from adapters.cli.texts import read_prompts, tokenised
from adapters.families import family_of
from ews.errors import ArgumentError, UnknownNameError
from tests.adapters.tiny import TINY

torch.set_num_threads(1)
TEMPLATE = "{% for message in messages %}w1 {{ message['content'] }} w2{% endfor %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of random weights with a tokenizer of 100 words, as from_pretrained reads them."""
    path = tmp_path_factory.mktemp("model")
    TINY["llama"](layers=6).save_pretrained(path)
    words = Tokenizer(WordLevel({"[UNK]": 0, **{f"w{number}": number for number in range(1, 101)}}, unk_token="[UNK]"))
    words.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "prompts.txt"
    lines = [f"w{3 * number % 97 + 1} w{5 * number % 89 + 1} w{number + 1}" for number in range(40)]
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    return path


def run(*arguments: Any, status: int = 0) -> Any:
    found = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "120"})
    assert found.exit_code == status, (found.output, found.exception)
    return found


# ---- help ------------------------------------------------------------------------------------------------------------


def test_group_is_found_by_ews_and_needs_no_torch() -> None:
    code = (
        "import sys; from importlib.metadata import entry_points\n"
        "from ews.cli.commands import COMMANDS, add_commands, app\n"
        "assert 'adapters' not in sys.modules\n"
        "add_commands(app, entry_points(group=COMMANDS))\n"
        "from typer.testing import CliRunner\n"
        "for line in (['--help'], ['llm', '--help'], ['llm', 'assess', '--help']):\n"
        "    found = CliRunner().invoke(app, line)\n"
        "    assert found.exit_code == 0, found.output\n"
        "    assert 'llm' in found.output, found.output\n"
        "loaded = {'torch', 'transformers', 'numba', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    found = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("missing", ["torch", "transformers", "gguf"])
def test_missing_extra_is_named(tmp_path: Path, missing: str) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    code = f"import sys; sys.modules[{missing!r}] = None\nfrom adapters.cli import app\napp(['assess', {str(file)!r}])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2, found.stderr
    assert "pip install 'earlywarning[llm]'" in found.stderr
    assert missing in found.stderr


@pytest.mark.parametrize("command", ["assess", "calibrate", "generate", "bench", "train"])
def test_help_has_examples(command: str) -> None:
    text = run(command, "--help").output
    assert f"ews llm {command}" in text
    assert "MODEL" in text


# ---- commands --------------------------------------------------------------------------------------------------------


def test_assess_prints_a_verdict_and_writes_figures(folder: Path, prompts: Path, tmp_path: Path) -> None:
    numbers, figure = tmp_path / "found.json", tmp_path / "found.svg"
    found = run("assess", folder, "--texts", prompts, "--max-new-tokens", 8, "--json", numbers, "--figure", figure)
    assert "verdict: " in found.stdout
    assert f"wrote {numbers}" in found.stderr
    assert json.loads(numbers.read_text())["verdict"] in found.stdout
    assert "<svg" in figure.read_text()


def test_generate_streams_the_text_and_reports_beside_it(folder: Path) -> None:
    options = ("generate", folder, "w5 w6", "--policy", "fixed:depth=3,cache=deferred", "--max-new-tokens", 6)
    found = run(*options)
    as_json = json.loads(run(*options, "--json").stdout)
    assert found.stdout.split() == as_json["text"].split()
    assert len(as_json["tokens"]) == 6
    assert as_json["report"]["exits"] == {"3": 5}
    assert "FixedExitPolicy (unit layer, cache deferred)" in found.stderr


def test_generate_is_the_whole_model_under_a_policy_that_never_exits(folder: Path) -> None:
    found = json.loads(run("generate", folder, "w5 w6", "--policy", "never", "--max-new-tokens", 6, "--json").stdout)
    model, _ = load_model(str(folder))
    plain = model.generate(torch.tensor([[5, 6]]), max_new_tokens=6, do_sample=False, pad_token_id=0)
    assert found["tokens"] == plain[0, 2:].tolist()


def test_sampling_repeats_itself_with_its_seed(folder: Path) -> None:
    options = ("generate", folder, "w5", "--policy", "never", "--temperature", 2.0, "--max-new-tokens", 8, "--json")
    texts = [json.loads(run(*options, "--seed", seed).stdout)["text"] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_bench_prints_the_table_and_writes_numbers(folder: Path, prompts: Path, tmp_path: Path) -> None:
    figure = tmp_path / "front.png"
    options = ("bench", folder, "--texts", prompts, "--prompts", 2, "--replayed", 4, "--max-new-tokens", 6)
    policies = (
        "--policy",
        "never",
        "--policy",
        "confidence:threshold=0.5,depths=3+5",
        "--policy",
        "ffn_skip:threshold=-1",
    )
    policies += ("--policy", "skip_decode:length=4,min_exit=2")
    found = json.loads(run(*options, *policies, "--repeats", 1, "--json", "-", "--figure", figure).stdout)
    assert [row["policy"] for row in found["rows"]] == [
        "dense",
        "NeverExitPolicy",
        "ConfidencePolicy",
        "FFNSkipPolicy",
        "SkipDecodePolicy",
    ]
    assert found["rows"][-1]["layers_per_token"] < found["rows"][1]["layers_per_token"]
    assert found["config"]["replayed"] == 4
    assert any(row["on_front"] for row in found["rows"])
    assert figure.stat().st_size > 0
    table = run(*options, "--repeats", 1).stdout  # a few settings of each, where none is named
    assert {"never", "fixed:depth=5,cache=deferred"} <= set(table.split())


def test_settings_that_bench_tries_by_itself_suit_the_model() -> None:
    model = TINY["llama"](layers=12)
    policies = {text: load_policy(text, model) for text in usual(12)}
    for text, policy in policies.items():
        written = model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=5, custom_generate=policy, pad_token_id=0)
        assert written.shape == (1, 8), text
    assert {"EWSExitPolicy", "FFNSkipPolicy", "SkipDecodePolicy"} <= {type(each).__name__ for each in policies.values()}


def test_calibrate_writes_a_policy_that_generate_reads(folder: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    rows = [{"prompt": f"w{number % 97 + 1} w{7 * number % 89 + 1} w{number % 61 + 1}"} for number in range(240)]
    texts.write_text("\n".join(map(json.dumps, rows)))
    output = tmp_path / "policy"
    options = ("--texts", texts, "--output", output, "--risk", 0.5, "--max-new-tokens", 6)
    found = run("calibrate", folder, *options)
    assert "at most 50.0% of the tokens differ" in found.stdout
    assert (output / "policy.json").is_file()
    written = json.loads(run("generate", folder, "w5 w6", "--policy", output, "--max-new-tokens", 6, "--json").stdout)
    assert written["report"]["policy"] == "EWSExitPolicy"


def test_calibrate_says_how_many_texts_it_takes(folder: Path, prompts: Path, tmp_path: Path) -> None:
    found = run("calibrate", folder, "--texts", prompts, "--output", tmp_path / "policy", status=2)
    assert found.stderr.startswith("error: texts: got 40 texts")
    assert not (tmp_path / "policy").exists()


def test_gguf_file_is_the_model_it_was_made_from(tmp_path: Path) -> None:
    model = TINY["llama"](layers=5)
    file = write_gguf(model, tmp_path / "tiny.gguf")
    for name in (file, tmp_path):  # the file, or the folder that holds nothing else
        loaded, _ = load_model(str(name))
        ids = torch.arange(1, 9)[None]
        with torch.no_grad():
            assert torch.equal(loaded(ids).logits, model(ids).logits)
        assert family_of(loaded).depth == 5  # unpacked: layers can be left out


def write_gguf(model: Any, path: Path) -> Path:
    """A Llama in float32 as llama.cpp names and orders it."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    parts = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        module, values = name.removesuffix(".weight"), tensor.numpy()
        if module in names:
            writer.add_tensor(f"{names[module]}.weight", values)
            continue
        _, _, layer, part = module.split(".", 3)
        if parts[part] in heads:  # the two halves of a rotary pair side by side
            values = values.reshape(heads[parts[part]], 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
        writer.add_tensor(f"blk.{layer}.{parts[part]}.weight", np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


# ---- what cannot be used ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("assess", "./nowhere"), "MODEL: got ./nowhere, which is not there"),
        (("assess", "{tmp}/empty"), "one with a config.json"),
        (("assess", "{tmp}/notes.txt"), "a .gguf file"),
        (("assess", "{tmp}/broken.gguf"), "MODEL"),
        (("assess", "{model}", "--texts", "{tmp}/none.txt"), "No such file"),
        (("assess", "{model}", "--texts", "{tmp}/empty.txt"), "holds no prompt"),
        (("assess", "{model}", "--texts", "{tmp}/few.txt"), "12 or more"),
        (("assess", "{model}", "--texts", "{tmp}/bad.jsonl"), "line 2"),
        (("assess", "{model}", "--chat"), "--plain"),
        (("assess", "{model}", "--dtype", "int3"), "--dtype: got 'int3'"),
        (("assess", "{model}", "--device", "toaster"), "--device"),
        (("assess", "{model}", "--json", "{tmp}/no/such.json"), "a file in a folder that exists"),
        (("assess", "{model}", "--figure", "{tmp}/figure.docx"), "--figure"),
        (("generate", "{model}", "w1", "--policy", "clairvoyant"), "'saturation'"),
        (("generate", "{model}", "w1", "--policy", "fixed:deep=3"), "deep"),
        (("generate", "{model}", "w1", "--policy", "fixed:depth"), "name:option=value"),
        (("generate", "{model}", "w1", "--policy", "fixed:depth=99"), "99"),
        (("generate", "{model}", "w1", "--policy", "./no/policy"), "a folder of ews llm calibrate"),
        (("generate", "{model}", "w1", "--max-new-tokens", "0"), "1 or more"),
    ],
)
def test_unusable_input_is_one_message_and_status_2(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and no more")
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "few.txt").write_text("w1 w2\nw3\n")
    (tmp_path / "bad.jsonl").write_text('{"text": "w1"}\n{"other": 1}\n')
    found = run(*(each.format(tmp=tmp_path, model=folder) for each in arguments), status=2)
    assert found.stderr.startswith("error: ")
    assert says in found.stderr
    assert found.stdout == ""


def test_generate_names_the_model_where_its_kind_is_not_known(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    found = run("generate", tmp_path / "other", "hi", status=2)
    assert "MODEL: got BertLMHeadModel" in found.stderr


def test_hub_without_a_network_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    found = run("assess", "nobody/nothing", status=2)
    assert "hub.invalid cannot be reached" in found.stderr


# ---- parts -----------------------------------------------------------------------------------------------------------


def test_prompts_come_from_lines_and_fields(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffone two\n\n  three \n", encoding="utf-8")
    (tmp_path / "b.jsonl").write_text('{"prompt": "one", "text": "x"}\n\n{"text": "two"}\n"three"\n', encoding="utf-8")
    assert read_prompts(tmp_path / "a.txt") == ["one two", "three"]
    assert read_prompts(tmp_path / "b.jsonl") == ["one", "two", "three"]
    assert len(read_prompts(None)) == len(set(PROMPTS)) >= 48


def test_chat_template_is_used_where_there_is_one(folder: Path) -> None:
    _, tokenizer = load_model(str(folder))
    assert tokenised(["w7"], tokenizer, chat=None) == [[7]]
    tokenizer.chat_template = TEMPLATE
    assert tokenised(["w7"], tokenizer, chat=None) == [[1, 7, 2]]
    assert tokenised(["w7"], tokenizer, chat=False) == [[7]]
    with pytest.raises(ArgumentError, match="without a tokenizer"):
        tokenised(["w7"], None, chat=None)


def test_policies_take_options(folder: Path) -> None:
    model, _ = load_model(str(folder), dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    policy = load_policy("confidence:threshold=0.25,measure=margin,depths=3+5,cache=propagate", model)
    assert (policy.threshold, policy.depths, policy.cache) == (0.25, (3, 5), "propagate")
    assert load_policy("confidence:depths=4", model).depths == (4,)
    for text in (
        "skip_decode:speedup=1.5,length=32,cache=propagate",
        "unified_skip:speedup=1.2",
        "ffn_skip:threshold=0.9,k=2,warmup=0.05,length=100",
        "fixed_ffn:layers=1+2",
        "fixed_ffn:layers=1",
        "random_ffn:rate=0.3,seed=2",
        "duo:route=random,shares=0.5+0.25+0.25",
        "duo:route=big+small+skip+big+skip+big",
        "entropy:threshold=0.4,depths=3",
        "saturation:threshold=0.9,horizon=20",
    ):
        model.generate(torch.tensor([[3, 4, 5]]), max_new_tokens=3, custom_generate=load_policy(text, model))
    with pytest.raises(UnknownNameError, match="--policy"):
        load_policy("nobody", model)


def test_stories_model_without_a_tokenizer_says_so(stories15m: Path) -> None:
    assert "without a tokenizer" in run("assess", stories15m, status=2).stderr
