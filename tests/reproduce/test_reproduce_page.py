"""The page How to reproduce: computed by the planner, commands as the library writes them."""

import shlex

import pytest

from segtutor.reproduce import reproduce_page
from segtutor.reproduce.expand import expand
from segtutor.reproduce.tables import BESIDES, PRINTED
from segtutor.training.ladder import ladder
from segtutor.training.planner import CARDS, hours
from tests.conftest import ROOT

TEXT = (ROOT / "book" / "reproduce.md").read_text("utf-8")


def test_a_cell_sums_hours_and_takes_the_largest_memory():
    runs = reproduce_page.runs_of(expand("segmenter-table-9"))
    names = [run.name for run in runs]
    assert len(set(names)) == len(names) == 4
    rungs = [ladder(run, CARDS["80gb"])[-1] for run in runs]
    wanted = f"{max(r.need for r in rungs):.0f} GiB, {sum(r.hours for r in rungs):.0f} h"
    assert reproduce_page.on_card(runs, CARDS["80gb"]) == wanted


def test_rivals_count_in_the_hours():
    runs = reproduce_page.runs_of(expand("setr-table-1b"))
    ours = [run for run in runs if not run.baseline]
    rivals = [run for run in runs if run.baseline]
    assert len(ours) == 1 and len(rivals) == 2
    card = CARDS["80gb"]
    memory, alone = reproduce_page.on_card(ours, card).split(", ")
    total = sum(hours(run, card) for run in rivals) + ladder(ours[0], card)[-1].hours
    assert reproduce_page.on_card(runs, card) == f"{memory}, {total:.0f} h" != f"{memory}, {alone}"
    assert reproduce_page.on_card(rivals, card).endswith(" h")


def test_what_would_be_another_experiment_is_not_counted_as_fitting(monkeypatch):
    from types import SimpleNamespace

    rungs = {
        "a": SimpleNamespace(fits=True, changes={"accumulate": "2"}, need=10, hours=5),
        "b": SimpleNamespace(fits=True, changes={"model.size": "tiny"}, need=1, hours=1),
        "c": SimpleNamespace(fits=False, changes={}, need=99, hours=7),
    }
    monkeypatch.setattr(reproduce_page, "_timeless", lambda run: run)
    monkeypatch.setattr(reproduce_page, "_rung", lambda run, title: rungs[run.name])
    steps = SimpleNamespace(steps=reproduce_page.STEPS)
    runs = [SimpleNamespace(name=name, recipe=steps, baseline="") for name in rungs]
    shown = reproduce_page.on_card(runs, CARDS["t4"])
    assert shown == "10 GiB, 5 h; 2 do not fit"
    assert reproduce_page.on_card(runs[1:], CARDS["t4"]) == "2 do not fit"


def test_every_table_has_a_line(monkeypatch):
    monkeypatch.setattr(
        reproduce_page, "on_card", lambda runs, card: f"{len(runs)} on {card.title}"
    )
    lines = reproduce_page.costs().splitlines()
    assert len(lines) == 2 + len(PRINTED) + len(BESIDES)
    assert len({line.count("|") for line in lines}) == 1  # no cell too few
    assert "none, counted" in lines[2 + PRINTED.index("setr-table-2")]


def test_examples_are_what_the_library_writes():
    shown = reproduce_page.with_examples(
        f"{reproduce_page.MARK_SHELL}\n{reproduce_page.MARK_SLURM}"
    )
    assert "@" not in shown
    assert shown.count("segtutor train ade20k-segmenter-linear-large-16 ") == 4
    assert "#SBATCH --array=0-1" in shown


@pytest.mark.parametrize(
    "line", [x for x in TEXT.splitlines() if x.startswith("segtutor reproduce ")]
)
def test_commands_on_the_page_parse(line):
    """Tables and rows that are named exist."""
    words = shlex.split(line.split("#")[0].split(">")[0])[2:]
    if words[0] == "--list":
        return
    rows = [words[words.index("--rows") + 1]] if "--rows" in words else []
    profile = "mini" if "mini" in words else "gpu"
    assert expand(words[0], rows=rows, profile=profile).jobs
