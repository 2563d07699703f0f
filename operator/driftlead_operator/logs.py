"""Structured logs: JSON where a machine reads, colours where a person does."""

import logging
import re
import sys
import time
from collections.abc import Callable

import structlog

RETRY = re.compile(r"will retry: (\w+ [^ ?]+)")
"""What kopf logs at each failed try of a watch, with the request that it tries again."""
QUIET_SECONDS = 60.0


class OnceAMinute:
    """Says whether something that goes on happening is to be logged now."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}

    def may(self, subject: str) -> bool:
        """True at first, and then once a minute for each subject."""
        now = self._clock()
        self._said = {each: at for each, at in self._said.items() if now - at < QUIET_SECONDS}
        return self._said.setdefault(subject, now) == now


class OneLineOfRetries(logging.Filter):
    """Lets one line a minute through of each watch that kopf tries again without end."""

    def __init__(self) -> None:
        super().__init__()
        self._say = OnceAMinute()

    def filter(self, record: logging.LogRecord) -> bool:
        found = RETRY.search(record.getMessage()) if record.name.startswith("kopf") else None
        return found is None or self._say.may(found[1])


def configure(level: str, *, terminal: bool | None = None) -> None:
    """Sends our lines and those of libraries to stderr; `terminal` overrides what stderr seems to be."""
    readable = sys.stderr.isatty() if terminal is None else terminal
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(OneLineOfRetries())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # kopf logs each handled event at INFO; what we do with it is in our own lines.
    for chatty in ("kopf", "aiohttp.access", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    # It warns of what is by design: signals are ours, and its clean-up has nothing to do.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
