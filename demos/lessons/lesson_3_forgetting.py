"""Lesson 3: fine-tuning and forgetting (claims D1–D4, D6, D7)."""

import marimo

app = marimo.App(width="full", app_title="Fine-tuning and forgetting", css_file="lesson.css")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np

    from overtraining.demos.lessons import stage
    from overtraining.figures import drawing
    from overtraining.figures.recipe import Recipe
    from overtraining.setting.inflection import inflection_point
    from overtraining.setting.perturbations import FineTuning
    from overtraining.setting.protocol import Network, Protocol
    from overtraining.setting.responses import sensitivity, trajectory
    from overtraining.setting.starts import Aligned
    from overtraining.setting.tasks import RotatedTeacher, SharedVectors
    from overtraining.setting.teachers import Matrix, PowerLaw, Spectrum
    from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, rise_on_plateaus
    from overtraining.theory.fine_tuning.shared_task import forgetting_cost
    from overtraining.theory.fine_tuning.stability import path_sharpness, tuned_learning_rate
    from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode
    from overtraining.theory.solvers.exact import follow, respond


@app.cell
def _():
    PREDICTIONS = (
        "It helps: the better it was pretrained, the better it is afterwards",
        "It helps at first, and hurts from some length on",
        "It makes no difference: fine-tuning overwrites the old task in any case",
    )
    prediction = mo.ui.radio(PREDICTIONS)
    stage.opening(
        "forgetting",
        "Every checkpoint of a pretraining run is fine-tuned for the same short time on the same new task, whose features are as "
        "strong as the old ones but point in other directions. Then the *old* task is measured again. **What does longer pretraining do to "
        "the old task's loss after fine-tuning?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(end_loss, far, forgot, found, little, long_, point, remains):
    stage.teacher(
        mo.query_params(),
        "forgetting",
        "4 for the vote, 8 for the angle, 7 for the trap, 8 for the plateaus, 4 for the rates, 6 for the anchor, 3 for the exercise. If you have "
        "only 35 minutes, leave out the learning rates.",
        {
            "“A better model is a better start for everything.”": "For its own task; on a rotated task every feature that it "
            "has learned is one more that fine-tuning can destroy.",
            "“I compared two checkpoints, so I know the trend.”": "This is the trap: within a stage the cost rises and falls.",
            "“Forgetting always grows with pretraining.”": "Set the task [[1, 0.1], [0.1, 2]] at T = 5: from one "
            "learned feature to two it falls.",
            "“A smaller learning rate prevents forgetting.”": "It is a smaller budget: less is forgotten and less is learned.",
        },
        f"The angle: at T = 2 there is an inflection at every angle above 0, too small to see at 0.5 ({float(little.rise):.1g}) and not "
        f"at 1.5 ({float(far.rise):.2g}). After long fine-tuning {'it stays' if bool(long_.exists) else 'it is gone'}: all checkpoints "
        "then end at the new task. The trap: no, there is no such σ′, of either sign (D3). "
        f"Plateaus as set: {', '.join(f'{x:.3f}' for x in found.rise)}. The learning rates: the best rate is zero where s = σ′, where there is nothing to "
        "gain; choosing the rate lowers the loss most there, so that this checkpoint stays the best (figure `learning-rate`). Anchor: inflection at "
        f"{float(point.length):.1f}, downstream loss at the end {end_loss:.3g}; both grow with λ. Exercise: {remains:.4f} and {forgot:.4f}.",
    )
    return


@app.cell
def _():
    LENGTHS = np.unique([*np.linspace(0, 6, 21), *np.linspace(6, 24, 19)])  # fewer where the curves are almost straight

    def turn_after(angle_, budget_):
        tuning = FineTuning(RotatedTeacher(angle_))
        tuned = Protocol(PowerLaw(4), LENGTHS, (budget_,), Network(6, 4, 5), perturbation=tuning)
        return inflection_point(respond(tuned), which="best").squeeze()

    aligned, little, far, long_ = (turn_after(*case) for case in ((0.0, 2.0), (0.5, 2.0), (1.5, 2.0), (1.5, 100.0)))
    return LENGTHS, aligned, far, little, long_


@app.cell
def _(PREDICTIONS, aligned, far, long_, prediction):
    stage.answered(
        prediction,
        PREDICTIONS[1],
        f"For a task rotated by 1.5 and a budget of T = 2, the loss is lowest at t = {float(far.length):.1f} and then rises by {float(far.rise):.3f}. On "
        f"the old task itself (angle 0) it {'turns too' if bool(aligned.exists) else 'only falls'}; after very long fine-tuning "
        f"(T = 100) {'it still turns' if bool(long_.exists) else 'every checkpoint ends at the new task, and there is no turn'}.",
    )
    return


@app.cell
def _():
    angle = mo.ui.slider(0.0, 1.6, 0.05, value=1.5, label="angle of the task, radians", show_value=True)
    budget = mo.ui.slider(0.25, 8.0, 0.25, value=2.0, label="budget T (fine-tuning time)", show_value=True)
    measure = mo.ui.run_button(label="Fine-tune a network, now")
    return angle, budget, measure


@app.cell
def _():
    trained = {}  # what was tuned already, by its protocol
    return (trained,)


@app.cell
def _(LENGTHS, angle, budget, measure, trained):
    asked = Protocol(
        PowerLaw(4), LENGTHS, (budget.value,), Network(6, 4, 5), perturbation=FineTuning(RotatedTeacher(angle.value))
    )
    measured = stage.measured(measure.value, trained, replace(asked, lengths=np.linspace(0, 24, 9)), "respond")
    return asked, measured


@app.cell
def _(angle, asked, budget, measure, measured):
    both = respond(asked)

    def losses(axes):
        for ax, objective in zip(axes, ("pretraining", "downstream"), strict=True):
            drawing.base(ax, both, objective, label="before")
            drawing.curves(ax, both, "after", objective, label="after")
            if measured is not None:
                drawing.curves(ax, measured, "after", objective, label=None)
            ax.set(ylabel=f"{objective} loss", ylim=(0, None))
        drawing.inflections(axes[0], both, "best")
        axes[0].legend()

    turn = inflection_point(both, which="best").squeeze()
    lowest = inflection_point(both, "downstream", which="best").squeeze()
    told = (
        f"The old task's loss is lowest at t = **{float(turn.length):.1f}**; by the end it has risen by {float(turn.rise):.2g}."
        if bool(turn.exists)
        else "Longer pretraining only helps the old task."
    )
    stage.screen(
        "On a rotated task, longer pretraining can mean more forgetting",
        stage.picture(
            losses, "Pretraining and downstream loss before and after fine-tuning, against length", columns=2
        ),
        f"{told} "
        + (
            "The new task, too, is learned best from a checkpoint in between."
            if bool(lowest.exists)
            else "Longer pretraining only helps the new task."
        )
        + " The task is the teacher with its singular vectors rotated at random, on both sides, by at most this angle. At which angle "
        "does the inflection appear? Is there a budget at which it disappears again?",
        [angle, budget, measure],
        ["D1"],
    )
    return


@app.cell
def _():
    wants = mo.ui.slider(
        -0.5, 2.0, 0.05, value=0.0, label="what the task asks for, σ′ (pretraining: σ = 1)", show_value=True
    )
    time = mo.ui.slider(0.02, 1.0, 0.02, value=0.1, label="budget T", show_value=True)
    return time, wants


@app.cell
def _(time, wants):
    stage_ = Protocol(
        Spectrum((1.0,)),
        np.linspace(0, 9, 241),
        (time.value,),
        Network(2, 2, 2),
        start=Aligned(1e-3),
        perturbation=FineTuning(SharedVectors((wants.value,))),
    )
    inside = respond(stage_)

    def trap(axes):
        drawing.singular_values(axes[0], follow(stage_), label=None)
        drawing.curves(axes[1], inside, "sensitivity", label=None)
        axes[1].axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes[1].set_ylabel("cost of fine-tuning, Δ")

    cost = sensitivity(inside).value.values[:, 0]
    at, low = int(cost.argmax()), int(cost.argmin())
    end = max(float(cost[-1]), 0.0)
    if at < cost.size - 1:
        course = (
            f"Δ is highest, **{cost[at]:.4f}**, at t = {inside.pretraining.values[at]:.1f}, while the feature is being learned, and "
            f"ends at **{end:.4f}**."
        )
    else:
        course = (
            f"Δ dips to **{cost[low]:.4f}** at t = {inside.pretraining.values[low]:.1f}, where fine-tuning completes what pretraining "
            f"has begun, and then rises to **{end:.4f}**."
        )
    stage.screen(
        "A trap: within a stage the cost rises and falls",
        stage.picture(trap, "One feature, and the cost of fine-tuning, against length", columns=2),
        f"One feature, and a task that asks for σ′ = {wants.value:g} of it, with the same singular vectors. {course} So a comparison "
        "of two checkpoints says little about the trend, unless both lie between stages. Is there any σ′ for which Δ "
        "only grows?",
        [wants, time],
        ["D3", "D2"],
    )
    return


@app.cell
def _():
    second = mo.ui.slider(-1.0, 2.0, 0.05, value=2.0, label="the task's second diagonal entry", show_value=True)
    mixed = mo.ui.slider(-1.0, 1.0, 0.05, value=0.1, label="the task's off-diagonal entries", show_value=True)
    long = mo.ui.slider(
        steps=[0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0], value=0.3, label="budget T", show_value=True
    )
    return long, mixed, second


@app.cell
def _(long, mixed, second):
    task = np.array([[1.0, mixed.value], [mixed.value, second.value]])
    found = fine_tune_plateaus(long.value, np.array([1.0, 0.5]), task, epsilon=1e-60)
    ordinary = rise_on_plateaus(long.value, np.array([1.0, 0.5]), task, epsilon=1e-6)
    around = np.linspace(-9, 9, 19)  # the moments at which the two are learned; between them nothing happens
    lengths_ = np.unique([*np.linspace(0, 200, 9), *(69 + around), *(138 + around)])
    plateaus = Protocol(
        Matrix(((1.0, 0.0), (0.0, 0.5))),
        lengths_,
        (long.value,),
        start=Aligned(1e-60),
        perturbation=FineTuning(Matrix(task)),
    )
    staircase = respond(plateaus)

    flats = staircase.sel(pretraining=[0, 100, 200])  # none, one and both learned

    def steps(axes):
        drawing.curves(axes[0], staircase, "sensitivity", label=None)
        axes[0].set_ylabel("cost of fine-tuning, Δ")
        drawing.trade_off(axes[1], flats)
        for n, (x, y) in enumerate(zip(flats.downstream_after[:, 0], flats.after[:, 0], strict=True)):
            axes[1].annotate(f"   {n}", (float(x), float(y)))
        axes[1].margins(0.1)

    rises, shorter = (", ".join(f"{x:.3f}" for x in costs) for costs in (found.rise, ordinary))
    hurting = [name for name, hurts in zip(("first", "second"), found.hurts, strict=True) if hurts]
    grows = bool((np.diff(found.rise) >= 0).all())
    stage.screen(
        "From plateau to plateau: each new feature is one more that can be lost",
        stage.picture(steps, "The cost along the plateaus, and one loss against the other", columns=2),
        f"Two features, σ = 1 and ½, and a task [[1, {mixed.value:g}], [{mixed.value:g}, {second.value:g}]]. On the plateaus of "
        f"0, 1 and 2 learned features (the numbers at the right) fine-tuning costs **{rises}**: it "
        f"{'never falls' if grows else 'falls somewhere'}. "
        f"{'The ' + ' and the '.join(hurting) + ' feature' if hurting else 'No feature'} makes the loss after fine-tuning "
        "worse. The start is at 1e-60, so that the plateaus are long; the dips between them, on the left, are the trap again. At small budgets the cost never falls from a plateau to the "
        "next, for any task that you can set. Find a task and a budget for which it does. From an ordinary start, 1e-6, the "
        f"same three checkpoints cost **{shorter}**: there the next feature has always begun, and fine-tuning finishes it.",
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
            "rate": (("pretraining",), tuned_learning_rate(target.value - s, target.value, float(steps_.value), 0.02)),
        },
        {"pretraining": lengths},
        method="theory",
        source="claim D6",
        model="one feature",
    )

    passed = float(lengths[np.abs(s - target.value).argmin()])

    def learning_rates(axes):
        drawing.against_length(axes[0], rates, "sharpness")
        axes[0].set(ylabel="largest curvature on the way", ylim=(0, None))
        drawing.against_length(axes[1], rates, "rate", colour=1)
        axes[1].set_ylabel("best learning rate under noise")

    stage.screen(
        "The largest learning rate at which fine-tuning is stable",
        stage.picture(
            learning_rates, "Largest curvature on the way, and the best learning rate, against length", columns=2
        ),
        "Left: the largest curvature that fine-tuning meets on its way from each checkpoint; a rate below 2 divided by it is stable, and "
        "smaller than need be: gradient descent survives a sharp start, and the edge stays 1/σ′ until s is three times σ′. "
        f"Look where the line is flat: up to s = σ′, at t = {passed:.1f}, it is the task's own curvature, {2 * target.value:g}, "
        "whatever the checkpoint; beyond that it grows with pretraining. "
        "Right: if every step's gradient is noisy (its variance is v in D6, here 0.02), a large rate amplifies the noise, a small "
        "one does not get there in the given number of steps, and the best lies between. Look where that line touches zero: at which s, and why? "
        "Does that checkpoint stay the best one when every checkpoint has its own best rate?",
        [target, steps_],
        ["D6"],
    )
    return


