"""Which gateway takes which way to pay: the setting ``PAYMENT_GATEWAYS``, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from contexts.order.adapters.gateway import PaymentGateway
from contexts.order.adapters.sandbox import SandboxGateway
from contexts.order.adapters.stripe import StripeGateway
from contexts.order.domain import METHOD_LABELS, InstalmentsRefused, Method
from ecommerce.errors import Invalid

CLASSES: Mapping[str, type[PaymentGateway]] = {each.name: each for each in (SandboxGateway, StripeGateway)}
"""Every gateway there is. A new one is named here and nowhere else."""


class MethodUnavailable(Invalid):
    """No gateway of this shop takes this way to pay; ``available`` names those that are taken."""

    code = "method_unavailable"


def gateway_for(method: Method, *, instalments: int = 1) -> str:
    """Return the name of the gateway that takes payments of a method.

    Raises:
        MethodUnavailable
        InstalmentsRefused: that gateway has none.
    """
    name = settings.PAYMENT_GATEWAYS.get(method.value)
    if name is None:
        raise MethodUnavailable(
            f"Esta loja não aceita {METHOD_LABELS[method]}.",
            method=method.value,
            available=sorted(settings.PAYMENT_GATEWAYS),
        )
    if instalments > 1 and not CLASSES[name].capabilities.instalments:
        raise InstalmentsRefused(f"Não há parcelamento com {METHOD_LABELS[method]} nesta loja.", maximum=1)
    return str(name)


def most_instalments(method: Method) -> int | None:
    """Return how many instalments the gateway of a method allows; None if it leaves that to the shop, and 0 if no
    gateway takes the method at all."""
    name = settings.PAYMENT_GATEWAYS.get(method.value)
    if name is None:
        return 0
    return None if CLASSES[name].capabilities.instalments else 1


@register
def check_gateways(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every method of ``PAYMENT_GATEWAYS`` exists, and goes to a gateway that exists and takes it."""
    return [
        Error(f"PAYMENT_GATEWAYS: {complaint}", hint=hint, id="order.E001")
        for complaint, hint in _complaints(settings.PAYMENT_GATEWAYS)
    ]


def _complaints(chosen: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    methods = {method.value for method in Method}
    for method, name in chosen.items():
        if method not in methods:
            yield f"there is no method {method!r}.", f"Methods are {', '.join(sorted(methods))}."
        elif name not in CLASSES:
            yield f"there is no gateway {name!r} for {method}.", f"Gateways are {', '.join(sorted(CLASSES))}."
        elif Method(method) not in CLASSES[name].capabilities.methods:
            takers = [each for each, made in CLASSES.items() if Method(method) in made.capabilities.methods]
            yield f"{name} does not take {method}.", f"Leave {method} out, or give it to: {', '.join(sorted(takers))}."
    if not chosen:
        yield "no method is taken at all.", "Such as card=stripe,pix=sandbox."
