"""Lesson 5: results of a real language model, or of your own (claim F1)."""

import marimo

app = marimo.App(width="full", app_title="A real model", css_file="lesson.css")

with app.setup:
    from importlib.resources import as_file, files
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import marimo as mo
    import pandas as pd

    from overtraining.demos.lessons import stage
    from overtraining.figures import drawing
    from overtraining.figures.llm.olmo1b import SIX_TASKS, after_tulu
    from overtraining.figures.llm.panels import draw_answers
    from overtraining.figures.llm.readers import read
    from overtraining.figures.llm.report import checkpoint_report
    from overtraining.figures.llm.statistics import sample_size
    from overtraining.figures.llm.tidy import select
    from overtraining.runtime.atomic_files import write_bytes
    from overtraining.setting.errors import Refusal


@app.cell
def _():
    PREDICTIONS = (
        "Yes, clearly: it is worse than an earlier checkpoint",
        "It looks worse, but not by more than chance would explain",
        "No, the last checkpoint is the best",
    )
    prediction = mo.ui.radio(PREDICTIONS)
    stage.opening(
        "models",
        "OLMo-1B was measured at seven checkpoints between 0.004 and 3.1 trillion tokens, each instruction-tuned on the data set TULU, on the mean of "
        "six benchmarks (Sun and Dredze 2024). **Is the last checkpoint worse after instruction tuning than the best one?**",
        prediction,
    )
    return PREDICTIONS, prediction


@app.cell
def _(answer_, error, fall):
    stage.teacher(
        mo.query_params(),
        "models",
        "4 for the vote, 11 for the turning points (give each group a different task), 6 for the plan, 4 for the exercise.",
        {
            "“The last is lower than the best, so it declines.”": "The best was chosen by looking: among equal checkpoints one is "
            "always best. The probability shown takes that into account.",
            "“PAWS falls, so fine-tuning fails.”": "On one task of three, at one learning rate, with no second seed.",
            "“Not significant means that there is no decline.”": "It means that these data cannot tell; the plan says which data could.",
        },
        f"Mean of six after TULU: {fall:.3f} ± {error:.3f}. Real turns: look for *Inflection between* in the verdict, PAWS first. "
        f"Exercise: {answer_}.",
    )
    return


@app.cell
def _(PREDICTIONS, prediction):
    mean = after_tulu().sel(task=["mean"]).squeeze("task")
    (fall, error), each = drawing.final_decline(mean), float(mean.after_stderr.max())
    stage.answered(
        prediction,
        PREDICTIONS[1],
        f"From the best to the last it loses {fall:.3f} ± {error:.3f}, and the best was chosen by looking.",
    )
    return each, error, fall


@app.cell
def _():
    upload = mo.ui.file(filetypes=[".json", ".csv"], multiple=True, label="your own result files")
    checkpoint = mo.ui.text(label="checkpoint, for files without a step number", placeholder="3000")
    group = mo.ui.dropdown(
        {"each task": "task", "the mean over the tasks": "model"}, value="the mean over the tasks", label="show"
    )
    return checkpoint, group, upload


@app.cell
def _(checkpoint, group, upload):
    def answered():
        """The report on the user's files, or on the shipped table."""
        step = float(checkpoint.value) if checkpoint.value.strip() else None
        with TemporaryDirectory() as folder, as_file(files("overtraining.figures.llm") / "published.csv") as shipped:
            for one in upload.value:
                write_bytes(Path(folder) / Path(one.name).name, one.contents)
            table = read([Path(folder)] if upload.value else [shipped], step=step).table
        if not upload.value and group.value == "model":  # the mean is over the six that were measured after TULU
            table = select(table, SIX_TASKS)
        return checkpoint_report(table, group=group.value), ""

    try:
        with mo.status.spinner(title="Computing …", subtitle="Each task by itself takes some ten seconds."):
            found, refused = answered()
    except (Refusal, ValueError, OSError) as refusal:  # a step that is no number, a name that no file can have
        found, refused = None, str(refusal)
    changed = [a for a in found.answers if a.curve.stage != "base"] or found.answers if found else []
    names = {f"{a.curve.task}, {a.curve.state}": a for a in changed}
    which = mo.ui.dropdown(list(names), value=next(iter(names), None), label="measure")
    return found, names, refused, which