@app.cell
def _():
    anchor = mo.ui.slider(0.2, 10.0, 0.2, value=1.0, label="anchor λ", show_value=True)
    return (anchor,)


@app.cell
def _():
    free = Protocol(
        Spectrum((1.0, 0.7, 0.5)),
        np.linspace(0, 16, 161),
        (60.0,),
        Network(4, 4, 5),
        start=Aligned(0.01),
        perturbation=FineTuning(SharedVectors((1.4, 0.9, 0.6))),
    )
    source = "overtraining.experiments.regularization.anchored"  # the recipe of the figure `regularization`
    loose = Recipe(source, free).make()
    return free, loose, source


@app.cell
def _(anchor, free, loose, source):
    held = Recipe(
        source, replace(free, perturbation=FineTuning(SharedVectors((1.4, 0.9, 0.6)), anchor=anchor.value))
    ).make()

    def anchored(axes):
        for ax, objective in zip(axes, ("pretraining", "downstream"), strict=True):
            drawing.curves(ax, loose, "after", objective, label="no anchor", colour=1)
            drawing.curves(ax, held, "after", objective, label=f"λ = {anchor.value:g}")
            ax.set_ylabel(f"{objective} loss after fine-tuning")
        drawing.inflections(axes[0], held, "best")
        axes[1].legend()

    point = inflection_point(held, which="best").squeeze()
    end_loss = float(held.downstream_after[-1, 0])
    stage.screen(
        "Regularization delays the inflection, and raises the downstream loss",
        stage.picture(anchored, "Both losses after anchored fine-tuning against length", columns=2),
        "Fine-tuning to the end on a task that asks for 1.2 to 1.4 times every feature, with an L2 penalty that pulls toward the pretrained weights. "
        + (
            f"The inflection is at t = **{float(point.length):.1f}**"
            if bool(point.exists)
            else "There is no inflection here"
        )
        + f"; the downstream loss ends at **{end_loss:.3g}**. Without an anchor, fine-tuning from every checkpoint ends at the task, with "
        "the same losses. What does a larger λ gain, and what does it cost?",
        [anchor],
        ["D7"],
    )
    return end_loss, point


