"""Serve the lessons to a browser on this machine; check derivations on request."""

import ast
import gc
import socket
import tempfile
import webbrowser
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from threading import Lock, Timer
from typing import Any

import marimo
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route

from overtraining.demos.lessons import LESSONS, Lesson
from overtraining.demos.lessons.own_origin import guards
from overtraining.figures.book import write_book
from overtraining.figures.catalogue import CATALOGUE
from overtraining.figures.plain_text import in_page
from overtraining.runtime.worker_process import WorkerProcess
from overtraining.setting.errors import DomainError
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.run import check_all, claim_derivation, order_by_use

HOST = "127.0.0.1"
GALLERY = Path(__file__).parents[3] / "gallery"  # of a clone; an installed copy has none
AGAIN = '<meta http-equiv="refresh" content="1">'


def serve(
    lesson: Lesson | None, port: int = 0, show: bool = True, report: Callable[[str], None] = lambda line: None
) -> None:
    """Serve all lessons until a signal such as Ctrl-C, and open one of them, or their list.

    port: 0 for a free one. Listens on this machine only, and answers its own pages only. Raises DomainError where the
    port is taken.
    """
    from overtraining.demos.lessons import stage  # noqa: F401  (here, so that the first lesson need not wait for it)

    _parse_in_one_thread_at_a_time()
    gc.freeze()  # searching all of this for garbage takes as long as drawing a picture
    with _bound(port) as listening, tempfile.TemporaryDirectory() as folder, Book(Path(folder)) as book:
        address = f"http://{HOST}:{listening.getsockname()[1]}/" + (f"{lesson.name}/" if lesson else "")
        report(f"lessons at {address} (Ctrl-C ends them)")
        if show:
            Timer(0.8, webbrowser.open, (address,)).start()
        settings = uvicorn.Config(application(book), log_level="error", timeout_graceful_shutdown=1)
        uvicorn.Server(settings).run([listening])


def _parse_in_one_thread_at_a_time() -> None:
    """Before CPython 3.11.9 and 3.12.3, two threads that parse at once may fail (gh-106905), as lessons that are opened
    together do. For the whole process, which serves the lessons and does nothing else.
    """
    lock, parse = Lock(), ast.parse

    def parse_alone(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return parse(*args, **kwargs)

    ast.parse = parse_alone


def _bound(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)  # early requests wait
    except (OSError, OverflowError) as error:
        listening.close()
        raise DomainError(f"port {port}", f"it cannot be used: {error}", "pass another --port, or none") from None
    return listening


def application(book: "Book") -> Starlette:
    """The ASGI application: the list at /, lessons at /NAME/, derivations at /book/CLAIM/, figures at /figure/NAME/.

    book: the pages of derivations.
    """
    lessons = marimo.create_asgi_app(quiet=True)
    for lesson in LESSONS:
        lessons = lessons.with_app(path=f"/{lesson.name}", root=str(lesson.path))

    async def page(request: Request) -> Response:
        return book.page(request.path_params["claim"], request.path_params["page"])

    return Starlette(
        routes=[
            Route("/", lambda request: HTMLResponse(contents())),
            Route("/book/{claim}/{page}", page),
            Route("/figure/{name}/", lambda request: drawn(request.path_params["name"])),
            Route("/figure/{name}/picture.png", lambda request: drawn(request.path_params["name"], picture=True)),
            Route("/favicon.ico", lambda request: Response(status_code=204)),  # the book's pages name no icon
            Mount("/", lessons.build()),
        ],
        middleware=guards((HOST, "localhost")),
    )


class Book:
    """Pages of derivations; a claim is checked from scratch, with those that it uses, at the first request.

    folder: where the pages are kept after the check.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checks: dict[str, WorkerProcess | None] = {}  # None: it is done

    def __enter__(self) -> "Book":
        return self

    def __exit__(self, *_: object) -> None:
        for check in self.checks.values():
            if check:
                check.end()

    def page(self, claim: str, name: str) -> Response:
        """The page; while its claim is being checked, a page that says so and reloads itself."""
        if claim not in CLAIMS:
            return _told(f"There is no claim {in_page(claim)}.", 404)
        pages = self.folder / claim
        if claim not in self.checks:
            self.checks[claim] = checking = WorkerProcess()
            checking.send(partial(_write_pages, claim), pages)
        if check := self.checks[claim]:
            if not check.done():
                return _told(f"Checking the derivation of {claim}: every step and every wrong variant …", 202, AGAIN)
            check.end()
            self.checks[claim] = None
        path = pages / name
        if path.parent == pages and path.is_file():
            return FileResponse(path)
        return _told("There is no such page.", 404)


def _write_pages(claim: str, folder: Path) -> None:
    derivations = order_by_use([claim_derivation(claim, CLAIMS)], CLAIMS)
    write_book(derivations, check_all(derivations, CLAIMS), folder)


def drawn(name: str, picture: bool = False) -> Response:
    """A figure of the gallery with its caption and the command that builds it; or the picture alone."""
    if name not in {entry.name for entry in CATALOGUE}:
        return _told(f"There is no figure {in_page(name)}.", 404)
    path = GALLERY / f"{name}.png"
    command = f"<p><code>overtraining figures {name}</code> builds it, with its data.</p>"
    if not path.is_file():
        return HTMLResponse(_page(name, command), 404 if picture else 200)
    caption = escape((GALLERY / f"captions/{name}.txt").read_text(encoding="utf-8"))
    seen = f'<h1>{name}</h1><img src="picture.png" alt="{name}"><p>{caption}</p>{command}'
    return FileResponse(path) if picture else HTMLResponse(_page(name, seen))


def _told(sentence: str, status: int, head: str = "") -> HTMLResponse:
    return HTMLResponse(f"<!DOCTYPE html><title>Derivation</title>{head}<p>{sentence}</p>", status)


def contents() -> str:
    """The list of lessons as a page."""
    rows = "".join(
        f'<li><a href="{row.name}/">{escape(row.title)}</a> <small>{escape(row.claims)} · {row.minutes} minutes · '
        f'<a href="{row.name}/?teacher">for teachers</a></small></li>'
        for row in LESSONS
    )
    return _page(
        "Lessons",
        f"""<h1>Why can training a model for longer make it harder to fine-tune?</h1>
<p>Five lessons on linear networks, in which every answer is a formula. Predict first, then move the sliders.</p>
<ol>{rows}</ol>""",
    )


def _page(title: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 22px/1.5 STIXGeneral, "Times New Roman", serif; max-width: 34em; margin: 10vh auto; padding: 0 1em }}
h1 {{ line-height: 1.15 }} li {{ margin: 0.7em 0 }} a {{ color: #0072B2 }} small {{ display: block; color: #666 }}
img {{ width: 100% }}
</style></head>
<body>{body}</body></html>
"""
