"""Which contexts exist, which of them run in this process, and where the others are.

The only place that knows the shape. It is a value: settings build it once from the environment, and everybody else
asks :func:`current`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

BACK_OFFICE_TASKS = "back_office_tasks"
"""The broker queue of the tasks of a process that serves no context."""


@dataclass(frozen=True)
class Context:
    """One bounded context: every name derived from ``name``."""

    name: str
    port: int
    """The port of its web process when the contexts run as six services."""
    local: bool
    url: str
    """The base URL of its service when it is not local, else empty."""

    @property
    def app(self) -> str:
        return f"contexts.{self.name}"

    @property
    def alias(self) -> str:
        """The database alias, which is also the Django app label."""
        return self.name

    @property
    def schema(self) -> str:
        return f"{self.name}_service"

    @property
    def role(self) -> str:
        return f"{self.name}_service"

    @property
    def queue(self) -> str:
        """The broker queue that holds the events for this context."""
        return f"{self.name}_events"

    @property
    def task_queue(self) -> str:
        """The broker queue of its background tasks."""
        return f"{self.name}_tasks"

    @property
    def source(self) -> str:
        """The CloudEvents ``source`` of what it publishes."""
        return f"/contexts/{self.name}"


class BackOffice(StrEnum):
    """Whether the pages for people are in a process: the admin, the front page, the documentation of the API, files."""

    TRUE = "true"
    FALSE = "false"
    ONLY = "only"
    """Nothing else is. All contexts are local for their admin pages, and other processes serve them."""


@dataclass(frozen=True)
class Topology:
    contexts: tuple[Context, ...]
    back_office: BackOffice = BackOffice.TRUE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], ports: Mapping[str, int]) -> Topology:
        """Read ``CONTEXTS`` (comma-separated, default all), ``<CONTEXT>_URL``, and ``BACK_OFFICE`` (``true``, ``false``
        or ``only``; default: true where all contexts are).

        Raises:
            ImproperlyConfigured: an unknown context is named, or the back office is to be where it cannot be. Whether a
                context that runs elsewhere has a URL is asked when it is called: many commands and most tests of a
                context call nobody.
        """
        wanted = {name.strip() for name in environment.get("CONTEXTS", "").split(",") if name.strip()} or set(ports)
        if unknown := wanted - set(ports):
            raise ImproperlyConfigured(f"CONTEXTS names unknown contexts: {', '.join(sorted(unknown))}")
        contexts = []
        for name, port in ports.items():
            url = "" if name in wanted else environment.get(f"{name.upper()}_URL", "").rstrip("/")
            contexts.append(Context(name=name, port=port, local=name in wanted, url=url))
        whole = len(wanted) == len(ports)
        return cls(tuple(contexts), _back_office(environment.get("BACK_OFFICE", ""), whole=whole))

    @cached_property
    def by_name(self) -> dict[str, Context]:
        return {context.name: context for context in self.contexts}

    @property
    def local(self) -> tuple[Context, ...]:
        return tuple(context for context in self.contexts if context.local)

    @property
    def served(self) -> tuple[Context, ...]:
        """The contexts whose API, events and tasks are this process's work: the local ones, or in a process that is
        only the back office none."""
        return () if self.back_office is BackOffice.ONLY else self.local

    @property
    def task_queues(self) -> list[str]:
        """The broker queues whose tasks are this process's work. The first one gets those of no context."""
        return [context.task_queue for context in self.served] or [BACK_OFFICE_TASKS]

    @property
    def service(self) -> str:
        """The name of what runs here: ``ecommerce`` for everything, ``cart``, ``cart+promotion``, ``back-office``."""
        if not self.served:
            return "back-office"
        return "ecommerce" if len(self.served) == len(self.contexts) else "+".join(each.name for each in self.served)

    def __getitem__(self, name: str) -> Context:
        return self.by_name[name]

    def url_of(self, name: str) -> str:
        """Return the base URL of a context that runs elsewhere.

        Raises:
            ImproperlyConfigured: nobody said where.
        """
        if not self[name].url:
            raise ImproperlyConfigured(f"{name.upper()}_URL is not set: {name} does not run in this process")
        return self[name].url

    def of_module(self, module: str) -> Context:
        """Return the context that a dotted module path such as ``contexts.cart.views`` belongs to."""
        package, _, rest = module.partition(".")
        name = rest.partition(".")[0]
        if package != "contexts" or name not in self.by_name:
            raise LookupError(f"{module} belongs to no context")
        return self.by_name[name]


def _back_office(wanted: str, *, whole: bool) -> BackOffice:
    if not wanted:
        return BackOffice.TRUE if whole else BackOffice.FALSE
    try:
        chosen = BackOffice(wanted.lower())
    except ValueError:
        raise ImproperlyConfigured(f"BACK_OFFICE is {wanted}: it is one of {', '.join(BackOffice)}") from None
    if chosen is not BackOffice.FALSE and not whole:
        raise ImproperlyConfigured(f"BACK_OFFICE is {chosen}, and its pages need every context: leave CONTEXTS empty")
    return chosen


def current() -> Topology:
    """Return the topology of this process."""
    topology: Topology = settings.TOPOLOGY
    return topology


def local_aliases() -> list[str]:
    """Return the database aliases of the local contexts."""
    return [context.alias for context in current().local]
