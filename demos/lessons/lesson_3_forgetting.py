"""Lesson 3: fine-tuning and forgetting (claims D1–D4, D6, D7)."""

import marimo

app = marimo.App(width="full", app_title="Fine-tuning and forgetting", css_file="lesson.css")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np

    from demos.lessons import stage
    from figures import draw
    from figures.recipe import Recipe
    from theory import (
        Aligned,
        FineTuning,
        Matrix,
        Network,
        PowerLaw,
        Protocol,
        Shared,
        Spectrum,
        Turned,
        fine_tune_plateaus,
        follow,
        inflection_point,
        path_sharpness,
        respond,
        sensitivity,
        tuned_rate,
    )
    from theory.responses import trajectory


@app.cell
def _():
    PREDICTIONS = (
        "Nothing: the better the model was pretrained, the better it is afterwards",
        "How far the new task is turned away from the old one",
        "Only how long one fine-tunes",
    )
    prediction = mo.ui.radio(PREDICTIONS)
    stage.opening(
        "forgetting",
        "Every checkpoint of a pretraining run is fine-tuned for the same time on the same new task. Then its *old* task is "
        "measured again. **What decides whether a longer pretraining makes it worse at its old task?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(PREDICTIONS, prediction):
    def lost(turned):
        tuned = Protocol(
            PowerLaw(4), np.linspace(0, 24, 73), (3.0,), Network(6, 4, 5), perturbation=FineTuning(Turned(turned))
        )
        return inflection_point(respond(tuned), which="best").squeeze()

    near, far = lost(0.0), lost(1.2)
    stage.answered(
        prediction, PREDICTIONS[1],
        f"On the teacher itself nothing is ever lost; turned by 1.2 the loss after the same fine-tuning is lowest at t = "
        f"{float(far.length):.1f} and then rises by {float(far.rise):.2f}." + " It turns at angle 0, too!" * bool(near.exists),
    )  # fmt: skip
    return


@app.cell
def _():
    angle = mo.ui.slider(0.0, 1.6, 0.05, value=0.8, label="angle of the task", show_value=True)
    budget = mo.ui.slider(0.0, 6.0, 0.25, value=3.0, label="budget T", show_value=True)
    measure = mo.ui.run_button(label="Fine-tune a network, now")
    return angle, budget, measure


@app.cell
def _(angle, budget, measure):
    asked = Protocol(
        PowerLaw(4),
        np.linspace(0, 24, 73),
        (budget.value,),
        Network(6, 4, 5),
        perturbation=FineTuning(Turned(angle.value)),
    )
    both = respond(asked)
    measured = None
    if measure.value:
        from simulations import respond as simulate

        measured = simulate(replace(asked, lengths=np.linspace(0, 24, 9)), key=0)

    def losses(axes):
        for ax, objective in zip(axes, ("pretraining", "downstream"), strict=True):
            draw.base(ax, both, objective, label="before")
            draw.curves(ax, both, "after", objective, label="after")
            if measured is not None:
                draw.curves(ax, measured, "after", objective, label=None)
            ax.set(ylabel=f"{objective} loss", ylim=(0, None))
        draw.inflections(axes[0], both, "best")
        axes[0].legend()

    turn = inflection_point(both, which="best").squeeze()
    lowest = inflection_point(both, "downstream", which="best").squeeze()
    told = (
        f"The old task is best kept at t = **{float(turn.length):.1f}**; to the end another {float(turn.rise):.2g} is lost."
        if bool(turn.exists) else "The old task only profits from longer pretraining."
    )  # fmt: skip
    stage.screen(
        "A task that is turned away makes forgetting grow",
        stage.picture(
            losses, "Pretraining and downstream loss before and after fine-tuning, against length", columns=2
        ),
        f"{told} The new task "
        + (
            "is best met from a checkpoint in between, too."
            if bool(lowest.exists)
            else "only profits from longer pretraining."
        )
        + " Where does the inflection appear as you turn the task away? What does a larger budget do to it?",
        [angle, budget, measure],
        ["D1"],
    )
    return


@app.cell
def _():
    wants = mo.ui.slider(
        -0.5, 2.0, 0.05, value=0.0, label="what the task asks for, σ′ (pretraining: σ = 1)", show_value=True
    )
    time = mo.ui.slider(0.0, 1.0, 0.02, value=0.1, label="budget T", show_value=True)
    return time, wants


@app.cell
def _(time, wants):
    stage_ = Protocol(
        Spectrum((1.0,)), np.linspace(0, 9, 241), (time.value,), Network(2, 2, 2), start=Aligned(1e-3),
        perturbation=FineTuning(Shared((wants.value,))),
    )  # fmt: skip
    inside = respond(stage_)

    def trap(axes):
        draw.singular_values(axes[0], follow(stage_), labels=False)
        draw.curves(axes[1], inside, "sensitivity", label=None)
        axes[1].axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes[1].set_ylabel("what fine-tuning costs, Δ")

    cost = sensitivity(inside).value.values[:, 0]
    at = int(cost.argmax())
    stage.screen(
        "A trap: inside a stage the cost goes up and down",
        stage.picture(trap, "One feature, and the cost of fine-tuning, against length", columns=2),
        f"One feature, and a task that asks for σ′ = {wants.value:g} of it. Δ is highest, **{cost[at]:.4f}**, at t = "
        f"{inside.pretraining.values[at]:.1f}, in the middle of learning, and ends at **{cost[-1]:.4f}**. So a comparison of "
        "two checkpoints says little about the trend, unless both lie between stages. Is there any σ′ for which Δ grows all "
        "the way?",
        [wants, time],
        ["D3", "D2"],
    )
    return


@app.cell
def _():
    second = mo.ui.slider(-1.0, 2.0, 0.05, value=2.0, label="the task's second diagonal entry", show_value=True)
    mixed = mo.ui.slider(-1.0, 1.0, 0.05, value=0.1, label="its off-diagonal entries", show_value=True)
    long = mo.ui.slider(
        steps=[0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0], value=5.0, label="budget T", show_value=True
    )
    return long, mixed, second


@app.cell
def _(long, mixed, second):
    task = np.array([[1.0, mixed.value], [mixed.value, second.value]])
    found = fine_tune_plateaus(long.value, np.array([1.0, 0.5]), task)
    plateaus = Protocol(
        Matrix(((1.0, 0.0), (0.0, 0.5))), np.linspace(0, 200, 101), (long.value,), start=Aligned(1e-60),
        perturbation=FineTuning(Matrix(task)),
    )  # fmt: skip
    staircase = respond(plateaus)

    def steps(axes):
        draw.curves(axes[0], staircase, "sensitivity", label=None)
        axes[0].set_ylabel("what fine-tuning costs, Δ")
        draw.trade(axes[1], staircase)

    rises = ", ".join(f"{x:.3f}" for x in found.rise)
    hurting = [name for name, hurts in zip(("first", "second"), found.hurts, strict=True) if hurts]
    grows = bool((np.diff(found.rise) >= 0).all())
    stage.screen(
        "From plateau to plateau: every feature is one more thing to lose",
        stage.picture(steps, "The cost along the plateaus, and one loss against the other", columns=2),
        f"Two features, σ = 1 and ½, and a task [[1, {mixed.value:g}], [{mixed.value:g}, {second.value:g}]]. On the plateaus of "
        f"0, 1 and 2 learned features fine-tuning costs **{rises}**: it {'never falls' if grows else 'falls somewhere'}. "
        f"{'The ' + ' and the '.join(hurting) + ' feature' if hurting else 'No feature'} makes the loss after fine-tuning "
        "worse. Make the budget small: does the cost still fall from one plateau to the next, for any task that you can set?",
        [second, mixed, long],
        ["D4"],
    )
    return (found,)


@app.cell
def _():
    target = mo.ui.slider(0.1, 1.5, 0.05, value=0.8, label="what the task asks for, σ′", show_value=True)
    steps_ = mo.ui.slider(steps=[10, 20, 40, 80, 160], value=40, label="steps of fine-tuning", show_value=True)
    return steps_, target


@app.cell
def _(steps_, target):
    lengths = np.linspace(0, 9, 181)
    one = Protocol(Spectrum((1.0,)), lengths, (0.0,), Network(2, 2, 2), start=Aligned(1e-2))
    s = follow(one).singular_value.values[:, 0]
    rates = trajectory(
        {
            "sharpness": (("pretraining",), path_sharpness(s, target.value)),
            "rate": (("pretraining",), tuned_rate(target.value - s, target.value, float(steps_.value), 0.02)),
        },
        {"pretraining": lengths}, method="theory", source="claim D6", model="one feature",
    )  # fmt: skip

    def learning_rates(axes):
        draw.along(axes[0], rates, "sharpness")
        axes[0].set(ylabel="largest curvature met", ylim=(0, None))
        draw.along(axes[1], rates, "rate", colour=1)
        axes[1].set_ylabel("best learning rate under noise")

    stage.screen(
        "The learning rate that fine-tuning bears",
        stage.picture(
            learning_rates, "Largest curvature on the way, and the best learning rate, against length", columns=2
        ),
        f"A rate below 2 over the curvature is stable. Up to s = σ′ the largest curvature on the way is that of the task, "
        f"{2 * target.value:g}, whatever the checkpoint; beyond, it grows with every bit of pretraining. With noise in the "
        "gradients the best rate is smaller (right; near the task): it falls as pretraining comes near the task, where there "
        "is least to gain. Does tuning the rate remove the inflection? Where would the curve say so?",
        [target, steps_],
        ["D6"],
    )
    return


@app.cell
def _():
    anchor = mo.ui.slider(0.0, 10.0, 0.1, value=1.0, label="anchor λ", show_value=True)
    return (anchor,)


@app.cell
def _(anchor):
    free = Protocol(
        Spectrum((1.0, 0.7, 0.5)), np.linspace(0, 16, 161), (60.0,), Network(4, 4, 5), start=Aligned(0.01),
        perturbation=FineTuning(Shared((1.4, 0.9, 0.6))),
    )  # fmt: skip
    source = "simulations.experiments.regularization.anchored"  # the recipe of the figure `regularization`
    held = Recipe(source, replace(free, perturbation=FineTuning(Shared((1.4, 0.9, 0.6)), anchor=anchor.value))).make()
    loose = Recipe(source, free).make()

    def anchored(axes):
        for ax, objective in zip(axes, ("pretraining", "downstream"), strict=True):
            draw.curves(ax, loose, "after", objective, label="no anchor", colour=1)
            draw.curves(ax, held, "after", objective, label=f"λ = {anchor.value:g}")
            ax.set_ylabel(f"{objective} loss after")
        draw.inflections(axes[0], held, "best")
        axes[1].legend()

    point = inflection_point(held, which="best").squeeze()
    price = float(held.downstream_after[-1, 0])
    stage.screen(
        "Regularization delays the inflection, and is paid for downstream",
        stage.picture(anchored, "Both losses after anchored fine-tuning against length", columns=2),
        "Fine-tuning to the end on a task that asks for 1.2 to 1.4 times every feature, with L2 toward the pretrained weights. "
        + (
            f"The inflection is at t = **{float(point.length):.1f}**"
            if bool(point.exists)
            else "There is no inflection here"
        )
        + f"; of the task **{price:.3g}** is left undone. Without an anchor any pretraining ends at the task, and on the same "
        "loss. Strengthen the anchor: which of the two numbers moves first?",
        [anchor],
        ["D7"],
    )
    return point, price


@app.cell
def _(found):
    stage.exercise(
        "The task of the plateaus, with its sliders as they stand. By how much does each feature raise the cost of "
        "fine-tuning, and does the loss *after* fine-tuning rise with it? (A feature of strength σ lowers the loss before by "
        "½σ².)",
        f"The cost rises by {', '.join(f'**{x:+.3f}**' for x in np.diff(found.rise))}; ½σ² is 0.5 and 0.125. The loss after "
        f"fine-tuning rises with a feature exactly where the first number exceeds the second: "
        f"{', '.join('yes' if h else 'no' for h in found.hurts)}.",
    )
    return


@app.cell
def _():
    stage.ending(
        "All of this is exact for gradient flow of two balanced linear layers on white inputs, from the pretrained weights on. "
        "At small budgets the cost never falls from plateau to plateau, for every task (D4); at large ones it can, since "
        "balanced networks keep their rank. Random tasks show both (figure `plasticity-and-forgetting`). The source paper's "
        "Theorem 4.7 is known to us from secondary sources only; D4 and D7 are our version of it. Tanh and ReLU students "
        "forget more with longer pretraining too: measured, not proved.",
        after="remedies",
    )
    return


@app.cell
def _(found, point, price):
    stage.teacher(
        mo.query_params(),
        "forgetting",
        "5 for the vote, 8 for the angle, 7 for the trap, 8 for the plateaus, 5 for the rates, 7 for the anchor.",
        {
            "“A better model is a better start for everything.”": "For its own task; on a turned task every feature that it "
            "has learned is one more that fine-tuning moves.",
            "“I compared two checkpoints, so I know the trend.”": "The trap: inside a stage the cost goes up and down.",
            "“Forgetting always grows with pretraining.”": "Set the task [[1, 0.1], [0.1, 2]] at T = 5: from the first "
            "plateau to the second it falls.",
            "“A smaller learning rate prevents forgetting.”": "It is a smaller budget: less is forgotten and less is learned.",
        },
        f"Plateaus: {', '.join(f'{x:.3f}' for x in found.rise)}. Anchor: inflection at "
        f"{float(point.length):.1f}, {price:.3g} left undone. The trap's question: no, for no σ′ of either sign (D3).",
    )
    return


if __name__ == "__main__":
    app.run()
