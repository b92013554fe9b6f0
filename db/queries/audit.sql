-- Reading the audit record.

-- name: audit_list
SELECT a.id, a.at, a.user_id, a.username, a.token_id, a.address, a.action, a.subject, coalesce(t.slug, a.tenant_id), a.result, a.details
FROM audit a LEFT JOIN tenant t ON t.id = a.tenant_id ORDER BY a.id DESC LIMIT ?1 OFFSET ?2;

-- name: audit_list_of_tenant
SELECT a.id, a.at, a.user_id, a.username, a.token_id, a.address, a.action, a.subject, coalesce(t.slug, a.tenant_id), a.result, a.details
FROM audit a LEFT JOIN tenant t ON t.id = a.tenant_id WHERE a.tenant_id = ?3 ORDER BY a.id DESC LIMIT ?1 OFFSET ?2;

-- name: audit_count
SELECT count(*) FROM audit;

-- name: audit_count_of_tenant
SELECT count(*) FROM audit WHERE tenant_id = ?1;
