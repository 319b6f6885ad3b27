"""The SQL of the engine: one statement, and so one commit, per change of a saga.

Leases and due times are compared and set by the database's clock, so that workers whose clocks differ agree on them.
"""

PROGRESS = """
    WITH held AS (
        UPDATE saga_instance
        SET status = %(status)s, current_step = %(position)s, attempt = %(attempt)s, failures = %(failures)s,
            crashes = %(crashes)s, data = coalesce(%(data)s, data), error = %(error)s, to_undo = %(to_undo)s,
            parked = %(parked)s,
            due_at = clock_timestamp() + CASE WHEN signalled AND %(suspended)s THEN '0'::interval
                                              ELSE %(due_in)s::interval END,
            signalled = signalled AND NOT %(suspended)s, lease_owner = %(owner_after)s, updated_at = clock_timestamp()
        WHERE id = %(id)s AND lease_owner = %(owner)s AND due_at > clock_timestamp()
        RETURNING id
    ), finished AS (
        UPDATE saga_step SET status = %(outcome)s, response = %(response)s, error = %(step_error)s,
                             finished_at = clock_timestamp()
        FROM held WHERE saga_step.idempotency_key = %(ended)s
    ), begun AS (
        INSERT INTO saga_step (saga_id, name, position, direction, attempt, idempotency_key, status, error, started_at,
                               ran_by)
        SELECT held.id, %(name)s, %(position)s, %(direction)s, %(attempt)s, %(begun)s::text, 'STARTED', '',
               clock_timestamp(), %(ran_by)s
        FROM held WHERE %(begun)s::text IS NOT NULL
        ON CONFLICT (idempotency_key) DO NOTHING
    )
    SELECT count(*), set_config('synchronous_commit', 'off', true) FROM held
"""
"""Its commit is not waited for: if a power failure loses it, the step runs again, which it must bear anyway. Whatever
a step itself commits later is waited for, and carries this along."""

CLAIM = """
    WITH known AS (
        SELECT * FROM unnest(%(types)s::text[], %(versions)s::smallint[], %(positions)s::smallint[],
                             %(leases)s::interval[]) AS k (saga_type, definition_version, current_step, lease)
    ), due AS (
        SELECT i.id, lease FROM saga_instance i JOIN known USING (saga_type, definition_version, current_step)
        WHERE i.status IN ('RUNNING', 'WAITING', 'COMPENSATING') AND i.due_at <= statement_timestamp()
        ORDER BY i.due_at LIMIT %(limit)s FOR UPDATE OF i SKIP LOCKED
    )
    UPDATE saga_instance AS i
    SET lease_owner = %(owner)s, due_at = clock_timestamp() + due.lease, attempt = i.attempt + 1, signalled = false,
        crashes = i.crashes + (i.lease_owner IS NOT NULL)::int,
        status = CASE WHEN i.status = 'WAITING' THEN 'RUNNING' ELSE i.status END, updated_at = clock_timestamp()
    FROM due WHERE i.id = due.id
    RETURNING i.id, i.saga_type, i.definition_version, i.subject, i.data::text, i.current_step, i.status, i.attempt,
              i.failures, i.crashes, i.to_undo::text, i.parked::text, i.error::text, i.origin::text,
              clock_timestamp()
"""
"""Whoever still is named as the holder has died, or overrun its lease: that counts as a crash of the step. An index can
be searched for what is due by the beginning of a statement, not by a clock that runs while it is searched."""

BEGIN = """
    INSERT INTO saga_step (saga_id, name, position, direction, attempt, idempotency_key, status, error, started_at,
                           ran_by)
    SELECT s.*, 'STARTED', '', clock_timestamp(), %(ran_by)s
    FROM unnest(%(sagas)s::uuid[], %(names)s::text[], %(positions)s::smallint[], %(directions)s::text[],
                %(attempts)s::smallint[], %(keys)s::text[]) AS s
    ON CONFLICT (idempotency_key) DO NOTHING
"""

SIGNAL = """
    UPDATE saga_instance
    SET signalled = lease_owner IS NOT NULL,
        due_at = CASE WHEN lease_owner IS NULL THEN clock_timestamp() + %(after)s ELSE due_at END
    WHERE subject = %(subject)s AND saga_type = %(type)s AND status IN ('WAITING', 'RUNNING', 'COMPENSATING')
"""
