"""The page "Where the sources disagree", made from the register when the book is built."""

from __future__ import annotations

from segtutor.reproduce.experiments.paired import in_points
from segtutor.reproduce.register import AREAS, REGISTER, Entry, Measured
from segtutor.reproduce.tables import DISAGREEMENTS, TABLES, Disagreement

MARK = "@REGISTER@"
PAGE = "disagreements"
EMPTY = ("", "-")


def anchor(id: str) -> str:
    """Where on the page an entry stands."""
    return f"disagreement-{id}"


def link(id: str) -> str:
    """From another page at the book's top."""
    return f"{PAGE}.html#{anchor(id)}"


def page() -> str:
    """All entries under their headings, and in front how many of what kind there are."""
    lines = [summary(), ""]
    for area in AREAS:
        lines += [f"## {area}", ""]
        for entry in (entry for entry in REGISTER if entry.area == area):
            lines += [*as_markdown(entry), ""]
    return "\n".join(lines)


def summary() -> str:
    measured = sum(bool(entry.measured) for entry in REGISTER)
    numbers = len(DISAGREEMENTS)
    return (
        f"{len(REGISTER)} entries: {numbers} are about printed numbers, the others about words "
        f"and code. For {measured} the ledger holds a comparison at small scale. Where an effect "
        "is not known, the entry says why."
    )


def as_markdown(entry: Entry) -> list[str]:
    """Heading with its anchor, then a list of who says what."""
    printed = {d.id: d for d in DISAGREEMENTS}.get(entry.id)
    parts = [("Paper", entry.paper), ("Code", entry.code)]
    if printed:
        parts = [("Printed", numbers(printed)), ("What it is", f"{printed.note}")]
    where = ", ".join(f"`{name}`" if "/" in name else f"{{py:obj}}`{name}`" for name in entry.where)
    parts += [("Here", f"{entry.here} {where}"), ("Effect", effect(entry))]
    kind = f" ({printed.between})" if printed else ""
    lines = [f"({anchor(entry.id)})=", f"### {entry.topic}{kind}", "", ":::{container} register"]
    for title, text in parts:
        if text not in EMPTY:
            lines += [title, f": {text}", ""]
    return [*lines, ":::"]


def numbers(printed: Disagreement) -> str:
    """The cells concerned, each with where it stands."""
    cells = {(c.table, c.row, c.column): c for t in TABLES.values() for c in t.numbers()}
    told = []
    for place in printed.cells:
        cell = cells[place]
        table = f"{{ref}}`{cell.source} <{cell.table}>`"
        told.append(f"**{cell.printed}** ({table}; {cell.column})")
    return ", ".join(told)


def effect(entry: Entry) -> str:
    return " ".join([entry.effect, *map(told, entry.measured)])


def told(measured: Measured) -> str:
    """A recorded comparison in words, with its ledger: "**A** against **B**, mIoU: +1.2 (...)"."""
    names = {"miou": "mIoU", "direct": "answer"}
    what = f"*{measured.variant}* against *{measured.reference}*, {names[measured.metric]}"
    found = measured.comparison()
    ledger = f"`results/{measured.ledger}.jsonl`, {measured.experiment}"
    if found is None:
        return f"{what}: not recorded yet ({ledger})."
    return f"{what}: {in_points(found)}; {found.seeds} seeds ({ledger}; a miniature)."
