"""The SQL of the engine: one statement, and so one commit, per change of a saga."""

PROGRESS = """
    WITH held AS (
        UPDATE saga_instance
        SET status = %(status)s, current_step = %(position)s, attempt = %(attempt)s, failures = %(failures)s,
            crashes = %(crashes)s, data = coalesce(%(data)s, data), error = %(error)s, to_undo = %(to_undo)s,
            parked = %(parked)s,
            due_at = CASE WHEN signalled AND %(suspended)s THEN %(now)s ELSE %(due)s END,
            signalled = signalled AND NOT %(suspended)s, lease_owner = %(owner_after)s, updated_at = %(now)s
        WHERE id = %(id)s AND lease_owner = %(owner)s AND due_at > %(now)s
        RETURNING id
    ), finished AS (
        UPDATE saga_step SET status = %(outcome)s, response = %(response)s, error = %(step_error)s,
                             finished_at = %(now)s
        FROM held WHERE saga_step.idempotency_key = %(ended)s
    ), begun AS (
        INSERT INTO saga_step (saga_id, name, position, direction, attempt, idempotency_key, status, error, started_at,
                               ran_by)
        SELECT held.id, %(name)s, %(position)s, %(direction)s, %(attempt)s, %(begun)s::text, 'STARTED', '', %(now)s,
               %(ran_by)s
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
        WHERE i.status IN ('RUNNING', 'WAITING', 'COMPENSATING') AND i.due_at <= %(now)s
        ORDER BY i.due_at LIMIT %(limit)s FOR UPDATE OF i SKIP LOCKED
    )
    UPDATE saga_instance AS i
    SET lease_owner = %(owner)s, due_at = %(now)s + due.lease, attempt = i.attempt + 1, signalled = false,
        crashes = i.crashes + (i.lease_owner IS NOT NULL)::int,
        status = CASE WHEN i.status = 'WAITING' THEN 'RUNNING' ELSE i.status END, updated_at = %(now)s
    FROM due WHERE i.id = due.id
    RETURNING i.id, i.saga_type, i.definition_version, i.subject, i.data::text, i.current_step, i.status, i.attempt,
              i.failures, i.crashes, i.to_undo::text, i.parked::text, i.error::text, i.origin::text
"""
"""Whoever still is named as the holder has died, or overrun its lease: that counts as a crash of the step."""

BEGIN = """
    INSERT INTO saga_step (saga_id, name, position, direction, attempt, idempotency_key, status, error, started_at,
                           ran_by)
    SELECT s.*, 'STARTED', '', %(now)s, %(ran_by)s
    FROM unnest(%(sagas)s::uuid[], %(names)s::text[], %(positions)s::smallint[], %(directions)s::text[],
                %(attempts)s::smallint[], %(keys)s::text[]) AS s
    ON CONFLICT (idempotency_key) DO NOTHING
"""

SIGNAL = """
    UPDATE saga_instance
    SET signalled = lease_owner IS NOT NULL, due_at = CASE WHEN lease_owner IS NULL THEN %(now)s ELSE due_at END
    WHERE subject = %(subject)s AND saga_type = %(type)s AND status IN ('WAITING', 'RUNNING', 'COMPENSATING')
"""
