"""Every notebook runs in the smoke profile; the smoke book is made from these same runs."""

import pytest

from segtutor.reproduce.notebooks import find_notebooks, run_all

NAMES = [path.stem for path in find_notebooks()]


@pytest.mark.notebooks
@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_in_smoke(name):
    (outcome,) = run_all(find_notebooks(only=[name]), profile="smoke")
    assert outcome.state in ("ran", "cached"), outcome.error
    results = outcome.results
    assert results["profile"] == "smoke" and results["notebook"] == name and results["numbers"]
