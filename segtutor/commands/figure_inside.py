"""Figures of `segtutor figure` that look into one model: (options, models, photograph) -> figure
and alternative text.

Taught in   : chapter 15, Reading the model

Nothing is drawn here: each function opens what is needed and calls a figure of `segtutor.insight`.
Layers, heads, rows and columns count from 0 in options, as in the library, and from 1 in titles and
alternative texts.
"""

from __future__ import annotations

from pathlib import Path

LAYERS = 4  # shown if --layers does not say
HEADS = 6  # shown beside the mean
MASKS = 5  # classes whose masks are shown


def attention(options, opened, photograph):
    import torch

    from segtutor.insight import attention as a

    if sum(x is not None for x in (options.patch, options.token, options.of_class)) > 1:
        raise ValueError("--patch, --token and --of-class exclude each other: who asks?")
    seen = _inside(options, opened[0], photograph)
    attention, points = seen.attention, ()
    if options.of_class is not None:
        if seen.decoder_attention is None:
            raise ValueError(f"{opened[0].name} has no mask decoder, so no class asks in it")
        attention, k = seen.decoder_attention, _class_number(options.of_class, seen.classes)
        whose = f"class {seen.classes[k]} in the decoder"

        def ask(weights):
            return a.attention_of_class(weights, seen.grid, k)
    elif options.token is not None:
        whose = f"the {options.token} token"

        def ask(weights):
            return a.attention_of_token(weights, seen.grid, options.token, seen.extra)
    else:
        patch = _patch(options, seen.grid)
        whose, points = a.patch_words(patch), (patch,)

        def ask(weights):
            return a.attention_of_patch(weights, seen.grid, patch, seen.extra)

    layers = _layers(options, len(attention))
    heads = attention.shape[1]
    if options.head is not None and not 0 <= options.head < heads:
        raise ValueError(f"--head is {options.head}, the model has {heads}, 0..{heads - 1}")
    shown = [options.head] if options.head is not None else _spread(heads, HEADS)
    columns = [f"head {h + 1}" for h in shown]
    rows = [f"layer {i + 1}" for i in layers]
    maps = torch.stack([ask(attention[i]) for i in layers])  # (R, A, h, w)
    if options.head is None:
        columns.insert(0, "mean")
        maps = torch.cat([maps.mean(1, keepdim=True), maps[:, shown]], 1)  # (R, 1 + shown, h, w)
    else:
        maps = maps[:, shown]  # (R, 1, h, w)
    width = min(8.0, 2.6 * len(columns))
    figure = a.attention_grid(seen.image, maps, rows, columns, points, width=width)
    return figure, a.grid_alt(maps, rows, columns, whose=whose)


def rollout(options, opened, photograph):
    from segtutor.insight.rollout import rollout_figure

    seen = _inside(options, opened[0], photograph)
    layers = _layers(options, len(seen.attention))
    return rollout_figure(
        seen.image, seen.attention, seen.grid, seen.extra, _patch(options, seen.grid), layers=layers
    )


def distance(options, opened, photograph):
    from segtutor.insight import distance as d

    seen = _inside(options, opened[0], photograph)
    found = d.attention_distance(seen.attention, seen.grid, seen.patch, seen.extra)  # (L, A)
    fields, uniform = d.receptive_fields(), d.uniform_distance(seen.grid, seen.patch)
    figure = d.distance_figure(found, fields=fields, uniform=uniform)
    return figure, d.distance_alt(found, fields=fields)


def features(options, opened, photograph):
    from segtutor.insight import features as f

    image = photograph_for(options, opened[0], photograph)
    maps = f.feature_maps(opened[0].model, image, normalisation=opened[0].normalisation)
    if options.channels is not None:
        titles = list(maps)
        if not 0 <= options.channels < len(titles):
            raise ValueError(
                f"--channels is {options.channels}, there are {len(titles)} maps, "
                f"0..{len(titles) - 1} ({titles[0]} to {titles[-1]})"
            )
        title = titles[options.channels]
        channels = f.busiest_channels(maps[title])
        alt = f.channels_alt(title, channels, maps[title].shape[-1])
        return f.features_figure(image, channels, columns=4), alt
    spaces = f.spaces_of(maps)
    colours = f.shared_pca(list(maps.values()), spaces=spaces)
    figure = f.features_figure(image, dict(zip(maps, colours, strict=True)))
    return figure, f.features_alt(maps, spaces=spaces)


