"""The runner, on notebooks of three cells each."""

import json
import os
from pathlib import Path

import pytest

from segtutor.cli import main
from segtutor.reproduce import choose
from segtutor.reproduce.notebooks import (
    find_notebooks,
    kernels_inherit,
    prepare_page,
    run_all,
    table,
)
from segtutor.reproduce.status import status_page

PARAMETERS = 'profile = "cpu"\nseed = 0\ndata_root = None\nout_dir = "runs/x"'
RESULTS = """import json, pathlib
pathlib.Path(out_dir).mkdir(parents=True, exist_ok=True)
pathlib.Path(out_dir, "results.json").write_text(json.dumps(dict(
    seconds=1.0, peak_memory_mib=5, seed=seed, profile=profile,
    numbers={"a|b": 0.123456, "text": "x"},
    machine="m", device="cpu", commit=None, dirty=None, versions={"torch": "1"})))"""


def make(folder: Path, name: str, *cells: str) -> Path:
    import nbformat

    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    first = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    notebook.cells = [first, *(nbformat.v4.new_code_cell(cell) for cell in cells)]
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / name)
    return folder / name


@pytest.mark.notebooks
def test_good_failing_hanging_and_dying_notebooks(tmp_path, capsys):
    folder = tmp_path / "nb"
    make(folder, "00_good.ipynb", "print('SEED', seed)", RESULTS)
    make(folder, "01_bad.ipynb", "print('before')", "1 / 0")
    make(folder, "02_hangs.ipynb", "import time; time.sleep(600)")
    make(folder, "03_dies.ipynb", "import os; os._exit(7)")
    make(folder, "04_forgets.ipynb", "print('no results written')")
    options = dict(
        profile="smoke",
        parameters={"seed": 5},
        cache=tmp_path / "cache",
        into=tmp_path / "book",
        timeout=8,
    )
    outcomes = run_all(find_notebooks(folder), jobs=2, **options)
    assert [o.state for o in outcomes] == ["ran", "failed", "failed", "failed", "failed"]
    assert "ZeroDivisionError" in outcomes[1].error
    assert "Timeout" in outcomes[2].error
    assert "Dead" in outcomes[3].error or "died" in outcomes[3].error
    assert "without writing results.json" in outcomes[4].error
    text = table(outcomes)
    assert "1 of 5 notebooks are ready" in text and "01_bad: " in text
    assert "SEED 5" in (tmp_path / "book" / "00_good.ipynb").read_text()
    assert "before" in (tmp_path / "book" / "01_bad.ipynb").read_text()  # what ran can be looked at

    page = status_page(outcomes, "smoke")
    assert "| [00_good](notebooks/00_good.ipynb) | ran |" in page and "**failed**" in page
    assert "a\\|b | 0.1235" in page  # a name cannot break the table

    again = run_all(find_notebooks(folder, ["00"]), **options)
    assert again[0].state == "cached" and again[0].results["numbers"]["text"] == "x"
    assert again[0].seconds < 3
    other_seed = run_all(find_notebooks(folder, ["00"]), **{**options, "parameters": {"seed": 6}})
    assert other_seed[0].state == "ran"


def test_what_does_not_exist_is_refused_before_anything_runs(tmp_path, monkeypatch):
    folder = tmp_path / "nb"
    path = make(folder, "00_good.ipynb", "1 / 0")
    with pytest.raises(ValueError, match="00_good.ipynb has no parameter sede; it has: data_root"):
        run_all([path], profile="smoke", parameters={"sede": 1}, cache=tmp_path)
    with pytest.raises(ValueError, match="unknown profile 'tiny'; there are smoke, cpu, gpu"):
        run_all([path], profile="tiny", cache=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"matches \['99'\]; there are: 00_good"):
        find_notebooks(folder, ["99"])


