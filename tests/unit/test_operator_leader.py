"""The Lease, on a clock that the test moves and an API server of one object."""

import copy
from typing import Any

import pytest

from driftlead_operator.cluster.leader import LeaderElector
from driftlead_operator.errors import ConflictError, UnreachableError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class OneLease:
    """A Lease with optimistic locking; `down` makes every request fail."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 10
        self.down = False
        self.writes = 0

    def keep(self, lease: Any) -> dict[str, Any]:
        self.version += 1
        self.writes += 1
        self.lease = copy.deepcopy(dict(lease))
        self.lease["metadata"] = {**lease["metadata"], "resourceVersion": str(self.version)}
        return copy.deepcopy(self.lease)

    def answers(self) -> None:
        if self.down:
            raise UnreachableError("nobody there")

    async def get(self, *_: str) -> dict[str, Any] | None:
        self.answers()
        return copy.deepcopy(self.lease)

    async def create(self, lease: Any) -> dict[str, Any]:
        self.answers()
        if self.lease:
            raise ConflictError("exists")
        return self.keep(lease)

    async def replace(self, lease: Any) -> dict[str, Any]:
        self.answers()
        if (
            not self.lease
            or lease["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]
        ):
            raise ConflictError("modified")
        return self.keep(lease)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> OneLease:
    return OneLease()


def candidate(name: str, server: OneLease, clock: Clock, heard: list[bool] | None = None) -> LeaderElector:
    return LeaderElector(
        cluster=server,  # type: ignore[arg-type]
        namespace="driftlead",
        identity=name,
        hooks_at=f"http://{name}",
        changed=(heard if heard is not None else []).append,
        clock=clock,
    )


async def test_the_first_leads_and_the_second_waits(server: OneLease, clock: Clock) -> None:
    heard: list[bool] = []
    first, second = candidate("a", server, clock, heard), candidate("b", server, clock)
    await first.try_acquire_or_renew()
    await second.try_acquire_or_renew()
    assert (first.is_leader, second.is_leader, heard) == (True, False, [True])
    assert second.forward_to == "http://a"
    assert first.forward_to == ""


async def test_a_lease_that_is_renewed_is_never_taken(server: OneLease, clock: Clock) -> None:
    first, second = candidate("a", server, clock), candidate("b", server, clock)
    for _ in range(60):
        await first.try_acquire_or_renew()
        await second.try_acquire_or_renew()
        clock.now += 1
    assert first.is_leader
    assert not second.is_leader


async def test_a_lease_that_stands_still_is_taken_after_its_time_and_not_before(
    server: OneLease, clock: Clock
) -> None:
    first, second = candidate("a", server, clock), candidate("b", server, clock)
    await first.try_acquire_or_renew()
    await second.try_acquire_or_renew()
    clock.now += 8
    await second.try_acquire_or_renew()
    assert not second.is_leader
    clock.now += 0.1
    await second.try_acquire_or_renew()
    assert second.is_leader
    assert server.lease
    assert server.lease["spec"]["leaseTransitions"] == 1


async def test_a_lease_is_taken_after_our_own_time_whatever_its_holder_wrote(
    server: OneLease, clock: Clock
) -> None:
    ghost = {"holderIdentity": "ghost", "leaseDurationSeconds": 3600, "renewTime": "2099-01-01T00:00:00Z"}
    server.keep({"metadata": {"name": "x"}, "spec": ghost})
    leader = candidate("a", server, clock)
    await leader.try_acquire_or_renew()
    clock.now += 8.1
    await leader.try_acquire_or_renew()
    assert leader.is_leader


async def test_who_cannot_renew_loses_leadership_before_another_may_take_it(
    server: OneLease, clock: Clock
) -> None:
    heard: list[bool] = []
    first = candidate("a", server, clock, heard)
    await first.try_acquire_or_renew()
    server.down = True
    clock.now += 4.9
    await first.try_acquire_or_renew()
    assert first.is_leader
    clock.now += 0.1
    assert not first.is_leader  # even before the next try
    await first.try_acquire_or_renew()
    assert heard == [True, False]
    server.down = False
    clock.now += 1
    await first.try_acquire_or_renew()
    assert first.is_leader
    assert heard == [True, False, True]


async def test_who_slept_over_its_lease_does_not_lead_when_it_wakes_up(
    server: OneLease, clock: Clock
) -> None:
    first, second = candidate("a", server, clock), candidate("b", server, clock)
    await first.try_acquire_or_renew()
    await second.try_acquire_or_renew()
    clock.now += 20
    await second.try_acquire_or_renew()
    assert second.is_leader
    assert not first.is_leader
    await first.try_acquire_or_renew()
    assert not first.is_leader
    assert second.is_leader


async def test_of_two_that_take_a_free_lease_at_once_one_has_it(server: OneLease, clock: Clock) -> None:
    first, second = candidate("a", server, clock), candidate("b", server, clock)
    server.keep({"metadata": {"name": "x"}, "spec": {"holderIdentity": ""}})
    get = server.get

    async def get_and_lose(*names: str) -> Any:
        seen = await get(*names)
        server.get = get  # type: ignore[method-assign]
        await second.try_acquire_or_renew()
        return seen

    server.get = get_and_lose  # type: ignore[method-assign]
    await first.try_acquire_or_renew()
    assert (first.is_leader, second.is_leader) == (False, True)


async def test_a_watch_is_stale_that_tells_of_no_renewal_and_not_while_nothing_is_renewed(
    server: OneLease, clock: Clock
) -> None:
    leader = candidate("a", server, clock)
    await leader.try_acquire_or_renew()
    for _ in range(70):
        clock.now += 1
        await leader.try_acquire_or_renew()
    assert leader.stale_for() == 70
    assert server.lease
    leader.observe(server.lease)
    assert leader.stale_for() == 0
    clock.now += 1
    await leader.try_acquire_or_renew()
    server.down = True
    clock.now += 500
    await leader.try_acquire_or_renew()
    assert leader.stale_for() == 0
