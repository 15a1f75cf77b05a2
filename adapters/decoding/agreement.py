"""One decision for all processes that share a model: that of the first of them.

Under tensor parallelism every process runs every layer on its part of the weights, and each asks its own copy of the
policy. States are the same on all of them up to rounding; near a threshold that is not enough, and processes that
disagree wait for each other for ever. So what the first decides is sent to the others: its plan once a token, and a few
numbers at each check and at each feed-forward block that is decided on.
"""

from __future__ import annotations

import numpy as np
import torch

from adapters.decoding.contract import BoolArray, Exit, FFNRoute, IntArray, Plan
from adapters.families.processes import Processes
from ews.errors import InputTypeError, described

__all__ = ["agreed_exit", "agreed_ffn", "agreed_plan"]

_NEVER, _TOGETHER, _EACH, _UNFIT = range(4)  # how a plan's exit or routes are given
_TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def agreed_plan(processes: Processes, plan: Plan, *, rows: int, depth: int) -> Plan:
    """The first process's plan of a token, for a batch of so many rows and a model of so many layers."""
    kind = _NEVER if plan.exit is None else _TOGETHER if np.ndim(plan.exit) == 0 else _EACH
    exits = np.broadcast_to(0 if plan.exit is None else plan.exit, (rows,))
    marks = np.zeros((3, depth + 1), dtype=np.int64)
    for mark, places in zip(marks, (plan.checks, plan.skip_layers, plan.ffn_checks), strict=True):
        mark[[place for place in places if 0 <= place <= depth]] = 1
    routes, has_routes = np.full((rows, depth), int(FFNRoute.FULL)), _NEVER
    if plan.ffn_routes is not None:
        has_routes = _EACH if plan.ffn_routes.shape in ((depth,), (rows, depth)) else _UNFIT
        routes[:] = plan.ffn_routes if has_routes == _EACH else FFNRoute.FULL
    told = processes.numbers(np.concatenate(([kind, has_routes], exits, marks.ravel(), routes.ravel())))
    has_routes = int(told[1])
    exits, marks, routes = np.split(told[2:], np.cumsum((rows, marks.size)))
    marks, routes = marks.reshape(3, depth + 1), routes.reshape(rows, depth)
    checks, skipped, fed = (tuple(int(place) for place in np.flatnonzero(mark)) for mark in marks)
    return Plan(
        exit=None if told[0] == _NEVER else int(exits[0]) if told[0] == _TOGETHER else exits,
        checks=checks,
        skip_layers=frozenset(skipped),
        ffn_checks=frozenset(fed),
        ffn_routes=None if has_routes == _NEVER else routes if has_routes == _EACH else routes[:0],
    )


def agreed_exit(processes: Processes, leaving: Exit | None, *, rows: int) -> Exit | None:
    """The first process's answer at a check of so many rows, with the logits that it would emit.

    Raises
    ------
    ews.errors.InputTypeError
        If logits are of a type that is not sent.
    """
    chosen = np.zeros(rows, dtype=np.int64)
    if leaving is not None:
        chosen[:] = 1 if leaving.rows is None else leaving.rows
    logits = None if leaving is None else leaving.logits
    if logits is not None and logits.dtype not in _TYPES:
        raise InputTypeError("logits", described(f"of type {logits.dtype}"), ", ".join(map(str, _TYPES)))
    size = (0, 0) if logits is None else (logits.shape[-1], _TYPES.index(logits.dtype))
    vocabulary, kind, *told = (int(number) for number in processes.numbers(np.concatenate((size, chosen))))
    mask = np.array(told, dtype=bool)
    if not mask.any():
        return None
    if not vocabulary:  # the model's own head speaks, in which all take part
        return Exit(rows=mask)
    if logits is None or not processes.is_first:
        logits = torch.empty((int(mask.sum()), vocabulary), dtype=_TYPES[kind], device=processes.device)
    return Exit(rows=mask, logits=processes.sent(logits))


def agreed_ffn(processes: Processes, runs: bool | BoolArray | IntArray, *, rows: int) -> IntArray:
    """The first process's answer at a feed-forward block: the route of each row."""
    return processes.numbers(np.broadcast_to(runs, (rows,)))