@app.cell
def _(checkpoint, found, group, names, refused, upload, which):
    if not which.value:
        seen, said = (
            mo.callout(stage.as_text(refused or "There is nothing to show."), kind="danger"),
            "Correct it, or use the shipped table.",
        )
    else:
        answer = names[which.value]
        m, p = answer.curve, answer.point
        pair = [
            a
            for a in found.answers
            if (a.curve.model, a.curve.task, a.curve.metric) == (m.model, m.task, m.metric)
            and a.curve.state in ("base", m.state)
        ]
        figure = next(draw_answers(pair, found.length_units), None)
        seen = (
            mo.callout("It was not measured on the base model, so there is no curve to compare it with.")
            if figure is None
            else stage.shown(figure, "The measure along training, base and changed model")
        )
        where = (
            f"The turning point lies between {p.low:.3g} and {p.high:.3g} {found.length_units} ({p.confidence:.0%} interval). Look at "
            "the gaps between the points, not at the line that joins them: nothing was measured there, so an interval that is as "
            "wide as a gap says that the curve turns, and little about where."
            if answer.turns
            else "So no turning point is claimed."
        )
        said = (
            f"**{answer.verdict[:1].upper()}{answer.verdict[1:]}.** Best of {p.checkpoints} checkpoints: {p.best:.3g} "
            f"{found.length_units}. Observed decline from there to the last: {p.rise:.3f} ± {p.rise_stderr:.3f}; probability of "
            f"seeing a decline this large by chance: {answer.adjusted_p_value:.3f}, corrected for looking at {len(found.answers)} curves "
            f"(base models included). {where} Look at each task: which curves really turn? Do they turn in the base model, too?"
        )
    stage.screen("Finding a turning point", seen, said, [upload, checkpoint, group, which])
    return


@app.cell
def _():
    decline = mo.ui.slider(
        steps=[0.005, 0.01, 0.02, 0.03, 0.05, 0.1], value=0.02, label="decline to be detected", show_value=True
    )
    seeds = mo.ui.slider(
        steps=[0.0, 0.002, 0.005, 0.01], value=0.005, label="scatter between fine-tuning seeds", show_value=True
    )
    return decline, seeds


@app.cell
def _(decline, each, seeds):
    plans = sample_size.sample_size_plans(decline.value, 0.6, seeds.value)
    table = pd.DataFrame(map(vars, plans)).pivot(index="seeds", columns="checkpoints", values="items").astype(float)
    stage.screen(
        "What it would take to see it",
        mo.Html(table.to_html(na_rep="not by any", float_format="{:,.0f}".format, border=0, classes="plan")),
        f"Test items needed, by checkpoints and seeds. To detect a decline of {decline.value:g} in an accuracy of about 0.6 you may spend checkpoints, seeds, or test items. The "
        f"mean of the six benchmarks above has an error of {each:.3f} at every checkpoint. Which row would you choose?",
        [decline, seeds],
    )
    return (plans,)


@app.cell
def _(plans):
    RUN = 2000  # one more fine-tuning run costs as much as this many test items
    costs = {one: one.checkpoints * one.seeds * (one.items + RUN) for one in plans if one.items}
    cheapest = min(costs, key=costs.get, default=None)
    answer_ = (
        "none of these plans can"
        if cheapest is None
        else (
            f"**{cheapest.checkpoints} checkpoints, {cheapest.seeds} seeds, {cheapest.items:,} items each**, which cost as much as "
            f"{costs[cheapest]:,} items in all"
        )
    )
    stage.exercise(
        f"With the sliders as they are set: if one more fine-tuning run (a seed at a checkpoint) costs as much as evaluating {RUN:,} test "
        "items, which of the plans is the cheapest?",
        answer_,
    )
    return (answer_,)


@app.cell
def _():
    stage.ending(
        "What is measured here are accuracies of one pretraining run at one fine-tuning learning rate, without replicates; between "
        "its checkpoints the pretraining learning rate differs too. The linear theory does not explain accuracies: it is about a "
        "loss. `overtraining llm --predict` computes what it predicts for *your* losses from their course before the change (claim "
        "B8). Base models can get worse without any change (figure `control`).",
        after=None,
    )
    return


if __name__ == "__main__":
    app.run()
