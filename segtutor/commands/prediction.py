"""`segtutor predict`: label maps of photographs and videos, of any size.

Taught in   : chapter 14, Inference: windows, scales, flips
"""

from __future__ import annotations

import sys
from pathlib import Path

from segtutor.commands.options import (
    add_protocol,
    names_and_palette,
    open_model,
    output_folder,
    precision_of,
    protocol_of,
)

LEGEND = 2  # rows below a video's frames, which all need one size


def add_predict(commands) -> None:
    parser = commands.add_parser("predict", help="label maps of photographs and videos")
    parser.add_argument("model", type=Path, help=".safetensors of ours")
    parser.add_argument(
        "images", nargs="+", type=Path, help="photographs, videos, folders of them; any size"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for ids/, colours/ and overlays/; a video gets a folder of frames in each, "
        "and overlays/NAME.mp4",
    )
    parser.add_argument(
        "--classes",
        help="names and colours: ade20k, pascal_context, pascal_context_59, cityscapes, camvid, "
        "or a text file with one class name a line",
    )
    parser.add_argument("--limit", type=int, help="only the first so many frames of each video")
    add_protocol(parser)
    parser.set_defaults(run=_predict)


def _predict(options) -> int:
    import torch

    from segtutor.evaluation.predict import image_files
    from segtutor.evaluation.video import VIDEOS

    files = image_files(options.images)
    videos = [file for file in files if file.suffix.lower() in VIDEOS]
    photos = [file for file in files if file not in videos]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = open_model(options, device)
    names, palette = names_and_palette(options, model.config.classes)
    protocol = protocol_of(options, model.config, options.classes or "your files")
    output_folder(options.out)
    problems: dict[Path, str] = {}
    with precision_of(options, device):
        _photos(options, model, protocol, photos, names, palette, problems)
        for video in videos:
            try:
                _video(options, model, protocol, video, names, palette)
            except ValueError as error:
                problems[video] = str(error)
    for problem in problems.values():
        print(f"segtutor: left out: {problem}", file=sys.stderr)
    print(f"{len(files) - len(problems)} of {len(files)} files: answers in {options.out}")
    return int(bool(problems))


def _photos(options, model, protocol, photos, names, palette, problems) -> None:
    from tqdm import tqdm

    from segtutor.evaluation.predict import predict_files
    from segtutor.insight.overlays import write_prediction

    found = predict_files(model, photos, protocol, batch=options.batch, problems=problems)
    for photo, prediction in tqdm(found, total=len(photos), desc="predict", disable=not photos):
        write_prediction(options.out, photo.path.stem, photo.image, prediction, names, palette)


def _video(options, model, protocol, path: Path, names, palette) -> None:
    from tqdm import tqdm

    from segtutor.evaluation import answers
    from segtutor.evaluation.video import Video, VideoWriter
    from segtutor.insight.overlays import write_prediction

    video = Video(path)
    total = min(filter(None, (video.count, options.limit)), default=None)
    found = answers(model, video.frames(options.limit), protocol, batch=options.batch)
    (options.out / "overlays").mkdir(exist_ok=True)
    with VideoWriter(options.out / "overlays" / f"{path.stem}.mp4", video.rate) as film:
        for frame, prediction in tqdm(found, total=total, desc=path.name):
            name = f"{path.stem}/{frame.number:06d}"
            film.add(
                write_prediction(
                    options.out, name, frame.image, prediction, names, palette, rows=LEGEND
                )
            )
