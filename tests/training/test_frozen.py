"""Tokens computed once give what the whole model gives."""

import copy

import pytest
import torch

from segtutor.data import batches
from segtutor.models import segmenter_mask, setr_mla, setr_naive
from segtutor.training import Recipe, train
from segtutor.training.frozen import FrozenTokens, predictions, train_on_tokens
from tests.training.test_loop import Halves

SIZE = (24, 40)  # no multiple of 16 in one side: the frozen images are padded


def images_and_labels(n=5):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(n, 3, *SIZE, generator=generator)
    labels = torch.randint(0, 2, (n, *SIZE), generator=generator)
    labels[:, :3] = 255
    return images, labels


def frozen_of(model, layers=()):
    images, labels = images_and_labels()
    pieces = ((images[i : i + 2], labels[i : i + 2]) for i in range(0, len(images), 2))
    return FrozenTokens(model.encoder, pieces, layers=layers), images, labels


def mask(**options):
    torch.manual_seed(0)
    return segmenter_mask(2, (24, 2, 3), patch=16, image=(32, 48), decoder_heads=3, **options)


def test_what_is_kept():
    model = mask().train()
    frozen, _, labels = frozen_of(model, layers=(0,))
    assert len(frozen) == 5 and frozen.size == (32, 48)
    assert (frozen.grid, frozen.extra) == ((2, 3), 1)
    assert frozen.tokens.dtype == torch.float16 and frozen.tokens.shape == (5, 7, 24)
    assert frozen.layers[0].shape == (5, 7, 24)
    encoded, taken = frozen.take(torch.tensor([4, 0]))
    assert encoded.tokens.dtype == torch.float32 and taken.dtype == torch.int64
    assert torch.equal(taken, labels[[4, 0]])
    assert torch.equal(encoded.tokens, frozen.tokens[[4, 0]].float())
    assert model.encoder.training, "the encoder is given back as it came"


@pytest.mark.parametrize("make", ["mask", "mla"])
def test_the_same_scores_as_the_whole_model(make):
    if make == "mask":
        model, layers = mask(), ()
    else:
        torch.manual_seed(0)
        model = setr_mla(
            2, (24, 4, 3), patch=16, image=(32, 48), hidden=8, head_hidden=8, aux_layers=(0, 3)
        )
        layers = model.neck.layers
    model.eval()
    frozen, images, _ = frozen_of(model, layers)
    encoded, _ = frozen.take(slice(0, 5))
    with torch.no_grad():
        here, there = model.decode(encoded, frozen.size, aux=True), model.coarse(images, aux=True)
    assert here.padded_size == there.padded_size == (32, 48)
    for a, b in zip((here.scores, *here.aux), (there.scores, *there.aux), strict=True):
        torch.testing.assert_close(a, b, atol=1e-2, rtol=1e-2)  # tokens in half precision
    assert len(here.aux) == (2 if make == "mla" else 0)


def test_the_same_predictions_as_the_whole_model():
    model = mask().eval()
    frozen, images, labels = frozen_of(model)
    pairs = list(predictions(model, frozen, batch=2))
    assert len(pairs) == 5
    whole = model.predict(images)  # (5, H, W)
    for (guess, label), want, truth in zip(pairs, whole, labels, strict=True):
        assert guess.shape == SIZE and torch.equal(label, truth)
        assert (guess == want).float().mean() > 0.97  # half precision turns a tie here and there


def test_only_what_stands_behind_the_encoder_learns():
    model = mask()
    frozen, _, _ = frozen_of(model)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    losses = train_on_tokens(model, frozen, Recipe(steps=3, batch=4, lr=1e-2, optimiser="adamw"))
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert len(losses) == 3 and not model.training
    assert moved == {n for n in before if n.startswith("decoder")}


def test_one_seed_one_result():
    def run(seed):
        model = mask()
        frozen, _, _ = frozen_of(model)
        return train_on_tokens(
            model, frozen, Recipe(steps=3, batch=2, optimiser="adamw", seed=seed)
        )

    assert run(0) == run(0) != run(1)


def test_the_first_loss_is_that_of_the_loop():
    """One image, no dropout: training on tokens and training on pixels start with the same loss."""

    class One(Halves):
        def __len__(self):
            return 1

    torch.manual_seed(0)
    model = setr_naive(2, (24, 2, 3), patch=8, image=(32, 48), hidden=8, normalisation="half")
    recipe = Recipe(steps=2, batch=4, lr=0.0, floor=0.0, optimiser="adamw", precision="float32")
    stream = batches(One(), batch=1, steps=1, transform=None, normalisation="half")
    frozen = FrozenTokens(model.encoder, stream)
    there = train(copy.deepcopy(model), One(), recipe, verbose=False)
    here = train_on_tokens(model, frozen, recipe)
    assert here == pytest.approx([row["loss"] for row in there], rel=2e-3)
