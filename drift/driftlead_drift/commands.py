"""The short commands: baseline and migrate."""

from driftlead_drift.command_result import CommandResult
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.settings import BaselineSettings, MigrateSettings
from driftlead_drift.traffic.files import epoch_seconds, read_table
from driftlead_formats.baseline import BaselineError, build
from driftlead_formats.verdicts import CommandExit


def make_baseline_file(settings: BaselineSettings) -> CommandResult:
    """Reads training rows and writes `baseline.json`. Raises CannotJudgeError."""
    table = read_table(settings.data)
    special = [settings.time_column, settings.group_column, settings.prediction_column]
    named = [*(name for name in special if name), *settings.exclude, *settings.calendar]
    unknown = [name for name in named if name not in table.names]
    if unknown:
        raise CannotJudgeError(
            f"{settings.data} has no column {', '.join(unknown)}; it has {', '.join(table.names[:20])}"
        )
    columns = table.columns()
    chosen = [columns.pop(name) if name else None for name in special]
    for name in settings.exclude:
        columns.pop(name, None)
    try:
        baseline = build(
            columns,
            time=None if chosen[0] is None else epoch_seconds(chosen[0], settings.time_column or ""),
            groups=chosen[1],
            prediction=chosen[2],
            calendar=settings.calendar,
        )
        _write(settings, baseline.to_json())
    except BaselineError as error:
        raise CannotJudgeError(f"{settings.data} cannot be a baseline: {error}") from error
    dependence = {
        "time": "dependence between rows is known from their times",
        "groups": "dependence between rows is known from their groups",
        "assumed": "independence of rows is assumed: name --time-column or --group-column",
    }[baseline.independence]
    summary = {
        "out": str(settings.out),
        "sha256": baseline.sha256,
        "rows": baseline.rows,
        "features": len(baseline.features),
    }
    words = f"{settings.out}: {baseline.rows:,} rows of {len(baseline.features)} features; {dependence}"
    return CommandResult(CommandExit.NO_DRIFT, words, summary)


def migrate_command(settings: MigrateSettings) -> CommandResult:
    """Applies the migrations that are missing. Raises CannotJudgeError."""
    from driftlead_log.migrate import MigrationError, migrate  # noqa: PLC0415

    dsn = settings.migrate_dsn or settings.postgres_dsn
    if dsn is None:
        raise CannotJudgeError(
            "there is no database to migrate: set DRIFTLEAD_MIGRATE_DSN or DRIFTLEAD_POSTGRES_DSN"
        )
    try:
        applied = migrate(dsn.get_secret_value(), wait=settings.wait)
    except MigrationError as error:
        raise CannotJudgeError(str(error)) from error
    words = f"applied {', '.join(applied)}" if applied else "the schema is up to date"
    return CommandResult(CommandExit.NO_DRIFT, words, {"applied": applied})


def _write(settings: BaselineSettings, body: bytes) -> None:
    try:
        settings.out.write_bytes(body)
    except OSError as error:
        raise CannotJudgeError(
            f"{settings.out} cannot be written: {error.strerror or error}; name another --out"
        ) from error
