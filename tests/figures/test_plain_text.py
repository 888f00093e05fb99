"""Text of a file is shown as text, whatever a terminal, a page or Matplotlib would take it for."""

import io
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from overtraining.figures.plain_text import LONGEST, in_page, in_picture, printable

HOSTILE = "$\\x{$ {0.x} ![i](http://evil.example/x.png) <img src='http://evil.example'> \" --> <script>"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("two\r\nlines\u2028three", r"two\r\nlines\u2028three"),
        ("\u202eright to left", r"\u202eright to left"),
        ("half \ud800", r"half \ud800"),
        ("naïve 平均 a\u00a0b 🙂", "naïve 平均 a\u00a0b 🙂"),
        (HOSTILE, HOSTILE),
    ],
)
def test_printable(text: str, seen: str) -> None:
    assert printable(text) == seen
    assert printable(seen) == seen


def test_in_a_page_it_is_data_only() -> None:
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend([tag, *(str(value) for _, value in attrs)])

        def handle_data(self, data: str) -> None:
            found.append(data)

    reader = Reader()
    reader.feed(f'<p title="{in_page(HOSTILE)}">{in_page(HOSTILE)}')
    reader.close()
    assert found == ["p", HOSTILE, HOSTILE]


@pytest.mark.parametrize("text", [HOSTILE, "$\\frac{$ and $", "\\$x\\$", "_hidden", "a\nb"])
def test_in_a_picture_it_is_no_mathematics(text: str, tmp_path: Path) -> None:
    figure, ax = plt.subplots()
    (line,) = ax.plot([0, 1], label=in_picture(text))
    ax.set_title(in_picture(text))
    (entry,) = ax.legend().get_texts()
    figure.savefig(io.BytesIO(), format="svg")
    plt.close(figure)
    for shown in (entry.get_text(), ax.get_title(), line.get_label()):
        drawn, mathematics = ax.title._preprocess_math(shown)
        assert not mathematics
        seen = printable(text)
        assert drawn.removeprefix(" ") == (seen if len(seen) <= LONGEST else f"{seen[: LONGEST - 1]}…")
