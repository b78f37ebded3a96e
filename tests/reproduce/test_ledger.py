import contextlib
import json
import multiprocessing
import os
import signal
import time

import pytest

from segtutor.reproduce import append, appending, read, write_results
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


def test_a_torn_end_is_set_aside_and_the_rest_is_read(tmp_path):
    path = tmp_path / "runs.jsonl"
    append(path, {"a": 1})
    append(path, {"a": 2})
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.warns(
        RuntimeWarning, match=r"runs.jsonl, line 2 was cut in half .*runs.jsonl.torn"
    ):
        assert [r["a"] for r in read(path)] == [1]
    assert path.read_bytes() == whole.splitlines(keepends=True)[0]
    (torn,) = (json.loads(t) for t in (tmp_path / "runs.jsonl.torn").read_text().splitlines())
    assert (torn["ledger"], torn["line"]) == ("runs.jsonl", 2) and torn["found"]
    assert torn["text"].encode() == whole.splitlines(keepends=True)[1][:-20]
    assert [r["a"] for r in read(path)] == [1]  # and no second warning
    assert read(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("cut", range(1, 30))
def test_writing_behind_a_torn_end(tmp_path, cut):
    """Wherever the crash came: what was whole stays, what comes stands on its own line."""
    path = tmp_path / "runs.jsonl"
    lines = [json.dumps({"schema": SCHEMA, "a": "häß"}) + "\n" for a in range(2)]
    whole = "".join(lines).encode()
    path.write_bytes(whole[:-cut])
    lost = cut > 1  # without its newline alone a line is still whole
    with pytest.warns(RuntimeWarning, match="line 2") if lost else contextlib.nullcontext():
        append(path, {"a": 3})
    assert [r["a"] for r in read(path)] == ["häß", 3] if lost else ["häß", "häß", 3]
    assert (tmp_path / "runs.jsonl.torn").exists() == lost


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"a": 1}\n{"a": 2, "ma\n{"a": 3}\n')
    with pytest.raises(
        ValueError, match=r"runs.jsonl, line 2 is not a whole JSON record.*--repair"
    ):
        read(path)
    path.write_text("[1]\n")
    with pytest.raises(ValueError, match="line 1 is list, expected a record"):
        read(path)


def test_a_newer_schema_is_refused_an_older_one_read(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"schema": 1, "a": 1}\n{"a": 2}\n')
    assert [r["a"] for r in read(path)] == [1, 2]
    path.write_text(f'{{"schema": {SCHEMA + 1}, "versions": {{"segtutor": "9.1"}}}}\n')
    message = (
        rf"line 1 was written with schema {SCHEMA + 1}, this segtutor reads up to {SCHEMA}.*9.1"
    )
    with pytest.raises(ValueError, match=message):
        read(path)
    path.write_text('{"schema": "two"}\n')
    with pytest.raises(ValueError, match="schema 'two', expected a whole number"):
        read(path)


def test_a_reader_without_permission_leaves_the_torn_end_out(tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"a": 1}\n{"a"')
    monkeypatch.setattr(appending, "_mend", lambda *_: (_ for _ in ()).throw(PermissionError()))
    with pytest.warns(RuntimeWarning, match="line 2 was cut in half and is left out"):
        assert read(path) == [{"a": 1}]
    assert path.read_text() == '{"a": 1}\n{"a"' and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    append(path, {"a": 1})
    before, write = path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:9]))
    with pytest.raises(OSError, match="only 9 of .* bytes of a line fit"):
        append(path, {"a": 2})
    assert path.read_bytes() == before


def _write(path, who, lines, locks):
    os.fsync = lambda file: None  # in this process alone: the disk is not what is tested
    if not locks:
        appending.fcntl = None
    for i in range(lines):
        append(path, {"who": who, "i": i, "padding": "x" * (who * 37 % 5000)})


@pytest.mark.parametrize("locks", [True, False], ids=["flock", "lock file"])
def test_twenty_writers_side_by_side_lose_nothing(tmp_path, locks):
    path, many, lines = tmp_path / "runs.jsonl", 20, 100 if locks else 10
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, w, lines, locks)) for w in range(many)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert all(writer.exitcode == 0 for writer in writers)
    assert path.read_bytes().count(b"\n") == many * lines
    assert sorted((r["who"], r["i"]) for r in read(path)) == [
        (w, i) for w in range(many) for i in range(lines)
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["runs.jsonl"]  # no .torn, no .lock


def test_a_writer_killed_in_the_middle_harms_only_its_own_line(tmp_path):
    """Half a line, and the lock still held, when the process dies."""
    path = tmp_path / "runs.jsonl"
    append(path, {"a": 1})

    def die():
        with appending.opened(path, os.O_RDWR | os.O_APPEND) as file:
            os.write(file, b'{"schema": 2, "a": 2, "miou": 0.4')
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with pytest.warns(RuntimeWarning, match="line 2 was cut in half"):
        append(path, {"a": 3})
    assert [r["a"] for r in read(path)] == [1, 3]


def test_an_old_lock_file_is_taken_away(tmp_path, monkeypatch):
    path, lock = tmp_path / "runs.jsonl", tmp_path / "runs.jsonl.lock"
    monkeypatch.setattr(appending, "fcntl", None)
    lock.write_text("")
    os.utime(lock, (0, 0))
    append(path, {"a": 1})
    assert len(read(path)) == 1 and [p.name for p in tmp_path.iterdir()] == ["runs.jsonl"]


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
