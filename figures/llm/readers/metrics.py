"""Properties of a metric that its name tells: unit, whether higher or lower is better, whether it is a fraction."""

from dataclasses import dataclass

from overtraining.figures.llm.readers.files import File


@dataclass(frozen=True)
class Metric:
    """Unit and orientation; `bounded` if values outside [0, 1] are impossible."""

    unit: str
    orientation: str
    bounded: bool = False


_FRACTION, _SCORE = Metric("fraction", "higher", bounded=True), Metric("score", "higher")
_NATS, _BITS, _PPL = Metric("nats", "lower"), Metric("bits per byte", "lower"), Metric("perplexity", "lower")

# accuracies are always fractions; F1, exact match and the translation scores are fractions in some tasks and points
# out of 100 in others, so that only their orientation is certain
METRICS = (
    dict.fromkeys(("acc", "accuracy", "acc_norm", "acc_bytes", "acc_mutual_info", "acc_all", "mc1", "mc2", "len_norm",
                   "acc_norm_bytes"), _FRACTION)
    | dict.fromkeys(("f1", "em", "exact_match", "exact", "pass@1", "pass_at_1", "mcc", "bleu", "chrf", "rouge",
                     "rouge1", "rouge2", "rougel", "rouge-l", "soft", "soft_log", "likelihood_correct"), _SCORE)
    | dict.fromkeys(("loss", "ce_loss", "crossentropyloss", "cross_entropy", "nll", "val_loss", "eval_loss"), _NATS)
    | dict.fromkeys(("bits_per_byte", "bpb"), _BITS)
    | dict.fromkeys(("ppl", "perplexity", "word_perplexity", "byte_perplexity"), _PPL)
    | dict.fromkeys(("brier_score", "ter", "likelihood_difference"), Metric("1", "lower"))
    | {"pct_stereotype": Metric("fraction", "unknown", bounded=True)}
)  # fmt: skip
UNKNOWN = Metric("1", "unknown")


def checked_metric(file: File, place: str, name: str, value: float) -> Metric:
    """The metric of this name; Unreadable if the value is impossible, such as an accuracy of 61 (percent)."""
    known = metric(name)
    if known.bounded and not 0 <= value <= 1:
        raise file.refuse(place, f"{value:g} is not a fraction, as {name} must be", "divide percent by 100")
    return known


def metric(name: str) -> Metric:
    """What is known about the metric of this name, in upper or lower case.

    >>> metric("acc_norm").orientation, metric("CrossEntropyLoss").unit, metric("vibes").orientation
    ('higher', 'nats', 'unknown')
    """
    return METRICS.get(name.lower(), UNKNOWN)
