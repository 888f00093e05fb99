"""Cells: the protocols that the axes specify, each with a key of its own."""

from itertools import product

from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import read, write
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations.sweeps.cells import Grid, derived_key
from tests.simulations.sweeps.conftest import sweep_over


def test_cells_are_the_protocols_that_the_axes_say() -> None:
    """Also where a part is not in the file, where the network follows the teacher, and for fields that go together."""
    axes = {
        "start.epsilon": [1e-3, 1e-2],
        "teacher.modes": [2, 5],
        "pretraining.warmup_share,pretraining.decay_share": [[0.0, 0.2], [0.9, 0.1]],
        "repeat": [0, 3],
    }
    how = {"pretraining": {"kind": "GradientDescent", "schedule": "warmup-stable-decay", "learning_rate": 0.1}}
    grid = Grid(sweep := sweep_over(axes, how))
    cells = [grid.cell_at(number) for number in range(sweep.cells)]
    expected = {
        (
            write(
                Protocol(
                    PowerLaw(modes),
                    (0.0, 1.0),
                    (0.1,),
                    start=Aligned(epsilon),
                    pretraining=GradientDescent(
                        0.1, schedule="warmup-stable-decay", warmup_share=warmup, decay_share=decay
                    ),
                )
            ),
            repeat,
        )
        for epsilon, modes, (warmup, decay), repeat in product((1e-3, 1e-2), (2, 5), ((0.0, 0.2), (0.9, 0.1)), (0, 3))
    }
    assert {(write(cell.protocol), cell.place["repeat"]) for cell in cells} == expected
    assert len({cell.key for cell in cells}) == len(cells) == 16
    for cell in cells:
        assert cell.key == derived_key(cell.protocol, cell.place["repeat"])


def test_a_key_is_the_cell_s_own() -> None:
    """It does not know what else is swept, nor the cell's place; it changes with fields and with the repetition."""
    one = Grid(sweep_over({"start.epsilon": [0.1, 0.2]}))
    other = Grid(sweep_over({"teacher.alpha": [1.0], "start.epsilon": [0.2]}))
    assert one.cell_at(1).key == other.cell_at(0).key
    protocol = read(write(one.base))
    keys = [derived_key(protocol, 0), derived_key(protocol, 1), one.cell_at(0).key, one.cell_at(1).key]
    assert len(set(keys)) == 4
    assert all(0 <= key < 2**63 for key in keys)
