"""kopf without the client libraries that it imports where they happen to be installed.

It takes their objects for arguments, which nobody here passes; `kubernetes` alone costs 24 MiB and a second.
"""

import contextlib
import sys
from collections.abc import Iterator

CLIENTS = ("kubernetes", "kubernetes_asyncio", "pykube")


@contextlib.contextmanager
def hidden(names: tuple[str, ...]) -> Iterator[None]:
    """As if these packages were not installed, for imports within the block."""
    known = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]  # None says that there is none
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(known)


with hidden(CLIENTS):
    import kopf

__all__ = ["kopf"]
