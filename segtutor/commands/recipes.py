"""`segtutor recipes`: the trainings of both papers, and ours, with what they promise and cost.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

CARD = "80gb"  # the card that the column of hours is about


def add_recipes(commands) -> None:
    parser = commands.add_parser(
        "recipes", help="the trainings of both papers: data, steps, expected mIoU, cost"
    )
    parser.add_argument(
        "pattern", nargs="?", default="", help="only names that contain this; a whole name: details"
    )
    parser.set_defaults(run=_recipes)


def _recipes(options) -> int:
    from segtutor.training.published import RUNS

    exact = options.pattern in RUNS
    print(details(options.pattern) if exact else recipe_table(options.pattern))
    return 0


def recipe_table(pattern: str = "") -> str:
    """All runs whose name contains `pattern`, one line each."""
    from segtutor.training.planner import SHARE, card, hours
    from segtutor.training.published import RUNS

    runs = [run for run in RUNS.values() if pattern in run.name]
    if not runs:
        raise ValueError(f"no recipe's name contains {pattern!r}; `segtutor recipes` lists all")
    lines = [("name", "steps", "batch", "crop", "mIoU SS", "MS", "GPU hours", "printed in")]
    for run in runs:
        numbers = [f"{v:.2f}" if v is not None else "-" for v in (run.miou_ss, run.miou_ms)]
        cost = f"{hours(run, card(CARD)):.1f}"
        sizes = str(run.recipe.steps), str(run.recipe.batch), str(run.crop[0])
        lines.append((run.name, *sizes, *numbers, cost, run.source or "-"))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [
        "  ".join(
            cell.ljust(w) if i in (0, 7) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    notes = (
        "mIoU in percent, as published: single scale (SS), multi-scale with flip (MS)",
        f"GPU hours: an estimate. 3 x forward FLOPs x steps x batch, at an assumed {SHARE:.0%} of "
        f"the rate of one {card(CARD).title}",
        "`segtutor recipes NAME` prints one in full, `segtutor plan NAME` what it needs",
    )
    return "\n".join([*text, "", *notes])


def details(name: str) -> str:
    """One run in full: every entry, whose settings they are, how it is tested, what it costs."""
    from dataclasses import fields

    from segtutor.training.planner import CARDS, forward_flops, hours
    from segtutor.training.published import find_run, protocols

    run = find_run(name)
    single, multi = protocols(run)
    lines = [run.name, f"  {run.choice}", ""]
    expected = [
        f"{number:.2f} {scale}"
        for number, scale in ((run.miou_ss, "single scale"), (run.miou_ms, "multi-scale"))
        if number is not None
    ]
    lines.append("expect      " + (", ".join(expected) + f" ({run.source})" if expected else "-"))
    times = ", ".join(f"{hours(run, c):.1f} h on {c.title}" for c in CARDS.values())
    lines.append(
        f"cost        {forward_flops(run.model) / 1e9:.1f} GFLOPs a crop; estimated {times}"
    )
    weights = run.backbone or "random"
    lines.append(f"start from  {weights}")
    lines.append(f"data        {run.data}, {' + '.join(run.splits)}" + (
        f", the first {run.subset}" if run.subset else ""))  # fmt: skip
    bounds = "own size" if not any(run.base) else f"{run.base[0]}x{run.base[1]}"
    lines.append(f"pictures    {run.pipeline} pipeline, bounds {bounds}, crop {run.crop}")
    if run.frozen:
        lines.append(f"frozen      the first {run.frozen} blocks")
    lines.append(f"gpus        {run.gpus}, as the authors had" if run.gpus > 1 else "gpus        1")
    for title, part in (("model", run.model), ("recipe", run.recipe)):
        entries = [f"{f.name}={getattr(part, f.name)!r}" for f in fields(part)]
        lines += [f"{title:11} " + entries[0], *(" " * 12 + entry for entry in entries[1:])]
    lines.append(f"test        {single}")
    lines.append(f"            {multi}")
    return "\n".join([*lines, "", f"segtutor train {run.name}"])
