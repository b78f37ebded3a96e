import base64
import json
import re
from fnmatch import fnmatch

import numpy as np
import pytest
import torch
from PIL import Image

from segtutor.cli import main
from segtutor.insight import Explorer, Inside, explorer, rollout_steps
from segtutor.insight.packing import WORST, restore, unpng
from segtutor.models import segmenter_linear
from segtutor.weights import save_model
from tests.conftest import ROOT


def seen(grid=(3, 4), extra=1, layers=3, heads=2, classes=3, names=()) -> Inside:
    """An Inside of random numbers."""
    (h, w), patch = grid, 8
    T = extra + h * w
    return Inside(
        image=torch.rand(3, h * patch, w * patch),
        grid=grid,
        extra=extra,
        patch=patch,
        attention=(3 * torch.randn(layers, heads, T, T)).softmax(-1),
        tokens=torch.randn(layers, T, 24),
        decoder_attention=None,
        scores=torch.randn(classes, h, w) if classes else None,
        classes=names or tuple(f"class {k}" for k in range(classes)),
    )


def data_of(found: Explorer) -> dict:
    text = re.search(r'<script type="application/json">(.*?)</script>', found.fragment, re.S)[1]
    return json.loads(text)


def stored(model: dict, layer: int) -> np.ndarray:
    """(maps, Q, E + N) weights of one layer, read back as the page reads them."""
    steps = unpng(model["maps"][layer])  # (maps * Q, N)
    floats = [np.frombuffer(base64.b64decode(model[k]), "<f4") for k in ("peaks", "others")]
    maps = 1 + len(model["heads"]) + model["rolled"]
    peaks = floats[0].reshape(len(model["layers"]), maps, -1)[layer]  # (maps, Q)
    E = len(model["extra"])
    others = floats[1].reshape(len(model["layers"]), *peaks.shape, E)[layer]  # (maps, Q, E)
    return np.concatenate([others, restore(steps.reshape(*peaks.shape, -1), peaks)], -1)


def assert_close(found: np.ndarray, wanted: torch.Tensor, extra: int) -> None:
    """Equal within what rounding may do; what extra tokens get is exact."""
    wanted = wanted.numpy()
    np.testing.assert_allclose(found[..., :extra], wanted[..., :extra], rtol=1e-6)
    peak = wanted[..., extra:].max(-1, keepdims=True)
    assert (np.abs(found - wanted)[..., extra:] <= (WORST + 1e-5) * peak).all()


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_the_page_holds_the_attention(extra):
    one = seen(extra=extra)
    (model,) = data_of(explorer(one))["models"]
    assert model["layers"] == [0, 1, 2] and model["heads"] == [0, 1] and not model["rolled"]
    for i in range(3):
        maps = stored(model, i)
        assert maps.shape == (3, extra + 12, extra + 12)
        assert_close(maps[0], one.attention[i].mean(0), extra)
        assert_close(maps[1:], one.attention[i], extra)


def test_every_second_patch():
    one = seen(grid=(5, 4), extra=1)
    (model,) = data_of(explorer(one, stride=2))["models"]
    asked = [0] + [1 + r * 4 + c for r in (0, 2, 4) for c in (0, 2)]
    rolled = rollout_steps(one.attention)
    for i in range(3):
        maps = stored(model, i)
        assert maps.shape == (4, 7, 21)  # mean, two heads, rollout; class token and 3x2 patches
        assert_close(maps[1:3], one.attention[i][:, asked], 1)
        assert_close(maps[3], rolled[i][asked], 1)


def test_chosen_layers_and_heads():
    one = seen(layers=4, heads=3)
    (model,) = data_of(explorer(one, layers=[3, 1], heads=[2]))["models"]
    assert model["layers"] == [1, 3] and model["heads"] == [2] and model["depth"] == 4
    maps = stored(model, 1)
    assert_close(maps[0], one.attention[3].mean(0), 1)  # the mean of all heads, not of those kept
    assert_close(maps[1], one.attention[3, 2], 1)
    assert_close(maps[2], rollout_steps(one.attention)[3], 1)  # through the layers left out too


def test_classes_are_those_of_the_scores():
    one = seen(classes=3)
    (model,) = data_of(explorer(one, palette=((255, 0, 0), (0, 255, 0), (0, 0, 9))))["models"]
    classes = model["classes"]
    assert classes["colours"] == ["#ff0000", "#00ff00", "#000009"]
    assert classes["answer"] == one.scores.argmax(0).flatten().tolist()
    assert classes["sure"][5] == pytest.approx(float(one.scores.softmax(0).amax(0)[1, 1]), abs=1e-3)
    assert data_of(explorer(seen(classes=0)))["models"][0]["classes"] is None


