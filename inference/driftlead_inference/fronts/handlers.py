"""From a whole request to a reply: what every protocol's request goes through, and what a label does."""

from typing import Any

from driftlead_inference.feedback_store import NO_LOG
from driftlead_inference.fronts.exchange import Handler
from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import Problem, Refused
from driftlead_inference.protocols import feedback
from driftlead_inference.protocols.protocol import Incoming, Protocol, Reply
from driftlead_inference.service import Service


def predicting(protocol: Protocol[Any]) -> Handler:
    """Answers one protocol's requests."""
    read, reply = protocol.read, protocol.reply

    async def answer(service: Service, incoming: Incoming) -> Reply:
        served = service.ready()
        if incoming.path:
            check_name(served, incoming.path.get("model"), incoming.path.get("version"))
        request = read(incoming, served, service.settings.rows)
        job = await service.predict(
            request.rows, request.raws, incoming.request_id, probabilities=request.probabilities
        )
        return reply(job, request, served)

    return answer


def check_name(served: ServedModel, name: str | None, number: str | None) -> None:
    """Refuses another model's or version's name: this process serves one version of one model."""
    source = served.known.source
    if name not in (None, source.name) or number not in (None, source.version):
        asked = name if number is None else f"{name} version {number}"
        raise Refused(Problem(404, f"served here is {source.name} version {source.version}, not {asked}"))


async def store_labels(service: Service, incoming: Incoming) -> Reply:
    """Takes the labels of a request."""
    if service.labels is None:
        raise Refused(NO_LOG)
    labels = feedback.decode(incoming.body, service.settings.rows)
    stored = await service.labels.store(labels)
    service.metrics.labels.labels("stored").inc(stored)
    service.metrics.labels.labels("known").inc(len(labels) - stored)
    return Reply(feedback.reply(len(labels), stored))
