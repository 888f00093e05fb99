"""The table of every closed form of claims A to E with the same formula in mpmath.

`fine_tune_grid`, `fine_tune_plateaus` and `rise_on_plateaus` are not in it, because they trade relative accuracy for
thousands of tasks a second and are accurate in absolute terms only; `fine_tune`, one checkpoint at a time, is in it.
"""

from overtraining.theory.precision import features, matrices, random_starts, remedies, sensitivity, spectra, tuned

FORMS = (
    *features.FORMS,
    *random_starts.FORMS,
    *matrices.FORMS,
    *sensitivity.FORMS,
    *spectra.FORMS,
    *tuned.FORMS,
    *remedies.FORMS,
)
