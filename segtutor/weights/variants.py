"""Reading the configurations that stand beside official checkpoints; never running them.

Implements  : `variant.yml` of Segmenter; configuration files of SETR (mmsegmentation), which are
              Python; JSON of either
Taught in   : chapter 03, The encoder and its pretrained weights
Official    : mmcv executes its configuration files. Here they are only parsed: numbers, text,
              lists, dict(...) calls, names assigned before, and `_base_` files are understood,
              anything else is refused with its line.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import yaml


class _Loader(yaml.SafeLoader):
    """yaml's safe loader, and tuples: Segmenter's files hold `image_size: !!python/tuple`."""


_Loader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node))
)


def read_variant(path: str | Path) -> dict:
    """The configuration in a .yml/.yaml, .json or .py file, as a dictionary.

    Raises FileNotFoundError, and ValueError naming file (and line) for what cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no configuration file at {path}")
    text = path.read_text()
    try:
        if path.suffix in (".yml", ".yaml"):
            content = yaml.load(text, Loader=_Loader)
        elif path.suffix == ".json":
            content = json.loads(text)
        elif path.suffix == ".py":
            content = parse_config(text, path)
        else:
            raise ValueError("expected a .yml, .yaml, .json or .py file")
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__}, expected a dictionary")
    except (ValueError, SyntaxError, yaml.YAMLError) as error:
        raise ValueError(f"cannot read the configuration {path}: {error}") from error
    return content


def parse_config(text: str, path: Path | None = None) -> dict:
    """Top-level assignments of an mmcv configuration as a dictionary; nothing is executed.

    path: the file the text comes from, needed where it builds on `_base_` files beside it.
    """
    names: dict = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Expr(value=ast.Constant()):
                continue  # a docstring
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = _value(value, names)
            case _:
                raise ValueError(
                    f"line {statement.lineno} is `{ast.unparse(statement)[:60]}`; this file is "
                    "read, never executed, so only plain assignments are understood. Give the "
                    "settings as .json instead"
                )
    bases = names.pop("_base_", [])
    merged: dict = {}
    for base in [bases] if isinstance(bases, str) else bases:
        if path is None:
            raise ValueError(f"it builds on {base!r}, which is not at hand")
        merged = _merge(merged, read_variant((path.parent / base).resolve()))
    return _merge(merged, names)


def _value(node: ast.expr, names: dict):
    """What an expression of plain values means."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=parts):
            return [_value(part, names) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part, names) for part in parts)
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {_value(key, names): _value(value, names) for key, value in pairs}
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=entries) if all(
            entry.arg for entry in entries
        ):
            return {entry.arg: _value(entry.value, names) for entry in entries}
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=part):
            value = _value(part, names)
            if isinstance(value, (int, float)):
                return -value
    raise ValueError(
        f"line {node.lineno} holds `{ast.unparse(node)[:60]}`, which is no plain value; this file "
        "is read, never executed. Give the settings as .json instead"
    )


def _merge(base: dict, new: dict) -> dict:
    """mmcv's rule: dictionaries entry by entry, unless `_delete_`; all else replaced whole."""
    result = dict(base)
    for key, value in new.items():
        if isinstance(value, dict):
            value = dict(value)
            replace = value.pop("_delete_", False)
            old = result.get(key)
            value = _merge(old if isinstance(old, dict) and not replace else {}, value)
        result[key] = value
    return result
