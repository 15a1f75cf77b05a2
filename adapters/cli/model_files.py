"""What a model's folder may hold: looked at before any of it is loaded, since it may come from anywhere."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ews.errors import ArgumentError, described

__all__ = ["has_code", "require_plain_files"]

_READ = (".json", ".safetensors", ".bin", ".jinja", ".model", ".txt", ".gguf")
_SMALL = ("config.json", "generation_config.json", "tokenizer_config.json")
_SMALL_BYTES = 64 << 20
_LAYERS = 10_000  # far above any model; a folder that claims more would be unpacked for hours
_LAYER_COUNTS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")


def require_plain_files(folder: Path, *, trusted: bool) -> None:
    """See that loading this folder reads files of this folder, ends, and runs no code from elsewhere.

    Parameters
    ----------
    folder : Path
        What ``from_pretrained`` will read.
    trusted : bool
        Whether code that comes with the model, or that it names, may run.

    Raises
    ------
    ews.errors.ArgumentError
        If a file is a device or a pipe, JSON cannot be read, weights lie outside the folder, or the configuration names
        code to be fetched.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _READ and path.exists() and not path.is_file():
            raise ArgumentError("MODEL", described(f"{path.name} that is no file"), "a folder of plain files")
    for name in _SMALL:
        content = _read(folder / name)
        for key in _LAYER_COUNTS:
            layers = content.get(key)
            if isinstance(layers, int) and layers > _LAYERS:
                raise ArgumentError("MODEL", described(f"{key} of {layers:.3g} in {name}"), f"at most {_LAYERS} layers")
        fetched = [key for key, value in content.items() if key.endswith("_implementation") and "/" in str(value)]
        if fetched and not trusted:
            given = described(f"{name}, whose {fetched[0]} is code to be fetched: {content[fetched[0]]!r}")
            raise ArgumentError("MODEL", given, "a model without it, or --trust-remote-code after reading the code")
    for index in sorted(folder.glob("*.index.json")):
        _check_weights(index)


def has_code(folder: Path) -> bool:
    """Whether model or tokenizer bring Python files that would replace the library's own."""
    return any(_read(folder / name).get("auto_map") for name in _SMALL)


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    if not path.is_file():
        return {}
    if path.stat().st_size > _SMALL_BYTES:
        raise ArgumentError("MODEL", described(f"{path.name} of {path.stat().st_size} bytes"), "one of some kilobytes")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ArgumentError("MODEL", described(f"{path.name} that cannot be read ({why})"), "JSON") from None
    if not isinstance(found, dict):
        raise ArgumentError("MODEL", described(f"{path.name} that holds a {type(found).__name__}"), "a JSON object")
    return found


def _check_weights(index: Path) -> None:
    """That every file of weights lies in the folder of its index."""
    shards = _read(index).get("weight_map", {})
    if not isinstance(shards, dict):
        raise ArgumentError("MODEL", described(f"{index.name} whose weight_map is no object"), "tensor names and files")
    for shard in set(map(str, shards.values())):
        ways = (PurePosixPath(shard), PureWindowsPath(shard))
        if any(way.is_absolute() or way.drive or ".." in way.parts for way in ways):
            raise ArgumentError("MODEL", described(f"weights outside the folder: {shard!r}"), "files of the folder")
        if (index.parent / shard).exists() and not (index.parent / shard).is_file():
            raise ArgumentError("MODEL", described(f"{shard!r} that is no file"), "a folder of plain files")
