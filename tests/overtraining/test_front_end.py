"""The command line and `import overtraining`, as a user sees them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import overtraining as ot
from tests import ROOT
from tests.conftest import Shell


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """As a user runs it, in a process of its own; `shell` does the same at a tenth of the cost, once that works."""
    command = [sys.executable, "-W", "error", "-m", "overtraining", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_help_lists_the_commands(shell: Shell) -> None:
    shown = run("--help")
    assert shown.returncode == 0
    assert "figures" in shown.stdout
    assert "--preset" in shell("figures", "--help").stdout


def test_version_and_completion(shell: Shell) -> None:
    assert shell("--version").stdout == f"overtraining {ot.__version__}\n"
    assert "--install-completion" in shell("--help").stdout


def test_listing(shell: Shell) -> None:
    from overtraining.figures.catalogue import CATALOGUE

    shown = shell("figures", "--list").stdout
    for entry in CATALOGUE:
        assert re.search(rf"^{entry.name} +{', '.join(entry.claims)} ", shown, re.MULTILINE)


def test_unknown_names_exit_with_2_and_a_sentence(shell: Shell) -> None:
    wrong = shell("figures", "progresive-sensitivity")
    assert wrong.returncode == 2
    assert "progressive-sensitivity" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert run("figures", "--preset", "poster").returncode == 2
    assert shell("nonsense").returncode == 2


def test_a_terminal_obeys_no_file(shell: Shell, tmp_path: Path) -> None:
    """What moves the cursor, renames the window or writes from right to left is shown as its escape."""
    sweep, table = tmp_path / "\x1b[2J.toml", tmp_path / "table.csv"
    sweep.write_text("no TOML")
    table.write_text("model,step,task,metric,value,\x1b]0;title\x07\u202e\nm,1,t,acc,1,1", encoding="utf-8")
    for wrong in (shell("sweep", str(sweep), "--dry-run"), shell("llm", str(table))):
        assert wrong.returncode == 2
        assert r"\x1b" in wrong.stderr
        assert wrong.stderr.rstrip("\n").isprintable()


def test_the_help_says_that_files_are_executed(shell: Shell) -> None:
    for command in ("check", "sweep"):
        assert "executed" in shell(command, "--help").stdout


def test_quiet_where_there_is_no_terminal(tmp_path: Path) -> None:
    done = run("figures", "olmo1b-fine-tuning", "--formats", "svg", "--out", str(tmp_path), "--preset", "slides")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "olmo1b-fine-tuning.svg").exists()


def test_no_place_to_write_is_a_sentence(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "file").write_text("")
    wrong = shell("figures", "olmo1b-fine-tuning", "--out", str(tmp_path / "file"))
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_names_and_errors() -> None:
    assert set(ot.__all__) <= set(dir(ot))
    assert all(getattr(ot, name) is not None for name in ot.__all__)
    with pytest.raises(AttributeError, match="Protocol"):
        ot.protocol  # noqa: B018


MY_CLAIM = """
import numpy as np, sympy as sp
from overtraining.theory.derivations.checker.core import Derivation, Link, SpecialCase, Step, Variant, Verdict
from overtraining.theory.derivations.checker.evidence import identity, worst_relative_error

