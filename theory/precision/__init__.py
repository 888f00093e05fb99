"""How right the engine is: every closed form beside its formula in mpmath, and the judge of both."""
