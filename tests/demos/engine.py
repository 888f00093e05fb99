"""Run the page's JavaScript in V8, without a browser."""

import json
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from py_mini_racer import MiniRacer

from overtraining.demos.page import SCRIPTS

Run = Callable[..., Any]


def engine(change: Mapping[str, str] | None = None) -> Run:
    """`run(expression, name=value, …)`: a JavaScript expression's value, numbers as NaN where they are not finite.

    change: texts of the formulas to be replaced first, to see what a mistake does.
    """
    machine = MiniRacer()
    for name in SCRIPTS[:-1]:
        text = files("overtraining.demos.page").joinpath(name).read_text(encoding="utf-8")
        for old, new in (change or {}).items() if name == SCRIPTS[0] else ():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        machine.eval(text)

    def run(expression: str, **given: Any) -> Any:
        names = ", ".join(given)
        plain = json.dumps([np.asarray(x).tolist() if isinstance(x, np.ndarray) else x for x in given.values()])
        return json.loads(machine.eval(f"JSON.stringify((([{names}]) => ({expression}))({plain}))"))

    return run
