"""The table: every closed form of claims A, B and C that has a formula in mpmath beside it."""

from theory.precision import features, matrices, sensitivity, spectra

FORMS = (*features.FORMS, *matrices.FORMS, *sensitivity.FORMS, *spectra.FORMS)
