"""Lesson 2: the longer, the more fragile (claims B1, B4, C1–C5)."""

import marimo

app = marimo.App(width="full", app_title="The longer, the more fragile", css_file="lesson.css")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np

    from overtraining.demos.lessons import stage
    from overtraining.figures import drawing
    from overtraining.setting.grid_inflection import inflection_point
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
        "It falls all the while, as the loss before does",
        "It falls at first and then rises",
        "How long the network was trained makes no difference to it",
    )
    prediction = mo.ui.radio(PREDICTIONS)
    stage.opening(
        "fragile",
        "You train a network for longer and longer; its loss falls all the while. To every checkpoint somebody adds the same "
        "small random noise, on every weight, as rounding or careless fine-tuning would. **What does the loss after the "
        "noise do, from checkpoint to checkpoint?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(bill_24, deepest, pays, variances):
    stage.teacher(
        mo.query_params(),
        "fragile",
        "4 for the vote, 8 each for the first two pictures, 7 for the bills, 5 for the scaling law, 3 for the exercise.",
        {
            "“Noise hurts more because the weights have become larger.”": "Yes, for noise of a fixed size: B1 sees nothing "
            "else. But in units of the weights themselves sensitivity grows too (figure `conventions`).",
            "“The inflection is where the network starts to overfit.”": "There is no training set here: the loss is the "
            "population's, and it falls for ever.",
            "“A tiny noise has no inflection point.”": "It has one, later: at every c > 0 (C4).",
        },
        "Growth is over when the last feature is learned. At every noise above 0 there is a turn, ever later (C4): the star moves right "
        "as the noise falls. Three minima: near γ = 0.18 at ε = 1e-6; not to the end: 2c > 1; not at all: c ≥ 1, γ ≥ 0.5. "
        f"Exercise: c = {bill_24:.4f}, {pays} features. One bit more divides the variance by four: between γ² = "
        f"{variances[-1]:.3g} and {variances[-1] / 4:.3g} the best length grows from {float(deepest[-1]):.1f} to "
        f"{float(np.interp(variances[-1] / 4, variances, deepest)):.1f}.",
    )
    return


@app.cell
def _(PREDICTIONS, prediction):
    one = respond(Protocol(PowerLaw(24), np.linspace(0, 60, 601), (0.1,), start=Aligned(1e-4)))
    turn = inflection_point(one).squeeze()
    stage.answered(
        prediction, PREDICTIONS[1],
        f"With 24 features σ = 1/i and noise of 0.1, the loss after it turns at t = {float(turn.length):.1f} and then rises by "
        f"{float(turn.rise):.3f}, while the loss before it falls on.",
    )  # fmt: skip
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
        {"growth": (("pretraining",), pull)}, {"pretraining": list(asked.lengths)}, method="theory", source="claim B4",
        model="two layers",
    )  # fmt: skip

    def fragile(axes):
        drawing.curves(axes[0], response, "sensitivity", label=None)
        axes[0].set(ylabel="sensitivity Δ", ylim=(0, None))
        drawing.against_length(axes[1], growing, "growth", colour=1)
        axes[1].set(ylabel="growth of the curvature, d tr H / dt")

    first, last = response.sensitivity.values[[0, -1], 0]
    stage.screen(
        "The same noise costs more, the longer the pretraining",
        stage.picture(fragile, "Sensitivity against length, and the rate at which the curvature grows", columns=2),
        f"The same noise raises the loss by **{first:.3g}** at the start, which is what the noises of the two layers make of each "
        f"other, and by **{last:.3g}** at the end. Why? Noise on one layer reaches the output multiplied by the other. While "
        "features are learned both layers grow, so the same noise is multiplied by more. Exactly: sensitivity grows where the "
        "network is pulled outward, ⟨f, A − f⟩ > 0, which is while a feature is on its way (right: what that adds to the trace "
        "of the curvature H). Each feature makes one bump. When is the growth over?",
        [noise, width, features],
        ["B1", "B4"],
    )
    return


