"""An experiment of one's own: `overtraining simulate my_experiment.py` runs it and tells the verdict."""

import numpy as np
from my_formula import rise

import overtraining as ot
from overtraining.experiments import Experiment
from overtraining.experiments.memoized import respond
from overtraining.experiments.verdict import Outcome, judge_z_scores

EXPERIMENT = Experiment("one-feature", ("Mine",), "What noise costs one learned feature")


def protocol(preset):
    return ot.Protocol(
        ot.Spectrum((0.8,)),
        lengths=(40.0,),
        strengths=(0.1, 0.2, 0.3),
        network=ot.Network(d_in=1, h=1, d_out=1),
        start=ot.Aligned(0.01),
        sampling=ot.Sampling(draws=2**16 if preset == "quick" else 2**20),
    )


def run(preset, key):
    """A prediction of the formula, a measurement that does not know it, a verdict."""
    setup = protocol(preset)
    measured = respond(setup, key)
    predicted = rise(0.8, np.array(setup.strengths))
    stderr = measured.sensitivity_stderr.values.ravel()
    z = (measured.sensitivity.values.ravel() - predicted) / stderr
    return Outcome((judge_z_scores("the rise by noise", z, predicted / stderr),), {"measured": measured})
