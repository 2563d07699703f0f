"""Where a retrained version goes, and what becomes of those that stood there before."""

from types import SimpleNamespace
from typing import Any

from driftlead_drift.retraining import command
from driftlead_drift.settings import RetrainSettings


class Client:
    """A registry with 1 to 4 in Staging; the alias `champion` names 1."""

    def __init__(self) -> None:
        self.stages = dict.fromkeys(("1", "2", "3"), "Staging") | {"4": "None", "5": "Production"}

    def get_registered_model(self, _: str) -> Any:
        return SimpleNamespace(aliases={"champion": "1"})

    def search_model_versions(self, _: str) -> list[Any]:
        return [SimpleNamespace(version=each, current_stage=stage) for each, stage in self.stages.items()]

    def transition_model_version_stage(self, _: str, version: str, stage: str) -> None:
        self.stages[version] = stage


def test_older_candidates_leave_the_stage_and_what_serves_is_not_archived() -> None:
    client = Client()
    settings = RetrainSettings(registered_model="Bikes", champion="models:/Bikes/3", to_stage="Staging")
    assert command._offer(client, settings, "4") == "stage Staging"
    assert client.stages == {"1": "None", "2": "Archived", "3": "None", "4": "Staging", "5": "Production"}
