"""`segtutor explore`: one photograph in one or two models, as a page that needs no Python.

Taught in   : chapter 15, Reading the model
"""

from __future__ import annotations

from pathlib import Path

from segtutor.commands.options import names_and_palette

SHOWN = 720  # pixels of the longer side of the photograph on the page


def add_explore(commands) -> None:
    parser = commands.add_parser(
        "explore", help="a page on which every patch of a photograph shows what it attends to"
    )
    parser.add_argument(
        "model", help=".safetensors of ours, or a pretrained encoder such as deit_tiny_patch16_224"
    )
    parser.add_argument("image", type=Path, help="a photograph")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the page to write, .html")
    parser.add_argument("--beside", metavar="MODEL", help="a second model, shown beside the first")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        metavar=("ROWS", "COLUMNS"),
        help="pixels that the models see: the photograph is resized until it covers them, and "
        "cropped (default: what the first model was built for)",
    )
    parser.add_argument("--classes", help="names and colours, see `segtutor predict`")
    parser.add_argument(
        "--layers", type=int, nargs="+", help="only these, from 0, for a smaller page"
    )
    parser.add_argument("--heads", type=int, nargs="+", help="only these, from 0")
    parser.add_argument("--stride", type=int, help="2: every second patch can be asked, ...")
    parser.add_argument("--title", help="heading of the page")
    parser.add_argument("--data-root", help="folder that holds data sets and weights")
    parser.set_defaults(run=_explore)


def _explore(options) -> int:
    from segtutor.data.dataset import read_image
    from segtutor.insight.explorer import explorer
    from segtutor.insight.inside import inside

    if options.out.suffix != ".html":
        raise ValueError(f"{options.out} must end in .html")
    if not options.out.parent.is_dir():
        raise FileNotFoundError(f"no folder {options.out.parent} to write {options.out.name} into")
    photo = read_image(options.image, upright=True)  # (3, H, W)
    seen, names, palette = [], [], None
    for name in filter(None, (options.model, options.beside)):
        model, built_for, normalisation = _open(name, options.data_root)
        size = tuple(options.size or built_for) if not seen else tuple(seen[0].image.shape[-2:])
        classes = ()
        if normalisation is None:  # a whole model, not a bare encoder
            classes, palette = names_and_palette(options, model.config.classes)
        seen.append(
            inside(model, covering(photo, size), classes=classes, normalisation=normalisation)
        )
        names.append(Path(name).stem)
    sharper = min(SHOWN / max(size), *(p / s for p, s in zip(photo.shape[1:], size, strict=True)))
    sharper = max(1, int(sharper))  # times as many pixels to look at as the model saw
    found = explorer(
        seen,
        names=names,
        title=options.title or f"{options.image.stem}, seen by {' and '.join(names)}",
        photo=covering(photo, (sharper * size[0], sharper * size[1])),
        palette=palette,
        layers=options.layers,
        heads=options.heads,
        stride=options.stride,
    )
    found.write(options.out)
    every = f"; of its patches, every {found.stride} can be asked" if found.stride > 1 else ""
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB{every}")
    return 0


def _open(name: str, data_root: str | None):
    """(model, (H, W) it was built for, normalisation of a bare encoder or None)."""
    from segtutor.weights import load_model
    from segtutor.weights.pretrained import PRETRAINED, pretrained_encoder, spec_of

    if name.split(".")[0] in PRETRAINED and not Path(name).exists():
        spec = spec_of(name)
        encoder, _ = pretrained_encoder(name, data_root=data_root)
        return encoder.eval(), spec.image, spec.normalisation
    if not Path(name).exists():
        known = ", ".join(PRETRAINED)
        raise FileNotFoundError(f"no file {name}, and no pretrained encoder of this name: {known}")
    model = load_model(name).eval()
    return model, getattr(model.config, "image", (224, 224)), None


def covering(photo, size: tuple[int, int]):
    """The photograph resized until it covers `size` (rows, columns), and cropped in the middle.

    photo: (3, H, W) uint8. Returns (3, *size) uint8.
    """
    import torch.nn.functional as F

    H, W = photo.shape[-2:]
    scale = max(size[0] / H, size[1] / W)
    whole = (max(size[0], round(scale * H)), max(size[1], round(scale * W)))
    top, left = (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2
    small = F.interpolate(photo[None].float(), whole, mode="bilinear", antialias=True)[0]
    small = small.round().clamp(0, 255).to(photo.dtype)  # (3, h, w)
    return small[:, top : top + size[0], left : left + size[1]]  # (3, *size)
