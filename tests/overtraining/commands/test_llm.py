"""`overtraining llm`: from files to answers, curves and JSON, and everything that is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from overtraining.commands.app import app
from overtraining.figures.llm.readers import read
from overtraining.setting.errors import Refusal, SchemaError
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.solvers.exact import respond
from tests.figures.llm import samples
from tests.figures.llm.samples import GROWS, RISES, STEPS


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> str:
    app([str(a) for a in ("llm", *arguments)], standalone_mode=False)
    return capsys.readouterr().out


def folder(path: Path, course: tuple[float, ...], model: str = "lab/tiny") -> Path:
    for step, value in zip(STEPS, course, strict=True):
        samples.put(
            path / f"step{step}.json", samples.new(model, step, sciq={"acc,none": value, "acc_stderr,none": 0.01})
        )
    return path


def test_from_a_folder_to_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(
        folder(tmp_path / "runs", RISES), "--json", tmp_path / "a.json", "--out", tmp_path / "out", capsys=capsys
    )
    assert "inflection between" in said
    assert "unknown whether tokens and learning rate are confounded" in said
    found = json.loads((tmp_path / "a.json").read_text())
    (one,) = found["answers"]
    assert one["significant"] is True
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


def test_only_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(folder(tmp_path, GROWS), "--only-found", "--out", tmp_path / "out", capsys=capsys)
    assert said.startswith("1 curve(s), 0 with a real decline")
    assert "interval (steps)" not in said
    assert "best at the end" in (tmp_path / "out" / "answers.txt").read_text()
    assert not list((tmp_path / "out").glob("curves*"))


def test_comparing_two_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, tuned = folder(tmp_path / "a", GROWS), folder(tmp_path / "b", RISES, "lab/tiny-tuned")
    said = run("--compare", base, tuned, "--change", "fine-tuning on X", "--out", tmp_path / "out", capsys=capsys)
    lines = {line.split("  ")[0]: line for line in said.splitlines() if line.startswith("lab/tiny, sciq")}
    assert "best at the end" in lines["lab/tiny, sciq (acc, 5-shot), base"]
    assert "inflection between" in lines["lab/tiny, sciq (acc, 5-shot), fine-tuning on X"]
    table = read([tmp_path / "out" / "table.csv"]).table
    assert sorted(table.stage.unique()) == ["base", "fine-tuned"]


def test_repetitions_are_compared_as_one_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two seeds of the base model and two of the changed one; the errors come from the seeds."""
    for name, course in (("base", GROWS), ("tuned", RISES)):
        for seed, shift in ((1, 0.0), (2, 0.02)):
            moved = tuple(value + shift for value in course)
            folder(tmp_path / name / str(seed), moved, f"lab/{name}-seed{seed}")
    said = run("--compare", tmp_path / "base", tmp_path / "tuned", "--json", tmp_path / "a.json", capsys=capsys)
    assert said.startswith("2 curve(s), 1 with a real decline")
    answers = json.loads((tmp_path / "a.json").read_text())["answers"]
    assert {one["model"] for one in answers} == {"lab/base"}
    assert {one["errors_from"] for one in answers} == {"scatter of 14 repetitions"}


def test_prediction_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Response made by theory, written as a plain CSV: B8 beats a straight line."""
    lengths = np.geomspace(1, 50, 16) * 20
    data = respond(Protocol(PowerLaw(100, alpha=0.75), lengths, (0.03,), Network(100, 100, 100), start=Aligned(1e-24)))
    lines = [
        {
            "model": "theory",
            "tokens": t,
            "task": "loss",
            "metric": "loss",
            "value": value,
            "stderr": 1e-3,
            "stage": stage,
            "perturbation": done,
            "strength": 0.03 if done else "",
        }
        for stage, done, values in (("base", "", data.before.values), ("perturbed", "noise", data.after.values[:, 0]))
        for t, value in zip(lengths, values, strict=True)
    ]
    path = samples.put(tmp_path / "theory.csv", samples.as_csv(lines))
    said = run(path, "--predict", "--json", tmp_path / "a.json", capsys=capsys)
    assert "B8 does not explain" in said
    (made,) = json.loads((tmp_path / "a.json").read_text())["predictions"]
    assert made["misfit"] < made["line_misfit"] / 5
    assert made["noise_cost"] == pytest.approx(100 * 0.03**2 / (0.5 * np.log(1e24)), rel=0.2)


def test_fitting_a_law(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        {
            "model": f"m{n:g}",
            "params": n,
            "tokens": 20 * n * k,
            "annealed": "yes",
            "task": "web",
            "metric": "loss",
            "value": 1.5 + 50 * n**-0.2 + 400 * (20 * n * k) ** -0.3,
            "stderr": 0.01,
        }
        for n in (1e7, 1e8, 1e9)
        for k in (1, 2, 4, 8)
    ]
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
