import json
import multiprocessing
import time

import pytest

from segtutor.reproduce import append, read, write_results
from segtutor.reproduce.ledger import SCHEMA


def test_a_record_says_where_it_comes_from(tmp_path):
    path = tmp_path / "results" / "runs.jsonl"
    append(path, {"recipe": "a", "miou": 0.5})
    append(path, {"recipe": "b", "miou": 0.6})
    first, second = read(path)
    assert (first["recipe"], second["recipe"]) == ("a", "b") and first["schema"] == SCHEMA
    assert set(first["versions"]) >= {"python", "torch", "timm", "segtutor"}
    assert first["machine"].endswith("cores") and first["device"] and "commit" in first
    assert first["time"] <= second["time"]


def test_only_whole_json_goes_in(tmp_path):
    path = tmp_path / "runs.jsonl"
    append(path, {"a": 1})
    with pytest.raises(ValueError):
        append(path, {"a": float("nan")})  # JSON has no such number
    with pytest.raises(TypeError):
        append(path, {"a": object()})
    assert len(read(path)) == 1


def test_a_torn_line_is_named(tmp_path):
    path = tmp_path / "runs.jsonl"
    append(path, {"a": 1})
    with open(path, "a") as file:
        file.write('{"a": 2, "ma')
    with pytest.raises(ValueError, match=r"runs.jsonl, line 2 is not a whole JSON record"):
        read(path)
    assert read(tmp_path / "none.jsonl") == []


def _write(path, who):
    for i in range(10):
        append(path, {"who": who, "i": i})


def test_writers_side_by_side_lose_nothing(tmp_path):
    path = tmp_path / "runs.jsonl"
    writers = [
        multiprocessing.get_context("fork").Process(target=_write, args=(path, w)) for w in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted((r["who"], r["i"]) for r in read(path)) == [
        (w, i) for w in range(4) for i in range(10)
    ]


def test_results_of_a_notebook(tmp_path):
    began = time.perf_counter() - 3
    path = write_results(
        tmp_path / "out",
        notebook="02_x",
        profile="smoke",
        seed=1,
        numbers={"miou": 0.5},
        began=began,
    )
    record = json.loads(path.read_text())
    assert record["numbers"] == {"miou": 0.5} and record["seconds"] >= 3
    assert record["peak_memory_mib"] > 50 and record["profile"] == "smoke"
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot write in .*file"):
        write_results(tmp_path / "file" / "x", notebook="", profile="", seed=0, numbers={}, began=0)
