"""What a run leaves to read: a line of JSON per step, and TensorBoard's curves if wanted.

Taught in   : chapter 13, Training recipes
"""

from __future__ import annotations

import json
import os
from pathlib import Path

NAME = "log.jsonl"


class Log:
    """Writes each step's row to `folder/log.jsonl`, and to TensorBoard.

    folder: None writes no lines. tensorboard: folder for its event files, None for none. history:
    rows of the steps that a checkpoint holds already; what an interrupted run wrote after it is
    taken back, so that no step stands there twice. Raises ModuleNotFoundError saying what to
    install when TensorBoard is wanted and missing.
    """

    def __init__(self, folder: Path | None, tensorboard: str | Path | None, history: list[dict]):
        self.file = self.writer = None
        if folder:
            part = folder / f"{NAME}.part"
            part.write_text("".join(json.dumps(row) + "\n" for row in history))
            os.replace(part, folder / NAME)
            self.file = open(folder / NAME, "a")  # noqa: SIM115
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise ModuleNotFoundError(
                    "log_dir asks for TensorBoard, which is not installed: pip install "
                    "'segtutor[train]', or leave log_dir away (log.jsonl is written anyway)"
                ) from error
            self.writer = SummaryWriter(str(tensorboard), purge_step=len(history))

    def write(self, row: dict) -> None:
        """One row: numbers by name, with the step's number under "step"."""
        if self.file:
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()
        if self.writer:
            for name in row.keys() - {"step", "seconds"}:
                self.writer.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        for open_one in (self.file, self.writer):
            if open_one:
                open_one.close()
