"""Fine-tuning of a causal model, whole or through LoRA, and the folder that comes of it.

The folder is what ``save_pretrained`` writes, safetensors, with one JSON beside it that says for which system, from
which model and under which policy it was made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from adapters._common.checks import read_count
from adapters._common.files import read_json, read_plain, write_whole
from adapters.calibration.fingerprint import fingerprint
from adapters.decoding.contract import Policy
from adapters.errors import PolicyMismatchError
from adapters.families import Family, family_of
from adapters.policies.registry import policy_named
from adapters.training.checkpoint import chance_of, require_no_pickles
from adapters.training.loop import History, count_steps, fit_modules, is_first_process
from adapters.training.registry import FitSettings
from adapters.training.texts import CausalBatch, require_texts
from ews.errors import ArgumentError, described

__all__ = [
    "load_parts",
    "load_tuned",
    "made_folder",
    "read_words",
    "save_parts",
    "save_tuned",
    "summary",
    "tune",
    "warm_cosine",
]

FORMAT, VERSION = "earlywarning system", 1
_WORDS, _WORDS_BYTES = "system.json", 1 << 20
_PARTS = "parts.safetensors"
_SAVED = "a folder that ews llm train wrote"
_WHOLE_RATE, _LORA_RATE = 5e-5, 5e-4
_CLIP = 1.0

Loss = Callable[[Family, CausalBatch, int, int], Tensor]


def warm_cosine(optimizer: torch.optim.Optimizer, total: int, *, warm: float = 0.05, least: float = 0.1) -> LambdaLR:
    """Learning rates that rise in a line over the first steps and then fall as a cosine to a share of the highest.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Whose rates they are.
    total : int
        Steps.
    warm, least : float
        Shares of the steps, and of the rate.

    Returns
    -------
    LambdaLR
        The schedule.
    """
    rising = max(1, round(warm * total))

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        along = (step - rising) / max(1, total - rising)
        return least + (1 - least) * (1 + math.cos(math.pi * min(along, 1.0))) / 2

    return LambdaLR(optimizer, share)


def tune(
    model: Any,
    data: Sequence[Any],
    loss: Loss,
    *,
    fit: FitSettings,
    config: Mapping[str, Any],
    lora: int | None = None,
) -> tuple[History, str]:
    """Tune a causal model in place.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model. With LoRA it has an adapter of peft afterwards; else its own weights are others.
    data : sequence of Continuation
        Texts; what follows each prompt is learned.
    loss : callable
        Of the model taken apart, a batch, the step and the number of steps.
    fit : FitSettings
        What all systems have in common.
    config : mapping of str to object
        Settings of the loss.
    lora : int, optional
        Rank of the adapters on all linear layers; default: all weights are trained.

    Returns
    -------
    (History, str)
        The run, and the fingerprint of the model before it.
    """
    texts = require_texts(data, family_of(model))
    if lora is not None:
        read_count("lora", lora)
    base = fingerprint(model)
    with _trainable(model, lora, fit.seed):
        family = family_of(model)
        trained = [each for each in model.parameters() if each.requires_grad]
        rate = fit.learning_rate or (_WHOLE_RATE if lora is None else _LORA_RATE)
        optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
        total = count_steps(len(texts), batch_size=fit.batch_size, epochs=fit.epochs)
        history = fit_modules(
            model,
            lambda batch, step: loss(family, batch, step, total),
            texts,
            lambda items: CausalBatch.of(items, family.home),
            optimizer=optimizer,
            schedule=warm_cosine(optimizer, total),
            clip=_CLIP,
            config={"base": base, "lora": lora, **config},
            **fit.options(),
        )
    return history, base


@contextmanager
def _trainable(model: Any, lora: int | None, seed: int) -> Iterator[None]:
    """What is trained requires gradients within the block, and the model drops out as it does in training."""
    before = [(each, each.requires_grad) for each in model.parameters()]
    was_training = model.training
    try:
        if lora is None:
            model.requires_grad_(True)
        else:
            from peft import LoraConfig

            with chance_of(seed):
                model.add_adapter(LoraConfig(r=lora, lora_alpha=2 * lora, target_modules="all-linear"))
        model.train()
        yield
    finally:
        model.train(was_training)
        for each, required in before:
            each.requires_grad_(required)


def save_tuned(
    model: Any,
    folder: Path | str,
    *,
    system: str,
    base: str,
    lora: int | None,
    policy: tuple[str, Mapping[str, Any]] | None,
    history: History,
    tokenizer: Any = None,
) -> dict[str, Any]:
    """Write a tuned model, or its adapter, with what it is for.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        As :func:`tune` left it.
    folder : path
        Made where it does not exist.
    system : str
        What it was trained as.
    base : str
        Fingerprint of the model before.
    lora : int or None
        Rank of the adapter.
    policy : (str, mapping) or None
        Name and options of the policy that it was trained under.
    history : History
        How it was trained.
    tokenizer : transformers tokenizer, optional
        Written beside a whole model.

    Returns
    -------
    dict
        What is in the JSON.
    """
    folder = made_folder(folder)
    if is_first_process():
        model.save_pretrained(folder, safe_serialization=True)
        if tokenizer is not None and lora is None:
            tokenizer.save_pretrained(folder)
    words = {
        "format": FORMAT,
        "version": VERSION,
        "system": system,
        "policy": None if policy is None else {"name": policy[0], "options": dict(policy[1])},
        "base": base,
        "tuned": fingerprint(model),
        "lora": lora,
        "training": summary(history),
    }
    if is_first_process():
        write_whole(folder / _WORDS, (json.dumps(words, indent=1, allow_nan=False) + "\n").encode())
    return words


def summary(history: History) -> dict[str, Any]:
    """A run in plain values: the losses are means over the first tenth of the steps and over the last."""
    tenth = max(1, history.steps // 10)
    return {
        "steps": history.steps,
        "seed": history.seed,
        "first_loss": float(history.losses[:tenth].mean()),
        "last_loss": float(history.losses[-tenth:].mean()),
        "settings": dict(history.config),
    }


def save_parts(
    folder: Path | str, tensors: Mapping[str, Tensor], *, system: str, base: str, words: Mapping[str, Any]
) -> dict[str, Any]:
    """Write what was trained beside a model: its tensors, and the JSON that says for which model they are.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    tensors : mapping of str to Tensor
        The tensors.
    system : str
        What was trained.
    base : str
        Fingerprint of the model.
    words : mapping of str to object
        Everything else, as plain values.

    Returns
    -------
    dict
        What is in the JSON.
    """
    folder = made_folder(folder)
    data = tensor_bytes(dict(tensors))
    found = {
        "format": FORMAT,
        "version": VERSION,
        "system": system,
        "base": base,
        "sha256": hashlib.sha256(data).hexdigest(),
        **words,
    }
    if is_first_process():
        write_whole(folder / _PARTS, data)
        write_whole(folder / _WORDS, (json.dumps(found, indent=1, allow_nan=False) + "\n").encode())
    return found


def load_parts(folder: Path | str, model: Any, *, system: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what :func:`save_parts` wrote, once it is known to be that, and for this model.

    Parameters
    ----------
    folder : path
        Where it is.
    model : transformers.PreTrainedModel
        The model.
    system : str
        What was trained.

    Returns
    -------
    (dict, dict of str to Tensor)
        The JSON and the tensors.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If it is of another system or model, was changed, or a file is missing.
    """
    folder = Path(folder)
    words = read_words(folder)
    if words.get("system") != system:
        raise PolicyMismatchError(_WORDS, words.get("system"), repr(system))
    path = folder / _PARTS
    data = read_plain(path, "folder", most=path.lstat().st_size if path.exists() else 0, allowed=_SAVED)
    if hashlib.sha256(data).hexdigest() != words.get("sha256"):
        raise PolicyMismatchError(
            _PARTS, described("a file that was cut short or changed"), f"that saved beside {_WORDS}"
        )
    if fingerprint(model) != words.get("base"):
        given = described(f"another one than that of {str(folder)!r}")
        raise PolicyMismatchError("model", given, "the model that it was trained beside")
    try:
        return words, read_tensors(data)
    except Exception:  # noqa: BLE001  # whatever the library of that format finds wrong
        raise PolicyMismatchError(_PARTS, described("a file that is not safetensors"), _SAVED) from None


