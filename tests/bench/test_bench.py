"""The whole bench on a model that runs in a moment: what stands in its record, and on its page."""

import json

import pytest
import torch

from segtutor.bench import (
    bench,
    count_flops,
    largest_batch,
    markdown,
    matrix_rate,
    meter,
    peak_mib,
    table,
)
from segtutor.cli import main
from segtutor.config import ModelConfig
from segtutor.models import build
from segtutor.reproduce.ledger import read
from segtutor.weights import save_model

CPU = torch.device("cpu")
TINY = ModelConfig("segmenter", "mask", 12, (64, 2, 2), image=(64, 64), decoder_heads=2)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """Two benches by command line, into one ledger: of a file, and of the largest batch."""
    folder = tmp_path_factory.mktemp("bench")
    file = save_model(build(TINY), folder / "tiny.safetensors")
    common = ["bench", str(file), "--size", "64", "--rounds", "2", "--data-root", str(folder)]
    out = ["--out", str(folder / "out"), "--ledger", str(folder / "bench.jsonl")]
    with pytest.MonkeyPatch.context() as patch:  # no CamVid, wherever this runs
        patch.delenv("SEGTUTOR_DATA", raising=False)
        patch.setenv("SEGTUTOR_CACHE", str(folder))
        assert main([*common, "--batch", "2", "--photographs", "1", *out]) == 0
        assert main([*common, "--batch", "max", "--what", "predict", *out[2:]]) == 0
    return folder


def test_the_record_holds_every_field(ledger):
    first, second = read(ledger / "bench.jsonl")
    settings = {"model", "size", "batch", "classes", "precision", "threads", "rounds", "pictures"}
    settings |= {"matrix_gflops_s", "results", "largest_batch", "accuracy"}
    assert settings <= first.keys() and {"versions", "machine", "commit", "device"} <= first.keys()
    assert [r["task"] for r in first["results"]] == ["predict", "train", "evaluate"]
    for r in first["results"]:
        for side in ("ours", "plain"):
            assert r[side].keys() == {"images_s", "seconds", "peak_mib", "share"}
            assert len(r[side]["seconds"]) == 2 and 0 < r[side]["share"] < 2
        assert r["faster"] == pytest.approx(r["ours"]["images_s"] / r["plain"]["images_s"])
        assert r["images"] == (1 if r["task"] == "evaluate" else 2)
    agreement = {r["task"]: r["agreement"] for r in first["results"]}
    assert agreement["predict"]["same_labels"] > 0.999
    assert agreement["train"]["gradient_difference"] < 1e-5
    assert first["accuracy"] is None
    assert second["largest_batch"]["train"].keys() == {"ours", "plain"}


def test_files_are_written(ledger):
    assert json.loads((ledger / "out" / "bench.json").read_text())["size"] == 64
    assert (ledger / "out" / "bench.png").stat().st_size > 1000


def test_table_and_page_show_what_was_recorded(ledger):
    records = read(ledger / "bench.jsonl")
    text, page = table(records[0]), markdown(records[:1])
    ratio = f"{records[0]['results'][0]['faster']:.2f}x"
    assert ratio in text and ratio in page and "mIoU: not compared" in text
    assert "largest batch, train" in table(records[1])
    assert page.count("\n| ") == 5  # head, rule, three tasks
    assert markdown([]) == "No bench has been recorded yet."


def test_unknown_names_are_refused(capsys):
    assert main(["bench", "segmenter-nano"]) == 2
    assert "no model or file named 'segmenter-nano'" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"unknown task \['fly'\]; there are predict, train"):
        bench(TINY, tasks=("fly",))


@pytest.mark.skipif(not meter.CLEAR.exists(), reason="only Linux tells the peak of a process")
def test_peak_memory_is_what_a_call_takes_and_not_what_was_there():
    held = torch.zeros(8, 2**20)  # 32 MiB
    found = peak_mib(lambda: (torch.zeros(40, 2**18) + 1).sum(), CPU)  # two of 40 MiB
    assert 75 < found < 100
    assert peak_mib(lambda: held.add_(1), CPU) < 10


def test_operations_are_counted():
    a = torch.empty(3, 5, device="meta")
    assert count_flops(lambda: a @ a.T) == 2 * 3 * 3 * 5
    assert matrix_rate(CPU, torch.float32, side=64) > 0


def test_largest_batch_follows_the_line(monkeypatch):
    monkeypatch.setattr(meter, "peak_mib", lambda run, device: run())
    monkeypatch.setattr(meter, "available_mib", lambda: 1000.0)
    assert largest_batch(lambda batch: 100 + 50 * batch, CPU) == 16  # 900 MiB = 100 + 50 * 16
    assert largest_batch(lambda batch: 2000 * batch, CPU) == 0
