"""Run the book's notebooks, keep what ran, and say what became of each.

Every notebook is executed by papermill in its profile. A run is kept under `.cache/notebooks/` by
a hash of everything that can change its numbers: the notebook, the library, profile, seed,
versions, the data that is found. A notebook whose hash is known is not run again (FORCE=1 runs
all). One that fails or hangs is reported and the others still run.

    segtutor reproduce notebooks --profile smoke
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segtutor import locations
from segtutor.reproduce.ledger import versions
from segtutor.reproduce.profiles import check_profile

ROOT = Path(__file__).resolve().parents[2]
# chapters; galleries of figures and of failures; full trainings; any training
KINDS = (
    "[0-9][0-9]_*.ipynb",
    "gallery.ipynb",
    "failures.ipynb",
    "train_*.ipynb",
    "reproduce/run.ipynb",
)
SECONDS = {
    "smoke": 300,
    "cpu": 1500,
    "gpu": 3600,
}  # longest one notebook may take before it counts as hanging


@dataclass
class Outcome:
    """What became of one notebook. state: "ran", "cached" or "failed". results: its results.json,
    if it wrote one.
    """

    name: str
    state: str
    seconds: float
    notebook: Path | None
    results: dict | None
    error: str = ""


def find_notebooks(folder: Path = ROOT / "notebooks", only: list[str] = ()) -> list[Path]:
    """The notebooks in the book's order: chapters, galleries, trainings. only: names or
    beginnings of names, e.g. ["02"] or ["train_ade20k"].
    """
    found = [path for kind in KINDS for path in sorted(folder.glob(kind))]
    chosen = [p for p in found if not only or any(p.stem.startswith(o) for o in only)]
    if not chosen:
        there = ", ".join(p.stem for p in found) or "none"
        raise FileNotFoundError(f"no notebook in {folder} matches {list(only)}; there are: {there}")
    return chosen


def run_all(
    notebooks: list[Path],
    *,
    profile: str,
    parameters: dict | None = None,
    cache: Path = ROOT / ".cache" / "notebooks",
    into: Path | None = None,
    timeout: int | None = None,
    force: bool = False,
    jobs: int = 1,
) -> list[Outcome]:
    """Run each notebook or take it from the cache. into: folder that gets a copy of each executed
    notebook. jobs: how many run at a time; they share the processor's cores among themselves, so
    that one notebook alone is slower.

    Raises ValueError for an unknown profile or a parameter that a notebook does not have, before
    anything runs.
    """
    check_profile(profile)
    given = {"profile": profile, **(parameters or {})}
    for notebook in notebooks:
        check_parameters(notebook, given)
    if into:
        into.mkdir(parents=True, exist_ok=True)

    def run(notebook: Path) -> Outcome:
        outcome = run_one(notebook, given, cache, timeout or SECONDS[profile], force)
        mark = {"ran": "ran", "cached": "from the cache", "failed": "FAILED"}[outcome.state]
        print(f"  {outcome.name:32s} {mark:15s} {outcome.seconds:6.1f} s", flush=True)
        if into and outcome.notebook and outcome.notebook.exists():
            copy_if_changed(outcome.notebook, into / notebook.name)
        return outcome

    with kernels_inherit(jobs), ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(run, notebooks))


@contextmanager
def kernels_inherit(jobs: int) -> Iterator[None]:
    """Environment variables for the notebooks' kernels: training prints lines instead of a bar, and
    several kernels do not fight for the cores, which makes each many times slower.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    wanted = {"SEGTUTOR_PAGE": "1"} | ({"OMP_NUM_THREADS": str(threads)} if jobs > 1 else {})
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def copy_if_changed(source: Path, target: Path) -> None:
    """An unchanged page keeps its time stamp, so that the book's builder does not read it again."""
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)


def run_one(notebook: Path, given: dict, cache: Path, timeout: int, force: bool) -> Outcome:
    """One notebook: from the cache if its fingerprint is known, else executed now."""
    began = time.perf_counter()
    key = fingerprint(notebook, given)
    folder = cache / f"{notebook.stem}-{given['profile']}-{key}"
    done, results = folder / notebook.name, folder / "results.json"
    if done.exists() and results.exists() and not force:
        return Outcome(
            notebook.stem,
            "cached",
            time.perf_counter() - began,
            done,
            json.loads(results.read_text()),
        )
    for old in cache.glob(f"{notebook.stem}-{given['profile']}-*"):  # what no page can use any more
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    part = folder / "running.ipynb"
    out_dir = os.path.relpath(folder, notebook.parent)  # as the notebook's own process sees it
    error = execute(notebook, part, {**given, "out_dir": out_dir}, timeout)
    if not error and not results.exists():
        error = "it ended without writing results.json: its last cell must call write_results"
    if part.exists():
        prepare_page(part)
    seconds = time.perf_counter() - began
    if error:  # keep what there is beside the cache, for looking at; never as a cached success
        failed = folder / f"failed-{notebook.name}"
        if part.exists():
            os.replace(part, failed)
        return Outcome(
            notebook.stem, "failed", seconds, failed if failed.exists() else None, None, error
        )
    os.replace(part, done)
    return Outcome(notebook.stem, "ran", seconds, done, json.loads(results.read_text()))