def made_folder(folder: Path | str) -> Path:
    """A folder that is there now."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ArgumentError("folder", str(folder), "a folder, or a path where there is nothing") from None
    return path


def read_words(folder: Path) -> dict[str, Any]:
    """The JSON of a folder that training wrote; no pickle may lie beside it."""
    words = read_json(read_plain(folder / _WORDS, "folder", most=_WORDS_BYTES, allowed=_SAVED), _WORDS, allowed=_SAVED)
    require_no_pickles(folder)
    if not isinstance(words, dict) or words.get("format") != FORMAT or words.get("version") != VERSION:
        raise PolicyMismatchError(_WORDS, described("JSON of another format or version"), f"{FORMAT!r}, {VERSION}")
    return words


def load_tuned(folder: Path | str, model: Any) -> Policy | None:
    """The policy that a model was trained under, once it is known to be that model.

    Parameters
    ----------
    folder : path
        What training wrote.
    model : transformers.PreTrainedModel
        The tuned model, as ``from_pretrained`` reads it from the folder; where an adapter was trained, the model that
        it was trained on: the adapter is then loaded into it.

    Returns
    -------
    Policy or None
        None where the system has no policy of its own.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If the model is another, the JSON cannot be read, or a pickle lies beside it.

    Examples
    --------
    >>> import tempfile
    >>> from adapters import full_model_continuations, training
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> texts = full_model_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> folder = tempfile.TemporaryDirectory()
    >>> _ = training.train_skip_decode(model, texts, folder=folder.name, speedup=1.5)
    >>> type(training.load_tuned(folder.name, LlamaForCausalLM.from_pretrained(folder.name))).__name__
    'SkipDecodePolicy'
    >>> folder.cleanup()
    """
    folder = Path(folder)
    words = read_words(folder)
    if "tuned" not in words:
        given = described(f"{words.get('system')!r}, which was trained beside a model and not in it")
        raise PolicyMismatchError(_WORDS, given, "a tuned model, or its adapter")
    found = fingerprint(model)
    if words.get("lora") is not None and found == words.get("base"):
        model.load_adapter(str(folder))
        found = fingerprint(model)
    if found != words.get("tuned"):
        allowed = (
            "the model that was trained" if words.get("lora") is None else "the model that its adapter was trained on"
        )
        raise PolicyMismatchError("model", described(f"another one than that of {str(folder)!r}"), allowed)
    policy = words.get("policy")
    if policy is None:
        return None
    if not (
        isinstance(policy, dict) and isinstance(policy.get("name"), str) and isinstance(policy.get("options"), dict)
    ):
        raise PolicyMismatchError(_WORDS, described("a policy that is not a name and options"), _SAVED)
    return policy_named(policy["name"], **policy["options"])
