"""Validate the docstrings of everything public with numpydoc, by the rules of pyproject.toml."""

from __future__ import annotations

import inspect
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

from numpydoc.validate import ERROR_MSGS, validate

import adapters
import ews


def public_names() -> Iterator[tuple[str, object]]:
    """Public functions and classes by full name, those of the public namespaces included."""
    for package in (ews, adapters):
        for name in package.__all__:
            value = getattr(package, name)
            full = f"{package.__name__}.{name}"
            if isinstance(value, types.ModuleType):
                yield from ((f"{full}.{inner}", getattr(value, inner)) for inner in getattr(value, "__all__", ()))
            else:
                yield full, value


def documented() -> Iterator[tuple[str, set[str]]]:
    """The same, with the public methods that each class defines itself, and the checks that do not apply to each."""
    for name, value in public_names():
        if inspect.isfunction(value):
            yield name, set()
        elif inspect.isclass(value):
            yield name, {"PR01"}  # fields of a frozen result are its attributes; an error's arguments are its parent's
            for key, member in vars(value).items():
                if isinstance(member, types.FunctionType | classmethod | staticmethod) and not key.startswith("_"):
                    text = inspect.getdoc(getattr(value, key)) or ""
                    yield (
                        f"{name}.{key}",
                        set() if "\n" in text else {"PR01", "RT01"},
                    )  # one line is enough for a method


def main() -> int:
    """Print what is wrong and count it."""
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    left_out = set(settings["tool"]["numpydoc_validation"]["checks"]) - {"all"}
    unknown = left_out - set(ERROR_MSGS)
    if unknown:
        print(f"pyproject.toml: unknown numpydoc checks {sorted(unknown)}")
        return 1
    broken = 0
    names = list(documented())
    for name, not_applicable in names:
        for code, message in validate(name)["errors"]:
            if code not in left_out | not_applicable:
                print(f"{name}: {code} {message}")
                broken += 1
    print(f"docstrings: {len(names)} public functions, classes and methods, {broken} problems")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
