"""What reaches the server: requests of its own pages, by addresses that can name a file, and no others."""

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ANSWER = "This server answers its own pages only. Open the address that `overtraining demo` printed."

LONGEST = 255
"""Bytes of a file name, as on every common file system."""

TOO_LONG = f"A part of this address is longer than {LONGEST} bytes. Open the address that `overtraining demo` printed."


class OwnOrigin:
    """Middleware that refuses, with code 403, every request and WebSocket that a page of another origin makes.

    Browsers say whose page asks in `Origin` (WebSockets, and what scripts ask for) or in `Sec-Fetch-Site` (the rest:
    pictures, scripts, frames, links). A program that says neither is none that a stranger's page can start.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass the request on without its origin, so that no CORS header is added to the answer."""
        if scope["type"] in ("http", "websocket"):
            headers, send = Headers(scope=scope), _closing(send)
            own = headers.get("origin") in (None, f"http://{headers.get('host')}")
            if not own or headers.get("sec-fetch-site") not in (None, "none", "same-origin"):
                await PlainTextResponse(ANSWER, 403)(scope, receive, send)
                return
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"origin"]}
        await self.app(scope, receive, send)


class ShortNames:
    """Middleware that answers, with code 414, addresses with a longer part than any file name."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass the request on."""
        if any(len(part.encode()) > LONGEST for part in scope.get("path", "").split("/")):
            await PlainTextResponse(TOO_LONG, 414)(scope, receive, _closing(send))
            return
        await self.app(scope, receive, send)


def guards(hosts: tuple[str, ...]) -> list[Middleware]:
    """The middleware of a server that is known by these names only; a stranger can make another name point to it."""
    known = Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    return [Middleware(OwnOrigin), known, Middleware(ShortNames)]


def _closing(send: Send) -> Send:
    """Sends on, but a WebSocket that is refused with a text is closed (403): uvicorn logs the text as an error."""

    async def closing(message: Message) -> None:
        if message["type"] == "websocket.http.response.start":
            await send({"type": "websocket.close"})
        elif message["type"] != "websocket.http.response.body":
            await send(message)

    return closing
