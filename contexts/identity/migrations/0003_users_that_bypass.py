"""Accounts that are made without the application, by an import in psql or another program, are announced, too.

The trigger runs when the transaction commits and leaves alone what the application has announced by then.
"""

from django.db import migrations

PUBLISH = """
CREATE FUNCTION publish_registration() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM users WHERE id = NEW.id) THEN
        RETURN NULL;
    END IF;
    PERFORM outbox_publish_change(
        'identity', 'user', NEW.id::text, NEW.version, 'identity.user_registered.v1',
        jsonb_build_object('user_id', NEW.id, 'locale', NEW.locale));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER users_registered AFTER INSERT ON users
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION publish_registration();
"""


class Migration(migrations.Migration):
    dependencies = [("identity", "0002_refresh_token_id"), ("outbox", "0003_changes")]

    operations = [
        migrations.RunSQL(PUBLISH, "DROP TRIGGER users_registered ON users; DROP FUNCTION publish_registration()"),
    ]
