"""Runs real commands, shows them with their output, and stops with a sentence when one is wrong."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hack import ROOT

ENVIRONMENT = {
    **os.environ,
    "KUBECONFIG": os.environ.get("KUBECONFIG", str(ROOT / ".build/kubeconfig")),
    "PATH": f"{ROOT / '.build/bin'}:{os.environ['PATH']}",
}


class OutcomeError(Exception):
    """An outcome is not what the demo promises; the message says what was expected and what was seen."""


def say(text: str = "") -> None:
    """One line for the reader."""
    print(text, flush=True)


def show(*command: str | Path, words: str = "", only: Sequence[str] = ()) -> str:
    """Runs a command, prints it and its output, and returns the output.

    `words` is printed in place of the command, and `only` the lines that hold one of these words.
    """
    line = [str(word) for word in command]
    say(f"    $ {words or shlex.join(line)}")
    output = run(*line)
    for each in output.rstrip().splitlines():
        if not only or any(word in each for word in only):
            say(f"      {each}")
    return output


def run(*command: str | Path, given: str = "", expect: int | None = 0) -> str:
    """Runs a command quietly; OutcomeError with its own words when it ends otherwise than expected.

    With `expect=None` any exit code will do.
    """
    line = [str(word) for word in command]
    done = subprocess.run(
        line, check=False, input=given, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT
    )
    if expect is not None and done.returncode != expect:
        said = (done.stdout + done.stderr).strip()
        raise OutcomeError(f"{shlex.join(line)}\nended with {done.returncode}, expected {expect}:\n{said}")
    return done.stdout


def check(true: bool, sentence: str, seen: object = "") -> None:
    """Prints what was found true, or stops."""
    if not true:
        raise OutcomeError(f"not true: {sentence}; seen: {seen}")
    say(f"    ok: {sentence}")


def eventually(found: Callable[[], str], what: str, seconds: float) -> str:
    """Polls until the answer is not empty. Raises OutcomeError when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := found():
            return answer
        time.sleep(1)
    raise OutcomeError(f"not within {seconds:.0f} s: {what}")


@contextmanager
def background(*command: str | Path, output: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Runs a command beside what follows and ends it after.

    `output=subprocess.DEVNULL` for one that prints a line for each connection and is read by nobody: it would
    stand still once the pipe is full.
    """
    line = [str(word) for word in command]
    with subprocess.Popen(
        line, env=ENVIRONMENT, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=output, stderr=output
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def fail(error: OutcomeError, diagnosis: str) -> int:
    """The demo's last words when something is wrong: how things stand, then the sentence."""
    print(f"\n{diagnosis}\n\nthe demo failed: {error}", file=sys.stderr, flush=True)
    return 1
