"""POST /hooks/mlflow: MLflow says that something changed, and the next poll is immediate. The poll decides.

Signatures are MLflow's: base64 of HMAC-SHA256 over "delivery id.timestamp.body", with the webhook's secret.
"""

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import orjson
import structlog
from aiohttp import web

from driftlead_operator import metrics

log = structlog.get_logger(__name__)

SIGNATURE, TIMESTAMP, DELIVERY = "X-MLflow-Signature", "X-MLflow-Timestamp", "X-MLflow-Delivery-Id"
FORWARDED = "X-Driftlead-Forwarded"
TOLERANCE_SECONDS = 300.0
LARGEST = 256 * 1024
REMEMBERED = 10_000


class HookError(Exception):
    """A call that is not believed: the result for the metric, the status, and a sentence."""

    def __init__(self, result: str, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.result, self.status = result, status


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The id of a delivery that the holder of the secret sent just now; raises HookError for any other."""
    delivery, timestamp = headers.get(DELIVERY, ""), headers.get(TIMESTAMP, "")
    signatures = headers.get(SIGNATURE, "").split()
    if not (delivery and timestamp and signatures):
        raise HookError("unsigned", 401, f"the headers {DELIVERY}, {TIMESTAMP} and {SIGNATURE} are needed")
    content = f"{delivery}.{timestamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(wanted.encode(), each.encode()) for each in signatures):
        raise HookError("unsigned", 401, "the signature is not that of the webhook's secret")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise HookError("stale", 401, f"the timestamp is more than {TOLERANCE_SECONDS:.0f} s from now")
    return delivery


class Hooks:
    """The webhook. Without leadership, it hands calls on to the leader."""

    def __init__(
        self,
        *,
        secret: Path,
        is_leader: Callable[[], bool],
        forward_to: Callable[[], str],
        poll_now: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret, self._is_leader, self._forward_to = secret, is_leader, forward_to
        self._poll_now, self._clock = poll_now, clock
        self._seen: OrderedDict[str, float] = OrderedDict()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST)
        app.add_routes([web.post("/hooks/mlflow", self.mlflow)])
        return app

    async def mlflow(self, request: web.Request) -> web.Response:
        """200 when believed, 401 or 400 when not, 503 while nobody leads."""
        body = await request.read()
        try:
            secret = self._secret.read_bytes().strip()  # each time, since it rotates
            delivery = verify(secret, request.headers, body, self._clock())
            if not self._is_leader():
                return await self._forward(request.headers, body)
            self._remember(delivery)
            kind = read(body)
        except HookError as error:
            metrics.HOOKS.labels(error.result).inc()
            log.warning("webhook refused", why=error.result, error=str(error), peer=request.remote)
            return web.Response(status=error.status, text=str(error))
        metrics.HOOKS.labels("accepted").inc()
        log.info("webhook", kind=kind)
        self._poll_now()
        return web.Response(text="ok")

    def _remember(self, delivery: str) -> None:
        """Refuses a delivery that came before; those older than the tolerance have a stale timestamp."""
        now = self._clock()
        while self._seen and (
            len(self._seen) >= REMEMBERED or next(iter(self._seen.values())) < now - 2 * TOLERANCE_SECONDS
        ):
            self._seen.popitem(last=False)
        if delivery in self._seen:
            raise HookError("replayed", 409, "this delivery was taken before")
        self._seen[delivery] = now

    async def _forward(self, headers: Mapping[str, str], body: bytes) -> web.Response:
        leader = self._forward_to()
        if not leader or FORWARDED in headers:
            raise HookError("leaderless", 503, "no leader is known at the moment; try again")
        passed = {name: headers[name] for name in (SIGNATURE, TIMESTAMP, DELIVERY)} | {FORWARDED: "1"}
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(f"{leader}/hooks/mlflow", data=body, headers=passed) as reply,
            ):
                text = await reply.text()
                metrics.HOOKS.labels("forwarded").inc()
                return web.Response(status=reply.status, text=text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise HookError("leaderless", 503, f"the leader did not answer: {error!r}") from error


def read(body: bytes) -> str:
    """What a payload is about, for the log."""
    try:
        payload = orjson.loads(body)
        return f"{payload['entity']}.{payload['action']}"
    except (ValueError, KeyError, TypeError) as error:
        raise HookError(
            "malformed", 400, "the body is not an MLflow webhook: entity and action are needed"
        ) from error
