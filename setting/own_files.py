"""A user's own Python file as a module: run it, and find what it imports beside it."""

import importlib.util
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from overtraining.setting.errors import Refusal


def load_file(path: str | Path, constant: str) -> ModuleType:
    """The module that a user's file is, run as Python: load only what you would run.

    constant: the name that the file must define.  Raises Refusal if the file is missing, raises, or does not define it.
    """
    path = Path(path)
    if not path.is_file() or path.suffix != ".py":
        why = "it is not a Python file" if path.exists() else "there is no such file"
        raise Refusal(str(path), why, f"pass the path of a .py file that defines {constant}")
    name = f"own_{path.stem}_{zlib.crc32(str(path.resolve()).encode()):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the suffix .py has a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name while they are being defined
    try:
        with imports_from(path.parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as fault:  # an exit must not end the command as if all was well
        del sys.modules[name]
        raise Refusal(str(path), fault_in(path, fault), "make `python` run the file without an error first") from fault
    if not hasattr(module, constant):
        raise Refusal(str(path), f"it defines no {constant}", f"set {constant} in it, as docs/examples does")
    return module


@contextmanager
def imports_from(folder: Path | None) -> Iterator[None]:
    """Within it, modules of this folder can be imported, as by a script there; after it, `sys.path` is as before.

    Modules of the folder that were imported within are forgotten, so that a file of another folder finds its own ones.
    """
    if folder is None:
        yield
        return
    place, known = folder.resolve(), set(sys.modules)
    sys.path.insert(0, str(place))
    importlib.invalidate_caches()  # the files may be newer than the last look into the folder
    try:
        yield
    finally:
        with suppress(ValueError):  # the file may have removed it
            sys.path.remove(str(place))
        for name in set(sys.modules) - known:
            package = name.partition(".")[0]
            if package not in known and _is_in(place, sys.modules.get(package)):
                sys.modules.pop(name)


def _is_in(folder: Path, module: ModuleType | None) -> bool:
    """Whether it is a file or a package of this folder itself, and not of an environment below it."""
    file = getattr(module, "__file__", None)
    places = [Path(file).parent] if file else [Path(path) for path in getattr(module, "__path__", ())]
    return any(place == folder or (hasattr(module, "__path__") and place.parent == folder) for place in places)


def fault_in(path: Path, fault: BaseException) -> str:
    """What a user's file raised, with its line if it happened there."""
    traceback = fault.__traceback__
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return f"it raises {type(fault).__name__}: {fault}" + ("" if line is None else f" (line {line})")
