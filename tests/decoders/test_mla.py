import pytest
import torch

from segtutor.decoders import MapAuxiliary, MLADecoder, MLAFusion, mla_layers
from segtutor.tokens import Encoded


def four_levels(grid=(3, 5), extra: int = 0) -> Encoded:
    layers = {i: torch.randn(2, extra + grid[0] * grid[1], 12) for i in (1, 3, 5, 7)}
    return Encoded(tokens=layers[7], grid=grid, extra=extra, layers=layers)


def test_levels_are_the_papers_blocks():
    assert mla_layers(24) == (5, 11, 17, 23)  # Z6, Z12, Z18, Z24
    assert mla_layers(12) == (2, 5, 8, 11)
    assert mla_layers(6, levels=2) == (2, 5)
    with pytest.raises(ValueError, match="depth 10 does not divide into 4 equal levels"):
        mla_layers(10)


@pytest.mark.parametrize("extra", [0, 1])
def test_sums_run_from_the_deepest_level_up(extra):
    fusion, e = MLAFusion(width=12, layers=(1, 3, 5, 7), hidden=8).eval(), four_levels(extra=extra)
    inputs, outputs = {}, {}
    for i in range(4):
        fusion.reduce[i].register_forward_hook(
            lambda m, a, out, i=i: outputs.__setitem__(i, out)  # the 1x1 of each level
        )
        fusion.smooth[i].register_forward_hook(
            lambda m, a, out, i=i: inputs.__setitem__(i, a[0])  # what its 3x3 is given
        )
    maps = fusion(e)
    assert [m.shape for m in maps] == [(2, 8, 3, 5)] * 4
    total = torch.zeros_like(outputs[3])
    for i in (3, 2, 1, 0):
        total = total + outputs[i]
        torch.testing.assert_close(inputs[i], total)


def test_a_map_changes_with_its_own_and_deeper_levels_only():
    fusion, e = MLAFusion(width=12, layers=(1, 3, 5, 7), hidden=8).eval(), four_levels()
    before = fusion(e)
    e.layers[3] = torch.randn_like(e.layers[3])  # level 1
    changed = [not torch.equal(a, b) for a, b in zip(before, fusion(e), strict=True)]
    assert changed == [True, True, False, False]


def test_head_joins_the_levels_in_order_and_grows_by_four():
    decoder = MLADecoder(width=8, classes=7, hidden=4).eval()
    maps = tuple(torch.randn(2, 8, 3, 5) for _ in range(4))
    seen = {}
    decoder.joined.register_forward_hook(lambda m, a, out: seen.update(x=out))
    assert decoder(maps).shape == (2, 7, 12, 20)
    for i in range(4):
        part = seen["x"][:, 4 * i : 4 * i + 4]
        torch.testing.assert_close(part, decoder.streams[i](maps[i]))
    first, second = decoder.streams[0]
    corners = second(first(maps[0]))[..., [0, -1], :][..., [0, -1]]
    second.scale = 1
    small = second(first(maps[0]))[..., [0, -1], :][..., [0, -1]]
    torch.testing.assert_close(corners, small)  # align_corners=True keeps the corners


def test_bad_maps_and_levels_are_named():
    with pytest.raises(ValueError, match="3 maps for a decoder of 4 levels"):
        MLADecoder(width=8, classes=7)((torch.randn(1, 8, 2, 2),) * 3)
    for layers in ((), (5, 3), (3, 3)):
        with pytest.raises(ValueError, match="expected one or more, each once, shallow to deep"):
            MLAFusion(width=12, layers=layers)


def test_auxiliary_head_is_one_matrix_on_one_map():
    head = MapAuxiliary(width=8, classes=7, level=2)
    maps = tuple(torch.randn(2, 8, 3, 5) for _ in range(4))
    wanted = torch.einsum("kd,bdhw->bkhw", head.classify.weight[:, :, 0, 0], maps[2])
    torch.testing.assert_close(head(maps), wanted)
    assert head.classify.bias is None
