"""Learning rates from a schedule or a log."""

from pathlib import Path

import numpy as np
import pytest

from overtraining.figures.llm.confounded import confounding
from overtraining.figures.llm.readers.schedule import with_learning_rates
from overtraining.figures.llm.tidy import Row, Unreadable, tidy_table
from tests.figures.llm.samples import put

TABLE = tidy_table(Row("m", "t", "acc", 0.5, step=float(i)) for i in range(5))


def test_named_schedules() -> None:
    constant, _ = with_learning_rates(TABLE, "constant")
    cosine, said = with_learning_rates(TABLE, "cosine")
    assert "not confounded" in confounding(constant)["m"]
    assert "confounded in this run: the learning rate goes from 1 to 0.1" in confounding(cosine)["m"]
    assert cosine.learning_rate.iloc[2] == pytest.approx(0.55)
    assert said == "learning rate: cosine, assumed to end at each model's last checkpoint at 0.1 of its peak"
    given = TABLE.assign(learning_rate=0.25)
    assert (with_learning_rates(given, "cosine")[0].learning_rate == 0.25).all()  # what a file says stays


def test_a_log(tmp_path: Path) -> None:
    log = put(tmp_path / "log.csv", "_step,optim/LR (group 0),note\n0,0.5,a\n2,0.25,b\n3,,c\n")
    table, said = with_learning_rates(TABLE, str(log))
    assert table.learning_rate.tolist()[:3] == [0.5, 0.375, 0.25]
    assert np.isnan(table.learning_rate[3:]).all()
    assert said == "learning rate: from column optim/LR (group 0) of log.csv; 2 measurement(s) lie outside it"
    for text, says in (
        ("_step,loss\n0,1\n", "there is no column of learning rates"),
        ("tokens,lr\n0,1\n", "steps or tokens of these checkpoints"),
        ("step,lr\n0,\n", "no line has both step and lr"),
    ):
        with pytest.raises(Unreadable, match=says):
            with_learning_rates(TABLE, str(put(tmp_path / "bad.csv", text)))
