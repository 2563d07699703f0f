"""The short commands: baseline and migrate."""

from driftlead_drift.command_result import CommandResult
from driftlead_drift.errors import CannotJudgeError
from driftlead_drift.judging.reference import sparse
from driftlead_drift.settings import BaselineSettings, MigrateSettings
from driftlead_drift.traffic.training_rows import training_rows
from driftlead_formats.baseline import BaselineError, build
from driftlead_formats.verdicts import CommandExit


def make_baseline_file(settings: BaselineSettings) -> CommandResult:
    """Reads training rows and writes `baseline.json`. Raises CannotJudgeError."""
    rows = training_rows(settings)
    try:
        baseline = build(
            rows.columns,
            time=rows.time,
            groups=rows.groups,
            prediction=rows.prediction,
            calendar=settings.calendar,
        )
        _write(settings, baseline.to_json())
    except BaselineError as error:
        notes = "".join(f"; {note}" for note in rows.notes)
        raise CannotJudgeError(f"{settings.data} cannot be a baseline: {error}{notes}") from error
    dependence = {
        "time": "dependence between rows is known from their times",
        "groups": "dependence between rows is known from their groups",
        "assumed": "independence of rows is assumed: name --time-column or --group-column",
    }[baseline.independence]
    told = [*rows.notes, *filter(None, [sparse(baseline)])]
    summary = {
        "out": str(settings.out),
        "sha256": baseline.sha256,
        "rows": baseline.rows,
        "features": len(baseline.features),
        "notes": told,
    }
    words = f"{settings.out}: {baseline.rows:,} rows of {len(baseline.features)} features; {dependence}"
    words = "\n".join([words, *(f"note: {note}" for note in told)])
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
