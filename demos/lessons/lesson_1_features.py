"""Lesson 1: features are learned one at a time (claims A3, A6, A7)."""

import marimo

app = marimo.App(width="full", app_title="Features are learned one at a time", css_file="lesson.css")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np

    from overtraining.demos.lessons import stage
    from overtraining.figures import drawing
    from overtraining.setting.protocol import Network, Protocol
    from overtraining.setting.responses import trajectory
    from overtraining.setting.starts import Aligned
    from overtraining.setting.teachers import PowerLaw
    from overtraining.theory.learning import deep_mode
    from overtraining.theory.learning.incremental import feature, feature_limit, limit_error
    from overtraining.theory.solvers.exact import follow


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
        "A *teacher* is a matrix $A$; its *features* are its singular values, here $\\sigma$ = 1, ½, ⅓, ¼. A *student* of two "
        "linear layers, $f = W_2W_1$, starts from small weights and follows the gradient of the loss "
        "$L = \\frac12\\|A - f\\|^2$ (gradient flow: steps so small that only their total matters, $t$ = learning rate × steps). Its own "
        "singular values are $s$, at the start all equal to $\\varepsilon$. **In which order does it learn the features?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(reached, squared):
    stage.teacher(
        mo.query_params(),
        "features",
        "5 for the prediction (let them vote, and let them defend their vote), 8 for the first picture, 4 for the rescaled time, 4 for depth, 4 for the exercise.",
        {
            "“The gradient of a weak feature is small because its error is small.”": "At the start all gradients are small "
            "because the *weights* are: growth is exponential, at the rate 2σ.",
            "“A smaller learning rate would learn them together.”": "t is learning rate × steps, so the order does not change.",
            "“In the limit the curves are steps, so the error is small everywhere.”": "Not at the step: there it is of order "
            "one for every ε (A7 is not uniform).",
        },
        f"First picture: a smaller start moves every curve to the right, in proportion to ln(1/ε), and keeps its shape. Rescaled time: the "
        "dot stands at σ/(1 + σ) for every ε, which is ½ for the first feature. Depth: with one layer there are no stages. Exercise: "
        f"{reached:.3f} and {squared:.3f}.",
    )
    return


@app.cell
def _(PREDICTIONS, prediction):
    halves = deep_mode.time_to_reach(0.5 / np.arange(1, 5), 1 / np.arange(1, 5), 1e-3, depth=2)
    stage.answered(
        prediction,
        PREDICTIONS[1],
        f"From ε = 0.001 the four are half learned at t = {', '.join(f'{t:.1f}' for t in halves)}.",
    )
    return


@app.cell
def _():
    number = mo.ui.slider(1, 8, value=4, label="features", show_value=True)
    exponent = mo.ui.slider(
        0.0, 2.0, 0.1, value=1.0, label=r"their decay $\alpha$, $\sigma_i = i^{-\alpha}$", show_value=True
    )
    start = mo.ui.slider(steps=[10.0**-k for k in range(1, 13)], value=1e-3, label="start ε", show_value=True)
    length = mo.ui.slider(0, 60, 1, value=8, label="pretraining length t", show_value=True)
    train = mo.ui.run_button(label="Train a network in JAX, now")
    return exponent, length, number, start, train


@app.cell
def _():
    trained = {}  # what was trained already, by its protocol
    return (trained,)


@app.cell
def _(exponent, number, start, train, trained):
    asked = Protocol(
        PowerLaw(number.value, exponent.value), np.linspace(0, 60, 241), strengths=(0.0,), start=Aligned(start.value)
    )
    measured = stage.measured(train.value, trained, replace(asked, lengths=np.linspace(0, 60, 25)), "follow")
    return asked, measured


@app.cell
def _(asked, exponent, length, measured, number, start, train):
    path = follow(asked)
    now = path.sel(pretraining=float(length.value))  # whole times are among the lengths

    def features(axes):
        drawing.singular_values(axes[0], path, label="mode {}" if number.value <= 4 else None)
        if measured is not None:
            drawing.singular_values(axes[0], measured, label=None)
        axes[0].axvline(length.value, color="0.6", zorder=0)
        if number.value <= 4:
            axes[0].legend(loc="upper right", bbox_to_anchor=(1, 0.95))

    strengths = 1 / np.arange(1.0, number.value + 1) ** exponent.value
    learned = int((now.singular_value.values > strengths / 2).sum())
    stage.screen(
        "The stronger a feature, the sooner it is learned",
        stage.picture(features, "Singular values of the student against pretraining length"),
        f"At t = {length.value} the network has learned **{learned} of {number.value}** features (more than half of each); "
        f"its loss is {float(now.loss):.3g}. Lines are the closed form. Press the button to add points from a network "
        "that was trained without the formula. (*Mode i* is the student's part of feature i; in A3, κ is σ, because there is no weight decay μ.) Make "
        "the start smaller: what moves, and what keeps its shape?",
        [number, exponent, start, length, train],
        ["A3"],
    )
    return


