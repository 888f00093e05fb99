"""How accurate the formulas are: every closed form beside the same formula in mpmath, and the measure of its error."""
