#!/usr/bin/env bash
# Copy the schema of one context from a shared database into a database of its own.
#
#   phase-4/split.sh <context> <source database> <target database>
#
# Run `manage.py bootstrap` with <CONTEXT>_DATABASE_URL (and <CONTEXT>_ADMINISTRATOR_URL) naming the target first: it
# creates the database, the role, the extensions and the empty schema. Nothing may write to the source schema meanwhile.
# PGHOST, PGPORT and PGUSER name an administrator of the source server; TARGET_PGHOST, TARGET_PGPORT and TARGET_PGUSER
# one of the target server, by default the same. pg_dump must not be older than the source server.
set -euo pipefail
cd "$(dirname "$0")/.."

context=${1:?context}; source=${2:?source database}; target=${3:?target database}
schema="${context}_service"
dump=$(mktemp -t "$schema.XXXXXX.dump")
trap 'rm -f "$dump"' EXIT
at_target() {
    env PGHOST="${TARGET_PGHOST:-${PGHOST:-}}" PGPORT="${TARGET_PGPORT:-${PGPORT:-5432}}" \
        PGUSER="${TARGET_PGUSER:-${PGUSER:-postgres}}" "$@"
}

pg_dump --format=custom --schema="$schema" --file="$dump" "$source"
at_target psql --quiet --set=ON_ERROR_STOP=1 --dbname="$target" --command="DROP SCHEMA IF EXISTS $schema"  # refuses unless empty
at_target pg_restore --exit-on-error --single-transaction --dbname="$target" "$dump"

diff <(psql -qAt -v schema="$schema" -d "$source" -f phase-5/fingerprint.sql) \
     <(at_target psql -qAt -v schema="$schema" -d "$target" -f phase-5/fingerprint.sql)
echo "$schema: every table of $source and $target holds the same rows"
