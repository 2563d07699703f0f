"""How a container ended, as its pod's status tells it: the one reader of terminations.

What a container leaves is foreign text, a loader's for example. It is made printable here, once, and so is
harmless wherever it is shown: in conditions, events, the log and on terminals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from driftlead_formats.exit_codes import BLAMES_MODEL, ExitCode
from driftlead_formats.summaries import LONGEST_TEXT, ServerFailure
from driftlead_operator.decisions import objects
from driftlead_operator.decisions.facts import Manifest

UNKNOWN_CODE = -1
# All that the kubelet keeps; a document in it must stay whole.
LONGEST_TERMINATION = 4096
EPOCH = datetime.fromtimestamp(0, tz=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerTermination:
    """The end of one container: its code, the kubelet's word for it, and the message that it left."""

    exit_code: int
    kubelet_reason: str = ""
    raw_message: str = ""
    finished_at: datetime | None = None

    @property
    def blames_model(self) -> bool:
        """Whether the version itself cannot be served, wherever it runs."""
        return self.exit_code in BLAMES_MODEL

    @property
    def reason(self) -> str:
        """One word: that of our exit code where the code is one of ours alone, else the kubelet's."""
        known = ExitCode(self.exit_code).reason if self.exit_code in set(ExitCode) else ""
        if self.exit_code > ExitCode.USAGE and known:
            return known
        return self.kubelet_reason or known or "Error"

    @property
    def message(self) -> str:
        """The sentence of the document that our server leaves, else the message as it is."""
        failure = ServerFailure.parse(self.document)
        return failure.message if failure else self.raw_message[:LONGEST_TEXT]

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON object that the container left, empty for anything else."""
        return objects.mapping(objects.printable(objects.parse_json(self.raw_message)))


def termination(pod: Manifest, container: str, *, previous: bool = False) -> ContainerTermination | None:
    """How a container ended; None while it has not. With `previous` also before it was started again."""
    found = status_of(pod, container)
    return read(found, "state") or (read(found, "lastState") if previous else None)


def status_of(pod: Manifest, container: str) -> Manifest:
    """The kubelet's status of a container, empty before it has one."""
    statuses = objects.items(objects.dig(pod, "status", "containerStatuses"))
    return next((each for each in statuses if each.get("name") == container), {})


def started_at(pod: Manifest, container: str) -> datetime | None:
    """When a container was started last, whether it still runs or has ended; None while it waits.

    One whose process could not be started has the beginning of 1970 there.
    """
    found = status_of(pod, container)
    states = ((state, phase) for state in ("state", "lastState") for phase in ("running", "terminated"))
    times = (objects.moment(objects.dig(found, state, phase, "startedAt")) for state, phase in states)
    return next((each for each in times if each and each > EPOCH), None)


def waiting(pod: Manifest, container: str) -> tuple[str, str]:
    """Reason and message for which a container waits, both empty while it does not."""
    found = objects.mapping(objects.dig(status_of(pod, container), "state", "waiting"))
    return objects.one_line(found.get("reason")), objects.one_line(found.get("message"))


def read(status: Manifest, state: Literal["state", "lastState"]) -> ContainerTermination | None:
    """The termination in one container's status: of the present run, or of the one before."""
    ended = objects.mapping(objects.dig(status, state, "terminated"))
    if not ended:
        return None
    return ContainerTermination(
        exit_code=objects.whole(ended.get("exitCode"), default=UNKNOWN_CODE),
        kubelet_reason=objects.one_line(ended.get("reason")),
        raw_message=objects.one_line(ended.get("message"), LONGEST_TERMINATION),
        finished_at=objects.moment(ended.get("finishedAt")),
    )


def last_of_jobs(
    jobs: Iterable[Manifest], pods: Iterable[Manifest], container: str
) -> ContainerTermination | None:
    """How the pod of these Jobs that ended last did so."""
    return next(reversed(ends_of_jobs(jobs, pods, container)), None)


def ends_of_jobs(
    jobs: Iterable[Manifest], pods: Iterable[Manifest], container: str
) -> Sequence[ContainerTermination]:
    """How the pods of these Jobs ended, in the order of time; an end without a time counts as none."""
    uids = {objects.uid(job) for job in jobs} - {""}
    ours = (pod for pod in pods if objects.controller(pod).get("uid") in uids)
    ends = [found for pod in ours if (found := termination(pod, container)) and found.finished_at]
    return sorted(ends, key=lambda each: each.finished_at or EPOCH)
