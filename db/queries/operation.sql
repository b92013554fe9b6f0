-- Operations: queue and history.

-- name: operation_add
INSERT INTO operation (id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, created_at,
                       volume_id)
VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12);

-- name: operation_get
SELECT seq, id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, step, progress,
       log, error_code, error_text, cancel, attempts, created_at, started_at, ended_at, volume_id
FROM operation WHERE id = ?1;

-- name: operation_open_of_instance
SELECT seq, id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, step, progress,
       log, error_code, error_text, cancel, attempts, created_at, started_at, ended_at, volume_id
FROM operation WHERE instance_id = ?1 AND status IN ('queued', 'running') ORDER BY seq LIMIT 1;

-- name: operation_open_of_volume
-- About the volume alone: what attaches it to an instance is that one's.
SELECT seq, id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, step, progress,
       log, error_code, error_text, cancel, attempts, created_at, started_at, ended_at, volume_id
FROM operation
WHERE volume_id = ?1 AND volume_id <> '' AND instance_id = '' AND status IN ('queued', 'running') ORDER BY seq LIMIT 1;

-- name: operation_list
SELECT seq, id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, step, progress,
       log, error_code, error_text, cancel, attempts, created_at, started_at, ended_at, volume_id
FROM operation
WHERE tenant_id = ?1 AND seq < ?2 AND (?3 = '' OR status = ?3)
ORDER BY seq DESC LIMIT ?4 OFFSET ?5;

-- name: operation_list_of_instance
SELECT seq, id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, step, progress,
       log, error_code, error_text, cancel, attempts, created_at, started_at, ended_at, volume_id
FROM operation
WHERE instance_id = ?6 AND +tenant_id = ?1 AND seq < ?2 AND (?3 = '' OR status = ?3)
ORDER BY seq DESC LIMIT ?4 OFFSET ?5;

-- name: operation_count
SELECT count(*) FROM operation WHERE tenant_id = ?1 AND (?2 = '' OR instance_id = ?2) AND (?3 = '' OR status = ?3);

-- name: operation_open_uncancelled
SELECT seq, id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, step, progress,
       log, error_code, error_text, cancel, attempts, created_at, started_at, ended_at, volume_id
FROM operation
WHERE instance_id = ?1 AND status IN ('queued', 'running') AND cancel = 0 ORDER BY seq;

-- Every tenant's first one, then every tenant's second one: no backlog of one hides the others'. Last, whether its image may
-- have to come first: it is not in the catalogue, or on its way.
-- name: operation_open
SELECT seq, id, kind, status, tenant_id, instance_id, subject_name, image_id, user_id, username, request_id, params, step, progress,
       log, error_code, error_text, cancel, attempts, created_at, started_at, ended_at, volume_id,
       kind = 'instance.create' AND NOT EXISTS (SELECT 1 FROM image m WHERE m.id = o.image_id AND m.state = 'ready')
FROM operation o
JOIN (SELECT seq AS s, row_number() OVER (PARTITION BY tenant_id ORDER BY seq) AS turn
      FROM operation WHERE status IN ('queued', 'running') ORDER BY turn, s LIMIT ?1) ON o.seq = s
ORDER BY turn, seq;

-- name: operation_claim
UPDATE operation SET status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, ?2)
WHERE id = ?1 AND status IN ('queued', 'running');

-- name: operation_progress
UPDATE operation SET step = ?2, progress = ?3, log = substr(log || ?4, -16384) WHERE id = ?1 AND status = 'running';

-- name: operation_end
UPDATE operation SET status = ?2, error_code = ?3, error_text = ?4, ended_at = ?5, step = CASE ?2 WHEN 'done' THEN '' ELSE step END,
       progress = CASE ?2 WHEN 'done' THEN 1.0 ELSE progress END
WHERE id = ?1 AND status IN ('queued', 'running');

-- name: operation_cancel
UPDATE operation SET cancel = 1 WHERE id = ?1 AND status IN ('queued', 'running');

-- name: operation_requeue
UPDATE operation SET status = 'queued' WHERE id = ?1 AND status = 'running';

-- name: operation_prune
DELETE FROM operation WHERE ended_at < ?1;
