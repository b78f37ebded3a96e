"""Figures of `segtutor figure` that show models from outside: their plan, answers, speed.

Taught in   : chapters 10 and 15

Each function takes (options, models, photograph) and returns figure and alternative text. Nothing
is drawn here, see `segtutor.insight`.
"""

from __future__ import annotations

from pathlib import Path

from segtutor.commands.figure_inside import names_of


def architecture(options, opened, photograph):
    from segtutor.insight.architecture import architecture, architecture_alt
    from segtutor.insight.drawing import draw

    drawing = architecture(opened[0].model, options.size and tuple(options.size))
    return draw(drawing), architecture_alt(drawing)


def comparison(options, opened, photograph):
    from segtutor.data.dataset import check_label, check_pair, read_image, read_label
    from segtutor.evaluation import answers
    from segtutor.evaluation.predict import Photo
    from segtutor.insight import comparison as c

    _check_answers(opened)
    photo = Photo(Path(photograph), read_image(Path(photograph), upright=True), photograph)
    names, palette = names_of(options, opened[0])
    truth = None
    if options.truth:
        truth = read_label(options.truth)  # (H, W)
        if options.ignore is not None:
            truth = truth.where(truth != options.ignore, 255)
        check_label(truth, len(names), 255, options.truth)
        check_pair(photo.image, truth, options.truth)
    found = {}
    for o in opened:
        [(_, found[o.title])] = answers(o.model, [photo], _protocol(options, o, photo.image))
    window = c.border_window(list(found.values()), truth)
    figure = c.comparison_figure(photo.image, found, names, palette, truth=truth, window=window)
    return figure, c.comparison_alt(found, names, truth=truth, window=window)


def failures(options, opened, photograph):
    from tqdm import tqdm

    from segtutor.commands.options import open_data
    from segtutor.evaluation import answers, check_classes
    from segtutor.insight.failures import FailureFinder
    from segtutor.insight.failuresheet import failures_alt, failures_figure

    if options.data is None:
        raise ValueError("failures needs labelled photographs: name a data set with --data")
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"--limit is {options.limit}, expected 1 or more")
    _check_answers(opened)
    data = open_data(options)
    for o in opened:
        check_classes(o.model, data, o.name)
    count = min(len(data), options.limit or len(data))
    first, second = (
        answers(o.model, (data[i] for i in range(count)), _protocol(options, o, data[0].image))
        for o in opened
    )
    finder = FailureFinder(data.classes, models=tuple(o.title for o in opened), ignore=data.ignore)
    pairs = zip(first, second, strict=True)
    for (sample, a), (_, b) in tqdm(pairs, total=count, desc="both models"):
        finder.update(sample.image, sample.label, a, b, name=sample.name)
    found = finder.result()
    return failures_figure(found, data.palette), failures_alt(found)


def tradeoff(options, opened, photograph):
    import json

    from segtutor.insight import tradeoff as t
    from segtutor.reproduce.ledger import read

    points = t.published_points()
    if options.bench or options.ledger:
        for path in (*options.bench, *options.ledger):
            if not path.is_file():
                raise FileNotFoundError(f"no file {path}")
        benches = [
            record
            for path in options.bench
            for record in (
                read(path) if path.suffix == ".jsonl" else [json.loads(path.read_text())]
            )
        ]
        points += t.measured_points(benches, [r for path in options.ledger for r in read(path)])
    return t.tradeoff_figure(points), t.tradeoff_alt(points)


def _check_answers(opened) -> None:
    """Do all predict, and the same number of classes?"""
    for o in opened:
        if o.normalisation is not None:
            raise ValueError(f"{o.name} is an encoder alone: it predicts no classes")
        a, b = opened[0].model.config.classes, o.model.config.classes
        if a != b:
            raise ValueError(f"{opened[0].name} scores {a} classes, {o.name} {b}")


def _protocol(options, opened, image):
    from segtutor.evaluation.protocols import own_protocol

    return own_protocol(tuple(options.size or opened.size or image.shape[-2:]))
