"""Just enough HTTP: a request read from WSGI, an answer, and a table of routes."""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hmac import compare_digest
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from tests.sandbox_psp.messages import Refusal, encode

MAXIMUM_BODY = 256 * 1024
REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
ANY_ORIGIN = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "authorization, content-type"),
    ("Access-Control-Max-Age", "86400"),
]
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
T = TypeVar("T")


class Request:
    __slots__ = ("_body", "environ", "item")

    def __init__(self, environ: Environ, item: str) -> None:
        self.environ = environ
        self.item = item
        """The identifier in the path."""
        self._body: bytes | None = None

    def json(self, decoder: msgspec.json.Decoder[T]) -> T:
        """Return the body, which must fit ``decoder``; an absent body counts as ``{}``.

        Raises:
            Refusal: it is too large, not JSON, or does not fit.
        """
        try:
            return decoder.decode(self.body() or b"{}")
        except msgspec.ValidationError as error:
            raise Refusal(422, "invalid_request", str(error)) from error
        except msgspec.DecodeError as error:
            raise Refusal(400, "not_json", str(error)) from error

    def body(self) -> bytes:
        if self._body is not None:
            return self._body
        length = int(self.environ.get("HTTP_CONTENT_LENGTH") or self.environ.get("CONTENT_LENGTH") or 0)
        if length > MAXIMUM_BODY:
            raise Refusal(413, "too_large", "the body is too large")
        body: bytes = self.environ["wsgi.input"].read()
        self._body = body
        return body

    def form_or_json(self, type_: type[T]) -> T:
        """Return the body, sent by a program as JSON or by the page as a form."""
        if not self.is_form:
            return self.json(msgspec.json.Decoder(type_))
        fields = {name: values[-1] for name, values in parse_qs(self.body().decode()).items()}
        try:
            return msgspec.convert(fields, type_, strict=False)
        except msgspec.ValidationError as error:
            raise Refusal(422, "invalid_request", str(error)) from error

    @property
    def is_form(self) -> bool:
        """Whether a page sent it. What ``curl -d '{…}'`` sends claims to be a form too, and is none."""
        type_: str = self.environ.get("CONTENT_TYPE", "") or self.environ.get("HTTP_CONTENT_TYPE", "")
        return type_.startswith("application/x-www-form-urlencoded") and not self.body().startswith(b"{")

    def query(self, name: str, default: str = "") -> str:
        query: str = self.environ.get("QUERY_STRING", "")
        return parse_qs(query).get(name, [default])[-1]

    def header(self, name: str) -> str:
        value: str = self.environ.get(f"HTTP_{name}", "")
        return value


@dataclass(slots=True)
class Response:
    status: int
    body: bytes
    type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)


Handler = Callable[[Request], Response]


def answer(value: object, status: int = 200) -> Response:
    return Response(status, encode(value))


def redirect(location: str) -> Response:
    return Response(303, b"", "text/plain", [("Location", location)])


@dataclass(frozen=True, slots=True)
class Route:
    handler: Handler
    keys: tuple[str, ...] = ()
    """The bearer keys that open it; empty: no key is asked."""
    local: bool = False
    """Only for programs and people on this machine."""
    any_origin: bool = False
    """Whether scripts of any web page may read the answer."""


class Application:
    """The WSGI callable. A path is looked up with its identifier (``ch_…``) replaced by ``{id}``."""

    def __init__(self, routes: dict[tuple[str, str], Route], *, local_only: bool) -> None:
        self._routes = routes
        self._paths = {path for _, path in routes}
        self._local_only = local_only

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path, item = _parts(environ["PATH_INFO"])
        route = self._routes.get((environ["REQUEST_METHOD"], path))
        try:
            response = self._respond(route, path, Request(environ, item))
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message, **refusal.facts}
            response = answer({"error": error}, refusal.status)
        except Exception:
            traceback.print_exc()
            response = answer({"error": {"code": "bug", "message": "see the log of the server"}}, 500)
        headers = [("Content-Type", response.type), ("Content-Length", str(len(response.body))), *response.headers]
        if route is not None and route.any_origin:
            headers += ANY_ORIGIN
        start_response(REASONS[response.status], headers)
        return [response.body]

    def _respond(self, route: Route | None, path: str, request: Request) -> Response:
        if route is None:
            known = path in self._paths
            raise Refusal(405 if known else 404, "method_not_allowed" if known else "not_found", f"no {path} here")
        if route.keys:
            given = request.header("AUTHORIZATION").removeprefix("Bearer ").encode()
            if not any(compare_digest(given, key.encode()) for key in route.keys):
                raise Refusal(401, "unauthorized", "give the key as Authorization: Bearer")
        if route.local and self._local_only and request.environ["REMOTE_ADDR"] not in ("127.0.0.1", "::1"):
            raise Refusal(403, "local_only", "the control page is for this machine only; see --control-open")
        return route.handler(request)


def _parts(path: str) -> tuple[str, str]:
    """Return the path with its identifier replaced by ``{id}``, and the identifier."""
    if "/ch_" not in path:
        return path, ""
    item = next(part for part in path.split("/") if part.startswith("ch_"))
    return path.replace(item, "{id}", 1), item
