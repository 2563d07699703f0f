"""What a poll asks and remembers, against a registry that counts its requests."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from driftlead_operator.decisions.facts import ModelVersion, RegistryWrite
from driftlead_operator.errors import RegistryRefusedError, RegistryUnreachableError
from driftlead_operator.registry.mlflow import Declaration, Model
from driftlead_operator.registry.poller import Poller

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Registry:
    """Registered models with versions, in pages of two."""

    declaration = Declaration(name="default", uri="http://registry")

    def __init__(self, models: dict[str, list[ModelVersion]]) -> None:
        self.models = models
        self.aliases: dict[str, dict[str, str]] = {}
        self.changes: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.error: Exception | None = None
        self.pages_of_versions = 1

    def _model(self, name: str) -> Model:
        aliases = self.aliases.get(name, {})
        return Model(name=name, fingerprint=f"{self.changes[name]} {aliases}", aliases=aliases)

    def _count(self, call: str) -> None:
        if self.error:
            raise self.error
        self.calls[call] += 1

    async def model(self, name: str) -> Model | None:
        self._count("model")
        return self._model(name) if name in self.models else None

    async def models_page(self, token: str = "") -> tuple[Sequence[Model], str]:
        self._count("models_page")
        names, start = sorted(self.models), int(token or 0)
        following = str(start + 2) if start + 2 < len(names) else ""
        return [self._model(name) for name in names[start : start + 2]], following

    async def versions_page(
        self, token: str = "", *, model: str = ""
    ) -> tuple[dict[str, list[ModelVersion]], str]:
        self._count("versions_page")
        if model:
            return {model: self.models[model]}, ""
        names, page = sorted(self.models), int(token or 0)
        size = -(-len(names) // self.pages_of_versions)
        found = {name: self.models[name] for name in names[page * size : (page + 1) * size]}
        return found, str(page + 1) if (page + 1) * size < len(names) else ""

    async def write(self, write: RegistryWrite) -> None:
        self._count("write")
        self.changes[write.model] += 1


def version(number: int, stage: str = "None") -> ModelVersion:
    return ModelVersion(version=str(number), stage=stage)


def poller(
    registry: Registry,
    changed: list[set[str]] | None = None,
    *,
    watched: Sequence[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Poller:
    told = changed if changed is not None else []
    return Poller(
        registry,  # type: ignore[arg-type]
        seconds=10,
        watched=lambda: watched,
        changed=lambda models: told.append(set(models)),
        now=lambda: NOW,
        clock=clock,
    )


@pytest.mark.parametrize(
    ("watched", "models", "most"),
    [(1, 1, 1), (1, 9, 1), (2, 9, 2), (5, 9, 5), (9, 9, 5), (4, 40, 4), (3, 3, 2)],
)
async def test_a_poll_without_news_asks_once_a_model_or_once_a_page_whichever_is_less(
    watched: int, models: int, most: int
) -> None:
    registry = Registry({f"m{number:02}": [version(1)] for number in range(models)})
    asks = poller(registry)
    names = [f"m{number:02}" for number in range(watched)]
    assert await asks.poll(names) == set(names)
    for _ in range(3):
        registry.calls.clear()
        assert await asks.poll(names) == set()
        assert registry.calls.total() <= most
        assert registry.calls["versions_page"] == 0


async def test_only_the_model_that_moved_is_read_again_and_told() -> None:
    registry = Registry({"a": [version(1)], "b": [version(1)]})
    asks = poller(registry)
    await asks.poll(["a", "b"])
    registry.calls.clear()
    registry.models["a"] = [version(1, "Archived"), version(2, "Production")]
    registry.changes["a"] += 1
    assert await asks.poll(["a", "b"]) == {"a"}
    assert registry.calls["versions_page"] == 1
    facts = asks.facts("a", "team")
    assert [(each.version, each.stage) for each in facts.versions] == [("2", "Production"), ("1", "Archived")]


async def test_an_alias_that_moves_is_told() -> None:
    registry = Registry({"a": [version(1), version(2)]})
    registry.aliases["a"] = {"champion": "1"}
    asks = poller(registry)
    await asks.poll(["a"])
    registry.aliases["a"] = {"champion": "2", "best": "2"}
    assert await asks.poll(["a"]) == {"a"}
    assert [each.aliases for each in asks.facts("a", "team").versions] == [("best", "champion"), ()]


async def test_a_model_that_is_not_there_yet_is_known_as_such_and_told_when_it_comes() -> None:
    registry = Registry({})
    asks = poller(registry)
    assert not asks.facts("a", "team").answered_at
    assert await asks.poll(["a"]) == {"a"}
    facts = asks.facts("a", "team")
    assert (facts.answered_at, facts.model_exists, list(facts.versions)) == (NOW, False, [])
    registry.models["a"] = [version(1)]
    assert await asks.poll(["a"]) == {"a"}
    assert asks.facts("a", "team").model_exists


async def test_while_the_registry_is_unreachable_its_last_answer_stands_beside_since_when_and_why() -> None:
    registry, told = Registry({"a": [version(1)]}), []
    asks = poller(registry, told, watched=["a"])
    await asks.poll_once()
    registry.error = RegistryUnreachableError("nobody there")
    for _ in range(3):
        await asks.poll_once()
    facts = asks.facts("a", "team")
    assert (facts.unreachable_since, facts.error, len(facts.versions)) == (NOW, "nobody there", 1)
    assert asks.pause(1.0) == 40.0
    registry.error = None
    await asks.poll_once()
    assert asks.facts("a", "team").unreachable_since is None
    assert told == [{"a"}, {"a"}, {"a"}]  # the first answer, gone, back
    assert asks.pause(0.5) == 10.0


async def test_what_cannot_be_read_counts_as_unreachable_and_ends_nothing() -> None:
    registry = Registry({"a": [version(1)]})
    asks = poller(registry, watched=["a"])
    registry.error = KeyError("registered_models")
    await asks.poll_once()
    assert asks.unreachable_since == NOW


async def test_a_refused_write_is_remembered_until_one_succeeds() -> None:
    registry = Registry({"a": [version(1)]})
    asks = poller(registry)
    await asks.poll(["a"])
    registry.error = RegistryRefusedError("not allowed")
    await asks.write(RegistryWrite(model="a", version="1", stage="Production"))
    registry.error = None
    await asks.poll(["a"])
    assert asks.facts("a", "team").write_refused == "not allowed"
    await asks.write(RegistryWrite(model="a", version="1", stage="Production"))
    assert asks.facts("a", "team").write_refused == ""


async def test_a_namespace_that_is_not_allowed_learns_nothing() -> None:
    registry = Registry({"a": [version(1)]})
    registry.declaration = Declaration(name="default", uri="u", allowed_namespaces=frozenset({"other"}))
    asks = poller(registry)
    await asks.poll(["a"])
    facts = asks.facts("a", "team")
    assert (facts.namespace_allowed, facts.answered_at, list(facts.versions)) == (False, None, [])
    assert asks.facts("a", "other").answered_at


class Clock:
    """A monotonic clock that is set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def watching(registry: Registry, names: list[str]) -> tuple[Poller, Clock]:
    """A poller of these models, and its clock."""
    clock = Clock()
    return poller(registry, watched=names, clock=clock), clock


