"""`overtraining llm`, as people use it: from files to answers, curves and JSON, and every way to be told no."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from overtraining.commands.app import app
from overtraining.figures.llm.answers import answer_all, pair_with_base, paired_response
from overtraining.figures.llm.confounded import confounding
from overtraining.figures.llm.curves import length_column, measured_curves
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.tidy import Row, select, tidy_table, with_changed_model
from overtraining.setting.errors import DomainError, Refusal, SchemaError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.responses import validate
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.solvers.exact import respond
from tests.figures import samples

STEPS = (1000, 2000, 4000, 8000, 16000, 32000, 64000)
RISES = (0.40, 0.55, 0.70, 0.80, 0.78, 0.70, 0.60)  # an accuracy with a turning point
GROWS = (0.40, 0.50, 0.60, 0.66, 0.70, 0.73, 0.75)  # and one without


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> str:
    app([str(a) for a in ("llm", *arguments)], standalone_mode=False)
    return capsys.readouterr().out


def folder(path: Path, course: tuple[float, ...], model: str = "lab/tiny") -> Path:
    for step, value in zip(STEPS, course, strict=True):
        samples.put(
            path / f"step{step}.json", samples.new(model, step, sciq={"acc,none": value, "acc_stderr,none": 0.01})
        )
    return path


def rows(course: tuple[float, ...] = RISES, **more: object) -> pd.DataFrame:
    said = {"stderr": 0.01, "unit": "fraction", "orientation": "higher"} | more
    return tidy_table(Row("m", "sciq", "acc", v, tokens=float(s), **said) for s, v in zip(STEPS, course, strict=True))  # type: ignore[arg-type]


def test_from_a_folder_to_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(
        folder(tmp_path / "runs", RISES), "--json", tmp_path / "a.json", "--out", tmp_path / "out", capsys=capsys
    )  # fmt: skip
    assert "inflection between" in said
    assert "unknown whether tokens and learning rate are confounded" in said
    found = json.loads((tmp_path / "a.json").read_text())
    (one,) = found["answers"]
    assert one["found"] is True
    assert one["value"] == pytest.approx(RISES)
    assert one["turning_point"]["best"] == 8000
    assert one["turning_point"]["low"] <= 8000 <= one["turning_point"]["high"]
    assert one["turning_point"]["rise"] == pytest.approx(0.2)
    assert one["turning_point"]["rise_stderr"] == pytest.approx(0.01 * np.sqrt(2))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"table.csv", "answers.txt", "curves.pdf", "curves.svg", "curves.png"}
    again = run(tmp_path / "out" / "table.csv", capsys=capsys)  # from another source, with the same rows and answers
    assert [line for line in again.splitlines() if "source(s)" not in line] == [
        line for line in said.splitlines() if "source(s)" not in line and not line.startswith("in ")
    ]


def test_what_was_read_is_shown_and_saved_before_a_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = samples.put(tmp_path / "one.csv", "model,step,task,metric,value\nm,7,sciq,acc,0.4375\n")
    with pytest.raises(Refusal, match="1 checkpoints"):
        run(one, "--out", tmp_path / "out", capsys=capsys)
    shown = capsys.readouterr().out
    assert "sciq" in shown
    assert "0.4375" in shown
    assert "0.4375" in (tmp_path / "out/table.csv").read_text()


def test_no_inflection_is_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(folder(tmp_path, GROWS), "--json", tmp_path / "a.json", capsys=capsys)
    assert "no inflection in this range: best at the end" in said
    point = json.loads((tmp_path / "a.json").read_text())["answers"][0]["turning_point"]
    assert point["high"] is None  # infinite: not within the range


def test_comparing_two_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, tuned = folder(tmp_path / "a", GROWS), folder(tmp_path / "b", RISES, "lab/tiny-tuned")
    said = run("--compare", base, tuned, "--change", "fine-tuning on X", "--out", tmp_path / "out", capsys=capsys)
    lines = {line.split("  ")[0]: line for line in said.splitlines() if line.startswith("lab/tiny, sciq")}
    assert "best at the end" in lines["lab/tiny, sciq (acc, 5-shot), base"]
    assert "inflection between" in lines["lab/tiny, sciq (acc, 5-shot), fine-tuning on X"]
    table, _ = read([tmp_path / "out" / "table.csv"])
    assert sorted(table.stage.unique()) == ["base", "fine-tuned"]


def test_the_response_of_two_measures() -> None:
    table = with_changed_model(rows(GROWS), rows(RISES), "noise")
    ((base, after),) = pair_with_base(measured_curves(table, "tokens")[0])
    data = validate(paired_response(base, after, "tokens"))
    assert data.before.values.tolist() == list(GROWS)
    assert data.after.values[:, 0].tolist() == list(RISES)
    assert data.after.attrs["orientation"] == "higher"
    assert data.attrs["perturbation"] == "noise"
    ((_, fewer),) = pair_with_base(
        measured_curves(with_changed_model(rows(GROWS), rows(RISES).iloc[2:], "noise"), "tokens")[0]
    )
    assert paired_response(base, fewer, "tokens").pretraining.values.tolist() == list(STEPS[2:])
    ((_, other),) = pair_with_base(
        measured_curves(
            with_changed_model(rows(GROWS), rows(RISES).assign(tokens=lambda t: t.tokens + 1), "n"), "tokens"
        )[0]
    )
    with pytest.raises(SchemaError, match="different checkpoints"):
        paired_response(base, other, "tokens")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"annealed": "yes"}, "not confounded: every checkpoint is the end"),
        ({"learning_rate": 1e-3}, "not confounded: the learning rate is 0.001"),
        ({}, "unknown whether"),
    ],
)
def test_confounding(more: dict[str, object], says: str) -> None:
    assert says in confounding(rows(**more))["m"]


def test_confounded() -> None:
    table = rows().assign(learning_rate=np.geomspace(1e-3, 1e-4, 7))
    assert "confounded in this run: the learning rate goes from 0.001 to 0.0001" in confounding(table)["m"]


def test_where_errors_come_from() -> None:
    def how(table: pd.DataFrame, **options: object) -> tuple[str, float, float]:
        one = measured_curves(table, "tokens", **options)[0][0].series  # type: ignore[arg-type]
        return one.errors_from, float(one.stderr[0]), one.freedom

    long = pd.concat([rows(GROWS), rows(GROWS).assign(tokens=lambda t: t.tokens * 100)], ignore_index=True)
    seeds = pd.concat([rows(GROWS).assign(seed=0.0), rows(GROWS).assign(seed=1.0, value=lambda t: t.value + 0.02)])
    assert how(rows(GROWS)) == ("as given", 0.01, np.inf)
    assert how(rows(GROWS, stderr=np.nan, items=2400.0)) == (
        "binomial, from the test items", pytest.approx(0.01), np.inf,
    )  # fmt: skip
    assert how(seeds) == ("scatter of 14 repetitions", pytest.approx(0.01), 7.0)
    assert how(long, errors="scatter")[0] == "scatter between neighbouring checkpoints"
    assert how(long.assign(stderr=np.nan))[0] == "scatter between neighbouring checkpoints"
    assert "neighbouring checkpoints scatter" in how(long.assign(stderr=1e-4))[0]
    with pytest.raises(SchemaError, match="7 checkpoints: without standard errors"):
        measured_curves(rows(GROWS, stderr=np.nan), "tokens")


def test_a_mean_over_tasks() -> None:
    """Mean of two tasks at the checkpoints that both have; errors as of independent tasks."""
    other = rows(GROWS).assign(task="piqa").iloc[1:]
    (mean,), _ = measured_curves(pd.concat([rows(), other], ignore_index=True), "tokens", group="model")
    assert mean.name == "mean of 2 tasks (acc)"
    assert (-mean.series.value).tolist() == pytest.approx((np.array(RISES) + GROWS)[1:] / 2)
    assert mean.series.stderr.tolist() == pytest.approx([0.01 / np.sqrt(2)] * 6)


def test_perplexities_are_logarithms() -> None:
    table = rows((40.0, 20.0, 10.0, 8.0, 7.0, 9.0, 12.0), unit="perplexity", orientation="lower", stderr=0.5)
    (one,), _ = measured_curves(table, "tokens")
    assert one.series.value.tolist() == pytest.approx(np.log(table.value))
    assert one.series.stderr.tolist() == pytest.approx(0.5 / table.value)


def test_many_measures_are_looked_at_together() -> None:
    """A decline at 2% chance is found alone, and not as one of a hundred."""
    weak = rows((0.40, 0.50, 0.60, 0.65, 0.66, 0.64, 0.615))
    alone = answer_all(measured_curves(weak, "tokens")[0])[0]
    crowd = [weak, *(rows(GROWS).assign(task=f"t{i}") for i in range(20))]
    together = answer_all(measured_curves(pd.concat(crowd, ignore_index=True), "tokens")[0])
    assert alone.found
    (same,) = (a for a in together if a.curve.task == "sciq")
    assert same.point.p_value == alone.point.p_value
    assert same.adjusted_p_value == pytest.approx(min(1.0, 21 * alone.point.p_value))
    assert not same.found
    assert same.verdict == "no inflection, given how many curves were tested"


def test_prediction_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Response made by theory, written as a plain CSV: B8 beats a straight line."""
    lengths = np.geomspace(1, 50, 16) * 20
    data = respond(Protocol(PowerLaw(100, alpha=0.75), lengths, (0.03,), Network(100, 100, 100), start=Aligned(1e-24)))
    lines = [
        {"model": "theory", "tokens": t, "task": "loss", "metric": "loss", "value": value, "stderr": 1e-3,
         "stage": stage, "perturbation": done, "strength": 0.03 if done else ""}
        for stage, done, values in (("base", "", data.before.values), ("perturbed", "noise", data.after.values[:, 0]))
        for t, value in zip(lengths, values, strict=True)
    ]  # fmt: skip
    path = samples.put(tmp_path / "theory.csv", samples.as_csv(lines))
    said = run(path, "--predict", "--json", tmp_path / "a.json", capsys=capsys)
    assert "B8 does not explain" in said
    (made,) = json.loads((tmp_path / "a.json").read_text())["predictions"]
    assert made["misfit"] < made["line_misfit"] / 5
    assert made["noise_cost"] == pytest.approx(100 * 0.03**2 / (0.5 * np.log(1e24)), rel=0.2)


