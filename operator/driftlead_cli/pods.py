"""Why a pod is as it is: one word and the sentence behind it."""

import json
from collections.abc import Iterator

from driftlead_cli.facts import Manifest, condition, is_true, status_of


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
        for key in ("state", "lastState"):
            ended = container.get(key, {}).get("terminated")
            if ended and (ended.get("exitCode", 0) or ended.get("message")):
                return _said(ended)
    return None


def _said(ended: Manifest) -> tuple[str, str]:
    text = str(ended.get("message") or "").strip()
    reason = str(ended.get("reason") or "Error")
    try:
        words = json.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, dict):
        return reason, text or f"exit code {ended.get('exitCode')}"
    return str(words.get("reason") or words.get("verdict") or words.get("result") or reason), str(
        words.get("message") or text
    )


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
