"""The error of every closed form against mpmath, over its domain: `python -m benchmarks.accuracy [--out FOLDER]`.

Each form is evaluated at all corners of its domain and at random points (`benchmarks.domains`), with a fixed seed. An
answer is right within 1e-12 of the truth, or within 100 roundings of the inputs, 100 × condition number × 2.2e-16.
"""

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks import domains
from benchmarks.measure import machine
from benchmarks.tuned_domains import TUNED
from overtraining.figures.provenance import versions
from overtraining.setting.errors import Refusal
from overtraining.theory.precision import matrices
from overtraining.theory.precision.form import Form
from overtraining.theory.precision.forms import FORMS
from overtraining.theory.precision.judge import EPS, TOLERANCE, allowed

SEED = 20250331
SLOWER = {"B6r": 40, "A8": 40}  # by how much fewer points a claim has whose integrals take mpmath half a second
NORM, SCALE = (1e-300, 1e6), (1e-9, 1e6)

DOMAINS: dict[str, domains.Domain] = {  # by the beginning of the form's name, the longest that fits
    "balanced_mode": domains.decaying,
    "unbalanced_mode": domains.unbalanced,
    **{
        f"deep_mode.{what}, L = {n}": domains.deep(n) for n in range(1, 101) for what in ("singular_value", "unlearned")
    },
    "deep_mode.time_to_reach": domains.reached,
    **{
        f"matrix_solution.matrix_flow_from_modes, {result}, {a} × {b} from rank {k}": domains.matrices(a, b, k)
        for a, b, k in matrices.SHAPES
        for result in matrices.RESULTS
    },
    "incremental": domains.incremental,
    "random_start.mean_mode": domains.random_starts,
    "random_start.start_variance": domains.numbers((1e-12, 1e6), (1e-12, 1e6)),
    "random_start.random_starts": domains.tuned_random_starts,
    "noise.expected_increase": domains.numbers(NORM, NORM, SCALE, SCALE),
    "noise.expected_increase_at": domains.network(2, SCALE, SCALE),
    "noise.mode_cost": domains.numbers(SCALE, SCALE),
    **{
        f"deep_noise.deep_increase, L = {n}": domains.numbers(NORM, NORM, *[SCALE] * n, corners=n < 4)
        for n in range(1, 9)
    },
    "deep_noise.deep_increase_at": domains.network(3, SCALE, SCALE, SCALE, inputs=False, last=False),
    "curvature.hessian_spectrum, 3s − σ": domains.numbers(NORM, NORM, signed=[1]),
    "curvature.hessian_spectrum, pair": domains.numbers(NORM, NORM, NORM, NORM, signed=[2, 3]),
    "curvature.hessian_trace": domains.network(3, last=False),
    "growth.growth_at": domains.network(3, SCALE, SCALE),
    "growth.norm_gained": domains.numbers((1e-6, 1e6), (1e-12, 1e6), (1e-300, 1e7), signed=[1]),
    "growth.curvature_growth": domains.path,
    "noise_variance": domains.network(3, SCALE, SCALE),
    "conventions.increase_in_convention": domains.network(2, SCALE, SCALE, inputs=False),
    "conventions.rounding_increase_at": domains.network(3, SCALE, SCALE, inputs=False),
    "conventions.rounding_model_scale": domains.numbers(SCALE),
    "conventions.multiplicative_increase": domains.numbers(NORM, NORM, SCALE, SCALE),
    "conventions.mean_unit_overlap": domains.numbers(NORM, NORM, NORM),
    "mean_rounding": domains.numbers(*[(0.1, 4.0)] * 3, (1e-3, 10.0), SCALE, SCALE, signed=[1, 3], corners=False),
    "conventions.unit_overlap_on_path": domains.numbers(NORM, NORM, (1e-9, 1.57)),
    "noisy_flow": domains.network(3, SCALE, SCALE),
    "rates": domains.power_law,
    "sum_rule.norm_growth": domains.segment,
    "sum_rule.predicted_exponent": domains.numbers((1e-9, 1.999)),
    "sum_rule.local_factor": domains.filtered(domains.numbers((1e-6, 1e6), (1e-300, 1e6)), lambda v, e: v > 2.72 * e),
    "sum_rule.turning_length": domains.numbers((1e-9, 1e6)),
    "noisy_mode.turning_product": domains.unbalanced_turn(),
    "noisy_mode.unbalanced_inflection_time": domains.unbalanced_turn((1e-12, 0.99)),
    "deep_stages.threshold_singular_value": domains.numbers(SCALE, SCALE, SCALE),
    "deep_stages.deep_inflection_time": domains.numbers((1e-300, 0.1), *[(1.0, 1e3)] * 3),
    "noisy_mode.inflection_time": domains.with_noise_cost,
    "stages.stage": domains.numbers((1e-6, 1e6), (1e-12, 1e6)),
    "stages.overtraining_in_stages": domains.numbers(*[(1e-6, 1e6)] * 3, (1e-12, 1e6), corners=False),
    "noisy_path.remaining_increase": domains.two_paths,
    "noisy_path.overtraining_bounds": domains.two_modes,
    "noisy_path.minima": domains.with_minimum,
    "scaling": domains.filtered(
        domains.numbers((0.5000001, 1e3), (1e-300, 1e-2), (1e-12, 0.499)),
        lambda a, e, c: (e < 2 * c) & (np.log(2 * c / e) > 2 - 1 / a),
    ),
    **TUNED,
}


