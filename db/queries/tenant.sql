-- Tenants and their members.

-- name: tenant_get
SELECT id, slug, name, net_index, created_at, '', 0, EXISTS (SELECT 1 FROM code_network WHERE tenant_id = id) FROM tenant WHERE id = ?1;

-- name: tenant_by_slug
SELECT id, slug, name, net_index, created_at, '', 0, EXISTS (SELECT 1 FROM code_network WHERE tenant_id = id) FROM tenant WHERE slug = ?1;

-- name: tenant_list
-- Those a user is member of with the role there; all of them when ?2 is 1.
SELECT t.id, t.slug, t.name, t.net_index, t.created_at, coalesce(m.role, CASE ?2 WHEN 1 THEN 'owner' END),
       coalesce(m.since, 9000000000000000000), EXISTS (SELECT 1 FROM code_network c WHERE c.tenant_id = t.id)
FROM tenant t LEFT JOIN member m ON m.tenant_id = t.id AND m.user_id = ?1
WHERE (m.role IS NOT NULL OR ?2 = 1) AND (coalesce(m.since, 9000000000000000000), t.slug) > (?5, ?6)
ORDER BY coalesce(m.since, 9000000000000000000), t.slug LIMIT ?3 OFFSET ?4;

-- name: tenant_count
SELECT count(*) FROM tenant t LEFT JOIN member m ON m.tenant_id = t.id AND m.user_id = ?1 WHERE m.role IS NOT NULL OR ?2 = 1;

-- name: tenant_free_net
-- The lowest number that no tenant has and no engine may still hold.
SELECT min(n) FROM (SELECT 0 AS n UNION SELECT net_index + 1 FROM tenant UNION SELECT net_index + 1 FROM network_release)
WHERE n NOT IN (SELECT net_index FROM tenant) AND n NOT IN (SELECT net_index FROM network_release);

-- name: network_release_put
INSERT OR REPLACE INTO network_release VALUES (?1, ?2);

-- name: network_release_list
SELECT net_index FROM network_release ORDER BY net_index LIMIT 100;

-- name: network_release_clear
DELETE FROM network_release WHERE net_index = ?1;

-- name: tenant_content
-- Instances, images, volumes, networks.
SELECT (SELECT count(*) FROM instance WHERE tenant_id = ?1), (SELECT count(*) FROM image WHERE tenant_id = ?1),
       (SELECT count(*) FROM volume WHERE tenant_id = ?1), (SELECT count(*) FROM network WHERE tenant_id = ?1);

-- name: tenant_rename
UPDATE tenant SET name = ?2 WHERE id = ?1;

-- name: tenant_remove
DELETE FROM tenant WHERE id = ?1;

-- name: tenant_move_quarantine
-- Addresses that rest stay at rest in the network, whoever has it next.
UPDATE OR REPLACE host_number_quarantine SET tenant_id = ?2 WHERE tenant_id = ?1;

-- name: tenant_forget_counts
DELETE FROM instance_count WHERE tenant_id = ?1;

-- name: member_get
SELECT m.user_id, u.username, m.role, m.since FROM member m JOIN user u ON u.id = m.user_id
WHERE m.tenant_id = ?1 AND m.user_id = ?2;

-- name: member_list
SELECT m.user_id, u.username, m.role, m.since FROM member m JOIN user u ON u.id = m.user_id
WHERE m.tenant_id = ?1 ORDER BY m.since, u.username;

-- name: member_other_owners
SELECT count(*) FROM member WHERE tenant_id = ?1 AND user_id <> ?2 AND role = 'owner';

-- name: member_remove
DELETE FROM member WHERE tenant_id = ?1 AND user_id = ?2;
