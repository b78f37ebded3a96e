"""What can be wrong with a checkpoint or its configuration, and what is said about it."""

import pytest
import torch

from segtutor.weights import from_official
from tests.weights.official_cases import SMALL, checkpoint_of, variant_of


@pytest.fixture
def case(golden):
    def load(name):
        return checkpoint_of(golden(name)), variant_of(golden.config(name)["config"])

    return load


def test_checkpoint_of_the_other_paper(case):
    sd, variant = case("segmenter_mask")
    other, settings = case("setr_naive_lneps")
    with pytest.raises(ValueError, match=r"is of Segmenter .*configuration of SETR"):
        from_official(sd, settings)
    with pytest.raises(ValueError, match=r"is of SETR .*configuration of Segmenter"):
        from_official(other, variant)
    with pytest.raises(ValueError, match="of neither repository"):
        from_official({"layer1.weight": torch.ones(2)}, variant)
    with pytest.raises(ValueError, match="expected a dictionary of tensors, found 0 tensors"):
        from_official({"epoch": 3}, variant)
    with pytest.raises(ValueError, match="configuration is a str, expected a dictionary"):
        from_official(sd, "variant.yml")


def test_decoder_of_another_kind(case):
    sd, _ = case("segmenter_mask")
    _, linear = case("segmenter_linear")
    with pytest.raises(ValueError, match="says decoder 'linear', but .* Segmenter's mask decoder"):
        from_official(sd, linear)


def some(sd: dict) -> list[str]:
    """Names spread over the checkpoint: every one would take a minute."""
    names = [name for name in sd if "blocks." not in name or "blocks.0." in name]
    return names[:: max(1, len(names) // 40)]


@pytest.mark.parametrize("kind", SMALL, ids="-".join)
def test_each_missing_tensor_is_named(kind, case):
    sd, variant = case(SMALL[kind])
    dead = (".conv_seg.", "encoder.head.", *(["backbone.cls_token"] if kind[1] == "mla" else []))
    for name in some(sd):
        if any(part in name for part in dead):
            from_official({k: v for k, v in sd.items() if k != name}, variant)  # nobody misses it
            continue
        with pytest.raises(ValueError, match=rf"missing.*{name}|{name}.*missing"):
            from_official({k: v for k, v in sd.items() if k != name}, variant)


@pytest.mark.parametrize("kind", SMALL, ids="-".join)
def test_each_tensor_of_another_shape_is_found(kind, case):
    sd, variant = case(SMALL[kind])
    dead = (".conv_seg.", "encoder.head.", *(["backbone.cls_token"] if kind[1] == "mla" else []))
    for name in some(sd):
        tensor = sd[name]
        if tensor.ndim == 0 or any(part in name for part in dead):
            continue
        wrong = torch.cat([tensor, tensor[:1]])
        with pytest.raises(ValueError, match=r"differs is|rows|scores"):
            from_official({**sd, name: wrong}, variant)


def test_a_wrong_shape_is_told_with_both_shapes(case):
    sd, variant = case("setr_pup_c16")
    sd["decode_head.conv_2.weight"] = torch.ones(16, 16, 1, 1)
    with pytest.raises(
        ValueError, match=r"'decode_head.conv_2.weight', \(16, 16, 1, 1\) in .*\(16, 16, 3, 3\)"
    ):
        from_official(sd, variant)


@pytest.mark.parametrize("kind", SMALL, ids="-".join)
def test_an_extra_tensor_is_named(kind, case):
    sd, variant = case(SMALL[kind])
    name = "encoder.blocks.0.gamma" if kind[0] == "segmenter" else "decode_head.surprise.weight"
    with pytest.raises(ValueError, match=rf"1 have no place \(first: \['{name}'\]"):
        from_official({**sd, name: torch.ones(1)}, variant)


def test_two_names_for_one_place_are_refused(case):
    sd, variant = case("setr_naive_lneps")
    sd["encoder.norm.weight"] = torch.ones(3)  # of no repository, beside whole SETR names
    with pytest.raises(ValueError, match="no place"):
        from_official(sd, variant)


def test_number_of_classes(case):
    sd, variant = case("segmenter_linear")
    with pytest.raises(ValueError, match="n_cls is 150, but the checkpoint's head scores 7"):
        from_official(sd, {**variant, "n_cls": 150})
    sd, variant = case("setr_mla_c16")
    variant["decode_head"]["num_classes"] = 19
    with pytest.raises(ValueError, match="auxiliary_head.0.num_classes is 7, decode_head's is 19"):
        from_official(sd, variant)
    for head in variant["auxiliary_head"]:
        head["num_classes"] = 19
    with pytest.raises(ValueError, match="decode_head.num_classes is 19, but .* scores 7 classes"):
        from_official(sd, variant)


def test_configuration_that_does_not_fit_the_tensors(case):
    sd, variant = case("segmenter_mask")
    wrong = {
        r"96x96 pixels in patches of 16 and 1 extra token\(s\) make 37": dict(image_size=(96, 96)),
        "has no image_size": dict(image_size=None),
        "says distilled: True, but the checkpoint has no": dict(distilled=True),
        "24 wide and has 5 heads": dict(n_heads=5),
        "24 wide and has 0 heads": dict(n_heads=None),
        "12 tensors are missing": dict(n_layers=4),
        "have no place": dict(n_layers=2),
        "normalization is 'mean'": dict(normalization="mean"),
    }
    for message, change in wrong.items():
        with pytest.raises(ValueError, match=message):
            from_official(sd, {**variant, **change})
    decoder = {k: v for k, v in variant["decoder"].items() if k != "n_heads"}
    with pytest.raises(ValueError, match="the mask transformer is 24 wide and has 0 heads: give"):
        from_official(sd, {**variant, "decoder": decoder})


def test_settings_that_no_published_setr_uses(case):
    for name, part, message in (
        ("setr_pup_c16", dict(align_corners=True), "align_corners is True"),
        ("setr_pup_c16", dict(num_upsampe_layer=1), "num_upsampe_layer is 1, expected 4"),
        ("setr_pup_c16", dict(upsampling_method="nearest"), "not bilinear"),
        ("setr_pup_c16", dict(in_index=1), "the decoder reads the last block"),
    ):
        sd, variant = case(name)
        variant["decode_head"].update(part)
        with pytest.raises(ValueError, match=message):
            from_official(sd, variant)
    sd, variant = case("setr_mla_c16")
    with pytest.raises(ValueError, match="3 auxiliary heads, the checkpoint 4"):
        from_official(sd, {**variant, "auxiliary_head": variant["auxiliary_head"][:3]})
    variant["backbone"]["mla_index"] = [1, 3, 5, 9]
    with pytest.raises(ValueError, match=r"mla_index is \(1, 3, 5, 9\), but .* blocks 0..7"):
        from_official(sd, variant)
