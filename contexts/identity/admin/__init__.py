"""The back office of identity."""

from django.contrib import admin

from contexts.identity.admin import accounts, belongings, login

__all__ = ["accounts", "belongings", "login"]

admin.site.login_form = login.BackOfficeLoginForm
admin.site.login_template = "identity/back_office_login.html"
