"""Predictions per second and core, side by side: this server in its modes, and every other that serves
scikit-learn.

Run: python -m benchmarks.inference (14 minutes; the first time 3 more, which install the peers).
Needs two cores, wrk (apt-get install wrk), a PostgreSQL server, and root for scheduler weights; without root,
a quiet machine. Some of it: --models forest, or --only "regression: wire, logged;regression: KServe".

The server has core 0 alone; the generators and Postgres (default settings, fsync on) share core 1. Every
request has one of 5,000 bodies; 50 answers are held against scikit-learn's own before the load begins.
Throughput: the median of three runs at 32 and at 128 connections. Latency: an open loop at a constant rate,
counted from when a request was due, so a server that stalls cannot hide it. A server that logs must have
every row of every answer in the table when it is done, ours in the drift histograms too.
"""

import argparse
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import structlog

from benchmarks.side_by_side import data, report, steps
from benchmarks.side_by_side.figures import Measured, plan_of
from benchmarks.side_by_side.measure import measure
from benchmarks.side_by_side.processes import LOAD_CORE, favour, started
from benchmarks.side_by_side.servers import ALL, ASGI, OURS, WIRE, Server
from driftlead_log.migrate import migrate
from neighbours import postgres
from neighbours.postgres import Postgres

STEP_SECONDS = 6


def chosen(models: str, only: str) -> list[Server]:
    """The servers that were asked for. Ends the program at a name that there is not."""
    titles, names = [each for each in only.split(";") if each], models.split(",")
    if unknown := (set(titles) - {each.title for each in ALL}) | (set(names) - data.RECIPES.keys()):
        sys.exit(f"there is no {', '.join(sorted(unknown))}; --list prints what there is")
    return [each for each in ALL if (each.title in titles if titles else each.model in names)]


@contextlib.contextmanager
def world(models: Iterable[str]) -> Iterator[tuple[Path, Postgres]]:
    """A scratch folder with the fitted models, and Postgres."""
    with tempfile.TemporaryDirectory(prefix="driftlead-bench-") as folder, postgres(fsync=True) as database:
        favour(database.pid())
        data.train(Path(folder), models)
        yield Path(folder), database


def database_of(database: Postgres) -> str:
    """A new database with our tables: its DSN."""
    dsn = database.create_database()
    migrate(dsn)
    return dsn


def run(servers: Sequence[Server], asked: argparse.Namespace, found: list[Measured]) -> None:
    """Measures one server after the other, and writes the raw figures after each."""
    converted = set()
    with world(dict.fromkeys(server.model for server in servers)) as (home, database):
        for server in servers:
            way = (server.model, server.environment.get("DRIFTLEAD_ONNX"))
            prepare = server.kind == OURS and way not in converted
            converted.add(way)
            plan = plan_of(server.model, asked.runs, asked.seconds, asked.latency_seconds)
            each = measure(server, home, database_of(database), plan, prepare=prepare)
            found[:] = [*(one for one in found if one.title != each.title), each]
            said = each.failed or f"{each.throughput(each.best):,.0f} requests/s"
            print(f"{each.at} {each.title}: {said}", file=sys.stderr, flush=True)
            write(asked.out, found)


def profiled(servers: Sequence[Server], seconds: float) -> str:
    """The table of steps."""
    found = {}
    with world(dict.fromkeys(server.model for server in servers)) as (home, database):
        for server in servers:
            dsn = database_of(database)
            with started(server, home, dsn):  # converts the model
                pass
            with started(server, home, dsn) as running:
                found[server.title] = steps.profile(server, running, home, seconds)
    return steps.table(found)


def write(out: Path, found: list[Measured]) -> None:
    """The raw figures, in the order of the table."""
    order = [each.title for each in ALL]
    found.sort(key=lambda each: order.index(each.title))
    raw = {"machine": report.machine(), "servers": [each.to_json() for each in found]}
    out.write_text(json.dumps(raw, indent=1) + "\n")


def known(out: Path) -> list[Measured]:
    """The raw figures of an earlier run, of servers that there still are."""
    raw = json.loads(out.read_text())["servers"] if out.exists() else []
    titles = {each.title for each in ALL}
    return [each for each in (Measured(**fields) for fields in raw) if each.title in titles]


def quiet() -> None:
    """Keeps what migrations and MLflow tell about themselves out of the tables."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    logging.getLogger("mlflow").setLevel(logging.ERROR)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", default=",".join(data.RECIPES), help="some of them, separated by commas")
    parser.add_argument("--only", default="", help="titles of servers, separated by semicolons")
    parser.add_argument("--runs", type=int, default=3, help="whose median counts; SVC and boosting get one")
    parser.add_argument("--seconds", type=int, default=2, help="of each throughput run")
    parser.add_argument("--latency-seconds", type=float, default=2, help="of each open loop")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"), help="raw figures")
    parser.add_argument("--list", action="store_true", help="print the titles of all servers")
    parser.add_argument("--report", action="store_true", help="measure nothing: print the tables of --out")
    parser.add_argument("--steps", action="store_true", help="where our time for a request goes (3 minutes)")
    return parser.parse_args()


def main() -> None:
    asked = options()
    if asked.list:
        print("\n".join(each.title for each in ALL))
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; apt-get install wrk")
    quiet()
    os.sched_setaffinity(0, {LOAD_CORE})  # and Postgres and the generators with it
    favour(os.getpid())
    servers = chosen(asked.models, asked.only)
    if asked.steps:
        mine = [each for each in servers if each.kind == OURS and each.name in {WIRE, ASGI}]
        print(profiled(mine, STEP_SECONDS))
        return
    partial = asked.report or len(servers) < len(ALL)
    found = known(asked.out) if partial else []
    if not asked.report:
        run(servers, asked, found)
    print(report.machine(), report.figures(found), report.verdicts(found), sep="\n\n")


if __name__ == "__main__":
    main()
