"""``manage.py load_demo_users``: somebody to log in as."""

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand, CommandError, CommandParser

from contexts.identity import usecases
from contexts.identity.models import User
from ecommerce.clock import now
from ecommerce.topology import current

DEMO_PASSWORD = "loja-demo-2026"  # noqa: S105 - refused unless DEBUG
STAFF = "admin@loja.example"
CUSTOMER = "cliente@loja.example"
ROLE = "back-office"


class Command(BaseCommand):
    help = (
        "Create a superuser, a customer and the role of the back office. Safe to repeat: what exists is left as it is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--password", default="", help="for both accounts; outside DEBUG it must be given")

    def handle(self, *args: Any, **options: Any) -> None:
        password = options["password"]
        if not password and not settings.DEBUG:
            raise CommandError("Demo accounts have a public password. Outside DEBUG give one with --password.")
        self._role()
        self._superuser(password or DEMO_PASSWORD)
        self._customer(password or DEMO_PASSWORD)
        shown = "the given password" if password else f"password {DEMO_PASSWORD}"
        self.stdout.write(f"{STAFF} and {CUSTOMER} can log in with {shown}, if they are new.")

    def _role(self) -> None:
        """Give the role everything that may be seen and changed in the shop; accounts and roles only to be seen."""
        role, _ = Group.objects.get_or_create(name=ROLE)
        contexts = current().by_name
        mine = [
            permission
            for permission in Permission.objects.filter(content_type__app_label__in=contexts).select_related(
                "content_type"
            )
            if permission.codename.startswith("view_")
            or (permission.codename.startswith("change_") and permission.content_type.app_label != "identity")
        ]
        role.permissions.add(*mine)

    def _superuser(self, password: str) -> None:
        if not User.objects.filter(email=STAFF).exists():
            user = User.objects.create_superuser(STAFF, password, full_name="Administração")
            EmailAddress.objects.create(user=user, email=STAFF, primary=True, verified=True)

    def _customer(self, password: str) -> None:
        try:
            user = usecases.register_user(
                email=CUSTOMER, password=password, full_name="Cliente Demonstração", newsletter=True, now=now()
            )
        except usecases.EmailTaken:
            return
        address = EmailAddress.objects.get_for_user(user, user.email)
        usecases.confirm_email(user_id=user.id, confirm=address.set_verified)
