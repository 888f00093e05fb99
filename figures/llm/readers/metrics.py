"""Properties of a metric that its name tells: unit, whether higher or lower is better, whether it is a fraction."""

import math
import re
from dataclasses import dataclass
from typing import Any

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
                   "acc_norm_bytes", "acc_raw", "acc_per_token", "acc_per_char", "acc_per_byte", "acc_uncond",
                   "length_normalized_accuracy", "truthfulqa_mc1", "truthfulqa_mc2"), _FRACTION)
    | dict.fromkeys(("f1", "em", "qem", "pem", "exact_match", "exact", "extractive_match", "pass@1", "pass_at_1", "mcc",
                     "bleu", "chrf", "rouge", "rouge1", "rouge2", "rougel", "rouge_l", "soft", "soft_log",
                     "likelihood_correct", "icl", "primary_score"), _SCORE)
    | dict.fromkeys(("pqem", "perfect_em", "mrr", "mf1", "loglikelihood_f1", "f1_score_quasi", "rougelsum", "bleu_1",
                     "bleu_4", "bleurt", "chrf++", "bertscore_p", "bertscore_r", "bertscore_f", "summac", "judge_score",
                     "single_turn", "multi_turn", "edit_similarity"), _SCORE)  # of lighteval
    | dict.fromkeys(("loss", "ce_loss", "crossentropyloss", "cross_entropy", "nll", "val_loss", "eval_loss"), _NATS)
    | dict.fromkeys(("bits_per_byte", "bpb", "bits_per_byte_corr"), _BITS)
    | dict.fromkeys(("ppl", "perplexity", "word_perplexity", "byte_perplexity",
                     "weighted_perplexity"), _PPL)
    | dict.fromkeys(("brier_score", "ter", "likelihood_difference", "edit_distance"), Metric("1", "lower"))
    | {"pct_stereotype": Metric("fraction", "unknown", bounded=True)}
)  # fmt: skip
UNKNOWN = Metric("1", "unknown")
_VERSION = re.compile(r"[ _]v\d$", re.ASCII)
_SAMPLED = re.compile(r"(.*_)?(pass|maj|avg|recall)@.+")  # of several answers: `maj@8`, `pass@k:k=1&n=4`
_SEPARATORS = re.compile(r"[ -]")


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
    >>> metric("maj@8").orientation
    'higher'
    >>> metric("CE loss v2").unit, metric("length-normalized accuracy").unit  # as OLMo-core writes them
    ('nats', 'fraction')
    """
    written = _SEPARATORS.sub("_", _VERSION.sub("", name.lower()))
    return METRICS.get(written, _SCORE if _SAMPLED.fullmatch(written) else UNKNOWN)


def measured_number(file: File, place: str, name: str, value: Any, stderr: Any) -> dict[str, Any]:
    """Value, standard error, unit and orientation of a metric in JSON.

    The harness writes null, "N/A", NaN or an empty list for an error that it does not know.
    """
    number = file.number(value, place)
    known = checked_metric(file, place, name, number)
    error = math.nan
    if not (stderr in (None, "N/A", []) or (isinstance(stderr, float) and math.isnan(stderr))):
        place = f"the standard error of {place}"
        error = file.not_negative(file.number(stderr, place), place)
    return {"value": number, "stderr": error, "unit": known.unit, "orientation": known.orientation}