def test_fitting_a_law(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {"model": f"m{n:g}", "params": n, "tokens": 20 * n * k, "annealed": "yes", "task": "web", "metric": "loss",
         "value": 1.5 + 50 * n**-0.2 + 400 * (20 * n * k) ** -0.3, "stderr": 0.01}
        for n in (1e7, 1e8, 1e9) for k in (1, 2, 4, 8)
    ]  # fmt: skip
    path = samples.put(tmp_path / "runs.csv", samples.as_csv(lines))
    run(path, "--fit", "--json", tmp_path / "a.json", capsys=capsys)
    (made,) = json.loads((tmp_path / "a.json").read_text())["fits"]
    assert made["beta"][0] == pytest.approx(0.3, rel=1e-4)
    with pytest.raises(SchemaError, match="not for checkpoints along one"):
        run(samples.put(tmp_path / "x.csv", samples.as_csv(lines).replace("yes", "no")), "--fit", capsys=capsys)


def test_a_plan_needs_no_files(capsys: pytest.CaptureFixture[str]) -> None:
    said = run("--plan", 0.05, "--level", 0.5, capsys=capsys)
    assert "80% power" in said
    assert "0.05" in said


def test_only_some(tmp_path: Path) -> None:
    table = pd.concat([rows(), rows().assign(task="piqa"), rows().assign(metric="f1")], ignore_index=True)
    assert len(select(table, ["piqa"])) == 7
    assert len(select(table, ["sciq", "acc"])) == 7
    with pytest.raises(DomainError, match="try sciq"):
        select(table, ["sciqq"])


