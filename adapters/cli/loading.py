"""Models from folders, GGUF files and the hub; policies from names and folders."""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from adapters.cli.model_files import has_code, require_plain_files
from adapters.cli.reporting import message
from ews.errors import ArgumentError, UnknownNameError, described

__all__ = ["load_model", "load_policy", "read_options"]

_CONSTANTS = {"True": True, "False": False, "None": None}
_DTYPES = ("auto", "float32", "bfloat16", "float16")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt")
_ANSWER = 5.0  # seconds that the hub has


def load_model(
    name: str,
    *,
    kind: Literal["decoder", "encoder"] = "decoder",
    dtype: str = "auto",
    device: str | None = None,
    threads: int | None = None,
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:
    """A model for inference, and its tokenizer.

    Parameters
    ----------
    name : str
        A folder, a GGUF file, or a name on the hub.
    kind : {"decoder", "encoder"}, default "decoder"
        A causal language model, or an encoder of sequences without a head.
    dtype : {"auto", "float32", "bfloat16", "float16"}, default "auto"
        Type of the weights; "auto" is float32 on a processor, and what the file has elsewhere.
    device : str, optional
        Default: the first GPU, or the processor.
    threads : int, optional
        Of the processor; default: as torch has it.
    trust_remote_code : bool, default False
        Whether Python files that come with the model may run. Nothing is asked on the terminal.

    Returns
    -------
    (PreTrainedModel, tokenizer or None)
        None where none is there.

    Raises
    ------
    ews.errors.ArgumentError
        If there is no such model, it cannot be loaded, or it needs code of its own that is not trusted.
    """
    if dtype not in _DTYPES:
        raise UnknownNameError("--dtype", dtype, _DTYPES)
    where, options = _found(name)
    folder = _local_folder(where)
    if folder is not None:
        require_plain_files(folder, trusted=trust_remote_code)
    import torch
    from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if threads is not None:
        torch.set_num_threads(threads)
    rank = os.environ.get("LOCAL_RANK")  # of several processes
    own = "cuda" if rank is None else f"cuda:{rank}"
    device = device or (own if torch.cuda.is_available() else "cpu")
    auto, called = (AutoModelForCausalLM, "a causal language model") if kind == "decoder" else (AutoModel, "an encoder")
    numbers: Any = getattr(torch, dtype, "auto") if dtype != "auto" else torch.float32 if device == "cpu" else "auto"
    place = _place(device)
    options["trust_remote_code"] = trust_remote_code
    if "gguf_file" in options:
        for needed in ("accelerate", "gguf"):  # transformers would say less clearly that one is missing
            importlib.import_module(needed)
        from transformers import GgufConfig

        # Layers are run one by one on plain weights; blocks of a GGUF file are unpacked.
        quantised = {"quantization_config": GgufConfig(dequantize=True)}
    else:
        quantised = {}
    try:
        loads: Any = auto
        model: Any = loads.from_pretrained(where, dtype=numbers, **options, **quantised).to(place).eval()
    except Exception as error:  # noqa: BLE001  # files of any origin, read by other libraries, fail in any way
        _refuse_code(error, name)
        allowed = f"{called} that transformers can load ({_first(error)})"
        raise ArgumentError("MODEL", name, allowed) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
    except Exception as error:  # noqa: BLE001  # as above
        _refuse_code(error, name)
        if folder is not None and "gguf_file" not in options and any((folder / each).exists() for each in _TOKENIZERS):
            raise ArgumentError("MODEL", name, f"a tokenizer that transformers can load ({_first(error)})") from None
        tokenizer = None  # there is none, or none that is known; commands that need it say so
    if folder is not None and not trust_remote_code and has_code(folder):
        message(f"note: {name} brings code of its own, which is not run: transformers' own classes are used")
    return model, tokenizer


def _place(device: str) -> Any:
    """A device of torch, once a number has been there and back."""
    import torch

    try:
        place = torch.device(device)
        torch.ones(1).to(place).cpu()
    except Exception as error:  # noqa: BLE001  # each kind of device that is not here raises an error of its own
        raise ArgumentError("--device", device, f"cpu, cuda, cuda:1, … that is here ({_first(error)})") from None
    return place


def _refuse_code(error: Exception, name: str) -> None:
    if "trust_remote_code" in str(error):
        raise ArgumentError(
            "MODEL",
            described(f"a model that needs code of its own: {name}"),
            "a model that transformers knows; or read that code and, if you trust it, add --trust-remote-code",
        ) from None


def _local_folder(where: str) -> Path | None:
    """The folder on this disk that will be read: the one named, or the hub's copy."""
    if Path(where).is_dir():
        return Path(where)
    from transformers.utils.hub import cached_file

    try:
        found = cached_file(where, "config.json", local_files_only=True)
    except (OSError, ValueError):
        return None
    return None if found is None else Path(found).parent


def _found(name: str) -> tuple[str, dict[str, Any]]:
    """What from_pretrained is told."""
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ArgumentError("MODEL", described(f"the file {name}"), "a folder, a .gguf file or a name on the hub")
        return str(path.parent), {"gguf_file": path.name}
    if path.is_dir():
        if (path / "config.json").is_file():
            return str(path), {}
        files = sorted(path.glob("*.gguf"))
        if len(files) == 1:
            return str(path), {"gguf_file": files[0].name}
        raise ArgumentError("MODEL", described(f"the folder {name}"), "one with a config.json, or with one .gguf file")
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or name.lower().endswith(".gguf"):
        raise ArgumentError("MODEL", described(f"{name}, which is not there"), "a folder or file that exists")
    _require_hub(name)
    return name, {}


def _require_hub(name: str) -> None:
    """See that a model is in the hub's cache or the hub answers; asking it in vain takes half a minute."""
    from transformers.utils.hub import cached_file

    try:
        if cached_file(name, "config.json", local_files_only=True) is not None:
            return
    except (OSError, ValueError):
        pass
    proxied = any(os.environ.get(variable) for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    offline = os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE")
    try:
        if not proxied and not offline:
            socket.create_connection((address.hostname or "", address.port or 443), timeout=_ANSWER).close()
    except OSError:
        offline = True
    if offline:
        raise ArgumentError(
            "MODEL",
            described(f"{name}, which is no folder, not in the hub's cache, and {address.hostname} cannot be reached"),
            "a folder, a .gguf file, or a name on the hub while there is a network",
        )


def load_policy(text: str, model: Any) -> Any:
    """A policy from what stands behind ``--policy``.

    Parameters
    ----------
    text : str
        A folder that ``ews llm calibrate`` wrote, or a name with options, as in
        ``confidence:threshold=0.8,depths=20+26``.
    model : PreTrainedModel
        That it is for.

    Returns
    -------
    Policy
        Ready to be plugged in.

    Raises
    ------
    ews.errors.ArgumentError
        If there is no such policy, or it does not take the options.
    """
    from adapters.policies.ews import EWSExitPolicy
    from adapters.policies.registry import policy_named, policy_names

    folder = Path(text).expanduser()
    name, _, rest = text.partition(":")
    known = policy_names()
    if name not in known and (folder.is_dir() or os.sep in text):
        if not folder.is_dir():
            raise ArgumentError("--policy", described(f"{text}, which is not there"), "a folder of ews llm calibrate")
        if (folder / "system.json").is_file():
            return _trained_policy(folder, model)
        if (folder / "classifier.json").is_file():
            from adapters.policies.classifier import ClassifierPolicy

            return ClassifierPolicy.load(folder / "classifier.json", model)
        return EWSExitPolicy.load(folder, model)
    if name not in known:
        raise UnknownNameError("--policy", name, known)
    try:
        options = read_options("--policy", filter(None, rest.split(",")))
    except ArgumentError:
        raise ArgumentError("--policy", text, "name:option=value,option=value") from None
    if isinstance(options.get("depths"), int):
        options["depths"] = (options["depths"],)
    try:
        return policy_named(name, **options)
    except ArgumentError:
        raise
    except TypeError as error:
        why = _first(error).partition("() ")[2] or _first(error)
        raise ArgumentError("--policy", text, f"options of {name} ({why})") from None


def read_options(argument: str, given: Iterable[str]) -> dict[str, Any]:
    """Options written as name=value.

    Raises
    ------
    ews.errors.ArgumentError
        If one is written otherwise.
    """
    found: dict[str, Any] = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key.strip():
            raise ArgumentError(argument, each, "name=value")
        found[key.strip().replace("-", "_") if argument != "--policy" else key.strip()] = _value(value.strip())
    return found


def _trained_policy(folder: Path, model: Any) -> Any:
    """What ``ews llm train`` wrote, with the adapter that may be in it."""
    from adapters.training.tuning import load_tuned, read_words

    words = read_words(folder)
    if words.get("system") == "duo":
        from adapters.policies.duo import DuoPolicy
        from adapters.training.duo import load_duo

        small, router, skip = load_duo(folder, model)
        return DuoPolicy(small=small, router=router, skip=skip, base=words["base"])
    policy = load_tuned(folder, model)
    if policy is None:
        given = described(f"{str(folder)!r}, whose system has no policy of its own")
        raise ArgumentError("--policy", given, "a policy by name, with that folder as MODEL")
    return policy


def _value(text: str) -> Any:
    """A number, a truth value, several of them with + between them, or a word."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:  # no number, or one of thousands of digits
            pass
    if "+" in text.strip("+"):
        return tuple(_value(part) for part in text.split("+"))
    return text.strip("'\"")


def _first(error: BaseException) -> str:
    """The first line of a message, if it is not overlong."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 200 else f"{line[:197]}..."
