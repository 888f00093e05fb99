"""Try mutants: does a check of the derivation notice the change? In worker processes, with a time limit for each."""

import enum
import importlib
import importlib.machinery
import importlib.util
import json
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from overtraining.runtime.worker_processes import TooLong, WorkerDied, WorkerProcesses
from overtraining.theory.derivations.checker.core import Derivation, Evidence, Verdict
from overtraining.theory.derivations.checker.mutants import (
    CONCLUSION,
    FORMULA,
    Mutant,
    mutants_of,
    mutated_code,
    sample,
    vanishing_term,
)
from overtraining.theory.derivations.checker.report import WIDTH
from overtraining.theory.derivations.checker.run import claim_derivation

SHARED = "overtraining.theory.derivations.claims.shared."


class Fate(enum.StrEnum):
    """What came of a mutant; `NOTICED` is a success of the checks, `SURVIVED` and `UNDECIDED` are open."""

    NOTICED = "noticed"  # a step or the conclusion fails or is weaker, or a wrong variant passes
    RAISED = "raised"  # the changed code cannot be run: it says nothing about the checks
    EQUIVALENT = "equivalent"  # it leaves the statement true, for a recorded reason
    SURVIVED = "survived"
    UNDECIDED = "undecided"  # the time limit was over


@dataclass(frozen=True)
class MutantReport:
    """A mutant, what came of it, and by which check."""

    mutant: Mutant
    fate: Fate
    by: str
    seconds: float


def try_mutants(
    claims: Sequence[str],
    table: Mapping[str, str],
    count: int,
    seed: int,
    limit: float,
    processes: int,
    progress: Callable[[int, MutantReport | None], object] = lambda total, report: None,
) -> list[MutantReport]:
    """Try a sample of `count` mutants of each claim, 0 for all; the order of the reports does not depend on the timing.

    table: identifiers → modules.  limit: wall-clock seconds for one mutant, after which its process is ended and it
    is undecided.  progress: receives the total and each report, None at first.
    """
    chosen = [m for claim in claims for m in sample(all_mutants(claim, table), count, seed)]
    reports: dict[Mutant, MutantReport] = {}
    progress(len(chosen), None)
    waiting = iter(chosen)
    with WorkerProcesses(partial(_try, dict(table)), processes, limit=limit) as crew:
        for mutant, answer in crew.answers(lambda: next(waiting, None)):
            match answer:
                case MutantReport():
                    reports[mutant] = answer
                case TooLong(seconds):
                    reports[mutant] = MutantReport(mutant, Fate.UNDECIDED, f"not done after {seconds:g} s", seconds)
                case WorkerDied(why):
                    reports[mutant] = MutantReport(mutant, Fate.UNDECIDED, why, 0.0)
                case fault:
                    raise fault
            progress(len(chosen), reports[mutant])
    return [reports[mutant] for mutant in chosen]


def all_mutants(claim: str, table: Mapping[str, str]) -> list[Mutant]:
    """All mutants of a claim; table: identifiers → modules."""
    return mutants_of(*_loaded(claim, table))


def _try(table: Mapping[str, str], mutant: Mutant) -> MutantReport:
    original = _original(mutant.claim, table[mutant.claim])
    started = time.monotonic()
    fate, by = judge(mutant, original, table)
    return MutantReport(mutant, fate, by, round(time.monotonic() - started, 3))


@cache
def _original(claim: str, module: str) -> "Original":
    return Original(*_loaded(claim, {claim: module}))


def _loaded(claim: str, table: Mapping[str, str]) -> tuple[Derivation, list[ModuleType]]:
    """The derivation, and the modules that belong to it: its own and what it shares with other claims."""
    derivation = claim_derivation(claim, table)
    own = table[claim]
    names = [name for name in sys.modules if name == own or name.startswith((f"{own}.", SHARED))]
    return derivation, [sys.modules[name] for name in sorted(names)]


class Original:
    """The derivation without a change, its modules, and the verdicts of its checks, each computed at most once."""

    def __init__(self, derivation: Derivation, home: Sequence[ModuleType]) -> None:
        self.derivation = derivation
        self.home = home
        self.verdicts: dict[int | str, Verdict] = {}

    def verdict(self, part: int | str) -> Verdict:
        """Of a step, by its number, or of the conclusion."""
        if part not in self.verdicts:
            d = self.derivation
            evidence = d.steps[part - 1].check() if isinstance(part, int) else d.conclusion(d.formula())
            self.verdicts[part] = evidence.outcome
        return self.verdicts[part]


def judge(mutant: Mutant, original: Original, table: Mapping[str, str]) -> tuple[Fate, str]:
    """Whether the checks that compute the changed expression notice, and which of them."""
    if not mutant.module:
        truth = original.derivation.formula
        changed = replace(original.derivation, formula=lambda: vanishing_term(truth(), mutant))
        return _judge(changed, original, mutant)
    with _changed_module(mutant, original.home):
        try:
            changed = claim_derivation(mutant.claim, table)
        except Exception as fault:  # whatever the changed module raises
            return Fate.RAISED, f"{type(fault).__name__}: {fault}"
        return _judge(changed, original, mutant)


