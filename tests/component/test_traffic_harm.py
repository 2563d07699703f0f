"""Real servers and a real Postgres: a canary that turns bad costs no answer and no row, and none is doubled.

`python -m benchmarks.canary_harm` does the same for each kind of bad, for as many requests as it is told.
"""

from argparse import Namespace
from pathlib import Path

from benchmarks.canary_harm import harmed, logged, measured


async def test_a_canary_that_turns_bad_hurts_nobody(dsn: str, tmp_path: Path) -> None:
    options = Namespace(cases=["hang", "crash"], shares=[50], requests=1600, connections=4)
    results = await measured(tmp_path, dsn, options)
    for result in results:
        assert result.all.by["canary"] > 0
        assert result.fallbacks > 0
    assert harmed(results) == []
    assert await logged(dsn, results) == []
