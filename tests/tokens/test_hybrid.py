"""SETR-Hybrid: ResNet in front, everything behind it as in Encoder. No golden exists for it."""

import pytest
import torch
from torch import nn

from segtutor.decoders import NaiveDecoder
from segtutor.insight import capture
from segtutor.models import SegmentationModel
from segtutor.tokens import Encoder, HybridEmbed, HybridEncoder, build_encoder, grid_to_tokens

TINY = dict(backbone="resnet18", width=24, depth=3, heads=3, image=(64, 96))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_full_size_is_resnet50_plus_linear_plus_t_small(timm):
    with torch.device("meta"):
        hybrid = HybridEncoder(image=(768, 768))
        resnet = timm.create_model("resnet50", num_classes=0)
        small = build_encoder("T-Small", image=(768, 768), final_norm=False)
        model = SegmentationModel(hybrid, NaiveDecoder(width=768, classes=19)).eval()
        coarse = model.coarse(torch.empty(1, 3, 769, 512))
    linear = 2048 * 768 + 768
    assert count(hybrid) == count(resnet) + linear + count(small) - count(small.patch_embed)
    assert count(hybrid) == 111_907_136
    assert (hybrid.width, hybrid.depth, hybrid.patch) == (768, 12, 16)
    assert coarse.scores.shape == (1, 19, 49, 32) and coarse.padded_size == (784, 512)


def test_the_embedding_is_timms_dilated_resnet_and_one_matrix(timm):
    """Against timm's classifier network with the same weights, its last stage dilated by hand."""
    torch.manual_seed(0)
    embed = HybridEmbed(width=24, backbone="resnet50").eval()
    resnet = timm.create_model("resnet50", output_stride=32).eval()
    left = resnet.load_state_dict(embed.backbone.state_dict(), strict=False)
    assert left.missing_keys == ["fc.weight", "fc.bias"] and left.unexpected_keys == []
    for i, block in enumerate(resnet.layer4):
        for conv in (m for m in block.modules() if isinstance(m, nn.Conv2d)):
            conv.stride = (1, 1)  # stage 4 keeps its resolution ...
            if conv.kernel_size == (3, 3) and i > 0:
                conv.dilation = conv.padding = (2, 2)  # ... and looks twice as far instead
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        features = resnet.forward_features(images)  # (2, 2048, 4, 6)
        matrix = embed.proj.weight.flatten(1)  # (24, 2048)
        wanted = grid_to_tokens(features) @ matrix.T + embed.proj.bias
        got, grid = embed(images)
    assert features.shape == (2, 2048, 4, 6) and grid == (4, 6)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_behind_the_embedding_it_is_the_plain_encoder():
    """Same positions, blocks and norm: feed both the same tokens and compare every block."""
    hybrid = HybridEncoder(**TINY, final_norm=True).eval()
    plain = Encoder(width=24, depth=3, heads=3, image=(64, 96)).eval()
    hybrid.take_transformer(plain)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        tokens = hybrid.patch_embed(images)
        plain.patch_embed.forward = lambda images: tokens
        ours, theirs = hybrid(images, layers="all"), plain(images, layers="all")
    assert ours.grid == (4, 6) and ours.extra == 1
    assert torch.equal(ours.tokens, theirs.tokens)
    assert all(torch.equal(ours.layers[i], theirs.layers[i]) for i in range(3))


