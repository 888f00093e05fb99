"""Checks of the files that a command will write, before its work."""

from pathlib import Path

from overtraining.setting.errors import Refusal


def refuse_without_folder(*paths: Path | None) -> None:
    """Refuse files in folders that are not there; None is no file."""
    for path in paths:
        if path and not path.parent.is_dir():
            why = f"there is no such folder to write {path.name} into"
            raise Refusal(str(path.parent), why, "make it first, or correct the path")
