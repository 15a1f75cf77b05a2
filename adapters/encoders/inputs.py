"""From texts, pairs of texts or encodings to batches of an encoder, rows of like length together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ews.errors import ArgumentError, InputTypeError, described

__all__ = ["Rows", "read_rows"]

_PADDING = {"attention_mask": 0, "token_type_ids": 0}


class Rows:
    """Inputs of an encoder, one row each, without padding.

    Parameters
    ----------
    rows : sequence of mapping of str to Tensor
        Of shape (tokens,) each.
    pad_token : int
        What fills short rows up.
    """

    def __init__(self, rows: Sequence[Mapping[str, Tensor]], pad_token: int) -> None:
        self.rows = tuple(rows)
        self._pad_token = pad_token

    def __len__(self) -> int:
        return len(self.rows)

    def collate(self, chosen: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """A batch of some rows, padded on the right."""
        length = max(len(row["input_ids"]) for row in chosen)
        found: dict[str, Tensor] = {}
        for name in chosen[0]:
            fill = _PADDING.get(name, self._pad_token)
            whole = torch.full((len(chosen), length), fill, dtype=chosen[0][name].dtype)
            for row, each in zip(whole, chosen, strict=True):
                row[: len(each[name])] = each[name]
            found[name] = whole
        return found

    def batches(self, size: int) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], dict[str, Tensor]]]:
        """Which rows a batch holds, and its inputs: rows of like length together, so that little is padded."""
        order = np.argsort([len(row["input_ids"]) for row in self.rows], kind="stable")
        for start in range(0, len(order), size):
            index = order[start : start + size]
            yield index, self.collate([self.rows[each] for each in index])


def read_rows(
    given: Any, tokenizer: Callable[..., Any] | None, *, names: tuple[str, ...], pad_token: int, max_length: int
) -> Rows:
    """Read texts, pairs of texts, or what a tokenizer made of them.

    Parameters
    ----------
    given : sequence of str, sequence of (str, str), or mapping of str to sequence
        Texts, pairs, or encodings: rows of tokens by name, of any length each or padded.
    tokenizer : callable or None
        What makes tokens of texts.
    names : tuple of str
        What the encoder reads.
    pad_token : int
        What fills short rows up.
    max_length : int
        Tokens that a text is cut to.

    Returns
    -------
    Rows
        Without padding.

    Raises
    ------
    ews.errors.ArgumentError
        If they are none of these, or there is no tokenizer for texts.
    """
    if isinstance(given, str) or not (isinstance(given, Mapping | Sequence) or hasattr(given, "keys")):
        allowed = "a list of texts, of pairs of texts, or what a tokenizer made of them"
        raise InputTypeError("texts", described(f"a {type(given).__name__}"), allowed)
    encoded: Any = given
    if not hasattr(given, "keys"):
        if not len(given):
            raise ArgumentError("texts", described("no text"), "one or more")
        encoded = _encoded(given, tokenizer, max_length)
    return _rows_of(encoded, names, pad_token)


def _encoded(texts: Sequence[Any], tokenizer: Callable[..., Any] | None, max_length: int) -> Any:
    if tokenizer is None:
        raise ArgumentError("tokenizer", None, "the model's tokenizer, as texts were given and no encodings")
    if all(isinstance(each, str) for each in texts):
        return tokenizer(list(texts), truncation=True, max_length=max_length)
    pairs = [each for each in texts if isinstance(each, tuple | list) and len(each) == 2]
    if len(pairs) < len(texts) or not all(isinstance(side, str) for pair in pairs for side in pair):
        odd = next(each for each in texts if not isinstance(each, str))
        raise InputTypeError("texts", odd, "texts, or pairs of texts, all of one kind")
    return tokenizer([a for a, _ in pairs], [b for _, b in pairs], truncation=True, max_length=max_length)


def _rows_of(encoded: Any, names: tuple[str, ...], pad_token: int) -> Rows:
    if "input_ids" not in encoded:
        raise ArgumentError(
            "texts", described(f"encodings with {', '.join(map(str, encoded))}"), "input_ids among them"
        )
    read = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in encoded and name in names]
    columns = {name: [torch.as_tensor(each, dtype=torch.int64) for each in encoded[name]] for name in read}
    count = len(columns["input_ids"])
    if not count or any(len(each) != count for each in columns.values()):
        raise ArgumentError(
            "texts", described("encodings of several lengths, or of none"), "one row of each name a text"
        )
    rows: list[dict[str, Tensor]] = []
    for each in range(count):
        row: dict[str, Tensor] = {name: column[each] for name, column in columns.items()}
        tokens = len(row["input_ids"])
        if any(value.shape != (tokens,) for value in row.values()) or not tokens:
            raise ArgumentError("texts", described(f"row {each}, whose parts differ in length"), "rows of one length")
        mask = row.setdefault("attention_mask", torch.ones_like(row["input_ids"]))
        used = int(mask.nonzero()[-1]) + 1 if bool(mask.any()) else tokens
        rows.append({name: value[:used] for name, value in row.items()})
    return Rows(rows, pad_token)
