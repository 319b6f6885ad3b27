"""Accounts and what belongs to them."""

import factory
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group

from contexts.identity.models import Address, SavedCard, User

PASSWORD = "caminhar-devagar-42"


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A customer with a confirmed e-mail; ``verified=False`` leaves it open."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda number: f"cliente{number}@example.com")
    full_name = "Ana Souza"
    password = factory.django.Password(PASSWORD)

    @factory.post_generation
    def verified(user: User, create: bool, verified: bool | None, **_: object) -> None:  # type: ignore[misc]
        EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=verified is not False)

    @factory.post_generation
    def groups(user: User, create: bool, groups: list[Group] | None, **_: object) -> None:  # type: ignore[misc]
        user.groups.add(*groups or [])


class AddressFactory(factory.django.DjangoModelFactory[Address]):
    class Meta:
        model = Address

    user = factory.SubFactory(UserFactory)
    recipient = "Ana Souza"
    cep = "01310100"
    street = "Avenida Paulista"
    number = "1578"
    district = "Bela Vista"
    city = "São Paulo"
    state = "SP"


class SavedCardFactory(factory.django.DjangoModelFactory[SavedCard]):
    class Meta:
        model = SavedCard

    user = factory.SubFactory(UserFactory)
    token = factory.Sequence(lambda number: f"tok_{number}_abc")
    brand = "visa"
    last4 = "4242"
    expiry_month = 12
    expiry_year = 2030
