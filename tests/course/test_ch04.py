"""Chapter 04's exercises: the solution passes, the stub is told kindly, each usual mistake gets its
own sentence.
"""

import pytest
import torch
import torch.nn.functional as F

from segtutor.course import checks
from segtutor.tokens import resize_positions


def resize(
    table, old, new, extra=1, *, mode="bilinear", corners=False, antialias=False, head=None, way=""
):
    """The solution of 4.1, with one thing changed."""
    D = table.shape[-1]
    first, places = table[:, :extra], table[:, extra:]
    if way == "wrong end":
        places = table[:, : old[0] * old[1]]
    if way == "swapped in":
        image = places.reshape(1, old[1], old[0], D).permute(0, 3, 1, 2)
    elif way == "mixed in":
        image = places.reshape(1, D, *old)
    else:
        image = places.reshape(1, *old, D).permute(0, 3, 1, 2)
    if way == "transposed":
        image = image.transpose(2, 3)
    options = {} if mode == "nearest" else {"align_corners": corners, "antialias": antialias}
    size = new[::-1] if way == "swapped out" else new
    image = F.interpolate(image, size=size, mode=mode, **options)
    if way == "mixed out":
        out = image.reshape(1, -1, D)
    elif way == "by columns":
        out = image.permute(0, 3, 2, 1).reshape(1, -1, D)
    else:
        out = image.permute(0, 2, 3, 1).reshape(1, -1, D)
    if head == "none":
        return out
    if head == "end":
        return torch.cat([out, first], dim=1)
    if head == "zero":
        return torch.cat([torch.zeros_like(first), out], dim=1)
    return torch.cat([first, out], dim=1)


def changed(**options):
    return lambda table, old, new, extra=1: resize(table, old, new, extra, **options)


def stub(table, old, new, extra=1):
    raise NotImplementedError


def square_root(table, old, new, extra=1):
    side = int((table.shape[1] - extra) ** 0.5)
    return resize(table, (side, side), new, extra)


def square_root_that_cuts(table, old, new, extra=1):
    side = int((table.shape[1] - extra) ** 0.5)
    return resize(table[:, : extra + side * side], (side, side), new, extra)


def count_rule(table, old, new, extra=1):
    return table if old[0] * old[1] == new[0] * new[1] else resize(table, old, new, extra)


def one_long_line(table, old, new, extra=1):
    line = F.interpolate(table[:, extra:].mT, size=new[0] * new[1], mode="linear").mT
    return torch.cat([table[:, :extra], line], dim=1)


def class_token_along(table, old, new, extra=1):
    return F.interpolate(table.mT, size=extra + new[0] * new[1], mode="linear").mT


def always_one_extra(table, old, new, extra=1):
    return resize(table[:, : 1 + old[0] * old[1]], old, new, 1)


def no_gradient(table, old, new, extra=1):
    return resize(table.detach(), old, new, extra)


def add(tokens, table, table_grid, grid, extra):
    if tuple(grid) != tuple(table_grid):
        table = resize_positions(table, table_grid, grid, extra=extra)
    return tokens + table


def add_as_given(tokens, table, table_grid, grid, extra):
    if tokens.shape[1] != table.shape[1]:
        side = int((table.shape[1] - extra) ** 0.5)
        new = int((tokens.shape[1] - extra) ** 0.5)
        table = resize_positions(table, (side, side), (new, new), extra=extra)
    return tokens + table


def add_by_count(tokens, table, table_grid, grid, extra):
    if tokens.shape[1] != table.shape[1]:
        table = resize_positions(table, table_grid, grid, extra=extra)
    return tokens + table


def add_guessing_old(tokens, table, table_grid, grid, extra):
    side = int((table.shape[1] - extra) ** 0.5)
    if grid != (side, side):
        table = resize_positions(table, (side, side), grid, extra=extra)
    return tokens + table


def add_swapped(tokens, table, table_grid, grid, extra):
    if grid != table_grid:
        table = resize_positions(table, table_grid, grid[::-1], extra=extra)
    return tokens + table


def add_in_place(tokens, table, table_grid, grid, extra):
    tokens += resize_positions(table, table_grid, grid, extra=extra)
    return tokens


def positions_only(tokens, table, table_grid, grid, extra):
    return resize_positions(table, table_grid, grid, extra=extra).expand_as(tokens)


