"""Every training of both papers: names, settings, printed numbers; overrides from text."""

from dataclasses import replace

import pytest
import torch

from segtutor.data.check import reader
from segtutor.models import build
from segtutor.named import MODELS
from segtutor.training.published import RUNS, find_run, override, protocols
from segtutor.weights import BACKBONES
from segtutor.weights.pretrained import PRETRAINED

LINEAR = "camvid-segmenter-linear-tiny-16"


def test_the_table_of_models_names_real_runs_with_the_same_number():
    for row in MODELS.values():
        run = find_run(row.recipe)
        shown = {run.miou_ss, *(t.miou_ss for t in (RUNS.get(f"{run.name}-paper"),) if t)}
        assert row.miou in shown, row.name
        assert replace(run.model, decoder_depth=2) == row.config, row.name
        assert run.backbone == row.backbone or "hybrid" in run.name, row.name


def test_every_run_can_be_found_built_and_tested():
    for name, run in RUNS.items():
        assert run.name == name and find_run(name) is run
        assert reader(run.data) and run.splits
        known = run.backbone in BACKBONES or run.backbone.split(".")[0] in PRETRAINED
        assert known or run.backbone in ("", "resnet50.tv_in1k", "imagenet"), run.backbone
        single, multi = protocols(run)
        assert single.window == multi.window == run.crop
        assert len(multi.ratios) > len(single.ratios) == 1 and multi.flip and not single.flip
        assert run.choice.endswith("."), name
        assert (run.miou_ss or run.miou_ms) is None or run.source, name
        assert run.recipe.batch % run.gpus == 0


@pytest.mark.parametrize("data", ["ade20k", "pascal_context", "cityscapes", "camvid"])
def test_classes_and_crop_belong_to_the_data(data):
    sides = {
        "ade20k": (150, {512, 640}),
        "pascal_context": (60, {480}),
        "cityscapes": (19, {768}),
        "camvid": (11, {192}),
    }
    runs = [run for run in RUNS.values() if run.data == data]
    assert {run.model.classes for run in runs} == {sides[data][0]}
    assert {side for run in runs for side in run.crop} == sides[data][1]


# run, steps, batch, base rate, floor, factor of the heads, mIoU SS, MS. Typed from the papers and
# from the repositories' tables of results, not from the code.
PRINTED = (
    ("cityscapes-setr-pup-large-80k", 80_000, 8, 0.01, 1e-4, 10, 79.34, 82.15),
    ("cityscapes-setr-mla-large-80k", 80_000, 8, 0.002, 1e-4, 10, 77.24, None),
    ("cityscapes-setr-mla-large-80k-paper", 80_000, 8, 0.01, 0, 1, 77.24, None),
    ("ade20k-setr-naive-large-160k", 160_000, 16, 0.01, 1e-4, 10, 48.06, 48.80),
    ("ade20k-setr-naive-large-160k-paper", 160_000, 16, 0.001, 0, 1, 48.18, None),
    ("ade20k-setr-mla-large-160k-bs8", 160_000, 8, 0.001, 1e-4, 10, 47.79, 50.03),
    ("ade20k-setr-mla-large-160k-bs8-paper", 160_000, 8, 0.001, 0, 1, 48.27, 50.03),
    ("pascal-context-setr-mla-large-80k-paper", 80_000, 16, 0.001, 0, 1, 54.87, 55.83),
    ("cityscapes-setr-pup-large-40k-random", 40_000, 8, 0.01, 1e-4, 10, 42.27, None),
    ("cityscapes-setr-pup-large-100k-test-coarse", 100_000, 8, 0.01, 1e-4, 10, None, 81.64),
    ("cityscapes-setr-hybrid-40k-in21k-in21k", 40_000, 8, 0.01, 1e-4, 10, 76.90, None),
    ("ade20k-segmenter-linear-tiny-16", 161_728, 8, 0.001, 1e-5, 1, 39.03, None),
    ("ade20k-segmenter-mask-large-16-640", 161_728, 8, 0.001, 1e-5, 1, 51.82, 53.63),
    ("ade20k-segmenter-mask-large-16-640-paper", 160_000, 8, 0.001, 0, 1, 51.82, 53.63),
    ("pascal-context-segmenter-mask-large-16", 80_128, 16, 0.001, 1e-5, 1, 58.1, 59.0),
    ("cityscapes-segmenter-mask-large-16-paper", 80_000, 8, 0.01, 0, 1, 79.1, 81.3),
    ("ade20k-segmenter-linear-small-16-dropout0.2-path0.0", 161_728, 8, 1e-3, 1e-5, 1, 36.49, None),
    ("ade20k-segmenter-linear-small-16-random-sgd", 161_728, 8, 0.001, 1e-5, 1, 12.51, None),
)


