"""What repeated runs show: differences seed by seed, their mean, and a 95 % interval.

Taught in   : chapter 06 uses it first; chapter 16 explains it
Source      : Student's paired t interval. Two variants with one seed share data order and crops,
              so their difference varies less than either of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, stdev


@dataclass(frozen=True)
class Comparison:
    """variant against reference in one metric. difference: mean over seeds, low..high its 95 %
    interval (nan for fewer than two seeds). seeds: how many pairs.
    """

    variant: str
    reference: str
    metric: str
    difference: float
    low: float
    high: float
    seeds: int

    @property
    def verdict(self) -> str:
        """ "better", "worse", or that it cannot be told: with fewer than five seeds, or an
        interval that includes zero.
        """
        if self.seeds < 5 or not (self.low > 0 or self.high < 0):
            return "cannot be told"
        return "better" if self.low > 0 else "worse"


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean of the values and its 95 % interval, (mean, low, high); nan bounds below two values."""
    if len(values) < 2:
        return mean(values), float("nan"), float("nan")
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return mean(values), mean(values) - half, mean(values) + half


def compare(lines: list[dict], metric: str, reference: str) -> list[Comparison]:
    """Each other variant of `lines` (ledger records) against `reference`, paired by seed."""
    by = {(line["variant"], line["seed"]): line[metric] for line in lines}
    variants = list(
        dict.fromkeys(line["variant"] for line in lines if line["variant"] != reference)
    )
    result = []
    for variant in variants:
        pairs = [
            by[v, seed] - by[reference, seed]
            for v, seed in by
            if v == variant and (reference, seed) in by
        ]
        if pairs:
            result.append(Comparison(variant, reference, metric, *interval(pairs), len(pairs)))
    return result


def markdown(lines: list[dict], metrics: dict[str, str], reference: str) -> str:
    """The page's table: per variant the mean of each metric in percent and, below the reference,
    the paired difference with its 95 % interval. metrics: name in the ledger -> name on the page.
    """
    if not lines:
        return "*No runs are recorded yet.*"
    variants = list(dict.fromkeys(line["variant"] for line in lines))
    variants = [reference, *(v for v in variants if v != reference)]
    found = {m: {c.variant: c for c in compare(lines, m, reference)} for m in metrics}
    rows = ["| variant | " + " | ".join(f"{m} | difference" for m in metrics.values()) + " |"]
    rows.append("|---|" + "---:|---|" * len(metrics))
    for variant in variants:
        cells = []
        for metric in metrics:
            values = [line[metric] for line in lines if line["variant"] == variant]
            cells.append(f"{100 * mean(values):.1f}")
            c = found[metric].get(variant)
            cells.append("reference" if c is None else in_points(c))
        rows.append(f"| {variant} | " + " | ".join(cells) + " |")
    first, seeds = lines[0], len({line["seed"] for line in lines})
    minutes = sum(line["minutes"] for line in lines)
    commits = ", ".join(
        dict.fromkeys(f"`{line['commit']}`" for line in lines if line.get("commit"))
    )
    rows.append(
        f"\nPercent; mean of {seeds} seeds; differences to *{reference}*, paired by seed, with "
        f"their 95 % intervals. Ours: {first['data']}, profile {first['profile']}, {len(lines)} "
        f"runs, {minutes:.0f} minutes on {first['machine']} ({first['device']}), commit "
        f"{commits or 'unknown'}."
    )
    return "\n".join(rows)


def in_points(c: Comparison) -> str:
    """A comparison in percentage points: "+1.2 (+0.4 to +2.0), better"."""
    low, high = 100 * c.low, 100 * c.high
    return f"{100 * c.difference:+.1f} ({low:+.1f} to {high:+.1f}), {c.verdict}"
