"""Measure the time that the page takes, in a browser, from the drag of a control to the redrawn pictures."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.browser import chromium
from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport

SIZES = {"desktop": (1280, 800), "phone": (360, 740)}

# Each value is sent to the control as a finger would send it. `work` is the time until everything is computed and laid
# out, `frame` the time until the frame after the one that shows it.
DRAG = """async ([control, count]) => {
    const target = document.getElementById(control), times = [];
    const send = control === "loss"
        ? (share, i) => {
            target.setPointerCapture = () => {}; // there is no pointer to capture
            const box = target.getBoundingClientRect();
            const clientX = box.left + 46 + share * (box.width - 72);
            for (const kind of i === 0 ? ["down", "move"] : i === count - 1 ? ["move", "up"] : ["move"])
                target.dispatchEvent(new PointerEvent(`pointer${kind}`, { clientX, clientY: box.top + 60 }));
        }
        : (share) => {
            target.value = Math.round(share * target.max);
            target.dispatchEvent(new Event("input"));
        };
    for (let i = 0; i < count; i++) {
        await new Promise(requestAnimationFrame);
        const start = performance.now();
        send((i + 0.5) / count, i);
        document.body.getBoundingClientRect();
        const work = performance.now() - start;
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        times.push([work, performance.now() - start]);
    }
    return times;
}"""
CONTROLS = {"length, in a picture": "loss", "noise": "gamma", "budget": "T", "decay of the spectrum": "alpha"}
HEAVY = "#n=8&alpha=2&eps=1e-12&gamma=0.1&task=aligned&k=0.5&T=1&t=10"  # the most features, all with a turning point


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Median and largest times for drags of the length, and of settings that redraw every curve."""
    from overtraining.demos.page import write_page

    with TemporaryDirectory() as folder, chromium() as browser:
        address = write_page(Path(folder) / "page.html").as_uri()
        return [measure_page(browser, address, 60 if preset == "full" else 5)]


def measure_page(browser: Any, address: str, count: int) -> BenchmarkReport:
    """The same for the page at an address, in a running browser."""
    rows = []
    for size, (width, height) in SIZES.items():
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(address + HEAVY)
        for what, control in CONTROLS.items():
            times = np.array(page.evaluate(DRAG, [control, count]))
            work, frame = np.median(times, axis=0)
            rows.append(
                {
                    "size": size,
                    "dragged": what,
                    "work (ms)": float(work),
                    "largest": float(times[:, 0].max()),
                    "to the next frame (ms)": float(frame),
                }
            )
        page.close()
    return BenchmarkReport(
        "page",
        f"From a drag to the redrawn page, medians of {count}, eight features",
        rows,
        ["Work: formulas, SVG and layout. A frame comes every 16.7 ms.", f"Chromium {browser.version} without a GPU."],
    )
