"""A fitted policy as two files, and back: JSON for what was chosen, safetensors for what was fitted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from adapters._common.files import digest_of, has_digest, read_json, read_plain, write_whole
from adapters.calibration.result import Calibration, calibration_dict, require_model
from adapters.calibration.saved_fields import calibration_from_dict, parts, refuse, require_fit, word
from adapters.families import Family, family_of
from ews.errors import ArgumentError, described

__all__ = ["FORMAT", "VERSION", "calibration_from_dict", "load_calibration", "save_calibration"]

FORMAT, VERSION = "earlywarning policy", 1
_WORDS, _TENSORS = "policy.json", "policy.safetensors"
_WORDS_BYTES = 16 << 20  # a policy of a hundred exits takes a hundredth of it
_SAVED = "a folder that EWSExitPolicy.save wrote"


def save_calibration(calibration: Calibration, folder: Path) -> None:
    """Write ``policy.json`` and ``policy.safetensors``, each whole or not at all.

    Parameters
    ----------
    calibration : Calibration
        What was found.
    folder : Path
        Made where it does not exist. What was saved there before is replaced.

    Raises
    ------
    ews.errors.ArgumentError
        If a number in it is not finite, or the folder is a file.
    """
    tensors = {name: each.detach().cpu().contiguous().clone() for name, each in calibration.tensors.items()}
    odd = [name for name, each in tensors.items() if not _is_finite(each)]
    content = calibration_dict(calibration)
    try:
        digest = digest_of(content)
    except ValueError:
        odd.append("calibration")
    if odd:
        raise ArgumentError("policy", described(f"numbers in {', '.join(odd)} that are not finite"), "finite numbers")
    data = tensor_bytes(tensors)
    words = {
        "format": FORMAT,
        "version": VERSION,
        "sha256": {"calibration": digest, _TENSORS: hashlib.sha256(data).hexdigest()},
        "calibration": content,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ArgumentError("folder", str(folder), "a folder, or a path where there is nothing") from None
    # The words last: a new file of tensors beside old words is noticed, since their digest is in the words.
    write_whole(folder / _TENSORS, data)
    write_whole(folder / _WORDS, (json.dumps(words, indent=1, allow_nan=False) + "\n").encode())


def load_calibration(folder: Path, model: Any) -> Calibration:
    """Read what :func:`save_calibration` wrote, and see that nothing was changed and that it is for this model.

    Parameters
    ----------
    folder : Path
        Where it is.
    model : transformers.PreTrainedModel
        The model that it is for. With weights of another type a :class:`adapters.errors.PolicyDtypeWarning` is given.

    Returns
    -------
    Calibration
        As it was saved.

    Raises
    ------
    adapters.errors.PolicyMismatchError
        If a file is missing, cut short or changed, is of another version, or was made with another model.
    """
    words = _read_words(folder)
    family = family_of(model)
    data = read_plain(folder / _TENSORS, "folder", most=_most_bytes(family), allowed=_SAVED)
    found, expected = hashlib.sha256(data).hexdigest(), words["sha256"][_TENSORS]
    if found != expected:
        refuse(
            _TENSORS,
            described(f"{len(data)} bytes with SHA-256 {found[:12]}…, cut short or changed"),
            f"the file that was saved beside {_WORDS} (SHA-256 {expected[:12]}…)",
        )
    try:
        tensors = read_tensors(data)
    except Exception:  # noqa: BLE001  # whatever the library of that format finds wrong
        refuse(_TENSORS, described("a file that is not safetensors"), "what EWSExitPolicy.save wrote")
    calibration = calibration_from_dict(words["calibration"], tensors)
    require_model(calibration, model)
    calibration.warn_of_type(model, stacklevel=4)
    require_fit(calibration, family)
    return calibration


def _read_words(folder: Path) -> dict[str, Any]:
    """The JSON, once it is known to be what was saved."""
    data = read_plain(folder / _WORDS, "folder", most=_WORDS_BYTES, allowed=_SAVED)
    words = read_json(data, _WORDS, allowed="what EWSExitPolicy.save wrote")
    if not isinstance(words, dict) or words.get("format") != FORMAT:
        refuse(_WORDS, described("JSON of something else"), f"an object with the format {FORMAT!r}")
    version = words.get("version")
    if isinstance(version, bool) or version != VERSION:
        refuse("version", version, f"{VERSION}, which this version of the library reads")
    _, _, digests, content = parts(words, ("format", "version", "sha256", "calibration"), _WORDS)
    for name, digest in zip(
        ("calibration", _TENSORS), parts(digests, ("calibration", _TENSORS), "sha256"), strict=True
    ):
        word(f"sha256.{name}", digest)
    if not has_digest(content, digests["calibration"]):
        refuse(_WORDS, described("a calibration that was changed"), "the file as EWSExitPolicy.save wrote it")
    return words


def _most_bytes(family: Family) -> int:
    """Of tensors for a model of this shape: a screen of full rank and a lens at every layer, in float64."""
    width, vocabulary = family.width, int(family.config.vocab_size)
    return 8 * ((family.depth + 2) * width * (width + 1) + vocabulary * (width + 2)) + (1 << 20)


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
