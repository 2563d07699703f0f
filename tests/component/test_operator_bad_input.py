"""Bad input: refused by the API server with a sentence, or told by a condition; it never hurts another."""

from pathlib import Path
from typing import Any

import pytest

from driftlead_operator import metrics
from driftlead_operator.__main__ import DECISIONS
from driftlead_operator.cluster.api_server import ApiServer
from driftlead_operator.errors import RefusedError
from driftlead_operator.kinds import KINDS, RESOURCE
from neighbours import operators
from neighbours.operators import Json, resource, running_operator, until

pytestmark = pytest.mark.timeout(120, func_only=True)


async def refusal(api: ApiServer, body: Json) -> str:
    """The words of a create under strict decoding, as kubectl does it."""
    path = KINDS[RESOURCE].path(body["metadata"]["namespace"])
    with pytest.raises(RefusedError) as error:
        await api.request("create", RESOURCE, "POST", path, body=body, params={"fieldValidation": "Strict"})
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "spec", "sentence"),
    [
        ("demo", {"prod": {"stage": "Production", "alias": "champion"}}, "by stage or by alias, not by both"),
        ("demo", {"prod": {"replicas": 2}}, "prod needs a stage (Production), an alias, or a version"),
        ("demo", {"prod": {"version": "abc"}}, "a version is a string of digits"),
        ("demo", {"prod": {"version": "03"}}, "a version is a string of digits"),
        ("demo", {"prod": {"stage": "Production", "replica": 2}}, 'unknown field "spec.prod.replica"'),
        ("demo", {"prodd": {}}, 'unknown field "spec.prodd"'),
        ("a-name-of-more-than-thirty-six-letters", {}, "have at most 36"),
        ("1demo", {}, "the name must begin with a letter"),
        ("demo", {"retraining": {"function": "m:f"}}, "retraining with trigger OnDrift needs spec.drift"),
    ],
)
async def test_the_api_server_refuses_it_with_a_sentence(
    api: ApiServer, name: str, spec: dict[str, Any], sentence: str
) -> None:
    assert sentence in await refusal(api, resource("default", name, **spec))


async def test_the_model_of_a_resource_cannot_be_changed(api: ApiServer, where: str) -> None:
    await api.create(resource(where, "demo", model="One"))
    with pytest.raises(RefusedError, match=r"spec\.model cannot be changed"):
        await api.merge(RESOURCE, where, "demo", {"spec": {"model": "Other"}})


async def told(api: ApiServer, where: str, name: str, words: str) -> Json | None:
    """The condition Ready once it is False with these words; every resource begins as Unknown."""
    seen = await api.get(RESOURCE, where, name)
    conditions = ((seen or {}).get("status") or {}).get("conditions") or ()
    found = (each for each in conditions if each["type"] == "Ready" and each["status"] == "False")
    return next((each for each in found if words in each["message"]), None)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"model": "NoSuchModel"}, "NoSuchModel"),
        ({"prod": {"version": "99"}}, "99"),
        ({"prod": {"alias": "nobody"}}, "nobody"),
        ({"registry": "undeclared"}, "undeclared"),
        ({"drift": {"schedule": "61 * * * *"}}, "61"),
    ],
    ids=["no such model", "no such version", "no such alias", "no such registry", "no schedule"],
)
async def test_what_the_api_server_cannot_see_becomes_a_condition_and_others_go_on(
    api: ApiServer, where: str, registries: Path, spec: dict[str, Any], words: str
) -> None:
    await api.create(resource(where, "bad", **({"model": where} | spec)))
    async with running_operator(DECISIONS, registries_dir=registries, watch_namespaces=where):
        await until(lambda: told(api, where, "bad", words))
        await api.create(resource(where, "good", model=where))
        await until(lambda: api.get("Deployment", where, "good-prod"), seconds=5)


async def test_a_hundred_resources_for_one_model_cost_one_request_a_poll(
    api: ApiServer, where: str, registries: Path
) -> None:
    for number in range(100):
        await api.create(resource(where, f"demo-{number}", model=where))
    async with running_operator(DECISIONS, registries_dir=registries, watch_namespaces=where) as operator:
        deployments = operator.cache.names

        await until(lambda: len(deployments("Deployment")) == 100, seconds=60)
        polls = metrics.REGISTRY_POLLS.labels("default", "ok")
        before = polls._value.get(), requests()
        await until(lambda: polls._value.get() >= before[0] + 4)
        assert requests() - before[1] <= polls._value.get() - before[0] + 1


def requests() -> float:
    family = next(iter(metrics.REGISTRY_REQUESTS.collect()))
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


async def test_two_resources_of_one_name_in_two_namespaces_do_not_meet(
    api: ApiServer, where: str, registries: Path
) -> None:
    other = await operators.namespace(api, f"{where[:50]}-other")
    for each in (where, other):
        await api.create(resource(each, "demo", model=where))
    both = f"{where},{other}"
    async with running_operator(DECISIONS, registries_dir=registries, watch_namespaces=both) as operator:
        for each in (where, other):
            await until(lambda each=each: api.get("Deployment", each, "demo-prod"))
        gone = await api.get(RESOURCE, other, "demo")
        assert gone
        await api.delete(RESOURCE, other, "demo", gone["metadata"]["uid"])
        await until(lambda: (other, "demo") not in operator.cache.names(RESOURCE))
        kept = await api.get(RESOURCE, where, "demo")
        assert kept is not None
        assert kept["status"]["observedGeneration"] == 1
        assert await api.get("Deployment", where, "demo-prod")
