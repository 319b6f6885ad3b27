"""What a buyer pays by: the QR code of a Pix, and a boleto to print."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.template.loader import render_to_string
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request

from contexts.order.domain import boleto
from contexts.order.domain.banking_days import day_of
from contexts.order.models import OPEN, PaymentAttempt
from contexts.order.queries import payment_by_id
from contexts.order.views.access import ORDER_TOKEN, is_visible
from contexts.order.views.drawings import inline_barcode_svg, inline_qr_svg, qr_png, qr_svg
from contexts.order.views.tokens import code_token, is_code_token
from ecommerce import clock
from ecommerce.errors import Conflict, NotFound
from ecommerce.http.conditional import etag_of, not_modified
from ecommerce.http.views import APIView

SEE = "order.view_order"
SECONDS = 60
"""How long a browser shows a code without asking again; paid or lapsed, it should go."""
BRAZILIAN = str.maketrans(".,", ",.")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
PARAMETERS = [
    ORDER_TOKEN,
    OpenApiParameter("token", str, description="O token que vem nos links de codes: mostra só este código."),
]


class PaymentNotFound(NotFound):
    code = "payment_not_found"


class PaymentHasNoCode(NotFound):
    """It is paid in another way."""

    code = "payment_has_no_code"


class PaymentNotOpen(Conflict):
    """It was paid, or it is too late to pay it; ``status`` tells."""

    code = "payment_not_open"


def code_links(payment_id: UUID, status: str, client_data: Mapping[str, str]) -> dict[str, str]:
    """Return links to what an open payment has, of ``qr_png``, ``qr_svg`` and ``boleto``. They open without login."""
    if status not in OPEN:
        return {}
    base = f"{settings.PUBLIC_URL}/api/v1/payments/{payment_id}"
    paths = {"qr_png": "qr.png", "qr_svg": "qr.svg"} if client_data.get("br_code") else {}
    if client_data.get("barcode"):
        paths["boleto"] = "boleto"
    return {name: f"{base}/{path}?token={code_token(payment_id)}" for name, path in paths.items()}


class CodeView(APIView, ABC):
    """A drawing of one entry of a payment's ``client_data``, for those who see its order or have its token."""

    permission_classes = ()
    drawn_from: ClassVar[str]
    media_type: ClassVar[str]

    def get(self, request: Request, payment_id: UUID) -> Any:
        payment = self._visible(request, payment_id)
        if not (text := payment.client_data.get(self.drawn_from)):
            raise PaymentHasNoCode("Este pagamento não tem este código.")
        if payment.status not in OPEN or payment.expires_at <= clock.now():
            raise PaymentNotOpen("Este pagamento não está mais em aberto.", status=payment.status)
        headers = {
            "Cache-Control": f"private, max-age={SECONDS}",
            "Vary": "Authorization, X-Order-Token",
            "ETag": etag_of(hashlib.blake2b(f"{self.media_type} {text}".encode(), digest_size=16).hexdigest()),
            "Content-Security-Policy": POLICY,
        }
        return not_modified(request, headers["ETag"], headers) or HttpResponse(
            self.draw(payment, text), content_type=self.media_type, headers=headers
        )

    @abstractmethod
    def draw(self, payment: PaymentAttempt, text: str) -> bytes | str:
        """Return the body of the answer."""

    def _visible(self, request: Request, payment_id: UUID) -> PaymentAttempt:
        """Return a payment that the requester may see.

        Raises:
            PaymentNotFound: unknown, or not theirs.
        """
        payment = payment_by_id(payment_id)
        if payment is not None and (
            is_visible(request, payment.order, SEE) or is_code_token(request.query_params.get("token", ""), payment_id)
        ):
            return payment
        raise PaymentNotFound("Pagamento não encontrado.")


class QRCodePNGView(CodeView):
    drawn_from, media_type = "br_code", "image/png"

    @extend_schema(
        responses={(200, "image/png"): OpenApiTypes.BINARY}, parameters=PARAMETERS, tags=["order"],
        summary="O QR Code de um Pix em aberto",
    )  # fmt: skip
    def get(self, request: Request, payment_id: UUID) -> Any:
        return super().get(request, payment_id)

    def draw(self, payment: PaymentAttempt, text: str) -> bytes:
        return qr_png(text)


class QRCodeSVGView(CodeView):
    drawn_from, media_type = "br_code", "image/svg+xml"

    @extend_schema(
        responses={(200, "image/svg+xml"): OpenApiTypes.STR}, parameters=PARAMETERS, tags=["order"],
        summary="O QR Code de um Pix em aberto, como vetor",
    )  # fmt: skip
    def get(self, request: Request, payment_id: UUID) -> Any:
        return super().get(request, payment_id)

    def draw(self, payment: PaymentAttempt, text: str) -> bytes:
        return qr_svg(text)


class BoletoView(CodeView):
    drawn_from, media_type = "barcode", "text/html; charset=utf-8"

    @extend_schema(
        responses={(200, "text/html"): OpenApiTypes.STR}, parameters=PARAMETERS, tags=["order"],
        summary="Um boleto em aberto, para imprimir",
    )  # fmt: skip
    def get(self, request: Request, payment_id: UUID) -> Any:
        return super().get(request, payment_id)

    def draw(self, payment: PaymentAttempt, text: str) -> str:
        code = boleto.barcode_of(text)
        said = boleto.decode(code, seen_on=day_of(payment.created_at))
        payer = payment.order.address_snapshot.get("payer", {})
        br_code = payment.client_data.get("br_code", "")
        page = {
            "shop": settings.SHOP_NAME,
            "order": payment.order,
            "boleto": said,
            "placed_on": day_of(payment.order.placed_at),
            "amount": f"{payment.charged.amount:,}".translate(BRAZILIAN),
            "line": boleto.printed(boleto.typeable_line(code)),
            "barcode": inline_barcode_svg(code),
            "payer": payer.get("name") or payment.order.address_snapshot.get("recipient", ""),
            "br_code": br_code,
            "qr": inline_qr_svg(br_code) if br_code else "",
        }
        return render_to_string("order/boleto.html", page)
