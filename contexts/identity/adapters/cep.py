"""The postal code service (ViaCEP's answers, from whatever URL the settings name)."""

from dataclasses import asdict, dataclass
from typing import Any

import httpx
import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from ecommerce.errors import NotFound, Unavailable
from ecommerce.observability import outgoing

HIT_SECONDS = 30 * 24 * 3600
MISS_SECONDS = 3600
_MISS = "unknown"
log = structlog.get_logger(__name__)


class CepNotFound(NotFound):
    """Nobody lives there: the customer should check the number."""

    code = "cep_not_found"


class CepLookupUnavailable(Unavailable):
    """The service is not configured or does not answer: the customer types the address."""

    code = "cep_lookup_unavailable"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a postal code tells of an address. A code of a whole town has no street and no district."""

    cep: str
    street: str
    district: str
    city: str
    state: str
    ibge_code: str


def find_place(cep: str) -> Place:
    """Return the place of ``cep`` (eight digits), from the cache or the service.

    Places are remembered for 30 days, unknown codes for an hour, failures not at all; without a cache nothing is.

    Raises:
        CepNotFound: there is no such postal code.
        CepLookupUnavailable: no service is configured, or it failed.
    """
    key = f"identity:cep:{cep}"
    if (known := _remembered(key)) is None:
        place = _ask(cep)
        known = asdict(place) if place else _MISS
        _remember(key, known, HIT_SECONDS if place else MISS_SECONDS)
    if known == _MISS:
        raise CepNotFound("CEP não encontrado.")
    return Place(**known)


def _remembered(key: str) -> Any:
    try:
        return cache.get(key)
    except RedisError as error:
        log.warning("cep_without_cache", error=type(error).__name__)
        return None


def _remember(key: str, value: Any, seconds: int) -> None:
    try:
        cache.set(key, value, seconds)
    except RedisError as error:
        log.warning("cep_without_cache", error=type(error).__name__)


def _ask(cep: str) -> Place | None:
    url = settings.CEP_LOOKUP_URL
    if not url:
        raise CepLookupUnavailable("A busca de CEP não está configurada; preencha o endereço.")
    try:
        with outgoing.request("cep", "GET", host=httpx.URL(url).host) as request:
            address = url.format(cep=cep)
            response = httpx.get(address, timeout=settings.CEP_LOOKUP_TIMEOUT, headers=request.headers)
            request.answered(response.status_code)
        response.raise_for_status()
        return _place(cep, response.json())
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CepLookupUnavailable("A busca de CEP não respondeu; preencha o endereço.") from error


def _place(cep: str, answer: dict[str, Any]) -> Place | None:
    if answer.get("erro"):
        return None
    return Place(
        cep=cep,
        street=answer["logradouro"],
        district=answer["bairro"],
        city=answer["localidade"],
        state=answer["uf"],
        ibge_code=answer["ibge"],
    )