def test_a_page_forgets_the_machine_and_keeps_alternative_texts(tmp_path, nbformat):
    path = make(tmp_path / "nb", "00_x.ipynb", "show()")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["papermill"] = {"input_path": "/somewhere/x.ipynb"}
    notebook.metadata["widgets"] = {"state": {}}
    notebook.cells[1].outputs = [
        nbformat.v4.new_output(
            "display_data", {"image/png": "AA"}, metadata={"image/png": {"alt": "A cat."}}
        )
    ]
    notebook.cells[0].metadata["tags"] = ["injected-parameters"]
    nbformat.write(notebook, path)
    prepare_page(path)
    page = json.loads(path.read_text())
    assert "papermill" not in page["metadata"] and "widgets" not in page["metadata"]
    assert page["cells"][0]["metadata"]["tags"] == ["injected-parameters", "remove-cell"]
    assert page["cells"][1]["metadata"]["mystnb"] == {"image": {"alt": "A cat."}}


def test_profiles_hold_the_same_settings():
    sizes = dict(smoke=dict(steps=1), cpu=dict(steps=9), gpu=dict(steps=99))
    assert [choose(p, **sizes).steps for p in ("smoke", "cpu", "gpu")] == [1, 9, 99]
    assert choose("gpu", smoke=dict(steps=1), cpu=dict(steps=9)).steps == 9
    with pytest.raises(ValueError, match=r"different settings: \['batch'\]"):
        choose("cpu", smoke=dict(steps=1), cpu=dict(steps=9, batch=2))
    with pytest.raises(ValueError, match="unknown profile 'fast'"):
        choose("fast", **sizes)


def test_mistakes_on_the_command_line_are_one_sentence(capsys):
    assert main(["reproduce", "notebooks", "--profile", "tiny"]) == 2
    assert (
        capsys.readouterr().err == "segtutor: unknown profile 'tiny'; there are smoke, cpu, gpu\n"
    )
    assert main(["reproduce", "notebooks", "00", "--profile", "smoke", "-p", "sede", "1"]) == 2
    assert "has no parameter sede" in capsys.readouterr().err


def test_doctor_tells_what_is_here(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGTUTOR_DATA", str(tmp_path))
    monkeypatch.setenv("SEGTUTOR_CACHE", str(tmp_path / "cache"))
    assert main(["doctor"]) == 0
    page = capsys.readouterr().out
    for word in ("torch", "threads", "precision 'auto' means", "CamVid: not found", "smoke", "gpu"):
        assert word in page
    assert main(["doctor", "--data-root", str(tmp_path / "missing")]) == 0


def test_kernels_that_run_together_share_the_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("SEGTUTOR_PAGE", raising=False)
    with kernels_inherit(3):
        assert os.environ["OMP_NUM_THREADS"] == "2" and os.environ["SEGTUTOR_PAGE"] == "1"
    with kernels_inherit(1):
        assert os.environ["OMP_NUM_THREADS"] == "7"
    assert os.environ["OMP_NUM_THREADS"] == "7" and "SEGTUTOR_PAGE" not in os.environ


@pytest.mark.notebooks
def test_side_by_side_each_works_in_its_own_folder(tmp_path, monkeypatch):
    """Relative paths hold, whichever notebook ends first."""
    monkeypatch.chdir(tmp_path)
    where = "import os; print('IN', os.path.basename(os.getcwd()))"
    make(tmp_path / "a", "00_slow.ipynb", "import time; time.sleep(6)", where, RESULTS)
    make(tmp_path / "b", "01_quick.ipynb", where, RESULTS)
    notebooks = [tmp_path / "a" / "00_slow.ipynb", tmp_path / "b" / "01_quick.ipynb"]
    options = dict(profile="smoke", cache=tmp_path / "cache", into=Path("pages"), timeout=60)
    outcomes = run_all(notebooks, jobs=2, **options)
    assert [o.state for o in outcomes] == ["ran", "ran"], [o.error for o in outcomes]
    assert Path.cwd() == tmp_path
    for name, folder in (("00_slow", "a"), ("01_quick", "b")):
        assert f"IN {folder}" in (tmp_path / "pages" / f"{name}.ipynb").read_text()