@dataclass(frozen=True)
class AccuracyRow:
    """The errors of one form, and its worst point: the one nearest to, or furthest beyond, what is allowed."""

    claim: str
    form: str
    points: int
    refused: int
    wrong: int
    largest: float
    inputs: tuple[float, ...]
    error: float
    condition: float

    @property
    def roundings(self) -> float:
        """The error in units of what one rounding of the inputs does."""
        return self.error / (self.condition * EPS)


def answered(form: Form, points: np.ndarray) -> np.ndarray:
    """The points at which the engine gives an answer, and does not refuse by name."""
    try:
        form.engine(*points.T)
    except Refusal:
        if len(points) == 1:
            return points[:0]
        return np.vstack([answered(form, half) for half in np.array_split(points, 2)])
    return points


def measured(form: Form, given: np.ndarray) -> AccuracyRow:
    """The form's errors at these points. Condition numbers take long, and are computed only where they can matter."""
    points = answered(form, given)
    errors = form.errors(points)
    order = np.argsort(-np.where(np.isnan(errors), np.inf, errors))
    wrong, largest = 0, -1.0  # of the ratios of errors to what is allowed
    worst = (order[0], form.condition(points[order[0]].tolist()))
    for i in order:
        if errors[i] <= TOLERANCE * min(largest, 1):
            break
        condition = form.condition(points[i].tolist())
        ratio = errors[i] / allowed(condition)
        wrong += not ratio <= 1  # so that NaN is wrong
        if not ratio <= largest:
            worst = (i, condition)
            largest = np.inf if np.isnan(ratio) else ratio
    i, condition = worst
    return AccuracyRow(
        form.claim,
        form.name,
        len(points),
        len(given) - len(points),
        wrong,
        float(errors[order[0]]),
        tuple(points[i].tolist()),
        float(errors[i]),
        condition,
    )


def domain(form: Form) -> domains.Domain:
    """The points at which a form is evaluated."""
    return DOMAINS[max((name for name in DOMAINS if form.name.startswith(name)), key=len)]


def rows(forms: Sequence[Form], budget: int) -> list[AccuracyRow]:
    """One row for every form; a claim's forms share `budget` random points.

    Each form has random numbers of its own, which depend on its name and the seed alone.
    """
    found = []
    for form in forms:
        begun, number = time.perf_counter(), budget // sum(form.claim == other.claim for other in FORMS)
        number //= SLOWER.get(form.claim, 1)
        points = domain(form)(np.random.default_rng([SEED, crc32(form.name.encode())]), number)
        found.append(measured(form, points))
        print(f"{table_row(found[-1])} {time.perf_counter() - begun:.0f} s", flush=True)
    return found


