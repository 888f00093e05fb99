"""The accuracy of the closed forms: each beside the same formula in mpmath, and the measure of its error."""
