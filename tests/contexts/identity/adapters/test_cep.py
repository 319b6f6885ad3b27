"""The postal code lookup, against a real server that answers like ViaCEP."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError

PAULISTA = {
    "cep": "01310-100",
    "logradouro": "Avenida Paulista",
    "complemento": "de 612 a 1510 - lado par",
    "bairro": "Bela Vista",
    "localidade": "São Paulo",
    "uf": "SP",
    "ibge": "3550308",
}
ANSWERS: dict[str, tuple[int, bytes]] = {
    "01310100": (200, json.dumps(PAULISTA).encode()),
    "00000000": (200, b'{"erro": "true"}'),
    "11111111": (500, b"oops"),
    "22222222": (200, b"<html>"),
    "33333333": (200, b"[]"),
    "44444444": (200, b'{"cep": "44444-444"}'),
}


class ViaCep(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.hang = Event()


class Handler(BaseHTTPRequestHandler):
    server: ViaCep

    def do_GET(self) -> None:
        cep = self.path.split("/")[2]
        self.server.asked.append(cep)
        if cep == "55555555":
            self.server.hang.wait(10)
            return
        status, body = ANSWERS[cep]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def viacep(settings: Any) -> Iterator[ViaCep]:
    server = ViaCep()
    thread = Thread(target=server.serve_forever)
    thread.start()
    settings.CEP_LOOKUP_URL = f"http://127.0.0.1:{server.server_port}/ws/{{cep}}/json/"
    settings.CEP_LOOKUP_TIMEOUT = 0.5
    yield server
    server.hang.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("written", ["01310100", "01310-100", "01.310-100"])
def test_a_postal_code_gives_the_place(api: Callable[..., Any], viacep: ViaCep, written: str) -> None:
    answer = api(f"cep/{written}")
    assert answer.status_code == 200
    assert answer.json() == {
        "cep": "01310100",
        "street": "Avenida Paulista",
        "district": "Bela Vista",
        "city": "São Paulo",
        "state": "SP",
        "ibge_code": "3550308",
    }


def test_a_place_and_an_unknown_code_are_asked_for_once(api: Callable[..., Any], viacep: ViaCep) -> None:
    statuses = [api(f"cep/{cep}").status_code for cep in ("01310100", "01310100", "00000000", "00000000")]
    assert statuses == [200, 200, 404, 404]
    assert viacep.asked == ["01310100", "00000000"]


def test_an_unknown_code_is_not_found(api: Callable[..., Any], viacep: ViaCep) -> None:
    assert api("cep/00000000").json()["code"] == "cep_not_found"


@pytest.mark.parametrize("cep", ["11111111", "22222222", "33333333", "44444444", "55555555"])
def test_a_broken_service_is_unavailable_and_asked_again(api: Callable[..., Any], viacep: ViaCep, cep: str) -> None:
    answers = [api(f"cep/{cep}") for _ in range(2)]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "cep_lookup_unavailable")] * 2
    assert viacep.asked == [cep, cep]


def test_without_a_service_the_address_must_be_typed(api: Callable[..., Any], settings: Any) -> None:
    settings.CEP_LOOKUP_URL = ""
    answer = api("cep/01310100")
    assert (answer.status_code, answer.json()["code"]) == (503, "cep_lookup_unavailable")


@pytest.mark.parametrize("cep", ["123", "0131010a", "013101000"])
def test_what_is_no_postal_code_is_not_asked_for(api: Callable[..., Any], viacep: ViaCep, cep: str) -> None:
    answer = api(f"cep/{cep}")
    assert (answer.status_code, answer.json()["code"]) == (422, "cep_invalid")
    assert viacep.asked == []


def test_a_known_place_needs_no_service(api: Callable[..., Any], viacep: ViaCep, settings: Any) -> None:
    api("cep/01310100")
    settings.CEP_LOOKUP_URL = ""
    assert api("cep/01310100").status_code == 200
    cache.clear()
    assert api("cep/01310100").status_code == 503


def test_without_a_cache_the_service_is_asked_each_time(
    api: Callable[..., Any], viacep: ViaCep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("Redis is away")

    monkeypatch.setattr("contexts.identity.adapters.cep.cache.get", away)
    monkeypatch.setattr("contexts.identity.adapters.cep.cache.set", away)
    assert [api(f"cep/{cep}").status_code for cep in ("01310100", "01310100", "00000000")] == [200, 200, 404]
    assert viacep.asked == ["01310100", "01310100", "00000000"]
