"""Starts a server, waits until it answers, and ends just that process."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORTS = os.pathsep.join(filter(None, [str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH")]))
"""A PYTHONPATH by which a Python of its own finds these helpers too."""


def wait_until(answers: Callable[[], bool], what: str, seconds: float, alive: Callable[[], bool]) -> None:
    """Polls until `answers()` is true; says what is missing when the time is over or the process died."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not alive():
            raise RuntimeError(f"{what} ended before it answered")
        if answers():
            return
        time.sleep(0.05)
    raise TimeoutError(f"{what} did not answer within {seconds:.0f} s")


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    answers: Callable[[], bool],
    seconds: float = 60,
    environment: dict[str, str] | None = None,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server in a process group of its own; its output goes to `log`, shown when it fails to start."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=log.parent,
            start_new_session=True,
            user=user,
        )
    name = Path(str(command[0])).name
    try:
        try:
            wait_until(answers, name, seconds, lambda: process.poll() is None)
        except (RuntimeError, TimeoutError) as error:
            tail = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{error}; the end of {log}:\n{tail}") from error
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """Ends the process and what it started: SIGTERM first, then SIGKILL."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.wait(seconds)
