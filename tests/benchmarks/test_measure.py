"""Times are measured in turns, ratios within rounds, memory at its peak, growth as a power."""

import numpy as np
import pytest

from benchmarks.measure import Timings, cores, fit_growth, machine, peak_memory, time_growth, time_interleaved


def test_workloads_take_turns() -> None:
    order: list[str] = []
    workloads = {name: lambda name=name: order.append(name) for name in "ab"}
    timings = time_interleaved(workloads, 3)
    assert "".join(order) == "abababab"  # the first two are not counted
    assert {name: seconds.size for name, seconds in timings.seconds.items()} == {"a": 3, "b": 3}


def test_a_ratio_is_taken_round_by_round() -> None:
    """A process that slows a whole round does not change it; the ratio of the medians would be 1.5."""
    timings = Timings({"a": np.array([2.0, 20.0, 3.0]), "b": np.array([1.0, 10.0, 2.0])})
    assert timings.ratio("a", "b") == 2
    assert timings.least("a") == 2


def test_memory_is_the_peak() -> None:
    def workload() -> None:
        first = np.ones(2**20)  # 8 MiB
        first = first + 1  # a second one beside it
        del first
        np.ones(2**19)

    assert peak_memory(workload) == pytest.approx(16, abs=0.1)


def test_machine_names_at_least_one_core() -> None:
    assert machine()["cores"] == cores() >= 1


def test_without_a_first_run_every_run_is_timed() -> None:
    order: list[str] = []
    time_interleaved({"a": lambda: order.append("a")}, 2, warm=False)
    assert order == ["a", "a"]


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.37])
def test_a_power_law_is_fitted_exactly(exponent: float) -> None:
    sizes = [2, 4, 8, 16]
    growth = fit_growth(sizes, [3 * n**exponent for n in sizes])
    assert growth.exponent == pytest.approx(exponent)
    assert growth.error == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(growth.line, growth.seconds)


def test_every_size_is_timed_in_every_round() -> None:
    order: list[int] = []
    growth = time_growth(lambda n: lambda: order.append(n), [1, 2, 3], 2)
    assert order == [1, 2, 3] * 3
    assert growth.sizes == [1, 2, 3]
