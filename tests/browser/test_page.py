"""The page in a browser: opened as a file, at the size of a projector and of a phone."""

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.measure import machine
from benchmarks.page import CONTROLS, SIZES, measure_page
from benchmarks.report import write_report
from overtraining.demos.page import write_page
from tests.browser.conftest import SCREENSHOTS, Open

PICTURES = ("features", "loss", "rise", "tuned")
SITUATIONS = (
    "Overtraining",
    "The U",
    "Many minima",
    "An aligned task protects the old one",
    "The trap",
    "Learning more, forgetting less",
)
START = {
    "n": 2,
    "alpha": 1,
    "eps": 0.001,
    "t": 6,
    "gamma": 0.2,
    "T": 1,
    "task": "turned",
    "k": 1.5,
    "angle": 60,
    "axis": "linear",
}
sizes = pytest.mark.parametrize(("width", "height"), SIZES.values(), ids=SIZES)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(tmp_path_factory.mktemp("page") / "overtraining.html").as_uri()


def state(page: Page) -> dict[str, Any]:
    return page.evaluate("state")


def until(page: Page, condition: str) -> None:
    """Wait for a condition; Playwright's own way of waiting needs `eval`, which the page forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never: {condition}")


def drawn(page: Page) -> list[str]:
    """Everything that the four pictures show."""
    return [page.locator(f"#{name}").inner_html() for name in PICTURES]


def asked(page: Page) -> dict[str, str]:
    """What the address says, once it has followed."""
    until(page, "location.hash === written(state)")
    return dict(part.split("=") for part in page.evaluate("location.hash")[1:].split("&"))


@sizes
def test_loads_alone_and_fits(
    visit: Open, address: str, shot: Callable[[Page, str], Path], width: int, height: int
) -> None:
    page, requests = visit("about:blank", width, height), []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    for name in PICTURES:
        expect(page.locator(f"#{name} path.curve").first).to_be_visible()
    assert state(page) == START
    assert requests == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shot(page, f"page-{width}")


@sizes
@pytest.mark.parametrize("name", SITUATIONS)
def test_situations(
    visit: Open, address: str, shot: Callable[[Page, str], Path], width: int, height: int, name: str
) -> None:
    page = visit(address, width, height)
    page.get_by_role("button", name="The trap" if name == "Overtraining" else "Overtraining").click()
    before = drawn(page)
    button = page.get_by_role("button", name=name, exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", pressed=True)).to_have_count(1)
    assert (drawn(page) != before) or name == "Overtraining"
    assert page.locator("#question").inner_text().strip()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    asked(page)
    shot(page, f"page-{width}-{name.lower().replace(' ', '-')}")


def test_what_is_told(visit: Open, address: str) -> None:
    """Rounding is no turn, learned is more than half, the subject of a situation leads, what is held says why."""
    page = visit(f"{address}#k=1.5&angle=60&T=50&gamma=0&t=12")
    told = page.locator("#told")
    expect(told).to_contain_text("downstream loss stays the same")
    expect(page.locator("#why-n")).to_be_visible()
    page.evaluate("set({ t: 7 })")  # the second has 0.36 of its 0.5
    expect(told).to_contain_text("learned 2 of 2 features (more than half of each)")
    page.get_by_role("button", name="An aligned task protects").click()
    expect(told).to_contain_text("pretraining loss only falls; the downstream loss will turn at t = 6.40")
    expect(told.locator(".aside")).to_contain_text("loss after noise")
    expect(page.locator("#why-n")).to_be_hidden()
    page.get_by_role("button", name="Many minima").click()
    expect(told.locator(".aside")).to_contain_text("After fine-tuning")
    expect(page.locator("#loss .still .mark.fill-noise")).to_have_count(2)  # the last minimum, and a deeper one


@sizes
def test_a_slider_moved_by_keys(visit: Open, address: str, width: int, height: int) -> None:
    page = visit(address, width, height)
    if width < 600:
        page.get_by_role("button", name="Spectrum, noise, fine-tuning").click()
    before = drawn(page)
    page.get_by_label("Standard deviation").focus()
    page.keyboard.press("ArrowRight")
    assert asked(page)["gamma"] == "0.205"
    after = drawn(page)
    assert [a != b for a, b in zip(after, before, strict=True)] == [True, True, True, False]  # no noise in the last
    page.get_by_label("same features").check()
    page.get_by_label("Features n").focus()
    page.keyboard.press("End")
    assert asked(page) | {"n": "8", "task": "aligned"} == asked(page)
    expect(page.locator("#features path.curve")).to_have_count(8)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_a_slider_by_keys(visit: Open, address: str, name: str) -> None:
    page = visit(address)
    slider = page.locator(f"#{name}")
    slider.focus()
    for key, t in (("ArrowRight", 6.14), ("ArrowLeft", 6), ("PageUp", 7.4), ("Home", 0), ("End", 14)):
        page.keyboard.press(key)
        assert state(page)["t"] == pytest.approx(t, abs=1e-9)
        expect(slider).to_have_attribute("aria-valuenow", f"{state(page)['t']:g}")
    assert re.match(r"t = 14\.0: .*\d", slider.get_attribute("aria-valuetext") or "")


@pytest.mark.parametrize("name", PICTURES)
def test_a_drag_moves_the_cursor_of_all(visit: Open, address: str, name: str) -> None:
    page = visit(address)
    box = page.locator(f"#{name}").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    places = []
    for share in (0.3, 0.5, 0.8):
        page.mouse.move(box["x"] + share * box["width"], middle)
        lines = page.locator(".cursor line").evaluate_all("lines => lines.map(line => line.getAttribute('x1'))")
        assert max(map(float, lines)) - min(map(float, lines)) < 0.1
        places.append(float(lines[0]))
        assert places[-1] == pytest.approx(share * box["width"], abs=1)
    page.mouse.up()
    page.mouse.move(10, 10)
    assert places == sorted(places)
    assert asked(page)["t"] == f"{state(page)['t']:g}"


def test_a_finger_drags_and_scrolls(visit: Open, address: str) -> None:
    page = visit(address, 360, 740, has_touch=True, is_mobile=True)
    page.locator("#loss").scroll_into_view_if_needed()
    box = page.locator("#loss").bounding_box()
    assert box
    touch = page.context.new_cdp_session(page)

    def swipe(dx: float, dy: float) -> None:
        x, y = box["x"] + 100, box["y"] + 100
        at = lambda i: [{"x": x + dx * i / 8, "y": y + dy * i / 8}]
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at(0)})
        for i in range(1, 9):
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(i)})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(80, 0)
    moved = state(page)["t"]
    assert moved > 6
    before = page.evaluate("scrollY")
    swipe(0, -80)
    until(page, f"scrollY > {before}")
    assert state(page)["t"] == moved  # a finger that scrolls changes nothing


@pytest.mark.parametrize("name", PICTURES)
def test_hovering_shows_values_in_all(visit: Open, address: str, name: str) -> None:
    page = visit(address)
    expect(page.locator(".hover text")).to_have_count(0)
    box = page.locator(f"#{name}").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 60)
    for other in PICTURES:
        rows = page.locator(f"#{other} .hover text").all_text_contents()
        assert rows[0].startswith("t ")
        assert all(re.search(r"\d", row) for row in rows)
        assert len(rows) == page.locator(f"#{other} path.curve").count() + 1
    assert state(page)["t"] == 6
    page.mouse.move(5, 5)
    expect(page.locator(".hover text")).to_have_count(0)


def test_the_address_restores_everything(visit: Open, address: str) -> None:
    first = visit(address)
    first.get_by_role("button", name="Many minima").click()
    for label, key, times in (("Decay", "ArrowLeft", 4), ("Budget", "PageUp", 1), ("Strength", "ArrowRight", 3)):
        first.get_by_label(label).focus()
        for _ in range(times):
            first.keyboard.press(key)
    first.get_by_label("logarithmic").check()
    first.locator("#rise").focus()
    first.keyboard.press("PageUp")
    asked(first)
    second = visit(first.url)
    assert state(second) == state(first)
    assert drawn(second) == drawn(first)
    assert second.locator("#told").inner_html() == first.locator("#told").inner_html()
    values = "inputs => inputs.map(input => [input.value, input.checked, input.disabled])"
    assert second.locator("input").evaluate_all(values) == first.locator("input").evaluate_all(values)
    second.evaluate("location.hash = '#n=5&task=aligned&k=0.37&t=3.25&T=0.123'")  # also between the sliders' stops
    until(second, "state.n === 5")
    assert state(second) == START | {"n": 5, "task": "aligned", "k": 0.37, "t": 3.25, "T": 0.123}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("n=99", "not a whole number from 1 to 8"),
        ("n=2.5&task=aligned", "whole number"),
        ("alpha=steep", "“steep”"),
        ("eps=0", "the start ε"),
        ("gamma=", "the noise γ"),
        ("T=Infinity", "the budget T"),
        ("k=NaN", "strength"),
        ("t=-1", "pretraining length"),
        ("t=1e9", "end at 14"),
        ("n=3", "2"),
        ("task=curved", "aligned or turned"),
        ("axis=up", "linear or log"),
        ("n=3&task=turned", "computed for 2"),
        ("secret=1", "“secret”"),
        ("%E0%A4%A=1", "does not know"),
        ("alpha=<img src=x onerror=alert(1)>", "the exponent"),
    ],
)
def test_a_wrong_address_is_refused_with_a_sentence(visit: Open, address: str, wrong: str, says: str) -> None:
    page = visit(f"{address}#{wrong}")
    message = page.get_by_role("alert")
    expect(message).to_contain_text(says)
    expect(message).to_contain_text("The page shows its first situation instead.")
    assert state(page) == START
    assert "NaN" not in "".join(drawn(page))
    page.get_by_role("button", name="The U").click()
    expect(message).to_be_hidden()


def test_reset_and_copy(visit: Open, address: str) -> None:
    page = visit(address)
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Learning more, forgetting less").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("copied") == page.url
    assert state(visit(page.url)) == state(page)
    page.get_by_role("button", name="Reset").click()
    assert state(page) == START


def test_nothing_is_undefined_at_any_extreme(visit: Open, address: str) -> None:
    """Every control at both ends, and every choice: each number drawn or said is finite, and inside its picture."""
    page = visit(address)
    ends = {name: [stops[0], stops[-1]] for name, stops in page.evaluate("STOPS").items()}
    grid = [dict(zip(ends, values, strict=True)) for values in product(*ends.values())]
    choices = [{"task": task, "axis": axis} for task in ("aligned", "turned") for axis in ("linear", "log")]
    wrong = page.evaluate(
        """([grid, choices]) => grid.flatMap((ends) => choices.map((one) => ({ ...ends, ...one }))).filter((p) => {
            set({ ...p, t: 1e9 });
            const curves = [...document.querySelectorAll("path.curve[d*=L]")].map((path) => path.getAttribute("d"));
            const places = curves.join("L").split(/[ML ]/).filter((text) => text !== "").map(Number);
            const told = document.querySelector("main").innerHTML;
            return /NaN|undefined|Infinity/.test(told) || !places.every((x) => x >= -1 && x < 2000)
                || read(written(state)).refused;
        }).map((p) => JSON.stringify(p))""",
        [grid, choices],
    )
    assert wrong == []


def test_a_drag_is_answered_at_once(browser: Browser, address: str) -> None:
    """Not asserted, for the machine may be busy, but measured, printed and kept: `python -m benchmarks page`."""
    report = measure_page(browser, address, count=20)
    write_report(report, machine(), SCREENSHOTS.parent / "benchmarks")
    print(f"\n{report.text()}")
    assert len(report.rows) == len(SIZES) * len(CONTROLS)
    assert json.loads((SCREENSHOTS.parent / "benchmarks/page.json").read_text())["rows"] == report.rows
