"""The tables of identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any, ClassVar, Self

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Lower
from django.utils import timezone

from contexts.identity.domain import CEP, IBGE_CODE, STATES, masked_tax_id
from ecommerce.ids import new_id

MAX_EMAIL = 254
LOCALES = [("pt-BR", "Português (Brasil)"), ("en", "English")]


class UserQuerySet(models.QuerySet["User"]):
    def with_email_verified(self) -> Self:
        """Add ``email_verified``. Its only truth is the row that allauth keeps for the account's current address."""
        proof = EmailAddress.objects.filter(user=OuterRef("pk"), email=OuterRef("email"), verified=True)
        return self.annotate(email_verified=Exists(proof))


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Makes accounts without announcing them: for staff and tests. Customers come through ``register_user``."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Insert an account; without a password nobody can log in to it by password."""
        user: User = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        user: User = self.get(email=(username or "").lower())
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """An account of a customer or of staff; it logs in by e-mail. Row of the aggregate ``user``.

    Roles are Django's groups and permissions. ``version`` counts the changes of this row, one per event at least.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField("e-mail", max_length=MAX_EMAIL)
    full_name = models.CharField("nome", max_length=150, blank=True)
    phone = models.CharField("telefone", max_length=16, blank=True)
    locale = models.CharField("idioma", max_length=5, choices=LOCALES, default="pt-BR")
    tax_id = models.CharField("CPF ou CNPJ", max_length=14, blank=True)
    newsletter_since = models.DateTimeField("recebe novidades desde", null=True, blank=True)
    marketing_since = models.DateTimeField("aceita ofertas desde", null=True, blank=True)
    is_staff = models.BooleanField("equipe", default=False)
    is_active = models.BooleanField("ativo", default=True)
    version = models.PositiveIntegerField("versão", default=1, editable=False)
    created_at = models.DateTimeField("criado em", default=timezone.now, editable=False)

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    email_verified: bool
    """Only on instances from ``with_email_verified``."""

    class Meta:
        db_table = "users"
        verbose_name = "usuário"
        verbose_name_plural = "usuários"
        constraints = [
            models.UniqueConstraint(fields=["email"], name="users_email_unique"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="users_email_lower_case"),
            models.CheckConstraint(
                condition=Q(phone="") | Q(phone__regex=r"^\+?[0-9]{8,15}$"), name="users_phone_digits"
            ),
            models.CheckConstraint(
                condition=Q(tax_id="") | Q(tax_id__regex=r"^([0-9]{11}|[0-9A-Z]{12}[0-9]{2})$"),
                name="users_tax_id_shape",
            ),
        ]
        indexes = [models.Index(F("created_at").desc(), name="users_newest_first")]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()

    @property
    def masked_tax_id(self) -> str:
        return masked_tax_id(self.tax_id)

    def get_full_name(self) -> str:
        return self.full_name

    def get_short_name(self) -> str:
        return self.full_name.partition(" ")[0]

    def confirm_email(self) -> None:
        """Count the confirmation of the current e-mail; the proof itself is in allauth's row. Call under a row lock."""
        self.save_changed()

    def change_profile(self, changes: Mapping[str, Any], *, now: datetime) -> None:
        """Apply ``changes`` to name, phone, locale, tax_id, newsletter and marketing. Call under a row lock.

        A consent that stands keeps the moment it was given.
        """
        columns = []
        for name, value in changes.items():
            if name in ("newsletter", "marketing"):
                column = f"{name}_since"
                value = (getattr(self, column) or now) if value else None
            else:
                column = name
            setattr(self, column, value)
            columns.append(column)
        self.save_changed(columns)

    def change_password(self, password: str) -> None:
        """Set a new password, which ends every session at its next request. Call under a row lock."""
        self.set_password(password)
        self.save_changed(["password"])

    def save_changed(self, columns: Iterable[str] = ()) -> None:
        """Save these columns of a locked row as a new version."""
        self.version += 1
        self.save(update_fields=[*columns, "version"])


