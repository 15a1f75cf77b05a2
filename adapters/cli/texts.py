"""Prompts from files, and to the tokens of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from adapters.cli.chat import rendered
from ews.errors import ArgumentError, described

__all__ = ["read_prompts", "tokenised"]

_FIELDS = ("prompt", "text")
_MOST_BYTES = 256 << 20


def read_prompts(path: Path | None) -> list[str]:
    """The prompts of a file, or the built-in ones.

    Parameters
    ----------
    path : path or None
        One prompt on each line; or, where its name ends in .jsonl, JSON with a field "prompt" or "text" on each.

    Returns
    -------
    list of str
        Empty lines are left out.

    Raises
    ------
    ews.errors.ArgumentError
        If a line cannot be read, or there is none.
    """
    if path is None:
        from adapters.cli.prompts import PROMPTS

        return list(PROMPTS)
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)  # a device may never end
    if len(data) > _MOST_BYTES:
        raise ArgumentError(
            "--texts", described(f"more than {_MOST_BYTES >> 20} MB in {path}"), "prompts, not a corpus"
        )
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ArgumentError("--texts", described(str(path)), "a file in UTF-8") from None
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    as_json = path.suffix.lower() in (".jsonl", ".ndjson")
    found = list(_fields(path, numbered)) if as_json else [line.strip() for _, line in numbered]
    if not found:
        raise ArgumentError("--texts", described(f"{path}, which holds no prompt"), "one prompt on each line")
    return found


def _fields(path: Path, lines: Sequence[tuple[int, str]]) -> Iterator[str]:
    for number, line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ArgumentError(
                "--texts", described(f"line {number} of {path}: {error}"), "JSON on each line"
            ) from None
        text = next((row[name] for name in _FIELDS if name in row), None) if isinstance(row, dict) else row
        if not isinstance(text, str):
            wanted = 'a string in a field "prompt" or "text"'
            raise ArgumentError("--texts", described(f"line {number} of {path}"), wanted)
        yield text


def tokenised(texts: Sequence[str], tokenizer: Any, *, chat: bool | None) -> list[list[int]]:
    """Prompts to token ids.

    Parameters
    ----------
    texts : sequence of str
        The prompts.
    tokenizer : transformers tokenizer or None
        Of the model.
    chat : bool or None
        Whether they are messages to an assistant; None for so where the tokenizer has a template.

    Returns
    -------
    list of list of int
        The tokens of each.

    Raises
    ------
    ews.errors.ArgumentError
        If there is no tokenizer, no chat template where one is asked for, one that fails or does not end, or a text
        without tokens.
    """
    if tokenizer is None:
        raise ArgumentError("MODEL", described("a model without a tokenizer"), "a folder with both")
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if chat and not has_template:
        raise ArgumentError("--chat", described("a tokenizer without a chat template"), "--plain")
    for text in texts:
        if any("\ud800" <= character <= "\udfff" for character in text):
            given = f"text that is no Unicode: {text!a}"
            raise ArgumentError("PROMPT", described(given), "text without halves of surrogate pairs, in UTF-8")
    if not has_template or chat is False:
        found = [tokenizer(text)["input_ids"] for text in texts]
    else:
        found = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in rendered(texts, tokenizer)]
    for text, tokens in zip(texts, found, strict=True):
        if not len(tokens):
            raise ArgumentError("PROMPT", described(f"a text of no tokens: {text!r}"), "one token or more")
    return [[int(token) for token in tokens] for tokens in found]
