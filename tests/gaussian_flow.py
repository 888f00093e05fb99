"""Gradient flow of two linear layers from many Gaussian starts, for tests: nothing of it comes from the project."""

import numpy as np


def flowed(std_in, std_out, sigma, h, d_in, d_out, times, starts, seed, decay=0.0, step=0.02):
    """Gradient flow of whole matrices from Gaussian starts, by Runge–Kutta: starts, frames, teacher, weights."""
    generator = np.random.default_rng(seed)
    w1 = generator.normal(size=(starts, h, d_in)) * std_in
    w2 = generator.normal(size=(starts, d_out, h)) * std_out
    began = w1.copy(), w2.copy()
    left, right = (np.linalg.qr(generator.normal(size=(d, d)))[0][:, : len(sigma)] for d in (d_out, d_in))
    teacher = left * sigma @ right.T

    def slope(w1, w2):
        error = teacher - w2 @ w1
        return w2.mT @ error - decay * w1, error @ w1.mT - decay * w2

    path, now = [], 0.0
    for time in times:
        count = int(np.ceil((time - now) / step))
        for _ in range(count):
            dt, k = (time - now) / count, [slope(w1, w2)]
            for part in (0.5, 0.5, 1.0):
                k.append(slope(w1 + part * dt * k[-1][0], w2 + part * dt * k[-1][1]))
            w1, w2 = (w + dt / 6 * (a + 2 * b + 2 * c + d) for w, a, b, c, d in zip((w1, w2), *k, strict=True))
        now = time
        path.append((w1, w2))
    return began, (left, right), teacher, path


def measured_flow(*setup, **options):
    """Losses, ‖f‖_* and both layers' squared norms along the flow, (time, quantity, start)."""
    began, frames, teacher, path = flowed(*setup, **options)
    measured = []
    for w1, w2 in path:
        f = w2 @ w1
        nuclear = np.linalg.svd(f, compute_uv=False).sum(1)
        measured.append((((f - teacher) ** 2).sum((1, 2)) / 2, nuclear, (w1**2).sum((1, 2)), (w2**2).sum((1, 2))))
    return began, frames, np.array(measured)


def paired(began, frames, sigma, times, decay=0.0):
    """The same in the limit, from each start's own `ε`: the squared diagonal of R, `Z = QR`, and the modes from it."""
    (w1, w2), (left, right) = began, frames
    grows = (w1 @ right + w2.mT @ left) / 2
    epsilon = np.diagonal(np.linalg.qr(grows, mode="r"), axis1=1, axis2=2) ** 2
    kappa = (sigma - decay)[: epsilon.shape[1]]
    s = kappa / (1 + (kappa / epsilon - 1) * np.exp(-2 * kappa * np.array(times)[:, None, None]))
    missed = np.pad(s, ((0, 0), (0, 0), (0, len(sigma) - s.shape[2])))
    return ((sigma - missed) ** 2).sum(2) / 2, s.sum(2), epsilon
