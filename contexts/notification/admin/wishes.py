"""Preferences and push subscriptions in the admin, to look at."""

from __future__ import annotations

from django.contrib import admin

from contexts.notification.admin.pages import ReadOnlyAdmin
from contexts.notification.models import Preference, PushSubscription


@admin.register(Preference)
class PreferenceAdmin(ReadOnlyAdmin):
    list_display = ("recipient_key", "channel", "category", "allowed", "updated_at")
    list_filter = ("channel", "category", "allowed")
    search_fields = ("recipient_key__exact",)
    ordering = ("-id",)


@admin.register(PushSubscription)
class PushSubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("customer_id", "created_at", "updated_at")
    search_fields = ("customer_id__exact",)
    fields = ("customer_id", "created_at", "updated_at")
    ordering = ("-created_at",)
