"""``manage.py migrate``: Django's own, but an alias gets the tables that live there and nothing else.

Django would also run the migrations of all other apps there, each of them doing nothing, after building the models of
everybody: half a minute for six aliases, in every run of the tests. The alias with the accounts learns what models
there are, as ever, for their content types and permissions.
"""

import sys
from typing import Any

from django.apps import apps
from django.core.management import CommandError
from django.core.management.commands import migrate
from django.core.management.sql import emit_post_migrate_signal
from django.db.migrations.loader import MigrationLoader

from ecommerce.db.migration import is_narrow, missing_migrations, renames_models
from ecommerce.db.migration import migrate as migrate_alias

SPECIAL = ("app_label", "fake", "fake_initial", "prune")
"""With any of these options it is Django's command, unchanged."""


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        alias: str = options["database"]
        loader = MigrationLoader(None)
        tables_without = any(list(apps.get_app_config(label).get_models()) for label in loader.unmigrated_apps)
        unmigrated = options["run_syncdb"] and tables_without
        renaming = not is_narrow(alias) and renames_models(missing_migrations(alias))
        if any(options[name] for name in SPECIAL) or unmigrated or renaming:
            super().handle(*args, **options)
            return
        if conflicts := loader.detect_conflicts():
            raise CommandError(f"several last migrations: {conflicts}. Merge them: manage.py makemigrations --merge")
        if options["plan"] or options["check_unapplied"]:
            self._show_missing(alias, fail=options["check_unapplied"])
            return
        self.verbosity = options["verbosity"]
        migrate_alias(alias, progress=self.migration_progress_callback)
        if not is_narrow(alias):
            emit_post_migrate_signal(self.verbosity, options["interactive"], alias, stdout=self.stdout)

    def _show_missing(self, alias: str, *, fail: bool) -> None:
        missing = missing_migrations(alias)
        for migration, _ in missing:
            self.stdout.write(str(migration))
        if missing and fail:
            sys.exit(1)