def execute(source: Path, target: Path, parameters: dict, timeout: int) -> str:
    """Papermill, in the notebook's own folder. Returns "" or what went wrong, in one line."""
    import papermill

    try:
        papermill.execute_notebook(
            str(source),
            str(target),
            parameters,
            # the kernel's folder; papermill's `cwd` would move this process, with all its threads
            resources={"metadata": {"path": str(source.parent)}},
            kernel_name="python3",
            engine_name=quiet_engine(),
            progress_bar=False,
            execution_timeout=timeout,
            start_timeout=120,
            shutdown_kernel="immediate",  # all is written by then; asking politely takes 2 s
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # not a line on TCP per page
        )
    except Exception as error:  # papermill, nbclient and the kernel raise many kinds
        last = [line for line in str(error).strip().splitlines() if line.strip()]
        return f"{type(error).__name__}: {last[-1] if last else ''}"[:500]
    return ""


def quiet_engine() -> str:
    """Register and name an engine that writes the notebook once, at the end (also after a failure).
    Papermill's own writes it before and after each cell: with figures inside, seconds a notebook.
    """
    from papermill.engines import NBClientEngine, papermill_engines

    class WriteOnce(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, **options):
            path, nb_man.output_path = nb_man.output_path, None
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **options)
            finally:
                nb_man.output_path = path

    papermill_engines.register("write-once", WriteOnce)
    return "write-once"


def check_parameters(notebook: Path, given: dict) -> None:
    """Papermill only warns about a parameter that does not exist; we refuse it."""
    import papermill

    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"{notebook.name} has no parameter {', '.join(unknown)}; "
            f"it has: {', '.join(sorted(known))}"
        )


def prepare_page(path: Path) -> None:
    """Make an executed notebook fit for print: hide what papermill injected, carry alternative
    texts over, drop the state of live widgets (a page has no kernel)."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    for key in ("widgets", "papermill"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        tags = cell.metadata.setdefault("tags", [])
        if "injected-parameters" in tags and "remove-cell" not in tags:
            tags.append("remove-cell")
        for output in cell.get("outputs", []):
            kinds = output.get("metadata", {})
            alts = [
                kinds[k]["alt"] for k in ("image/png", "image/jpeg") if "alt" in kinds.get(k, {})
            ]
            if alts:
                cell.metadata["mystnb"] = {"image": {"alt": alts[0]}}
    nbformat.write(notebook, path)


def fingerprint(notebook: Path, given: dict) -> str:
    """Twelve hexadecimal digits of everything that can change what the notebook shows."""
    digest = hashlib.sha256(notebook.read_bytes())
    for path in sorted((ROOT / "segtutor").rglob("*")):
        if path.suffix in (".py", ".json", ".js", ".css", ".html"):
            digest.update(path.read_bytes())
    for path in sorted((ROOT / "results").glob("*.jsonl")):
        digest.update(path.read_bytes())
    digest.update(
        json.dumps([given, versions(), data_fingerprint(given.get("data_root"))]).encode()
    )
    return digest.hexdigest()[:12]


def data_fingerprint(data_root: str | None = None) -> str:
    """Names and sizes of all files under the data roots that exist, hashed; "none" when there are
    none.
    """
    digest, found = hashlib.sha256(), False
    for root in locations.data_roots(data_root):
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            if path.is_file():
                found = True
                digest.update(f"{path.relative_to(root)} {path.stat().st_size}".encode())
    return digest.hexdigest()[:12] if found else "none"


def table(outcomes: list[Outcome]) -> str:
    """What happened, for a terminal."""
    failed = [o for o in outcomes if o.state == "failed"]
    lines = [f"{len(outcomes) - len(failed)} of {len(outcomes)} notebooks are ready"]
    for outcome in failed:
        lines.append(f"  {outcome.name}: {outcome.error}")
        if outcome.notebook:
            lines.append(f"    what ran of it: {outcome.notebook}")
    return "\n".join(lines)
