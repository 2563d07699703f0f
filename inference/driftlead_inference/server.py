"""The process: uvicorn around the application, the model loaded behind it, an orderly end."""

import asyncio
import signal
import time
from types import FrameType

import structlog
import uvicorn

from driftlead_formats.exit_codes import ExitCode
from driftlead_inference import startup
from driftlead_inference.failures import StartFailed, leave_message
from driftlead_inference.fronts.app import create_app
from driftlead_inference.fronts.guarded import guarded_of
from driftlead_inference.fronts.wire import wire_of
from driftlead_inference.metrics import Metrics
from driftlead_inference.model import locate
from driftlead_inference.service import Service
from driftlead_inference.settings import Front, Settings
from driftlead_inference.watchdog import watch

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn, except that SIGTERM first lets clients go: it still accepts, and ends each connection it
    answers."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self.service = service
        self.code = ExitCode.DRAINED
        self.left = 0.0  # monotonic time from which no connection was accepted

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end, a second one shortens it. Exit code 0: nothing failed."""
        service = self.service
        if service.draining or sig == signal.SIGINT or service.serving is None:
            self.leave()
        service.draining = True
        if service.forwarder is not None:  # prod answers by itself before the canary's pods go
            service.forwarder.stop()
        service.metrics.draining.set(1)
        if not self.should_exit:
            asyncio.get_running_loop().call_later(service.settings.linger_seconds, self.leave)

    def leave(self) -> None:
        """The end of lingering."""
        self.left = self.left or time.monotonic()
        self.should_exit = True

    async def load(self) -> None:
        """Loads the model while the port is open already; a failure ends the process."""
        settings = self.service.settings
        try:
            await startup.load(self.service)
        except StartFailed as failed:
            self.code, message = failed.code, failed.message
        except Exception as error:
            log.exception("the start failed")
            self.code, message = ExitCode.UNEXPECTED, f"{type(error).__name__}: {error}"
        else:
            return
        self.service.metrics.loads.labels(self.code.reason).inc()
        log.error(message, reason=self.code.reason, model=settings.model, exit_code=int(self.code))
        version = locate.parse(settings.model).version if self.code != ExitCode.USAGE else ""
        leave_message(settings.termination_log, self.code, message, version)
        self.should_exit = True


async def serve(settings: Settings) -> ExitCode:
    """Runs until a signal; how it ended."""
    service = Service(settings, Metrics(settings.stage))
    app = create_app(service)
    service.published = lambda source: app.publish(source.name, source.version)
    wire = settings.front is Front.WIRE
    protocol = wire_of(service) if wire else guarded_of(settings.body_seconds)
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, loop="none", http=protocol, ws="none", lifespan="off",
        access_log=False, server_header=False, proxy_headers=False, log_config=None, timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds / 2)), backlog=2048,
    )  # fmt: skip
    server = Server(config, service)
    load = asyncio.create_task(server.load())
    watch(service)
    await server.serve()
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    if service.serving is not None:
        spent = time.monotonic() - server.left
        await finish(service, max(1.0, settings.drain_seconds - spent))
    return server.code


async def finish(service: Service, seconds: float) -> None:
    """Delivers the log, in what is left of the time after the last requests were answered."""
    if service.forwarder is not None:
        await service.forwarder.close(seconds)
    if service.commits:
        await asyncio.wait(service.commits, timeout=seconds)
    if service.serving is not None:
        service.serving.batcher.close()
    if service.log is not None:
        await service.log.drain(seconds)
    if service.labels is not None:
        service.labels.close()
    log.info("drained", log=service.log.health() if service.log is not None else None)
