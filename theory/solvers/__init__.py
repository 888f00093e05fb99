"""From a Protocol to a Response or a Trajectory: which family of solutions answers, or the refusal."""