x = sp.Symbol("x", positive=True)
truth = lambda: sp.diff(x**3 / 3, x)
DERIVATION = Derivation(
    claim="Mine", title="A power", statement="x^2", plain="The slope of a third of a cube is a square.",
    symbols={"x": "place"}, assumptions=(),
    steps=(Step("x^2", "SymPy differentiates.", lambda: identity(truth(), x * x)),),
    formula=lambda: FORMULA, conclusion=lambda candidate: identity(candidate, truth()),
    variants=tuple(Variant(f"x to the {n}", lambda f, n=n: x**n) for n in (1, 3, 4, 5, 6)),
    special_case=SpecialCase("x = 1", lambda f: (f.subs(x, 1), sp.Integer(0) if f == x else 1)), floor=Verdict.PROVED,
    link=Link(
        "numpy.square", "0 … 9", lambda f, square, draw: worst_relative_error(f, [x], square, [draw.uniform(0, 9, 9)])
    ),
)
"""


@pytest.mark.parametrize(("formula", "code", "says"), [("x**2", 0, "proved"), ("2 * x**2", 1, "step failed: x^2")])
def test_checks_a_users_own_derivation(shell: Shell, tmp_path: Path, formula: str, code: int, says: str) -> None:
    (tmp_path / "my_claim.py").write_text(MY_CLAIM.replace("FORMULA", formula))
    done = shell("check", "my_claim.py", "--json", "found.json", "--tex", "found.tex", "--html", "book", cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert {"claim", "verdict", "steps", "variants", "rejected", "seconds"} <= found.keys()
    assert "The slope of a third" in (tmp_path / "found.tex").read_text()
    assert "The slope of a third" in (tmp_path / "book" / "claim-Mine.html").read_text()


def test_the_example_of_an_own_claim(shell: Shell, tmp_path: Path) -> None:
    """Its formula is in a file beside it; what it only asserts is told in every output, and inherited."""
    for file in (ROOT / "docs/examples").glob("*.py"):
        (tmp_path / file.name).write_text(file.read_text())
    outputs = ["--tex", "found.tex", "--html", "book", "--json", "found.json"]
    done = shell("check", "my_claim.py", *outputs, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "asserted" not in done.stdout + (tmp_path / "found.tex").read_text()
    text = (tmp_path / "my_claim.py").read_text()
    proof = "identity(loss_after_noise(), (sp.sqrt(sigma) * (n1 + n2) + n1 * n2) ** 2 / 2)"
    asserted = text.replace(proof, "Evidence(True, Verdict.PROVED, 'sure')")
    imports = "from overtraining.theory.derivations.checker.core import Evidence\n"
    (tmp_path / "my_claim.py").write_text(imports + asserted.replace("floor=Verdict.PROVED", "floor=Verdict.ASSERTED"))
    done = shell("check", "my_claim.py", *outputs, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^Mine +asserted ", done.stdout, re.MULTILINE)
    assert r"\emph{Asserted:} sure." in (tmp_path / "found.tex").read_text()
    assert '<span class="verdict asserted">asserted</span>' in (tmp_path / "book" / "claim-Mine.html").read_text()
    (tmp_path / "my_claim.py").write_text(imports + asserted)
    done = shell("check", "my_claim.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "verdict asserted is below the floor proved" in done.stdout


def test_a_claim_of_the_project_cannot_be_replaced(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "my_claim.py").write_text(MY_CLAIM.replace("FORMULA", "x**2").replace('"Mine"', '"A3"'))
    done = shell("check", "my_claim.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "overtraining: my_claim.py: A3 is a claim of the project. Instead: call yours something else.\n"
    )


def test_an_error_of_the_system_says_what_to_do_instead(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for arguments in (
        ["sweep", "noname.toml", "--out", "out"],
        ["page", "--out", "taken/page"],
        ["figures", "depth", "--style", "loop"],
        ["check", "A2", "--json", "nowhere/a.json"],
        ["check", "A2", "--tex", "taken/a.tex"],
    ):
        done = shell(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert re.match(r"overtraining: \S+: .*\. Instead: .*\.\n", done.stderr), done.stderr
        assert "Errno" not in done.stderr


def test_a_fragment_has_one_claim_or_also_those_it_uses(shell: Shell, tmp_path: Path) -> None:
    own = MY_CLAIM.replace("FORMULA", "x**2").replace("special_case=", 'uses=("B1",), special_case=')
    (tmp_path / "my_claim.py").write_text(own)
    for options, labels in (([], {"claim:Mine"}), (["--with-used"], {"claim:Mine", "claim:B1"})):
        done = shell("check", "my_claim.py", "--tex", "found.tex", *options, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.findall(r"\\label\{(claim:.*?)\}", (tmp_path / "found.tex").read_text())
        assert set(found) == labels
    for wrong in (["--with-used"], ["--tex", "found.tex", "--tex-width", "20"]):
        done = shell("check", "my_claim.py", *wrong, cwd=tmp_path)
        assert done.returncode == 2
        assert "Instead:" in done.stderr


def test_check_refuses_what_is_not_there(tmp_path: Path, shell: Shell) -> None:
    (tmp_path / "empty.py").write_text("")
    for claim, says in (("Z9", "no such claim"), ("none.py", "there is no such file"), ("empty.py", "DERIVATION")):
        done = shell("check", claim, cwd=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
