-- Reading the audit record. The text that is looked for is '' for all of it; case does not matter in ASCII.

-- name: audit_list
SELECT a.id, a.at, a.user_id, a.username, a.token_id, a.address, a.action, a.subject, coalesce(t.slug, a.tenant_id), a.result, a.details
FROM audit a LEFT JOIN tenant t ON t.id = a.tenant_id
WHERE a.id < ?4 AND (?3 = '' OR instr(lower(a.username || ' ' || a.action || ' ' || a.subject || ' ' || a.address || ' ' || a.result || ' ' || a.details), lower(?3)) > 0)
ORDER BY a.id DESC LIMIT ?1 OFFSET ?2;

-- name: audit_list_of_tenant
SELECT a.id, a.at, a.user_id, a.username, a.token_id, a.address, a.action, a.subject, coalesce(t.slug, a.tenant_id), a.result, a.details
FROM audit a LEFT JOIN tenant t ON t.id = a.tenant_id
WHERE a.tenant_id = ?5 AND a.id < ?4 AND (?3 = '' OR instr(lower(a.username || ' ' || a.action || ' ' || a.subject || ' ' || a.address || ' ' || a.result || ' ' || a.details), lower(?3)) > 0)
ORDER BY a.id DESC LIMIT ?1 OFFSET ?2;

-- name: audit_count
SELECT count(*) FROM audit a WHERE (?1 = '' OR instr(lower(a.username || ' ' || a.action || ' ' || a.subject || ' ' || a.address || ' ' || a.result || ' ' || a.details), lower(?1)) > 0);

-- name: audit_count_of_tenant
SELECT count(*) FROM audit a WHERE a.tenant_id = ?2 AND (?1 = '' OR instr(lower(a.username || ' ' || a.action || ' ' || a.subject || ' ' || a.address || ' ' || a.result || ' ' || a.details), lower(?1)) > 0);

-- name: audit_prune
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at <= ?1 ORDER BY at LIMIT ?2);
