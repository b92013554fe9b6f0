-- History of code runs.

-- name: code_run_add
INSERT INTO code_run (id, tenant_id, user_id, language, code, code_bytes, output, success, exit_code, signal, limit_hit, error, time_ms,
                      memory_bytes, queue_ms, created_at)
SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, -1), nullif(?10, 0), nullif(?11, ''), nullif(?12, ''), ?13, ?14, ?15, ?16
FROM tenant WHERE id = ?2;

-- name: code_run_list
SELECT seq, id, user_id, language, code, code_bytes, output, success, exit_code, signal, limit_hit, error, time_ms, memory_bytes, queue_ms, created_at
FROM code_run WHERE tenant_id = ?1 AND seq < ?4 ORDER BY seq DESC LIMIT ?2 OFFSET ?3;

-- name: code_run_count
SELECT count(*) FROM code_run WHERE tenant_id = ?1;

-- name: code_run_prune
DELETE FROM code_run WHERE seq IN
  (SELECT seq FROM (SELECT seq, row_number() OVER (PARTITION BY tenant_id ORDER BY seq DESC) AS nth FROM code_run) WHERE nth > ?1);
