"""Before anything heavy is imported: threads, log format, checks of the settings; then the event loop."""

import logging
import os
import socket
import sys

import structlog
from structlog.typing import Processor

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference.failures import StartFailed, leave_message
from driftlead_inference.model.locate import parse
from driftlead_inference.settings import LogMode, Settings
from driftlead_inference.threads import set_threads


def start(settings: Settings) -> ExitCode:
    """Runs the server; how it ended."""
    logging_as_json()
    set_threads(settings.threads)
    if settings.tracking_uri:  # a flag is heard by MLflow, too, and by the preparing process
        os.environ["MLFLOW_TRACKING_URI"] = settings.tracking_uri
    try:
        settings = checked(settings)
    except StartFailed as failed:
        structlog.get_logger().error(failed.message, reason=failed.code.reason)
        leave_message(settings.termination_log, failed.code, failed.message, "")
        return failed.code
    import uvloop  # noqa: PLC0415

    from driftlead_inference.server import serve  # noqa: PLC0415 - NumPy reads the number of threads at import

    return uvloop.run(serve(settings))


def checked(settings: Settings) -> Settings:
    """The settings with what follows from the others. Raises `StartFailed`."""
    parse(settings.model)
    changes: dict[str, object] = {}
    if not settings.postgres_dsn.get_secret_value() and settings.log_mode is not LogMode.OFF:
        if settings.connections_dir is not None:
            raise StartFailed(
                ExitCode.CONNECTIONS_MISSING,
                f"{settings.connections_dir} holds no DRIFTLEAD_POSTGRES_DSN; create the Secret "
                "driftlead-connections with that key, or set the prediction log's mode to off",
            )
        structlog.get_logger().warning("no DRIFTLEAD_POSTGRES_DSN: predictions are served and not logged")
        changes["log_mode"] = LogMode.OFF
    if "spool_dir" not in settings.model_fields_set:  # two servers on one spool are refused
        changes["spool_dir"] = settings.spool_dir / str(settings.port)
    if not settings.pod:
        changes["pod"] = socket.gethostname()
    return settings.model_copy(update=changes)


def logging_as_json() -> None:
    """One JSON object a line on standard output, from structlog and from the libraries' own loggers."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
