"""A bench record as a table, a page and a picture.

Taught in   : the page Speed
"""

from __future__ import annotations

from pathlib import Path

HEAD = ("task", "images/s", "plain", "ratio", "peak MiB", "plain", "ratio", "of peak rate", "plain")
AGREEMENT = {
    "same_labels": "same labels {:.4%}",
    "loss_difference": "loss {:.0e} apart",
    "gradient_difference": "gradients {:.0e} apart",
}


def rows(record: dict) -> list[tuple[str, ...]]:
    """One row a task: the cells of HEAD and a sentence on agreement."""
    found = []
    for r in record["results"]:
        ours, plain = r["ours"], r["plain"]
        agreement = (AGREEMENT[name].format(x) for name, x in r["agreement"].items())
        found.append(
            (
                r["task"],
                f"{ours['images_s']:.2f}",
                f"{plain['images_s']:.2f}",
                f"{r['faster']:.2f}x",
                _number(ours["peak_mib"], "{:.0f}"),
                _number(plain["peak_mib"], "{:.0f}"),
                _number(r["memory"], "{:.2f}x"),
                f"{ours['share']:.0%}",
                f"{plain['share']:.0%}",
                ", ".join(agreement),
            )
        )
    return found


def sentences(record: dict) -> list[str]:
    """What stands below the table: settings, accuracy, largest batches."""
    text = [
        f"{record['model']}, {record['size']}x{record['size']}, {record['classes']} classes, batch "
        f"{record['batch']}, {record['precision']}, {record['threads']} threads, median of "
        f"{record['rounds']} rounds; {record['pictures']}; matrix products run at "
        f"{record['matrix_gflops_s']:.0f} GFLOP/s"
    ]
    accuracy = record["accuracy"]
    if accuracy:
        text.append(
            f"mIoU on {accuracy['photographs']} test photographs of CamVid, decoder trained for "
            f"{accuracy['steps']} steps on frozen DeiT-Tiny: {accuracy['miou_ours']:.4f}, plain "
            f"{accuracy['miou_plain']:.4f} (same labels {accuracy['same_labels']:.4%})"
        )
    else:
        text.append("mIoU: not compared (CamVid and DeiT-Tiny are needed)")
    if record["largest_batch"]:
        text += [
            f"largest batch, {task}: {n['ours']}, plain {n['plain']}"
            for task, n in record["largest_batch"].items()
        ]
    return text


def table(record: dict) -> str:
    """The record as text for a terminal."""
    lines = [(*HEAD, "agreement"), *rows(record)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    drawn = [
        "  ".join(
            cell.ljust(w) if i in (0, len(widths) - 1) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*drawn, "", *sentences(record)])


def markdown(records: list[dict]) -> str:
    """The newest record of each model, size and precision as Markdown; the page Speed shows it."""
    newest = {(r["model"], r["size"], r["precision"], r["device"]): r for r in records}
    parts = []
    for record in newest.values():
        first, *others = sentences(record)
        changed = " with local changes" if record["dirty"] else ""
        where = (
            f"{record['machine']}, {record['device']}, torch {record['versions']['torch']}, "
            f"commit {record['commit'] or 'unknown'}{changed}, {record['time'][:10]}"
        )
        parts += [f"### {record['model']}, {record['size']} pixels", ""]
        parts += ["| " + " | ".join((*HEAD, "agreement")) + " |"]
        parts += ["| --- |" + " ---: |" * (len(HEAD) - 1) + " --- |"]
        parts += ["| " + " | ".join(row) + " |" for row in rows(record)]
        parts += ["", f"{first}. {where}.", ""]
        parts += [f"- {sentence}" for sentence in others] + [""]
    return "\n".join(parts) if parts else "No bench has been recorded yet."


def plot(record: dict, path: Path) -> Path:
    """Two panels: how many times as fast as the plain version, and with what part of its memory."""
    import matplotlib.pyplot as plt

    from segtutor.insight.plots import COLOURS

    results = record["results"]
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.8))
    panels = (("faster", "images/s, plain = 1"), ("memory", "peak memory, plain = 1"))
    for axis, (key, label), colour in zip(axes, panels, COLOURS, strict=False):
        values = [r[key] or 0.0 for r in results]
        bars = axis.bar([r["task"] for r in results], values, color=colour)
        axis.bar_label(bars, [_number(r[key], "{:.2f}x") for r in results])
        axis.axhline(1.0, color="0.4", linewidth=1, linestyle="--")
        axis.margins(y=0.15)
        axis.set_ylabel(label)
    figure.suptitle(f"{record['model']}, {record['size']} pixels, {record['precision']}")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else how.format(value)
