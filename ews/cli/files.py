"""The files that commands write: never over what they read, and over nothing else unless ``--force`` says so."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ews.errors import ArgumentError, described

__all__ = ["check_files", "check_folder", "write_file"]

_FORCE = "a file that does not exist yet, or --force to replace it"


def check_files(
    outputs: Mapping[str, Path | None], *, inputs: Iterable[str | Path | None] = (), force: bool = False
) -> None:
    """Refuse before the work what cannot, or must not, be written after it, by option.

    That is a folder, an input (by whatever name: a link, another spelling), a file that exists (without `force`),
    another output, or what lies where nothing can be written. Inputs may be names of other things (a model on a hub,
    ``-``): they do no harm.
    """
    read = [Path(each).expanduser() for each in inputs if each is not None and os.fspath(each) != "-"]
    given = [(option, path) for option, path in outputs.items() if path is not None]
    for place, (option, path) in enumerate(given):
        _check_file(option, path, read, force)
        for other, same in given[:place]:
            if _is_same(path, same):
                raise ArgumentError(option, described(f"the file of {other} too: {path}"), "a file of its own")


def check_folder(
    option: str,
    folder: Path,
    names: Sequence[str],
    *,
    inputs: Iterable[str | Path | None] = (),
    force: bool = False,
) -> None:
    """Refuse a folder in which files of these names must not be written; one that does not exist is made later."""
    _check_name(option, folder)
    if not folder.is_dir():
        above = next((each for each in folder.absolute().parents if os.path.lexists(each)), None)
        if os.path.lexists(folder) or above is None or not above.is_dir():
            where = folder if os.path.lexists(folder) else above
            raise ArgumentError(option, described(f"the file {where}"), "a folder, or a path where there is nothing")
        if not os.access(above, os.W_OK | os.X_OK):
            raise ArgumentError(
                option, described(f"a path in a folder that is not writable: {above}"), "a folder that is writable"
            )
        return
    read = [Path(each).expanduser() for each in inputs if each is not None and os.fspath(each) != "-"]
    for name in names:
        _check_file(option, folder / name, read, force)


def write_file(path: Path, content: str | bytes, *, force: bool = False) -> None:
    """Write a whole file: a new one, or with `force` in the place of the one that is there.

    What is replaced is this name alone: the content stays under other names of the same file, and a reader sees the old
    content or the new one. A file that has come into being meanwhile is refused.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    if _is_stream(path):
        path.write_bytes(data)
    elif force:
        _replace(path, data)
    else:
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            raise ArgumentError("output", described(f"a file that exists: {path}"), _FORCE) from None


def _check_file(option: str, path: Path, inputs: Sequence[Path], force: bool) -> None:
    _check_name(option, path)
    if path.is_dir():
        raise ArgumentError(option, described(f"the folder {path}"), "a file to write")
    if not path.parent.is_dir():
        raise ArgumentError(option, described(str(path)), "a file in a folder that exists")
    for read in inputs:
        if _is_same(path, read) or (path.exists() and read.is_dir() and _lies_in(path, read)):
            raise ArgumentError(
                option, described(f"a file that this command reads: {path}"), "another file than those of the input"
            )
    if path.is_symlink() and not path.exists():
        raise ArgumentError(option, described(f"a link to nothing: {path}"), "a file, or a name that is not taken")
    if _is_stream(path):
        return
    if path.exists() and not path.is_file():
        raise ArgumentError(option, described(f"the device {path}"), "a file to write")
    if path.exists() and not force:
        raise ArgumentError(option, described(f"a file that exists: {path}"), _FORCE)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ArgumentError(
            option, described(f"a file in a folder that is not writable: {path}"), "a file in a folder that is writable"
        )


def _check_name(option: str, path: Path) -> None:
    if "\0" in str(path):
        raise ArgumentError(option, described("a name with a NUL in it"), "a path")


def _is_stream(path: Path) -> bool:
    """Whether writing goes through to something that is no file, such as ``/dev/null`` or a pipe."""
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(kind) or stat.S_ISFIFO(kind)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)  # links of both kinds, case and spelling: the file system knows
    except (OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)


def _lies_in(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _replace(path: Path, data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:100]}.") as beside:
        new = Path(beside) / "new"
        new.write_bytes(data)  # the mode is that of any new file of this user
        new.replace(path)