@app.cell
def _():
    gamma = mo.ui.slider(0.02, 0.3, 0.005, value=0.1, label="noise γ", show_value=True)
    spectrum = mo.ui.dropdown(
        {"24 features, σ = 1/i": PowerLaw(24), "one feature": Spectrum((1.0,)), "σ = 1, ½, ¼": Spectrum((1.0, 0.5, 0.25))},
        value="24 features, σ = 1/i", label="teacher",
    )  # fmt: skip
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
        told = "This noise costs more than any feature earns: longer pretraining only hurts, from the start."
    elif last_turn > 60:
        told = f"The loss after noise turns at t = **{last_turn:.0f}**, right of the picture."
    else:
        told = f"Beyond t = **{last_turn:.1f}** longer pretraining only hurts, by {rise:.3g} up to t = 60: *catastrophic overtraining*."
    stage.screen(
        "Beyond an inflection point it only gets worse",
        stage.picture(u, "Loss before and after noise against pretraining length"),
        f"{told} The loss before falls for ever. The *inflection point* (the paper's word; it is no f″ = 0) is the length beyond "
        "which the loss after noise only gets worse, its last minimum. Noise charges a price "
        f"c = γ²d = {cost:.3f} for each unit of singular value: a feature helps until it has grown to σ − c, and then hurts. All "
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
    price = float(mode_cost(strength.value, strength.value, d_in=4, d_out=4))
    bills = stages.stage(three, price)
    paying = Protocol(
        Spectrum(three), np.linspace(0, 60, 601), (strength.value,), Network(4, 4, 4), start=Aligned(small.value)
    )
    turns = minima(three, small.value, price)
    bill = respond(paying)

    def stairs(axes):
        drawing.singular_values(axes[0], follow(paying))
        axes[0].axhline(2 * price, color="0.4", linestyle=":")
        axes[0].text(0, 2 * price, "2c", ha="left", va="bottom")
        drawing.curves(axes[1], bill, "after", label=None)
        drawing.inflections(axes[1], bill)
        axes[1].set_ylabel("loss after noise")

    lines = "".join(
        f"\n- σ = {one:g}: {'pays' if change < 0 else 'hurts'}, changing the loss by {change:+.3f} as a whole"
        + (f"; best stopped at s = {stop:.3f}" if stop > 0 else ", from its first moment on")
        for one, change, stop in zip(three, bills.change, bills.stop, strict=True)
    )
    where = ", ".join(f"{t:.1f}" for t in np.ravel(turns.times) if 0 < t < np.inf)
    stage.screen(
        "Every feature is paid for",
        stage.picture(stairs, "Three features and the loss after noise against length", columns=2),
        f"The price of the noise is c = {price:.3f} for each unit of singular value; a feature pays as a whole if it ends above "
        f"2c (dotted).{lines}\n\nThe loss after noise has {f'minima at t = {where}' if where else 'no minimum'}; the star is the "
        f"last of them, the deepest is at t = {float(turns.at('best')):.1f}. Find three noises: one with three minima, one for which "
        "the network should not be trained to the end, and one for which it should not be trained at all.",
        [strength, small],
        ["C3", "C4"],
    )
    return (price,)


@app.cell
def _():
    variance = mo.ui.slider(steps=np.geomspace(0.001, 0.01, 41).tolist(), value=float(np.geomspace(0.001, 0.01, 41)[20]),
                            label="variance of the noise γ²", show_value=True)  # fmt: skip
    return (variance,)


@app.cell
def _():
    variances = np.geomspace(0.001, 0.01, 41)
    spectrum_24, epsilon = 1 / np.arange(1.0, 25.0), 1e-6
    prices = np.array([float(mode_cost(g, g, d_in=24, d_out=24)) for g in np.sqrt(variances)])
    deepest = minima(spectrum_24, epsilon, prices).at("best")
    dense = dense_inflection_time(prices, epsilon, alpha=1.0)
    return deepest, dense, variances


@app.cell
def _(deepest, dense, variance, variances):
    def turning(times, source):
        return trajectory(
            {"turning_strength": (("pretraining",), np.sqrt(variances)[::-1])}, {"pretraining": np.asarray(times)[::-1]},
            method="theory", source=source, model="24 features",
        )  # fmt: skip

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
        "Half the variance, nearly twice the length",
        stage.picture(scaling, "Best length against the variance of the noise, both logarithmic"),
        f"At γ² = {variances[here]:.2g} the best length is t = **{float(deepest[here]):.1f}** (the law: "
        f"{float(dense[here]):.1f}). On these logarithmic axes a slope of −1 means: inverse in the variance; it is a little less, by a "
        "logarithm. The steps are "
        "features: as the noise falls, one more of them pays. What would quantization to one bit more do, if it were noise?",
        [variance],
        ["C5"],
    )
    return


@app.cell
def _(gamma):
    bill_24 = float(mode_cost(gamma.value, gamma.value, d_in=24, d_out=24))
    pays = int((np.asarray(stages.stage(1 / np.arange(1.0, 25.0), bill_24).change) < 0).sum())
    stage.exercise(
        f"A square network of width 24, 24 features σ = 1/i, noise γ = {gamma.value:g} (the slider of the second picture). "
        "What is the price c, and how many features pay as a whole?",
        f"c = γ²d = **{bill_24:.4f}**, and **{pays}** features have σ > 2c.",
    )
    return bill_24, pays


@app.cell
def _():
    stage.ending(
        "B1 is exact at every point of weight space and for every law of the noise; that sensitivity *grows* is not: of random "
        "balanced starts most lose some for a while, one-layer networks never gain any, and networks with unequal layers "
        "gain little (figures `random-start`, `depth`, `lazy-to-rich`). The turn is inevitable for balanced, aligned starts "
        "below the teacher (C4). Rounding is not this noise where weights are below its step (figure `conventions`). "
        "Tanh and ReLU students turn too, with no theorem behind it (figure `beyond-linear`).",
        after="forgetting",
    )
    return


if __name__ == "__main__":
    app.run()
