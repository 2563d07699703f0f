"""Ends a process whose prediction hangs: nothing else can, since the hung code may hold the event loop."""

import os
import threading
import time
from collections.abc import Callable

import structlog

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import leave_message
from driftlead_inference.service import Service

log = structlog.get_logger()
INTERVAL = 0.5  # seconds between checks


def watch(service: Service, end: Callable[[int], object] = os._exit) -> threading.Thread:
    """Starts the thread that checks, for as long as the process lives."""
    thread = threading.Thread(target=end_when_hung, args=(service, end), name="watchdog", daemon=True)
    thread.start()
    return thread


def end_when_hung(service: Service, end: Callable[[int], object]) -> None:
    """Waits until a prediction is older than it may be, then says so and ends the process.

    Rows that were answered stand in the spool, and the next process delivers them.
    """
    limit = service.settings.predict_seconds
    while (age := hung(service, time.monotonic())) <= limit:
        time.sleep(INTERVAL)
    message = f"a prediction has run for {age:.0f} s and is taken for hung (limit {limit:.0f} s)"
    log.error(message)
    version = service.serving.known.source.version if service.serving else ""
    leave_message(service.settings.termination_log, ExitCode.UNEXPECTED, message, version)
    end(ExitCode.UNEXPECTED)


def hung(service: Service, now: float) -> float:
    """How long the prediction under way has run, in seconds."""
    since = service.serving.batcher.since if service.serving else 0.0
    return now - since if since else 0.0
