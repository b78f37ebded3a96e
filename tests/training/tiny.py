"""A data set and a model that are learnt in a few steps of some milliseconds."""

import torch

from segtutor.data.dataset import Sample
from segtutor.models import segmenter_linear


class Halves:
    """Left half dark and class 0, right half bright and class 1."""

    name, classes, palette, ignore = "halves", ("dark", "bright"), ((0, 0, 0), (255, 255, 255)), 255

    def __init__(self, length=4):
        self.length = length
        self.names = [f"picture_{i}" for i in range(length)]

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        label = torch.zeros(32, 48, dtype=torch.uint8)
        label[:, 24:] = 1
        noise = torch.randint(0, 40, (3, 32, 48), generator=torch.Generator().manual_seed(i))
        return Sample((label * 200 + noise).to(torch.uint8), label, self.names[i])


def small(seed=0, dropout=0.1, **options):
    torch.manual_seed(seed)
    options = {"dropout": dropout, **options}
    return segmenter_linear(2, (24, 2, 3), patch=8, image=(32, 48), **options)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])
