"""The pollers of all declared registries, by the registry's name."""

from collections.abc import Mapping

from driftlead_operator.decisions.facts import RegistryFacts, RegistryWrite
from driftlead_operator.errors import RegistryRefusedError
from driftlead_operator.registry.poller import Poller


class Pollers:
    """What the rest of the operator knows of registries: facts to decide on, and a way to write."""

    def __init__(self, pollers: Mapping[str, Poller]) -> None:
        self.all = pollers

    def facts(self, registry: str, model: str, namespace: str) -> RegistryFacts:
        """What a registry says of a model; of an undeclared one, that it is not declared."""
        poller = self.all.get(registry)
        if poller is None:
            return RegistryFacts(name=registry, declared=False, namespace_allowed=False, allow_write=False)
        return poller.facts(model, namespace)

    async def write(self, registry: str, write: RegistryWrite) -> None:
        """Writes to a registry. Raises RegistryRefusedError where the chart does not allow it."""
        poller = self.all.get(registry)
        if poller is None or not poller.declaration.allow_write:
            raise RegistryRefusedError(f"registry {registry} must not be written to (allowWrite)")
        await poller.write(write)

    def forget(self) -> None:
        for poller in self.all.values():
            poller.forget()

    def poll_now(self) -> None:
        for poller in self.all.values():
            poller.poll_now()
