"""The golden models as (checkpoint, configuration), for several test files."""

import torch

SEGMENTER = [f"segmenter_{kind}" for kind in
             ("linear", "mask", "mask_distilled", "pad", "posresize", "lneps")]  # fmt: skip
SETR = [f"setr_{kind}" for kind in
        ("naive", "naive_lneps", "pup", "pup_c16", "mla", "mla_c16")]  # fmt: skip
GOLDENS = [*SEGMENTER, *SETR]
SMALL = {  # one of each decoder, all in the repository
    ("segmenter", "linear"): "segmenter_linear",
    ("segmenter", "mask"): "segmenter_mask",
    ("setr", "naive"): "setr_naive_lneps",
    ("setr", "pup"): "setr_pup_c16",
    ("setr", "mla"): "setr_mla_c16",
}


def checkpoint_of(arrays: dict) -> dict[str, torch.Tensor]:
    return {k[3:]: torch.from_numpy(v) for k, v in arrays.items() if k.startswith("sd/")}


def variant_of(config: dict) -> dict:
    """SETR's goldens hold their configuration; Segmenter's hold the numbers of net_kwargs."""
    if "model" in config:
        return config["model"]
    names = ("image_size", "patch_size", "d_model", "n_heads", "n_layers", "dropout",
             "drop_path_rate", "distilled", "n_cls")  # fmt: skip
    decoder = {"name": config["decoder"]}
    for name in ("n_layers", "n_heads", "drop_path_rate", "dropout"):
        if f"dec_{name}" in config:
            decoder[name] = config[f"dec_{name}"]
    return {**{name: config[name] for name in names}, "decoder": decoder}
