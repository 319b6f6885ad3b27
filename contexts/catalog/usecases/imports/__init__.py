"""Importing product files."""

from contexts.catalog.usecases.imports.catalog import ImportReport, import_catalog

__all__ = ["ImportReport", "import_catalog"]
