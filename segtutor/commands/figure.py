"""`segtutor figure`: the book's figures for your own model and photograph, as PNG or SVG.

Taught in   : chapter 15, Reading the model

    segtutor figure                                       # what there is
    segtutor figure architecture setr-mla-large --out mla.svg
    segtutor figure attention model.safetensors street.jpg --layers 0 5 11 --out attention.png

The figures are called in figure_inside.py and figure_answers.py. The alternative text is printed,
and stored in the file (PNG: Description, SVG: title).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from segtutor.commands import figure_answers as answers
from segtutor.commands import figure_inside as inside

SUFFIXES = (".png", ".svg")
UNTRAINED = "random weights: {} has learnt nothing, the picture shows the method only"


class View(NamedTuple):
    """line: what it shows. models: fewest, most. photographs: how many it may take. shapes_only:
    weights do not matter.
    """

    line: str
    draw: Callable
    models: tuple[int, int] = (1, 1)
    photographs: tuple[int, ...] = (1,)
    shapes_only: bool = False


VIEWS = {
    "architecture": View(
        "MODEL: its parts, with the shape on every arrow",
        answers.architecture,
        photographs=(0,),
        shapes_only=True,
    ),
    "attention": View("MODEL PHOTO: where a patch, a token or a class looks", inside.attention),
    "rollout": View("MODEL PHOTO: attention followed through the layers", inside.rollout),
    "distance": View("MODEL PHOTO: how far each head looks, in pixels", inside.distance),
    "features": View("MODEL PHOTO: the maps of all layers in common colours", inside.features),
    "positions": View(
        "MODEL: how alike positions are; with --size, interpolated",
        inside.positions,
        photographs=(0,),
    ),
    "classes": View(
        "MODEL [PHOTO]: class embeddings in a plane; with a photograph, their masks",
        inside.classes,
        photographs=(0, 1),
    ),
    "comparison": View(
        "MODEL ... PHOTO [--truth]: answers side by side, mistakes, a border enlarged",
        answers.comparison,
        models=(1, 5),
    ),
    "failures": View(
        "MODEL MODEL --data SET: where two models differ, what they miss and confuse",
        answers.failures,
        models=(2, 2),
        photographs=(0,),
    ),
    "tradeoff": View(
        "[--bench ... --ledger ...]: images per second against mIoU",
        answers.tradeoff,
        models=(0, 0),
        photographs=(0,),
    ),
}


def add_figure(commands) -> None:
    parser = commands.add_parser(
        "figure",
        help="the book's figures for your own model and photograph; without a name: a list",
    )
    parser.add_argument("name", nargs="?", help="which figure; see `segtutor figure`")
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="MODEL_OR_PHOTOGRAPH",
        help="models: .safetensors of ours, names of `segtutor models` (random weights), "
        "pretrained encoders such as deit_tiny_patch16_224; anything else is a photograph",
    )
    parser.add_argument("--out", type=Path, help="file to write, .png or .svg")
    parser.add_argument("--dpi", type=int, default=150, help="of a .png (default: %(default)s)")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("ROWS", "COLUMNS"),
        help="pixels that the model sees: the photograph is resized until it covers them, and "
        "cropped (default: what the model was built for). architecture: of the image drawn; "
        "positions: the size to interpolate to",
    )
    parser.add_argument("--classes", help="names and colours, see `segtutor predict`")
    parser.add_argument("--layers", type=int, nargs="+", help="from 0 (default: four, spread out)")
    parser.add_argument("--head", type=int, help="attention: this head alone, from 0")
    parser.add_argument(
        "--patch",
        type=int,
        nargs=2,
        metavar=("ROW", "COLUMN"),
        help="attention, rollout: the patch that asks, from 0 (default: the middle one)",
    )
    parser.add_argument("--token", help="attention: instead of a patch, cls or dist asks")
    parser.add_argument(
        "--of-class", help="attention: a class asks, in the mask decoder; a name or a number"
    )
    parser.add_argument("--channels", type=int, metavar="LAYER", help="features: single channels")
    parser.add_argument("--truth", type=Path, help="comparison: label image of the photograph")
    parser.add_argument("--data", help="failures: a data set or folder, see `segtutor evaluate`")
    parser.add_argument("--split", help="default: val; of camvid: test")
    parser.add_argument("--data-root", help="folder that holds data sets and weights")
    parser.add_argument("--ignore", type=int, help="label value of your files that does not count")
    parser.add_argument("--limit", type=int, help="failures: only the first so many photographs")
    parser.add_argument(
        "--bench", type=Path, nargs="+", default=[], help="tradeoff: records of `segtutor bench`"
    )
    parser.add_argument(
        "--ledger", type=Path, nargs="+", default=[], help="tradeoff: .jsonl of `segtutor train`"
    )
    parser.set_defaults(run=_figure)


@dataclass(frozen=True)
class Opened:
    """A model as the command line names it. title: for figures. size: (H, W) it was built for, or
    None. normalisation: of a bare encoder, else None. random: nothing was learnt.
    """

    name: str
    title: str
    model: object
    size: tuple[int, int] | None
    normalisation: str | None = None
    random: bool = False


def _figure(options) -> int:
    if options.name is None:
        wide = max(map(len, VIEWS))
        print("\n".join(f"{name.ljust(wide)}  {view.line}" for name, view in VIEWS.items()))
        return 0
    if options.name not in VIEWS:
        raise ValueError(f"no figure {options.name!r}; there are {', '.join(VIEWS)}")
    view, out = VIEWS[options.name], options.out
    if out is None or out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--out is {out}, expected a file that ends in {' or '.join(SUFFIXES)}")
    models, photographs = sort_inputs(options.inputs)
    low, high = view.models
    if not low <= len(models) <= high:
        wanted = str(low) if low == high else f"{low} to {high}"
        raise ValueError(f"{options.name} takes {wanted} models, got {len(models)}: {view.line}")
    if len(photographs) not in view.photographs:
        wanted = "no photograph" if view.photographs == (0,) else "one photograph"
        raise ValueError(
            f"{options.name} takes {wanted}, got {len(photographs)}"
            + (f" ({', '.join(photographs)})" if photographs else "")
        )
    from segtutor.commands.options import output_folder
    from segtutor.insight.plots import use_style

    output_folder(out.parent)
    use_style()
    opened = [open_input(name, options.data_root, meta=view.shapes_only) for name in models]
    figure, alt = view.draw(options, _with_titles(opened), photographs[0] if photographs else None)
    untrained = [o.title for o in opened if o.random]
    if untrained and not view.shapes_only:
        note = UNTRAINED.format(" and ".join(untrained))
        figure.text(0.5, -0.01, note, ha="center", va="top", fontsize=9, color="#A03000")
        alt = f"{alt} Note on the picture: {note}."
    save(figure, out, alt, options.dpi)
    print(f"{alt}\nwritten to {out}")
    return 0


def sort_inputs(inputs: list[str]) -> tuple[list[str], list[str]]:
    """(models, photographs). Raises FileNotFoundError for what is neither."""
    from segtutor.named import MODELS
    from segtutor.weights.pretrained import PRETRAINED

    models, photographs = [], []
    for name in inputs:
        if name in MODELS or name in PRETRAINED or name.endswith(".safetensors"):
            models.append(name)
        elif Path(name).is_file():
            photographs.append(name)
        else:
            raise FileNotFoundError(
                f"{name!r} is no file, no name of `segtutor models`, and no pretrained encoder "
                f"({', '.join(PRETRAINED)})"
            )
    return models, photographs


def open_input(name: str, data_root: str | None = None, *, meta: bool = False) -> Opened:
    """A model in evaluation mode. meta: a named one without values, where shapes are enough."""
    import torch

    from segtutor.named import MODELS, named_model
    from segtutor.weights import load_model
    from segtutor.weights.pretrained import PRETRAINED, pretrained_encoder, spec_of

    if name in MODELS:
        torch.manual_seed(0)
        with torch.device("meta" if meta else "cpu"):
            model = named_model(name).eval()
        return Opened(name, name, model, model.config.image, random=True)
    if name in PRETRAINED:
        spec = spec_of(name)
        encoder, _ = pretrained_encoder(name, data_root=data_root)
        return Opened(name, name, encoder.eval(), spec.image, spec.normalisation)
    model = load_model(name).eval()
    return Opened(name, Path(name).stem, model, getattr(model.config, "image", None))


def _with_titles(opened: list[Opened]) -> list[Opened]:
    """Files of one name (model.safetensors of two trainings) go by the names of their folders."""
    for ways in (
        lambda o: o.title,
        lambda o: Path(o.name).parent.name or o.title,
        lambda o: o.name,
    ):
        titles = [ways(o) for o in opened]
        if len(set(titles)) == len(titles):
            return [replace(o, title=title) for o, title in zip(opened, titles, strict=True)]
    raise ValueError(f"the same model twice: {', '.join(o.name for o in opened)}")


def save(figure, out: Path, alt: str, dpi: int) -> None:
    """The figure as PNG or SVG, its alternative text inside, and closed."""
    import matplotlib.pyplot as plt

    key = "Title" if out.suffix.lower() == ".svg" else "Description"
    look = dict(dpi=dpi, bbox_inches="tight", facecolor="white")
    figure.savefig(out, metadata={key: alt}, **look)
    plt.close(figure)
