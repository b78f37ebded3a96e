"""Chapter 15: does a patch's attention map name the patches that its answer depends on?

Factor: which tenth of the patches is taken away from a patch, the query. The maps that people draw
name some; the rivals need no model at all: the patches nearest to the query, and random ones, which
all others are held against. If a map tells what matters, losing its patches must change the answer
more than losing others.

The model is Segmenter with the linear decoder, because behind the encoder a patch's scores depend
on its own token alone: what changes, changed by attention. Weights to the chosen patches are set
to zero in every layer and the rest of each row is divided by its sum, in two ways: for the query
alone ("direct": others may still pass on what they heard), and for all patches ("everyone").

What a seed means here: photographs 12*s to 12*s + 11 of 60 that are spread over CamVid's test
drives. Neighbouring frames of a video are nearly one picture, so a group holds neighbours, and the
interval is taken over groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import torch
from torch import Tensor

from segtutor.data import camvid, normalise
from segtutor.data.loading import generator
from segtutor.insight.inside import inside
from segtutor.insight.rollout import rollout
from segtutor.models import SegmentationModel
from segtutor.reproduce.exhibitmaking import (
    NEAR,
    WEIGHTS,
    base_encoder,
    camvid_place,
    toy_place,
    train_decoders,
    untrained,
)
from segtutor.reproduce.experiments.base import Experiment
from segtutor.reproduce.profiles import choose
from segtutor.tokens import Encoder
from segtutor.tokens.patch import Grid
from segtutor.weights import find_weights

# How the model is made; SIZES of exhibitmaking.py say what is what. These are sizes of its own, so
# that the exhibits of the pages may change without making the recorded runs stale.
MODEL = dict(
    smoke=dict(toy=True, camvid=NEAR, crops=16, pretrain=2, steps=3, batch=4, lr=2e-3, hidden=8,
               dims=(32, 4, 2), toy_size=(64, 96)),
    cpu=dict(toy=False, camvid=NEAR, crops=240, pretrain=160, steps=110, batch=8, lr=2e-3,
             hidden=32, dims=(96, 4, 3), toy_size=(96, 128)),
)  # fmt: skip
MAPS = ("last layer", "mean of layers", "rollout")
VARIANTS = ("random", "least attended", "nearest", *MAPS)


@contextmanager
def edited(encoder: Encoder, edit: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """While it lasts, attention weights are what `edit(layer, weights)` returns for them.

    weights: (B, A, T, T), rows sum to 1; layer: from 0. The encoder takes its explicit path.
    """

    def hook(layer: int):
        return lambda module, inputs, weights: edit(layer, weights)

    with ExitStack() as undo:
        for i, block in enumerate(encoder.blocks):
            undo.callback(setattr, block.attn, "fused", block.attn.fused)
            block.attn.fused = False
            undo.callback(block.attn.weights.register_forward_hook(hook(i)).remove)
        yield


def without(weights: Tensor, lost: Tensor) -> Tensor:
    """Weights (B, A, T, T) with those that are `lost` (B, T, T) set to zero, and the rest of each
    row divided by its sum.
    """
    kept = weights.masked_fill(lost[:, None], 0)  # (B, A, T, T)
    return kept / kept.sum(-1, keepdim=True).clamp(min=1e-12)


def lost_pairs(
    chosen: Tensor, queries: Tensor, tokens: int, extra: int, *, everyone: bool
) -> Tensor:
    """Which weights to take away: (B, T, T), True at [b, reader, read].

    chosen: (B, k) patches that are taken away. queries: (B,) the patch that loses them. everyone:
    all other tokens lose them too. A patch never loses itself.
    """
    B = len(chosen)
    lost = torch.zeros(B, tokens, tokens, dtype=torch.bool)
    for b in range(B):
        if everyone:
            lost[b, :, extra + chosen[b]] = True
        else:
            lost[b, extra + queries[b], extra + chosen[b]] = True
    itself = torch.arange(tokens)
    lost[:, itself, itself] = False
    return lost


def changes(
    model: SegmentationModel, image: Tensor, queries: Tensor, chosen: Tensor, *, everyone: bool
) -> tuple[Tensor, Tensor]:
    """How far the class probabilities of each query move when it loses its chosen patches.

    image: (3, H, W) uint8, sides multiples of the patch. queries: (B,), chosen: (B, k) patches.
    Returns the total variation distance, (B,) in 0..1, and whether the answer is another, (B,).
    """
    B = len(queries)
    batch = normalise(image, model.config.normalisation).expand(B, -1, -1, -1)  # (B, 3, H, W)
    before = _at_queries(model.coarse(batch[:1], aux=False).scores.expand(B, -1, -1, -1), queries)
    tokens = model.encoder.extra + before[1]
    pairs = lost_pairs(chosen, queries, tokens, model.encoder.extra, everyone=everyone)
    with edited(model.encoder, lambda layer, weights: without(weights, pairs)):
        after = _at_queries(model.coarse(batch, aux=False).scores, queries)
    moved = (after[0] - before[0]).abs().sum(-1) / 2  # (B,)
    return moved, after[0].argmax(-1) != before[0].argmax(-1)


def _at_queries(scores: Tensor, queries: Tensor) -> tuple[Tensor, int]:
    """(B, K, h, w) -> class probabilities at each query, (B, K), and N."""
    flat = scores.flatten(2).softmax(1)  # (B, K, N)
    return flat[torch.arange(len(queries)), :, queries], flat.shape[-1]


def ranked(variant: str, maps: dict[str, Tensor], query: int, grid: Grid, seed: int) -> Tensor:
    """All patches but the query, (N - 1,), those to take away first in front.

    maps: of MAPS, (N,) weights each. seed: of the random order.
    """
    h, w = grid
    if variant == "random":
        order = torch.randperm(h * w, generator=generator(seed, query))
    elif variant == "nearest":
        row, column = divmod(query, w)
        down = (torch.arange(h * w) // w - row).double()
        order = torch.hypot(down, (torch.arange(h * w) % w - column).double()).argsort(stable=True)
    elif variant == "least attended":
        order = maps["mean of layers"].argsort(stable=True)
    else:
        order = maps[variant].argsort(descending=True, stable=True)
    return order[order != query]


def prepare(settings: SimpleNamespace, data_root: str | None) -> SimpleNamespace:
    """The model, trained now, and of each photograph some queries with their maps."""
    sizes = choose(settings.profile, **MODEL)
    sizes.tests = settings.groups * settings.group
    real = bool(camvid.available(data_root) and find_weights(WEIGHTS, data_root)) and not sizes.toy
    place = camvid_place(sizes, data_root) if real else toy_place(sizes)
    torch.manual_seed(0)
    base = base_encoder(place, sizes, real, data_root, None)
    models = untrained(base, place, sizes, real, 0, ("linear",))
    train_decoders(models, place, sizes, 0, {})
    model = models["linear"].eval().requires_grad_(False)
    cases = []
    for i, sample in enumerate(place.test):
        seen = inside(model, sample.image)
        N = seen.grid[0] * seen.grid[1]
        queries = torch.randperm(N, generator=generator(i))[: settings.queries]  # (B,)
        mean = seen.attention.mean(1)[:, seen.extra :, seen.extra :]  # (L, N, N)
        whole = rollout(seen.attention)[seen.extra :, seen.extra :]  # (N, N)
        found = {"last layer": mean[-1], "mean of layers": mean.mean(0), "rollout": whole}
        maps = [{name: m[q] for name, m in found.items()} for q in queries]
        cases.append(SimpleNamespace(image=sample.image, queries=queries, maps=maps,
                                     grid=seen.grid, number=i))  # fmt: skip
    return SimpleNamespace(model=model, cases=cases, data=place.data)


@torch.no_grad()
def run(shared, settings, variant, seed):
    if not 0 <= seed < settings.groups:
        raise ValueError(f"there are {settings.groups} groups of photographs, no group {seed}")
    sums = {True: [], False: []}
    for case in shared.cases[seed * settings.group : (seed + 1) * settings.group]:
        count = max(1, round(settings.share * case.grid[0] * case.grid[1]))
        chosen = torch.stack(
            [
                ranked(variant, maps, int(q), case.grid, case.number)[:count]
                for q, maps in zip(case.queries, case.maps, strict=True)
            ]
        )  # (B, k)
        for everyone, found in sums.items():
            found.append(
                torch.stack(
                    [
                        x.float()
                        for x in changes(
                            shared.model, case.image, case.queries, chosen, everyone=everyone
                        )
                    ]
                )
            )  # (2, B)
    (moved, flipped), (moved_all, flipped_all) = (
        torch.cat(sums[everyone], 1).mean(1).tolist() for everyone in (False, True)
    )
    return {"direct": moved, "direct_flips": flipped,
            "everyone": moved_all, "everyone_flips": flipped_all}  # fmt: skip


FAITHFULNESS = Experiment(
    name="15-faithfulness",
    question="Does a patch's answer change more when it loses the patches that an attention map "
    "names than when it loses random ones, or its neighbours?",
    variants=VARIANTS,
    metrics=("direct", "direct_flips", "everyone", "everyone_flips"),
    settings=dict(
        smoke=dict(profile="smoke", groups=2, group=2, queries=2, share=0.1),
        cpu=dict(profile="cpu", groups=5, group=12, queries=2, share=0.1),
    ),
    prepare=prepare,
    run=run,
)
EXPERIMENTS = (FAITHFULNESS,)
