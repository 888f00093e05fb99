"""The assertion of every test of a closed form: its error is within the limits of `overtraining.theory.precision`."""

import mpmath
import numpy as np

from overtraining.theory.precision.judge import PRECISIONS, TOLERANCE, agreed, allowed, condition_number, relative_error


def assert_right(engine, truth, points, tolerance=TOLERANCE, precisions=PRECISIONS):
    """Assert that the engine, called once with all points, is right: 1e-12 relative, or 100 roundings of the inputs.

    points: rows of inputs.  precisions: more, where 50 and 100 digits could agree on a cancelled 0.
    Results below 1e-300 are judged absolutely.
    """
    got = np.asarray(engine(*np.array(points, float).T))
    assert got.shape[:1] == (len(points),)
    for value, point in zip(got, points, strict=True):
        exact = agreed(truth, *point, precisions=precisions)
        error = relative_error(value, exact)
        if not error <= tolerance:  # so that NaN fails
            limit = allowed(condition_number(truth, *point, digits=max(200, precisions[0])))
            told = ", ".join(mpmath.nstr(x, 17) for x in exact)
            assert error <= limit, f"{point}: {value!r} instead of {told}, {error:.2g} > {limit:.2g}"
