"""The limit of an ASGI application under uvicorn: reads nothing, answers a constant."""

from typing import Any

BODY = b'{"prediction":1,"model_name":"Demo","model_version":"1"}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