def positions(options, opened, photograph):
    from segtutor.insight import positions as p
    from segtutor.insight.inside import encoder_of
    from segtutor.tokens.patch import grid_of

    encoder = encoder_of(opened[0].model)
    embed = encoder.pos_embed
    if options.size:
        new = grid_of(*options.size, encoder.patch)
        tiles = tuple(min(7, a, b) for a, b in zip(embed.grid, new, strict=True))
        return p.before_and_after(
            embed.table, embed.grid, new, extra=embed.extra, mode=embed.mode, tiles=tiles
        )
    h, w = embed.grid
    only = {f"stored, {h}x{w}": p.position_similarity(embed.table, embed.grid, embed.extra)}
    return p.tables_figure(only, tiles=(min(7, h), min(7, w)), width=5.5), p.tables_alt(only)


def classes(options, opened, photograph):
    from segtutor.insight import classes as c

    model = opened[0].model
    embeddings = c.class_embeddings(model)  # (K, d)
    names, _ = names_of(options, opened[0])
    if photograph is None:
        figure = c.plane_figure(*c.class_plane(embeddings), names)
        return figure, c.plane_alt(embeddings, names)
    image = photograph_for(options, opened[0], photograph)
    before, after = c.class_masks(model, image)
    wins = after.argmax(0).flatten().bincount(minlength=len(names))
    which = wins.argsort(descending=True)[: min(MASKS, len(names))].tolist()
    return c.masks_figure(image, before, after, names, which)


def photograph_for(options, opened, photograph):
    """The photograph as the model takes it: (3, H, W) uint8."""
    from segtutor.commands.explore import covering
    from segtutor.data.dataset import read_image

    image = read_image(Path(photograph), upright=True)  # (3, H, W)
    size = options.size or opened.size
    if size is None:  # a baseline takes any size, but for the sides' divisor
        unit = opened.model.multiple_of
        size = [max(unit, side // unit * unit) for side in image.shape[-2:]]
    return covering(image, tuple(size))


def _inside(options, opened, photograph):
    from segtutor.insight.inside import inside

    whole = opened.normalisation is None and opened.size is not None
    classes = names_of(options, opened)[0] if whole else ()
    image = photograph_for(options, opened, photograph)
    return inside(opened.model, image, classes=classes, normalisation=opened.normalisation)


def names_of(options, opened):
    from segtutor.commands.options import names_and_palette

    options.model = opened.name  # for its error
    return names_and_palette(options, opened.model.config.classes)


def _patch(options, grid: tuple[int, int]) -> tuple[int, int]:
    return tuple(options.patch) if options.patch else (grid[0] // 2, grid[1] // 2)


def _layers(options, count: int) -> list[int]:
    layers = options.layers or _spread(count, LAYERS)
    wrong = [i for i in layers if not 0 <= i < count]
    if wrong:
        raise ValueError(f"--layers holds {wrong[0]}, there are {count}, 0..{count - 1}")
    return layers


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of 0..count-1, evenly spread, first and last among them."""
    most = min(most, count)
    return sorted({round(i * (count - 1) / max(most - 1, 1)) for i in range(most)})


def _class_number(text: str, classes: tuple[str, ...]) -> int:
    if text in classes:
        return classes.index(text)
    if not text.isdigit():
        raise ValueError(
            f"--of-class is {text!r}, expected a number or one of {', '.join(classes)}; "
            "--classes names them"
        )
    if int(text) >= len(classes):
        raise ValueError(f"--of-class is {text}, there are {len(classes)}, 0..{len(classes) - 1}")
    return int(text)
