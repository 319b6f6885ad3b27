"""The door of the back office: the same throttle and the same second factor as in the API."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import AuthenticateForm
from django import forms
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from contexts.identity.adapters.sessions import name_device
from contexts.identity.models import User


class BackOfficeLoginForm(AuthenticationForm):
    """E-mail and password, and for an account with a second factor the code of its app or a recovery code."""

    code = forms.CharField(
        label="Código do autenticador",
        required=False,
        help_text="Só para contas com verificação em duas etapas.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def clean(self) -> dict[str, Any]:
        adapter = get_adapter()
        adapter.pre_authenticate(self.request, email=self.cleaned_data.get("username", ""))
        cleaned: dict[str, Any] = super().clean()
        self._require_second_factor(self.get_user())
        name_device(
            self.request.session,
            ip=adapter.get_client_ip(self.request),
            user_agent=adapter.get_http_user_agent(self.request),
        )
        return cleaned

    def _require_second_factor(self, user: User) -> None:
        if not get_mfa_adapter().is_mfa_enabled(user):
            return
        form = AuthenticateForm({"code": self.cleaned_data.get("code", "")}, user=user)
        if not form.is_valid():
            raise forms.ValidationError({"code": form.errors["code"].as_data()})
        form.save()
