"""Which resource subscribes to which model of which registry."""

from collections import defaultdict
from collections.abc import Callable, Collection

from driftlead_operator.decisions.facts import Manifest
from driftlead_operator.kinds import Key


class Subscriptions:
    """Kept beside the cache: tells the pollers what to poll, and whom to reconcile when a model changed."""

    def __init__(
        self, registry_name: Callable[[Manifest], str], model_name: Callable[[Manifest], str | None]
    ) -> None:
        self._registry_name, self._model_name = registry_name, model_name
        self._by_key: dict[Key, tuple[str, str]] = {}
        self._by_model: defaultdict[tuple[str, str], set[Key]] = defaultdict(set)

    def put(self, key: Key, resource: Manifest) -> tuple[str, str]:
        """Notes what the resource follows: registry and model ("" when it names none)."""
        target = (self._registry_name(resource), self._model_name(resource) or "")
        if self._by_key.get(key) != target:
            self.drop(key)
            self._by_key[key] = target
            self._by_model[target].add(key)
        return target

    def drop(self, key: Key) -> None:
        if target := self._by_key.pop(key, None):
            self._by_model[target].discard(key)
            if not self._by_model[target]:
                del self._by_model[target]

    def models(self, registry: str) -> Collection[str]:
        """The models of a registry that somebody follows."""
        return {model for name, model in self._by_model if name == registry and model}

    def keys(self, registry: str, models: Collection[str]) -> list[Key]:
        """Who follows one of these models of a registry."""
        return [key for model in models for key in self._by_model.get((registry, model), ())]
