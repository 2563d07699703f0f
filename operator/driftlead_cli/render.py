"""Draws what `view` and `why` decided: rich objects, the same on a terminal and in a file."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from driftlead_cli.facts import Family
from driftlead_cli.view import Field, Mark, Row, head, tree
from driftlead_cli.why import Finding

CONTROL = dict.fromkeys([*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0)], "�")


def plain(words: str) -> str:
    """Words that a model or a cluster wrote, unable to steer the terminal."""
    return words.translate(CONTROL)


def marked(mark: Mark | None, words: str) -> Text:
    """A sign in its colour, then words."""
    if mark is None:
        return Text(plain(words))
    sign, colour = mark.value
    return Text.assemble((f"{sign} ", colour), plain(words))


def head_table(fields: Sequence[Field]) -> Table:
    """The head: label and text, one pair a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for each in fields:
        table.add_row(f"{each.label}:", marked(each.mark, each.text))
    return table


def flat(row: Row, before: str = "", here: str = "") -> Iterator[tuple[str, Row]]:
    """Each row of the tree with the lines that lead to it."""
    yield here, row
    for place, child in enumerate(row.children, start=1):
        last = place == len(row.children)
        yield from flat(child, before + ("   " if last else "│  "), before + ("└──" if last else "├──"))


def tree_table(root: Row) -> Table:
    """The tree as columns; only the last one wraps."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("NAME", "KIND", "STATUS", "AGE"):
        table.add_column(title, no_wrap=True)
    table.add_column("INFO", overflow="fold")
    for lines, row in flat(root):
        icon = f"{row.icon} " if row.icon else (" " if lines else "")
        role = f"{row.role:<7} " if row.role else ""
        name = Text.assemble((lines, "dim"), icon, (role, "bold"), row.name)
        table.add_row(name, row.kind, marked(row.mark, row.status), row.age, Text(plain(row.info)))
    return table


def overview(family: Family) -> RenderableType:
    """All of `kubectl driftlead tree`."""
    parts: list[RenderableType] = [head_table(head(family)), "", tree_table(tree(family))]
    if family.unseen:
        parts += ["", Text(f"not shown, since you may not list them: {', '.join(family.unseen)}", "yellow")]
    return Group(*parts)


def findings(found: Sequence[Finding]) -> RenderableType:
    """All of `kubectl driftlead why`: each finding with what was seen and what to do."""
    parts: list[RenderableType] = []
    for each in found:
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row(Text(each.mark.value[0], each.mark.value[1]), Text(plain(each.what), "bold"))
        for line in each.seen:
            table.add_row("", Text(plain(line)))
        if each.do:
            table.add_row("", Text.assemble(("do: ", "cyan"), plain(each.do)))
        parts.append(table)
    return Group(*parts)
