"""A Python that starts in a moment: a fork of one process that has the heavy libraries already.

A server that loads a model imports MLflow, pandas and scikit-learn twice, once to prepare and once to serve:
six seconds of two processors, and a test level with a model for each of its cases would take most of an
hour. `preloaded_python` gives the path of an interpreter that is told `-m driftlead_inference serve ...` like
any other. It is a script of a few lines, which hands its arguments, variables and streams to a process that
waits with the libraries imported; that one forks, and the fork runs the module. Only other people's packages
are imported beforehand, never ours, and children that the product starts by `sys.executable` come the same
way.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from neighbours.processes import running

LIBRARIES = (
    "asyncpg", "boto3", "fastapi", "httptools", "jinja2", "joblib", "jsonschema", "mlflow", "mlflow.pyfunc",
    "mlflow.sklearn", "msgspec",
    "numpy", "onnx", "orjson", "pandas", "prometheus_client", "pyarrow.parquet",
    "pydantic_settings", "scipy.special", "skops.io", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.pipeline", "structlog", "uvicorn", "uvicorn.protocols.http.httptools_impl", "uvloop",
)  # fmt: skip
# What libraries read when they are imported: one thread each, for the forks of a process with more than its
# own thread may hang.
VARIABLES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
CLIENT = """#!{python} -IS
import array, json, os, signal, socket, sys
if sys.argv[1:2] != ["-m"]:
    os.execv("{python}", ["{python}", *sys.argv[1:]])
link = socket.socket(socket.AF_UNIX)
link.connect("{address}")
text = json.dumps([sys.argv[2:], dict(os.environ), os.getcwd()]).encode()
streams = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
link.sendmsg([len(text).to_bytes(4, "big")], [streams])
link.sendall(text)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: link.sendall(bytes([number])))
status = int.from_bytes(link.recv(4), "big", signed=True)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


@contextmanager
def preloaded_python() -> Iterator[Path]:
    """The interpreter's path. Ended afterwards, with whatever still runs by it."""
    with tempfile.TemporaryDirectory(prefix="driftlead-preloaded-") as name:
        folder = Path(name)
        address, client = folder / "socket", folder / "python"
        client.write_text(CLIENT.format(python=sys.executable, address=address))
        client.chmod(0o755)
        tests = Path(__file__).resolve().parent.parent
        command = [sys.executable, "-m", "neighbours.preloaded", str(address), str(client)]
        paths = os.pathsep.join(filter(None, [str(tests), str(tests.parent), os.environ.get("PYTHONPATH")]))
        with running(
            command,
            log=folder / "log",
            answers=address.exists,
            seconds=120,
            environment={**VARIABLES, "PYTHONPATH": paths},
        ):
            yield client


def main(address: str, client: str) -> int:
    """Waits for requests, and forks for each. Returns in the forks alone, with a module's exit code."""
    for name in LIBRARIES:
        with suppress(ImportError):
            __import__(name)
    if threading.active_count() > 1:
        raise RuntimeError(f"a library started threads when it was imported: {threading.enumerate()}")
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page of what is shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who watch are nobody's concern
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address + ".new")
    listener.listen(64)
    Path(address + ".new").rename(address)
    while True:
        link, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return watch(link, client)
        link.close()


def watch(link: socket.socket, client: str) -> int:
    """Reads one request, runs it in a fork of its own, and tells the client how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(link, 4, 3)
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        text += link.recv(1 << 20)
    words, variables, folder = json.loads(text)
    child = os.fork()
    if child == 0:
        link.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return run(client, words, variables, folder)
    for stream in streams:
        os.close(stream)
    status = awaited(link, child)
    with suppress(OSError):
        link.sendall(status.to_bytes(4, "big", signed=True))
    os._exit(0)


def awaited(link: socket.socket, child: int) -> int:
    """The child's exit code, or its signal below zero. Hands signals on; without a client it is killed."""
    ended = os.pidfd_open(child)
    while True:
        ready, _, _ = select.select([ended, link], [], [])
        if ended in ready:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.kill(child, (link.recv(1) or b"\x09")[0])


def run(client: str, words: list[str], variables: dict[str, str], folder: str) -> int:
    """Runs a module as `python -m` does, and ends as that does, but for taking every object apart."""
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for path in reversed(variables.get("PYTHONPATH", "").split(os.pathsep)):
        if path and path not in sys.path:
            sys.path.insert(0, path)
    sys.executable, sys.argv = client, words
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(client).parent)
    code = 0
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
