"""From a whole request to a reply: what every protocol's request goes through, and what a label does."""

from typing import Any

from driftlead_inference.feedback_store import NO_LOG
from driftlead_inference.fronts.exchange import Handler
from driftlead_inference.fronts.meeting import Meeting
from driftlead_inference.model.served import ServedModel
from driftlead_inference.problems import Problem, Refused
from driftlead_inference.protocols import feedback
from driftlead_inference.protocols.protocol import Incoming, Protocol, Reply
from driftlead_inference.service import Service
from driftlead_inference.traffic.headers import told_of


def predicting(protocol: Protocol[Any], *, meets: bool = True) -> Handler:
    """Answers one protocol's requests. `meets`: whether a canary may be asked in place of this version."""
    read, reply = protocol.read, protocol.reply

    async def answer(service: Service, incoming: Incoming) -> Reply:
        served = service.ready()
        if incoming.path:
            check_name(served, incoming.path.get("model"), incoming.path.get("version"))
        request = read(incoming, served, service.settings.rows)
        if service.forwarder is not None and meets and not incoming.mark:
            return await Meeting(service, served, protocol, incoming, request).reply(service.forwarder)
        job = await service.predict(
            request.rows,
            request.raws,
            incoming.request_id,
            probabilities=request.probabilities,
            mark=incoming.mark,
        )
        answered = reply(job, request, served)
        if incoming.mark:
            answered.headers += told_of(served.known.source.version, job.latency_ms)
        return answered

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
