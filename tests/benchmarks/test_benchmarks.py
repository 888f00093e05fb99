"""The benchmarks run from end to end, compare like with like, and measure what they say. No timing is asserted."""

import json
import platform
from pathlib import Path

import numpy as np
import pytest

from benchmarks import runs, solvers
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.batched_descent import descend
from benchmarks.matrix import problem
from benchmarks.measure import Timings, cores, machine, peak_memory, time_interleaved
from overtraining.setting.teachers import PowerLaw, singular_values
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.matrix_solution import matrix_flow
from overtraining.theory.sensitivity.noise import expected_increase_at

IN_THIS_PROCESS = [name for name in BENCHMARKS if name != "sweeps"]  # whose workers take half a minute to start


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    main([*IN_THIS_PROCESS, "--preset", "tiny", "--out", str(out)])
    return out


def test_every_benchmark_writes_its_table_and_the_machine(results: Path) -> None:
    written = {path.stem: json.loads(path.read_text()) for path in results.glob("*.json")}
    assert set(written) == {"noise-grid", "matrix-flow", "growth", "runs"}
    assert len(written) == len(IN_THIS_PROCESS)
    for name, found in written.items():
        assert {"processor", "cores", "python", "numpy", "jax", "date"} <= set(found["machine"])
        numbers = [x for row in found["rows"] for x in row.values() if not isinstance(x, str)]
        assert np.isfinite(numbers).all()
        assert found["title"] in (results / f"{name}.txt").read_text()


def test_results_name_no_host(results: Path) -> None:
    host = platform.node()
    for path in (*results.glob("*.json"), *results.glob("*.txt")):
        assert not host or host not in path.read_text()


def test_figures_are_drawn(results: Path) -> None:
    assert {path.stem for path in results.glob("*.png")} == {"growth", "runs"}


def test_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["matrix", "--preset", "tiny", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"matrix-flow.txt", "matrix-flow.json"}
    with pytest.raises(SystemExit):
        main(["matrices"])
    assert "no benchmark is called matrices" in capsys.readouterr().err


def test_solver_on_the_modes_solves_the_same_problem() -> None:
    sigma, t = singular_values(PowerLaw(5)), np.linspace(0, 100, 11)
    solved, evaluations = solvers.modes(t, sigma, 1e-6)
    np.testing.assert_allclose(solved, singular_value(t[:, None], sigma, 1e-6), rtol=1e-8)
    assert evaluations > 100


def test_solver_on_the_weights_solves_the_same_problem() -> None:
    t, (w1, w2, teacher) = np.linspace(0, 10, 5), problem(4)
    np.testing.assert_allclose(solvers.flow(t, w1, w2, teacher)[0], matrix_flow(t, w1, w2, teacher).product, atol=1e-9)


def test_draws_of_noise_have_the_mean_of_the_formula() -> None:
    w1, w2, teacher = problem(4)
    sample = solvers.rises(10 * w1, 10 * w2, teacher, 0.2, 4_000)
    z = (sample.mean() - expected_increase_at(10 * w1, 10 * w2, 0.2, 0.2)) / (sample.std(ddof=1) / np.sqrt(4_000))
    assert abs(z) < 4


def test_loop_and_numpy_make_the_steps_of_descend() -> None:
    w1, w2, teachers = runs.sample(3, runs=2)
    made, _ = descend((w1, w2), teachers, runs.RATE, (7,), chunk=2)
    for one, layer in zip(runs.numpy_steps(w1, w2, teachers, 7), made, strict=True):
        np.testing.assert_allclose(one, layer[:, 0], rtol=1e-13)
    for one, layer in zip(runs.loop(w1[1], w2[1], teachers[1], 7), made, strict=True):
        np.testing.assert_allclose(one, layer[1, 0], rtol=1e-13)


def test_tasks_take_turns() -> None:
    order: list[str] = []
    tasks = {name: lambda name=name: order.append(name) for name in "ab"}
    timings = time_interleaved(tasks, 3)
    assert "".join(order) == "abababab"  # the first two are not counted
    assert {name: seconds.size for name, seconds in timings.seconds.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_taken_round_by_round() -> None:
    """A neighbour that slows a whole round does not move it; the ratio of the medians would be 1.5."""
    timings = Timings({"a": np.array([2.0, 20.0, 3.0]), "b": np.array([1.0, 10.0, 2.0])})
    assert timings.ratio("a", "b") == 2
    assert timings.best("a") == 2


def test_memory_is_the_peak() -> None:
    def task() -> None:
        first = np.ones(2**20)  # 8 MiB
        first = first + 1  # a second one beside it
        del first
        np.ones(2**19)

    assert peak_memory(task) == pytest.approx(16, abs=0.1)


def test_machine_names_at_least_one_core() -> None:
    assert machine()["cores"] == cores() >= 1
