-- Metrics that tenants report.

-- name: metric_add
INSERT INTO metric (tenant_id, at, name, type, value, labels) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: metric_prune
DELETE FROM metric WHERE tenant_id = ?1
       AND id <= (SELECT id FROM metric WHERE tenant_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2);

-- The newest first; ?2 a name or '' for all.
-- name: metric_list
SELECT id, at, name, type, value, labels FROM metric WHERE tenant_id = ?1 AND (?2 = '' OR name = ?2) ORDER BY id DESC LIMIT ?3;
