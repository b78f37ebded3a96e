"""The trainings of a table, one by one or side by side: papermill runs one notebook for each.

Taught in   : chapter 16, Ablations, baselines and tables
Source      : ours

    jobs = expand("segmenter-table-5", profile="mini", seeds=5, out="runs").jobs
    outcomes = run_jobs(jobs, ledger="runs/ledger.jsonl", profile="mini")

What the ledger has already is not run again, whatever its name: a training counts as made when all
that decides its numbers is the same (`expand.essence`). A training that was interrupted goes on
from its last checkpoint. One that fails is reported at the end, and the others are run. Each leaves
its executed notebook in its folder, as evidence, and a line in the ledger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from segtutor.data.readers import reader
from segtutor.reproduce.appending import try_lock
from segtutor.reproduce.expand import Job, essence
from segtutor.reproduce.ledger import read
from segtutor.reproduce.notebooks import ROOT, check_parameters, execute, kernels_inherit

NOTEBOOK = ROOT / "notebooks" / "reproduce" / "run.ipynb"
PROFILES = {"mini": "cpu", "gpu": "gpu"}  # of a table -> of the notebook
SECONDS = {"mini": 1800, "gpu": None}  # longest one cell may take before it counts as hanging
PIECES = 4  # a training leaves so many checkpoints on its way


class Outcome(NamedTuple):
    """state: "made before", "ran", "failed", "busy" (another process is at it) or "stopped".
    record: its line of the ledger, None where there is none. notebook: the executed one.
    """

    job: Job
    state: str
    seconds: float
    record: dict | None
    notebook: Path | None
    error: str = ""


def made_before(jobs: Sequence[Job], ledger: str | Path) -> dict[int, dict]:
    """{place in jobs: its record}; of several records the newest. A score at several scales counts
    only where it was asked for.
    """
    records = {}
    for record in read(ledger):
        if "config" in record and "evaluation" not in record:
            key = essence(record["config"])
            if "multi" in record or key not in records:
                records[key] = record
    found = {i: records.get(essence(job.run)) for i, job in enumerate(jobs)}
    return {i: r for i, r in found.items() if r and ("multi" in r or not jobs[i].several_scales)}


def run_jobs(
    jobs: Sequence[Job],
    *,
    ledger: str | Path,
    profile: str,
    data_root: str | Path | None = None,
    side_by_side: int = 1,
    gpus: int = 1,
    cards: Sequence[str] = (),
    again: bool = False,
    tell: Callable[[str], None] = print,
) -> list[Outcome]:
    """Run what the ledger does not have yet. Returns an outcome for each job, in their order.

    side_by_side: trainings at a time; each gets `gpus` of the cards (numbers or ids, as
    CUDA_VISIBLE_DEVICES has them), or its share of the processor's cores where there are none.
    again: run also what is recorded. tell: gets a line when a training begins or ends.

    Raises FileNotFoundError where the notebook is missing; ValueError for fewer cards than asked,
    and for a notebook that has lost one of its parameters.
    """
    if not NOTEBOOK.is_file():
        raise FileNotFoundError(
            f"{NOTEBOOK} is missing: it belongs to the repository, not to the installed package. "
            "Clone the repository and install from there, or print the commands with --dry-run"
        )
    for job in jobs[:1]:
        check_parameters(NOTEBOOK, _parameters(job, ledger, profile, data_root, "", gpus, True))
    groups = [",".join(cards[i : i + gpus]) for i in range(0, len(cards), gpus)]
    groups = [group for group in groups if group.count(",") + 1 == gpus] or [""]
    if cards and groups == [""]:
        raise ValueError(f"{len(cards)} GPUs are here, each training wants {gpus}")
    if not cards:
        groups *= side_by_side
    slots: Queue[str] = Queue()
    for group in groups[:side_by_side]:
        slots.put(group)
    before = {} if again else made_before(jobs, ledger)
    missing = {data: why for data in _data_of(jobs) if (why := _missing(data, data_root))}
    left = [i for i in range(len(jobs)) if i not in before and jobs[i].run.data not in missing]
    weights = {i: _cost(jobs[i]) for i in left}
    outcomes = {i: Outcome(jobs[i], "made before", 0.0, r, None) for i, r in before.items()}
    for i, job in enumerate(jobs):
        if i not in before and job.run.data in missing:
            outcomes[i] = Outcome(job, "failed", 0.0, None, None, missing[job.run.data])
    if before:
        tell(f"{len(before)} of {len(jobs)} trainings stand in {ledger} already")
    first_of_data = {jobs[i].run.data: i for i in reversed(left)}
    began = time.perf_counter()

    def run(i: int) -> Outcome:
        slot = slots.get()
        try:
            tell(f"  begins: {_name(jobs[i])}")
            check = first_of_data[jobs[i].run.data] == i
            return _run_one(jobs[i], ledger, profile, data_root, slot, gpus, check)
        finally:
            slots.put(slot)

    threads = len(groups[:side_by_side])
    with kernels_inherit(threads), ThreadPoolExecutor(threads) as pool:
        waiting = {pool.submit(run, i): i for i in left}
        try:
            for count, future in enumerate(as_completed(waiting), start=1):
                i = waiting[future]
                outcomes[i] = future.result()
                done = sum(weights[k] for k in left if k in outcomes)
                spent = time.perf_counter() - began
                rest = spent * (sum(weights.values()) - done) / max(done, 1e-12)
                tell(f"{count} of {len(left)}: {_told(outcomes[i])}" + _about(rest, count, left))
        except KeyboardInterrupt:
            tell("stopped; the same command goes on from the last checkpoints")
            os._exit(130)  # kernels notice that their parent is gone, and end
    return [outcomes[i] for i in range(len(jobs))]


def _run_one(job, ledger, profile, data_root, slot, gpus, check) -> Outcome:
    """One training by papermill; its line is looked up in the ledger afterwards."""
    began = time.perf_counter()
    folder = Path(job.out).resolve()
    parameters = _parameters(job, ledger, profile, data_root, slot, gpus, check)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "a") as file:
            if not try_lock(file):
                return Outcome(job, "busy", 0.0, None, None, "another process is at it")
            done, failed = folder / "run.ipynb", folder / "failed.ipynb"
            error = execute(NOTEBOOK, failed, parameters, SECONDS[profile])
            if not error:
                os.replace(failed, done)
    except OSError as problem:
        return Outcome(job, "failed", time.perf_counter() - began, None, None, str(problem))
    seconds = time.perf_counter() - began
    record = made_before([job], ledger).get(0)
    if error or record is None:
        error = error or f"it ended without a line in {ledger}"
        return Outcome(job, "failed", seconds, None, failed if failed.exists() else None, error)
    return Outcome(job, "ran", seconds, record, done)


def _parameters(job, ledger, profile, data_root, slot, gpus, check) -> dict:
    """What the notebook is told."""
    return {
        "profile": PROFILES[profile],
        "recipe": job.recipe,
        "changes": dict(job.changes),
        "seed": job.seed,
        "data_root": None if data_root is None else str(Path(data_root).resolve()),
        "rows": list(job.rows),
        "several_scales": job.several_scales,
        "check_data": check,
        "processes": gpus,
        "cards": slot,
        "save_every": max(1, job.run.recipe.steps // PIECES if profile == "mini" else 1000),
        "ledger": str(Path(ledger).resolve()),
        "out_dir": str(Path(job.out).resolve()),
    }


def summary(outcomes: Sequence[Outcome]) -> str:
    """What became of all, for a terminal."""
    ready = [o for o in outcomes if o.record]
    lines = [f"{len(ready)} of {len(outcomes)} trainings are in the ledger"]
    for outcome in outcomes:
        if not outcome.record:
            lines.append(f"  {_name(outcome.job)}: {outcome.state}: {outcome.error}")
            if outcome.notebook:
                lines.append(f"    what ran of it: {outcome.notebook}")
    if len(ready) < len(outcomes):
        lines.append("  the same command runs what is missing")
    return "\n".join(lines)


def visible_cards() -> tuple[str, ...]:
    """GPUs that trainings may be spread over, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(part.strip() for part in named.split(",") if part.strip())
    return tuple(map(str, range(torch.cuda.device_count())))