class Session(AbstractBaseSession):
    """A login on one device: the refresh tokens of an app, or a browser in the back office.

    ``id`` is the public name, and the primary key, since that is what admin pages and logs show. ``session_key`` is a
    secret: whoever knows it is logged in. Deleting the row ends the session and its token family.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    ip = models.GenericIPAddressField("IP", null=True)
    user_agent = models.CharField("navegador", max_length=200, blank=True)
    created_at = models.DateTimeField("início", default=timezone.now)
    refresh_token_id = models.UUIDField(null=True, editable=False)
    """The one refresh token that is good now."""

    class Meta:
        db_table = "sessions"
        verbose_name = "sessão"
        verbose_name_plural = "sessões"

    def __str__(self) -> str:
        return str(self.id)

    def save(self, *, force_update: bool = False, **options: Any) -> None:
        """Write the row, but for the refresh token of a row that exists: a request stores what it read when it began,
        and the token may have been exchanged since."""
        if force_update:
            columns = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            options["update_fields"] = columns - {"refresh_token_id"}
        super().save(force_update=force_update, **options)

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store


class Address(models.Model):
    """A postal address of a customer, by Brazilian rules."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="addresses")
    label = models.CharField("apelido", max_length=40, blank=True)
    recipient = models.CharField("destinatário", max_length=150)
    cep = models.CharField("CEP", max_length=8)
    street = models.CharField("logradouro", max_length=150)
    number = models.CharField("número", max_length=20)
    complement = models.CharField("complemento", max_length=100, blank=True)
    district = models.CharField("bairro", max_length=100)
    city = models.CharField("cidade", max_length=100)
    state = models.CharField("UF", max_length=2, choices=[(state, state) for state in STATES])
    ibge_code = models.CharField("código IBGE", max_length=7, blank=True)
    country = models.CharField("país", max_length=2, default="BR", editable=False)
    is_default = models.BooleanField("principal", default=False)
    created_at = models.DateTimeField("criado em", default=timezone.now, editable=False)

    class Meta:
        db_table = "addresses"
        verbose_name = "endereço"
        verbose_name_plural = "endereços"
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(is_default=True), name="addresses_one_default"),
            models.CheckConstraint(condition=Q(cep__regex=f"^{CEP.pattern}$"), name="addresses_cep"),
            models.CheckConstraint(condition=Q(state__in=STATES), name="addresses_state"),
            models.CheckConstraint(
                condition=Q(ibge_code="") | Q(ibge_code__regex=f"^{IBGE_CODE.pattern}$"), name="addresses_ibge_code"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.street}, {self.number} – {self.city}/{self.state}"

    def change(self, changes: Mapping[str, Any]) -> None:
        """Apply ``changes`` to the columns of the address itself; the default is moved by ``make_default``."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.save(update_fields=[*changes])


class SavedCard(models.Model):
    """A card that the payment gateway keeps; here are its token and what a buyer needs to recognise it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="cards")
    token = models.CharField("token", max_length=255)
    brand = models.CharField("bandeira", max_length=20)
    last4 = models.CharField("final", max_length=4)
    expiry_month = models.PositiveSmallIntegerField("mês")
    expiry_year = models.PositiveSmallIntegerField("ano")
    is_default = models.BooleanField("principal", default=False)
    created_at = models.DateTimeField("criado em", default=timezone.now, editable=False)

    class Meta:
        db_table = "saved_cards"
        verbose_name = "cartão salvo"
        verbose_name_plural = "cartões salvos"
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(is_default=True), name="saved_cards_one_default"),
            models.UniqueConstraint(fields=["user", "token"], name="saved_cards_token_once"),
            models.CheckConstraint(condition=Q(last4__regex="^[0-9]{4}$"), name="saved_cards_last4"),
            models.CheckConstraint(
                condition=Q(expiry_month__range=(1, 12), expiry_year__range=(2000, 2100)), name="saved_cards_expiry"
            ),
            models.CheckConstraint(
                condition=~Q(token__regex="[0-9]([ .-]?[0-9]){12,}") | Q(token__regex="[A-Za-z]"),  # noqa: S106
                name="saved_cards_no_card_number",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.brand} •••• {self.last4}"


def make_default(item: Address | SavedCard) -> None:
    """Make ``item`` its customer's default instead of any other. Call with the customer's row locked."""
    rows = type(item)._default_manager.filter(user=item.user_id)
    rows.filter(is_default=True).exclude(pk=item.pk).update(is_default=False)
    rows.filter(pk=item.pk).update(is_default=True)
    item.is_default = True


def pass_default_on(item: Address | SavedCard) -> None:
    """After ``item`` was deleted: if it was the default, make the newest of the others it. Same lock as above."""
    rows = type(item)._default_manager.filter(user=item.user_id)
    heir = rows.order_by("-created_at").first() if item.is_default else None
    if heir:
        make_default(heir)
