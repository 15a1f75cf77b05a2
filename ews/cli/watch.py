"""``ews watch``: a monitor over lines that arrive, from standard input or from a file that grows."""

from __future__ import annotations

import json
import sys
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
import typer

from ews.cli.files import write_file
from ews.cli.lines import Batch, LineReader, Notes, arriving
from ews.cli.output import note
from ews.errors import ArgumentError, described

__all__ = ["run"]

_STATE = 1
_PAUSE = 0.5  # seconds between two looks at a file that grows


def run(
    file: Path,
    *,
    time: str | None,
    values: list[str],
    options: dict[str, Any],
    follow: bool,
    state: Path | None,
    as_json: bool,
    how: Mapping[str, Any] | None = None,
    wait: Callable[[], bool] | None = None,
) -> None:
    """Read lines, print alarms, and keep the monitor where that was asked for; `how` they are read is LineReader's."""
    notes = Notes(note)
    reader = LineReader(time=time, values=values, notes=notes, **(how or {}))
    monitor = _begin(reader, options, state)
    piped = str(file) == "-"
    stream: IO[bytes] = sys.stdin.buffer if piped else file.open("rb")
    alarms = 0
    try:
        if not piped:
            _skip(stream, file, reader)
        for lines in arriving(stream, wait or (_pause if follow and not piped else _stop)):
            alarms += _take(
                monitor,
                reader.read(lines),
                reader.values,
                timed=time is not None or reader.time is not None,
                as_json=as_json,
                notes=notes,
            )
        reader.finish()
    except KeyboardInterrupt:
        pass
    finally:
        if not piped:
            stream.close()
        if state is not None:
            kept = {"watch": _STATE, "monitor": monitor.to_dict(), "source": reader.to_dict()}
            write_file(state, json.dumps(kept), force=True)
    seen = monitor.to_dict()["seen"]
    waiting = [name for name, one in zip(monitor.names, monitor.to_dict()["learning"], strict=True) if one is not None]
    more = f"; not learned yet: {', '.join(waiting)[:80]}" if waiting else ""
    note(
        f"{seen} observations of {len(monitor.names)} series, {alarms} alarm(s) in those of this run{more}"
        f"{notes.summary()}"
    )


def _begin(reader: LineReader, options: dict[str, Any], state: Path | None) -> Any:
    """The monitor that was kept, or a new one."""
    from ews import Monitor

    monitor = Monitor(**options)
    if state is None or not state.exists():
        return monitor
    try:
        kept = json.loads(state.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict) or set(kept) != {"watch", "monitor", "source"} or kept["watch"] != _STATE:
        raise ArgumentError(
            "--state", described(f"{state}, a file of another kind"), "what ews watch wrote, or no file"
        )
    found = Monitor.from_dict(kept["monitor"])
    if found.config != monitor.config:
        kept_with, now = asdict(found.config), asdict(monitor.config)
        other = [name for name in kept_with if kept_with[name] != now[name]]
        had, asked = (
            ", ".join(f"--{name.replace('_', '-')} {one[name]}" for name in other) for one in (kept_with, now)
        )
        raise ArgumentError(
            "--state", described(f"a monitor made with {had}"), f"one made with what is asked for now, {asked}"
        )
    reader.resume(kept["source"])
    return found


def _skip(stream: IO[bytes], file: Path, reader: LineReader) -> None:
    """Go on behind what was read before."""
    if reader.offset > file.stat().st_size:
        note(f"{file} is shorter than what was read of it before: it is read from its start")
        reader.offset = reader.line = 0
        reader.separator, reader.header = None, []
    stream.seek(reader.offset)


def _take(monitor: Any, batch: Batch, names: list[str], *, timed: bool, as_json: bool, notes: Notes) -> int:
    """Give the monitor what arrived, print its alarms, and say how many there were."""
    times: Any = None
    if timed and batch.times:
        times = np.array(batch.times)
        newest = monitor.newest
        later = np.ones(len(times), bool)
        for place in range(len(times)):
            if newest is not None and not times[place] > newest:
                later[place] = False
                notes.take(
                    "lines left out whose time is not later than the one before",
                    f"line {batch.lines[place]}: its time is not later than the one before: left out",
                )
            else:
                newest = times[place]
        times = times[later]
        batch.rows = [row for row, kept in zip(batch.rows, later, strict=True) if kept]
    if not batch.rows:
        return 0
    table = np.array(batch.rows)
    found = monitor.update_many({name: table[:, place] for place, name in enumerate(names)}, times)
    for alarm in found.alarms:
        if as_json:
            said = {"series": alarm.name, "test": alarm.test, "index": alarm.index}
            said |= {"time": _plain(alarm.time), "since": _plain(alarm.since), "evidence": alarm.evidence}
            typer.echo(json.dumps(said, ensure_ascii=False))
        else:
            typer.echo(f"{_plain(alarm.time)}  {alarm.reason}")
    if found.alarms:
        sys.stdout.flush()
    return len(found.alarms)


def _plain(moment: Any) -> Any:
    from ews._common.words import time_text

    return time_text(moment) if isinstance(moment, np.datetime64) else moment


def _pause() -> bool:
    clock.sleep(_PAUSE)
    return True


def _stop() -> bool:
    return False
