"""The identity of the software: versions and a hash of the sources, so that a store never mixes two of them."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import grimp

from overtraining.simulations.sweeps.measures import module_of

LIBRARIES = ("numpy", "scipy", "jax", "jaxlib", "diffrax", "equinox", "optax")


@cache
def software_identity(measure: str) -> dict[str, str]:
    """Versions of Python, of this project and of what it computes with, and the SHA-256 of the sources of `measure`.

    >>> sorted(software_identity("response"))[-3:]
    ['python', 'scipy', 'sources']
    """
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in ("overtraining", *LIBRARIES):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a source tree: its hash below says more than a version
            versions[name] = "not installed"
    return versions | {"sources": _sources(module_of(measure))}


@cache
def processor() -> str:
    """The kind of processor of this machine; another kind may round differently."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{platform.machine()} {names[0]}" if names else platform.machine()


def _sources(module: str) -> str:
    """The hash of all files that the workers and the measure import; of a user's own measure, its own file."""
    graph = _graph()
    digest = hashlib.sha256()
    modules = {module}
    for start in {module, "overtraining.simulations.sweeps.worker"} & graph.modules:
        modules |= {start} | set(graph.find_upstream_modules(start))
    for name in sorted(modules):
        spec = find_spec(name)
        digest.update(f"{name}\n".encode() + Path(str(spec and spec.origin)).read_bytes())
    return digest.hexdigest()


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("overtraining", cache_dir=None)
