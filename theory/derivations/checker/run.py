"""Find derivations, by identifier or in a user's own file, and check each of them after those that it uses."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from overtraining.runtime.worker_processes import WorkerDied, WorkerProcesses
from overtraining.setting.errors import Refusal
from overtraining.setting.own_files import load_file
from overtraining.theory.derivations.checker.core import CheckReport, Derivation, Verdict, check

HOMES = ("DERIVATION", "EXTRA")
"""The constants of a claim's module: its derivation, and the facts split from it that have a lower verdict."""


def claim_derivation(claim: str, claims: Mapping[str, str]) -> Derivation:
    """The derivation with this identifier; `claims` maps identifiers to module names.

    >>> claim_derivation("B1", {"B1": "overtraining.theory.derivations.claims.b1_noise"}).title
    'The cost of noise on the weights is exact'
    """
    if claim not in claims:
        known = ", ".join(claims) or "none"
        raise Refusal(f"claim {claim!r}", "no such claim is known", f"pass one of: {known}; or the path of a .py file")
    module = importlib.import_module(claims[claim])
    for home in HOMES:
        derivation = getattr(module, home, None)
        if isinstance(derivation, Derivation) and derivation.claim == claim:
            return derivation
    raise Refusal(f"claim {claim!r}", f"{claims[claim]} defines no derivation of it", f"set {' or '.join(HOMES)} there")


def load_derivation(path: str | Path) -> Derivation:
    """The DERIVATION of a user's own file. The file is run as Python: load only what you would run.

    Raises Refusal if the file is missing, raises, or defines no DERIVATION.
    """
    derivation = load_file(path, "DERIVATION").DERIVATION
    if not isinstance(derivation, Derivation):
        reason = f"it has a {type(derivation).__name__} as its DERIVATION"
        raise Refusal(str(path), reason, "set DERIVATION = Derivation(...), as docs/examples/my_claim.py does")
    return replace(derivation, folder=Path(path).parent)


def find_derivation(claim_or_path: str, claims: Mapping[str, str]) -> Derivation:
    """The derivation with an identifier, or the one in a file; anything that ends in .py is a path.

    Raises Refusal for a file whose claim has an identifier of `claims`.
    """
    if not claim_or_path.endswith(".py"):
        return claim_derivation(claim_or_path, claims)
    derivation = load_derivation(claim_or_path)
    if taken := next((claim for claim in claims if claim.lower() == derivation.claim.lower()), None):
        raise Refusal(claim_or_path, f"{taken} is a claim of the project", "call yours something else")
    return derivation


def order_by_use(derivations: Iterable[Derivation], claims: Mapping[str, str]) -> list[Derivation]:
    """The derivations and all that they use, each after the ones it uses, otherwise in the order of the argument.

    Raises Refusal for two derivations of one name, for an unknown claim that is used, and for claims in a circle.
    """
    own: dict[str, Derivation] = {}
    for derivation in derivations:
        if own.setdefault(derivation.claim, derivation) is not derivation:
            raise Refusal(f"claim {derivation.claim!r}", "two derivations have this identifier", "rename one of them")
    done: dict[str, Derivation] = {}

    def visit(claim: str, trail: tuple[str, ...]) -> None:
        if claim in trail:
            circle = " → ".join((*trail[trail.index(claim) :], claim))
            raise Refusal(circle, "these claims use each other in a circle", "derive one of them without the others")
        if claim in done:
            return
        if claim not in own and claim not in claims:
            raise Refusal(
                f"claim {claim!r}", f"{trail[-1]} uses it and no such claim is known", "correct `uses` in its file"
            )
        derivation = own[claim] if claim in own else claim_derivation(claim, claims)
        for other in derivation.uses:
            visit(other, (*trail, claim))
        done[claim] = derivation

    for claim in own:
        visit(claim, ())
    return list(done.values())


def check_all(
    derivations: Iterable[Derivation],
    claims: Mapping[str, str],
    progress: Callable[[CheckReport], None] = lambda report: None,
    processes: int = 1,
) -> list[CheckReport]:
    """Check the derivations and all that they use; a claim's verdict counts for those that use it.

    The reports are in the order of `order_by_use`.

    progress: called with each report as soon as it is ready.  processes: with more than one, the project's own claims
    that do not use each other are checked in parallel.
    """
    queue = order_by_use(derivations, claims)
    reports: dict[str, CheckReport] = {}
    begun: set[str] = set()
    parallel = processes > 1 and len(queue) > 1

    def finish(report: CheckReport) -> None:
        reports[report.claim] = report
        progress(report)

    def next_job() -> _Job | None:
        """A claim for another process, once all that it uses is checked; what has to be checked here is, meanwhile."""
        while ready := [d for d in queue if d.claim not in begun and all(u in reports for u in d.uses)]:
            derivation = ready[0]
            begun.add(derivation.claim)
            used = {u: reports[u].verdict for u in derivation.uses}
            if parallel and _at_home(derivation, claims):
                return _Job(derivation.claim, claims[derivation.claim], derivation.floor, used)
            finish(_check(derivation, used))
        return None

    with WorkerProcesses(_check_named, processes) as crew:
        for job, answer in crew.answers(next_job):
            finish(answer if isinstance(answer, CheckReport) else _broken(job.claim, job.floor, answer))
    return [reports[d.claim] for d in queue]


class _Job(NamedTuple):
    claim: str
    module: str
    floor: Verdict
    used: Mapping[str, Verdict]


def _at_home(derivation: Derivation, claims: Mapping[str, str]) -> bool:
    """Whether another process can find it by name; derivations hold functions, which cannot be sent."""
    module: Any = sys.modules.get(claims.get(derivation.claim, ""))
    return any(getattr(module, home, None) is derivation for home in HOMES)


def _check_named(job: _Job) -> CheckReport:
    return _check(claim_derivation(job.claim, {job.claim: job.module}), job.used)


def _check(derivation: Derivation, used: Mapping[str, Verdict]) -> CheckReport:
    try:
        return check(derivation, used)
    except (Exception, SystemExit) as fault:  # whatever a derivation does, the other claims are still checked
        return _broken(derivation.claim, derivation.floor, fault)


def _broken(claim: str, floor: Verdict, fault: BaseException | WorkerDied) -> CheckReport:
    reason = fault.why if isinstance(fault, WorkerDied) else f"{type(fault).__name__}: {fault}"
    problem = f"the check could not be finished: {reason}"
    return CheckReport(
        claim=claim,
        verdict=Verdict.FAILED,
        floor=floor,
        steps=(),
        rejected=(),
        survivors=(),
        engine_error=None,
        problems=(problem,),
        seconds=0.0,
    )
