"""What is written to status is read back, and nothing in it can stop a reconcile."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from driftlead_formats.summaries import TopFeature
from driftlead_formats.verdicts import CanaryVerdict, DriftVerdict
from driftlead_operator.decisions.facts import Undelivered
from driftlead_operator.decisions.memory import loop, stages, status
from driftlead_operator.decisions.memory.comparison import ComparisonMemory
from driftlead_operator.decisions.memory.status import Memory
from driftlead_operator.decisions.plan import plan
from unit.operator_world import World

TEXT = st.text(max_size=5)
NAME = st.text(min_size=1, max_size=5)
COUNT = st.integers(min_value=0, max_value=2**53)
MAYBE = st.one_of(st.none(), COUNT)
TIME = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda each: st.one_of(st.lists(each, max_size=3), st.dictionaries(TEXT, each, max_size=3)),
    max_leaves=10,
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


def several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=3).map(tuple)


STAGE = st.builds(
    stages.StageMemory,
    target=st.builds(stages.TargetMemory, version=TEXT, source=TEXT, run_id=TEXT),
    version=optional(NAME),
    display=TEXT,
    run_id=TEXT,
    replicas=COUNT,
    ready_replicas=COUNT,
    selector=TEXT,
    outdated=st.booleans(),
    load_state=optional(st.sampled_from(stages.LoadState)),
    url=TEXT,
    ambiguous=several(NAME),
    last_failure=optional(
        st.builds(stages.Failure, version=NAME, reason=TEXT, message=TEXT, exit_code=MAYBE, at=TEXT)
    ),
    rejected=optional(st.builds(stages.Rejected, version=NAME, generation=COUNT, aborted=st.booleans())),
    last_good=optional(st.builds(stages.LastGood, version=TEXT, template=NAME)),
    pin=optional(st.builds(stages.Pin, version=NAME, generation=COUNT, written=st.booleans())),
    comparison=optional(
        st.builds(
            ComparisonMemory,
            version=NAME,
            prod=TEXT,
            verdict=st.sampled_from(CanaryVerdict),
            message=TEXT,
            prod_requests=COUNT,
            canary_requests=COUNT,
            requests_needed=MAYBE,
            at=TEXT,
            report_uri=TEXT,
            error=TEXT,
        )
    ),
)
PROMOTION = st.builds(
    loop.PromotionRecord,
    version=TEXT,
    from_version=TEXT,
    source=st.sampled_from(loop.PromotionSource),
    outcome=st.sampled_from(loop.PromotionOutcome),
    at=TEXT,
    told_at=optional(TIME),
)
CHECK = st.builds(
    loop.DriftCheck,
    last_run=TIME,
    report=TEXT,
    version=TEXT,
    verdict=optional(st.sampled_from(DriftVerdict)),
    exit_code=MAYBE,
    consecutive=MAYBE,
    rows=MAYBE,
    message=TEXT,
    report_uri=TEXT,
    top_features=several(st.builds(TopFeature, name=NAME, value=TEXT, low=TEXT, high=TEXT)),
    independence_assumed=st.booleans(),
)
DRIFT = st.builds(loop.DriftMemory, last=CHECK, kept=optional(CHECK), display=TEXT)
RETRAINING = st.builds(
    loop.RetrainingMemory,
    last_job=TEXT,
    last_report=TEXT,
    state=optional(st.sampled_from(loop.RetrainingState)),
    last_version=TEXT,
    message=TEXT,
    started_at=optional(TIME),
    day=TEXT,
    attempts_today=COUNT,
    not_before=TIME,
)
CONDITION = st.builds(
    status.StatusCondition,
    type=TEXT,
    status=TEXT,
    reason=TEXT,
    message=TEXT,
    last_transition_time=TEXT,
    observed_generation=MAYBE,
)
MEMORY = st.builds(
    Memory,
    observed_generation=MAYBE,
    url=TEXT,
    prod=optional(STAGE),
    canary=optional(STAGE),
    promotion=optional(PROMOTION),
    drift=optional(DRIFT),
    retraining=optional(RETRAINING),
    undelivered=several(st.builds(Undelivered, pod=TEXT, rows=COUNT, at=TIME)),
    rollout=optional(st.builds(status.RolloutMemory, phase=NAME, message=TEXT)),
    handled=st.builds(status.Handled, promote=TEXT, requested_at=TEXT, abort=TEXT),
    history=several(
        st.builds(
            status.HistoryEntry,
            at=NAME,
            stage=TEXT,
            from_version=TEXT,
            to_version=TEXT,
            by=TEXT,
            evidence=TEXT,
        )
    ),
    conditions=several(CONDITION),
)


@given(MEMORY)
def test_what_is_written_is_read_back(remembered: Memory) -> None:
    assert Memory.read(remembered.write()) == remembered


def lived_in() -> dict[str, Any]:
    """A status in which nearly everything is said."""
    world = World(
        drift={"schedule": "@hourly"}, retraining={"function": "train:train"}, prod={"stage": "Production"}
    )
    world.register("3", stage="Production")
    world.register("4", stage="Staging", exit_code=3)
    world.settle()
    world.patch(prod__version="3")
    world.annotate(promote="3", requestedAt="now", abort="9")
    for report in ("r1", "r2"):
        world.drift_run("drift", report=report, version="3")
        world.settle()
    return world.status


LIVED_IN = lived_in()


def test_a_status_that_the_operator_wrote_is_written_again_as_it_was() -> None:
    assert Memory.read(LIVED_IN).write() == LIVED_IN
    assert list(Memory.read(LIVED_IN).write()) == list(LIVED_IN)


def damaged(draw: st.DrawFn, value: Any) -> Any:
    """The value with some parts of it replaced by anything."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    if isinstance(value, dict):
        return {key: damaged(draw, each) for key, each in value.items()}
    return [damaged(draw, each) for each in value] if isinstance(value, list) else value


@given(st.data())
def test_no_status_can_stop_a_reconcile_and_what_is_made_of_it_stands_still(data: st.DataObject) -> None:
    found = damaged(data.draw, LIVED_IN)
    once = Memory.read(found).write()
    assert Memory.read(once).write() == once
    world = World(drift={"schedule": "@hourly"}, retraining={"function": "train:train"})
    world.register("3", stage="Production")
    world.resource["status"] = found
    plan(world.facts())
