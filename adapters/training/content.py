"""Digests of what a training run was given: data, settings, and weights that it does not change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ews.errors import InputTypeError, described

__all__ = ["data_digest", "modules_digest"]


def data_digest(data: Sequence[Any]) -> str:
    """A digest of items: tokens, arrays, tensors, strings, numbers, and containers and dataclasses of these.

    Parameters
    ----------
    data : sequence
        The items.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).

    Raises
    ------
    ews.errors.InputTypeError
        If an item holds something else, of which nothing could tell whether it is the same.

    Examples
    --------
    >>> data_digest([[1, 2], "a"]) == data_digest([[1, 2], "a"]) != data_digest([[1, 2], "b"])
    True
    """
    digest = hashlib.sha256()
    for index, item in enumerate(data):
        for piece in _pieces(item, f"data[{index}]"):
            digest.update(len(piece).to_bytes(8, "little"))
            digest.update(piece)
    return digest.hexdigest()


def _pieces(value: Any, where: str) -> Iterable[bytes]:
    """Bytes that tell a value from every other one."""
    if isinstance(value, Tensor):
        whole = value.detach().cpu().contiguous()
        yield f"tensor {whole.dtype} {tuple(whole.shape)}".encode()
        yield whole.flatten().view(torch.uint8).numpy().tobytes()
    elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcUSmM":
        yield f"array {value.dtype} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, bytes):
        yield b"bytes"
        yield value
    elif value is None or isinstance(value, str | bool | int | float):
        yield type(value).__name__.encode()
        yield repr(value).encode("utf-8", "surrogatepass")
    elif is_dataclass(value) and not isinstance(value, type):
        yield f"object {type(value).__qualname__}".encode()
        for each in fields(value):
            yield each.name.encode()
            yield from _pieces(getattr(value, each.name), where)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, each in value.items():
            yield from _pieces(key, where)
            yield from _pieces(each, where)
    elif isinstance(value, list | tuple):
        yield f"sequence {len(value)}".encode()
        for each in value:
            yield from _pieces(each, where)
    else:
        allowed = "numbers, strings, arrays, tensors, and lists, tuples, mappings and dataclasses of these"
        raise InputTypeError(where, described(f"a {type(value).__name__}"), allowed)


@torch.no_grad()
def modules_digest(modules: nn.Module) -> str:
    """A digest of the shape of all parameters and of the values of those that are not trained.

    Parameters
    ----------
    modules : nn.Module
        What is trained, with what it stands on.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256()
    for name, each in modules.named_parameters():
        said = [name, list(each.shape), str(each.dtype), each.requires_grad]
        digest.update(json.dumps(said).encode())
        if not each.requires_grad and not each.is_meta:
            digest.update(each.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
