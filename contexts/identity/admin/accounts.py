"""Accounts, roles, sessions and what proves who somebody is."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.decorators import action, display

from contexts.identity import usecases
from contexts.identity.events import UserRegistered
from contexts.identity.models import Session, User, UserQuerySet
from contexts.identity.views.accounts import send_password_link
from ecommerce.admin import ContextAdmin, LockingAdmin, changed_columns

for model in (Group, EmailAddress, EmailConfirmation, Authenticator):
    if admin.site.is_registered(model):
        admin.site.unregister(model)

POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


@admin.register(User)
class UserAdmin(LockingAdmin):
    """Nobody sets a password for somebody else: a new colleague gets a link. Accounts are closed, not deleted."""

    list_display = ("email", "full_name", "verified", "is_staff", "is_active", "created_at", "last_login")
    list_filter = ("is_staff", "is_active", "is_superuser", "groups", "locale")
    search_fields = ("email", "full_name")
    ordering = ("-created_at",)
    filter_horizontal = ("groups", "user_permissions")
    actions = ("send_link", "end_sessions")
    readonly_fields = (
        "masked_document", "verified", "newsletter_since", "marketing_since", "version", "created_at", "last_login",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("email", "verified", "full_name", "phone", "locale", "masked_document")}),
        ("Consentimentos", {"fields": ("newsletter_since", "marketing_since")}),
        ("Acesso", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Registro", {"fields": ("created_at", "last_login", "version")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "full_name", "locale", "is_staff", "groups")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: UserQuerySet = super().get_queryset(request)
        return users.with_email_verified()

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fixed = ("email",) if obj else ()
        return (*self.readonly_fields, *fixed, *(() if request.user.is_superuser else POWERS))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        if obj and obj.is_superuser and not request.user.is_superuser:
            return False
        allowed: bool = super().has_change_permission(request, obj)
        return allowed

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:
        if change:
            obj.save_changed(changed_columns(form))
            if not obj.is_active:
                Session.objects.filter(user=obj).delete()
            return
        obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        EmailAddress.objects.create(user=obj, email=obj.email, primary=True)
        self.work(request).publish(
            UserRegistered(user_id=obj.id, locale=obj.locale), subject=obj.id, version=obj.version
        )

    @display(description="e-mail confirmado", boolean=True)
    def verified(self, user: User) -> bool:
        return user.email_verified

    @display(description="CPF ou CNPJ")
    def masked_document(self, user: User) -> str:
        return user.masked_tax_id

    @action(description="Enviar link para definir a senha", permissions=["change"])
    def send_link(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in within_reach(request, queryset):
            send_password_link(request, user)
        self.message_user(request, "Os links foram enviados.", messages.SUCCESS)

    @action(description="Encerrar todas as sessões", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in within_reach(request, queryset):
            usecases.end_sessions(user_id=user.pk)
        self.message_user(request, "As sessões foram encerradas.", messages.SUCCESS)


def within_reach(request: HttpRequest, queryset: QuerySet[Any], *, owner: str = "") -> QuerySet[Any]:
    """Return the rows that this colleague may act on: what belongs to superusers (by ``owner``) is for superusers."""
    return queryset if request.user.is_superuser else queryset.exclude(**{f"{owner}is_superuser": True})


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, ContextAdmin):
    """Roles: named sets of permissions. They are the scopes of a colleague's access token.

    Only superusers change them: whoever could would grant themselves everything else.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)


class ReadOnlyAdmin(ContextAdmin):
    """What may be looked at, and deleted by those who may delete."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        owner = getattr(obj, "user", None)
        if owner is not None and owner.is_superuser and not request.user.is_superuser:
            return False
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    list_display = ("email", "user", "verified", "primary")
    list_filter = ("verified", "primary")
    list_select_related = ("user",)
    search_fields = ("email",)
    ordering = ("email",)
    actions = ("confirm",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @action(description="Marcar como confirmado", permissions=["view"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[EmailAddress]) -> None:
        if not request.user.has_perm("identity.change_user"):
            self.message_user(request, "Sem permissão para alterar contas.", messages.ERROR)
            return
        for address in within_reach(request, queryset, owner="user__").filter(verified=False, primary=True):
            usecases.confirm_email(user_id=address.user_id, confirm=address.set_verified)
        self.message_user(request, "Endereços principais confirmados.", messages.SUCCESS)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Second factors. Deleting them lets a person who lost everything back in: check who is asking first."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "type", "created_at", "last_used_at")


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Deleting a session logs that device out."""

    list_display = ("user", "ip", "user_agent", "created_at", "expire_date")
    list_select_related = ("user",)
    search_fields = ("user__email", "ip")
    ordering = ("-created_at",)
    fields = ("user", "ip", "user_agent", "created_at", "expire_date")
