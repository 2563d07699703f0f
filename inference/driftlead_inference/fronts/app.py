"""The ASGI application: FastAPI for documentation and everything rare, a dictionary for the predicting
routes."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.routing import Route

from driftlead_inference import problems
from driftlead_inference.fronts import routes
from driftlead_inference.fronts.documentation import described
from driftlead_inference.fronts.documentation_page import POLICY, page
from driftlead_inference.fronts.exchange import Exchange
from driftlead_inference.fronts.handlers import predicting, store_labels
from driftlead_inference.problems import Problem, Refused
from driftlead_inference.protocols import PROTOCOLS
from driftlead_inference.protocols.feedback import FEEDBACK
from driftlead_inference.service import Service


class App(FastAPI):
    """FastAPI, asked only where no predicting route matches exactly.

    Its middleware and router cost more than a prediction.
    """

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(**options)
        self.service = service
        self.hot: dict[str, Exchange] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a predicting route itself and leaves the rest to FastAPI."""
        if scope["type"] == "http":
            exchange = self.hot.get(scope["path"]) if scope["method"] == "POST" else None
            if exchange is not None:
                await exchange(scope, receive, send)
                return
            scope = plain(scope)
        await super().__call__(scope, receive, send)

    def publish(self, model: str, version: str) -> None:
        """Makes the predicting paths fast; those that name the model once its name is known."""
        for route in [each for each in self.routes if isinstance(each, Route)]:
            if isinstance(route.endpoint, Exchange):
                path = route.path.replace("{model}", model).replace("{version}", version)
                self.hot[path] = self.hot[f"{path}/"] = route.endpoint

    def openapi(self) -> dict[str, Any]:
        """The description of every route, with the served model's own example once there is one."""
        return described(super().openapi(), self.service.serving)


def plain(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The request as its route knows it: without a slash at the end, and HEAD as GET, whose reply uvicorn
    sends without its body."""
    method, path = scope["method"], scope["path"]
    return {
        **scope,
        "method": "GET" if method == "HEAD" else method,
        "path": path.removesuffix("/") or path,
    }


def create_app(service: Service) -> App:
    """The application of a service."""
    app = App(
        service,
        title="driftlead inference",
        description="Serves one exact version of a model. Errors are problem documents (RFC 9457).",
        separate_input_output_schemas=False,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
    )
    for exchange in exchanges(service):
        app.router.routes.append(Route(exchange.route, exchange, methods=["POST"]))
    app.publish("", "")
    app.include_router(routes.operations(service))
    app.include_router(routes.descriptions(service))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        up = "../" if request.scope["raw_path"].endswith(b"/") else ""
        host = request.headers.get("host") or "localhost:8000"
        html = page(app.openapi(), service.serving, host, token=bool(service.token), up=up)
        return HTMLResponse(html, headers={"content-security-policy": POLICY})

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return problem_response(error.problem)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        path = f"{request.method} {request.url.path}"
        response = problem_response(
            Problem(error.status_code, f"{path}: {error.detail}; /docs lists every route")
        )
        response.headers.update(error.headers or {})
        if response.headers.get("allow") == "GET":  # routes answer HEAD too, see `plain`
            response.headers["allow"] = "GET, HEAD"
        return response

    return app


def exchanges(service: Service) -> Iterator[Exchange]:
    """Every path that takes a body."""
    for protocol in PROTOCOLS:
        for path in protocol.paths:
            # Who names a version wants that one, so no canary is asked.
            answer = predicting(protocol, meets="{version}" not in path)
            yield Exchange(service, path, answer, protocol.error_members)
    for path in FEEDBACK.paths:
        yield Exchange(service, path, store_labels, FEEDBACK.error_members, predicts=False)


def problem_response(problem: Problem) -> Response:
    """A problem of a route that FastAPI answers."""
    body = problem.body({"error": problem.detail})
    return Response(body, problem.status, media_type=problems.CONTENT_TYPE.decode())
