"""``python -m tests.fuzz``: calls of API, command line and policy loading at random, bounded and seeded.

Whatever is not an error of the library's own is a failure: another exception, a warning of NumPy, a traceback of a
command, a call that does not end or takes the process with it. Each is printed with what repeats it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.running import KINDS, SECONDS, Outcome, case, run_one

COUNTS = {"api": 1400, "cli": 400, "policies": 400}
AT_ONCE = 2  # kinds


def main() -> int:
    """Run all, or one.

    Returns
    -------
    int
        How many failed, at most 1.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="one kind only")
    parser.add_argument("--count", type=int, help="calls of each kind")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="repeat one call, with its traceback")
    parser.add_argument("--worker", nargs=2, type=int, metavar=("FROM", "TO"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        kind, _, number = given.only.partition(":")
        _say(case(kind, int(number), given.seed).text)
        return int(run_one(case(kind, int(number), given.seed), raises=True).failed)
    if given.worker:
        for number in range(*given.worker):
            _say(f"start {number}")
            found = run_one(case(given.kind, number, given.seed))
            _say(f"done {number} {found.word} {found.seconds:.2f} {found.detail!a}")
        return 0
    failures = 0
    kinds = [given.kind] if given.kind else list(KINDS)
    counts = [given.count if given.count is not None else COUNTS[kind] for kind in kinds]
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        found_of = list(at_once.map(_all, kinds, counts, [given.seed] * len(kinds)))
    for kind, outcomes in zip(kinds, found_of, strict=True):
        failed = {number: found for number, found in outcomes.items() if found.failed}
        words = {word: sum(found.word == word for found in outcomes.values()) for word in ("ran", "refused", "failed")}
        _say(f"{kind}: {len(outcomes)} calls, {words['ran']} ran, {words['refused']} refused, {words['failed']} failed")
        for number, found in failed.items():
            text = case(kind, number, given.seed).text[:1500]
            _say(f"\n--only {kind}:{number} --seed {given.seed}\n  {text}\n  {found.detail}")
        failures += len(failed)
    return int(failures > 0)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _all(kind: str, count: int, seed: int) -> dict[int, Outcome]:
    """All of a kind, in a process that is started anew where a call takes it down."""
    outcomes: dict[int, Outcome] = {}
    began, root = time.monotonic(), Path(__file__).parents[2]
    while len(outcomes) < count:
        options = ["--kind", kind, "--seed", str(seed), "--worker", str(len(outcomes)), str(count)]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root,
        ) as worker:
            said, started = [], False
            assert worker.stdout is not None
            for line in worker.stdout:
                word, _, rest = line.rstrip("\n").partition(" ")
                started = word == "start" or (started and word != "done")
                if word == "done":
                    number, what, seconds, detail = rest.split(" ", 3)
                    outcomes[int(number)] = Outcome(what, detail, float(seconds))
                    if len(outcomes) % 100 == 0:
                        passed = f"  {kind} {len(outcomes)}/{count}, {time.monotonic() - began:.0f} s"
                        sys.stderr.write(f"{passed}\n")
            said = (worker.stderr.read() if worker.stderr else "").strip().splitlines()
        if len(outcomes) < count:
            if not started:
                raise RuntimeError("\n".join(said))
            why = "took the process down, or did not end within " + f"{SECONDS:.0f} s"
            outcomes[len(outcomes)] = Outcome(
                "failed", f"{why} (status {worker.returncode}): {' | '.join(said[-12:])}", SECONDS
            )
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
