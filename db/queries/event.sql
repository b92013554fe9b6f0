-- The outbox.

-- name: event_add
INSERT INTO event (at, kind, tenant_id, admin, subject_type, subject_id, subject_name, operation_id, op_done, data)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);

-- name: event_bounds
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
       coalesce((SELECT min(id) FROM event), 0);

-- name: event_after
SELECT e.id, e.at, e.kind, e.tenant_id, e.admin, e.subject_type, e.subject_id, e.subject_name, e.operation_id, e.op_done,
       e.data, coalesce(t.slug, '')
FROM event e LEFT JOIN tenant t ON t.id = e.tenant_id WHERE e.id > ?1 ORDER BY e.id LIMIT ?2;

-- name: event_after_of_tenant
-- The tenant's and everybody's, merged in order of id: each half walks the index and stops early.
SELECT e.id, e.at, e.kind, e.tenant_id, e.admin, e.subject_type, e.subject_id, e.subject_name, e.operation_id, e.op_done,
       e.data, coalesce(t.slug, '')
FROM event e LEFT JOIN tenant t ON t.id = e.tenant_id WHERE e.tenant_id = ?3 AND e.id > ?1 AND e.admin = 0
UNION ALL
SELECT id, at, kind, tenant_id, admin, subject_type, subject_id, subject_name, operation_id, op_done, data, ''
FROM event WHERE tenant_id = '*' AND id > ?1 AND admin = 0
ORDER BY 1 LIMIT ?2;

-- name: event_prune
DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?1;

-- name: event_forget
-- After a restore: the events are of a history that went on without this database.
DELETE FROM event;

-- name: event_leap
-- After a restore: further than that history can have gone, so that no id is given out twice.
UPDATE sqlite_sequence SET seq = seq + 1000000000 WHERE name = 'event';
