"""`segtutor evaluate` and `segtutor predict`: test a model, or use it.

Taught in   : chapter 14, Inference: windows, scales, flips

Photographs keep their own size and are seen through windows as large as the training crops
(`evaluation.own_protocol`).
"""

from __future__ import annotations

import sys
from pathlib import Path


def add_evaluate(commands) -> None:
    parser = commands.add_parser("evaluate", help="test a model on labelled photographs")
    parser.add_argument("model", type=Path, help=".safetensors of ours")
    parser.add_argument(
        "data", help="camvid, or a folder with images/, labels/ and classes.txt (a name a line)"
    )
    parser.add_argument("--split", default="test", help="of camvid: train, val or test (default)")
    parser.add_argument("--data-root", help="folder that holds camvid/")
    parser.add_argument("--ignore", type=int, help="label value of your files that does not count")
    parser.add_argument("--limit", type=int, help="only the first so many photographs")
    parser.add_argument(
        "--out", type=Path, help="folder for report.json, report.txt and confusion.png"
    )
    _add_protocol(parser)
    parser.set_defaults(run=_evaluate)


def _evaluate(options) -> int:
    from segtutor.evaluation import as_text, evaluate_protocol, report, write_report
    from segtutor.insight import confusion_figure

    model, protocol = _model_and_protocol(options)
    data = _open_data(options)
    scores = evaluate_protocol(
        model, data, protocol, batch=options.batch, limit=options.limit, progress=True
    )
    found = report(scores, data, protocol, model=str(options.model))
    print(as_text(found))
    if options.out:
        write_report(options.out / "report.json", found)
        (options.out / "report.txt").write_text(as_text(found) + "\n")
        figure = confusion_figure(scores.whole.matrix, data.classes, only=30)
        figure.savefig(options.out / "confusion.png", dpi=120)
        print(f"written to {options.out}")
    return 0


def _open_data(options):
    from segtutor.data import CamVid, FolderData

    if options.data == "camvid":
        return CamVid(options.split, options.data_root)
    root = Path(options.data)
    if not root.is_dir():
        raise FileNotFoundError(f"no data set {options.data!r}: expected camvid, or a folder")
    names = _class_names(root / "classes.txt")
    return FolderData(
        root / "images", root / "labels", names, raw_ignore=options.ignore, name=root.name
    )


def _class_names(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}: write the names of the classes into it, one a line, in the order of "
            "their label values 0, 1, ..."
        )
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def add_predict(commands) -> None:
    parser = commands.add_parser("predict", help="label maps of photographs")
    parser.add_argument("model", type=Path, help=".safetensors of ours")
    parser.add_argument("images", nargs="+", type=Path, help="files and folders, any size")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for ids/, colours/ and overlays/"
    )
    parser.add_argument("--classes", help="camvid, or a text file with one class name a line")
    _add_protocol(parser)
    parser.set_defaults(run=_predict)


def _predict(options) -> int:
    from tqdm import tqdm

    from segtutor.data import camvid
    from segtutor.data.folder import made_up_palette
    from segtutor.evaluation.predict import image_files, predict_files
    from segtutor.insight.overlays import write_prediction

    files = image_files(options.images)
    model, protocol = _model_and_protocol(options)
    K = model.config.classes
    names, palette = [f"class {k}" for k in range(K)], made_up_palette(K)
    if options.classes == "camvid":
        names, palette = camvid.CLASSES, camvid.PALETTE
    elif options.classes:
        names = _class_names(Path(options.classes))
    if len(names) != K:
        raise ValueError(f"the model scores {K} classes, {options.classes} names {len(names)}")
    problems = {}
    found = predict_files(model, files, protocol, batch=options.batch, problems=problems)
    for done in tqdm(found, total=len(files), desc="predict"):
        write_prediction(options.out, done.path.stem, done.image, done.prediction, names, palette)
    for problem in problems.values():
        print(f"segtutor: left out: {problem}", file=sys.stderr)
    print(f"{len(files) - len(problems)} of {len(files)} photographs written to {options.out}")
    return int(bool(problems))


def _add_protocol(parser) -> None:
    side = {"type": int, "nargs": 2, "metavar": ("ROWS", "COLUMNS")}
    parser.add_argument("--window", **side, help="default: what the model was trained on")
    parser.add_argument("--stride", **side, help="default: two thirds of the window")
    parser.add_argument(
        "--multi-scale", action="store_true", help="six scales, each with its mirror image"
    )
    parser.add_argument("--batch", type=int, default=8, help="windows at once (default 8)")


def _model_and_protocol(options):
    """The model, on a GPU if there is one, and photographs in their own size, seen by windows."""
    import torch

    from segtutor.evaluation import own_protocol
    from segtutor.evaluation.protocols import SIX
    from segtutor.weights import load_model

    if options.batch < 1:
        raise ValueError(f"--batch is {options.batch}, expected 1 or more")
    model = load_model(options.model).to("cuda" if torch.cuda.is_available() else "cpu")
    window = options.window or getattr(model.config, "image", None)
    if window is None:
        raise ValueError(f"{options.model} does not say what it was trained on: give --window")
    stride = tuple(options.stride) if options.stride else None
    ratios = SIX if options.multi_scale else (1.0,)
    return model, own_protocol(
        tuple(window), stride=stride, ratios=ratios, flip=options.multi_scale
    )
