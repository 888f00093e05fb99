"""The judge of the closed forms: mpmath at two precisions that agree, and the condition number of the question."""

import mpmath
import numpy as np

EPS, TINY = 2.0**-52, mpmath.mpf("1e-330")


def agreed(truth, *point, precisions=(50, 100, 400, 1600)):
    """`truth` of mpmath numbers at growing numbers of digits, until two precisions agree to 25 digits."""
    low = None
    for digits in precisions:
        with mpmath.workdps(digits):
            high = mpmath.mpf(truth(*map(mpmath.mpf, point)))
            if low is not None and abs(high - low) <= max(abs(high) * mpmath.mpf(10) ** -25, TINY):
                return high
            low = high
    raise AssertionError(f"no two precisions agree at {point}")


def conditioned(truth, *point, digits=200):
    """`Σ |x ∂f/∂x| / |f|` over the inputs, by difference quotients."""
    with mpmath.workdps(digits):
        given, step = [mpmath.mpf(x) for x in point], mpmath.mpf(10) ** -60
        value = truth(*given)
        moved = [truth(*(x * (1 + step * (i == j)) for j, x in enumerate(given))) for i in range(len(given))]
        if value == 0:  # a difference of equal inputs is infinitely ill-conditioned, a factor 0 is not
            return float("inf") if any(moved) else 1.0
        return float(sum(abs((m - value) / value) for m in moved) / step)


def assert_right(engine, truth, points, tolerance=1e-12, precisions=(50, 100, 400, 1600)):
    """Assert that the engine, called once with all points, is right: 1e-12 relative, or 100 roundings of the inputs.

    points: rows of inputs.  precisions: more, where 50 and 100 digits could agree on a cancelled 0.
    Results below 1e-300 are judged absolutely.
    """
    got = np.asarray(engine(*np.array(points, float).T))
    assert got.shape == (len(points),)
    for value, point in zip(got, points, strict=True):
        exact = agreed(truth, *point, precisions=precisions)
        error = abs(mpmath.mpf(float(value)) - exact) / max(abs(exact), mpmath.mpf("1e-300"))
        if not error <= tolerance:  # so that NaN fails
            limit = 100 * EPS * conditioned(truth, *point, digits=max(200, precisions[0]))
            assert error <= limit, (
                f"{point}: {value!r} instead of {mpmath.nstr(exact, 17)}, {float(error):.2g} > {limit:.2g}"
            )
