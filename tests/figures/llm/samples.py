"""Samples for the tests: result files as other tools write them, real ones if they are present, rows and series."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from overtraining.figures.llm.statistics.series import Series
from overtraining.figures.llm.tidy import Row, tidy_table

SHARED = Path(__file__).parents[4] / "shared/data"


def shared(name: str) -> Path:
    """A file or folder of real measurements; they lie beside the checkout in continuous integration, not everywhere."""
    path = SHARED / name
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not beside this checkout")
        pytest.skip("the real measurements are not beside this checkout")
    return path


def old(model: str = "lab/tiny", step: int | None = 2000, **tasks: dict[str, Any]) -> dict[str, Any]:
    """lm-evaluation-harness 0.3."""
    results = tasks or {
        "sciq": {"acc": 0.625, "acc_stderr": 0.0153, "acc_norm": 0.5, "acc_norm_stderr": 0.0158},
        "lambada": {"ppl": 44.125, "ppl_stderr": 1.5, "acc": 0.25, "acc_stderr": 0.006},
        "bias": {"likelihood_difference": 2.5, "likelihood_difference_stderr": 0.125},
    }
    arguments = f"pretrained={model}" + (f",revision=step{step}" if step is not None else "")
    return {
        "results": results,
        "versions": dict.fromkeys(results, 0),
        "config": {"model": "hf-causal", "model_args": arguments, "num_fewshot": 0, "limit": None},
    }


def new(model: str = "lab/tiny", step: int | None = 2000, as_object: bool = True, **tasks: Any) -> dict[str, Any]:
    """lm-evaluation-harness 0.4."""
    results = tasks or {
        "sciq": {"alias": "sciq", "acc,none": 0.625, "acc_stderr,none": 0.0153, "samples": 1000},
        "gsm": {
            "alias": " - gsm",
            "exact_match,strict-match": 0.125,
            "exact_match_stderr,strict-match": 0.01,
            "exact_match,flexible": 0.25,
            "exact_match_stderr,flexible": "N/A",
        },
        "wiki": {"alias": "wiki", "word_perplexity,none": 31.5, "word_perplexity_stderr,none": "N/A"},
        "mystery": {"alias": "mystery", "vibes,none": -3, "vibes_stderr,none": None},
        "group": {"alias": "group", " ": " "},
    }
    arguments: Any = {"pretrained": model} | ({"revision": f"step{step}"} if step is not None else {})
    if not as_object:
        arguments = ",".join(f"{k}={v}" for k, v in arguments.items())
    return {
        "results": results,
        "group_subtasks": {},
        "configs": {task: {"task": task} for task in results},
        "versions": dict.fromkeys(results, 1.0),
        "n-shot": dict.fromkeys(results, 5),
        "higher_is_better": {"sciq": {"acc": True}, "mystery": {"vibes": False}, "wiki": {"word_perplexity": None}},
        "n-samples": {"sciq": {"original": 1000, "effective": 1000}},
        "config": {"model": "hf", "model_args": arguments, "batch_size": "1", "limit": None},
        "lm_eval_version": "0.4.9",
        "model_name": model,
    }


def openlm(tokens: int = 1_600_000_000, loss: float = 3.25, multiplier: float = 1.0) -> dict[str, Any]:
    """A run record of OpenLM."""
    shard = "training/eval_data/val_tok_mult/paloma_x/00000001.tar"
    return {
        "name": f"web-d=64_l=2-{multiplier}",
        "dataset_name": "web",
        "hyperparameters": {"model": "configs/d=64_l=2.json", "tokens": tokens, "params": 8e7, "lr": 3e-3, "cd": 3e-5},
        "results": [
            {
                "loss": loss,
                "loss_sequences_lower_95": loss - 0.0195996,
                "loss_sequences_upper_95": loss + 0.0195996,
                "loss_tokens_lower_95": loss - 1,
                "loss_tokens_upper_95": loss + 1,
                "val_data": [shard],
            }
        ],
    }


def lighteval(model: str = "org/tiny", acc: float = 0.5, **more: Any) -> dict[str, Any]:
    """Results of lighteval."""
    return {
        "config_general": {"model_name": model, "lighteval_sha": "abc", "max_samples": None} | more,
        "results": {"lighteval|piqa|0": {"acc": acc, "acc_stderr": 0.01}, "all": {"acc": acc, "acc_stderr": 0.01}},
        "versions": {"lighteval|piqa|0": 0},
    }


def olmes(score: float = 0.375, **more: Any) -> dict[str, Any]:
    """One task of olmes, as in `metrics-all.jsonl`; `metrics.json` has them in a list."""
    return {
        "task_name": "arc_easy",
        "task_config": {"num_shots": 5, "primary_metric": "acc_per_char", "metadata": {"alias": "arc_easy:rc"}},
        "num_instances": 2000,
        "metrics": {"acc_raw": 0.25, "acc_per_char": score, "bits_per_byte_corr": 1.25, "primary_score": score},
        "model_config": {"model": "lab/tiny", "revision": "step2000"},
        "current_date": "2026-01-02 03:04:05 UTC",
    } | more


def trainer_state(steps: tuple[int, ...] = (100, 200, 300, 400)) -> dict[str, Any]:
    """State of Hugging Face's Trainer."""
    history: list[dict[str, Any]] = []
    for step in steps:
        history.append({"epoch": 0.1, "loss": 4.0 - step / 400, "learning_rate": 1e-3, "step": step})
        history.append({"epoch": 0.1, "eval_loss": 4.5 - step / 400, "eval_runtime": 3.5, "step": step})
    history.append({"train_loss": 3.375, "train_runtime": 60.5, "step": steps[-1]})
    return {"global_step": steps[-1], "log_history": history}


