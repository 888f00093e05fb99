"""Names of models that are paths on the machine where they were evaluated: the part that tells them apart."""

from collections.abc import Iterable


def without_shared_folders(names: Iterable[str]) -> dict[str, str]:
    """What to call the models whose names begin with a slash: without the folders that all of them lie in.

    A name begins at the first folder in which the paths differ, or at that of the checkpoint, `*`. Names that are no
    such paths are left out, and so are all if a short name would be that of another model.

    >>> without_shared_folders(["/scratch/me/runs/a/hf", "/scratch/me/runs/b/hf", "lab/m"])
    {'/scratch/me/runs/a/hf': 'a/hf', '/scratch/me/runs/b/hf': 'b/hf'}
    >>> without_shared_folders(["/d/sft-on-step*/checkpoint-500"])
    {'/d/sft-on-step*/checkpoint-500': 'sft-on-step*/checkpoint-500'}
    """
    known = dict.fromkeys(names)
    paths = {name: name.strip("/").split("/") for name in known if name.startswith("/")}
    if not paths:
        return {}
    shared = 0
    while len({tuple(parts[: shared + 1]) for parts in paths.values()}) == 1 and shared < max(map(len, paths.values())):
        shared += 1
    short = {name: "/".join(parts[_begin(parts, shared) :]) for name, parts in paths.items()}
    taken = set(short.values()) & set(known)
    return {} if taken or len(set(short.values())) < len(short) or not all(short.values()) else short


def _begin(parts: list[str], shared: int) -> int:
    """The place of the first part that is kept: of the last one, at the latest."""
    marked = next((i for i, part in enumerate(parts) if "*" in part), shared)
    return min(marked, shared, len(parts) - 1)
