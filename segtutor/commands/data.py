"""`segtutor data`: get the data sets, look at them, time them.

Taught in   : chapter 11, Data and augmentation
"""

from __future__ import annotations

from pathlib import Path


def add_data(commands) -> None:
    what = commands.add_parser(
        "data", help="get, check, show and time the data sets"
    ).add_subparsers(dest="what", required=True, metavar="WHAT")
    names = "ade20k, pascal_context, pascal_context_59, cityscapes or camvid"
    own = f"{names}; or a folder of your own with images/, labels/ and classes.txt (a name a line)"
    check = what.add_parser("check", help="open every file and list every problem")
    check.add_argument("--split", action="append", default=[], help="may be repeated")
    check.add_argument(
        "--subset", action="store_true", help="fewer samples than published are no problem"
    )
    check.set_defaults(run=_data_check)
    show = what.add_parser("show", help="write a page of overlays and class shares")
    show.add_argument("--split", default="val")
    show.add_argument("--count", type=int, default=12, help="samples on the page")
    show.add_argument("--out", type=Path, help="default: NAME_SPLIT.html")
    show.set_defaults(run=_data_show)
    prepare = what.add_parser("prepare", help="download, unpack and convert what is missing")
    prepare.add_argument(
        "--labels",
        default="detail",
        choices=("detail", "export"),
        help="Pascal Context: from the Detail annotation (SETR) or the exported files (Segmenter)",
    )
    prepare.add_argument("--test", action="store_true", help="also ADE20K's test photographs")
    prepare.add_argument(
        "--train-ids", action="store_true", help="also write Cityscapes' labelTrainIds.png"
    )
    prepare.add_argument("--workers", type=int, help="processes; default: all cores")
    prepare.set_defaults(run=_data_prepare)
    timing = what.add_parser("time", help="images a second, read and made ready for training")
    timing.add_argument("--split", default="train")
    timing.add_argument("--workers", type=int, nargs="+", default=[], help="default: 0, 1, all")
    timing.add_argument("--count", type=int, default=64, help="images per measurement")
    timing.set_defaults(run=_data_time)
    for parser in (check, show, prepare, timing):
        parser.add_argument("name", help=names if parser is prepare else own)
        parser.add_argument("--data-root", help="folder that holds the data set")


def _data_check(options) -> int:
    from segtutor.data.check import check, report

    checked = check(
        options.name, options.data_root, splits=tuple(options.split), subset=options.subset
    )
    print(report(options.name, checked))
    return int(bool(checked.problems))


def _data_prepare(options) -> int:
    from segtutor.data.prepare import prepare

    try:
        whole = prepare(
            options.name,
            options.data_root,
            labels=options.labels,
            test=options.test,
            train_ids=options.train_ids,
            workers=options.workers,
        )
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here")
        return 130
    return int(not whole)


def _data_time(options) -> int:
    from segtutor.data.check import reader
    from segtutor.data.decodecost import as_table, decode_cost, official_pipeline

    data = reader(options.name)(options.split, options.data_root)
    pipeline = official_pipeline(options.name, tuple(data[0].label.shape))
    rates = decode_cost(data, pipeline, workers=options.workers, count=options.count)
    print(f"{data.name}, crops of {pipeline.crop[0]}x{pipeline.crop[1]}")
    print(as_table(rates))
    return 0


def _data_show(options) -> int:
    from segtutor.data.check import reader
    from segtutor.data.sheet import write_sheet

    data = reader(options.name)(options.split, options.data_root)
    out = options.out or Path(f"{Path(options.name).name}_{options.split}.html")
    print(f"written to {write_sheet(data, out, options.count)}")
    return 0
