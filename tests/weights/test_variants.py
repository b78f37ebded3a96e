"""Configurations are read, never run."""

import json

import pytest

from segtutor.weights import read_variant
from segtutor.weights.variants import parse_config

YAML = """
net_kwargs:
  backbone: vit_tiny_patch16_384
  image_size: !!python/tuple
  - 512
  - 512
  n_cls: 150
  drop_path_rate: 0.1
  distilled: false
  decoder: {name: mask_transformer, n_layers: 2}
"""
BASE = """
# model settings
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='VisionTransformer', drop_rate=0.1, norm_cfg=norm_cfg),
    decode_head=dict(type='VisionTransformerUpHead', in_index=-1, num_classes=19),
    auxiliary_head=[dict(in_index=9), dict(in_index=14)])
optimizer = dict(lr=10 / 8)
"""
CHILD = """
'''one run'''
_base_ = ['bases/model.py']
model = dict(
    backbone=dict(img_size=512, drop_rate=0.),
    decode_head=dict(_delete_=True, num_classes=150),
    auxiliary_head=[dict(in_index=4)])
"""


def test_segmenters_yaml_with_its_tuple(tmp_path):
    (tmp_path / "variant.yml").write_text(YAML)
    net = read_variant(tmp_path / "variant.yml")["net_kwargs"]
    assert net["image_size"] == (512, 512) and net["decoder"]["n_layers"] == 2


def test_yaml_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "variant.yml"
    path.write_text(f"a: !!python/object/apply:os.system ['touch {tmp_path}/executed']")
    with pytest.raises(ValueError, match=r"cannot read the configuration .*variant.yml"):
        read_variant(path)
    assert not (tmp_path / "executed").exists()


def test_setrs_python_with_a_base(tmp_path):
    (tmp_path / "bases").mkdir()
    base = BASE.replace("optimizer = dict(lr=10 / 8)\n", "")
    (tmp_path / "bases" / "model.py").write_text(base)
    (tmp_path / "run.py").write_text(CHILD)
    model = read_variant(tmp_path / "run.py")["model"]
    assert model["backbone"] == {
        "type": "VisionTransformer",
        "drop_rate": 0.0,
        "norm_cfg": {"type": "SyncBN", "requires_grad": True},
        "img_size": 512,
    }
    assert model["decode_head"] == {"num_classes": 150}  # _delete_ drops what the base says
    assert model["auxiliary_head"] == [{"in_index": 4}]  # lists are replaced whole
    assert parse_config(base)["model"]["decode_head"]["in_index"] == -1


@pytest.mark.parametrize(
    "line,shown",
    [
        ("import os", "line 2 is `import os`"),
        ("model['x'] = 1", "line 2 is `model"),
        ("model = __import__('os').system('false')", "line 2 holds `__import__"),
        ("model = [x for x in ()]", "line 2 holds"),
        ("model = dict(**other)", "line 2 holds"),
        ("model = unknown", "line 2 holds `unknown`"),
    ],
)
def test_anything_but_plain_values_is_refused_with_its_line(line, shown, tmp_path):
    path = tmp_path / "config.py"
    path.write_text(f"a = 1\n{line}\n")
    with pytest.raises(ValueError, match=r"config.py: line 2 ") as error:
        read_variant(path)
    assert shown in str(error.value) and "never executed" in str(error.value)


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="no configuration file at"):
        read_variant(tmp_path / "nothing.yml")
    (tmp_path / "a.json").write_text(json.dumps({"model": {"backbone": {}}}))
    assert read_variant(tmp_path / "a.json") == {"model": {"backbone": {}}}
    for name, text, message in (
        ("b.json", "[1]", "holds a list, expected a dictionary"),
        ("c.json", "{", "cannot read the configuration"),
        ("d.py", "a = (", "cannot read the configuration"),
        ("e.txt", "a: 1", "expected a .yml, .yaml, .json or .py file"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=message):
            read_variant(tmp_path / name)
    with pytest.raises(ValueError, match="builds on 'base.py', which is not at hand"):
        parse_config("_base_ = 'base.py'")
