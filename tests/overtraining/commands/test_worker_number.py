"""A number of workers that this machine cannot use is refused, with the number of its processors."""

import pytest

from overtraining.commands import worker_number
from tests.conftest import Shell


@pytest.mark.parametrize(
    "command",
    [
        ("figures", "--workers"),
        ("sweep", "noise-against-length", "--out", "store", "--workers"),
        ("check", "A3", "--processes"),
        ("simulate", "decoupling", "--processes"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("number", [-1, 0, 9, 10**9])
def test_it_is_refused_by_name(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], number: int
) -> None:
    monkeypatch.setattr(worker_number, "_processors", lambda: 2)
    said = shell(*command, str(number))
    assert said.returncode == 2
    assert said.stderr == (
        f"overtraining: {command[-1]} {number}: this process may use 2 processors. "
        "Instead: pass a number from 1 to 8, such as 2.\n"
    )


def test_the_processors_are_counted(shell: Shell) -> None:
    assert worker_number._processors() >= 1
    assert shell("figures", "--list", "--workers", "4").returncode == 0
