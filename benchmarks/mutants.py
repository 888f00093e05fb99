"""The mutation score: which of a fixed random sample of changed expressions the tests notice.

    make mutants                                                            # 200 mutants, half an hour of CPU time
    python -m benchmarks.mutants --again benchmarks/results/mutants.json    # the same mutants, later

Each mutant meets the check of its claim, the test file and doctests of its module, and the tests near it. A stopped run
continues where it stopped. `equivalent_mutants.toml` records, with a reason, the mutants that change nothing that could
be noticed; any other survivor makes the run fail. The derivations of claims are left out: `overtraining check --mutate`
changes them.
"""

import argparse
import json
import multiprocessing
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import grimp

from benchmarks.mutant_trials import (
    CLAIM_CHECK,
    HOME,
    OUTCOMES,
    Trial,
    copy_of,
    copy_of_the_copy,
    judge,
    run_tests,
    stages_of,
)
from benchmarks.mutation_sites import Site, find_again, places_of, sample, sites_below
from benchmarks.report import BenchmarkReport, write_report

PACKAGES = ("theory", "setting", "figures/llm/statistics")  # not simulations: JAX and its workers hang in a fork
LEFT_OUT = "theory/derivations/claims/"
RECORD = Path(__file__).with_name("equivalent_mutants.toml")


@dataclass(frozen=True)
class MutationRun:
    """Which mutants of a revision to judge: a sample, or those of an earlier run; and the file of results so far."""

    revision: str
    size: int
    key: int
    earlier: Sequence[Mapping[str, Any]]
    state: Path

    def chosen(self, sites: Sequence[Site]) -> dict[Site, Mapping[str, Any]]:
        """The mutants, in the order of the sample, each with its earlier result."""
        earlier = {site_of(mutant): mutant for mutant in self.earlier}
        return earlier or {site: {} for site in sample(sites, self.size, self.key)}

    def done(self) -> dict[Site, dict[str, Any]]:
        """What is known so far; of a mutant whose line is incomplete, since the run was killed, nothing is."""
        known = {}
        for line in (
            self.state.read_text(encoding="utf-8", errors="replace").splitlines() if self.state.exists() else ()
        ):
            with suppress(json.JSONDecodeError):
                mutant = json.loads(line)
                known[site_of(mutant)] = mutant
        return known


def run(task: MutationRun, processes: int = 1) -> list[dict[str, Any]]:
    """Judge all mutants, each process in a copy of its own, and write each result to `task.state` when it is known."""
    task.state.parent.mkdir(parents=True, exist_ok=True)
    with copy_of(task.revision, PACKAGES):
        if processes == 1:
            judge_share(task, 0, 1)
        else:
            fork = multiprocessing.get_context("fork")
            workers = [fork.Process(target=judge_elsewhere, args=(task, n, processes)) for n in range(processes)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            if any(worker.exitcode for worker in workers):
                raise RuntimeError("a worker failed; see its message above, and run again to continue")
        done = task.done()
        return without_false_alarms([done[site] for site in task.chosen(all_sites())])


def judge_elsewhere(task: MutationRun, share: int, shares: int) -> None:
    """The same in another copy, since others change files of this one."""
    with copy_of_the_copy():
        judge_share(task, share, shares)


def judge_share(task: MutationRun, share: int, shares: int) -> None:
    """Judge every `shares`-th mutant that is not yet done."""
    done, sites = task.done(), all_sites()
    places = places_of(sites)
    graph = grimp.build_graph("overtraining", "tests", cache_dir=None)
    claims = runpy.run_path("theory/derivations/__init__.py")["CLAIMS"]
    for site, before in [(s, b) for s, b in task.chosen(sites).items() if s not in done][share::shares]:
        here = find_again(site, sites)
        trial = judge(here, stages_of(site.file, graph, claims), before.get("test", "")) if here else Trial("gone")
        change = places[here][2] if here else before.get("change", "")
        mutant = {**asdict(site), "change": change, **asdict(trial)}
        with task.state.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(mutant)}\n")  # the line before may be half of one
        print(site.file, site.function, change, *asdict(trial).values(), flush=True)


def all_sites() -> list[Site]:
    """The sites of all packages in the current folder."""
    sites = [site for package in PACKAGES for site in sites_below(Path(package), Path())]
    return [site for site in sites if not site.file.startswith(LEFT_OUT)]