def _judge(changed: Derivation, original: Original, mutant: Mutant) -> tuple[Fate, str]:
    for n, step in enumerate(changed.steps, 1):
        if n in mutant.parts and (fate := _fate(step.check, n, original)) is not Fate.SURVIVED:
            return fate, f"step {n}"
    return _judge_formula(changed, original) if {CONCLUSION, FORMULA} & set(mutant.parts) else (Fate.SURVIVED, "")


def _judge_formula(changed: Derivation, original: Original) -> tuple[Fate, str]:
    """By the conclusion, on the formula and on the wrong variants."""
    try:
        formula = changed.formula()
    except Exception as fault:
        return Fate.RAISED, f"{type(fault).__name__}: {fault}"
    fate = _fate(lambda: changed.conclusion(formula), CONCLUSION, original)
    if fate is not Fate.SURVIVED:
        return fate, CONCLUSION
    for variant in changed.variants:
        try:
            if changed.conclusion(variant.build(formula)).holds:
                return Fate.NOTICED, f"wrong variant: {variant.text}"
        except Exception:  # as little a rejection as in `check`
            return Fate.NOTICED, f"wrong variant raises: {variant.text}"
    return Fate.SURVIVED, _engine_alone(changed, formula)


def _fate(check: Callable[[], Evidence], part: int | str, original: Original) -> Fate:
    try:
        evidence = check()
    except Exception:
        return Fate.RAISED
    if not isinstance(evidence, Evidence):
        return Fate.RAISED
    weaker = evidence.outcome is Verdict.FAILED or evidence.outcome < original.verdict(part)
    return Fate.NOTICED if weaker else Fate.SURVIVED


def _engine_alone(derivation: Derivation, formula: Any) -> str:
    """Whether at least the comparison of the formula with the public function, which is by numbers, notices."""
    if (link := derivation.link) is None:
        return ""
    module, _, name = link.function.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    try:
        error = float(link.compare(formula, function, np.random.default_rng(0)))
    except Exception:
        error = np.inf
    return "" if 0 <= error <= link.tolerance else "only the comparison with the engine notices"


class _ChangedLoader(importlib.machinery.SourceFileLoader):
    """Loads one module from a compiled change of its source."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class _ChangedFinder:
    """Finds the changed module before the file on disk is found."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        self.name = name
        self.loader = _ChangedLoader(name, path, code)
        self.folder = [str(Path(path).parent)] if Path(path).name == "__init__.py" else None

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(
            name, self.loader.path, loader=self.loader, submodule_search_locations=self.folder
        )


@contextmanager
def _changed_module(mutant: Mutant, home: Sequence[ModuleType]) -> Iterator[None]:
    """The claim's modules are imported anew, one of them changed; afterwards the original ones are back."""
    (module,) = (m for m in home if m.__name__ == mutant.module)
    assert module.__file__ is not None
    finder = _ChangedFinder(module.__name__, module.__file__, mutated_code(mutant, module.__file__))
    originals = {m.__name__: m for m in home}
    sys.meta_path.insert(0, finder)
    for name in originals:
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        if parent in sys.modules:  # otherwise `from parent import last` finds the original there
            delattr(sys.modules[parent], last)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, original in originals.items():
            sys.modules[name] = original
            parent, _, last = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], last, original)


def mutant_table(reports: Sequence[MutantReport]) -> str:
    """A row of counts per claim, then every mutant that is equivalent, survived or is undecided."""
    lines = [f"{'claim':7}{'mutants':>8}{''.join(f'{fate:>11}' for fate in Fate)}"]
    for claim in dict.fromkeys(r.mutant.claim for r in reports):
        counts = Counter(r.fate for r in reports if r.mutant.claim == claim)
        lines.append(f"{claim:7}{sum(counts.values()):8}{''.join(f'{counts[fate]:11}' for fate in Fate)}")
    for fate in (Fate.EQUIVALENT, Fate.SURVIVED, Fate.UNDECIDED):
        for r in reports:
            if r.fate is fate:
                lines += ["", *textwrap.wrap(one_line(r), WIDTH, subsequent_indent="    ")]
    counts = Counter(r.fate for r in reports)
    summary = ", ".join(f"{counts[fate]} {fate}" for fate in Fate)
    return "\n".join([*lines, "", f"{len(reports)} mutants: {summary}."])


def one_line(report: MutantReport) -> str:
    """A mutant, what came of it, and why."""
    m = report.mutant
    place = f"{m.module.rpartition('claims.')[2]}:{m.line}, {m.function}" if m.module else "the formula's value"
    text = f"{m.claim} {report.fate} ({m.kind}) in {place}: {m.change}" + f" — {report.by}" * bool(report.by)
    return " ".join(text.split())


def mutants_as_json(reports: Sequence[MutantReport]) -> str:
    """A list of objects, one per mutant."""
    objects = [
        asdict(r.mutant) | {"change": r.mutant.change, "fate": str(r.fate), "by": r.by, "seconds": r.seconds}
        for r in reports
    ]
    return json.dumps(objects, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
