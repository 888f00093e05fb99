"""`make check` as tests, one per claim, each without those that it uses: for `benchmarks.mutants`."""

import pytest

from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.core import check
from overtraining.theory.derivations.checker.run import claim_derivation


@pytest.mark.parametrize("claim", CLAIMS)
def test_claim(claim: str) -> None:
    derivation = claim_derivation(claim, CLAIMS)
    used = {other: claim_derivation(other, CLAIMS).floor for other in derivation.uses}
    assert not check(derivation, used).problems
