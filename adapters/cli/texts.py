"""Prompts from files, and to the tokens of a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ews.errors import ArgumentError, described

__all__ = ["read_prompts", "tokenised"]

_FIELDS = ("prompt", "text")


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
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ArgumentError("--texts", described(str(path)), "a file in UTF-8") from None
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    as_json = path.suffix in (".jsonl", ".ndjson")
    found = list(_fields(path, numbered)) if as_json else [line.strip() for _, line in numbered]
    if not found:
        raise ArgumentError("--texts", described(f"{path}, which holds no prompt"), "one prompt on each line")
    return found


def _fields(path: Path, lines: Sequence[tuple[int, str]]) -> Iterator[str]:
    for number, line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ArgumentError("--texts", described(f"{path}, line {number}: {error}"), "JSON on each line") from None
        text = next((row[name] for name in _FIELDS if name in row), None) if isinstance(row, dict) else row
        if not isinstance(text, str):
            wanted = 'a string in a field "prompt" or "text"'
            raise ArgumentError("--texts", described(f"{path}, line {number}"), wanted)
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
        If there is no tokenizer, or no chat template where one is asked for.
    """
    if tokenizer is None:
        raise ArgumentError("MODEL", described("a model without a tokenizer"), "a folder with both")
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if chat and not has_template:
        raise ArgumentError("--chat", described("a tokenizer without a chat template"), "--plain")
    if not has_template or chat is False:
        return [[int(token) for token in tokenizer(text)["input_ids"]] for text in texts]
    return [[int(token) for token in _as_message(text, tokenizer)] for text in texts]


def _as_message(text: str, tokenizer: Any) -> Any:
    message = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=True)["input_ids"]
