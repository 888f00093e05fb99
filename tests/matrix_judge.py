"""The reference for tests of A5: its textbook form with growing exponentials, in mpmath at two agreeing precisions."""

import mpmath
import numpy as np

EPS = 2.0**-52


def frame(generator, d, k):
    """k orthonormal columns."""
    return np.linalg.qr(generator.normal(size=(d, d)))[0][:, :k]


def truth(t, u, s, v, teacher, lam):
    """`QQᵀ` and `A − f` at every time, from mpmath numbers: `e^{Ft} Q₀ (I + Q₀ᵀ(∫e^{2Fs}ds)Q₀)⁻¹ Q₀ᵀ e^{Ft}`."""
    d_out, d_in, k = teacher.rows, teacher.cols, max(u.cols, v.cols)
    q, force = mpmath.zeros(d_in + d_out, k), mpmath.zeros(d_in + d_out)
    for j in range(k):
        product = s[j] if j < len(s) else mpmath.mpf(0)
        larger = mpmath.sqrt((mpmath.sqrt(lam**2 + 4 * product**2) + abs(lam)) / 2)
        w1, w2 = (product / larger, larger) if lam >= 0 else (larger, product / larger)
        if j < v.cols:
            q[:d_in, j] = w1 * v[:, j]
        if j < u.cols:
            q[d_in:, j] = w2 * u[:, j]
    force[d_in:, :d_in], force[:d_in, d_in:] = teacher, teacher.T
    force[:d_in, :d_in], force[d_in:, d_in:] = -lam / 2 * mpmath.eye(d_in), lam / 2 * mpmath.eye(d_out)
    values, basis = mpmath.eigsy(force)
    c, none = basis.T * q, mpmath.mpf(10) ** (-mpmath.mp.dps // 2)
    found = []
    for time in t:
        integral = [time if abs(x) < none else mpmath.expm1(2 * x * time) / (2 * x) for x in values]
        side = basis * mpmath.diag([mpmath.exp(x * time) for x in values]) * c
        gram = side * (mpmath.eye(k) + c.T * mpmath.diag(integral) * c) ** -1 * side.T
        found += [gram, teacher - gram[d_in:, :d_in]]
    return found


def exactly(t, u, s, v, teacher, lam=0.0):
    """`(QQᵀ, A − f)` for every time to 25 digits, how the inputs condition each (a function), and the digits taken."""
    stage = max(t) * np.hypot(np.linalg.norm(teacher, 2), lam / 2)
    least = [abs(np.log10(abs(x))) for x in (*s, lam) if x]
    digits = int(80 + 2 * stage + 2 * max(least))
    matrix = lambda x: mpmath.matrix(np.asarray(x, float).tolist())
    inputs = lambda: [
        [mpmath.mpf(float(x)) for x in t],
        matrix(u),
        [mpmath.mpf(float(x)) for x in s],
        matrix(v),
        matrix(teacher),
        mpmath.mpf(float(lam)),
    ]
    with mpmath.workdps(digits):
        low = truth(*inputs())
    with mpmath.workdps(2 * digits):
        high = truth(*inputs())
        for a, b in zip(low, high, strict=True):
            assert mpmath.norm(a - b) <= max(mpmath.norm(b) * mpmath.mpf(10) ** -25, mpmath.mpf("1e-330"))

    def condition():
        """`Σ |x| ‖∂f/∂x‖ / ‖f‖` over every number given, by difference quotients."""
        with mpmath.workdps(digits):
            step, total = mpmath.mpf(10) ** -30, [mpmath.mpf(0)] * len(high)
            for i, given in enumerate(inputs()):
                for j in range(len(given) if i in (0, 2) else given.rows * given.cols if i < 5 else 1):
                    moved = inputs()
                    if i == 5:
                        moved[i] *= 1 + step
                    elif i in (0, 2):
                        moved[i][j] *= 1 + step
                    else:
                        moved[i][divmod(j, given.cols)] *= 1 + step
                    for n, (a, b) in enumerate(zip(truth(*moved), high, strict=True)):
                        total[n] += mpmath.norm(a - b) / step / max(mpmath.norm(b), mpmath.mpf("1e-300"))
            return [float(x) for x in total]

    return high, condition, digits


def assert_right(flow, t, u, s, v, teacher, lam=0.0, tolerance=1e-12):
    """The engine's QQᵀ and residual at every time: 1e-12 in norm, or 100 roundings of the inputs."""
    high, condition, digits = exactly(t, u, s, v, teacher, lam)
    stacked = np.concatenate([flow.factor_in, flow.factor_out], axis=-2)
    errors = []
    with mpmath.workdps(digits):
        for i, (gram, left) in enumerate(zip(high[::2], high[1::2], strict=True)):
            y = mpmath.matrix(stacked[i].tolist())
            for value, exact in ((y * y.T, gram), (mpmath.matrix(flow.unlearned[i].tolist()), left)):
                scale = max(mpmath.norm(exact), mpmath.mpf("1e-300"))
                errors.append(float(mpmath.norm(value - exact) / scale))
    if not max(errors) <= tolerance:  # so that NaN fails
        for n, (error, conditioned) in enumerate(zip(errors, condition(), strict=True)):
            limit = max(tolerance, 100 * EPS * conditioned)
            assert error <= limit, f"{'residual' if n % 2 else 'QQᵀ'} at t = {t[n // 2]}: {error:.2g} > {limit:.2g}"
