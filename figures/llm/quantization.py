"""The published law of what quantization costs (Ouyang et al. 2024, arXiv 2411.17691, figure 6; seen second-hand)."""

COEFFICIENT, GROWTH, SIZE_EXPONENT, BITS_EXPONENT = 0.017, 0.5251, 0.2261, 5.4967
BASE_BETA = 0.399  # how the same paper's base loss falls with tokens
BITS = (2.0, 3.0, 4.0)


def price(params: float, bits: float) -> float:
    """`ΔL = price · D^0.5251`, `price = 0.017 / (N^0.2261 P^5.4967)`; N non-embedding parameters, P bits.

    >>> round(price(1e9, 2.0) * 1.1e9**GROWTH, 3)
    0.194
    """
    return COEFFICIENT / (params**SIZE_EXPONENT * bits**BITS_EXPONENT)
