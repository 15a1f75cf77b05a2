"""Where the files of a data set are found: a folder of the user's, else a cache filled from a public address."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ews.errors import DatasetError

__all__ = ["File", "cache_folder", "is_here", "locate"]

_TIMEOUT = 20.0  # seconds without an answer after which an address counts as out of reach


@dataclass(frozen=True)
class File:
    """One file of a data set."""

    path: str  # its place below ``EWS_DATA_DIR``, and below the cache folder
    sha256: str  # digest of its bytes
    # Where these very bytes are published; None where the source publishes them in a form that is not read here.
    url: str | None = None


def cache_folder() -> Path:
    """Folder in which fetched files are kept: below ``EWS_CACHE_DIR``, or the user's cache folder."""
    import pooch  # type: ignore[import-untyped]

    chosen = os.environ.get("EWS_CACHE_DIR")
    return Path(chosen or pooch.os_cache("earlywarning")) / "datasets"


def is_here(file: File) -> bool:
    """Whether a file lies in the folder named by ``EWS_DATA_DIR`` or in the cache; its bytes are not looked at."""
    chosen = os.environ.get("EWS_DATA_DIR")
    folders = [Path(chosen)] if chosen else []
    return any((folder / file.path).is_file() for folder in (*folders, cache_folder()))


def locate(file: File, *, name: str, source: str) -> Path:
    """Find the file, fetching it where need be, with the bytes that its digest promises; else DatasetError."""
    chosen = os.environ.get("EWS_DATA_DIR")
    if chosen:
        local = Path(chosen, file.path)
        if local.is_file():
            _check(local, file, name)
            return local
    looked = f"EWS_DATA_DIR ({chosen}) does not hold it" if chosen else "EWS_DATA_DIR is not set"
    if file.url is None:
        raise DatasetError(
            f"data set {name!r} needs the file {file.path}, and {looked}. It cannot be fetched: its source publishes "
            f"it in another format ({source}). Set EWS_DATA_DIR to a folder that holds {file.path}"
        )
    return _fetch(file, file.url, name, looked)


def _check(local: Path, file: File, name: str) -> None:
    found = hashlib.sha256(local.read_bytes()).hexdigest()
    if found != file.sha256:
        raise DatasetError(
            f"data set {name!r}: {local} is not the published file: its SHA-256 is {found}, expected {file.sha256}"
        )


def _fetch(file: File, url: str, name: str, looked: str) -> Path:
    import pooch

    place = cache_folder() / file.path
    try:
        fetched = pooch.retrieve(
            url,
            known_hash=f"sha256:{file.sha256}",
            fname=place.name,
            path=place.parent,
            downloader=pooch.HTTPDownloader(timeout=_TIMEOUT),
        )
    except (OSError, ValueError) as problem:  # no connection, an HTTP error, no room; or other bytes than promised
        raise DatasetError(
            f"data set {name!r} needs the file {file.path}; {looked}, and it could not be fetched from {url} into "
            f"{place.parent}: {problem}. Without a network, put the file into a folder and set EWS_DATA_DIR to it, so "
            f"that {file.path} lies below it"
        ) from problem
    return Path(fetched)
