"""Experiments: what is recorded, resumed and refused, and what repeated runs are said to show."""

import math
from types import SimpleNamespace

import pytest

from segtutor.reproduce import read
from segtutor.reproduce.experiments import (
    Comparison,
    Experiment,
    compare,
    find,
    known,
    ledger_of,
    markdown,
    recorded,
    run_all,
)
from segtutor.reproduce.experiments.paired import in_points, interval


class Toy:
    """An experiment that costs nothing and counts its runs."""

    def __init__(self, data="toy data", result=None):
        self.calls, self.data, self.result = [], data, result
        self.experiment = Experiment(
            name="06-toy",
            question="Is b better than a?",
            variants=("a", "b"),
            metrics=("miou",),
            settings=dict(smoke=dict(steps=1, size=(2, 3)), cpu=dict(steps=2, size=(4, 5))),
            prepare=lambda settings, data_root: SimpleNamespace(data=self.data),
            run=self.run,
        )

    def run(self, shared, settings, variant, seed):
        self.calls.append((variant, seed, settings.steps))
        if self.result:
            return self.result
        return {"miou": (0.5 if variant == "b" else 0.4) + 0.01 * seed}


def test_every_variant_with_every_seed_is_recorded(tmp_path, capsys):
    toy, ledger = Toy(), tmp_path / "runs.jsonl"
    lines = run_all(toy.experiment, seeds=2, profile="smoke", ledger=ledger)
    assert toy.calls == [("a", 0, 1), ("b", 0, 1), ("a", 1, 1), ("b", 1, 1)]
    assert lines == read(ledger) and lines[1]["variant"] == "b" and lines[1]["miou"] == 0.5
    assert lines[0]["settings"] == {"steps": 1, "size": [2, 3]}
    assert {"experiment", "profile", "data", "seed", "minutes", "commit", "machine"} <= set(
        lines[0]
    )
    assert "seed 1  b" in capsys.readouterr().out


def test_an_interrupted_series_goes_on_where_it_stopped(tmp_path):
    toy, ledger = Toy(), tmp_path / "runs.jsonl"
    run_all(toy.experiment, seeds=2, profile="smoke", ledger=ledger)
    again = Toy()
    lines = run_all(again.experiment, seeds=3, profile="smoke", ledger=ledger)
    assert again.calls == [("a", 2, 1), ("b", 2, 1)] and len(lines) == 6 == len(read(ledger))
    assert [(line["variant"], line["seed"]) for line in lines[:2]] == [("a", 0), ("b", 0)]


@pytest.mark.parametrize("change", ["data", "profile", "settings"])
def test_runs_of_other_data_or_settings_do_not_count(tmp_path, change):
    ledger = tmp_path / "runs.jsonl"
    run_all(Toy().experiment, seeds=1, profile="smoke", ledger=ledger)
    other = Toy(data="other data" if change == "data" else "toy data")
    if change == "settings":
        other.experiment.settings["smoke"]["steps"] = 7
    profile = "cpu" if change == "profile" else "smoke"
    run_all(other.experiment, seeds=1, profile=profile, ledger=ledger)
    assert len(other.calls) == 2
    newest = recorded(other.experiment, ledger)
    assert len(newest) == 2 and len(read(ledger)) == 4, "one series, never a mixture"
    assert newest == read(ledger)[2:]


def test_nothing_recorded_is_an_empty_series(tmp_path):
    assert recorded(Toy().experiment, tmp_path / "none.jsonl") == []
    assert markdown([], {"miou": "mIoU"}, "a") == "*No runs are recorded yet.*"


def test_wrong_variants_and_metrics_are_refused():
    toy = Toy()
    shared, settings = SimpleNamespace(data=""), toy.experiment.sizes("smoke")
    with pytest.raises(ValueError, match="has no variant 'c'; it has"):
        toy.experiment.measure(shared, settings, "c", 0)
    with pytest.raises(ValueError, match=r"returned \['loss'\], expected"):
        Toy(result={"loss": 1.0}).experiment.measure(shared, settings, "a", 0)
    with pytest.raises(ValueError, match="chapter '99' has no experiment; there are"):
        find("99")


