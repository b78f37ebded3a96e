"""A finished `segtutor train` folder as one line of the ledger: configuration, log and scores; an
evaluation of its model as another.

Taught in   : chapter 13 (what a run must leave behind to be believed)

    segtutor train RUN --out FOLDER --ledger results/camvid.jsonl
    segtutor evaluate FOLDER/model.safetensors DATA --multi-scale --ledger results/camvid.jsonl
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from segtutor.data.dataset import SegmentationData
from segtutor.reproduce import ledger
from segtutor.reproduce.ledger_tools import flat
from segtutor.training.published import RUNS, Run

LOG_LINES = 50  # about so many steps of the log go into the ledger; the folder keeps them all
SCORES = ("miou", "pixel_accuracy", "mean_accuracy", "interval", "images", "how")


def write_run(folder: str | Path, run: Run, weights: str) -> Path:
    """What was asked for, into FOLDER/run.json. weights: where the encoder's come from."""
    from segtutor import __version__

    path = Path(folder) / "run.json"
    text = json.dumps({**asdict(run), "weights": weights, "segtutor": __version__}, indent=1)
    part = path.with_name(path.name + ".part")
    part.write_text(text + "\n")
    os.replace(part, path)
    return path


def training_record(folder: str | Path) -> dict:
    """What a training folder holds, as one record. log: [step, loss, lr], thinned. Scores are
    fractions of 1.

    Raises FileNotFoundError for a folder whose training has not come to its end.
    """
    folder = Path(folder)
    missing = [n for n in ("run.json", "log.jsonl", "report.json") if not (folder / n).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder} holds no {', no '.join(missing)}: is the training finished? "
            "The same `segtutor train` command goes on with it"
        )
    run, report = (json.loads((folder / f"{n}.json").read_text()) for n in ("run", "report"))
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    every = max(1, len(rows) // LOG_LINES)
    return {
        "run": run["name"],
        "data": run["data"],
        "seed": run["recipe"]["seed"],
        "steps": len(rows),
        "minutes": total_seconds(rows) / 60,
        **scores_of(report),
        "iou": {c["name"]: c["iou"] for c in report["classes"]},
        "overrides": overrides_of(run),
        "log_sha256": hashlib.sha256((folder / "log.jsonl").read_bytes()).hexdigest(),
        "config": run,
        "log": [[r["step"], round(r["loss"], 4), round(r["lr"], 8)] for r in rows[::every]],
    }


def total_seconds(rows: list[dict]) -> float:
    """Training time of a log; the clock of a resumed run starts again at 0."""
    clock = [row["seconds"] for row in rows]
    ends = [now for now, later in zip(clock, clock[1:], strict=False) if later < now]
    return sum(ends) + clock[-1]


def scores_of(report: dict) -> dict:
    """What a ledger keeps of an evaluation's report; mIoU by size only where there are groups."""
    sizes = report.get("by_size")
    kept = {key: report[key] for key in SCORES}
    return kept | ({"by_size": {k: v["miou"] for k, v in sizes.items()}} if sizes else {})


def overrides_of(config: dict) -> dict:
    """In what a trained run differs from the one of its name today: {entry: its value}."""
    known = RUNS.get(config["name"])
    if known is None:
        return {}
    mine, today = flat(config), flat(json.loads(json.dumps(asdict(known))))
    counted = "recipe.class_weights"  # not chosen, see Run.balance
    return {k: mine[k] for k in today if k != counted and k in mine and mine[k] != today[k]}


def fingerprint(data: Sequence[SegmentationData]) -> str:
    """Twelve letters that change with the data sets: names, classes, ignored label, number and
    names of the samples, and the pixels and labels of the first.
    """
    digest = hashlib.sha256()
    for one in data:
        names = list(getattr(one, "names", ()))
        digest.update(repr((one.name, list(one.classes), one.ignore, len(one), names)).encode())
        if len(one):
            image, label = one[0][:2]
            digest.update(image.numpy().tobytes() + label.numpy().tobytes())
    return digest.hexdigest()[:12]


def record_training(
    folder: str | Path,
    path: str | Path,
    *,
    data: Sequence[SegmentationData] = (),
    more: dict | None = None,
) -> dict:
    """Append a training folder to the ledger at `path`; versions, machine, commit and peak memory
    are those of this process, which should be the one that trained. data: what it was trained and
    tested on, for their fingerprint. more: further entries, such as the score at several scales.
    Returns the record.
    """
    record = {**training_record(folder), **(more or {})}
    record["peak_memory_mib"] = round(ledger.peak_memory_mib())
    if data:
        record["data_fingerprint"] = fingerprint(data)
    return ledger.append(path, record)


def record_evaluation(report: dict, model: str | Path, path: str | Path, *, scale: str) -> dict:
    """Append an evaluation to the ledger at `path`: its scores, and which training the model came
    from, if run.json lies beside it. scale: "SS" or "MS". Returns the record.
    """
    beside = Path(model).parent / "run.json"
    run = json.loads(beside.read_text()) if beside.is_file() else None
    if run is None:
        known = {"model": Path(model).name}
    else:
        seed, changed = run["recipe"]["seed"], overrides_of(run)
        known = {"run": run["name"], "seed": seed, "overrides": changed}
    record = {
        "evaluation": "test",
        **known,
        "data": report["data"],
        "scale": scale,
        **scores_of(report),
    }
    return ledger.append(path, record)


def markdown(records: list[dict]) -> str:
    """Recorded trainings as a table, one row for each configuration, its seeds together: those
    whose settings a run of that name has today first, others as "earlier settings".
    """
    groups: dict[str, list[dict]] = {}
    for record in (r for r in records if "evaluation" not in r):
        groups.setdefault(_settings(record["run"], record["config"]), []).append(record)
    ordered = sorted(groups.values(), key=lambda g: (not _is_current(g[0]), g[0]["run"]))
    lines = [
        "| run | seeds | test mIoU, mean | of each seed | minutes | machine, commit |",
        "|---|---|---|---|---|---|",
    ]
    for group in ordered:
        first, scores = group[0], [100 * r["miou"] for r in group]
        minutes = " to ".join({f"{f(r['minutes'] for r in group):.0f}": 0 for f in (min, max)})
        earlier = "" if _is_current(first) else ", earlier settings"
        commits = ", ".join(sorted({r["commit"] or "unknown" for r in group}))
        lines.append(
            f"| `{first['run']}`{earlier} | {', '.join(str(r['seed']) for r in group)} | "
            f"{sum(scores) / len(scores):.1f} | {', '.join(f'{s:.1f}' for s in scores)} | "
            f"{minutes} | {first['machine']}, {commits} |"
        )
    return "\n".join(lines) if groups else "No training has been recorded yet."


def _settings(name: str, config: dict) -> str:
    """What makes two trainings the same but for chance, as text that can be compared. Class weights
    are counted (see Run.balance), not set.
    """
    recipe = {k: v for k, v in config["recipe"].items() if k not in ("seed", "class_weights")}
    keys = ("model", "splits", "base", "pipeline", "frozen", "subset")
    chosen = {key: config[key] for key in keys} | {"balance": config.get("balance", 0.0)}
    return json.dumps([name, chosen, recipe], sort_keys=True)


def _is_current(record: dict) -> bool:
    """Does the run of that name have these settings today?"""
    run = RUNS.get(record["run"])
    today = json.loads(json.dumps(asdict(run))) if run else record["config"]
    same = _settings(record["run"], today) == _settings(record["run"], record["config"])
    return run is not None and same
