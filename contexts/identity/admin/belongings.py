"""What customers keep with us: addresses and cards."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from contexts.identity.admin.accounts import ReadOnlyAdmin
from contexts.identity.models import Address, SavedCard
from ecommerce.admin import LockingAdmin


@admin.register(Address)
class AddressAdmin(LockingAdmin):
    list_display = ("recipient", "user", "street", "number", "city", "state", "cep", "is_default")
    list_filter = ("state",)
    list_select_related = ("user",)
    search_fields = ("user__email", "recipient", "cep")
    ordering = ("-created_at",)
    readonly_fields = ("user", "country", "is_default", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SavedCard)
class SavedCardAdmin(ReadOnlyAdmin):
    """The gateway's token is not shown to anybody."""

    list_display = ("__str__", "user", "expiry_month", "expiry_year", "is_default", "created_at")
    list_filter = ("brand",)
    list_select_related = ("user",)
    search_fields = ("user__email", "last4")
    ordering = ("-created_at",)
    fields = ("user", "brand", "last4", "expiry_month", "expiry_year", "is_default", "created_at")
