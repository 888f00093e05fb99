"""Lesson 4: remedies, and the dispute whether tokens or decay of the learning rate cause fragility (claims E1–E3)."""

import marimo

app = marimo.App(width="full", app_title="What helps, and the dispute", css_file="lesson.css")

with app.setup:
    import marimo as mo
    import numpy as np

    from overtraining.demos.lessons import stage
    from overtraining.figures import drawing
    from overtraining.setting.perturbations import Noise
    from overtraining.setting.protocol import Network, Protocol
    from overtraining.setting.responses import trajectory
    from overtraining.setting.starts import Aligned
    from overtraining.setting.teachers import Spectrum
    from overtraining.setting.training import GradientDescent
    from overtraining.theory.remedies.annealing import accumulated_noise, layer_ratio, noisy_spectrum
    from overtraining.theory.remedies.mixing import best_task_share, tradeoff_task_share
    from overtraining.theory.remedies.robust import layer_costs, robust_optimum
    from overtraining.theory.sensitivity.noise import expected_increase, mode_cost
    from overtraining.theory.solvers.exact import respond


@app.cell
def _():
    PREDICTIONS = (
        "The one that stopped at the best moment",
        "The one with weight decay, of a separate strength in each layer",
        "Both end at the same loss: each loses as much as it gains",
    )
    prediction = mo.ui.radio(PREDICTIONS)
    stage.opening(
        "remedies",
        "You know that noise of a certain size will be added to the weights one day. You may stop pretraining early, or you may "
        "train to the end with weight decay. **Which of the two ends with the lower loss after the noise?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(c, kappa, lost):
    stage.teacher(
        mo.query_params(),
        "remedies",
        "4 for the vote, 7 for decay, 9 for the schedules, 6 for the dispute (let two groups argue), 6 for mixing, 3 for the exercise.",
        {
            "“Weight decay and early stopping are the same.”": "For one feature and equal costs of the layers they are. Early stopping has one length for "
            "all features; decay shortens each by the right amount.",
            "“Annealing makes the model better, so it makes it more robust.”": "It brings features back, and sensitivity with them.",
            "“Then never let the learning rate decay.”": "Without decay the model has learned less: lower sensitivity, higher loss before.",
        },
        f"Exercise: {kappa:.4f} and {c:.4f}. At equal costs of the layers κ = c, and decay is still better: early stopping has one length for all features. "
        f"Missing at the end of the schedules: {lost}. Whether there is a decay matters most for the end; how long it lasts hardly matters. There is "
        "no *one* best share: it depends on the loss that you care about, on the length and on the budget.",
    )
    return


@app.cell
def _():
    first = mo.ui.slider(0.05, 0.6, 0.01, value=0.5, label="noise on the first layer, γ₁", show_value=True)
    second = mo.ui.slider(0.05, 0.6, 0.01, value=0.1, label="noise on the second layer, γ₂", show_value=True)
    return first, second


@app.cell
def _(first, second):
    sigma, n = np.array([1.0, 0.6, 0.2]), Network(d_in=5, h=4, d_out=3)
    lengths = np.linspace(0, 24, 241)
    plain = respond(
        Protocol(
            Spectrum(sigma), lengths, (1.0,), n, start=Aligned(1e-3), perturbation=Noise((first.value, second.value))
        )
    )
    costs = layer_costs(first.value, second.value, d_in=n.d_in, d_out=n.d_out)
    best = robust_optimum(sigma, *costs)
    floor = float(expected_increase(0.0, 0.0, first.value, second.value, d_in=n.d_in, h=n.h, d_out=n.d_out))
    lowest = float(best.loss.sum()) + floor
    optimum = trajectory(
        {"after": (("pretraining",), np.full(lengths.size, lowest))},
        {"pretraining": lengths},
        method="theory",
        source="claim E1",
        model="decay",
    )
    after = plain.after.values[:, 0]
    return after, best, lowest, n, optimum, plain, costs


@app.cell
def _(PREDICTIONS, after, lowest, prediction):
    stage.answered(
        prediction,
        PREDICTIONS[1],
        f"With the sliders below as they are set: plain pretraining {after[-1]:.3f}, the best early stop {after.min():.3f}, weight decay {lowest:.3f}.",
    )
    return


@app.cell
def _(after, best, first, lowest, optimum, plain, second):
    def remedies(axes):
        drawing.curves(axes[0], plain, "after", label="plain pretraining")
        drawing.inflections(axes[0], plain, "best", label="best early stop")
        drawing.against_length(axes[0], optimum, "after", label="decay per layer", colour=1)
        axes[0].set_ylabel("loss after noise")
        axes[0].legend()

    values_kept = ", ".join(f"{s:.3f}" for s in best.s)
    stage.screen(
        "In a linear network, weight decay per layer withstands noise better than any early stopping",
        stage.picture(
            remedies, "Loss after noise: along plain pretraining, at its best early stop, and with weight decay"
        ),
        f"Trained to the end: **{after[-1]:.3f}**; best early stop: **{after.min():.3f}**; weight decay: **{lowest:.3f}**. The optimum keeps "
        f"the features 1, 0.6, 0.2 at {values_kept}: each is shortened by the *geometric* mean of the two layers' costs, and the "
        "layer in which noise costs less gets the larger weights (the line is exactly where training with that decay ends). How much better is it "
        "where both layers have the same cost, $\\gamma_2^2 d_\\mathrm{out} = \\gamma_1^2 d_\\mathrm{in}$ (3 outputs, 5 inputs; γ₁ = 0.23 and γ₂ = 0.3, say)?",
        [first, second],
        ["E1"],
    )
    return


@app.cell
def _():
    steps = mo.ui.slider(
        steps=[500, 1000, 2000, 4000, 8000, 16000], value=4000, label="steps (tokens)", show_value=True
    )
    peak = mo.ui.slider(0.01, 0.1, 0.01, value=0.05, label="peak learning rate η", show_value=True)
    decay = mo.ui.slider(
        0.0, 0.9, 0.05, value=0.2, label="share of the steps in which the rate decays", show_value=True
    )
    return decay, peak, steps


@app.cell
def _(decay, peak, steps):
    from overtraining.simulations.optimizers import schedule

    label_noise, share = 0.5, np.arange(steps.value + 1) / steps.value
    sides, two = {"d_in": 6, "d_out": 2}, np.array([1.0, 0.5])
    schedules = {
        "constant": GradientDescent(peak.value),
        "cosine": GradientDescent(peak.value, schedule="cosine"),
        "warmup–stable–decay": GradientDescent(
            peak.value, schedule="warmup-stable-decay", warmup_share=0.05, decay_share=decay.value
        ),
    }
    rates = {
        name: peak.value * np.broadcast_to(np.asarray(schedule(how)(share)), share.shape)
        for name, how in schedules.items()
    }
    noises = {name: np.asarray(accumulated_noise(rate, label_noise, 1.0)) for name, rate in rates.items()}
    sums = {
        name: noisy_spectrum(two, (rates[name] * label_noise**2 / 2)[:, None], noises[name][:, None], **sides).sum(
            axis=1
        )
        for name in rates
    }

    def along_steps(values):
        late = np.flatnonzero(share > 0.05)  # after the warmup, during which there is less noise than at any later time
        late = late[:: -(steps.value // 500)][::-1]  # as many as the picture can show, and always the last
        return trajectory(
            {name: (("pretraining",), one[late]) for name, one in values.items()},
            {"pretraining": share[late] * steps.value / 1000},
            method="theory",
            source="claim E2",
            model="two features",
            length_units="thousand steps",
        )

    missing = {name: two.sum() - one for name, one in sums.items()}
    tables = along_steps(rates), along_steps(missing)

    def annealing(axes):
        for i, name in enumerate(rates):
            drawing.against_length(axes[0], tables[0], name, label=name, colour=i)
            drawing.against_length(axes[1], tables[1], name, colour=i)
        axes[0].set(ylabel="learning rate", ylim=(0, None))
        axes[1].set(ylabel="unlearned part of the teacher's $\\Sigma\\sigma$", ylim=(0, None))
        axes[0].legend(loc="lower left")

    ratio = float(layer_ratio(noises["constant"][-1], **sides))
    lost = ", ".join(f"{values[-1]:.4f} ({name})" for name, values in missing.items())
    stage.screen(
        "Once all is learned, decay of the rate brings features back, and fragility with them",
        stage.picture(
            annealing, "Learning rate, and the unlearned part of the singular values, along three schedules", columns=2
        ),
        f"Two features, σ = 1 and ½, learned already; the labels are noisy (ν = {label_noise:g}). Noisy gradients keep the singular "
        "values below the teacher's, by an amount proportional to the *present* learning rate. When the rate decays, the features come back, and with "
        f"them sensitivity, which follows Σs, **at the same number of steps**. Missing at the end: {lost}. The number of steps matters too: noise slowly makes "
        f"the layers unequal (at the constant rate up to w₂²/w₁² = {ratio:.2f}, in the end up to {sides['d_out'] / sides['d_in']:.2f}) and then "
        "lowers the singular values less. Change the steps and the decay: which of the two changes the end more? Does it matter how long the decay "
        "lasts, or only that there is one?",
        [steps, peak, decay],
        ["E2"],
    )
    return (lost,)


@app.cell
def _():
    mo.vstack(
        [
            mo.md("## The dispute"),
            mo.hstack(
                [
                    mo.callout(
                        mo.md(
                            "**It is the tokens.** The source paper (arXiv 2503.19206) finds later checkpoints harder to fine-tune, and "
                            "explains it by features learned with time. It names the confound: checkpoints of one run differ in their "
                            "learning rate too."
                        )
                    ),
                    mo.callout(
                        mo.md(
                            "**It is the learning-rate decay.** arXiv 2604.13627 and 2510.06213 attribute the fragility of late "
                            "checkpoints to the decay, not to tokens; 2603.16127 fine-tunes better without it. As remedies, 2605.02105 "
                            "takes sharpness-aware steps, large rates and short annealing, 2602.11137 weight decay."
                        )
                    ),
                ],
                widths="equal",
                align="stretch",
            ),
            mo.md(
                stage.linked(
                    "In a linear network **both are causes of one effect**: sensitivity follows Σs(t, η), which grows with the steps as "
                    "long as features are being learned, and with the decay of the rate whenever noise had kept them below the teacher's. This "
                    "cannot decide which of the two acts in a language model: the linear network has no unlimited supply of features, and no "
                    "noise but that of the labels. What would tell them apart: the same tokens with and without decay, *and* the same final rate after different "
                    "numbers of tokens (figure `annealing` does both, on linear networks)."
                )
            ),
        ]
    )
    return


@app.cell
def _():
    wants = mo.ui.slider(
        0.2, 3.0, 0.1, value=0.5, label="what the task asks for, σ′ (pretraining: σ = 1)", show_value=True
    )
    old_task_weight = mo.ui.slider(0.0, 1.0, 0.05, value=0.5, label="weight ρ of the old task", show_value=True)
    return old_task_weight, wants


@app.cell
def _(old_task_weight, wants):
    until, budgets = np.linspace(0.1, 30, 300), np.linspace(0, 0.6, 121)
    target = wants.value if wants.value != 1.0 else 1.0 + 1e-9  # for equal tasks every share is optimal
    down = best_task_share(until, 1.0, target, 1e-3)
    trade = tradeoff_task_share(budgets, 1.0, target, old_task_weight.value)
    shares = trajectory(
        {
            "downstream": (("pretraining",), down),
            "trade": (("pretraining", "strength"), np.tile(trade, (until.size, 1))),
        },
        {"pretraining": until, "strength": ("strength", budgets, {"units": "gradient-flow time"})},
        method="theory",
        source="claim E3",
        model="one feature",
    )

    def mixing(axes):
        drawing.against_length(axes[0], shares, "downstream")
        axes[0].set(ylabel="best share for the new task", ylim=(-0.05, 1.05))
        drawing.against_coordinate(axes[1], shares, "trade", "strength", colour=1)
        axes[1].set(xlabel="fine-tuning budget T", ylabel="best share for both tasks", ylim=(-0.05, 1.05))

    stage.screen(
        "How much of the new task belongs in pretraining",
        stage.picture(mixing, "Best share of downstream data, against length and against the budget", columns=2),
        (
            "The tasks are equal, so every share is optimal. Move σ′."
            if wants.value == 1.0
            else f"For the new task alone (left) the best share ends at {float(down[-1]):.2f}; for both tasks after a long pretraining "
            f"(right) it is {float(trade[0]):.2f} without fine-tuning and {float(trade[-1]):.2f} at T = 0.6"
            + (": fine-tuning replaces mixing." if trade[-1] < trade[0] else ".")
        )
        + " Which of the two answers would you give a practitioner who asks for *the* best share?",
        [wants, old_task_weight],
        ["E3"],
    )
    return


@app.cell
def _(first, n, costs, second):
    c = float(mode_cost(first.value, second.value, d_in=n.d_in, d_out=n.d_out))
    big = 1e3  # a feature that is learned at every noise that can be set
    kappa = float(big - robust_optimum(big, *costs).s)
    stage.exercise(
        f"γ₁ = {first.value:g}, γ₂ = {second.value:g}, 5 inputs, 3 outputs (the sliders of the first picture). By how much does "
        "the best weight decay shorten a feature, and by how much does early stopping?",
        f"Weight decay: by the geometric mean κ = √(γ₂²d_out · γ₁²d_in) = **{kappa:.4f}**. Early stopping: by the arithmetic mean, c = **{c:.4f}** "
        "(and for one feature only).",
    )
    return c, kappa


@app.cell
def _():
    stage.ending(
        "E1 holds for two linear layers and white inputs; with noise on one layer only there is no optimum. E2 is the first order in "
        "the learning rate and the noise; features that are not learned stay at a small value for which there is no formula. E3 is about one "
        "feature with shared singular vectors; on rotated tasks mixing can even *lower* forgetting.",
        after="models",
    )
    return


if __name__ == "__main__":
    app.run()
