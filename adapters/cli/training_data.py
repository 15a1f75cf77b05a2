"""Data of a training from a file: texts to go on writing, or texts with a class each."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ews.errors import ArgumentError, described

__all__ = ["Labelled", "read_labelled", "read_texts_to_continue"]

Labelled = tuple["str | tuple[str, str]", "str | int"]

_MOST_BYTES = 2 << 30
_PROMPTS, _REST, _LABELS = ("prompt",), ("continuation", "completion", "response", "target"), ("label", "class", "y")
_JSON = (".jsonl", ".ndjson")
_BESIDE = ("index", "idx", "id", "guid")


def read_texts_to_continue(path: Path, tokenizer: Any, *, length: int, prompt: int) -> list[Any]:
    """Texts of a file as prompts and what follows them.

    Parameters
    ----------
    path : path
        Plain text, which is cut into pieces; or JSON lines, each with "prompt" and "continuation" (or "completion",
        "response", "target"), with "text", which is cut too, or with "tokens", ids that need no tokenizer.
    tokenizer : callable or None
        Of the model.
    length : int
        Most tokens of a piece.
    prompt : int
        How many of them are the prompt, where none is named.

    Returns
    -------
    list of Continuation
        None of them without a token after its prompt.

    Raises
    ------
    ews.errors.ArgumentError
        If a line cannot be read, a tokenizer is missing, or nothing is left.
    """
    from adapters.texts.continuations import Continuation

    if not 1 <= prompt < length:
        given = described(f"a prompt of {prompt} tokens of {length}")
        raise ArgumentError("--prompt-tokens", given, "1 or more, and fewer than --length")
    lines = _lines(path)
    if path.suffix.lower() not in _JSON:
        rows: list[tuple[str, Any]] = [("the text", {"text": "\n".join(lines)})]
    else:
        rows = [(f"line {number}", _object(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    found = []
    for where, row in rows:
        begin, rest = _named(row, _PROMPTS), _named(row, _REST)
        if "tokens" in row:
            pieces = _cut(_token_ids(path, where, row["tokens"]), length, prompt)
        elif isinstance(begin, str) and isinstance(rest, str):
            first, second = _ids(begin, tokenizer), _ids(rest, tokenizer, further=True)
            pieces = [Continuation(np.concatenate((first, second))[:length], min(len(first), length))]
        elif isinstance(row.get("text"), str):
            pieces = _cut(_ids(row["text"], tokenizer), length, prompt)
        else:
            wanted = 'fields "prompt" and "continuation", or "text", or "tokens"'
            raise ArgumentError("DATA", described(f"{where} of {path}"), wanted)
        found += [each for each in pieces if 1 <= each.prompt < len(each.tokens)]
    if not found:
        raise ArgumentError("DATA", described(f"{path}, which holds no text of {prompt + 1} tokens"), "longer texts")
    return found


def read_labelled(path: Path, *, label: str | None = None, columns: Sequence[str] = ()) -> list[Labelled]:
    """Texts of a file, or pairs of texts, with a class each.

    Parameters
    ----------
    path : path
        Columns with tabs between them (or commas, where its name ends in .csv), under a header; or JSON lines.
    label : str, optional
        Which column is the class; default: "label", "class" or "y". A number, counted from 1, is that of a column of a
        file without a header.
    columns : sequence of str
        One or two columns of text; default: all others but an index, if that is one or two.

    Returns
    -------
    list of (str or (str, str), str or int)
        Labels that are all whole numbers are numbers.

    Raises
    ------
    ews.errors.ArgumentError
        If a column is missing, a row has too few, or there are not two classes.
    """
    rows, names = _rows(path, label)
    label = label or next((name for name in _LABELS if name in names), None)
    if label is None or label not in names:
        given = described("no column of classes" if label is None else f"no column {label!r}")
        raise ArgumentError("--label-column", given, f"one of {', '.join(map(repr, names))} in {path}")
    texts = list(columns) or [name for name in names if name != label and name.lower() not in _BESIDE]
    for name in texts:
        if name not in names:
            raise ArgumentError("--text-column", name, f"one of {', '.join(map(repr, names))} in {path}")
    if not 1 <= len(texts) <= 2:
        given = described(f"{len(texts)} columns of text ({', '.join(texts)})")
        raise ArgumentError("--text-column", given, "one, or two for pairs; name them")
    found: list[tuple[Any, Any]] = []
    for number, row in rows:
        values = [row.get(name) for name in (*texts, label)]
        if any(value is None for value in values):
            raise ArgumentError("DATA", described(f"line {number} of {path} with too few columns"), f"{len(names)}")
        parts = [str(value) for value in values[:-1]]
        found.append((parts[0] if len(parts) == 1 else (parts[0], parts[1]), values[-1]))
    labels = [each[1] for each in found]
    if all(_is_whole(each) for each in labels):
        found = [(text, int(each)) for text, each in found]
    else:
        found = [(text, str(each)) for text, each in found]
    if len({each[1] for each in found}) < 2:
        raise ArgumentError("DATA", described(f"{path} with fewer than two classes"), "two or more")
    return found


def _lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)  # a device may never end
    if len(data) > _MOST_BYTES:
        raise ArgumentError("DATA", described(f"more than {_MOST_BYTES >> 20} MB in {path}"), "less: a part of it")
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ArgumentError("DATA", described(str(path)), "a file in UTF-8") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ArgumentError("DATA", described(f"line {number} of {path}: {error}"), "JSON on each line") from None
    if not isinstance(row, dict):
        raise ArgumentError("DATA", described(f"line {number} of {path}"), "a JSON object on each line")
    return row


def _named(row: dict[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if name in row), None)


def _ids(text: str, tokenizer: Any, *, further: bool = False) -> Any:
    if tokenizer is None:
        raise ArgumentError(
            "MODEL", described("a model without a tokenizer"), 'a folder with both, or "tokens" in DATA'
        )
    options = {"add_special_tokens": False} if further else {}
    return np.asarray(tokenizer(text, **options)["input_ids"], dtype=np.int64)


def _token_ids(path: Path, where: str, given: Any) -> Any:
    if not isinstance(given, list) or not all(isinstance(each, int) and not isinstance(each, bool) for each in given):
        raise ArgumentError("DATA", described(f'"tokens" in {where} of {path}'), "a list of token ids")
    return np.asarray(given, dtype=np.int64)


def _cut(tokens: Any, length: int, prompt: int) -> list[Any]:
    from adapters.texts.continuations import Continuation

    return [Continuation(tokens[start : start + length], prompt) for start in range(0, len(tokens), length)]


def _rows(path: Path, label: str | None) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
    """Numbered rows by column, and the names of the columns."""
    lines = _lines(path)
    if path.suffix.lower() in _JSON:
        objects = [(number, _object(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
        return objects, list(objects[0][1]) if objects else []
    comma = path.suffix.lower() == ".csv"
    read = csv.reader(lines, delimiter="," if comma else "\t", quoting=csv.QUOTE_MINIMAL if comma else csv.QUOTE_NONE)
    cells = [row for row in read if row]
    if not cells:
        raise ArgumentError("DATA", described(f"{path}, which holds nothing"), "a header, and rows")
    numbered = label is not None and label.isdigit()
    names = [str(number) for number in range(1, len(cells[0]) + 1)] if numbered else [name.strip() for name in cells[0]]
    first = 0 if numbered else 1
    rows = [(number, dict(zip(names, row, strict=False))) for number, row in enumerate(cells[first:], first + 1)]
    return rows, names


def _is_whole(value: Any) -> bool:
    try:
        return str(int(str(value))) == str(value)
    except ValueError:
        return False
