"""The table: every closed form of claims A to E that has a formula in mpmath beside it.

Not in it, as they are accurate in absolute terms and say so: `fine_tune_grid` and `fine_tune_plateaus`, which trade
relative accuracy for thousands of tasks a second; `fine_tune` is in it, one checkpoint at a time.
"""

from overtraining.theory.precision import features, matrices, remedies, sensitivity, spectra, tuned

FORMS = (
    *features.FORMS, *matrices.FORMS, *sensitivity.FORMS, *spectra.FORMS, *tuned.FORMS, *remedies.FORMS,
)  # fmt: skip