def openlm_eval(score: float = 0.25) -> dict[str, Any]:
    """An evaluation of OpenLM."""
    metrics = {"perplexity": 3.5, "icl": {"hellaswag": score}}
    return {"name": "eval/heavy", "model": "open_lm_1b", "eval_metrics": metrics, "Core": 0.125}


TENSORBOARD = """Wall time,Step,Value
1700000000.5,100,4.25
1700000001.5,200,3.75
"""
LOG = """number of parameters: 0.80M
step 0: train loss 4.25, val loss 4.5
iter 0: loss 4.125, time 5120.25ms, mfu -100.00%
step 250: train loss 2.5, val loss 2.75
"""
JSON_LOG = """{"config": {"layers": 2}}
{"step": 100, "loss": 4.25, "lr": 0.001}
{"step": 100, "eval": {"c4": {"loss": 4.5}}}
{"step": 200, "loss": 3.75, "lr": 0.001, "eval": {"c4": {"loss": 4.0}}}
"""
WANDB = """_step,eval/c4/CrossEntropyLoss,eval/downstream_bpb/piqa_bpb,throughput/total_tokens,optim/lr,_runtime
100,4.25,1.5,1000000,0.001,17
200,3.75,,2000000,0.0005,34
"""
WANDB_PAGE = """"Step","run a - eval/loss","run a - eval/loss__MIN","run a - eval/loss__MAX","run b - eval/loss"
"10","2.5","2.5","2.5",""
"20","2.25","2.25","2.25","2.75"
"""
PLAIN = """model,tokens,stage,perturbation,strength,task,metric,value,stderr,seed,note
m,1e9,base,,,sciq,acc,0.5,0.02,,
m,1e9,fine-tuned,fine-tuning on T,1e-5,sciq,acc,0.6,0.02,0,"quoted, with a comma"
m,2e9,base,,,sciq,acc,0.55,,,
"""


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows as the plain CSV."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def put(path: Path, content: Any) -> Path:
    """Write an object as JSON, or a string as it is; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), encoding="utf-8")
    return path


STEPS = (1000, 2000, 4000, 8000, 16000, 32000, 64000)
RISES = (0.40, 0.55, 0.70, 0.80, 0.78, 0.70, 0.60)  # an accuracy with a turning point
GROWS = (0.40, 0.50, 0.60, 0.66, 0.70, 0.73, 0.75)  # and one without


def rows(course: tuple[float, ...] = RISES, **more: object) -> pd.DataFrame:
    """The tidy table of one model on one task along training."""
    entries = {"stderr": 0.01, "unit": "fraction", "orientation": "higher"} | more
    return tidy_table(
        Row("m", "sciq", "acc", value, tokens=float(step), **entries)  # type: ignore[arg-type]
        for step, value in zip(STEPS, course, strict=True)
    )


def series(value: Any, stderr: Any = 0.1, length: Any = None, **more: Any) -> Series:
    """A series whose lengths double from 1e9 by default, with one standard error for all values."""
    value = np.asarray(value, float)
    length = 1e9 * 2.0 ** np.arange(value.size) if length is None else np.asarray(length, float)
    return Series(length, value, np.broadcast_to(np.asarray(stderr, float), value.shape).copy(), **more)