HEADINGS = (
    "claim",
    "form",
    "points",
    "refused",
    "wrong",
    "largest error",
    "worst point: error",
    "condition",
    "error / (condition × 2.2e-16)",
    "inputs",
)


COLUMNS = ("claim", "form", "points", "refused", "wrong", "largest_error", "error", "condition", "roundings", "inputs")


def cells(row: AccuracyRow) -> list[str]:
    """A row of the table as text; inputs that are many are in the CSV file alone."""
    inputs = ", ".join(f"{x:.6g}" for x in row.inputs)
    return [
        row.claim,
        f"`{row.form}`",
        *map(str, (row.points, row.refused, row.wrong)),
        f"{row.largest:.1e}",
        f"{row.error:.1e}",
        f"{row.condition:.1e}",
        f"{row.roundings:.2g}",
        inputs if len(row.inputs) < 7 else f"{len(row.inputs)} numbers",
    ]


def table_row(row: AccuracyRow) -> str:
    """The same as a row of Markdown."""
    return f"| {' | '.join(cells(row))} |"


def worst_of_claims(found: Sequence[AccuracyRow]) -> list[AccuracyRow]:
    """Of every claim the row of its worst point."""
    claims = dict.fromkeys(row.claim for row in found)
    return [max((r for r in found if r.claim == c), key=lambda r: r.error / allowed(r.condition)) for c in claims]


def write_tables(found: Sequence[AccuracyRow], out: Path) -> tuple[Path, Path]:
    """`accuracy.md` and `accuracy.csv` with all rows, the machine and the versions."""
    out.mkdir(parents=True, exist_ok=True)
    about = machine() | versions(["mpmath"])
    markdown, plain = out / "accuracy.md", out / "accuracy.csv"
    head = [f"| {' | '.join(HEADINGS)} |", "|" + " --- |" * len(HEADINGS)]
    right = sum(row.points - row.wrong for row in found)
    told = ", ".join(f"{name}: {value}" for name, value in about.items())
    lines = [
        "# Accuracy of the closed forms",
        "",
        *(__doc__ or "").strip().split("\n")[2:],
        "The worst point of a form is the one that comes nearest to what is allowed, or exceeds it most. The largest",
        "error is often at another point: where the condition number is largest, and a large error is allowed.",
        "",
        f"{right} of {sum(row.points for row in found)} answers are right. Seed {SEED}. {told}.",
        "",
        "## The worst point of every claim",
        "",
        *head,
        *map(table_row, worst_of_claims(found)),
        "",
        "## Every form",
        "",
        *head,
        *map(table_row, found),
        "",
    ]
    markdown.write_text("\n".join(lines), encoding="utf-8")
    with plain.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*COLUMNS, *about])
        for r in found:
            numbers = (r.largest, r.error, r.condition, r.roundings)
            counts, inputs = (r.points, r.refused, r.wrong), " ".join(map(repr, r.inputs))
            table.writerow([r.claim, r.form, *counts, *map(repr, numbers), inputs, *about.values()])
    return markdown, plain


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the table, and return 1 where an answer is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of the table")
    parser.add_argument("--points", type=int, default=4000, help="random points per claim")
    parser.add_argument("--only", default="", help="a claim, or part of a form's name")
    given = parser.parse_args(arguments)
    chosen = [form for form in FORMS if given.only in f"{form.claim} {form.name}"]
    if not chosen:
        parser.error(f"no form has {given.only!r} in its name; there are {', '.join(form.name for form in FORMS)}")
    found = rows(chosen, given.points)
    for path in write_tables(found, given.out):
        print(path)
    return int(any(row.wrong for row in found))


if __name__ == "__main__":
    sys.exit(main())