@app.cell
def _():
    small = mo.ui.slider(
        steps=[10.0**-k for k in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)],
        value=1e-3,
        label="start ε",
        show_value=True,
    )
    return (small,)


@app.cell
def _(small):
    tau, sigma = np.linspace(0, 5, 501), np.array([1.0, 0.5, 0.25])
    coordinates = {"pretraining": tau, "mode": np.arange(1, 4)}
    axes_of = ("pretraining", "mode")
    said = {"method": "theory", "model": "two layers", "length_units": "½ ln(1/ε)"}
    at_epsilon = trajectory(
        {"singular_value": (axes_of, feature(tau[:, None], sigma, small.value))},
        coordinates,
        source="closed form (A7)",
        **said,
    )
    limit = trajectory(
        {"singular_value": (axes_of, feature_limit(tau[:, None], sigma))}, coordinates, source="limit (A7)", **said
    )

    def stairs(axes):
        drawing.singular_values(axes[0], at_epsilon, label=None)
        drawing.against_length(axes[0], limit, "singular_value", by="mode", dashed=True)
        axes[0].plot(jumps.pretraining, jumps.singular_value, "o", color="black", zorder=4)
        axes[0].set(ylabel="singular value $s_i$", xlabel="time τ, in units of ½ ln(1/ε)")

    jumps = trajectory(
        {"singular_value": (("pretraining",), feature(1 / sigma, sigma, small.value))},
        {"pretraining": 1 / sigma},
        source="closed form (A7)",
        **said,
    )
    off, here = float(limit_error(2.0, 1.0, small.value)), float(feature(1.0, 1.0, small.value))
    stage.screen(
        "In rescaled time the curves become stairs",
        stage.picture(stairs, "Singular values against time in units of half the logarithm of one over the start"),
        "Measure time in units of ½ ln(1/ε). A feature of strength σ switches on at τ = 1/σ; the smaller the start, the "
        f"sharper the step (dashed: the limit). At τ = 2 the first feature is within {off:.1g} of complete. But look at the dots, "
        f"which mark the curves at the jumps: at τ = 1 the first feature stands at {here:.3f}. Make the start as small as you can: "
        "does the dot move onto the stairs?",
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
        Protocol(
            PowerLaw(3),
            np.linspace(0, 1.3 * half[-1], 241),
            (0.0,),
            Network(3, 3, 3, depth=depth.value),
            start=Aligned(from_.value),
        )
    )

    two = follow(Protocol(PowerLaw(3), deep.pretraining.values, (0.0,), Network(3, 3, 3), start=Aligned(from_.value)))

    def features_of_depth(axes):
        axes[0].plot(two.pretraining, two.singular_value, color="0.8")
        drawing.singular_values(axes[0], deep)
        axes[0].legend()

    stage.screen(
        "Deeper networks learn later and more abruptly",
        stage.picture(features_of_depth, "Singular values against pretraining length at the chosen depth"),
        f"With {depth.value} layer{'s' * (depth.value > 1)} the features are half learned at t = "
        f"{', '.join(f'{t:.3g}' for t in half)} (grey: two layers on the same axis). One layer has no stages at all: every feature "
        "grows from the first moment, and all are half learned at about the same time. With more layers, nothing happens for longer, "
        "since all gradients are products of small weights, and then each feature is learned more suddenly.",
        [depth, from_],
        [("A6", 2)],
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
        "is logarithmic in the start (it would be twice as late if σ/ε were 1/ε).",
    )
    return reached, squared


@app.cell
def _():
    stage.ending(
        "The curves are exact for gradient flow of *linear* layers from an *aligned, balanced* start on whitened inputs. From "
        "small random weights the stages survive; from the usual starts they blur (figure `random-start`); ReLU students "
        "learn the same stages at half the speed (measured, no theorem). A feature weaker than the weight decay is never learned.",
        after="fragile",
    )
    return


if __name__ == "__main__":
    app.run()
