"""Room: how fast, how large, and is it still the same? (the page Speed)"""

from segtutor.bench.compare import TASKS, Contest, Result, Side, compare
from segtutor.bench.meter import count_flops, largest_batch, matrix_rate, peak_mib, seconds
from segtutor.bench.plain import PlainModel, plain_evaluation
from segtutor.bench.report import markdown, plot, table
from segtutor.bench.run import bench, camvid_accuracy

__all__ = [
    "TASKS",
    "Contest",
    "PlainModel",
    "Result",
    "Side",
    "bench",
    "camvid_accuracy",
    "compare",
    "count_flops",
    "largest_batch",
    "markdown",
    "matrix_rate",
    "peak_mib",
    "plain_evaluation",
    "plot",
    "seconds",
    "table",
]
