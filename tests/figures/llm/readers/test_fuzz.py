"""Mutants of result files: none crashes a reader, and one that stays valid reads to the numbers in its bytes.

500 mutants by default; as many as the variable OVERTRAINING_MUTANTS says under `make fuzz`.
"""

import json
import os
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from overtraining.figures.llm.readers import read_file
from overtraining.figures.llm.tidy import Row, tidy_table
from overtraining.setting.errors import Refusal, SchemaError
from tests.figures.llm import samples

MUTANTS = int(os.environ.get("OVERTRAINING_MUTANTS", "500"))
TOKENS = (b"NaN", b"-Infinity", b"1e999", b"null", b"true", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\n", b"\x00",
          b"\xff", b"\xef\xbb\xbf", b"-", b"1_0", b"0x10", b"1e-5", b"7", b"9" * 40, b'"N/A"', b"acc,none", b"_stderr",
          b"results", b"value", "٣".encode(), b'{"a":' * 2000)  # fmt: skip

SELECTED = ("config_general", "log_history", "model_config", "task_config", "eval_metrics")
"""Keys of formats whose readers leave numbers out."""


def originals() -> dict[str, bytes]:
    own = {
        "old.json": json.dumps(samples.old(), indent=1),
        "new.json": json.dumps(samples.new()),
        "openlm.json": json.dumps(samples.openlm()),
        "wandb.csv": samples.WANDB,
        "page.csv": samples.WANDB_PAGE,
        "plain.csv": samples.PLAIN,
        "lighteval.json": json.dumps(samples.lighteval()),
        "olmes.json": json.dumps({"tasks": [samples.olmes()]}),
        "log.jsonl": samples.JSON_LOG,
        "trainer_state.json": json.dumps(samples.trainer_state()),
        "evaluation_run.json": json.dumps(samples.openlm_eval()),
        "run-a-tag-eval_loss.csv": samples.TENSORBOARD,
        "train.log": samples.LOG,
    }
    found = {name: text.encode() for name, text in own.items()}
    folder = samples.SHARED / "formats"
    if folder.exists() or os.environ.get("CI"):  # there the real files must be
        real = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".csv")]
        assert len(real) == 4
        found |= {path.name: path.read_bytes() for path in real}
    return found


def mutant(draw: np.random.Generator, files: dict[str, bytes]) -> tuple[str, bytes]:
    """One to three small changes of one file."""
    name = str(draw.choice(list(files)))
    data = files[name]
    for _ in range(draw.integers(1, 4)):
        i, j = sorted(int(x) for x in draw.integers(0, len(data) + 1, 2))
        j = min(j, i + 200)
        numbers = [m.span() for m in re.finditer(rb"\d+\.?\d*", data)] or [(i, j)]
        a, b = numbers[draw.integers(len(numbers))]
        other = files[str(draw.choice(list(files)))]
        token = TOKENS[draw.integers(len(TOKENS))]
        match draw.integers(8):
            case 0:
                data = data[:i] + bytes([draw.integers(256)]) + data[i + 1 :]
            case 1:
                data = data[:i] + data[j:]
            case 2:
                data = data[:j] + data[i:]
            case 3:
                data = data[:i] + token + data[i:]
            case 4:
                data = data[:a] + str(draw.integers(10**6)).encode() + data[b:]
            case 5:
                data = data[:a] + repr(draw.random()).encode() + data[b:]
            case 6:
                data = data[:a] + token + data[b:]
            case _:
                data = data[:i] if draw.random() < 0.3 else data[:i] + other[i:j] + data[j:]
    return name, data


def leaves(text: str) -> list[tuple[tuple[str, ...], str]]:
    """Path and bytes of every scalar of a JSON text, by a parser of our own that knows no floats."""
    token = re.compile(r'[\s,:]*("(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,:{}\[\]"]+)', re.DOTALL)
    found: list[tuple[tuple[str, ...], str]] = []
    path: list[str] = []
    kinds: list[str] = []  # of the containers that are open; an open key is pending in an object
    pending: list[str | None] = []
    for match in token.finditer(text):
        part = match[1]
        if part in "}]":
            kinds.pop(), pending.pop()
            path[-1:] = []
            continue
        if kinds and kinds[-1] == "{" and pending[-1] is None:
            pending[-1] = json.loads(part, strict=False)
            continue
        key = (pending[-1] or "") if kinds and kinds[-1] == "{" else "[]"
        if part in "{[":
            path.append(key)
        else:
            found.append(((*path[1:], key), part))
        if kinds:
            pending[-1] = None
        if part in "{[":
            kinds.append(part), pending.append(None)
    return found


def told(path: Path, data: bytes) -> tuple[Counter[float], bool]:
    """All numbers that could be measurements, and whether the rows must be exactly these."""
    text = data.decode("utf-8-sig")
    is_json = text.lstrip().startswith("{") and path.suffix != ".jsonl"
    exactly = is_json and not any(key in text for key in SELECTED)
    if is_json and not exactly:
        tokens = [value for _, value in leaves(text)]
    elif exactly:
        entries = [
            (path, value)
            for path, value in leaves(text)
            if len(path) == 3 and path[0] == "results" and not value.startswith('"')
        ]
        new = any("," in path[2] for path, _ in leaves(text) if path[0] == "results" and "[]" not in path)
        tokens = [
            value
            for path, value in entries
            if (path[2] == "loss" if path[1] == "[]" else not re.search("_stderr(,|$)", path[2]))
            and ("," in path[2] or path[1] == "[]" or not new)
        ]
    else:
        tokens = re.findall(r"[-+.\w]+", text)
    number = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.A)
    return Counter(float(Decimal(t)) for t in tokens if number.fullmatch(t)), exactly


def check(path: Path, data: bytes) -> list[Row] | None:
    """The rows of a mutant, after holding them against its bytes; None where it is refused, by name."""
    path.write_bytes(data)
    try:
        rows = read_file(path)
    except Refusal as error:
        if str(path) not in str(error):
            raise
        return None
    values = Counter(row.value for row in rows)
    numbers, exactly = told(path, data)
    assert values == numbers if exactly else values <= numbers, (values - numbers, numbers - values)
    assert all(np.isfinite(row.value) for row in rows)
    try:
        tidy_table(rows)
    except SchemaError as error:
        if " says " not in str(error):
            raise
    return rows


def test_the_originals_read_to_their_own_numbers(tmp_path: Path) -> None:
    for name, data in originals().items():
        assert check(tmp_path / name, data), name


@pytest.mark.parametrize("part", range(10))
def test_mutants(tmp_path: Path, part: int) -> None:
    draw, files, read = np.random.default_rng(part), originals(), 0
    for _ in range(MUTANTS // 10):
        name, data = mutant(draw, files)
        try:
            read += check(tmp_path / name, data) is not None
        except Exception as error:
            error.add_note(f"mutant of {name}: {data[:3000]!r}")
            raise
    assert 0 < read < MUTANTS // 10  # some stay valid, some do not
