"""Lesson 1: features are learned one at a time (claims A3, A6, A7)."""

import marimo

app = marimo.App(width="full", app_title="Features are learned one at a time", css_file="lesson.css")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np

    from demos.lessons import stage
    from figures import draw
    from theory import Aligned, Network, PowerLaw, Protocol, deep_mode, feature, feature_limit, follow, limit_error
    from theory.responses import trajectory


@app.cell
def _():
    PREDICTIONS = (
        "All of them a little, all the time",
        "One after another, the strongest first",
        "One after another, the weakest first",
    )
    prediction = mo.ui.radio(PREDICTIONS)
    stage.opening(
        "features",
        "A two-layer linear network $f = W_2W_1$ starts from small weights and learns a teacher whose features "
        "(its singular values) have the strengths 1, ½, ⅓, ¼. Gradient flow lowers the loss at every moment. "
        "**In which order does it learn the features?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(PREDICTIONS, prediction):
    halves = deep_mode.time_to_reach(0.5 / np.arange(1, 5), 1 / np.arange(1, 5), 1e-3, depth=2)
    stage.answered(
        prediction, PREDICTIONS[1],
        f"From ε = 0.001 the four are half learned at t = {', '.join(f'{t:.1f}' for t in halves)}.",
    )  # fmt: skip
    return


@app.cell
def _():
    number = mo.ui.slider(1, 8, value=4, label="features", show_value=True)
    exponent = mo.ui.slider(0.0, 2.0, 0.1, value=1.0, label="their decay α, σ = 1/i^α", show_value=True)
    start = mo.ui.slider(steps=[10.0**-k for k in range(1, 13)], value=1e-3, label="start ε", show_value=True)
    length = mo.ui.slider(0, 60, 1, value=8, label="pretraining length t", show_value=True)
    train = mo.ui.run_button(label="Train a network in JAX, now")
    return exponent, length, number, start, train


@app.cell
def _(exponent, length, number, start, train):
    asked = Protocol(
        PowerLaw(number.value, exponent.value), np.linspace(0, 60, 241), strengths=(0.0,), start=Aligned(start.value)
    )
    path = follow(asked)
    now = path.interp(pretraining=float(length.value))
    measured = None
    if train.value:
        from simulations import follow as simulate

        measured = simulate(replace(asked, lengths=np.linspace(0, 60, 25)), key=0)

    def features(axes):
        draw.singular_values(axes[0], path, labels=number.value <= 4)
        if measured is not None:
            draw.singular_values(axes[0], measured, labels=False)
        axes[0].axvline(length.value, color="0.6", zorder=0)
        if number.value <= 4:
            axes[0].legend(loc="center right")

    strengths = 1 / np.arange(1.0, number.value + 1) ** exponent.value
    learned = int((now.singular_value.values > strengths / 2).sum())
    stage.screen(
        "The stronger a feature, the sooner it is learned",
        stage.picture(features, "Singular values of the student against pretraining length"),
        f"At t = {length.value} the network has learned **{learned} of {number.value}** features (more than half of each); "
        f"its loss is {float(now.loss):.3g}. Lines are the closed form; points, once you ask for them, a network "
        "that knows nothing of it. Make the start smaller: what moves, and what keeps its shape?",
        [number, exponent, start, length, train],
        ["A3"],
    )
    return


@app.cell
def _():
    small = mo.ui.slider(steps=[10.0**-k for k in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)], value=1e-3,
                         label="start ε", show_value=True)  # fmt: skip
    return (small,)