def test_all_chapters_experiments_keep_the_form():
    assert "06" in known() and "09" in known()
    for chapter in known():
        for experiment in find(chapter):
            assert experiment.name.startswith(f"{chapter}-") and len(experiment.variants) >= 2
            assert len(set(experiment.variants)) == len(experiment.variants)
            assert experiment.metrics and experiment.question.endswith("?")
            ledger = f"chapter{chapter}.jsonl" if chapter.isdigit() else f"{chapter}.jsonl"
            assert ledger_of(experiment).name == ledger
            for profile in ("smoke", "cpu"):
                experiment.sizes(profile)


# ---- what repeated runs show -----------------------------------------------------------------


def test_interval_of_a_worked_example():
    """Differences 1, 2, 3, 4, 5: mean 3, deviation sqrt(2.5), t(0.975, 4) = 2.7764."""
    middle, low, high = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * math.sqrt(2.5) / math.sqrt(5)
    assert (middle, low, high) == pytest.approx((3, 3 - half, 3 + half), abs=1e-5)
    assert interval([0.5])[0] == 0.5 and math.isnan(interval([0.5])[1])


def lines_of(differences, base=(0.30, 0.50, 0.20, 0.40, 0.10, 0.60)):
    """Records of variants a and b, with these differences b - a and seeds that vary a lot."""
    both = []
    for seed, d in enumerate(differences):
        both += [
            {"variant": "a", "seed": seed, "miou": base[seed]},
            {"variant": "b", "seed": seed, "miou": base[seed] + d},
        ]
    return both


@pytest.mark.parametrize(
    "differences, verdict",
    [
        ((0.02, 0.03, 0.02, 0.03, 0.025), "better"),
        ((-0.02, -0.03, -0.02, -0.03, -0.025), "worse"),
        ((0.02, -0.03, 0.02, -0.03, 0.025), "cannot be told"),
        ((0.02, 0.03, 0.02, 0.03), "cannot be told"),  # four seeds are too few
    ],
)
def test_verdicts_follow_from_paired_differences(differences, verdict):
    (found,) = compare(lines_of(differences), "miou", "a")
    assert (found.variant, found.reference, found.seeds) == ("b", "a", len(differences))
    assert found.difference == pytest.approx(sum(differences) / len(differences))
    assert found.verdict == verdict


def test_seeds_without_a_partner_do_not_count():
    lines = lines_of((0.1, 0.1, 0.1, 0.1, 0.1, 0.1))
    lines = [line for line in lines if (line["variant"], line["seed"]) != ("a", 5)]
    (found,) = compare(lines, "miou", "a")
    assert found.seeds == 5 and found.difference == pytest.approx(0.1)
    alone = [line for line in lines if line["variant"] == "b"]
    assert compare(alone, "miou", "a") == []


def test_an_interval_that_touches_zero_tells_nothing():
    edge = Comparison("b", "a", "miou", difference=0.1, low=0.0, high=0.2, seeds=5)
    assert edge.verdict == "cannot be told"
    assert in_points(Comparison("b", "a", "miou", 0.012, 0.004, 0.02, 5)) == (
        "+1.2 (+0.4 to +2.0), better"
    )


def test_the_table_has_a_row_for_each_variant(tmp_path):
    lines = run_all(Toy().experiment, seeds=5, profile="smoke", ledger=tmp_path / "runs.jsonl")
    table = markdown(lines, {"miou": "mean IoU"}, "b")
    rows = table.splitlines()
    assert rows[0] == "| variant | mean IoU | difference |"
    assert rows[2] == "| b | 52.0 | reference |"
    assert rows[3].startswith("| a | 42.0 | -10.0 (")
    assert "mean of 5 seeds" in table and "toy data" in table and "10 runs" in table