@pytest.mark.parametrize("size", [(64, 96), (61, 50), (16, 16), (17, 129)])
def test_any_size_through_the_model(size):
    model = SegmentationModel(HybridEncoder(**TINY), NaiveDecoder(width=24, classes=7)).eval()
    assert model.multiple_of == 16
    with torch.no_grad():
        coarse = model.coarse(torch.randn(2, 3, *size))
        assert coarse.scores.shape == (2, 7, *(-(-side // 16) for side in size))
        assert model(torch.randn(2, 3, *size)).shape == (2, 7, *size)


def test_auxiliary_heads_gradients_and_both_attention_paths():
    torch.manual_seed(0)
    heads = [NaiveDecoder(width=24, classes=7, layer=i) for i in (0, 1)]
    model = SegmentationModel(HybridEncoder(**TINY), NaiveDecoder(width=24, classes=7), heads)
    coarse = model.train().coarse(torch.randn(2, 3, 64, 96))
    (coarse.scores.sum() + sum(a.square().sum() for a in coarse.aux)).backward()
    assert [a.shape for a in coarse.aux] == [(2, 7, 4, 6)] * 2
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        fused = model(images)
        names = ("encoder.blocks.*.attn", "encoder.patch_embed.backbone.layer*")
        with capture(model, *names) as seen:
            explicit = model(images)
    torch.testing.assert_close(fused, explicit, atol=1e-5, rtol=1e-5)
    assert seen["encoder.blocks.2.attn"].shape == (1, 3, 25, 25)
    assert seen["encoder.patch_embed.backbone.layer4"].shape == (1, 512, 4, 6)
    assert seen["encoder.patch_embed.backbone.layer3"].shape == (1, 256, 4, 6)


def test_a_frozen_resnet_keeps_its_statistics_too():
    encoder = HybridEncoder(**TINY)
    bn = encoder.patch_embed.backbone.bn1
    before = bn.running_mean.clone()
    encoder.freeze(1)
    encoder.train()(torch.randn(2, 3, 64, 96)).tokens.sum().backward()
    assert torch.equal(bn.running_mean, before) and encoder.training and encoder.blocks[0].training
    learning = {name.split(".")[1] for name, p in encoder.named_parameters() if p.grad is not None}
    assert learning == {"1", "2"}
    free = HybridEncoder(**TINY).train()
    free(torch.randn(2, 3, 64, 96))
    assert not torch.equal(free.patch_embed.backbone.bn1.running_mean, before)


def test_a_plain_encoders_transformer_is_taken_over_and_positions_resized():
    hybrid = HybridEncoder(**TINY)
    plain = Encoder(width=24, depth=3, heads=3, patch=8, image=(40, 32), final_norm=False)
    embedding = {k: v.clone() for k, v in hybrid.patch_embed.state_dict().items()}
    hybrid.take_transformer(plain)
    assert torch.equal(hybrid.blocks[2].mlp.fc1.weight, plain.blocks[2].mlp.fc1.weight)
    assert torch.equal(hybrid.pos_embed.table, plain.pos_embed.at((4, 6)))
    assert torch.equal(hybrid.cls_token, plain.cls_token)
    for name, tensor in hybrid.patch_embed.state_dict().items():
        assert torch.equal(tensor, embedding[name]), name
    fine = dict(width=24, depth=3, heads=3, final_norm=False)
    for change, message in [
        (dict(width=12), r"'cls_token' is \(1, 1, 12\) there and \(1, 1, 24\) here"),
        (dict(depth=2), "'blocks.2.norm1.weight' is none there"),
        (dict(extra_tokens=("cls", "dist")), "'pos_embed' is|'dist_token' is"),
        (dict(final_norm=True), "'norm.weight' is .* there and none here"),
    ]:
        with pytest.raises(ValueError, match=message):
            hybrid.take_transformer(Encoder(**{**fine, **change}))


def test_bad_input_is_explained():
    for name in ("resnet1001", "vgg11", "vit_tiny_patch16_224", "hrnet_w18"):
        with pytest.raises(ValueError, match=f"'{name}'"):
            HybridEncoder(**{**TINY, "backbone": name})
    encoder = HybridEncoder(**TINY)
    with pytest.raises(ValueError, match="one patch alone is 16x16"):
        encoder(torch.randn(1, 3, 15, 40))
    with pytest.raises(ValueError, match="16x16 patches do not tile"):
        encoder(torch.randn(1, 3, 40, 64))
    with pytest.raises(ValueError, match=r"blocks 0\.\.2"):
        encoder(torch.randn(1, 3, 32, 32), layers=[3])
