-- Containers that run one command and are thrown away.

-- name: oneshot_add
INSERT INTO oneshot (id, tenant_id, user_id, image, image_ref, command, whole, state, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued', ?8);

-- name: oneshot_get
SELECT seq, id, tenant_id, image, image_ref, command, whole, state, stop, created_at, host_number, exit_code, error, ended_at FROM oneshot WHERE id = ?1;

-- name: oneshot_claim
-- Once: a second one who comes for it gets nothing.
UPDATE oneshot SET state = 'running' WHERE id = ?1 AND tenant_id = ?2 AND state = 'queued' AND stop = 0;

-- name: oneshot_stop
UPDATE oneshot SET stop = 1 WHERE id = ?1 AND tenant_id = ?2 AND state <> 'ended';

-- name: oneshot_stopped
SELECT stop FROM oneshot WHERE id = ?1;

-- name: oneshot_end
-- ?2: exit code or NULL.
UPDATE oneshot SET state = 'ended', exit_code = ?2, error = ?3, ended_at = ?4 WHERE id = ?1 AND state <> 'ended';

-- name: oneshot_active
-- A tenant's (?1), or all for ''.
SELECT count(*) FROM oneshot WHERE (?1 = '' OR tenant_id = ?1) AND state <> 'ended';

-- name: oneshot_list
SELECT seq, id, tenant_id, image, image_ref, command, whole, state, stop, created_at, host_number, exit_code, error, ended_at FROM oneshot
WHERE tenant_id = ?1 AND state <> 'ended' ORDER BY seq;

-- name: oneshot_unclaimed
-- The next one that nobody came for.
SELECT id FROM oneshot WHERE state = 'queued' AND created_at < ?1 LIMIT 1;

-- name: oneshot_lost
-- The next one that ran when the runner died: it has been removed.
SELECT id FROM oneshot WHERE state = 'running' LIMIT 1;

-- name: oneshot_prune
DELETE FROM oneshot WHERE ended_at < ?1;

-- name: oneshot_place
-- The lowest address of ?2 to ?3 in the tenant's network that nothing has; NULL when all are taken.
UPDATE oneshot SET host_number =
  (WITH RECURSIVE n(x) AS (SELECT ?2 UNION ALL SELECT x + 1 FROM n WHERE x < ?3)
   SELECT x FROM n
   WHERE NOT EXISTS (SELECT 1 FROM oneshot o WHERE o.tenant_id = oneshot.tenant_id AND o.host_number = x AND o.state = 'running')
     AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.tenant_id = oneshot.tenant_id AND i.host_number = x)
     AND NOT EXISTS (SELECT 1 FROM host_number_quarantine q WHERE q.tenant_id = oneshot.tenant_id AND q.host_number = x AND q.until > ?4)
   LIMIT 1)
WHERE id = ?1;
