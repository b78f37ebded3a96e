"""What `segtutor evaluate`, `segtutor predict` and those that draw share: model, data, protocol,
class names, output.
"""

from __future__ import annotations

import tempfile
from pathlib import Path


def add_protocol(parser) -> None:
    side = {"type": int, "nargs": 2, "metavar": ("ROWS", "COLUMNS")}
    parser.add_argument(
        "--protocol",
        choices=("own", "segmenter", "setr"),
        help="how to test: that of either paper (default on the papers' benchmarks), or own: "
        "photographs in their own size, windows as in training. Photographs smaller than the "
        "window are enlarged, except by setr, which refuses them",
    )
    parser.add_argument(
        "--rule", choices=("head", "release"), help="sizes of SETR's several scales: must be named"
    )
    parser.add_argument(
        "--multi-scale", action="store_true", help="several scales, each with its mirror image"
    )
    parser.add_argument("--window", **side, help="default: the protocol's")
    parser.add_argument(
        "--stride", **side, help="default: the protocol's; own: two thirds of the window"
    )
    parser.add_argument("--batch", type=int, default=8, help="windows at once (default 8)")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16", "float16"),
        default="float32",
        help="of the network (default float32; the others are for GPUs)",
    )


def open_model(options, device):
    """The model on the device, in evaluation mode."""
    from segtutor.weights import load_model

    if options.batch < 1:
        raise ValueError(f"--batch is {options.batch}, expected 1 or more")
    return load_model(options.model).to(device).eval()


def protocol_of(options, config, data: str):
    """The protocol that the command line asks for."""
    from segtutor.evaluation.protocols import protocol_for

    try:
        return protocol_for(
            config,
            data,
            kind=options.protocol,
            rule=options.rule,
            multi_scale=options.multi_scale,
            window=tuple(options.window) if options.window else None,
            stride=tuple(options.stride) if options.stride else None,
        )
    except ValueError as error:
        raise ValueError(f"{options.model}: {error}") from error


def precision_of(options, device):
    """The context in which the network runs."""
    import torch

    dtype = getattr(torch, options.precision)
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def names_and_palette(options, classes: int):
    """(names, palette) of the model's K classes."""
    from segtutor.data import ade20k, camvid, cityscapes, pascal_context
    from segtutor.data.folder import made_up_palette, read_classes

    known = {
        "ade20k": (ade20k.CLASSES, ade20k.PALETTE),
        "pascal_context": (pascal_context.CLASSES, pascal_context.PALETTE),
        "pascal_context_59": (pascal_context.CLASSES[1:], pascal_context.PALETTE[1:]),
        "cityscapes": (cityscapes.CLASSES, cityscapes.PALETTE),
        "camvid": (camvid.CLASSES, camvid.PALETTE),
    }
    if options.classes is None:
        return [f"class {k}" for k in range(classes)], made_up_palette(classes)
    if options.classes in known:
        names, palette = known[options.classes]
    else:
        names = read_classes(options.classes)[0]
        palette = made_up_palette(len(names))
    if len(names) != classes:
        raise ValueError(
            f"{options.model} scores {classes} classes, {options.classes} names {len(names)}"
        )
    return names, palette


def open_data(options):
    """The data set that `data`, `split`, `data_root` and `ignore` of the command line name."""
    from segtutor.data.folder import own_folder, splits_of_folder
    from segtutor.data.readers import READERS, reader

    if options.data in READERS or not Path(options.data).is_dir():
        split = options.split or ("test" if options.data == "camvid" else "val")
        return reader(options.data)(split, options.data_root)
    whole = "all" if "all" in splits_of_folder(options.data) else "val"
    return own_folder(options.data, options.split or whole, raw_ignore=options.ignore)


def output_folder(path: Path) -> Path:
    """The folder, made if need be. Found out before the work, not after it: can it be written?"""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise PermissionError(
            f"cannot write into {path} ({error.strerror}): choose another folder with --out"
        ) from error
    return path
