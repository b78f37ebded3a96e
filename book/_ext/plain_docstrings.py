"""API pages from the library's docstrings, which are plain sentences and not reStructuredText.

`as_rst` keeps paragraphs, lists and indented blocks, sets `code` and parameter names as code, and
escapes the rest (h*w is no emphasis). A module's header (Implements, Taught in, Official) becomes a
list of fields whose chapter numbers link to the chapters. A page that says @EXERCISES@ gets a table
of all exercises that have a check.
"""

from __future__ import annotations

import inspect
import re

FIELD = re.compile(
    r"^([A-Z][a-z ]{2,11}?) *: (.*)$"
)  # "Taught in   : chapter 01, Pixels to patches"
CHAPTERS = re.compile(r"\b(?:[Cc]hapters?) (\d\d)(?:([-, ]| and )(\d\d))?")


def plain(text: str, names: set[str] = frozenset()) -> str:
    """One line of prose as rst: `code` and a parameter's "name:" become code, all else literal."""
    pieces = re.split(r"(``[^`]+``|`[^`]+`)", text)  # prose at even places, code at odd ones
    for i, piece in enumerate(pieces):
        if i % 2:
            before, after = (
                pieces[i - 1][-1:],
                pieces[i + 1][:1],
            )  # rst: no letter may touch the quotes
            pieces[i] = ("\\ " if before.isalnum() else "") + f"``{piece.strip('`')}``"
            pieces[i] += "\\ " if after.isalnum() else ""
        else:
            parts = re.split(
                r"(?<![\w.])(\w+)(?=:\s)", piece
            )  # candidates for parameter names at odd places
            pieces[i] = "".join(
                f"``{part}``" if k % 2 and part in names else re.sub(r"([\\*_|])", r"\\\1", part)
                for k, part in enumerate(parts)
            )
    return "".join(pieces)


def as_rst(lines: list[str], names: set[str] = frozenset()) -> list[str]:
    """Plain docstring lines to rst lines."""
    out, block = [], ""  # block: what the line before belongs to
    for line in lines:
        stripped, indent = line.strip(), len(line) - len(line.lstrip())
        if not stripped:
            kind = ""
        elif re.match(r"[-*] ", stripped):
            kind = "item"
        elif indent and block == "item":
            kind = "item"  # an item's second line
            out.append("  " + plain(stripped, names))
            continue
        elif indent and block in ("", "code"):
            kind = "code"
        else:
            kind = "text"
        if kind != block and block:
            out.append("")
        if kind == "item":
            out.append("- " + plain(stripped[2:], names))
        elif kind == "code":
            out.extend([] if block == "code" else ["::", ""])
            out.append(line)
        else:
            out.append(plain(stripped, names) if stripped else "")
        block = kind
    return [*out, ""]


def header(lines: list[str]) -> tuple[list[str], list[tuple[str, list[str]]], list[str]]:
    """Split a module docstring into what comes before, the fields, and what comes after."""
    start = next((i for i, line in enumerate(lines) if FIELD.match(line)), None)
    if start is None:
        return lines, [], []
    fields, i = [], start
    while i < len(lines) and lines[i].strip():
        found = FIELD.match(lines[i])
        if found:
            fields.append((found[1].strip(), [found[2]]))
        else:
            fields[-1][1].append(lines[i].strip())
        i += 1
    return lines[:start], fields, lines[i:]


def chapter_page(number: str, documents: set[str]) -> str | None:
    """The page of chapter "05" if it is out."""
    return next((d for d in sorted(documents) if d.startswith(f"notebooks/{number}_")), None)


def link_chapters(text: str, documents: set[str]) -> str:
    """Chapter numbers in already escaped text become links where the chapter is out."""

    def link(number: str, words: str) -> str:
        page = chapter_page(number, documents)
        return f":doc:`{words} </{page}>`" if page else words

    def both(found: re.Match) -> str:
        first = link(
            found[1], found[0] if not found[3] else found[0][: found.end(1) - found.start()]
        )
        return first if not found[3] else f"{first}{found[2]}\\ {link(found[3], found[3])}"

    return CHAPTERS.sub(both, text)


def rewrite(app, what: str, name: str, obj, options, lines: list[str]) -> None:
    if what != "module":
        try:
            names = set(inspect.signature(obj).parameters) | {"forward", "Returns", "Raises"}
        except (TypeError, ValueError):
            names = set()
        names |= set(getattr(obj, "__dataclass_fields__", ())) | set(getattr(obj, "_fields", ()))
        lines[:] = as_rst(lines, names)
        return
    before, fields, after = header(lines)
    out = as_rst(before)
    for title, text in fields:
        body = as_rst(text)
        body = [link_chapters(line, app.env.found_docs) for line in body]
        out += [f":{title}: {body[0]}", *("    " + line for line in body[1:-1])]
    lines[:] = [*out, "", *as_rst(after)]


def skip(app, what, name, obj, skip, options) -> bool | None:
    """A NamedTuple's fields say "Alias for field number 0": the class's own text says more."""
    if str(getattr(obj, "__doc__", "")).startswith("Alias for field number"):
        return True
    return None


def list_exercises(app, docname: str, source: list[str]) -> None:
    if "@EXERCISES@" not in source[0]:
        return
    from segtutor.course import checks

    rows = ["| exercise | kind | level | minutes | check |", "|---|---|---|---|---|"]
    known = {name: getattr(checks, name) for name in dir(checks)}
    for name, e in sorted(
        known.items(), key=lambda item: [int(n) for n in item[1].number.split(".")]
    ):
        page = chapter_page(e.number.split(".")[0].zfill(2), app.env.found_docs)
        number = f"[{e.number}](/{page})" if page else e.number
        rows.append(f"| {number} | {e.kind} | {e.level} of 5 | {e.minutes} | `checks.{name}` |")
    source[0] = source[0].replace("@EXERCISES@", "\n".join(rows))


def setup(app) -> dict:
    app.connect("source-read", list_exercises)
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-skip-member", skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
