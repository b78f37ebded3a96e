"""Every table of results in both papers and both repositories, as data.

Implements  : SETR tables 1a-1e and 2 to 6; Segmenter tables 1 to 9; the repositories' tables of
              results; results that stand in the text alone
Taught in   : chapter 16, Ablations, baselines and tables
Source      : typed once from the papers, into tables/*.json; a test compares whole rows, in their
              order, with the papers' text. Nothing is corrected: where two sources disagree, both
              numbers stand, and tables/disagreements.json says what we make of it.

    find_table("setr-table-1") -> five Tables; table.rows; table.numbers() -> Cells

A cell that is a training of ours names it (a run of training.published). One that is not says why.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).with_suffix("")
FILES = ("setr", "segmenter", "repositories", "text")
THEIRS = "their baseline, not ours"
TRAINED = ("mIoU", "pixel accuracy")  # and "mIoU, small" ...: what an evaluation of ours gives
WHY_NOT = {  # metric -> why a number is no training's result
    "images per second": "a speed on the authors' GPU; `segtutor bench` measures ours",
    "ImageNet accuracy": "a property of the pretrained weights, quoted by the paper",
    "parameters of the model": "counted, not trained: `segtutor models`",
    **dict.fromkeys(
        ("layers", "width", "heads", "parameters"), "a configuration, counted in our model"
    ),
}


@dataclass(frozen=True)
class Cell:
    """One printed number. table: id. row, column: labels. printed: as it stands there. value: the
    number (mIoU in percent, parameters as a count), None where a dash is printed. scale: "SS",
    "MS", "not stated", or "" where there is nothing to test. recipe: name of the training that
    should give it, or "". reason: why there is none, or "". relative: the network of baselines.py
    that is of the same kind, or "". disagreements: ids of what contradicts it.
    """

    table: str
    row: str
    column: str
    printed: str
    value: float | None
    metric: str
    scale: str
    data: str
    split: str
    source: str
    recipe: str = ""
    reason: str = ""
    relative: str = ""
    disagreements: tuple[str, ...] = ()

    @property
    def protocol(self) -> str:
        """How the number was measured, in words."""
        where = {"val": "validation images", "test": "test server", "": ""}[self.split]
        scales = {"SS": "single scale", "MS": "several scales, each mirrored too"}
        how = scales.get(self.scale, "scales not stated" if self.scale else "")
        return ", ".join(part for part in (where, how) if part)


@dataclass(frozen=True)
class Row:
    """label: shortest beginning of the text cells that no other row has. printed: all cells as
    they stand there. cells: the numbers. models: names of named.MODELS (configuration tables).
    """

    label: str
    printed: tuple[str, ...]
    cells: tuple[Cell, ...]
    models: tuple[str, ...] = ()
    quote: str = ""

    @property
    def ours(self) -> bool:
        return bool(self.models or any(cell.recipe for cell in self.cells))

    @property
    def recipes(self) -> tuple[str, ...]:
        """The trainings of this row, each once, in the order of the columns."""
        return tuple(dict.fromkeys(cell.recipe for cell in self.cells if cell.recipe))


@dataclass(frozen=True)
class Table:
    """kind: "results" or "configuration". header: the printed lines above the rows."""

    id: str
    title: str
    kind: str
    source: str
    columns: tuple[str, ...]
    header: tuple[tuple[str, ...], ...]
    rows: tuple[Row, ...]

    def numbers(self) -> tuple[Cell, ...]:
        return tuple(cell for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class Disagreement:
    """cells: (table, row, column) of the numbers concerned. note: what we make of it."""

    id: str
    between: str
    cells: tuple[tuple[str, str, str], ...]
    note: str


def _load(name: str) -> list[dict]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def number(printed: str) -> float | None:
    """ "48.27" -> 48.27; "86M" -> 86 000 000; "-" -> None."""
    if printed == "-":
        return None
    return float(printed[:-1]) * 1e6 if printed.endswith("M") else float(printed)


def _source(table: dict) -> str:
    if "source" in table:
        return table["source"]
    paper, _, part = table["id"].partition("-table-")
    return f"{dict(setr='SETR', segmenter='Segmenter')[paper]}, table {part}"


def _label(row: dict, rows: list[dict], text: list[int]) -> str:
    if "label" in row:
        return row["label"]
    for count in range(1, len(text) + 1):
        mine = [row["cells"][i] for i in text[:count]]
        alike = [r for r in rows if [r["cells"][i] for i in text[:count]] == mine]
        if len(alike) == 1 and any(mine):
            return " ".join(part for part in mine if part)
    raise ValueError(f"two rows begin with {row['cells']}")


def _row(table: dict, row: dict, marks: dict[tuple, tuple[str, ...]]) -> Row:
    columns = table["columns"]
    label = _label(row, table["rows"], [i for i, c in enumerate(columns) if "metric" not in c])
    trained = [c for c in columns if c.get("metric", "").split(",")[0] in TRAINED]
    recipes = row.get("recipe", "")
    recipes = recipes if isinstance(recipes, list) else [recipes] * len(trained)
    recipe_of = {c["name"]: r for c, r in zip(trained, recipes, strict=True)}
    cells = []
    for column, printed in zip(columns, row["cells"], strict=True):
        if "metric" not in column:
            continue
        recipe = "" if printed == "-" else recipe_of.get(column["name"], "")
        why = WHY_NOT.get(column["metric"]) or row.get("why", "")
        if printed == "-":
            why = "not printed"
        elif row.get("theirs"):
            why = THEIRS

        def entry(key: str, *, column=column) -> str:
            return row.get(key) or column.get(key) or table.get(key) or ""

        cells.append(
            Cell(
                table=table["id"],
                row=label,
                column=column["name"],
                printed=printed,
                value=number(printed),
                metric=column["metric"],
                scale=entry("scale") if column in trained else "",
                data=entry("data"),
                split=entry("split"),
                source=f"{_source(table)}, {label}",
                recipe=recipe,
                reason="" if recipe else why,
                relative=row.get("relative", ""),
                disagreements=marks.get((table["id"], label, column["name"]), ()),
            )
        )
    models, quote = tuple(row.get("models", ())), row.get("quote", "")
    return Row(label, tuple(row["cells"]), tuple(cells), models, quote)


def _tables(disagreements: Iterable[Disagreement]) -> dict[str, Table]:
    marks: dict[tuple, tuple[str, ...]] = {}
    for d in disagreements:
        for place in d.cells:
            marks[place] = (*marks.get(place, ()), d.id)
    found = {}
    for table in (table for file in FILES for table in _load(file)):
        names = tuple(column["name"] for column in table["columns"])
        found[table["id"]] = Table(
            id=table["id"],
            title=table["title"],
            kind=table.get("kind", "results"),
            source=_source(table),
            columns=names,
            header=tuple(map(tuple, table.get("header", [names]))),
            rows=tuple(_row(table, row, marks) for row in table["rows"]),
        )
    return found


DISAGREEMENTS = tuple(
    Disagreement(d["id"], d["between"], tuple(map(tuple, d["cells"])), d["note"])
    for d in _load("disagreements")
)
TABLES = _tables(DISAGREEMENTS)
# the papers' own 15, by name; SETR's first has five parts
PRINTED = tuple(dict.fromkeys(t.rstrip("abcde") for t in TABLES if "-table-" in t))
BESIDES = tuple(t for t in TABLES if "-table-" not in t)


def find_table(name: str) -> tuple[Table, ...]:
    """A table by its id, or all parts of one ("setr-table-1"). Raises ValueError with near ones."""
    if name in TABLES:
        return (TABLES[name],)
    parts = tuple(TABLES[t] for t in TABLES if name in PRINTED and t.rstrip("abcde") == name)
    if parts:
        return parts
    near = nearest(name, (*PRINTED, *TABLES))
    hint = f"did you mean {', '.join(near)}?" if near else "`segtutor reproduce --list` lists them"
    raise ValueError(f"no table named {name!r}; {hint}")


def find_rows(tables: Sequence[Table], names: Sequence[str]) -> dict[str, tuple[Row, ...]]:
    """{table id: rows} called so, or all rows for no names. A name is a row's label or a column's
    (then of each row only that cell); case does not matter. Raises ValueError for a name that is
    neither, with near ones.
    """
    labels = [row.label for table in tables for row in table.rows]
    columns = [cell.column for table in tables for cell in table.numbers()]
    known = {name.lower(): name for name in (*columns, *labels)}
    for name in names:
        if name.lower() not in known:
            near = [known[n] for n in nearest(name.lower(), known)] or list(known.values())
            asked = ", ".join(table.id for table in tables)
            raise ValueError(f"no row named {name!r} in {asked}; did you mean {', '.join(near)}?")
    wanted = {name.lower() for name in names}

    def part(row: Row) -> Row:
        if not wanted or row.label.lower() in wanted:
            return row
        return replace(row, cells=tuple(c for c in row.cells if c.column.lower() in wanted))

    return {t.id: tuple(row for row in map(part, t.rows) if row.cells) for t in tables}


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """At most five of the known names that come near, those that contain it first."""
    known = list(dict.fromkeys(known))
    inside = [k for k in known if name and name.lower() in k.lower()]
    return list(dict.fromkeys([*inside, *difflib.get_close_matches(name, known, 5, 0.5)]))[:5]


def agree(a: str, b: str) -> bool:
    """Can two printed numbers be roundings of one? With equally many decimals: only if equal."""
    places = [len(text.rstrip("M").partition(".")[2]) for text in (a, b)]
    if places[0] == places[1]:
        return number(a) == number(b)
    return abs(number(a) - number(b)) <= 0.5 * 10.0 ** -min(places) + 1e-9


def conflicts() -> list[tuple[Cell, Cell]]:
    """Pairs of cells that print different results of one training under one test."""
    cells = [c for t in TABLES.values() for c in t.numbers() if c.recipe]
    same = ("recipe", "metric", "scale", "split")
    return [
        (a, b)
        for i, a in enumerate(cells)
        for b in cells[i + 1 :]
        if all(getattr(a, k) == getattr(b, k) for k in same) and not agree(a.printed, b.printed)
    ]
