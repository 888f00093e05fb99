"""Find derivations, by identifier or in a user's own file, and check them in the order in which they use each other."""

import importlib
import importlib.util
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from overtraining.setting.errors import Refusal
from overtraining.theory.derivations.checker.core import CheckReport, Derivation, Verdict, check

HOMES = ("DERIVATION", "EXTRA")
"""The constants in which a claim's module keeps its derivation, and the facts split from it at a lower verdict."""


def claim_derivation(claim: str, claims: Mapping[str, str]) -> Derivation:
    """The derivation with this identifier; `claims` maps identifiers to module names.

    >>> named("B1", {"B1": "overtraining.theory.derivations.claims.b1_noise"}).title
    'The cost of noise on the weights is exact'
    """
    if claim not in claims:
        known = ", ".join(claims) or "none"
        raise Refusal(f"claim {claim!r}", "no such claim is known", f"pass one of: {known}; or the path of a .py file")
    module = importlib.import_module(claims[claim])
    for home in HOMES:
        found = getattr(module, home, None)
        if isinstance(found, Derivation) and found.claim == claim:
            return found
    raise Refusal(f"claim {claim!r}", f"{claims[claim]} defines no derivation of it", f"set {' or '.join(HOMES)} there")


def load_derivation(path: str | Path) -> Derivation:
    """The DERIVATION of a user's own file, which is run as Python: load only what you would run.

    Raises Refusal where the file is missing, raises, or defines no DERIVATION.
    """
    path = Path(path)
    if not path.is_file() or path.suffix != ".py":
        why = "it is not a Python file" if path.exists() else "there is no such file"
        raise Refusal(str(path), why, "pass the path of a .py file that defines DERIVATION")
    name = f"derivation_of_{path.stem}_{zlib.crc32(str(path.resolve()).encode()):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the suffix .py has a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name while they are being defined
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as fault:  # an exit must not end the check as if all was well
        del sys.modules[name]
        reason = f"it raises {type(fault).__name__}: {fault}{_line_of(fault, path)}"
        raise Refusal(str(path), reason, "make `python` run the file without an error first") from fault
    found = getattr(module, "DERIVATION", None)
    if not isinstance(found, Derivation):
        what = "defines no DERIVATION" if found is None else f"has a {type(found).__name__} as its DERIVATION"
        raise Refusal(
            str(path), f"it {what}", "set DERIVATION = Derivation(...), as theory/derivations/claims/b1_noise.py does"
        )
    return found


def find_derivation(what: str, claims: Mapping[str, str]) -> Derivation:
    """What a user names: a claim's identifier, or the path of a file (anything that ends in .py)."""
    return load_derivation(what) if what.endswith(".py") else claim_derivation(what, claims)


def order_by_use(derivations: Iterable[Derivation], claims: Mapping[str, str]) -> list[Derivation]:
    """The derivations and all that they use, each after what it uses, otherwise in the order given.

    Raises Refusal for two derivations of one name, for an unknown claim that is used, and for a circle.
    """
    given: dict[str, Derivation] = {}
    for derivation in derivations:
        if given.setdefault(derivation.claim, derivation) is not derivation:
            raise Refusal(f"claim {derivation.claim!r}", "two derivations have this identifier", "rename one of them")
    done: dict[str, Derivation] = {}

    def visit(claim: str, trail: tuple[str, ...]) -> None:
        if claim in trail:
            circle = " → ".join((*trail[trail.index(claim) :], claim))
            raise Refusal(circle, "these claims use each other in a circle", "derive one of them without the others")
        if claim in done:
            return
        if claim not in given and claim not in claims:
            raise Refusal(
                f"claim {claim!r}", f"{trail[-1]} uses it and no such claim is known", "correct `uses` in its file"
            )
        derivation = given[claim] if claim in given else claim_derivation(claim, claims)
        for other in derivation.uses:
            visit(other, (*trail, claim))
        done[claim] = derivation

    for claim in given:
        visit(claim, ())
    return list(done.values())


def check_all(
    derivations: Iterable[Derivation],
    claims: Mapping[str, str],
    progress: Callable[[CheckReport], None] = lambda report: None,
    processes: int = 1,
) -> list[CheckReport]:
    """Check the derivations and all that they use, handing verdicts on through `uses`; in the order of `ordered`.

    progress: called with each report as soon as it is there.  processes: above 1, the project's own claims that do not
    wait for each other are checked side by side; a caller's script then needs an `if __name__ == "__main__"` guard.
    """
    queue = order_by_use(derivations, claims)
    reports: dict[str, CheckReport] = {}

    def finish(report: CheckReport) -> None:
        reports[report.claim] = report
        progress(report)

    def ready() -> list[Derivation]:
        begun = {*reports, *(claim for claim, _ in running.values())}
        return [d for d in queue if d.claim not in begun and all(u in reports for u in d.uses)]

    running: dict[Future[CheckReport], tuple[str, Verdict]] = {}
    many = processes > 1 and len(queue) > 1
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) if many else nullcontext() as pool:
        while len(reports) < len(queue):
            for derivation in ready():
                used = {u: reports[u].verdict for u in derivation.uses}
                if pool is not None and _at_home(derivation, claims):
                    task = pool.submit(_check_named, derivation.claim, claims[derivation.claim], used)
                    running[task] = derivation.claim, derivation.floor
                else:
                    finish(_check(derivation, used))
            for task in wait(running, return_when=FIRST_COMPLETED).done if running else ():
                claim, floor = running.pop(task)
                fault = task.exception()
                finish(task.result() if fault is None else _broken(claim, floor, fault))
    return [reports[d.claim] for d in queue]


def _line_of(fault: BaseException, path: Path) -> str:
    """Where in the user's file it happened, if it happened there."""
    traceback, line = fault.__traceback__, None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return "" if line is None else f" (line {line})"


def _at_home(derivation: Derivation, claims: Mapping[str, str]) -> bool:
    """Can another process find it by name? Derivations hold functions, which cannot be sent."""
    module: Any = sys.modules.get(claims.get(derivation.claim, ""))
    return any(getattr(module, home, None) is derivation for home in HOMES)


def _check_named(claim: str, module: str, used: Mapping[str, Verdict]) -> CheckReport:
    return _check(claim_derivation(claim, {claim: module}), used)


def _check(derivation: Derivation, used: Mapping[str, Verdict]) -> CheckReport:
    try:
        return check(derivation, used)
    except (Exception, SystemExit) as fault:  # whatever a derivation does, the other claims are still checked
        return _broken(derivation.claim, derivation.floor, fault)


def _broken(claim: str, floor: Verdict, fault: BaseException) -> CheckReport:
    problem = f"the check could not be finished: {type(fault).__name__}: {fault}"
    return CheckReport(claim, Verdict.FAILED, floor, (), (), (), None, (problem,), 0.0)
