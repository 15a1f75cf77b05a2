"""Chat templates, which are programs that come with a model: run apart, in bounded time and memory."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ews.errors import ArgumentError, described

__all__ = ["SECONDS", "rendered"]

SECONDS = 10.0  # for the first prompt; a template takes well under a millisecond
_MORE_SECONDS = 0.05  # for each further one
_MEMORY = 1 << 30
_CHARACTERS = 1_000_000  # that a template may add to a prompt


def rendered(texts: Sequence[str], tokenizer: Any) -> list[str]:
    """Prompts as the messages to an assistant that a tokenizer's chat template makes of them.

    Parameters
    ----------
    texts : sequence of str
        The prompts.
    tokenizer : transformers tokenizer
        With a chat template.

    Returns
    -------
    list of str
        To be made tokens without further marks.

    Raises
    ------
    ews.errors.ArgumentError
        If the template is refused, fails, does not end, or writes without end.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    # A copy of this process where the system can make one: a fresh one would first have to import everything.
    ways = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in ways else "spawn")
    child = context.Process(target=_render, args=(list(texts), tokenizer, there), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads; the child uses none
        child.start()
    there.close()
    limit = SECONDS + _MORE_SECONDS * len(texts)
    try:
        found = here.recv() if here.poll(limit) else f"one that does not end within {limit:.0f} s"
    except EOFError:
        found = "one that ended the process it ran in"
    finally:
        child.kill()
        child.join()
        here.close()
    if isinstance(found, str):
        raise ArgumentError("--chat", described(f"{found} (the model's chat template)"), "--plain, or another template")
    return list(found)


def _render(texts: list[str], tokenizer: Any, answer: Connection) -> None:
    """In the child: send a list of texts, or a string that says what is wrong."""
    try:
        _limit_memory()
        found: Any = []
        for text in texts:
            message = [{"role": "user", "content": text}]
            one = tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
            if not isinstance(one, str) or len(one) > len(text) + _CHARACTERS:
                found = f"one that makes {len(one)} characters of {len(text)}"
                break
            found.append(one)
    except MemoryError:
        found = "one that takes more than 1 GB"
    except Exception as error:  # noqa: BLE001  # whatever a stranger's program raises
        found = f"one that fails: {type(error).__name__}: {' '.join(str(error).split())[:100]}"
    answer.send(found)


def _limit_memory() -> None:
    """No more than a gigabyte beside what the process has; where the system does not say, no limit."""
    size = Path("/proc/self/statm")
    if size.is_file():
        import resource

        now = int(size.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = now + _MEMORY if hard == resource.RLIM_INFINITY else min(now + _MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
