"""Requests to Stripe, traced and measured. Imports stripe, so only who needs it imports this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from stripe import RequestsClient

from ecommerce.observability import outgoing


class ObservedClient(RequestsClient):
    def request(  # type: ignore[override] # the package's own classes do not agree about it
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        with outgoing.request("stripe", method.upper(), host=urlsplit(url).hostname or "") as asked:
            answer = super().request(method, url, {**(headers or {}), **asked.headers}, post_data)
            asked.answered(answer[1])
        return answer
