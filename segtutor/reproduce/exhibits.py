"""The models that chapter 15 and the gallery look into, trained once for both pages.

Taught in   : chapter 15, Reading the model; the gallery of both papers' figures
Source      : ours. The papers show models of many GPU-hours; these learn for seconds, on one frozen
              encoder (training/frozen.py), so they show what the figures are about and not how good
              such models get. Every page that uses them says so (`Exhibits.data`, `.notes`).

    shown = exhibits("cpu", seed=0, data_root=None)
    shown.models["mask"]              # Segmenter with the mask transformer
    shown.test[3]                     # a photograph none of them has seen, with its label map

Whichever page asks first pays. What was trained is kept under `.cache/exhibits/` by a hash of the
code, the settings, the versions and the data, as executed notebooks are (notebooks.py); what was
trained on CamVid and on ToyScenes is kept side by side, so that a build without data costs the
other nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from segtutor import locations
from segtutor.data import camvid
from segtutor.models import SegmentationModel
from segtutor.reproduce.appending import lock
from segtutor.reproduce.exhibitmaking import (
    CONV,
    DECODERS,
    SIZES,
    WEIGHTS,
    Samples,
    base_encoder,
    behind,
    camvid_place,
    note,
    resized,
    toy_place,
    train_all,
    untrained,
)
from segtutor.reproduce.ledger import versions
from segtutor.reproduce.notebooks import ROOT, data_fingerprint
from segtutor.reproduce.profiles import choose
from segtutor.tokens import Encoder
from segtutor.weights import find_weights, pretrained_encoder

CODE = (  # what can change a model, under segtutor/
    "config.py", "models.py", "upsampling.py", "baselines.py", "tokens/*.py", "decoders/*.py",
    "data/*.py", "training/frozen.py", "training/loop.py", "training/losses.py",
    "training/schedule.py", "training/recipes.py", "weights/pretrained.py",
    "reproduce/exhibitmaking.py",
)  # fmt: skip


@dataclass
class Exhibits:
    """models: name -> model, in evaluation mode; keys of DECODERS and "conv". titles: what to call
    them, with their patch. test: samples none of them saw, (3, H, W) uint8 with label maps. real:
    CamVid and ImageNet weights (False: ToyScenes stand in). data: a sentence that names data and
    encoder. notes: name -> how the model was trained. movement: step -> class embeddings (K, D) of
    "mask" after so many steps. miou: name -> fraction, on `test`. seconds: that
    training (of the encoder too, where there were no weights) and scoring took when it was done.
    """

    models: dict[str, SegmentationModel]
    titles: dict[str, str]
    test: Samples
    real: bool
    data: str
    notes: dict[str, str]
    movement: dict[int, Tensor]
    miou: dict[str, float]
    seconds: float


def exhibits(
    profile: str = "cpu",
    *,
    seed: int = 0,
    data_root: str | Path | None = None,
    cache: Path | None = None,
) -> Exhibits:
    """Train the models, or read what an earlier call with the same code and data has kept.

    profile: smoke, cpu or gpu. cache: folder to keep them in; None for the project's own.
    """
    settings = choose(profile, **SIZES)
    real = bool(camvid.available(data_root) and find_weights(WEIGHTS, data_root))
    real = real and not settings.toy
    source = "camvid" if real else "toyscenes"
    key = _key(settings, seed, data_fingerprint(data_root) if real else "none")
    path = (cache or cache_folder()) / f"exhibits-{profile}-{source}-{key}.pt"
    place = camvid_place(settings, data_root) if real else toy_place(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f"exhibits-{profile}.lock", "ab") as turn:
        lock(turn)  # pages may be made side by side: the second waits for what the first trains
        kept = torch.load(path, weights_only=True) if path.exists() else None
        torch.manual_seed(seed)
        began = time.perf_counter()
        base = base_encoder(place, settings, real, data_root, kept)
        models = untrained(base, place, settings, real, seed)
        if kept is None:
            kept = train_all(models, place, settings, seed)
            kept["seconds"] = time.perf_counter() - began  # with the encoder, where one was trained
            _write(path, kept)
    for name, model in models.items():
        part = model if name == CONV else behind(model)
        part.load_state_dict(kept["models"][name])
        model.eval().requires_grad_(False)
    patches = {name: model.encoder.patch for name, model in models.items() if name != CONV}
    titles = {name: f"{DECODERS[name][0]}/{patch}" for name, patch in patches.items()}
    return Exhibits(
        models=models,
        titles={**titles, CONV: place.conv_title},
        test=place.test,
        real=real,
        data=place.data,
        notes={name: note(name, settings, place) for name in models},
        movement=kept["movement"],
        miou=kept["miou"],
        seconds=kept["seconds"],
    )


def photographs(size: tuple[int, int] = (224, 224)) -> dict[str, Tensor]:
    """Four photographs that scikit-image ships: name -> (3, H, W) uint8, the middle of each, cut to
    the shape of `size` (H, W) and resized.
    """
    from skimage import data

    found = {}
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        image = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)  # (3, H, W)
        H, W = image.shape[1:]
        scale = min(H / size[0], W / size[1])
        h, w = int(size[0] * scale), int(size[1] * scale)
        top, left = (H - h) // 2, (W - w) // 2
        found[name] = resized(image[:, top : top + h, left : left + w], size)
    return found


def photo_encoder(shown: Exhibits, data_root: str | Path | None = None) -> tuple[Encoder, str, str]:
    """What to read the photographs with: an encoder, its normalisation, and a sentence on it.
    DeiT-Tiny with ImageNet weights where they are at hand, else the exhibits' own encoder.
    """
    if find_weights(WEIGHTS, data_root):
        encoder, _ = pretrained_encoder(WEIGHTS, data_root=data_root, download=False)
        words = "DeiT-Tiny with its ImageNet weights, never trained on a label map"
        return encoder.eval().requires_grad_(False), "imagenet", words
    words = (
        "a small encoder that has seen ToyScenes only, because the weights of DeiT-Tiny are not "
        "here: on photographs its maps show how to read such pictures, not what a good model does"
    )
    return shown.models["mask"].encoder, "half", words


def cache_folder() -> Path:
    """`.cache/exhibits` of the source tree, or of the library's own folder where there is none."""
    home = ROOT / ".cache" if (ROOT / "notebooks").is_dir() else locations.cache_folder()
    return home / "exhibits"


def _key(settings, seed: int, data: str) -> str:
    """Twelve hexadecimal digits of everything that can change the models. data: its fingerprint."""
    digest = hashlib.sha256()
    for pattern in CODE:
        for path in sorted((ROOT / "segtutor").glob(pattern)):
            digest.update(path.read_bytes())
    given = [vars(settings), seed, versions(), data]
    digest.update(json.dumps(given).encode())
    return digest.hexdigest()[:12]


def _write(path: Path, kept: dict) -> None:
    """In one go, so that a page that is stopped leaves no half of a file; older ones of the same
    profile and data go.
    """
    for old in path.parent.glob(f"{path.name.rsplit('-', 1)[0]}-*.pt"):
        old.unlink(missing_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    torch.save(kept, part)
    os.replace(part, path)
