"""`traffic.json`: which share of a server's predictions a canary answers, and which share it gets as a copy.

A person writes it, or the operator into a ConfigMap. A wrong weight sends users where they should not go, so
nothing is guessed: `parse` takes a document that is right in every field, or raises a sentence. Pure.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

WHOLE: Final = 1_000_000
"""Parts of the whole: shares are counted in millionths, which is 0.0001 percent."""
DECIMALS: Final = 4  # of a percentage
LONGEST_WAIT: Final = 600_000
LONGEST_TEXT: Final = 256
HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
FIELDS: Final = ("canary", "weight", "shadow", "key", "salt", "fallbackAfterMilliseconds")


class TrafficSplitError(Exception):
    """What is wrong with a document, what was seen, what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryTarget:
    """Where a canary answers: `url` is scheme, host and port.

    `version` is the one it must serve, empty for any; `deployment` the log's word for it.
    """

    url: str
    version: str = ""
    deployment: str = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSplit:
    """The document. Without a canary nothing is forwarded, whatever the shares.

    weight                        percent of the requests that the canary answers
    shadow                        percent of the others that it gets as a copy
    key_header                    the header whose value decides, empty for none: then requests are counted
    salt                          mixed into the key: another salt means other users
    fallback_after_milliseconds   how long its answer is waited for, None: by prod's own latency
    """

    canary: CanaryTarget | None = None
    weight: Decimal = Decimal(0)
    shadow: Decimal = Decimal(0)
    key_header: str = ""
    salt: str = ""
    fallback_after_milliseconds: Decimal | None = None

    @property
    def weight_parts(self) -> int:
        """The weight in millionths of the whole."""
        return int(self.weight * WHOLE / 100)

    @property
    def shadow_parts(self) -> int:
        """The share of copies in millionths of the whole."""
        return int(self.shadow * WHOLE / 100)

    def dump(self) -> dict[str, Any]:
        """The document as JSON values."""
        document: dict[str, Any] = {
            "canary": None,
            "weight": plain(self.weight),
            "shadow": plain(self.shadow),
        }
        if self.canary is not None:
            target = {"url": self.canary.url, "version": self.canary.version}
            renamed = self.canary.deployment != CanaryTarget.__dataclass_fields__["deployment"].default
            document["canary"] = {**target, **({"deployment": self.canary.deployment} if renamed else {})}
        if self.key_header:
            document["key"] = {"header": self.key_header}
        if self.salt:
            document["salt"] = self.salt
        if self.fallback_after_milliseconds is not None:
            document["fallbackAfterMilliseconds"] = plain(self.fallback_after_milliseconds)
        return document


def parse(text: bytes | str) -> TrafficSplit:
    """The document in a file. Raises `TrafficSplitError`."""
    try:
        return _split(
            json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_named_once)
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise TrafficSplitError(f"it is not valid JSON: {error}") from error


def plain(number: Decimal) -> int | float:
    """A number as JSON writes it: whole where it is whole."""
    return int(number) if number == number.to_integral_value() else float(number)


def _split(document: Any) -> TrafficSplit:
    said = _object(document, "the document", FIELDS)
    if "canary" not in said:
        raise TrafficSplitError('`canary` is missing; write {"url": ..., "version": ...}, or null for none')
    key = _object(said["key"], "`key`", ("header",)) if said.get("key") is not None else {}
    return TrafficSplit(
        canary=None if said["canary"] is None else _target(said["canary"]),
        weight=_percent(said.get("weight", 0), "weight"),
        shadow=_percent(said.get("shadow", 0), "shadow"),
        key_header=_header(key["header"]) if "header" in key else _no_header(said.get("key")),
        salt=_text(said.get("salt", ""), "salt"),
        fallback_after_milliseconds=_milliseconds(said.get("fallbackAfterMilliseconds")),
    )


def _target(value: Any) -> CanaryTarget:
    said = _object(value, "`canary`", ("url", "version", "deployment"))
    if "url" not in said:
        raise TrafficSplitError("`canary.url` is missing; write for example http://127.0.0.1:8002")
    deployment = _text(said.get("deployment", "canary"), "canary.deployment")
    if not deployment:
        raise TrafficSplitError("`canary.deployment` is empty; leave it out, or write for example canary")
    return CanaryTarget(
        url=_url(_text(said["url"], "canary.url")),
        version=_text(said.get("version", ""), "canary.version"),
        deployment=deployment,
    )


def _url(text: str) -> str:
    expected = "expected scheme, host and port, for example http://127.0.0.1:8002"
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise TrafficSplitError(f"`canary.url` is {text!r}: {error}; {expected}") from error
    more = parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc
    odd = not text.isascii() or not text.isprintable() or " " in text
    if parts.scheme not in ("http", "https") or not host or port == 0 or more or odd or text.endswith(":"):
        raise TrafficSplitError(f"`canary.url` is {text!r}; {expected}")
    return text.rstrip("/")


def _percent(value: Any, name: str) -> Decimal:
    number = _number(value, name)
    if not 0 <= number <= 100:
        raise TrafficSplitError(f"`{name}` is {_shown(value)}; expected a percentage from 0 to 100")
    if number != round(number, DECIMALS):
        raise TrafficSplitError(f"`{name}` is {_shown(value)}; expected at most four decimal places")
    return number


def _milliseconds(value: Any) -> Decimal | None:
    if value is None:
        return None
    number = _number(value, "fallbackAfterMilliseconds")
    if not 0 < number <= LONGEST_WAIT:
        raise TrafficSplitError(
            f"`fallbackAfterMilliseconds` is {_shown(value)}; expected more than 0, at most {LONGEST_WAIT}"
        )
    return number


def _number(value: Any, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TrafficSplitError(f"`{name}` is {_shown(value)}; expected a number")
    return Decimal(value)


def _header(value: Any) -> str:
    text = _text(value, "key.header")
    if not HEADER_NAME.fullmatch(text):
        raise TrafficSplitError(
            f"`key.header` is {text!r}, which is not the name of a header; write for example X-User-ID"
        )
    return text


def _no_header(key: Any) -> str:
    if key is not None:
        raise TrafficSplitError('`key` has no `header`; write {"header": "X-User-ID"}, or leave `key` out')
    return ""


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TrafficSplitError(f"`{name}` is {_shown(value)}; expected text in quotation marks")
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise TrafficSplitError(
            f"`{name}` is {_shown(value)}; expected at most {LONGEST_TEXT} characters that can be printed"
        )
    return value


def _object(value: Any, what: str, fields: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TrafficSplitError(f"{what} is {_shown(value)}; expected an object of {', '.join(fields)}")
    if unknown := sorted(set(value) - set(fields)):
        raise TrafficSplitError(
            f"{what} has a field `{unknown[0][:60]}`, which is not known; known are {', '.join(fields)}"
        )
    return value


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TrafficSplitError(f"the field `{twice[:60]}` is there twice; write it once")
    return found


def _no_constant(word: str) -> Any:
    raise TrafficSplitError(f"it is not valid JSON: {word} is not a number")


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:60]}..."
