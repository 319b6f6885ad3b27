"""What must be true of a process that ``docker/`` describes; each check returns what is wrong with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module

import click
import granian.cli
from celery.bin.celery import celery as celery_program
from django.core.management import CommandError, get_commands, load_command_class
from django.urls import Resolver404, resolve

from ecommerce.topology import current
from tests.docker.deployment import Process, image_environment
from tests.environment import variables
from tests.sandbox_psp.configuration import parse as sandbox

OF_LIBRARIES = re.compile(r"DJANGO_SETTINGS_MODULE|OTEL_[A-Z_]+|PYTHON[A-Z]+|PATH")
PARTS = ("sandbox_psp",)


# --- commands --------------------------------------------------------------------------------------------------------


def wrong_commands(process: Process) -> list[str]:
    """Parse each command as its program does."""
    return [wrong for command in commands_of(process.command) for wrong in _wrong(command)]


def commands_of(command: Sequence[str]) -> list[list[str]]:
    """Return the commands behind a shell, without what it redirects."""
    if command[:2] != ["sh", "-c"]:
        return [list(command)]
    return [shlex.split(part.partition(">")[0]) for part in command[2].split("&&")]


def _wrong(command: list[str]) -> Iterator[str]:
    match command:
        case ["python", "manage.py", name, *arguments]:
            yield from _wrong_management_command(name, arguments)
        case ["python", "-m", "tests.sandbox_psp", *arguments]:
            sandbox(arguments, {})
        case ["celery", *arguments]:
            yield from _wrong_celery(arguments)
        case ["granian", *arguments]:
            yield from _unknown_options(granian.cli.cli, arguments)
            yield from _wrong_application(arguments[-1])
        case _:
            yield f"{command}: nobody knows this program"


def _wrong_management_command(name: str, arguments: list[str]) -> Iterator[str]:
    if name not in get_commands():
        yield f"manage.py {name}: no such command"
        return
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parser.called_from_command_line = False
    try:
        parser.parse_args(arguments)
    except CommandError as error:
        yield f"manage.py {name}: {error}"


def _wrong_celery(arguments: list[str]) -> Iterator[str]:
    assert isinstance(celery_program, click.Group)
    place = next((number for number, each in enumerate(arguments) if each in celery_program.commands), None)
    if place is None:
        yield f"celery {arguments}: no such command"
        return
    yield from _unknown_options(celery_program, arguments[:place])
    yield from _unknown_options(celery_program.commands[arguments[place]], arguments[place + 1 :])
    module = arguments[arguments.index("--app") + 1]
    if not hasattr(import_module(module), "celery_app"):
        yield f"celery --app {module}: no application is there"


def _unknown_options(program: click.Command, arguments: list[str]) -> Iterator[str]:
    try:
        program.make_parser(click.Context(program)).parse_args(list(arguments))
    except click.UsageError as error:
        yield f"{program.name}: {error.format_message()}"


def _wrong_application(path: str) -> Iterator[str]:
    module, _, name = path.partition(":")
    if not hasattr(import_module(module), name):
        yield f"{path}: no such application"


# --- environment -----------------------------------------------------------------------------------------------------


def unknown_variables(process: Process) -> list[str]:
    return sorted(name for name in process.environment if not _is_read(name, process.image))


def _is_read(name: str, image: str) -> bool:
    if image == "loja-sandbox":
        flags = {f"SANDBOX_PSP_{flag}" for flag in _names_of_sandbox()}
        return name in flags
    if name.startswith("GRANIAN_"):
        return name.removeprefix("GRANIAN_").lower() in {each.name for each in granian.cli.cli.params}
    return name in _known() or bool(OF_LIBRARIES.fullmatch(name))


def _names_of_sandbox() -> set[str]:
    return {name.upper() for name in vars(sandbox([], {}))}


@cache
def _known() -> frozenset[str]:
    prefixes = [context.name.upper() for context in current().contexts]
    return frozenset(name.replace("<CONTEXT>", prefix) for name in variables() for prefix in prefixes)


# --- probes and ports ------------------------------------------------------------------------------------------------


def wrong_probes(process: Process) -> list[str]:
    """A probe asks a process of ours, where it listens, for an address that is there for operators."""
    wrong = []
    for probe in process.probes:
        if probe.port != process.listens_on:
            wrong.append(f"{probe.path} is asked for at {probe.port}, and the process listens on {process.listens_on}")
        try:
            found = resolve(probe.path).func.__module__
        except Resolver404:
            found = "nobody"
        if found != "ecommerce.observability.views":
            wrong.append(f"{probe.path} is answered by {found}")
    return wrong


def wrong_ports(process: Process) -> list[str]:
    return [
        f"{port} is announced, and the process listens on {process.listens_on}"
        for port in process.ports
        if port != process.listens_on
    ]


def port_of_the_image() -> int:
    return int(image_environment()["GRANIAN_PORT"])
