"""Who may call what: the one table behind service tokens and the addresses that a process needs."""

from collections.abc import Iterable, Mapping, Sequence

SERVICE_GRANTS: Mapping[str, Sequence[str]] = {
    "cart": ("catalog:read", "promotion:read"),
    "order": (
        "cart:read", "cart:write", "catalog:read", "catalog:write", "identity:cards", "identity:read",
        "promotion:read", "promotion:write",
    ),
    "notification": ("cart:read", "identity:read", "order:read"),
}  # fmt: skip
"""The scopes of each calling context: those of the methods that it connects to, and no more."""


def called_by(contexts: Iterable[str]) -> set[str]:
    """Return the contexts that these call."""
    return {scope.partition(":")[0] for context in contexts for scope in SERVICE_GRANTS.get(context, ())}
