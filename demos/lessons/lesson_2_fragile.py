"""Lesson 2: the longer pretraining, the more fragile the network (claims B1, B4, C1–C5)."""

import marimo

app = marimo.App(width="full", app_title="The longer, the more fragile", css_file="lesson.css")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np

    from overtraining.demos.lessons import stage
    from overtraining.figures import drawing
    from overtraining.setting.inflection import inflection_point
    from overtraining.setting.protocol import Network, Protocol, Sampling
    from overtraining.setting.responses import trajectory
    from overtraining.setting.starts import Aligned
    from overtraining.setting.teachers import PowerLaw, Spectrum, singular_values
    from overtraining.theory.inflection import stages
    from overtraining.theory.inflection.noisy_path import minima
    from overtraining.theory.inflection.scaling import dense_inflection_time
    from overtraining.theory.sensitivity.growth import curvature_growth
    from overtraining.theory.sensitivity.noise import mode_cost
    from overtraining.theory.solvers.exact import follow, respond


@app.cell
def _():
    PREDICTIONS = (
        "It keeps falling, as the loss before the noise does",
        "It falls at first and then rises",
        "It does not depend on how long the network was trained",
    )
    prediction = mo.ui.radio(PREDICTIONS)
    stage.opening(
        "fragile",
        "You train a network for longer and longer, and its loss keeps falling. Somebody adds the same small random noise to "
        "every weight of every checkpoint, as rounding or careless fine-tuning would. **What does the loss after the "
        "noise do, from checkpoint to checkpoint?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(bill_24, deepest, worthwhile, variances):
    stage.teacher(
        mo.query_params(),
        "fragile",
        "4 for the vote, 8 each for the first two pictures, 7 for the features one by one, 5 for the scaling law, 3 for the exercise.",
        {
            "“Noise hurts more because the weights have become larger.”": "Yes, for noise of a fixed size: nothing else "
            "enters B1. But sensitivity also grows when the noise is measured in units of the weights (figure `conventions`).",
            "“The inflection is where the network starts to overfit.”": "There is no training set here: the loss is the "
            "population's, and it keeps falling.",
            "“A tiny noise has no inflection point.”": "It has one, at a greater length: this holds for every c > 0 (C4).",
        },
        "Growth is over when the last feature is learned. At every noise above 0 there is a turn (C4); the star moves right "
        "as the noise falls. Three minima: near γ = 0.18 at ε = 1e-6; not to the end: 2c > 1; not at all: c ≥ 1, γ ≥ 0.5. "
        f"Exercise: c = {bill_24:.4f}, {worthwhile} features. One bit more divides the variance by four: between γ² = "
        f"{variances[-1]:.3g} and {variances[-1] / 4:.3g} the best length grows from {float(deepest[-1]):.1f} to "
        f"{float(np.interp(variances[-1] / 4, variances, deepest)):.1f}.",
    )
    return


@app.cell
def _(PREDICTIONS, prediction):
    one = respond(Protocol(PowerLaw(24), np.linspace(0, 60, 601), (0.1,), start=Aligned(1e-4)))
    turn = inflection_point(one).squeeze()
    stage.answered(
        prediction,
        PREDICTIONS[1],
        f"With 24 features σ = 1/i and noise of 0.1, the loss after it turns at t = {float(turn.length):.1f} and then rises by "
        f"{float(turn.rise):.3f}, while the loss before it keeps falling.",
    )
    return


@app.cell
def _():
    noise = mo.ui.slider(
        0.02, 0.4, 0.01, value=0.15, label="noise on every weight, its standard deviation γ", show_value=True
    )
    width = mo.ui.slider(4, 32, 1, value=8, label="width d of every layer", show_value=True)
    features = mo.ui.slider(1, 4, value=3, label="features (σ = 1, ½, …)", show_value=True)
    return features, noise, width


@app.cell
def _(features, noise, width):
    d = width.value
    asked = Protocol(PowerLaw(features.value), np.linspace(0, 40, 401), (noise.value,), Network(d, d, d))
    response, sigma = respond(asked), 1 / np.arange(1, features.value + 1)
    pull = curvature_growth(np.array(asked.lengths)[:, None], sigma, asked.start.epsilon, d_in=d, d_out=d).sum(axis=1)
    growing = trajectory(
        {"growth": (("pretraining",), pull)},
        {"pretraining": list(asked.lengths)},
        method="theory",
        source="claim B4",
        model="two layers",
    )

    def fragile(axes):
        drawing.curves(axes[0], response, "sensitivity", label=None)
        axes[0].set(ylabel="sensitivity Δ", ylim=(0, None))
        drawing.against_length(axes[1], growing, "growth", colour=1)
        axes[1].set(ylabel="growth of the curvature, d tr H / dt")

    first, last = response.sensitivity.values[[0, -1], 0]
    stage.screen(
        "The longer the pretraining, the more the same noise raises the loss",
        stage.picture(fragile, "Sensitivity against length, and the rate at which the curvature grows", columns=2),
        f"The same noise raises the loss by **{first:.3g}** at the start, from the product of the two layers' "
        f"noise, and by **{last:.3g}** at the end. Why? Noise on one layer reaches the output multiplied by the other. While "
        "features are learned both layers grow, so the same noise is multiplied by more. Exactly: sensitivity grows where the "
        "network is pulled outward, ⟨f, A − f⟩ > 0, that is, while a feature is being learned (right: what this adds to the trace "
        "of the Hessian H). Each feature makes one bump. When is the growth over?",
        [noise, width, features],
        ["B1", "B4"],
    )
    return


@app.cell
def _():
    gamma = mo.ui.slider(0.02, 0.3, 0.005, value=0.1, label="noise γ", show_value=True)
    spectrum = mo.ui.dropdown(
        {
            "24 features, σ = 1/i": PowerLaw(24),
            "one feature": Spectrum((1.0,)),
            "σ = 1, ½, ¼": Spectrum((1.0, 0.5, 0.25)),
        },
        value="24 features, σ = 1/i",
        label="teacher",
    )
    measure = mo.ui.run_button(label="Measure it on a network, now")
    return gamma, measure, spectrum


@app.cell
def _():
    trained = {}  # what was measured already, by its protocol
    return (trained,)


@app.cell
def _(gamma, measure, spectrum, trained):
    square = Network(24, 24, 24)
    u_protocol = Protocol(spectrum.value, np.linspace(0, 60, 601), (gamma.value,), square, start=Aligned(1e-4))
    coarse = replace(u_protocol, lengths=np.linspace(0, 60, 16), sampling=Sampling(draws=256, antithetic=True))
    measured = stage.measured(measure.value, trained, coarse, "respond")
    return measured, u_protocol


@app.cell
def _(gamma, measure, measured, spectrum, u_protocol):
    u_shape = respond(u_protocol)
    cost = float(mode_cost(gamma.value, gamma.value, d_in=24, d_out=24))
    last_turn = float(minima(singular_values(spectrum.value), 1e-4, cost).at("last"))
    rise = float(inflection_point(u_shape).squeeze().rise)

    def u(axes):
        drawing.curves(axes[0], u_shape, "after", label="after noise")
        if measured is not None:
            drawing.curves(axes[0], measured, "after", label=None)
        drawing.base(axes[0], u_shape, label="before")
        drawing.inflections(axes[0], u_shape, label="inflection point")
        axes[0].set(ylabel="loss", ylim=(0, None))
        axes[0].legend()

    if last_turn == 0:
        told = "Under this noise every feature raises the loss: longer pretraining only hurts, from the start."
    elif last_turn > 60:
        told = f"The loss after noise turns at t = **{last_turn:.0f}**, beyond the right edge of the picture."
    else:
        told = f"Beyond t = **{last_turn:.1f}** longer pretraining only hurts, by {rise:.3g} up to t = 60: *catastrophic overtraining*."
    stage.screen(
        "Beyond an inflection point longer pretraining makes it worse",
        stage.picture(u, "Loss before and after noise against pretraining length"),
        f"{told} The loss before the noise keeps falling. The *inflection point* (the paper's word; it is not where f″ = 0) is the length beyond "
        "which the loss after noise only rises: its last minimum. Noise raises the loss by "
        f"c = γ²d = {cost:.3f} per unit of singular value: a feature helps until it has grown to σ − c, and then hurts. All "
        "layers are 24 wide, the start is ε = 1e-4. Move the noise: where does the star go? Is there a noise so small that there "
        "is no turn at any length?",
        [gamma, spectrum, measure],
        ["C1"],
    )
    return


@app.cell
def _():
    strength = mo.ui.slider(0.02, 0.6, 0.005, value=0.1, label="noise γ", show_value=True)
    small = mo.ui.slider(steps=[10.0**-k for k in (2, 3, 4, 6, 8, 10)], value=1e-6, label="start ε", show_value=True)
    return small, strength


@app.cell
def _(small, strength):
    three = np.array([1.0, 0.5, 0.25])
    noise_cost = float(mode_cost(strength.value, strength.value, d_in=4, d_out=4))
    stages_passed = stages.stage(three, noise_cost)
    paying = Protocol(
        Spectrum(three), np.linspace(0, 60, 601), (strength.value,), Network(4, 4, 4), start=Aligned(small.value)
    )
    turns = minima(three, small.value, noise_cost)
    bill = respond(paying)

    def stairs(axes):
        drawing.singular_values(axes[0], follow(paying))
        axes[0].axhline(2 * noise_cost, color="0.4", linestyle=":")
        axes[0].text(0, 2 * noise_cost, "2c", ha="left", va="bottom")
        drawing.curves(axes[1], bill, "after", label=None)
        drawing.inflections(axes[1], bill)
        axes[1].set_ylabel("loss after noise")

    lines = "".join(
        f"\n- σ = {one:g}: {'helps' if change < 0 else 'hurts'}; learning it completely changes the loss by {change:+.3f}"
        + (f"; the best value to stop at is s = {stop:.3f}" if stop > 0 else "; it hurts from the first moment")
        for one, change, stop in zip(three, stages_passed.change, stages_passed.stop, strict=True)
    )
    where = ", ".join(f"{t:.1f}" for t in np.ravel(turns.times) if 0 < t < np.inf)
    stage.screen(
        "Some features are not worth learning",
        stage.picture(stairs, "Three features and the loss after noise against length", columns=2),
        f"Noise raises the loss by c = {noise_cost:.3f} per unit of singular value, so learning a feature completely lowers the loss "
        f"after noise only if σ > 2c (dotted).{lines}\n\nThe loss after noise has {f'minima at t = {where}' if where else 'no minimum'}; the star is the "
        f"last of them; the deepest is at t = {float(turns.at('best')):.1f}. Find three noises: one with three minima, one for which "
        "the network should not be trained to the end, and one for which it should not be trained at all.",
        [strength, small],
        ["C3", "C4"],
    )
    return (noise_cost,)


@app.cell
def _():
    variance = mo.ui.slider(
        steps=np.geomspace(0.001, 0.01, 41).tolist(),
        value=float(np.geomspace(0.001, 0.01, 41)[20]),
        label="variance of the noise γ²",
        show_value=True,
    )
    return (variance,)


@app.cell
def _():
    variances = np.geomspace(0.001, 0.01, 41)
    spectrum_24, epsilon = 1 / np.arange(1.0, 25.0), 1e-6
    noise_costs = np.array([float(mode_cost(g, g, d_in=24, d_out=24)) for g in np.sqrt(variances)])
    deepest = minima(spectrum_24, epsilon, noise_costs).at("best")
    dense = dense_inflection_time(1.0, epsilon, noise_costs)
    return deepest, dense, variances


@app.cell
def _(deepest, dense, variance, variances):
    def turning(times, source):
        return trajectory(
            {"turning_strength": (("pretraining",), np.sqrt(variances)[::-1])},
            {"pretraining": np.asarray(times)[::-1]},
            method="theory",
            source=source,
            model="24 features",
        )

    here = int(np.abs(variances - variance.value).argmin())

    def scaling(axes):
        drawing.inflection_against_variance(axes[0], turning(deepest, "C4"), colour=0, label="deepest minimum")
        drawing.inflection_against_variance(
            axes[0], turning(dense, "C5"), colour=1, label="law for dense spectra", dashed=True
        )
        axes[0].plot(variances[here], deepest[here], "o", color="black")
        axes[0].legend()
        axes[0].set_ylabel("best length (gradient-flow time)")

    stage.screen(
        "Half the variance allows nearly twice the length",
        stage.picture(scaling, "Best length against the variance of the noise, both logarithmic"),
        f"At γ² = {variances[here]:.2g} the best length is t = **{float(deepest[here]):.1f}** (the law: "
        f"{float(dense[here]):.1f}). On these logarithmic axes a slope of −1 means that the length is proportional "
        "to 1/variance; up to a logarithm, it is. The steps are "
        "features: as the noise falls, one more of them is worth learning. What would quantization to one bit more do, if it were noise?",
        [variance],
        ["C5"],
    )
    return


@app.cell
def _(gamma):
    bill_24 = float(mode_cost(gamma.value, gamma.value, d_in=24, d_out=24))
    worthwhile = int((np.asarray(stages.stage(1 / np.arange(1.0, 25.0), bill_24).change) < 0).sum())
    stage.exercise(
        f"A square network of width 24, 24 features σ = 1/i, noise γ = {gamma.value:g} (the slider of the second picture). "
        "What is the cost c per unit of singular value, and how many features are worth learning completely?",
        f"c = γ²d = **{bill_24:.4f}**, and **{worthwhile}** features have σ > 2c.",
    )
    return bill_24, worthwhile


@app.cell
def _():
    stage.ending(
        "B1 is exact at every point of weight space and for every law of the noise; that sensitivity *grows* is not. From most random "
        "balanced starts it falls for a while, in one-layer networks it stays the same, and in networks with unequal layers "
        "it grows little (figures `random-start`, `depth`, `lazy-to-rich`). The turn is inevitable for balanced, aligned starts "
        "below the teacher (C4). Rounding does not act like this noise where weights are smaller than its step (figure `conventions`). "
        "The loss of tanh and ReLU students turns too; there is no theorem about them (figure `beyond-linear`).",
        after="forgetting",
    )
    return


if __name__ == "__main__":
    app.run()
