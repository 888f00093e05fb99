"""Run the code of pages as a reader does: in plain Python, without the tests' checks of types and settings of JAX.

`python -W error -m tests.docs.run_pages PAGE …` prints, as JSON, what went wrong on each page: nothing if all ran.
"""

import doctest
import json
import os
import sys
import traceback
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.docs.pages import Block, blocks

PYTHON = ("python", "pycon")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NOT_INSTALLED = ("torch",)
"""Libraries that readers have and the tests may lack: a block that imports one is compiled, and run where it can be."""


class BatchSystem(SimpleNamespace):
    """Stands for `dask_jobqueue`, which needs a batch system: keeps what a page asks for, and submits nothing."""

    scheduler_address = "tcp://login:8786"

    def scale(self, jobs: int) -> None:
        assert jobs > 0


def run(source: str, page: str) -> None:
    """Run all blocks of Python of a page in one namespace; AssertionError if a doctest prints something else."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(source):
        if block.language in PYTHON:
            _run_block(block, page, namespace)


def _run_block(block: Block, page: str, namespace: dict[str, Any]) -> None:
    if ">>> " not in block.text:
        code = compile("\n" * (block.line - 1) + block.text, page, "exec")  # so that a traceback names the line
        if any(f"import {library}" in block.text and not find_spec(library) for library in NOT_INSTALLED):
            return
        with redirect_stdout(StringIO()):
            exec(code, namespace)
        return
    test = doctest.DocTestParser().get_doctest(block.text, {}, page, page, block.line - 1)
    test.globs = namespace
    said = StringIO()
    outcome = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.write, clear_globs=False)
    assert outcome.attempted
    assert not outcome.failed, said.getvalue()


def run_in_empty_folder(path: Path) -> str:
    """What went wrong on a page, whose reader answers every question with Enter; "" if nothing did."""
    import matplotlib as mpl

    source, home = path.read_text(encoding="utf-8"), Path.cwd()
    with TemporaryDirectory() as folder, mpl.rc_context({"backend": "agg"}):
        os.chdir(folder)
        try:
            with patch("builtins.input", lambda _="": ""):
                run(source, str(path))
        except BaseException:
            return traceback.format_exc()
        finally:
            os.chdir(home)
            mpl.pyplot.close("all")
    return ""


def main() -> None:
    """Run the pages that are named."""
    import matplotlib.pyplot  # noqa: F401  # the attribute that is used above

    sys.modules["dask_jobqueue"] = SimpleNamespace(SLURMCluster=BatchSystem)  # type: ignore[assignment]
    wrong = {page: run_in_empty_folder(Path(page)) for page in sys.argv[1:]}
    print(json.dumps(wrong))


if __name__ == "__main__":
    main()
