"""Every claim derived by machine from the loss: one file per claim, one table to find them."""

CLAIMS = {
    "A1": "theory.derivations.a1_invariants",
    "A2": "theory.derivations.a2_decoupling",
    "A3": "theory.derivations.a3_balanced_mode",
    "A4": "theory.derivations.a4_unbalanced_mode",
    "A5": "theory.derivations.a5_matrix_flow",
    "A6": "theory.derivations.a6_depth",
    "A7": "theory.derivations.a7_incremental",
    "B1": "theory.derivations.b1_noise",
    "B2": "theory.derivations.b2_deep_noise",
    "B3": "theory.derivations.b3_curvature",
    "B4": "theory.derivations.b4_growth",
    "B5": "theory.derivations.b5_variance",
    "B6": "theory.derivations.b6_conventions",
    "B6q": "theory.derivations.b6q_rounding",
    "B7": "theory.derivations.b7_rates",
    "B8": "theory.derivations.b8_sum_rule",
    "C1": "theory.derivations.c1_noisy_mode",
    "C1u": "theory.derivations.c1u_unbalanced_mode",
    "C2": "theory.derivations.c2_any_start",
    "C3": "theory.derivations.c3_stages",
    "C4": "theory.derivations.c4_inevitable",
    "C5": "theory.derivations.c5_scaling",
    "C5d": "theory.derivations.c5d_depth",
    "E1": "theory.derivations.e1_robust",
}
"""Identifier → module; a claim's `DERIVATION` is there, and what was split from it at a lower verdict as `EXTRA`."""
