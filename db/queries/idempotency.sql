-- Answers by Idempotency-Key.

-- name: idempotency_get
SELECT request, operation_id, view, subject_id, coalesce(status, 0), headers, body
FROM idempotency WHERE caller = ?1 AND tenant = ?2 AND key = ?3 AND at > ?4;

-- name: idempotency_put
-- What it replaces is too old to count. ?9 0: not shown yet.
INSERT OR REPLACE INTO idempotency (caller, tenant, key, at, request, operation_id, view, subject_id, status, headers, body)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, 0), ?10, ?11);

-- name: idempotency_finish
UPDATE idempotency SET status = ?4, headers = ?5, body = ?6
WHERE caller = ?1 AND tenant = ?2 AND key = ?3 AND status IS NULL;

-- name: idempotency_prune
DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE at <= ?1 LIMIT ?2);

-- name: idempotency_forget_tenant
DELETE FROM idempotency WHERE tenant = (SELECT slug FROM tenant WHERE id = ?1);