RIGHT = [
    (checks.ex_4_1, resize),
    (checks.ex_4_1, lambda t, o, n, e=1: resize_positions(t, o, n, extra=e)),
    (checks.ex_4_2, (13, 21)),
    (checks.ex_4_2, [13, 21]),
    (checks.ex_4_3, add),
    (checks.ex_4_4, 0.39),
    (checks.ex_4_4, torch.tensor(0.3906)),
]
WRONG = [
    (checks.ex_4_1, stub, "nothing is written yet"),
    (checks.ex_4_1, lambda t, o, n, e=1: None, "is a `return` missing"),
    (checks.ex_4_1, square_root, "guessed by a square root"),
    (checks.ex_4_1, square_root_that_cuts, "guessed by a square root"),
    (checks.ex_4_1, count_rule, "as many tokens do not make the same grid"),
    (checks.ex_4_1, one_long_line, "one long line: a table is a picture"),
    (checks.ex_4_1, class_token_along, "extra rows were interpolated along"),
    (checks.ex_4_1, always_one_extra, "there may be two"),
    (checks.ex_4_1, no_gradient, "no gradient comes back"),
    (checks.ex_4_1, changed(corners=True), "align_corners is True"),
    (checks.ex_4_1, changed(mode="bicubic"), "this is bicubic"),
    (checks.ex_4_1, changed(mode="nearest"), "nearest-neighbour"),
    (checks.ex_4_1, changed(antialias=True), "antialias is on"),
    (checks.ex_4_1, changed(way="wrong end"), "wrong end was cut off"),
    (checks.ex_4_1, changed(way="swapped in"), "exchanged when the table is laid out"),
    (checks.ex_4_1, changed(way="transposed"), "transposed before it is resized"),
    (checks.ex_4_1, changed(way="swapped out"), "laid out as (w', h')"),
    (checks.ex_4_1, changed(way="by columns"), "column by column"),
    (checks.ex_4_1, changed(way="mixed in"), "mixed up on the way in:"),
    (checks.ex_4_1, changed(way="mixed out"), "mixed up on the way out"),
    (checks.ex_4_1, changed(head="none"), "extra rows (class token) are missing"),
    (checks.ex_4_1, changed(head="end"), "extra rows are at the end"),
    (checks.ex_4_1, changed(head="zero"), "extra rows are zero"),
    (checks.ex_4_2, None, "nothing is written yet"),
    (checks.ex_4_2, 645, "two whole numbers"),
    (checks.ex_4_2, (10, 5), "read by number"),
    (checks.ex_4_2, (21, 13), "exchanged"),
    (checks.ex_4_2, (13, 22), "one too far"),
    (checks.ex_4_2, (13, 4), "should be looked up"),
    (checks.ex_4_2, (0, 0), "which number has the patch"),
    (checks.ex_4_3, add_as_given, "number of tokens is the same, but the grid is not"),
    (checks.ex_4_3, add_by_count, "number of tokens is the same, but the grid is not"),
    (checks.ex_4_3, add_guessing_old, "guessed from the number of tokens"),
    (checks.ex_4_3, add_swapped, "rows and columns of the new grid are exchanged"),
    (checks.ex_4_3, add_in_place, "changed in place"),
    (checks.ex_4_3, positions_only, "positions alone"),
    (checks.ex_4_3, lambda tokens, *rest: tokens.clone(), "positions are missing"),
    (checks.ex_4_4, None, "nothing is written yet"),
    (checks.ex_4_4, 0.625, "factor of one axis"),
    (checks.ex_4_4, 2.56, "wrong way round"),
    (checks.ex_4_4, 1.0, "adds their squares"),
]


@pytest.mark.parametrize(("exercise", "answer"), RIGHT)
def test_right_answers_pass(exercise, answer, capsys):
    exercise(answer)
    assert capsys.readouterr().out == f"Exercise {exercise.number}: right.\n"


@pytest.mark.parametrize(("exercise", "answer", "sentence"), WRONG)
def test_each_mistake_gets_its_sentence(exercise, answer, sentence, capsys):
    exercise(answer)
    out = capsys.readouterr().out
    assert sentence in out and "not yet" in out, out


def test_the_trap_is_where_the_check_says():
    """The answer of 4.2 from a table whose vectors are their own addresses."""
    rows, cols = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    table = torch.stack([rows.flatten(), cols.flatten()], dim=-1)  # (48*48, 2)
    assert tuple(table[10 * 64 + 5].tolist()) == (13, 21)


def test_the_factor_of_4_4_is_what_a_long_table_shows():
    noise = torch.randn(1, 80 * 80, 16, generator=torch.Generator().manual_seed(0))
    larger = resize_positions(noise, (80, 80), (160, 160), extra=0).reshape(160, 160, 16)
    assert (
        checks.ex_4_4.verdict(float((larger[4:-4, 4:-4] ** 2).mean() / (noise**2).mean())) is None
    )
