"""Train a decoder on tokens that were computed once: minutes become seconds.

Taught in   : chapters 06, 07 and 09 compare decoders in this way, and say so
Source      : ours. With a frozen encoder its output for a crop never changes, so it is computed
              once and kept in half precision. What is measured is the decoder alone, on an
              encoder that did not adapt to it; both papers train encoder and decoder together.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from segtutor.data.loading import number
from segtutor.models import SegmentationModel, pad_to_multiple
from segtutor.tokens import Encoded, Encoder
from segtutor.training.loop import make_optimiser, set_rates
from segtutor.training.losses import loss_from_coarse
from segtutor.training.recipes import Recipe
from segtutor.upsampling import Size, predict_from_coarse


class FrozenTokens:
    """What an encoder gives for a number of images of one size, with their labels.

    tokens: (n, E + N, D) float16, the encoder's last output. layers: the same after the blocks that
    were asked for. labels: (n, H, W) uint8. size: (H, W) that the padded images have.
    """

    def __init__(
        self,
        encoder: Encoder,
        batches: Iterable[tuple[Tensor, Tensor]],
        *,
        layers: Iterable[int] = (),
    ):
        """batches: images (B, 3, H, W), normalised, and labels (B, H, W), as `data.batches` makes
        them; all of one size. The encoder runs in evaluation mode, without gradients.
        """
        was_training, device = encoder.training, next(encoder.parameters()).device
        encoder.eval()
        tokens, labels, kept = [], [], {i: [] for i in layers}
        with torch.inference_mode():
            for images, label in batches:
                padded = pad_to_multiple(images.to(device), encoder.patch)  # (B, 3, H', W')
                encoded = encoder(padded, layers=kept)
                tokens.append(encoded.tokens.half().cpu())  # (B, E + N, D)
                labels.append(label.to(torch.uint8))
                for i, pieces in kept.items():
                    pieces.append(encoded.layers[i].half().cpu())
        encoder.train(was_training)
        self.grid, self.extra, self.size = encoded.grid, encoded.extra, tuple(padded.shape[-2:])
        self.tokens, self.labels = torch.cat(tokens), torch.cat(labels)
        self.layers = {i: torch.cat(pieces) for i, pieces in kept.items()}

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: Tensor | slice) -> tuple[Encoded, Tensor]:
        """Some rows as the encoder would have returned them, and their labels (B, H, W) int64."""
        layers = {i: kept[rows].float() for i, kept in self.layers.items()}
        encoded = Encoded(self.tokens[rows].float(), self.grid, self.extra, layers)
        return encoded, self.labels[rows].long()


def train_on_tokens(model: SegmentationModel, frozen: FrozenTokens, recipe: Recipe) -> list[float]:
    """`loop.train` without the encoder: all that stands behind it is trained, in place. Returns
    the losses.
    """
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    optimiser = make_optimiser(model, recipe)
    model.train()
    losses = []
    for step in range(recipe.steps):
        torch.manual_seed(number(recipe.seed, step))  # rows and dropout of this step
        set_rates(optimiser, recipe, step)
        encoded, labels = frozen.take(torch.randint(len(frozen), (recipe.batch,)))
        coarse = model.decode(encoded, frozen.size)
        loss = loss_from_coarse(coarse, labels, mean=recipe.loss_mean, aux_weight=recipe.aux_weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    return losses


@torch.no_grad()
def predictions(
    model: SegmentationModel, frozen: FrozenTokens, batch: int = 4
) -> Iterable[tuple[Tensor, Tensor]]:
    """(prediction, label), each (H, W), of every image whose tokens are kept."""
    model.eval()
    for start in range(0, len(frozen), batch):
        encoded, labels = frozen.take(slice(start, start + batch))
        size: Size = tuple(labels.shape[-2:])
        coarse = model.decode(encoded, frozen.size, aux=False)
        yield from zip(predict_from_coarse(coarse, size), labels, strict=True)
