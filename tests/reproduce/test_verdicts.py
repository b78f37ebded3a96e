"""Claims of the papers, judged by ledgers with known numbers."""

import json
from dataclasses import asdict, replace

import pytest

from segtutor.reproduce import measured
from segtutor.reproduce.expand import essence, expand, trained_as
from segtutor.reproduce.measured import MINI, mini_records, score, spread
from segtutor.reproduce.verdicts import CLAIMS, cell_at, judge, verdicts, word_for


def write(path, table, scores, **more):
    """A ledger: {training: mIoU by seed}."""
    lines = []
    for job in expand(table, profile="mini", seeds=8).jobs:
        values = scores.get(job.recipe, [])
        if job.seed < len(values):
            config = asdict(job.run)
            line = {"schema": 2, "run": job.recipe, "seed": job.seed, "data": job.run.data}
            lines.append({**line, "config": config, "miou": values[job.seed], **more})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


PUP, NAIVE = "cityscapes-setr-pup-large-80k", "cityscapes-setr-naive-large-80k"
GROWING = [0.30, 0.31, 0.32, 0.33, 0.34]


def first_claim(path):
    (claim,) = [c for c in CLAIMS if c.question == "Does PUP do better than Naive?"]
    return judge(claim, path)


@pytest.mark.parametrize(
    ("gains", "word"),
    [
        ([0.02, 0.03, 0.02, 0.03, 0.02], "holds"),
        ([-0.02, -0.03, -0.02, -0.03, -0.02], "reversed"),
        ([0.02, -0.03, 0.02, -0.03, 0.02], "cannot be told at this scale"),
        ([0.02, 0.03, 0.02, 0.03], "cannot be told at this scale"),  # too few seeds
        ([], "not measured"),
    ],
)
def test_words_need_five_seeds_and_an_interval_without_zero(tmp_path, gains, word):
    naive = GROWING[: len(gains)]
    pup = [a + b for a, b in zip(naive, gains, strict=True)]
    path = write(tmp_path / "l.jsonl", "setr-table-1a", {PUP: pup, NAIVE: naive})
    found = first_claim(path)
    assert (found.word, found.seeds, found.table) == (word, len(gains), "setr-table-1a")
    assert word_for(gains) == word and found.printed == "79.34 and 77.90"
    if gains:
        assert found.difference == pytest.approx(100 * sum(gains) / len(gains))
        assert found.low < found.difference < found.high
    else:
        assert found.difference is found.low is None


def test_only_seeds_that_both_have_are_paired(tmp_path):
    scores = {PUP: [0.4] * 7, NAIVE: [0.3, 0.31, 0.3, 0.31, 0.3]}
    found = first_claim(write(tmp_path / "l.jsonl", "setr-table-1a", scores))
    assert found.seeds == 5 and found.word == "holds"


def test_a_record_of_other_settings_does_not_count(tmp_path):
    path = write(tmp_path / "l.jsonl", "setr-table-1a", {PUP: GROWING, NAIVE: GROWING})
    text = path.read_text().replace('"batch": 4', '"batch": 5')
    path.write_text(text)
    assert mini_records("setr-table-1a", path)[PUP] == []
    assert first_claim(path).word == "not measured"


def test_trainings_that_are_the_same_share_records(tmp_path):
    path = write(tmp_path / "l.jsonl", "setr-table-1a", {PUP: GROWING})
    shared = mini_records("setr-table-1d", path)["cityscapes-setr-pup-small-80k"]
    assert [r["miou"] for r in shared] == GROWING
    assert spread(shared)[0] == pytest.approx(0.32) and spread([]) is None


def test_scores_by_size_and_at_several_scales(tmp_path):
    sizes = {"small": 0.1, "medium": 0.2, "large": 0.3}
    name = "ade20k-segmenter-mask-base-deit-16"
    more = dict(by_size=sizes, multi={"miou": 0.6})
    path = write(tmp_path / "l.jsonl", "segmenter-table-4", {name: [0.5]}, **more)
    (record,) = mini_records("segmenter-table-4", path)[name]
    assert [score(record, m) for m in ("small", "large", "multi", "miou")] == [0.1, 0.3, 0.6, 0.5]
    assert score({"miou": 0.5}, "multi") is None


def test_every_claim_says_what_the_paper_prints():
    for claim in CLAIMS:
        better, worse = cell_at(claim.better), cell_at(claim.worse)
        assert better.value > worse.value, claim.question
        assert better.metric == worse.metric and better.data == worse.data, claim.question
        for place in claim.measured or (() if claim.experiment else (claim.better, claim.worse)):
            cell = cell_at(place)
            assert trained_as(cell) in mini_records(cell.table), (claim.question, place)
    with pytest.raises(ValueError, match="setr-table-1a has no cell X / 80k; there are SETR-Naive"):
        judge(replace(CLAIMS[0], better=("setr-table-1a", "X", "80k")))


def test_committed_records_have_today_s_settings():
    """Every line of the committed ledger is a miniature of some table, from a clean commit."""
    if not MINI.exists():
        pytest.skip("no miniature has been recorded yet")
    lines = [json.loads(line) for line in MINI.read_text().splitlines()]
    tables = {place[0] for c in CLAIMS for place in (c.better, c.worse, *(c.measured or ()))}
    known = {key for table in tables for key in measured._keys(table).values()}
    twice: dict[tuple, set[float]] = {}
    for line in lines:
        config = {**line["config"], "recipe": {**line["config"]["recipe"], "seed": 0}}
        assert essence(config) in known, (line["run"], line["seed"], line["time"])
        twice.setdefault((essence(config), line["seed"]), set()).add(line["miou"])
    assert all(len(found) == 1 for found in twice.values()), "made again, a run gave other numbers"
    assert len(twice) < len(lines), "at least one training was made again, under another name"
    assert not any(line["dirty"] for line in lines)
    assert all(v.seeds >= 5 or v.word == "not measured" for v in verdicts())
