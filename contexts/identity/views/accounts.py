"""The hooks of django-allauth: where its flows meet our use cases.

allauth validates, throttles and answers; whatever changes an account goes through a use case, and with it through one
transaction and the outbox.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import ResetPasswordForm
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.account.inputs import SignupInput as AllauthSignupInput
from allauth.headless.account.views import SignupView as AllauthSignupView
from allauth.headless.adapter import DefaultHeadlessAdapter
from allauth.headless.base.response import ConflictResponse
from allauth.headless.internal.restkit.response import ErrorResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django import forms
from django.conf import settings
from django.core.validators import EmailValidator
from django.forms import BaseForm
from django.http import HttpRequest

from contexts.identity import queries, usecases
from contexts.identity.adapters.mail import post
from contexts.identity.adapters.sessions import name_device
from contexts.identity.domain import is_name, is_spelled_as_sent
from contexts.identity.models import MAX_EMAIL, User
from ecommerce.clock import now

EMAIL_STAGE = f"{EmailVerificationStage.__module__}.{EmailVerificationStage.__name__}"


class AccountAdapter(DefaultAccountAdapter):
    """Named by ``ACCOUNT_ADAPTER``."""

    def get_login_stages(self) -> list[str]:
        """Return the steps of a login; a confirmed e-mail is one of them only where it is mandatory."""
        stages: list[str] = super().get_login_stages()
        return stages if _confirmation_is("mandatory") else [stage for stage in stages if stage != EMAIL_STAGE]

    def clean_email(self, email: str) -> str:
        """Return an address that an account may have: it fits its column, and mail reaches it under this very name.

        A domain that is written differently for the wire (invisible characters, ß) belongs to another name's owner.
        """
        address: str = super().clean_email(email)
        if len(address) > MAX_EMAIL or not is_spelled_as_sent(address.rpartition("@")[2].lower()):
            raise forms.ValidationError(EmailValidator.message, code="invalid")
        return address

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        name_device(request.session, ip=self.get_client_ip(request), user_agent=self.get_http_user_agent(request))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        confirm = partial(super().confirm_email, request, email_address)
        try:
            return usecases.confirm_email(user_id=email_address.user_id, confirm=confirm)
        except (usecases.EmailTaken, usecases.UserNotFound) as error:
            raise ImmediateHttpResponse(ConflictResponse(request)) from error

    def set_password(self, user: User, password: str) -> None:
        usecases.change_password(user_id=user.pk, password=password)

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        """Fill ``user`` from the form of a social signup, the only one that comes here, and save it."""
        for name in ("full_name", "phone", "locale"):
            setattr(user, name, form.cleaned_data.get(name) or getattr(user, name))
        saved: User = super().save_user(request, user, form, commit=commit)
        return saved

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Render a mail now, in the language of the request, and let a worker send it."""
        site = {"name": settings.SHOP_NAME, "domain": settings.FRONTEND_URL}
        post(
            self.render_mail(
                template_prefix, email, {"request": self.request, "email": email, "current_site": site, **context}
            )
        )


def send_password_link(request: HttpRequest, user: User) -> None:
    """Mail somebody the link to set a password, as if they had asked for it."""
    form = ResetPasswordForm({"email": user.email})
    if form.is_valid():
        form.save(request)


class SignupInput(AllauthSignupInput):
    """Signup through our use case, which stores the account, its e-mail and the event together."""

    def save(self, request: HttpRequest) -> User:
        fields = self.cleaned_data
        try:
            user = usecases.register_user(
                email=fields["email"],
                password=fields["password"],
                now=now(),
                full_name=fields["full_name"],
                phone=fields["phone"],
                locale=fields["locale"],
                newsletter=fields["newsletter"],
                marketing=fields["marketing"],
            )
        except usecases.EmailTaken as error:
            self.add_error("email", AccountAdapter(request).validation_error("email_taken"))
            raise ImmediateHttpResponse(ErrorResponse(request, input=self)) from error
        _ask_for_confirmation(request, user)
        return user


class SignupView(AllauthSignupView):
    input_class = {"POST": SignupInput}


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Named by ``SOCIALACCOUNT_ADAPTER``."""

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        names = (data.get("first_name"), data.get("last_name"))
        name = (data.get("name") or " ".join(name for name in names if name))[:150]
        user.full_name = name if is_name(name) else ""
        return user

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: BaseForm | None = None) -> User:
        user: User = sociallogin.user
        try:
            usecases.register_from_provider(user=user, save=partial(super().save_user, request, sociallogin, form))
        except usecases.EmailTaken as error:
            raise ImmediateHttpResponse(ConflictResponse(request)) from error
        _ask_for_confirmation(request, user)
        return user


def _ask_for_confirmation(request: HttpRequest, user: User) -> None:
    """Mail a new account the link that confirms its e-mail; where that is mandatory, allauth does it at login."""
    if _confirmation_is("optional") and not queries.is_email_verified(user):
        send_verification_email_to_address(request, EmailAddress.objects.get_for_user(user, user.email), signup=True)


def _confirmation_is(method: str) -> bool:
    return bool(method == app_settings.EMAIL_VERIFICATION)


@dataclass(frozen=True, kw_only=True)
class Account:
    """What an app is told about the account it is logged in to."""

    id: str
    email: str
    email_verified: bool
    display: str
    full_name: str
    locale: str
    staff: bool
    has_usable_password: bool


class HeadlessAdapter(DefaultHeadlessAdapter):
    """Named by ``HEADLESS_ADAPTER``."""

    def get_user_dataclass(self) -> type[Account]:
        return Account

    def user_as_dataclass(self, user: User) -> Account:
        return Account(
            id=str(user.pk),
            email=user.email,
            email_verified=queries.is_email_verified(user),
            display=queries.display_name(user),
            full_name=user.full_name,
            locale=user.locale,
            staff=user.is_staff,
            has_usable_password=user.has_usable_password(),
        )
