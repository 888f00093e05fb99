"""`overtraining demo`: the server, its addresses, how it ends, and its error messages."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from overtraining.demos.lessons import LESSONS
from overtraining.demos.lessons.own_origin import ANSWER, TOO_LONG
from tests.conftest import Shell

DEMO = (sys.executable, "-m", "overtraining", "demo")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DEMO, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that is up, and the address that it said."""
    with subprocess.Popen([*DEMO, "--no-open"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address
        yield server, address[0]
        server.kill()


def read(address: str) -> str:
    with urlopen(address) as answer:
        text: str = answer.read().decode()
    return text


def test_lists_and_serves_every_lesson(served: tuple[subprocess.Popen[str], str]) -> None:
    contents = read(served[1])
    for lesson in LESSONS:
        assert f'href="{lesson.name}/"' in contents
        assert f"<title>{lesson.title}</title>" in read(f"{served[1]}{lesson.name}/")


def test_derives_a_claim_when_asked(served: tuple[subprocess.Popen[str], str]) -> None:
    address, patience = f"{served[1]}book/B1/claim-B1.html", time.monotonic() + 120
    assert "Checking the derivation of B1" in read(address)
    while "Checking the derivation of B1" in (page := read(address)):
        assert time.monotonic() < patience
        time.sleep(0.2)
    assert "proved" in page
    assert "factor ½ missing" in page  # a wrong variant, rejected
    assert "book.css" in page
    assert "}" in read(f"{served[1]}book/B1/book.css")
    for wrong in ("book/Z9/claim-Z9.html", "book/B1/nothing.html", "book/B1/..%2f..%2fpasswd", "nothing/"):
        with pytest.raises(HTTPError, match="404"):
            read(served[1] + wrong)


def test_shows_a_figure_that_a_lesson_names(served: tuple[subprocess.Popen[str], str]) -> None:
    page = read(f"{served[1]}figure/random-start/")
    assert "overtraining figures random-start" in page
    with urlopen(f"{served[1]}figure/random-start/picture.png") as picture:
        assert picture.read(4) == b"\x89PNG"
    with pytest.raises(HTTPError, match="404"):
        read(f"{served[1]}figure/nothing/")
    with pytest.raises(HTTPError, match="404"):
        read(f"{served[1]}figure/nothing/picture.png")


WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def asked(address: str, path: str, method: str = "GET", **said: str) -> tuple[int, str, list[str]]:
    """Code, text and names of the headers of the answer to a request with these headers."""
    place = urlsplit(address).netloc
    connection = HTTPConnection(place)
    connection.putrequest(method, f"/{path}", skip_host=True)
    for name, value in {"Host": place, **said}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    try:
        text = "" if answer.status == HTTPStatus.SWITCHING_PROTOCOLS else answer.read().decode()
        return answer.status, text, [name.lower() for name in answer.headers]
    finally:
        answer.close()
        connection.close()


@pytest.mark.parametrize("path", ["", "features/", "figure/random-start/", "book/B9/claim-B9.html", "features/ws"])
@pytest.mark.parametrize(
    "stranger",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},  # another server of this machine
        {"Origin": "https://127.0.0.1"},
        {"Host": "evil.example", "Origin": "http://evil.example"},  # a name that was made to point here
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
def test_a_stranger_s_page_gets_nothing(
    served: tuple[subprocess.Popen[str], str], path: str, stranger: dict[str, str]
) -> None:
    socket_ = WEBSOCKET if path.endswith("/ws") else {}
    status, text, headers = asked(served[1], f"{path}?session_id=s_strang" if socket_ else path, **socket_, **stranger)
    assert status in (400, 403)
    assert text in ("", "Invalid host header", ANSWER)
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("before", ["", "features/", "figure/", "book/", "book/B9/", "features/@file/"])
@pytest.mark.parametrize("name", ["x" * 300, "%C3%A4" * 128, "x" * 60_000], ids=["300", "unicode", "60,000"])
def test_a_very_long_name_is_refused(served: tuple[subprocess.Popen[str], str], before: str, name: str) -> None:
    status, text, _ = asked(served[1], f"{before}{name}")
    assert (status, text) == (414, TOO_LONG)


def test_a_name_of_the_longest_kind_is_just_missing(served: tuple[subprocess.Popen[str], str]) -> None:
    assert asked(served[1], f"book/B9/{'x' * 255}")[0] in (202, 404)


def test_a_stranger_may_not_ask_what_it_may_do(served: tuple[subprocess.Popen[str], str]) -> None:
    preflight = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST"}
    status, text, headers = asked(served[1], "features/api/kernel/run", "OPTIONS", **preflight)
    assert (status, text) == (403, ANSWER)
    assert not [name for name in headers if name.startswith("access-control")]


def test_its_own_pages_are_answered(served: tuple[subprocess.Popen[str], str]) -> None:
    port = urlsplit(served[1]).port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        own = {"Host": host, "Origin": f"http://{host}", "Sec_Fetch_Site": "same-origin"}
        for path in ("", "features/"):
            status, _, headers = asked(served[1], path, **own)
            assert status == 200
            assert "access-control-allow-origin" not in headers
        opened, _, _ = asked(served[1], f"features/ws?session_id=s_own{host[0]}xx", **WEBSOCKET, **own)
        assert opened == HTTPStatus.SWITCHING_PROTOCOLS
    assert asked(served[1], "", Sec_Fetch_Site="none")[0] == 200  # an address that the user typed


def test_ctrl_c_ends_it_cleanly(served: tuple[subprocess.Popen[str], str]) -> None:
    """Last of this module: the server is gone after it."""
    server, _ = served
    server.send_signal(signal.SIGINT)
    _, said = server.communicate(timeout=60)
    assert server.returncode == 130
    assert said == "overtraining: stopped; the lessons have stored nothing\n"


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wrong = run("--no-open", "--port", str(taken.getsockname()[1]))
    assert wrong.returncode == 2
    assert "cannot be used" in wrong.stderr
    assert "Traceback" not in wrong.stderr


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command sets it, but for one test only."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


@pytest.mark.usefixtures("one_thread")
def test_listing_and_unknown_names(shell: Shell) -> None:
    shown = shell("demo", "--list").stdout
    assert all(lesson.title in shown for lesson in LESSONS)
    wrong = shell("demo", "forgeting")
    assert wrong.returncode == 2
    assert "forgetting" in wrong.stderr


@pytest.mark.usefixtures("one_thread")
def test_without_the_extra(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "overtraining.demos.lessons.serve", raising=False)
    monkeypatch.setitem(sys.modules, "marimo", None)
    wrong = shell("demo")
    assert wrong.returncode == 2
    assert "pip install 'overtraining[demo]'" in wrong.stderr
    assert "Traceback" not in wrong.stderr
