"""`segtutor bench`: ours against the plain version, on this machine.

Taught in   : the page Speed; chapter 13, Training recipes
"""

from __future__ import annotations

from pathlib import Path


def add_bench(commands) -> None:
    parser = commands.add_parser(
        "bench", help="speed and memory of a model against its plain version"
    )
    parser.add_argument(
        "model",
        nargs="?",
        default="segmenter-mask-tiny-16",
        help="a name of `segtutor models`, or a .safetensors file (default: %(default)s)",
    )
    parser.add_argument("--size", type=int, default=512, help="side of the images, pixels")
    parser.add_argument(
        "--batch", type=_batch, default=4, help="images, or max: find the largest that fits, too"
    )
    parser.add_argument(
        "--what", default="predict,train,evaluate", help="tasks, with commas between"
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs of each side, in turn")
    parser.add_argument(
        "--photographs", type=int, default=2, help="how many the evaluation loop takes"
    )
    parser.add_argument("--data-root", help="folder that holds CamVid and DeiT-Tiny")
    parser.add_argument("--out", type=Path, help="write bench.json and bench.png there")
    parser.add_argument("--ledger", type=Path, help="append the record to this .jsonl file")
    parser.set_defaults(run=_bench)


def _batch(text: str) -> int | str:
    return text if text == "max" else int(text)


def _bench(options) -> int:
    import json

    from segtutor.bench import bench, plot, table
    from segtutor.reproduce.ledger import append, provenance
    from segtutor.training.loop import writable

    out = writable(options.out) if options.out else None
    record = bench(
        options.model,
        size=options.size,
        batch=options.batch,
        tasks=tuple(task.strip() for task in options.what.split(",")),
        rounds=options.rounds,
        photographs=options.photographs,
        data_root=options.data_root,
        say=lambda line: print(line, flush=True),
    )
    print(table(record))
    if options.ledger:
        append(options.ledger, record)
    if out:
        (out / "bench.json").write_text(json.dumps({**record, **provenance()}, indent=1) + "\n")
        print(f"written to {out / 'bench.json'} and {plot(record, out / 'bench.png')}")
    return 0
