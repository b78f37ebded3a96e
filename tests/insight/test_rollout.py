"""Rollout against paths counted one by one, flow against every possible cut."""

from itertools import product

import matplotlib.pyplot as plt
import pytest
import torch

from segtutor.insight import attention_flow, rollout, rollout_figure, rollout_steps
from segtutor.insight.rollout import joined_heads


def soft(*shape):
    return torch.randn(*shape, dtype=torch.double).softmax(-1)


def paths(matrices, i, j) -> float:
    """The sum over all ways from token i after the last layer down to input token j."""
    L, T = len(matrices), len(matrices[0])
    total = 0.0
    for between in product(range(T), repeat=L - 1):
        way, weight = (j, *between, i), 1.0
        for layer in range(L):
            weight *= float(matrices[layer][way[layer + 1]][way[layer]])
        total += weight
    return total


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("heads", ["mean", "max", "min"])
def test_rollout_is_the_sum_over_all_paths(residual, heads):
    L, A, T = 3, 2, 4
    attention = soft(L, A, T, T)
    matrices = []
    for layer in attention.tolist():
        matrix = []
        for i in range(T):
            values = [[layer[a][i][j] for a in range(A)] for j in range(T)]
            join = {"mean": lambda v: sum(v) / A, "max": max, "min": min}[heads]
            row = [join(v) for v in values]
            row = [x / sum(row) for x in row]
            if residual:
                row = [0.5 * x + (0.5 if i == j else 0.0) for j, x in enumerate(row)]
            matrix.append(row)
        matrices.append(matrix)
    found = rollout(attention, residual=residual, heads=heads)
    for i in range(T):
        for j in range(T):
            assert float(found[i, j]) == pytest.approx(paths(matrices, i, j), abs=1e-12)
    torch.testing.assert_close(found.sum(-1), torch.ones(T).double())


def test_two_layers_by_hand():
    first = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    second = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    attention = torch.stack([first, second])[:, None]
    without = torch.tensor([[0.5, 0.5], [0.5, 0.5]])  # both read token 1, a half of each input
    assert torch.equal(rollout(attention, residual=False), without)
    # with: A1 = [[1, 0], [1/4, 3/4]], A2 = [[1/2, 1/2], [0, 1]]; first row (1 + 1/4)/2, (3/4)/2
    assert torch.equal(rollout(attention), torch.tensor([[0.625, 0.375], [0.25, 0.75]]))
    steps = rollout_steps(attention)
    assert torch.equal(steps[0], (first + torch.eye(2)) / 2) and torch.equal(
        steps[1], rollout(attention)
    )


def test_flow_is_the_smallest_cut():
    """The largest flow equals the smallest cut: all ways to part the inner nodes are tried."""
    L, T, target = 3, 3, 1
    matrices = joined_heads(soft(L, 2, T, T))
    found = attention_flow(matrices, target)
    nodes = [(layer, i) for layer in range(L + 1) for i in range(T)]
    for source in range(T):
        inner = [n for n in nodes if n not in ((0, source), (L, target))]
        best = float("inf")
        for sides in product((True, False), repeat=len(inner)):
            here = dict(zip(inner, sides, strict=True)) | {(0, source): True, (L, target): False}
            cut = sum(
                float(matrices[layer, i, j])
                for layer in range(L)
                for i in range(T)
                for j in range(T)
                if here[layer, j] and not here[layer + 1, i]
            )
            best = min(best, cut)
        assert float(found[source]) == pytest.approx(best, abs=1e-6)


def test_what_cannot_be_rolled_out():
    attention = soft(2, 2, 3, 3)
    with pytest.raises(ValueError, match="heads is 'median', expected one of mean, max, min"):
        rollout(attention, heads="median")
    with pytest.raises(ValueError, match=r"shape \(2, 3, 3\), expected \(L, A, T, T\)"):
        rollout(attention[0])
    crossed = torch.stack([torch.eye(2), torch.eye(2).flip(0)])[None]  # heads share nothing
    with pytest.raises(ValueError, match="'min' over heads leaves a row without any weight"):
        rollout(crossed, heads="min")
    attention[1, 0, 2, 1] = float("inf")
    with pytest.raises(ValueError, match="not finite: layer 1, head 0 .* such as inf"):
        rollout(attention)
    with pytest.raises(ValueError, match="out of reach .*at most 400"):
        attention_flow(torch.eye(197).expand(12, -1, -1), 0)
    with pytest.raises(ValueError, match="no token 3: there are 3"):
        attention_flow(joined_heads(soft(1, 1, 3, 3)), 3)


def test_the_figure_tells_what_it_shows():
    attention = torch.eye(7).expand(3, 2, 7, 7)
    figure, alt = rollout_figure(torch.rand(3, 16, 24), attention, (2, 3), 1, (1, 0), layers=(0, 2))
    assert len(figure.axes) == 4
    assert "attention 1, 1; rollout 1, 1. The patch itself keeps 100 %" in alt
    _, alt = rollout_figure(torch.rand(3, 16, 24), attention, (2, 3), 1, (1, 0))
    assert "in layer 1, layer 2, layer 3." in alt  # all of three
    with pytest.raises(ValueError, match=r"layers \(3,\): the model has 3, counted 0..2"):
        rollout_figure(torch.rand(3, 16, 24), attention, (2, 3), 1, (1, 0), layers=(3,))
    plt.close("all")
