"""The book's status page: what ran, where, how long, with which versions. Written from the results
files alone.
"""

from __future__ import annotations

from pathlib import Path

from segtutor.reproduce.notebooks import Outcome

HEAD = """# Status of this build

Every chapter of this book is a notebook that was executed to make its page. This table was written
by the build itself from the `results.json` that each notebook leaves behind; nothing in it was
typed.
"""


def status_page(outcomes: list[Outcome], profile: str) -> str:
    """Markdown for book/status.md."""
    lines = [HEAD, f"Profile: **{profile}**.", ""]
    lines += [
        "| chapter | result | run time | peak memory | random seed |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for outcome in outcomes:
        r = outcome.results
        link = f"[{outcome.name}](notebooks/{outcome.name}.ipynb)"
        if r:
            lines.append(
                f"| {link} | ran | {r['seconds']:.0f} s "
                f"| {r['peak_memory_mib']} MiB | {r['seed']} |"
            )
        else:
            lines.append(f"| {link} | **failed**: {_plain(outcome.error)} | - | - | - |")
    ran = [o.results for o in outcomes if o.results]
    if ran:
        total = sum(r["seconds"] for r in ran)
        lines += ["", f"All chapters together: {total / 60:.1f} minutes.", ""]
        lines += ["## Where it ran", "", "| | |", "| --- | --- |"]
        lines += [f"| machine | {_distinct(ran, lambda r: r['machine'])} |"]
        lines += [f"| device | {_distinct(ran, lambda r: r['device'])} |"]
        lines += [f"| commit of the library | {_distinct(ran, _commit)} |"]
        for package in ran[0]["versions"]:
            lines.append(
                f"| {package} | {_distinct(ran, lambda r, p=package: r['versions'].get(p, '-'))} |"
            )
        lines += ["", "## What each chapter measured", ""]
        for outcome in outcomes:
            if outcome.results and outcome.results["numbers"]:
                lines += [f"### {outcome.name}", "", "| number | value |", "| --- | ---: |"]
                lines += [
                    f"| {_plain(k)} | {_number(v)} |" for k, v in outcome.results["numbers"].items()
                ]
                lines.append("")
    return "\n".join(lines) + "\n"


def write_status(path: Path, outcomes: list[Outcome], profile: str) -> None:
    """Write the page if it changed (so that an unchanged book is not built again)."""
    text = status_page(outcomes, profile)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _distinct(records: list[dict], get) -> str:
    return ", ".join(dict.fromkeys(_plain(get(r)) for r in records))


def _commit(record: dict) -> str:
    changed = " with local changes" if record["dirty"] else ""
    return f"{record['commit'] or 'not a git checkout'}{changed}"


def _number(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _plain(value)


def _plain(value) -> str:
    """Text that cannot break a Markdown table."""
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