@pytest.mark.parametrize("row", PRINTED, ids=lambda row: row[0])
def test_settings_and_numbers_as_published(row):
    run = find_run(row[0])
    recipe = run.recipe
    seen = (recipe.steps, recipe.batch, recipe.lr, recipe.floor, recipe.head_lr)
    assert (*seen, run.miou_ss, run.miou_ms) == row[1:]
    assert recipe.weight_decay == 0 and recipe.momentum == 0.9 and recipe.optimiser == "sgd"
    setr = run.model.family == "setr"
    assert recipe.nesterov == (not setr and not row[0].endswith("-paper"))
    assert recipe.loss_mean == ("all" if setr and not row[0].endswith("-paper") else "valid")


def test_variants_differ_in_what_their_names_say():
    seg = "ade20k-segmenter-linear-small-16"
    base, dropped = find_run(seg), find_run(f"{seg}-dropout0.1-path0.2")
    assert dropped.model == replace(base.model, dropout=0.1, drop_path=0.2)
    assert find_run(f"{seg}-8k-images").subset == 8000
    adamw = find_run(f"{seg}-random-adamw-paper")
    assert (adamw.recipe.optimiser, adamw.recipe.warmup, adamw.backbone) == ("adamw", 16_000, "")
    assert adamw.recipe.schedule == "cosine"
    assert find_run("cityscapes-segmenter-mask-large-16").model.decoder_depth == 1
    assert find_run("ade20k-segmenter-mask-large-16-640").base == (2560, 640)
    assert find_run("ade20k-segmenter-mask-base-16-paper").model.decoder_dropout == 0
    assert find_run("cityscapes-setr-naive-large-40k").base == (2049, 1025)
    assert find_run("cityscapes-setr-naive-large-40k-paper").base == (2048, 1024)
    coarse = find_run("cityscapes-setr-pup-large-100k-test-coarse")
    assert coarse.splits == ("train", "val", "train_extra")


def test_setr_tests_pascal_context_at_its_only_possible_size():
    single, multi = protocols(find_run("pascal-context-setr-pup-large-80k"))
    assert single.copies((375, 500)) == [((520, 693), False)]
    assert min(min(size) for size, _ in multi.copies((375, 500))) == 480


@pytest.mark.parametrize("name", [name for name in RUNS if name.startswith("camvid")])
def test_our_own_models_run(name):
    model = build(find_run(name).model)
    with torch.no_grad():
        coarse = model.train().coarse(torch.randn(2, 3, 192, 192))
    assert coarse.scores.shape[:2] == (2, 11)
    assert all(aux.shape[:2] == (2, 11) for aux in coarse.aux)


def test_unknown_runs_name_the_near_ones():
    with pytest.raises(ValueError, match=f"no run named 'camvid-linear'; did you mean .*{LINEAR}"):
        find_run("camvid-linear")
    with pytest.raises(ValueError, match="`segtutor recipes` lists them"):
        find_run("qqqq")


def test_override_reads_text_by_the_type_of_the_entry():
    run = find_run(LINEAR)
    changed = override(
        run,
        {
            "steps": "100",
            "recipe.lr": "1e-3",
            "nesterov": "false",
            "splits": "train,val",
            "miou_ss": "none",
            "base": "(2048, 512)",
            "model.size": "64,2,2",
            "model.image": "96x128",
            "model.extra_tokens": "",
            "model.decoder_width": "128",
            "class_weights": "1,2.5",
        },
    )
    assert changed.recipe == replace(
        run.recipe, steps=100, lr=1e-3, nesterov=False, class_weights=(1.0, 2.5)
    )
    assert (changed.splits, changed.base, changed.crop) == (
        ("train", "val"),
        (2048, 512),
        (96, 128),
    )
    model = changed.model
    assert (model.size, model.extra_tokens, model.decoder_width) == ((64, 2, 2), (), 128)
    assert override(run, {"model.size": "small"}).model.size == "small"
    assert override(run, {}) == run
    assert protocols(changed)[0].window == (96, 128)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("stps", "3", "cannot override 'stps': no such entry; did you mean steps"),
        ("size", "tiny", "did you mean model.size"),
        ("name", "x", "cannot override 'name'"),
        ("crop", "96", "cannot override 'crop'"),
        ("steps", "many", "steps is 'many', expected int"),
        ("steps", "0", "must be at least 1"),
        ("nesterov", "maybe", "nesterov is 'maybe', expected bool"),
        ("model.image", "96", "model.image is '96', expected tuple"),
        ("optimiser", "adam", "optimiser is 'adam', expected one of"),
        ("test", "mine", "test is 'mine', expected one of"),
    ],
)
def test_override_says_what_is_wrong(key, text, message):
    with pytest.raises(ValueError, match=message):
        override(find_run(LINEAR), {key: text})
