"""The papers' tables as data: every row as printed, every number with source and training."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from segtutor.baselines import BASELINES
from segtutor.models import build
from segtutor.reproduce import tables
from segtutor.reproduce.tables import DISAGREEMENTS, PRINTED, TABLES, THEIRS, agree, find_rows
from segtutor.training.published import RUNS, find_run
from tests.conftest import ROOT

CELLS = [cell for table in TABLES.values() for cell in table.numbers()]
# what stands side by side in the papers' text is compared side by side
SETR = (("1a", "1b", "1c"), ("1d", "1e"), "2", "3", "4", "5", "6")


@pytest.fixture(scope="module")
def papers() -> Path:
    folder = os.environ.get("SEGTUTOR_PAPERS")
    if not folder or not (Path(folder) / "setr_paper.txt").is_file():
        pytest.skip("the papers' text is not here: set SEGTUTOR_PAPERS to a folder that holds it")
    return Path(folder)


def without_random_numbers(monkeypatch):
    """Tensors without values need none, and drawing them takes most of the time."""
    for name in (n for n in dir(torch.nn.init) if n.endswith("_") and n[0] != "_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)


def plain(text: str) -> str:
    """Without markup, without numbers of references."""
    text = re.sub(r"\s*<(i|sup|b)>(.*?)</\1>", r"\2", text).replace("[‡]", "‡").replace(" ‡", "‡")
    text = re.sub(r"\*", "", re.sub(r"\s*\[\d+\]", "", text))
    return re.sub(r"† (?=[/-])", "†", text).strip()


def lines_of(text: str) -> list[list[str]]:
    """The lines of all tables: cells stand between tabs."""
    rows = [[plain(cell) for cell in line.split("\t")] for line in text.splitlines()]
    return [_trimmed(row) for row in rows if len(row) > 1]


def _trimmed(row):
    while row and not row[-1]:
        row = row[:-1]
    return row


def expected(paper: str, numbers) -> list[list[str]]:
    found = []
    for beside in numbers:
        parts = [
            TABLES[f"{paper}-table-{n}"] for n in ([beside] if type(beside) is str else beside)
        ]
        blocks = [[*t.header, *(row.printed for row in t.rows)] for t in parts]
        for i in range(max(map(len, blocks))):
            row = []
            for block, table in zip(blocks, parts, strict=True):
                row += block[i] if i < len(block) else [""] * len(table.columns)
            found.append(_trimmed(list(row)))
    return found


@pytest.mark.parametrize(
    ("paper", "file", "numbers"),
    [
        ("setr", "setr_paper.txt", SETR),
        ("segmenter", "segmenter_paper_with_appendix.txt", tuple("123456789")),
    ],
)
def test_every_row_stands_as_in_the_paper(papers, paper, file, numbers):
    """All lines of all tables, in order: nothing left out, nothing added."""
    printed, ours = lines_of((papers / file).read_text()), expected(paper, numbers)
    for theirs, mine in zip(printed, ours, strict=False):
        assert theirs == mine
    assert len(printed) == len(ours)


def test_numbers_from_the_text_stand_there(papers):
    text = {
        p: plain((papers / f).read_text())
        for p, f in (("setr", "setr_paper.txt"), ("segmenter", "segmenter_paper_with_appendix.txt"))
    }
    for paper, words in text.items():
        for row in TABLES[f"{paper}-text"].rows:
            assert row.quote in words and row.cells[0].printed in row.quote, row.label
    assert {"45.69", "48.06"} <= {c.printed for c in TABLES["segmenter-text"].numbers()}


def test_repositories_say_what_the_notes_say(papers):
    folder = papers.parent / "reference"
    if not folder.is_dir():
        pytest.skip("the notes on both repositories are not beside the papers")
    notes = (folder / "setr.md").read_text()
    for row in TABLES["setr-readme-cityscapes"].rows:
        assert f"| {row.printed[0]} | {row.printed[1]} | {row.printed[2]} |" in notes
    for data, head in (("ade20k", "ADE20K val, 160k"), ("pascal-context", "Pascal Context val,")):
        line = next(line for line in notes.splitlines() if line.startswith(head))
        line = re.sub(r"\*|\(paper SS [\d.]+\)", "", line.split(": ", 1)[1])
        theirs = [re.findall(r"[A-Z][\w-]*|bs\d+|[\d.]*\d", part) for part in line.split(";")]
        theirs = [[p for p in part if not p.startswith("bs")] for part in theirs]
        ours = [[row.printed[0], *row.printed[2:]] for row in TABLES[f"setr-readme-{data}"].rows]
        assert theirs == ours
    notes = (folder / "segmenter.md").read_text()
    rows = re.findall(r"^\| (Seg-.*) \|$", notes, re.M)
    theirs = []
    for line in rows:
        model, data, miou, params, side, fps = line.split(" | ")[:6]
        model = model.replace("dag", "†").removesuffix(" (linear)")
        theirs.append((model, data, *miou.split(" / "), params, side, fps))
    assert theirs == [row.printed for row in TABLES["segmenter-readme"].rows]


def test_there_are_fifteen_tables():
    assert len(PRINTED) == 15 and [t.id for t in tables.find_table("setr-table-1")] == [
        f"setr-table-1{part}" for part in "abcde"
    ]
    assert [t.id for t in tables.find_table("segmenter-table-3")] == ["segmenter-table-3"]
    kinds = {t.id for t in TABLES.values() if t.kind == "configuration"}
    assert kinds == {"setr-table-2", "segmenter-table-1"}


def test_every_number_says_where_it_comes_from():
    for cell in CELLS:
        assert cell.source and cell.metric and bool(cell.recipe) != bool(cell.reason), cell
        assert (cell.value is None) == (cell.printed == "-")
        if cell.metric.startswith(tables.TRAINED) and cell.value is not None:
            assert cell.scale in ("SS", "MS", "not stated") and cell.data and cell.split, cell
            assert cell.protocol.count(",") >= 1
        assert not cell.relative or cell.relative in BASELINES
        assert cell.reason != THEIRS or not cell.recipe
    assert sum(cell.reason == THEIRS for cell in CELLS) > 60


def test_a_cell_in_full():
    (row,) = find_rows(tables.find_table("setr-table-3"), ["setr-mla (8, 160k, ms)"])[
        "setr-table-3"
    ]
    miou, accuracy = row.cells
    assert (miou.printed, miou.value, miou.scale, miou.metric) == ("50.03", 50.03, "MS", "mIoU")
    assert miou.recipe == accuracy.recipe == "ade20k-setr-mla-large-160k-bs8"
    assert accuracy.metric == "pixel accuracy" and accuracy.value == 83.41
    assert miou.source == "SETR, table 3, SETR-MLA (8, 160k, MS)"
    assert miou.protocol == "validation images, several scales, each mirrored too"


def test_every_row_of_ours_is_a_training_that_builds(monkeypatch):
    """On the meta device: shapes without values."""
    without_random_numbers(monkeypatch)
    names = {cell.recipe for cell in CELLS if cell.recipe}
    assert len(names) > 60
    with torch.device("meta"):
        for config in {find_run(name).model for name in names}:
            assert sum(p.numel() for p in build(config).parameters()) > 5e6
    ours = [row for t in TABLES.values() for row in t.rows if row.ours]
    theirs = [row for t in TABLES.values() for row in t.rows if not row.ours]
    assert all(row.recipes or row.models for row in ours)
    for row in theirs:
        assert not row.label.startswith("Seg-")
        assert all(c.reason in (THEIRS, "not printed") or "server" in c.reason for c in row.cells)


def test_the_trainings_of_a_table_belong_to_its_data():
    for cell in CELLS:
        if cell.recipe:
            run = find_run(cell.recipe)
            assert run.data == cell.data, cell
            assert ("test" in cell.recipe.split("-")) == (cell.split == "test")


def test_published_numbers_agree_with_the_tables_of_trainings():
    """training.published carries the same numbers, from elsewhere; what differs is on record."""
    odd = []
    for cell in CELLS:
        if not cell.recipe or cell.metric != "mIoU":
            continue
        twins = [RUNS[n] for n in (cell.recipe, f"{cell.recipe}-paper") if n in RUNS]
        several = cell.scale == "MS" or cell.split == "test"
        known = [run.miou_ms if several else run.miou_ss for run in twins]
        if not any(agree(cell.printed, str(v)) for v in known if v is not None):
            odd.append((cell, known))
    assert [cell.printed for cell, _ in odd] == ["47.10"]
    assert odd[0][0].disagreements


def test_every_contradiction_is_on_record():
    """Found by comparing all numbers of one training; typed by hand in disagreements.json."""
    found = tables.conflicts()
    assert len(found) >= 8
    for a, b in found:
        assert set(a.disagreements) & set(b.disagreements), (a.source, b.source)
    values = {c.printed for pair in found for c in pair}
    assert {"48.27", "47.79", "47.08", "47.10", "48.18", "48.06"} <= values


def test_the_record_of_contradictions_names_real_cells():
    places = {(cell.table, cell.row, cell.column): cell for cell in CELLS}
    for d in DISAGREEMENTS:
        assert d.note.endswith(".") and d.between
        for place in d.cells:
            assert d.id in places[place].disagreements
    of = {d.id: [places[p].printed for p in d.cells] for d in DISAGREEMENTS}
    assert of["large-mask-ade20k"] == ["51.30", "51.82", "51.8"]
    assert of["mla-bs8-ade20k"] == ["48.27", "47.79"]
    assert of["table-1b-schedule"] == ["76.65", "76.65", "77.24"]
    assert len(of) == len(DISAGREEMENTS)


def test_sizes_in_the_repository_are_those_we_count_or_on_record(monkeypatch):
    """The module as published: with one unused ImageNet classifier for each extra token."""
    without_random_numbers(monkeypatch)
    odd = {}
    for row in TABLES["segmenter-readme"].rows:
        config = find_run(row.recipes[0]).model
        with torch.device("meta"):
            model = build(config)
        width = model.encoder.width
        unused = len(config.extra_tokens) * 1000 * (width + 1)
        count = sum(p.numel() for p in model.parameters()) + unused
        (cell,) = (c for c in row.cells if c.column == "Params")
        if round(count / 1e6) != round(cell.value / 1e6):
            odd[row.label] = round(count / 1e6)
            assert any(d.startswith("params") for d in cell.disagreements), row.label
    assert odd == {
        "Seg-S-Mask/16": 26, "Seg-B-Mask/16": 103, "Seg-B†-Mask/16": 104, "Seg-B†/16": 88,
        "Seg-L-Mask/16 Pascal Context": 333,
    }  # fmt: skip


def test_a_conflict_is_seen(monkeypatch):
    table = TABLES["segmenter-table-9"]
    last = table.rows[-1]
    wrong = replace(last, cells=(replace(last.cells[0], printed="45.38", value=45.38),))
    changed = replace(table, rows=(*table.rows[:-1], wrong))
    before = len(tables.conflicts())
    monkeypatch.setitem(TABLES, table.id, changed)
    assert len(tables.conflicts()) > before


def test_rounding_is_no_contradiction():
    assert agree("48.05", "48.1") and agree("55.83", "55.8") and agree("47.08", "47.1")
    assert not agree("47.08", "47.10") and not agree("47.79", "48.27") and not agree("55.8", "55.9")
    assert agree("86M", "86M") and tables.number("86M") == 86e6 and tables.number("-") is None


def test_table_4_is_the_mean_of_its_groups():
    """An error of typing in one of four numbers would show."""
    for row in TABLES["segmenter-table-4"].rows:
        *groups, whole = (cell.value for cell in row.cells)
        assert abs(sum(groups) / 3 - whole) < 0.011, row.label


def test_unknown_tables_and_rows_name_the_near_ones():
    with pytest.raises(ValueError, match="no table named 'setr-table-7'; did you mean setr-table-"):
        tables.find_table("setr-table-7")
    with pytest.raises(ValueError, match="'table-1c'; did you mean setr-table-1c"):
        tables.find_table("table-1c")
    with pytest.raises(ValueError, match="`segtutor reproduce --list` lists them"):
        tables.find_table("qqqq")
    with pytest.raises(ValueError, match="no row named 'Seg-B32' in segm.* did you mean Seg-B/32"):
        find_rows(tables.find_table("segmenter-table-3"), ["Seg-B32"])


def test_rows_are_chosen_by_label_or_column():
    parts = tables.find_table("setr-table-1a")
    (row,) = find_rows(parts, ["SETR-PUP"])["setr-table-1a"]
    assert [c.printed for c in row.cells] == ["78.39", "79.34"]
    assert [c.printed for r in find_rows(parts, ["80K"])["setr-table-1a"] for c in r.cells] == [
        "77.90", "77.24", "79.34",
    ]  # fmt: skip
    (row,) = find_rows(tables.find_table("segmenter-table-5"), ["4k"])["segmenter-table-5"]
    assert row.recipes == ("ade20k-segmenter-linear-small-16-4k-images",)


def test_the_data_travel_with_the_package():
    assert '"reproduce/tables/*.json"' in (ROOT / "pyproject.toml").read_text()
    assert (Path(tables.__file__).with_suffix("") / "setr.json").is_file()