def without_false_alarms(mutants: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A test that also fails in the unchanged copy says nothing: its mutants become invalid."""
    tests = {mutant["test"] for mutant in mutants if mutant["outcome"] in ("killed", "hanging")}
    checks = {test for test in tests if test.startswith(CLAIM_CHECK)}
    false = set[str]()
    for group in (checks, tests - checks):
        while group - false and (trial := run_tests(sorted(group - false))).outcome != "survived":
            if trial.test not in group:
                raise RuntimeError(f"the unchanged copy: {trial}")
            false |= {trial.test}
    return [mutant | {"outcome": "invalid"} if mutant["test"] in false else mutant for mutant in mutants]


def site_of(mutant: Mapping[str, Any]) -> Site:
    """The site of a mutant in a list of results."""
    return Site(**{field.name: mutant[field.name] for field in fields(Site)})


def place_of(mutant: Mapping[str, Any]) -> tuple[str, str, str]:
    """Its place in the record of equivalent mutants."""
    return mutant["file"], mutant["function"], mutant["change"]


def explained(
    mutants: Sequence[dict[str, Any]], reasons: Mapping[tuple[str, str, str], str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The mutants, in which survivors that the record explains are equivalent; and what the record says wrongly."""
    known = [
        mutant | {"outcome": "equivalent", "reason": reasons[place_of(mutant)]}
        if mutant["outcome"] == "survived" and place_of(mutant) in reasons
        else mutant
        for mutant in mutants
    ]
    wrong = [
        f"{RECORD.name}: {', '.join(place_of(mutant))}: killed by {mutant['test']}"
        for mutant in mutants
        if mutant["outcome"] in ("killed", "hanging") and place_of(mutant) in reasons
    ]
    return known, wrong


def part_of(file: str) -> str:
    """The part of the project that a file belongs to: its package, and in the theory also the group.

    >>> part_of("theory/learning/flow.py"), part_of("theory/checks.py"), part_of("setting/tasks.py")
    ('theory/learning', 'theory', 'setting')
    """
    package = next(package for package in PACKAGES if file.startswith(f"{package}/"))
    return "/".join(Path(file).parent.parts[:2]) if package == "theory" else package


def report_on(runs: Sequence[dict[str, Any]], wrong: Sequence[str] = ()) -> BenchmarkReport:
    """A row for each part and run, and what no test noticed in the last run.

    runs: dictionaries with `revision` and `mutants`, as in the JSON file's `curves`.  wrong: entries of the record.
    """
    rows = []
    for each in runs:
        parts = [(part_of(mutant["file"]), mutant["outcome"]) for mutant in each["mutants"]]
        counts = Counter([*parts, *(("all", outcome) for _, outcome in parts)])
        for part in [*sorted({part for part, _ in parts}), "all"]:
            numbers = {outcome: counts[part, outcome] for outcome in OUTCOMES}
            died = numbers["killed"] + numbers["hanging"]
            decided = died + numbers["survived"]
            rows.append({"revision": each["revision"], "part": part, **numbers, "died": f"{died} of {decided}"})
    died_first = {site_of(mutant) for mutant in runs[0]["mutants"] if mutant["outcome"] in ("killed", "hanging")}
    shown = [mutant for mutant in runs[-1]["mutants"] if mutant["outcome"] in ("survived", "equivalent")]
    lost = sum(site_of(mutant) in died_first for mutant in shown)  # which new tests that kill others would hide
    remarks = [f"{lost} died in {runs[0]['revision']} and survive in {runs[-1]['revision']}."] * (len(runs) > 1)
    remarks += [*wrong, f"Survivors of {runs[-1]['revision']}:"]
    remarks += [
        f"{m['file']}, {m['function'] or 'module'}: {m['change']}: "
        + ("it died before" if site_of(m) in died_first else f"equivalent: {m['reason']}" if "reason" in m else "real")
        for m in sorted(shown, key=place_of)
    ]
    title = f"{len(runs[0]['mutants'])} random mutants of {', '.join(PACKAGES)} (hanging: killed by the time limit)"
    return BenchmarkReport("mutants", title, rows, remarks, list(runs))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run, and write the report. 1 if a survivor has no reason, or the record is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=200, help="number of mutants")
    parser.add_argument("--key", type=int, default=0, help="chooses the sample")
    parser.add_argument("--revision", default="HEAD", help="of git; what is not committed does not count")
    parser.add_argument("--again", type=Path, help="a report: judge its first run's mutants, and report on both")
    parser.add_argument("--processes", type=int, default=2, help="each works in a copy of its own")
    parser.add_argument("--out", type=Path, default=HOME / "benchmarks/results", help="folder to write to")
    options = parser.parse_args(arguments)
    name = ["git", "rev-parse", "--short", options.revision]
    revision = subprocess.run(name, cwd=HOME, check=True, capture_output=True, text=True).stdout.strip()
    earlier = json.loads(options.again.read_text(encoding="utf-8"))["curves"][:1] if options.again else []
    which = f"of-{earlier[0]['revision']}" if earlier else f"{options.sample}-{options.key}"
    state = HOME / f"build/mutants/{revision}-{which}.jsonl"
    task = MutationRun(revision, options.sample, options.key, earlier[0]["mutants"] if earlier else [], state)
    mutants = run(task, options.processes)
    from benchmarks.measure import machine  # these import ours: not before the tests have run
    from overtraining.theory.derivations.checker.equivalents import recorded_reasons

    judged, wrong = explained(mutants, recorded_reasons(RECORD))
    report = report_on([*earlier, {"revision": revision, "mutants": judged}], wrong)
    write_report(report, machine(), options.out)
    print(report.text())
    return int(bool(wrong) or any(mutant["outcome"] == "survived" for mutant in judged))


if __name__ == "__main__":
    sys.exit(main())
