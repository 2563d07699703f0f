"""Bodies that a client compressed, unpacked within the limit that holds for any body. Pure."""

import zlib

from driftlead_inference import problems
from driftlead_inference.problems import Problem, Refused, unprocessable

WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}


def unpacked(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body as it was before it was compressed. Raises `Refused`: 413, 422, or 415 for an unknown way."""
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in WINDOWS:
        raise Refused(
            Problem(
                415,
                f"the content encoding {name.decode(errors='replace')!r} is not taken; send gzip or deflate, "
                "or no such header",
                {"field": "Content-Encoding", "expected": "gzip | deflate | identity"},
            )
        )
    unpacker = zlib.decompressobj(WINDOWS[name])
    try:
        whole = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise broken(name, str(error)) from error
    if len(whole) > limit:
        raise Refused(problems.too_large(limit))
    if not unpacker.eof or unpacker.unused_data:
        raise broken(name, "it ends too early" if not unpacker.eof else "more follows behind its end")
    return whole


def broken(name: bytes, why: str) -> Refused:
    """The refusal of a body that is not encoded as it says."""
    return unprocessable(
        f"the body is not the {name.decode()} that its Content-Encoding says: {why}", field="Content-Encoding"
    )
