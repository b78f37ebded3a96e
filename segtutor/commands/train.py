"""`segtutor train`: one of the runs in training/published.py, from start to test score.

Taught in   : chapter 13, Training recipes

    segtutor train camvid-segmenter-linear-tiny-16 --data-root DATA --out runs/first
    torchrun --nproc_per_node 4 -m segtutor.cli train setr-pup-... --out runs/pup

The folder then holds run.json (what was asked for), log.jsonl (a line per step), the last
checkpoints, best.safetensors if it was evaluated on the way, model.safetensors and report.json. The
same command again goes on where it stopped.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path


def add_train(commands) -> None:
    parser = commands.add_parser("train", help="train one of the recipes, then test it")
    parser.add_argument("name", metavar="RUN", help="`segtutor recipes` lists them")
    parser.add_argument(
        "--override",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="entries of the run, e.g. steps=100 model.size=small (may be repeated)",
    )
    parser.add_argument("--data-root", help="folder that holds data sets and weights")
    parser.add_argument("--out", type=Path, help="default: runs/RUN")
    parser.add_argument(
        "--resume",
        choices=("auto", "never"),
        default="auto",
        help="go on from the newest whole checkpoint in --out (default), or start anew",
    )
    parser.add_argument(
        "--workers", type=int, help="processes that read data (default: 8 on a GPU)"
    )
    parser.add_argument("--weights", type=Path, help="start from this file")
    parser.add_argument("--save-every", type=int, default=500, metavar="STEPS")
    parser.add_argument(
        "--evaluate-every", type=int, metavar="STEPS", help="also test on the way, keep the best"
    )
    parser.add_argument("--test-limit", type=int, help="test only on the first so many photographs")
    parser.add_argument("--test-batch", type=int, default=8, help="windows at once (default 8)")
    parser.add_argument(
        "--ledger", type=Path, help="append configuration, log and scores to this file at the end"
    )
    parser.add_argument("--tensorboard", action="store_true", help="write its files into --out too")
    parser.set_defaults(run=_train)


def _train(options) -> int:
    import torch

    from segtutor.evaluation import as_text, evaluate_protocol, report, write_report
    from segtutor.reproduce.trainings import record_training, write_run
    from segtutor.training.assemble import assemble
    from segtutor.training.loop import train, writable
    from segtutor.training.published import find_run, override, protocols
    from segtutor.weights import save_model

    run = override(find_run(options.name), changes(options.override))
    first = int(os.environ.get("RANK", 0)) == 0  # of the processes that a launcher started
    parts = assemble(run, options.data_root, weights=options.weights)
    run = replace(run, recipe=parts.recipe)
    out = writable(options.out or Path("runs") / run.name)
    if first:
        print(run, f"\nweights: {parts.weights}\nout: {out}")
        write_run(out, run, parts.weights)
    gpu = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    model = parts.model.to(f"cuda:{local}" if gpu else "cpu")
    single, _ = protocols(run)
    common = dict(batch=options.test_batch, limit=options.test_limit)

    def evaluate(model) -> dict:
        return evaluate_protocol(model, parts.test_data, single, **common).whole.result()

    try:
        train(
            model,
            parts.train_data,
            run.recipe,
            transform=parts.transform,
            out_dir=out,
            resume=options.resume == "auto",
            save_every=options.save_every,
            workers=options.workers if options.workers is not None else 8 * gpu,
            evaluate=evaluate if options.evaluate_every else None,
            evaluate_every=options.evaluate_every,
            log_dir=out / "tensorboard" if options.tensorboard else None,
        )
    except KeyboardInterrupt as stopped:
        if first:
            print(f"segtutor: {stopped or 'stopped'}", file=sys.stderr)
        return 130
    except (FloatingPointError, RuntimeError, ModuleNotFoundError) as error:
        print(f"segtutor: {error}", file=sys.stderr)
        return 2
    if first:
        save_model(model, out / "model.safetensors")
    scores = evaluate_protocol(model, parts.test_data, single, progress=first, **common)
    if first:
        found = report(scores, parts.test_data, single, model=str(out / "model.safetensors"))
        write_report(out / "report.json", found)
        print(as_text(found))
        if options.ledger:
            record_training(out, options.ledger, data=(parts.train_data, parts.test_data))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return 0


def changes(pairs: list[str]) -> dict[str, str]:
    """KEY=VALUE of the command line, for `override`."""
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ValueError(f"--override {wrong[0]!r}: expected KEY=VALUE, such as steps=100")
    return dict(pair.split("=", 1) for pair in pairs)