@app.cell
def _(small):
    tau, sigma = np.linspace(0, 5, 501), np.array([1.0, 0.5, 0.25])
    coordinates = {"pretraining": tau, "mode": np.arange(1, 4)}
    axes_of = ("pretraining", "mode")
    said = {"method": "theory", "model": "two layers", "length_units": "½ ln(1/ε)"}
    at_epsilon = trajectory({"singular_value": (axes_of, feature(tau[:, None], sigma, small.value))}, coordinates,
                            source="closed form (A7)", **said)  # fmt: skip
    limit = trajectory({"singular_value": (axes_of, feature_limit(tau[:, None], sigma))}, coordinates,
                       source="limit (A7)", **said)  # fmt: skip

    def stairs(axes):
        draw.singular_values(axes[0], at_epsilon, labels=False)
        draw.along(axes[0], limit, "singular_value", by="mode", dashed=True)
        axes[0].set(ylabel="singular value $s_i$")

    off = float(limit_error(2.0, 1.0, small.value))
    stage.screen(
        "In the right clock the curves become stairs",
        stage.picture(stairs, "Singular values against time in units of half the logarithm of one over the start"),
        "Measure time in units of ½ ln(1/ε). A feature of strength σ switches on at τ = 1/σ; the smaller the start, the "
        f"sharper the step (dashed: the limit). At τ = 2 the first feature is within {off:.1g} of complete. "
        "Can you make the step so sharp that it is right everywhere?",
        [small],
        ["A7"],
    )
    return


@app.cell
def _():
    depth = mo.ui.slider(steps=[1, 2, 3, 4, 8], value=3, label="layers L", show_value=True)
    from_ = mo.ui.slider(
        steps=[0.1, 0.03, 0.01, 0.003, 0.001], value=0.01, label="start ε of the product", show_value=True
    )
    return depth, from_


@app.cell
def _(depth, from_):
    half = deep_mode.time_to_reach(0.5 / np.arange(1, 4), 1 / np.arange(1, 4), from_.value, depth=depth.value)
    deep = follow(
        Protocol(PowerLaw(3), np.linspace(0, 1.3 * half[-1], 241), (0.0,), Network(3, 3, 3, depth=depth.value),
                 start=Aligned(from_.value))
    )  # fmt: skip

    def features_of_depth(axes):
        draw.singular_values(axes[0], deep)
        axes[0].legend()

    stage.screen(
        "The deeper, the later and the more abrupt",
        stage.picture(features_of_depth, "Singular values against pretraining length at the chosen depth"),
        f"With {depth.value} layer{'s' * (depth.value > 1)} the features are half learned at t = "
        f"{', '.join(f'{t:.3g}' for t in half)}. One layer has no stages at all: every feature is on the way from the "
        "first moment. Watch the scale of the time axis.",
        [depth, from_],
        ["A6"],
    )
    return


@app.cell
def _(start):
    reached = float(deep_mode.time_to_reach(0.25, 0.5, start.value, depth=2))
    squared = float(deep_mode.time_to_reach(0.25, 0.5, start.value**2, depth=2))
    stage.exercise(
        f"A feature of strength ½ starts at ε = {start.value:g} (the slider of the first picture). When is it half learned? "
        "And when, if ε is squared?",
        f"At t = **{reached:.3f}**, and from ε² at t = **{squared:.3f}**, {squared / reached:.2f} times as late: the time "
        "is logarithmic in the start.",
    )
    return reached, squared


@app.cell
def _():
    stage.ending(
        "The curves are exact for gradient flow of *linear* layers from an *aligned, balanced* start on whitened inputs. From "
        "small random weights the stages survive, from the usual starts they blur (figure `random-start`); ReLU students "
        "learn the same stages at half the speed (measured, no theorem). With weight decay a feature below it dies.",
        after="fragile",
    )
    return


@app.cell
def _(reached, squared):
    stage.teacher(
        mo.query_params(),
        "features",
        "5 for the prediction (let them vote, and defend a vote), 8 for the first picture, 5 for the clock, 5 for depth.",
        {
            "“The gradient of a weak feature is small because its error is small.”": "At the start all gradients are small "
            "because the *weights* are: growth is exponential, at the rate 2σ.",
            "“A smaller learning rate would learn them together.”": "t is learning rate × steps: the order does not change.",
            "“In the limit the curves are steps, so the error is small everywhere.”": "Not at the step: there it is of order "
            "one for every ε (A7 is not uniform).",
        },
        f"Exercise: {reached:.3f} and {squared:.3f}.",
    )
    return


if __name__ == "__main__":
    app.run()
