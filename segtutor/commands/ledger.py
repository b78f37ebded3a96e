"""`segtutor ledger`: look at recorded runs, check the file, compare two.

Taught in   : chapter 16

    segtutor ledger show results/chapter06.jsonl --where variant=PUP --columns seed,miou
    segtutor ledger verify results/*.jsonl
    segtutor ledger diff results/camvid.jsonl mine.jsonl
"""

from __future__ import annotations

from pathlib import Path


def add_ledger(commands) -> None:
    parser = commands.add_parser("ledger", help="recorded runs: show, check, compare")
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    show = what.add_parser("show", help="records as a table")
    show.add_argument("files", type=Path, nargs="+", metavar="FILE")
    show.add_argument(
        "--where", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="only these records; * stands for anything, e.g. run=camvid-setr-*",
    )  # fmt: skip
    show.add_argument("--columns", help="with commas between, e.g. run,seed,miou,versions.torch")
    show.set_defaults(run=_show)
    verify = what.add_parser(
        "verify", help="damaged lines, unknown schemas, runs recorded twice, uncommitted code"
    )
    verify.add_argument("files", type=Path, nargs="+", metavar="FILE")
    verify.add_argument("--repair", action="store_true", help="set damaged lines aside, NAME.torn")
    verify.add_argument("--strict", action="store_true", help="doubts count as errors")
    verify.set_defaults(run=_verify)
    diff = what.add_parser("diff", help="the same runs in two files: settings and results")
    diff.add_argument("files", type=Path, nargs=2, metavar="FILE")
    diff.set_defaults(run=_diff)


def _show(options) -> int:
    from segtutor.reproduce.ledger import read
    from segtutor.reproduce.ledger_tools import keep, table

    records = [record for path in _existing(options.files) for record in read(path)]
    columns = [c.strip() for c in options.columns.split(",")] if options.columns else ()
    print(table(keep(records, options.where), columns))
    return 0


def _verify(options) -> int:
    from segtutor.reproduce.ledger_tools import repair, verify

    failed = False
    for path in _existing(options.files):
        for report in repair(path) if options.repair else ():
            print(report)
        found = verify(path)
        for finding in found:
            print(f"{path}, line {finding.line}: {finding.level}: {finding.text}")
        errors = sum(finding.level == "error" for finding in found)
        count = len(path.read_bytes().splitlines())
        print(f"{path}: {count} lines, {errors} errors, {len(found) - errors} doubts")
        failed |= bool(found if options.strict else errors)
    return int(failed)


def _diff(options) -> int:
    from segtutor.reproduce.ledger_tools import diff_text

    print(diff_text(*_existing(options.files)))
    return 0


def _existing(files: list[Path]) -> list[Path]:
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"there is no ledger {path}")
    return files
