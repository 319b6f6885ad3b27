"""What identity does: one function per action, each with its own unit of work."""

from contexts.identity.usecases.accounts import (
    EmailTaken,
    UserNotFound,
    change_password,
    change_profile,
    confirm_email,
    register_from_provider,
    register_user,
)
from contexts.identity.usecases.addresses import TooManyAddresses, add_address, change_address, remove_address
from contexts.identity.usecases.cards import (
    CardAlreadySaved,
    CardExpired,
    CardNumberRefused,
    TooManyCards,
    make_card_default,
    refuse_card_numbers,
    remove_card,
    save_card,
)
from contexts.identity.usecases.places import InvalidCep, look_up_cep
from contexts.identity.usecases.sessions import (
    SessionNotFound,
    clear_expired_sessions,
    end_session,
    end_sessions,
    exchange_refresh_token,
    hand_out_refresh_token,
)

__all__ = [
    "CardAlreadySaved",
    "CardExpired",
    "CardNumberRefused",
    "EmailTaken",
    "InvalidCep",
    "SessionNotFound",
    "TooManyAddresses",
    "TooManyCards",
    "UserNotFound",
    "add_address",
    "change_address",
    "change_password",
    "change_profile",
    "clear_expired_sessions",
    "confirm_email",
    "end_session",
    "end_sessions",
    "exchange_refresh_token",
    "hand_out_refresh_token",
    "look_up_cep",
    "make_card_default",
    "refuse_card_numbers",
    "register_from_provider",
    "register_user",
    "remove_address",
    "remove_card",
    "save_card",
]
