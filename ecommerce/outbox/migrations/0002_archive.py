"""The archive, partitioned by day, and storage settings for tables that churn."""

from django.db import migrations

ARCHIVE = """
CREATE TABLE outbox_archive (
    id bigint NOT NULL,
    event_id uuid NOT NULL,
    aggregate_type varchar(60) NOT NULL,
    aggregate_id varchar(60) NOT NULL,
    aggregate_version bigint NOT NULL,
    event_type varchar(100) NOT NULL,
    payload jsonb NOT NULL,
    headers jsonb NOT NULL,
    attempts smallint NOT NULL,
    origin varchar(8) NOT NULL,
    created_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL
) PARTITION BY RANGE (published_at);
CREATE TABLE outbox_archive_default PARTITION OF outbox_archive DEFAULT;
CREATE INDEX outbox_archive_published ON outbox_archive (published_at DESC, id DESC);
CREATE INDEX outbox_archive_aggregate ON outbox_archive (aggregate_type, aggregate_id, aggregate_version);
CREATE INDEX outbox_archive_event ON outbox_archive (event_id);
"""
STORAGE = """
ALTER TABLE outbox_event SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500,
                              autovacuum_vacuum_insert_scale_factor = 0.05, fillfactor = 90);
ALTER TABLE outbox_partition SET (fillfactor = 50);
"""


class Migration(migrations.Migration):
    dependencies = [("outbox", "0001_initial")]

    operations = [
        migrations.RunSQL(ARCHIVE, "DROP TABLE outbox_archive"),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
