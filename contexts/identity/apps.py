"""The Django application of identity."""

from ecommerce.apps import ContextConfig


class IdentityConfig(ContextConfig):
    name = "contexts.identity"
    label = "identity"
    verbose_name = "Clientes e acessos"

    def ready(self) -> None:
        super().ready()
        from contexts.identity.adapters.allauth_emails import bind_pending_email
        from contexts.identity.adapters.allauth_transactions import bind_transactions

        bind_transactions(alias=self.label)
        bind_pending_email()
