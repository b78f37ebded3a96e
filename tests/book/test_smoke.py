"""Every notebook runs in the smoke profile; the smoke book is made from these same runs."""

import os

import pytest

from segtutor.reproduce.notebooks import find_notebooks, run_all

NAMES = [path.stem for path in find_notebooks()]


@pytest.fixture(scope="module")
def outcomes(request):
    """Those notebooks that are asked for, as many at a time as there are cores: half of each one's
    time goes into starting.
    """
    wanted = [i.callspec.params["name"] for i in request.session.items if i.path == request.path]
    ran = run_all(find_notebooks(only=wanted), profile="smoke", jobs=min(4, os.cpu_count() or 1))
    return {outcome.name: outcome for outcome in ran}


@pytest.mark.notebooks
@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs_in_smoke(name, outcomes):
    outcome = outcomes[name]
    assert outcome.state in ("ran", "cached"), outcome.error
    results = outcome.results
    assert results["profile"] == "smoke" and results["notebook"] == name and results["numbers"]
