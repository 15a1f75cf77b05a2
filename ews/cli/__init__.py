"""The command line ``ews``: reads files, calls the library, prints and writes; no maths."""

from ews.cli.commands import app, main

__all__ = ["app", "main"]