def test_names_cannot_become_markup():
    evil = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "a & 'b' \"c\"")
    title = '</title><b onclick="x">&amp;'
    found = explorer(seen(names=evil), names=["<i>model</i>"], title=title)
    page = found.page()
    for text in (*evil[:2], "<i>model", "<b onclick"):
        assert text not in page
    assert page.count("</script>") == 2  # data and program, nothing else
    assert data_of(found)["models"][0]["classes"]["names"] == list(evil)
    assert data_of(found)["models"][0]["name"] == "<i>model</i>"
    assert "&lt;/title&gt;&lt;b onclick=&quot;x&quot;&gt;&amp;amp;" in page


def test_the_page_stands_alone(tmp_path):
    found = explorer(seen())
    path = found.write(tmp_path / "page.html")
    page = path.read_text("utf-8")
    assert page == found.page() and found.fragment in page
    assert found._repr_html_() == found.fragment  # a cell that ends in it shows it
    assert len(repr(found)) < 100  # which is kept beside it
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith("data:")
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp|https?://", page)


def test_the_smallest_stride_that_fits():
    one = seen(grid=(12, 12), layers=6, heads=4)
    whole = len(explorer(one, stride=1).page())
    assert explorer(one).stride == 1
    smaller = explorer(one, limit=whole - 1)
    assert smaller.stride == 2 and len(smaller.page()) < whole
    with pytest.raises(
        ValueError, match=r"larger than 0.03 MB: 0\.\d\d MB with stride 1, .*stride 4 \(6 layers"
    ):
        explorer(one, limit=30_000)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(layers=[3]), r"layer 3 is out of range: model 1 has layers 0\.\.2"),
        (dict(heads=[0, 2]), r"head 2 is out of range: model 1 has heads 0\.\.1"),
        (dict(layers=[]), "layers is empty"),
        (dict(layers=[0, 2], layer=1), r"layer 1 cannot be shown first: stored are \[0, 2\]"),
        (dict(layer=5), "layer 5 cannot be shown first"),
        (dict(patch=(3, 0)), r"patch \(3, 0\) is outside the 3x4 grid"),
        (dict(stride=4), r"stride is 4, expected 1\.\.3"),
        (dict(names=["a", "b"]), "2 names for 1 models"),
        (dict(palette=((0, 0, 0),)), "1 colours for a model that scores 3 classes"),
        (dict(photo=torch.rand(3, 50, 50)), r"photo has 50x50 pixels, the photograph of model 1"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        explorer(seen(), **options)


def test_models_must_show_the_same_photograph():
    with pytest.raises(ValueError, match="nothing to explore"):
        explorer([])
    with pytest.raises(ValueError, match="b has 24x24 pixels, the photograph of a 24x32"):
        explorer([seen(), seen(grid=(3, 3))], names=["a", "b"])
    both = data_of(explorer([seen(), seen(grid=(6, 8), extra=2)]))
    assert [m["grid"] for m in both["models"]] == [[3, 4], [6, 8]] and both["compare"]


def test_its_files_are_part_of_the_package():
    line = re.search(r"^segtutor = (\[.*\])$", (ROOT / "pyproject.toml").read_text(), re.M)
    patterns = json.loads(line[1])
    for path in (ROOT / "segtutor").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            name = path.relative_to(ROOT / "segtutor").as_posix()
            assert any(fnmatch(name, pattern) for pattern in patterns), name


@pytest.fixture
def place(tmp_path):
    model = segmenter_linear(3, (12, 2, 2), patch=8, image=(32, 40))
    save_model(model, tmp_path / "model.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    (tmp_path / "classes.txt").write_text("road\n<b>car</b>\nsky\n")
    return tmp_path


def test_the_command_writes_a_page(place, capsys):
    model, photo, page = (str(place / n) for n in ("model.safetensors", "photo.png", "page.html"))
    classes = str(place / "classes.txt")
    assert main(["explore", model, photo, "-o", page, "--classes", classes]) == 0
    assert "page.html: 0.0" in capsys.readouterr().out
    text = (place / "page.html").read_text("utf-8")
    found = data_of(Explorer(text, "", 1))["models"][0]
    assert found["grid"] == [4, 5] and found["classes"]["names"] == ["road", "<b>car</b>", "sky"]
    assert "<b>car" not in text
    more = ["--size", "48", "48", "--beside", model, "--stride", "2", "--layers", "1"]
    assert main(["explore", model, photo, "-o", page, *more]) == 0
    assert "every 2 can be asked" in capsys.readouterr().out
    first, second = data_of(Explorer((place / "page.html").read_text("utf-8"), "", 1))["models"]
    assert first["grid"] == second["grid"] == [6, 6] and first["layers"] == [1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["none.safetensors", "photo.png", "-o", "x.html"], "no file none.safetensors, and no pre"),
        (["model.safetensors", "photo.png", "-o", "x.png"], "x.png must end in .html"),
        (["model.safetensors", "photo.png", "-o", "no/x.html"], "no folder no to write"),
        (["model.safetensors", "classes.txt", "-o", "x.html"], "cannot be read as an image"),
        (["model.safetensors", "photo.png", "-o", "x.html", "--layers", "7"], "layer 7 is out of"),
    ],
)
def test_mistakes_are_one_line(place, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(place)
    assert main(["explore", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
