"""The ASGI application: FastAPI for documentation and everything rare, a dictionary for the predicting
routes."""

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route

from driftlead_inference import problems
from driftlead_inference.fronts import routes
from driftlead_inference.fronts.documentation import described
from driftlead_inference.fronts.exchange import Exchange, Handler
from driftlead_inference.problems import Problem, Refused
from driftlead_inference.service import Service

# Path, handler, and the members under which the protocol's own clients look for a sentence.
ROUTES: tuple[tuple[str, Handler, tuple[str, ...]], ...] = (
    ("/predict", routes.answer_predict, ()),
    ("/v1/models/{model}:predict", routes.answer_v1, ("error",)),
    ("/v2/models/{model}/infer", routes.answer_v2, ("error",)),
    ("/v2/models/{model}/versions/{version}/infer", routes.answer_v2, ("error",)),
    ("/invocations", routes.answer_invocations, ("message", "error_code")),
)


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
        if scope["type"] == "http" and scope["method"] == "POST":
            exchange = self.hot.get(scope["path"])
            if exchange is not None:
                await exchange(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def publish(self, model: str, version: str) -> None:
        """Makes the predicting paths fast; those that name the model once its name is known."""
        for route in [each for each in self.routes if isinstance(each, Route)]:
            if isinstance(route.endpoint, Exchange):
                path = route.path.replace("{model}", model).replace("{version}", version)
                self.hot[path] = route.endpoint

    def openapi(self) -> dict[str, Any]:
        """The description of every route, with the served model's own example once there is one."""
        return described(super().openapi(), self.service.serving)


def create_app(service: Service) -> App:
    """The application of a service."""
    app = App(
        service,
        title="driftlead inference",
        description="Serves one exact version of a model. Errors are problem documents (RFC 9457).",
        separate_input_output_schemas=False,
    )
    for path, handler, members in ROUTES:
        exchange = Exchange(service, path, handler, members)
        app.router.routes.append(Route(path, exchange, methods=["POST"]))
    feedback = Exchange(service, "/feedback", routes.answer_feedback, predicts=False)
    app.router.routes.append(Route("/feedback", feedback, methods=["POST"]))
    app.publish("", "")
    app.include_router(routes.operations(service))
    app.include_router(routes.descriptions(service))

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return problem_response(error.problem)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        path = f"{request.method} {request.url.path}"
        response = problem_response(
            Problem(error.status_code, f"{path}: {error.detail}; /docs lists every route")
        )
        response.headers.update(error.headers or {})  # which methods there are, by example
        return response

    return app


def problem_response(problem: Problem) -> Response:
    """A problem of a route that FastAPI answers."""
    body = problem.body({"error": problem.detail})
    return Response(body, problem.status, media_type=problems.CONTENT_TYPE.decode())
