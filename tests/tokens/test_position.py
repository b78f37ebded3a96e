import pytest
import torch
import torch.nn.functional as F

from segtutor.tokens import Encoder, PositionEmbed, resize_positions


@pytest.mark.parametrize("case", ["square", "dist", "rect", "down"])
def test_resized_as_segmenters_code_does(golden, case):
    arrays = golden("segmenter_resize_pos_embed")
    old, new, extra = golden.config("segmenter_resize_pos_embed")["config"]["cases"][case]
    if case == "square":  # 6x6 -> 9x4 has the same number of tokens: officially left alone
        new = tuple(new)
        assert old[0] * old[1] == new[0] * new[1]
    got = resize_positions(
        torch.from_numpy(arrays[f"in/{case}"]), tuple(old), tuple(new), extra=extra
    )
    wanted = torch.from_numpy(arrays[f"out/{case}"])
    torch.testing.assert_close(got, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", [80, 112])
def test_resized_as_setrs_code_does(golden, side):
    arrays = golden("setr_pretrained_pos_embed")
    new = (side // 16, side // 16)
    vit = resize_positions(torch.from_numpy(arrays["in/vit"]), (6, 6), new, extra=1)
    torch.testing.assert_close(
        vit, torch.from_numpy(arrays[f"out/vit_img{side}"]), atol=1e-6, rtol=0
    )
    table = torch.from_numpy(arrays["in/deit_distilled"])
    table = torch.cat([table[:, :1], table[:, 2:]], dim=1)  # SETR drops the distillation position
    deit = resize_positions(table, (6, 6), new, extra=1)
    wanted = torch.from_numpy(arrays[f"out/deit_distilled_img{side}"])
    torch.testing.assert_close(deit, wanted, atol=1e-6, rtol=0)


def test_bilinear_by_hand():
    """A ramp stays a ramp: 0, 1 over four places is 0, 0.25, 0.75, 1."""
    table = torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(1, 4, 1)
    got = resize_positions(table, (2, 2), (2, 4), extra=0)
    assert got.flatten().tolist() == pytest.approx([0, 0.25, 0.75, 1] * 2)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_equal_token_count_with_another_aspect_is_resized_too(mode):
    table = torch.randn(1, 1 + 16, 3)
    wide = resize_positions(table, (4, 4), (2, 8), mode=mode)
    assert wide.shape == table.shape and not torch.allclose(wide[:, 1:], table[:, 1:])
    image = table[:, 1:].reshape(1, 4, 4, 3).permute(0, 3, 1, 2)
    wanted = F.interpolate(image, size=(2, 8), mode=mode, align_corners=False)
    torch.testing.assert_close(wide[:, 1:], wanted.permute(0, 2, 3, 1).reshape(1, 16, 3))
    assert torch.equal(wide[:, 0], table[:, 0])  # the class token's vector has no place to move


def test_same_grid_is_left_alone():
    table = torch.randn(1, 13, 3)
    assert resize_positions(table, (3, 4), (3, 4)) is table


def test_module_adds_the_table_for_the_images_grid():
    embed = PositionEmbed(width=6, grid=(3, 4), extra=1)
    tokens = torch.zeros(2, 1 + 10, 6)
    assert torch.equal(embed(tokens, (2, 5))[0], embed.at((2, 5))[0])


def test_wrong_grid_and_mode_are_refused():
    with pytest.raises(ValueError, match="17 rows, but 1 extra tokens and a grid of 3x4 make 13"):
        resize_positions(torch.randn(1, 17, 2), (3, 4), (5, 5))
    with pytest.raises(ValueError, match="expected 'bilinear' or 'bicubic'"):
        resize_positions(torch.randn(1, 13, 2), (3, 4), (5, 5), mode="area")


def test_state_dict_uses_timms_key_both_ways():
    a, b = (Encoder(width=8, depth=1, heads=2, patch=8, image=(16, 24)) for _ in range(2))
    assert "pos_embed" in a.state_dict() and "pos_embed.table" not in a.state_dict()
    missing, unexpected = b.load_state_dict(a.state_dict())
    assert not missing and not unexpected
    assert torch.equal(a.pos_embed.table, b.pos_embed.table)
