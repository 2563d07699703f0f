"""Why a pod is as it is: one word and the sentence behind it."""

from collections.abc import Iterator

from driftlead_cli.facts import Manifest, condition, is_true, status_of
from driftlead_operator.decisions import containers


def _containers(pod: Manifest) -> Iterator[Manifest]:
    """The status of each container, those that run before the others first."""
    status = status_of(pod)
    yield from status.get("initContainerStatuses", [])
    yield from status.get("containerStatuses", [])


def last_words(pod: Manifest) -> tuple[str, str] | None:
    """Reason and message with which a container of the pod ended last, None while nothing ended badly.

    Our own containers end with a JSON object; what else stands there is taken as text.
    """
    for container in _containers(pod):
        for ended in (containers.read(container, "state"), containers.read(container, "lastState")):
            if ended and (ended.exit_code or ended.raw_message):
                return _words(ended)
    return None


def _words(ended: containers.ContainerTermination) -> tuple[str, str]:
    text, reason = ended.raw_message.strip(), ended.kubelet_reason or "Error"
    document = ended.document
    if not document:
        return reason, text or f"exit code {ended.exit_code}"
    reason = document.get("reason") or document.get("verdict") or document.get("result") or reason
    return str(reason), str(document.get("message") or text)


def has_started(pod: Manifest) -> bool:
    """Whether a container of the pod runs, has run or ended, so that there is a log to read."""
    states = (each.get(state) or {} for each in _containers(pod) for state in ("state", "lastState"))
    return any("running" in state or "terminated" in state for state in states)


def waiting(pod: Manifest) -> tuple[str, str] | None:
    """Reason and message for which a container of the pod waits."""
    for container in _containers(pod):
        found = container.get("state", {}).get("waiting")
        if found and found.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            return str(found["reason"]), str(found.get("message") or "")
    unscheduled = condition(pod, "PodScheduled")
    if unscheduled and unscheduled["status"] == "False":
        return str(unscheduled.get("reason") or "Unschedulable"), str(unscheduled.get("message") or "")
    return None


def word(pod: Manifest) -> str:
    """The pod's state in one word, as kubectl would say it."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    if is_true(pod, "Ready"):
        return "Ready"
    if held := waiting(pod):
        return held[0]
    phase = str(status_of(pod).get("phase", "Pending"))
    return "Starting" if phase == "Running" else phase


def restarts(pod: Manifest) -> int:
    """How often containers of the pod were started again."""
    return sum(int(each.get("restartCount", 0)) for each in _containers(pod))
