"""Files of policies: written whole or not at all, and read as if a stranger had sent them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from adapters.errors import PolicyMismatchError
from ews.errors import described

__all__ = ["digest_of", "has_digest", "read_json", "read_plain", "write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the file, then put it in its place: a reader sees the old file or the new one.

    The mode is that of any new file of this user. A link is replaced, not followed.
    """
    beside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        with beside.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_plain(path: Path, argument: str, *, most: int, allowed: str) -> bytes:
    """The bytes of a plain file of bounded size.

    Parameters
    ----------
    path : Path
        The file. A link is refused, since what it leads to is not what was saved; so is a device, which may never end.
    argument : str
        What a message names.
    most : int
        Bytes that such a file can have.
    allowed : str
        What a message says is allowed.

    Returns
    -------
    bytes
        All of it.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If there is no such file, or it is not plain, or too large.
    """
    try:
        # Not blocking, or opening a pipe would wait for someone to write to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as failed:
        why = "does not exist" if isinstance(failed, FileNotFoundError) else "cannot be read"
        why = "is a link" if path.is_symlink() else why
        raise PolicyMismatchError(argument, _place(path, why), allowed) from None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise PolicyMismatchError(argument, _place(path, "cannot be read: it is no plain file"), allowed)
    with os.fdopen(handle, "rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        why = f"has {found.st_size} bytes, more than the {most} that it can need"
        raise PolicyMismatchError(argument, _place(path, why), allowed)
    return data


def _place(path: Path, why: str) -> str:
    folder = str(path.parent)
    shown = folder if len(folder) < 50 else f"…{folder[-49:]}"  # the end of a message is cut off if it is long
    return described(f"{shown!r}, where {path.name} {why}")


def read_json(data: bytes, argument: str, *, allowed: str) -> Any:
    """JSON in which every name stands once and every number is finite.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If it is none.
    """

    def refuse(given: str) -> NoReturn:
        raise PolicyMismatchError(argument, described(given), "finite numbers")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise PolicyMismatchError(argument, described(f"{twice!r} twice in one object"), "each name once")
        return found

    try:
        return json.loads(data.decode(), parse_constant=refuse, object_pairs_hook=once)
    except PolicyMismatchError:
        raise
    except (ValueError, RecursionError):
        given = described("a file that is not JSON, or was cut short")
        raise PolicyMismatchError(argument, given, allowed) from None


def digest_of(content: Any) -> str:
    """SHA-256 of JSON, whatever its spaces and the order of its names; a ValueError for numbers that are not finite."""
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()


def has_digest(content: Any, digest: str) -> bool:
    """Whether this is the content that a digest was taken of."""
    try:
        return digest_of(content) == digest
    except ValueError:  # a number beyond all floats, such as 1e999
        return False
