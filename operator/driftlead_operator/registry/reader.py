"""Reads models and versions of a registry in as few requests as there can be."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from driftlead_operator.decisions.facts import ModelVersion
from driftlead_operator.registry.mlflow import Model, Registry

A = TypeVar("A")

BULK_FROM = 20
"""Changed models from which on versions are read page by page for all models, not model by model."""
CONCURRENCY = 8


class Reader:
    """Chooses between reading model by model and page by page; remembers how many pages there were."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.pages = 1

    async def models(self, watched: Collection[str]) -> Mapping[str, Model]:
        """The watched models that exist, by whichever way takes fewer requests."""
        if len(watched) > self.pages and (found := await self._models_by_page(len(watched))) is not None:
            return {name: found[name] for name in watched if name in found}
        asked = await for_each(self._registry.model, sorted(watched))
        return {name: model for name, model in asked.items() if model}

    async def _models_by_page(self, most: int) -> dict[str, Model] | None:
        """Every model of the registry; None when that takes more than `most` requests."""
        found: dict[str, Model] = {}
        token = ""
        for page in range(1, most + 1):
            models, token = await self._registry.models_page(token)
            found |= {model.name: model for model in models}
            self.pages = page
            if not token:
                return found
        self.pages = most + 1
        return None

    async def versions(self, models: Sequence[str]) -> dict[str, list[ModelVersion]]:
        """The versions of these models; a model without any has an empty list."""
        if len(models) >= BULK_FROM and (found := await self.all_versions(len(models))) is not None:
            return {model: found.get(model, []) for model in models}
        return await for_each(self.versions_of, models)

    async def versions_of(self, model: str) -> list[ModelVersion]:
        """Every version of one model."""
        found: list[ModelVersion] = []
        token = ""
        while True:
            page, token = await self._registry.versions_page(token, model=model)
            found += page.get(model, ())
            if not token:
                return found

    async def all_versions(self, most: int) -> dict[str, list[ModelVersion]] | None:
        """Every version of the registry by model; None when that takes more than `most` requests."""
        found: dict[str, list[ModelVersion]] = {}
        token = ""
        for _ in range(most):
            page, token = await self._registry.versions_page(token)
            for model, versions in page.items():
                found.setdefault(model, []).extend(versions)
            if not token:
                return found
        return None


async def for_each(ask: Callable[[str], Awaitable[A]], names: Sequence[str]) -> dict[str, A]:
    """The answer for each name, a few requests at once; raises the first error."""
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(name: str) -> A:
        async with gate:
            return await ask(name)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(one(name)) for name in names}
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return {name: task.result() for name, task in tasks.items()}
