"""`traffic.json`: what is right is read back as it was; what is not is refused in a sentence."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftlead_formats.traffic_split import CanaryTarget, TrafficSplit, TrafficSplitError, parse

PERCENT = st.integers(0, 1_000_000).map(lambda parts: Decimal(parts) / 10_000)
PRINTED = st.text(max_size=8).filter(str.isprintable)
TARGETS = st.builds(
    CanaryTarget,
    url=st.sampled_from(["http://127.0.0.1:8002", "https://canary.example", "http://[::1]:80"]),
    version=PRINTED,
    deployment=PRINTED.filter(bool),
)
SPLITS = st.builds(
    TrafficSplit,
    canary=st.none() | TARGETS,
    weight=PERCENT,
    shadow=PERCENT,
    key_header=st.sampled_from(["", "X-User-ID", "cookie"]),
    salt=PRINTED,
    fallback_after_milliseconds=st.none() | st.integers(1, 600_000).map(Decimal),
)
DESIGN = {
    "canary": {"url": "http://127.0.0.1:8002", "version": "5"},
    "weight": 5,
    "shadow": 0,
    "key": {"header": "X-User-ID"},
    "salt": "s",
    "fallbackAfterMilliseconds": 100,
}


@given(SPLITS)
def test_what_is_dumped_is_parsed_back(split: TrafficSplit) -> None:
    assert parse(json.dumps(split.dump())) == split


def test_the_document_of_the_design_is_read() -> None:
    assert parse(json.dumps(DESIGN)) == TrafficSplit(
        canary=CanaryTarget(url="http://127.0.0.1:8002", version="5"),
        weight=Decimal(5),
        key_header="X-User-ID",
        salt="s",
        fallback_after_milliseconds=Decimal(100),
    )


def test_no_canary_is_said_by_null_alone() -> None:
    assert parse('{"canary": null}') == TrafficSplit()
    with pytest.raises(TrafficSplitError, match="`canary` is missing"):
        parse('{"weight": 5}')


WRONG = {
    "weight above": ({"weight": 100.0001}, "from 0 to 100"),
    "weight below": ({"weight": -1}, "from 0 to 100"),
    "weight too fine": ({"weight": 0.00001}, "four decimal places"),
    "weight as text": ({"weight": "5"}, "expected a number"),
    "weight as truth": ({"weight": True}, "expected a number"),
    "weight null": ({"weight": None}, "expected a number"),
    "shadow above": ({"shadow": 101}, "`shadow` is 101"),
    "no header name": ({"key": {"header": "X User"}}, "not the name of a header"),
    "an empty header": ({"key": {"header": ""}}, "not the name of a header"),
    "a header with a colon": ({"key": {"header": "x:y"}}, "not the name of a header"),
    "a header on two lines": ({"key": {"header": "x\r\nhost"}}, "can be printed"),
    "a key without header": ({"key": {}}, "`key` has no `header`"),
    "a key of cookies": ({"key": {"cookie": "u"}}, "`cookie`, which is not known"),
    "a key as text": ({"key": "X-User-ID"}, "`key` is"),
    "an unknown field": ({"wieght": 5}, "`wieght`, which is not known"),
    "an unknown field of the canary": ({"canary": {"url": "http://x", "weight": 1}}, "which is not known"),
    "no url": ({"canary": {"version": "5"}}, "`canary.url` is missing"),
    "a url without scheme": ({"canary": {"url": "127.0.0.1:8002"}}, "scheme, host and port"),
    "another scheme": ({"canary": {"url": "ftp://x"}}, "scheme, host and port"),
    "a url with a path": ({"canary": {"url": "http://x/predict"}}, "scheme, host and port"),
    "a url with a login": ({"canary": {"url": "http://a:b@x"}}, "scheme, host and port"),
    "a port that is none": ({"canary": {"url": "http://x:99999"}}, "scheme, host and port"),
    "a url of two lines": ({"canary": {"url": "http://x\r\ny: z"}}, "can be printed"),
    "a version as number": ({"canary": {"url": "http://x", "version": 5}}, "`canary.version` is 5"),
    "no time at all": ({"fallbackAfterMilliseconds": 0}, "more than 0"),
    "a salt that no text encodes": ({"salt": "\ud800"}, "can be printed"),
    "a version that no table holds": ({"canary": {"url": "http://x", "version": "5\0"}}, "can be printed"),
    "a deployment of two lines": ({"canary": {"url": "http://x", "deployment": "a\nb"}}, "can be printed"),
    "a salt without end": ({"salt": "x" * 1000}, "at most 256"),
    "a salt as number": ({"salt": 1}, "`salt` is 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_what_was_seen(name: str) -> None:
    change, words = WRONG[name]
    with pytest.raises(TrafficSplitError, match=words) as refused:
        parse(json.dumps({**DESIGN, **change}))
    assert "\n" not in str(refused.value)


DEEP = b'{"canary": ' + b"[" * 980 + b"]" * 980 + b"}"


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"canary": null, "weight": NaN}', b"[" * 100_000, DEEP,
     b'{"canary": null, "weight": 5, "weight": 50}', b'{"canary": null, "weight": 1e99999999999999999999}',
     b'{"canary": null, "weight": 1e-999999}', b'{"canary": null, "weight": 1%s}' % (b"0" * 4000)],
)  # fmt: skip
def test_what_is_not_the_document_is_refused(text: bytes) -> None:
    with pytest.raises(TrafficSplitError) as refused:
        parse(text)
    assert len(str(refused.value)) < 300


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_else_is_ever_raised(text: bytes | str) -> None:
    try:
        parse(text)
    except TrafficSplitError as refused:
        assert str(refused)