def _name(job: Job) -> str:
    return f"{job.recipe}, seed {job.seed}"


def _told(outcome: Outcome) -> str:
    record, name = outcome.record, _name(outcome.job)
    if record is None:
        return f"{name}: {outcome.state}: {outcome.error}"
    multi = record.get("multi")
    several = f", {100 * multi['miou']:.1f} at several scales" if multi else ""
    return f"{name}: mIoU {100 * record['miou']:.1f} %{several}, {outcome.seconds:.0f} s"


def _about(rest: float, count: int, left: Sequence[int]) -> str:
    if count == len(left):
        return ""
    return f"; about {rest / 60:.0f} min left" if rest > 90 else f"; about {rest:.0f} s left"


def _data_of(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(job.run.data for job in jobs))


def _missing(data: str, data_root) -> str:
    """Why the data set cannot be read, "" if it can."""
    try:
        reader(data)("train", data_root)
    except OSError as error:
        return f"{error}. `segtutor data prepare {data}` fetches it, or says how to get it"
    return ""


def _cost(job: Job) -> float:
    """How long a training takes, in some unit: its floating-point operations and what each needs
    besides.
    """
    from segtutor.training.planner import training_flops

    recipe = job.run.recipe
    return training_flops(job.run) * recipe.batch * recipe.steps + 3e11