def test_the_axis() -> None:
    table = rows()
    assert length_column(table) == "tokens"
    assert length_column(table.assign(tokens=np.nan, step=table.tokens)) == "step"
    with pytest.raises(SchemaError, match="--tokens-per-step"):
        length_column(table.assign(tokens=np.nan), "tokens")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "nothing to read"),
        (("FILE", "--x", "hours"), "use tokens or step"),
        (("FILE", "--group", "metric"), "use task or model"),
        (("FILE", "--errors", "none"), "use given or scatter"),
        (("FILE", "--only", "nothing"), "no row has this task"),
        (("FILE", "--predict"), "B8 needs a loss"),
        (("FILE", "--fit"), "params and tokens"),
        (("FILE", "--x", "tokens"), "--tokens-per-step"),
        (("FILE", "--tokens-per-step", "0"), "must be positive"),
        (("FILE", "--confidence", "1.5"), "probability"),
        (("FILE", "--format", "excel"), "no such format"),
        (("ONE",), "1 checkpoints"),
        (("MIXED",), "the rows give"),
        (("VIBES",), "whether a higher or a lower value is better"),
        (("--compare", "FILE", "TWO"), "not clear which of these belong together"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments, says: str) -> None:
    head = "model,step,task,metric,value,stderr,unit\n"
    line = "{m},{s},t,{k},0.{s},0.01,{u}\n".format
    files = {
        "FILE": head + "".join(line(m="m", s=s, k="acc", u="fraction") for s in range(1, 8)),
        "ONE": head + line(m="m", s=1, k="acc", u="fraction"),
        "MIXED": head + "".join(line(m="m", s=s, k="acc", u="fraction" if s > 3 else "points") for s in range(1, 8)),
        "VIBES": head + "".join(line(m="m", s=s, k="vibes", u="1") for s in range(1, 8)),
        "TWO": head + "".join(line(m=m, s=s, k="acc", u="fraction") for s in range(1, 8) for m in "ab"),
    }
    paths = {name: samples.put(tmp_path / f"{name}.csv", text) for name, text in files.items()}
    with pytest.raises(Refusal, match=says):
        run(*(paths.get(a, a) for a in arguments), capsys=capsys)


def test_bad_files_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, RISES)
    samples.put(tmp_path / "broken.json", "{")
    with pytest.raises(Refusal, match=r"broken\.json, line 1"):
        run(tmp_path, capsys=capsys)
    app(["llm", str(tmp_path), "--skip-bad"], standalone_mode=False)
    shown = capsys.readouterr()
    assert "skipped: " in shown.err
    assert "broken.json" in shown.err
    assert "inflection between" in shown.out


def test_only_the_same_task_of_the_same_model_is_a_pair() -> None:
    tasks = pd.concat([rows(GROWS), rows(GROWS).assign(task="piqa")], ignore_index=True)
    found = pair_with_base(measured_curves(with_changed_model(tasks, rows(RISES), "noise"), "tokens")[0])
    assert [(base.task, after and after.task) for base, after in found] == [("piqa", None), ("sciq", "sciq")]
