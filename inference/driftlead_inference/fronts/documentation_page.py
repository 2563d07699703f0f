"""`/docs`: the OpenAPI document as one page, with a command for each route. Pure.

The page asks nobody else for anything: pods often have no way to the internet, and a script from elsewhere
would run beside the predictions. It needs no script at all, which `POLICY` holds it to.
"""

import base64
import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

from driftlead_inference.model.served import ServedModel

STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
h3 { font: 600 1rem ui-monospace, monospace; margin: 1.5rem 0 0; overflow-wrap: anywhere; }
p { margin: .25rem 0; }
pre { padding: .75rem; overflow-x: auto; background: #8881; border-radius: .25rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem 1rem .25rem 0; text-align: left; border-bottom: 1px solid #8884; }
"""
HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ICON = '<link rel="icon" href="data:,">'  # a browser would ask for /favicon.ico


def page(document: Mapping[str, Any], served: ServedModel | None, host: str, *, token: bool, up: str) -> str:
    """The page of an OpenAPI document. `host`: what the client called us; `up`: the way to `/`."""
    title = escape(document["info"]["title"])
    return "".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>{ICON}',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style></head><body><h1>{title}</h1>",
            f"<p>{escape(document['info']['description'])}</p>",
            f'<p>For programs: <a href="{up}openapi.json">openapi.json</a>.</p>',
            *features(served),
            *routes(document, served, host, token),
            "</body></html>",
        ]
    )


def features(served: ServedModel | None) -> Iterator[str]:
    """What the model takes: a row for each feature."""
    if served is None:
        yield "<p>The model is still loading: its features stand here once it is there.</p>"
        return
    source, validator = served.known.source, served.validator
    yield f"<h2>{escape(source.name)}, version {escape(source.version)}</h2>"
    yield "<table><tr><th>position</th><th>feature</th><th>type</th><th>null</th><th>example</th></tr>"
    for at, feature in enumerate(validator.signature.features):
        null = "is answered" if at in validator.accepts_missing else "is refused"
        cells = (str(at), feature.name, feature.kind, null, compact(served.known.example[at]))
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
    yield "</table>"


def routes(document: Mapping[str, Any], served: ServedModel | None, host: str, token: bool) -> Iterator[str]:
    """Every route below its tag, predicting ones first."""
    name = "{model}" if served is None else served.known.source.name
    found = [
        (method, path.replace("{model}", name), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    found.sort(key=lambda each: each[0] != "post")
    for tag in dict.fromkeys(operation["tags"][0] for _, _, operation in found):
        yield f"<h2>{escape(tag)}</h2>"
        for method, path, operation in found:
            if operation["tags"][0] == tag:
                yield from route(method, path, operation, command(path, operation, host, token))


def route(method: str, path: str, operation: Mapping[str, Any], shell: str) -> Iterator[str]:
    """One route: what it is for, a command, what it takes, and what it answers."""
    yield f"<h3>{method.upper()} {escape(path)}</h3><p>{escape(operation['summary'])}</p>"
    yield f"<pre>{escape(shell)}</pre>"
    for each in operation.get("parameters", ()):
        if words := each.get("description"):
            yield f"<p><code>?{escape(each['name'])}=</code> {escape(words)}</p>"
    answers = [f"{status}: {each['description']}" for status, each in operation["responses"].items()]
    yield f"<details><summary>Answers</summary><p>{'<br>'.join(map(escape, answers))}</p></details>"
    if body := operation.get("requestBody"):
        schema = json.dumps(body["content"]["application/json"]["schema"], indent=2)
        yield f"<details><summary>Schema of the body</summary><pre>{escape(schema)}</pre></details>"


def command(path: str, operation: Mapping[str, Any], host: str, token: bool) -> str:
    """A curl command that works as it stands, once the token is in its place."""
    words = ["curl", shlex.quote(host + quote(path, safe="/:"))]
    if body := operation.get("requestBody"):
        if token:
            words.append("-H 'Authorization: Bearer TOKEN'")
        words += ["-d", shlex.quote(compact(body["content"]["application/json"]["example"]))]
    return " ".join(words)


def compact(value: object) -> str:
    """A value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)