@pytest.mark.parametrize(
    ("watched", "models", "pages_of_versions", "most"),
    [(1, 9, 1, 1), (3, 3, 1, 2), (9, 9, 1, 5), (9, 9, 3, 5), (9, 9, 9, 5), (4, 40, 40, 4), (2, 2, 2, 1)],
)
async def test_reading_versions_again_costs_no_more_than_a_listing_and_reaches_every_model(
    watched: int, models: int, pages_of_versions: int, most: int
) -> None:
    names = [f"m{number:02}" for number in range(watched)]
    registry = Registry({f"m{number:02}": [version(1)] for number in range(models)})
    registry.pages_of_versions = pages_of_versions
    asks, clock = watching(registry, names)
    await asks.poll_once()
    for name in names:
        registry.models[name] = [version(1), version(2, "Production")]  # and nothing tells of it
    for poll in range(61 + 6 * watched):
        clock.seconds += 10
        registry.calls.clear()
        await asks.poll_once()
        assert registry.calls.total() <= most
        assert poll >= 59 or not registry.calls["versions_page"]
    assert all(len(asks.facts(name, "team").versions) == 2 for name in names)


async def test_a_poll_that_a_hook_asked_for_lists_and_the_next_one_reads_again() -> None:
    registry = Registry({"a": [version(1)]})
    asks, clock = watching(registry, ["a"])
    await asks.poll_once()
    clock.seconds = 700.0
    registry.calls.clear()
    asks.must_list = True
    await asks.poll_once()
    assert registry.calls == {"model": 1}
    await asks.poll_once()
    assert registry.calls == {"model": 1, "versions_page": 1}


async def test_versions_that_are_read_again_keep_their_aliases() -> None:
    registry = Registry({"a": [version(1), version(2)]})
    registry.aliases["a"] = {"champion": "1"}
    asks, clock = watching(registry, ["a"])
    await asks.poll_once()
    clock.seconds = 700.0
    registry.models["a"].append(version(3))
    assert await asks.poll(["a"]) == {"a"}
    assert registry.calls == {"model": 1, "versions_page": 2}  # the second reading was no listing
    facts = asks.facts("a", "team")
    assert [(each.version, each.aliases) for each in facts.versions] == [
        ("3", ()),
        ("2", ()),
        ("1", ("champion",)),
    ]
