"""`kubectl driftlead`: tree, watch, why, promote, abort, lint."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live

from driftlead_cli import render
from driftlead_cli.abort import given_up
from driftlead_cli.errors import Refused
from driftlead_cli.facts import Manifest, condition, name_of, status_of
from driftlead_cli.lint import lint as lint_text
from driftlead_cli.promote import PromotionRequest, curl, refusal, refuse_without_target, wanted_version
from driftlead_cli.why import why as explain
from driftlead_operator.decisions import names

if TYPE_CHECKING:
    from driftlead_cli.cluster import Cluster

POLL_SECONDS = 2.0
FORGET_SECONDS = 20.0
WIDTH_OF_FILES = 200
# Whether an option that may stand before the verb takes a value.
OF_EVERY_VERB = {"-n": True, "--namespace": True, "--context": True, "--no-color": False}
app = typer.Typer(
    name="kubectl driftlead",
    help="Look at ModelDeployments, and ask for what people decide.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="Name of the ModelDeployment.", show_default=False)]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Its namespace; the context's own by default.")
]
Context = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig to use.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Without colours; NO_COLOR does the same.")]


def console(*, no_color: bool) -> Console:
    """The terminal; what goes into a file or pipe is wide enough not to be cut."""
    width = None if sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(no_color=no_color or None, highlight=False, width=width)


def connect(context: str | None, namespace: str | None) -> "Cluster":
    """The cluster of the kubeconfig. Its client takes a second to import; `lint` need not wait for that."""
    from driftlead_cli.cluster import Cluster  # noqa: PLC0415

    return Cluster(context=context, namespace=namespace)


@app.command()
def tree(name: Name, namespace: Namespace = None, context: Context = None, no_color: NoColor = False) -> None:
    """Show a ModelDeployment and all that hangs on it."""
    family = connect(context, namespace).family(name)
    console(no_color=no_color).print(render.overview(family))


@app.command()
def watch(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    no_color: NoColor = False,
    interval: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = POLL_SECONDS,
) -> None:
    """Show the same again and again, in place, until Ctrl-C."""
    cluster = connect(context, namespace)
    family = cluster.family(name)
    with Live(render.overview(family), console=console(no_color=no_color), auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            live.update(render.overview(cluster.family(name)), refresh=True)


@app.command()
def why(name: Name, namespace: Namespace = None, context: Context = None, no_color: NoColor = False) -> None:
    """Say what is not as it should be, what was seen, and what to do."""
    family = connect(context, namespace).family(name)
    console(no_color=no_color).print(render.findings(explain(family)))


@app.command()
def promote(  # noqa: PLR0917 - each is a flag of the command line
    name: Name,
    version: Annotated[str | None, typer.Argument(help="Version; the canary's by default.")] = None,
    namespace: Namespace = None,
    context: Context = None,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait until prod serves it.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
    no_color: NoColor = False,
) -> None:
    """Ask the operator to promote a version to prod, and print the same by hand."""
    cluster = connect(context, namespace)
    resource = cluster.resource(name)
    refuse_without_target(resource)
    chosen = wanted_version(resource, version)
    request = PromotionRequest(names.PROMOTE, chosen)
    if dry_run:
        print(f"version {chosen} would be promoted. By hand:")
    else:
        _ask(cluster, resource, request)
        print(f"asked the operator to promote version {chosen}. The same by hand:")
    print(f"  {request.kubectl(resource)}\nor in the registry itself:\n  {curl(resource, chosen)}")
    if wait and not dry_run:
        _wait_for(cluster, name, chosen, wait)


def _ask(cluster: "Cluster", resource: Manifest, request: PromotionRequest) -> None:
    """Sets the annotation; one that is set already is removed first, until the operator has noticed."""
    name = name_of(resource)
    if request.is_set(resource):
        resource = cluster.annotate(name, request.removal())
        deadline = time.monotonic() + FORGET_SECONDS
        while not request.is_forgotten(resource):
            if time.monotonic() > deadline:
                raise Refused(
                    f"{name} was asked the same before, and the operator has not noticed within"
                    f" {FORGET_SECONDS:.0f} s that this was taken back: is it running, is {name} suspended?"
                )
            time.sleep(POLL_SECONDS / 4)
            resource = cluster.resource(name)
    cluster.annotate(name, request.patch())


@app.command()
def abort(  # noqa: PLR0917 - each is a flag of the command line
    name: Name,
    version: Annotated[
        str | None, typer.Argument(help="Version; the one on its way to prod by default, else the canary's.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
    no_color: NoColor = False,
) -> None:
    """Ask the operator to give up a version that is on its way to prod, or the canary."""
    cluster = connect(context, namespace)
    resource = cluster.resource(name)
    request = PromotionRequest(names.ABORT, given_up(resource, version))
    if dry_run:
        print(f"version {request.value} would be given up. By hand:")
    else:
        _ask(cluster, resource, request)
        print(f"asked the operator to give up version {request.value}. The same by hand:")
    print(f"  {request.kubectl(resource)}")


def _wait_for(cluster: "Cluster", name: str, version: str, seconds: int) -> None:
    """Until prod serves the version. Raises Refused with the operator's own words when it does not."""
    deadline = time.monotonic() + seconds
    while True:
        resource = cluster.resource(name)
        if status_of(resource).get("prod", {}).get("version") == version:
            print(f"prod serves version {version}")
            return
        if said := refusal(resource, version):
            raise Refused(said)
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS / 2)
    raise Refused(f"prod does not serve version {version} after {seconds} s: {_present(resource)}")


def _present(resource: Manifest) -> str:
    ready = condition(resource, "Ready") or {}
    return f"Ready={ready.get('status')}, {ready.get('reason')}: {ready.get('message')}"


@app.command()
def lint(
    files: Annotated[list[Path], typer.Argument(help="YAML files; - is standard input.", show_default=False)],
    _namespace: Namespace = None,
    _context: Context = None,
    no_color: NoColor = False,
) -> None:
    """Judge manifests without a cluster, by the API server's own rules; 1 when one would be refused."""
    bad = 0
    for file in files:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"cannot read {file}: {error}") from error
        ours, problems = lint_text(text)
        for problem in problems:
            print(f"{file}: {problem}")
        if not problems:
            print(f"{file}: {ours} ModelDeployment{'' if ours == 1 else 's'}, nothing wrong")
        bad += len(problems)
    if bad:
        raise typer.Exit(1)


def after_the_verb(words: Sequence[str]) -> list[str]:
    """The command line with the options of every verb after it, as kubectl takes them on both sides."""
    before, rest = list[str](), list(words)
    while rest and rest[0].partition("=")[0] in OF_EVERY_VERB:
        option = rest.pop(0)
        before.append(option)
        if option in OF_EVERY_VERB and OF_EVERY_VERB[option] and rest:
            before.append(rest.pop(0))
    return [*rest[:1], *before, *rest[1:]]


def main() -> None:
    """The command; a refusal is one sentence on standard error and exit code 1."""
    try:
        app(after_the_verb(sys.argv[1:]))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
