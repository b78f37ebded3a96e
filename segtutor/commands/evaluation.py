"""`segtutor evaluate`: test a model on labelled photographs.

Taught in   : chapter 14, Inference: windows, scales, flips

On several GPUs: `torchrun --nproc_per_node 8 -m segtutor.cli evaluate MODEL DATA`. Every process
takes its share of the images, and the first one writes.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from segtutor.commands.options import (
    add_protocol,
    open_data,
    open_model,
    output_folder,
    precision_of,
    protocol_of,
)


def add_evaluate(commands) -> None:
    parser = commands.add_parser("evaluate", help="test a model on labelled photographs")
    parser.add_argument("model", type=Path, help=".safetensors of ours")
    parser.add_argument(
        "data",
        help="ade20k, pascal_context, pascal_context_59, cityscapes, camvid, or a folder with "
        "images/, labels/ and classes.txt (a name a line)",
    )
    parser.add_argument("--split", help="default: val; of camvid: test")
    parser.add_argument("--data-root", help="folder that holds the data set")
    parser.add_argument(
        "--ignore", type=int, help="label value of your own files that does not count"
    )
    parser.add_argument("--limit", type=int, help="only the first so many photographs")
    parser.add_argument(
        "--out", type=Path, help="folder for report.json, report.html and confusion.png"
    )
    parser.add_argument(
        "--server", type=Path, help="folder for the files that the data set's test server takes"
    )
    add_protocol(parser)
    parser.set_defaults(run=_evaluate)


def _evaluate(options) -> int:
    from segtutor.evaluation import as_text, check_classes, evaluate_protocol, report

    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit is {options.limit}, expected 1 or more")
    first, device, finish = _process()
    model = open_model(options, device)
    data = open_data(options)
    check_classes(model, data, str(options.model))
    protocol = protocol_of(options, model.config, options.data)
    for folder in filter(None, (options.out, options.server)):
        output_folder(folder)
    write = _server_writer(options) if options.server else None
    with precision_of(options, device):
        scores = evaluate_protocol(
            model,
            data,
            protocol,
            batch=options.batch,
            limit=options.limit,
            progress=True,
            each=write,
        )
        found = report(scores, data, protocol, model=str(options.model))
        if first:
            print(as_text(found))
        if first and options.out:
            _write(options, model, data, protocol, found)
    if first and options.server:
        print(f"{len(scores.names)} files for the test server in {options.server}")
    finish()
    return 0


def _process():
    """(is this the process that writes?, its device, what to call at the end). Several processes
    when torchrun or accelerate started them.
    """
    import torch

    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        return state.is_main_process, state.device, state.destroy_process_group
    return True, torch.device("cuda" if torch.cuda.is_available() else "cpu"), lambda: None


def _server_writer(options):
    """(sample, prediction) -> a file as the test server wants it."""
    from segtutor.data import ade20k, cityscapes

    servers = {"ade20k": ade20k, "cityscapes": cityscapes}
    if options.data not in servers:
        raise ValueError(
            f"{options.data} has no test server that we know; --server is for {', '.join(servers)}"
        )
    write = servers[options.data].write_for_server
    return lambda sample, prediction: write(prediction, sample.name, options.server)


def _write(options, model, data, protocol, found: dict) -> None:
    import matplotlib.pyplot as plt
    import torch

    from segtutor.evaluation import answers, write_report
    from segtutor.insight import confusion_figure
    from segtutor.insight.reportpage import write_page

    write_report(options.out / "report.json", found)
    figure = confusion_figure(torch.tensor(found["confusion"]), data.classes, only=30)
    figure.savefig(options.out / "confusion.png", dpi=120)
    plt.close(figure)
    again = partial(answers, model, protocol=protocol, batch=options.batch)
    pictures = {
        which: again(data[entry["index"]] for entry in found[which]) for which in ("best", "worst")
    }
    write_page(options.out / "report.html", found, data.palette, pictures)
    print(f"written to {options.out}: report.json, report.html, confusion.png")
