"""A contact sheet: photographs with their labels laid over them, and how often each class occurs.

Taught in   : chapter 11 (look at the data before training on them)

segtutor data show NAME
"""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image

from segtutor.data.dataset import IGNORE, SegmentationData

HEIGHT = 200  # of a picture on the sheet


def overlay(
    image: np.ndarray, label: np.ndarray, palette: np.ndarray, opacity: float = 0.55
) -> np.ndarray:
    """(H, W, 3) uint8 photograph with class colours over it; ignored pixels stay as they are."""
    colours = palette[np.where(label == IGNORE, 0, label)]  # (H, W, 3)
    mixed = (1 - opacity) * image + opacity * colours
    return np.where((label == IGNORE)[..., None], image, mixed).astype(np.uint8)


def write_sheet(data: SegmentationData, path: str | Path, count: int = 12) -> Path:
    """Write one HTML file that needs no other: `count` samples spread over the data set, each as
    photograph and overlay, and the share of each class in their pixels. Returns the path.
    """
    if len(data) == 0:
        raise ValueError(f"{data.name} has no samples to show")
    palette = np.array(data.palette, np.uint8)
    chosen = np.linspace(0, len(data) - 1, min(count, len(data))).round().astype(int)
    pixels, figures = np.zeros(IGNORE + 1, np.int64), []
    for index in chosen:
        sample = data[int(index)]
        image, label = sample.image.permute(1, 2, 0).numpy(), sample.label.numpy()
        counts = np.bincount(label.ravel(), minlength=IGNORE + 1)
        pixels += counts
        top = [
            data.classes[k] for k in np.argsort(-counts[:IGNORE], kind="stable")[:4] if counts[k]
        ]
        words = html.escape(f"{sample.name}: {', '.join(top) or 'nothing labelled'}")
        pair = np.concatenate([image, overlay(image, label, palette)], 1)  # (H, 2 W, 3)
        figures.append(
            f'<figure><img src="{inline(pair)}" alt="Photograph and labels of {words}">'
            f"<figcaption>{words}</figcaption></figure>"
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_page(data, len(chosen), figures, pixels), "utf-8")
    return path


def inline(image: np.ndarray, height: int | None = HEIGHT) -> str:
    """An image, (H, W, 3) uint8, as text to be put into a page, no higher than `height`."""
    picture = Image.fromarray(image)
    if height:
        picture.thumbnail((10 * height, height))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _page(data: SegmentationData, shown: int, figures: list[str], pixels: np.ndarray) -> str:
    rows = []
    for k in np.argsort(-pixels[: len(data.classes)], kind="stable"):
        colour = "#{:02x}{:02x}{:02x}".format(*data.palette[k])
        rows.append(
            f'<tr><td style="background:{colour}">&emsp;</td><td>{k}</td>'
            f"<td>{html.escape(data.classes[k])}</td><td>{pixels[k] / pixels.sum():.2%}</td></tr>"
        )
    title = html.escape(f"{data.name}: {shown} of {len(data)} samples")
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body {{font-family: sans-serif; margin: 2em}} figure {{display: inline-block; margin: 0.5em}}
figcaption {{max-width: 40em; font-size: small}} td, th {{padding: 0.1em 0.6em; text-align: left}}
</style>
<h1>{title}</h1>
<p>Left the photograph, right its labels over it; pixels without colour are ignored.</p>
{"".join(figures)}
<h2>Share of pixels in these samples</h2>
<table><tr><th>colour</th><th>class</th><th>name</th><th>share</th></tr>
{"".join(rows)}
<tr><td></td><td>{IGNORE}</td><td>ignored</td><td>{pixels[IGNORE] / pixels.sum():.2%}</td></tr>
</table></html>
"""
