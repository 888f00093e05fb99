"""The mutation score of `theory/`: which of a fixed random sample of changed formulas its tests notice.

    python -m benchmarks.mutants --revision BEFORE                          # 200 mutants, half an hour of CPU time
    python -m benchmarks.mutants --again benchmarks/results/mutants.json    # the same mutants, later

Each mutant meets the check of its claim, the test file and doctests of its module, and the tests near it. A stopped run
continues where it stopped.
"""

import argparse
import json
import runpy
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import grimp

from benchmarks.mutant_trials import CLAIM_CHECK, HOME, OUTCOMES, Trial, copy_of, judge, run_tests, stages_of
from benchmarks.mutation_sites import Site, find_again, sample, sites_below
from benchmarks.report import BenchmarkReport, write_report


def run(revision: str, size: int, key: int, earlier: Sequence[Mapping[str, Any]], state: Path) -> list[dict[str, Any]]:
    """Judge a sample, or the mutants of an earlier run, and write each result to `state` as soon as it is known."""
    state.parent.mkdir(parents=True, exist_ok=True)
    lines = state.read_text(encoding="utf-8").splitlines() if state.exists() else []
    done = {site_of(mutant): mutant for mutant in map(json.loads, lines)}
    with copy_of(revision):
        sites = sites_below(Path("theory"), Path())
        graph = grimp.build_graph("overtraining", "tests", cache_dir=None)
        claims = runpy.run_path("theory/derivations/__init__.py")["CLAIMS"]
        chosen = {site_of(mutant): mutant for mutant in earlier} or {site: {} for site in sample(sites, size, key)}
        for site, before in chosen.items():
            if site not in done:
                here, known = find_again(site, sites), before.get("test", "")
                trial = judge(here, stages_of(site.file, graph, claims), known) if here else Trial("gone")
                done[site] = {**asdict(site), **asdict(trial), "remark": before.get("remark", "")}
                with state.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(done[site]) + "\n")
                print(len(done), *done[site].values(), flush=True)
        return without_false_alarms([done[site] for site in chosen])


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


def part_of(file: str) -> str:
    """The part of the theory that a file belongs to.

    >>> part_of("theory/learning/flow.py"), part_of("theory/derivations/claims/b1_noise.py")
    ('learning', 'derivations/claims')
    """
    _, *folders, name = Path(file).parts
    return "/".join(folders[:2]) or Path(name).stem


def report_on(runs: Sequence[dict[str, Any]]) -> BenchmarkReport:
    """A row for each part and run, and the survivors of the last run.

    runs: dictionaries with `revision` and `mutants`, as in the JSON file's `curves`.
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
    survivors = [mutant for mutant in runs[-1]["mutants"] if mutant["outcome"] == "survived"]
    lost = sum(site_of(mutant) in died_first for mutant in survivors)  # which new tests that kill others would hide
    remarks = [f"{lost} died in {runs[0]['revision']} and survive in {runs[-1]['revision']}."] * (len(runs) > 1)
    remarks += [f"Survivors of {runs[-1]['revision']}:"]
    remarks += [
        f"{m['file']}, {m['function'] or 'module'}: {m['before']} → {m['after']}: "
        + ("it died before" if site_of(m) in died_first else m["remark"] or "not reviewed")
        for m in survivors
    ]
    title = f"{len(runs[0]['mutants'])} random mutants of theory/ (hanging: killed by the time limit)"
    return BenchmarkReport("mutants", title, rows, remarks, list(runs))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=200, help="number of mutants")
    parser.add_argument("--key", type=int, default=0, help="chooses the sample")
    parser.add_argument("--revision", default="HEAD", help="of git; what is not committed does not count")
    parser.add_argument("--again", type=Path, help="a report: judge its first run's mutants, and report on both")
    parser.add_argument("--out", type=Path, default=HOME / "benchmarks/results", help="folder to write to")
    options = parser.parse_args(arguments)
    name = ["git", "rev-parse", "--short", options.revision]
    revision = subprocess.run(name, cwd=HOME, check=True, capture_output=True, text=True).stdout.strip()
    earlier = json.loads(options.again.read_text(encoding="utf-8"))["curves"][:1] if options.again else []
    which = f"of-{earlier[0]['revision']}" if earlier else f"{options.sample}-{options.key}"
    state = HOME / f"build/mutants/{revision}-{which}.jsonl"
    mutants = run(revision, options.sample, options.key, earlier[0]["mutants"] if earlier else [], state)
    from benchmarks.measure import machine  # which imports ours: not before the tests have run

    report = report_on([*earlier, {"revision": revision, "mutants": mutants}])
    write_report(report, machine(), options.out)
    print(report.text())


if __name__ == "__main__":
    main()
