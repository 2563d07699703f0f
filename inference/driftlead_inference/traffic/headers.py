"""The headers that two servers of ours exchange when one forwards to the other. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from driftlead_log.frames import Mark

FORWARDED: Final = b"x-driftlead-forwarded"  # a request that was forwarded once is not forwarded again
VERSION: Final = b"x-driftlead-version"  # what answered a forwarded request
LATENCY: Final = b"x-driftlead-latency-ms"  # and how long its prediction took
FORWARD: Final = (FORWARDED, b"answer")  # a user waits for the answer
COPY: Final = (FORWARDED, b"copy")  # nobody does
MARKS: Final = {FORWARD[1]: Mark.FORWARDED, COPY[1]: Mark.COPIED}
VERSION_FORM: Final = re.compile(rb"[!-~]{1,128}")
SENT_ON: Final = (b"content-type", b"authorization", b"inference-header-content-length", b"x-request-id")
Headers = Mapping[bytes, bytes]


def mark_of(headers: Headers) -> Mark:
    """What a request is to the log: its sender's own, one that was forwarded, or a copy."""
    said = headers.get(FORWARDED)
    return Mark.NONE if said is None else MARKS.get(said.strip(), Mark.FORWARDED)


def sent_on(headers: Headers, request_id: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that change how a request is read, and its id; nothing else leaves this server."""
    known = {**headers, b"x-request-id": request_id.encode()}
    return tuple((name, known[name].strip()) for name in SENT_ON if name in known)


def told_of(version: str, latency_ms: float) -> tuple[tuple[bytes, bytes], ...]:
    """What the answer to a forwarded request says beside its body."""
    return ((VERSION, version.encode()), (LATENCY, b"%.4f" % latency_ms))


def version_in(headers: Headers) -> str:
    """The version that answered; empty where the answer does not say it, or says what is none."""
    said = headers.get(VERSION, b"")
    return said.decode() if VERSION_FORM.fullmatch(said) else ""


def latency_in(headers: Headers) -> float | None:
    """How long the prediction took, in milliseconds."""
    try:
        return float(headers[LATENCY])
    except (KeyError, ValueError):
        return None