@app.cell
def _(time):
    remains = float(fine_tune_mode(time.value, 1.0, 0.0)[0])
    forgot = float(forgetting_cost(time.value, 1.0, 1.0, 0.0))
    stage.exercise(
        f"A feature of strength 1 is learned completely, and then tuned for T = {time.value:g} (the slider of the trap) on a task that "
        "asks for none of it, σ′ = 0. Its flow is ṡ = 2s(σ′ − s). How much of it remains, and by how much has the old loss risen?",
        f"**{remains:.4f}** remains, 1/(1 + 2T), and the loss has risen by ½(1 − s)² = **{forgot:.4f}**.",
    )
    return forgot, remains


@app.cell
def _():
    stage.ending(
        "All of this is exact for gradient flow of two balanced linear layers on white inputs, from the pretrained weights on. "
        "From a very small start the cost of a small budget never falls from plateau to plateau, for every task (D4); that of a large "
        "one can, since balanced networks keep their rank. From ordinary starts both are different. Random tasks show both (figure `plasticity-and-forgetting`). The source paper's "
        "Theorem 4.7 is known to us only from secondary sources; D4 and D7 are our version of it. Tanh and ReLU students "
        "forget more with longer pretraining too: measured, not proved.",
        after="remedies",
    )
    return


if __name__ == "__main__":
    app.run()
