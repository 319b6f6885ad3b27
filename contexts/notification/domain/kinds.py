"""The kinds of message the shop sends."""

from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


class Category(StrEnum):
    """Transactional messages follow from something the recipient did; marketing needs consent and has a daily cap."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


LOCALES = ("pt-br", "en")
DEFAULT_LOCALE = "pt-br"


@dataclass(frozen=True, kw_only=True)
class MessageKind:
    """``channels`` are those the kind may use; ``about_order`` says that its data holds an ``order``."""

    key: str
    label: str
    category: Category = Category.TRANSACTIONAL
    channels: tuple[Channel, ...] = (Channel.EMAIL,)
    about_order: bool = True


KINDS = {
    kind.key: kind
    for kind in (
        MessageKind(key="welcome", label="Boas-vindas", about_order=False),
        MessageKind(key="order_placed", label="Pedido recebido"),
        MessageKind(key="order_confirmed", label="Pagamento confirmado", channels=(Channel.EMAIL, Channel.PUSH)),
        MessageKind(key="order_cancelled", label="Pedido cancelado"),
        MessageKind(key="order_refunded", label="Devolução feita"),
        MessageKind(key="return_requested", label="Devolução pedida"),
        MessageKind(key="return_approved", label="Devolução aceita"),
        MessageKind(key="return_refused", label="Devolução recusada"),
        MessageKind(key="order_shipped", label="Pedido enviado", channels=(Channel.EMAIL, Channel.SMS, Channel.PUSH)),
        MessageKind(key="order_delivered", label="Pedido entregue", channels=(Channel.EMAIL, Channel.PUSH)),
        MessageKind(key="cart_abandoned", label="Carrinho abandonado", category=Category.MARKETING, about_order=False),
        MessageKind(
            key="back_in_stock",
            label="De volta ao estoque",
            channels=(Channel.EMAIL, Channel.PUSH),
            about_order=False,
        ),
    )
}


def known_locale(tag: str) -> str:
    """Return the locale of :data:`LOCALES` that serves a language tag such as ``pt``, ``pt_BR`` or ``en-US``."""
    language = tag.replace("_", "-").lower().partition("-")[0]
    return next((locale for locale in LOCALES if locale.partition("-")[0] == language), DEFAULT_LOCALE)
