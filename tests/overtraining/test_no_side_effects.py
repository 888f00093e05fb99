"""Nothing at the front end changes the state of the user's process, whether JAX is imported before or after."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import logging, os, random, signal, sys, tempfile, warnings
import matplotlib, numpy, pandas, scipy.stats, seaborn, sympy, xarray  # which may change filters of warnings

def state():
    jax = sys.modules.get("jax")
    return {
        "environment": {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "TPU_SKIP_MDS_QUERY")},
        "working directory": os.getcwd(),
        "search path": list(sys.path),
        "NumPy's errors": numpy.geterr(),
        "random numbers": (random.getstate(), repr(numpy.random.get_state()) if sys.argv[1] == "before" else None),
        "warnings": list(warnings.filters),
        "Matplotlib": (dict(matplotlib.rcParams), matplotlib.get_backend(auto_select=False)),
        "JAX": {name: str(value) for name, value in jax.config.values.items()} if jax else JAX_AFTER,
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "limits": (sys.getrecursionlimit(), sys.get_int_max_str_digits()),
        "log": (logging.root.level, list(logging.root.handlers)),
    }

JAX_AFTER = None  # importing JAX sets two variables of the environment, and draws from NumPy's global generator
if sys.argv[1] == "before":
    import jax, diffrax, optax
    jax.numpy.ones(1)
first = state()

import overtraining as ot

def unchanged(what):
    now = state()
    differ = [name for name in first if now[name] != first[name] and first[name] is not None]
    assert not differ, (what, differ)

protocol = ot.Protocol(ot.PowerLaw(2), (0, 4, 9), (0.1, 0.2), sampling=ot.Sampling(draws=4))
tuned = ot.Protocol(ot.PowerLaw(2), (0, 4), (0.0, 1.0), perturbation=ot.FineTuning(ot.RotatedTeacher(1.0)))
theory, toy = ot.theory.respond(protocol), ot.simulations.respond(protocol, key=0)
calls = {
    "teacher": lambda: ot.teacher([1.0, 0.5]),
    "theory.respond": lambda: ot.theory.respond(tuned),
    "theory.follow": lambda: ot.theory.follow(protocol),
    "simulations.respond": lambda: ot.simulations.respond(tuned, key=1),
    "simulations.follow": lambda: ot.simulations.follow(protocol, key=1),
    "simulations.pretrain": lambda: ot.simulations.pretrain(protocol, key=1),
    "simulations.initialize": lambda: ot.simulations.initialize(protocol, key=1),
    "simulations.distance_from_pretrained": lambda: ot.simulations.distance_from_pretrained(tuned, key=1),
    "read and write": lambda: ot.read(ot.write(protocol)),
    "inflection_point": lambda: ot.inflection_point(toy),
    "sensitivity": lambda: ot.sensitivity(theory),
    "validate": lambda: ot.validate(theory),
    "show": lambda: (ot.show(toy)._repr_html_(), ot.show(ot.theory.follow(protocol))),
    "plot": lambda: ot.plot(theory, toy).savefig(tempfile.TemporaryFile(), format="png"),
}
unchanged("the first Responses")
for name, call in calls.items():
    call()
    unchanged(name)
for name in dir(ot):
    getattr(ot, name)
    for part in dir(getattr(ot, name)) if name in PACKAGES else ():
        getattr(getattr(ot, name), part)
    unchanged(name)

assert all(layer.weight.dtype == "float64" for layer in ot.simulations.pretrain(protocol, key=1))
import jax
assert not jax.config.jax_enable_x64 and jax.numpy.ones(1).dtype == "float32"
print(toy.after.values.tolist())
"""


@pytest.mark.parametrize("jax_imported", ["before", "after"])
def test_the_state_of_the_process_stays_as_it_is(jax_imported: str) -> None:
    packages = "PACKAGES = {'setting', 'theory', 'simulations', 'experiments', 'figures', 'demos'}\n"
    ours = ("JAX", "XLA")  # a user's JAX has none of the settings that tests use
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", packages + SCRIPT, jax_imported],
        capture_output=True,
        text=True,
        env=clean,
        check=False,
    )
    assert not run.returncode, run.stderr
