"""`segtutor data`: look at the data sets on this machine.

Taught in   : chapter 11, Data and augmentation
"""

from __future__ import annotations

from pathlib import Path


def add_data(commands) -> None:
    what = commands.add_parser("data", help="look at the data sets on this machine").add_subparsers(
        dest="what", required=True, metavar="WHAT"
    )
    names = "ade20k, pascal_context, pascal_context_59, cityscapes or camvid"
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
    for parser in (check, show, prepare):
        parser.add_argument("name", help=names)
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


def _data_show(options) -> int:
    from segtutor.data.check import reader
    from segtutor.data.sheet import write_sheet

    data = reader(options.name)(options.split, options.data_root)
    out = options.out or Path(f"{options.name}_{options.split}.html")
    print(f"written to {write_sheet(data, out, options.count)}")
    return 0
