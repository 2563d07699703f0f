"""Imports the segments that deleted pods uploaded to S3: the check runs even where no pod does any more."""

import asyncpg
import structlog

from driftlead_drift.settings import Connections
from driftlead_log.segments import Imported, import_segments, prefix
from driftlead_log.store import S3Store, StoreUnreachable

log = structlog.get_logger(__name__)


async def import_uploaded(connection: asyncpg.Connection, settings: Connections) -> Imported:
    """Delivers the segments of the resource that the settings name, each row once, whoever else tries too.

    With S3 or the log's tables out of reach it says so and leaves them for the next run.
    """
    if not settings.report_bucket:
        return Imported()
    where = prefix(settings.cluster, settings.namespace, settings.resource)
    try:
        done = await import_segments(connection, S3Store(settings.report_bucket), where)
    except (StoreUnreachable, asyncpg.PostgresError) as error:
        log.warning("uploaded segments stay in S3 for the next run", reason=str(error))
        return Imported()
    for sentence in done.left:
        log.warning(sentence)
    return done
