-- The image catalogue.

-- name: image_get
SELECT m.id, coalesce(m.tenant_id, ''), coalesce(t.slug, ''), m.name, m.kind, m.source, m.reference, m.digest, m.state, m.error, m.file,
       m.size_bytes, m.created_at, m.updated_at, m.is_default, m.public,
       coalesce((SELECT group_concat(alias, ' ') FROM (SELECT alias FROM image_alias a WHERE a.image_id = m.id AND a.alias <> m.name
                                                       ORDER BY alias)), ''),
       v.format, v.url, v.sha256, v.virtual_bytes, v.min_disk_bytes, v.min_memory_bytes, v.default_user, v.cloud_init
FROM image m LEFT JOIN tenant t ON t.id = m.tenant_id LEFT JOIN image_vm v ON v.image_id = m.id WHERE m.id = ?1;

-- The tenant's own names come first, then the host's, then what other tenants' were made public.
-- name: image_resolve
SELECT a.image_id FROM image_alias a JOIN image m ON m.id = a.image_id
WHERE a.alias = ?2 AND (a.scope = ?1 OR m.public = 1) AND m.kind = ?3 AND m.state <> 'deleting'
ORDER BY a.scope <> ?1, a.scope <> '', m.created_at LIMIT 1;

-- name: image_default_of_kind
SELECT id FROM image WHERE kind = ?1 AND is_default = 1;

-- name: image_list
SELECT m.id, coalesce(m.tenant_id, ''), coalesce(t.slug, ''), m.name, m.kind, m.source, m.reference, m.digest, m.state, m.error, m.file,
       m.size_bytes, m.created_at, m.updated_at, m.is_default, m.public,
       coalesce((SELECT group_concat(alias, ' ') FROM (SELECT alias FROM image_alias a WHERE a.image_id = m.id AND a.alias <> m.name
                                                       ORDER BY alias)), ''),
       v.format, v.url, v.sha256, v.virtual_bytes, v.min_disk_bytes, v.min_memory_bytes, v.default_user, v.cloud_init
FROM image m LEFT JOIN tenant t ON t.id = m.tenant_id LEFT JOIN image_vm v ON v.image_id = m.id
WHERE m.tenant_id = ?1 OR m.public = 1 ORDER BY m.created_at, m.id;

-- name: image_add
INSERT INTO image (id, tenant_id, name, kind, source, reference, digest, size_bytes, is_default, public, state, error, file,
                   created_at, updated_at)
VALUES (?1, nullif(?2, ''), ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?11, ?12, ?13, ?13);

-- name: image_alias_add
INSERT INTO image_alias VALUES (?1, ?2, ?3);

-- name: image_alias_clear
DELETE FROM image_alias WHERE image_id = ?1 AND alias <> ?2;

-- An empty digest and a negative size leave what is known.
-- name: image_set_state
UPDATE image SET state = ?2, digest = CASE ?3 WHEN '' THEN digest ELSE ?3 END,
       size_bytes = CASE WHEN ?4 < 0 THEN size_bytes ELSE ?4 END, error = ?5,
       file = CASE ?2 WHEN 'ready' THEN '' ELSE file END, updated_at = ?6
WHERE id = ?1;

-- name: image_clear_default
UPDATE image SET is_default = 0 WHERE kind = ?1 AND is_default = 1;

-- name: image_set_default
UPDATE image SET is_default = 1, updated_at = ?3 WHERE id = ?1 AND kind = ?2;

-- name: image_set_public
UPDATE image SET public = ?2, updated_at = ?3 WHERE id = ?1;

-- name: image_users
SELECT count(*) FROM instance WHERE image_id = ?1;

-- Who else needs what ?2 names in the engine: other entries of the catalogue, and instances made of the bare reference.
-- name: image_sharers
SELECT (SELECT count(*) FROM image WHERE reference = ?2 AND id <> ?1 AND state <> 'deleting')
     + (SELECT count(*) FROM instance WHERE image_ref = ?2);

-- How many images of a tenant are under way, and how many it has.
-- name: image_load
SELECT (SELECT count(*) FROM operation
        WHERE status IN ('queued', 'running') AND +tenant_id = ?1 AND image_id <> '' AND instance_id = ''),
       (SELECT count(*) FROM image WHERE tenant_id = ?1);

-- name: image_remove
DELETE FROM image WHERE id = ?1;

-- name: image_use_put
INSERT INTO image_use (ref, used_at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET used_at = excluded.used_at;

-- name: image_use_touch
UPDATE image_use SET used_at = ?2 WHERE ref = ?1;

-- name: image_use_idle
SELECT ref FROM image_use u WHERE used_at <= ?1
       AND NOT EXISTS (SELECT 1 FROM image m WHERE m.reference = u.ref)
       AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.image_ref = u.ref)
ORDER BY used_at LIMIT 50;

-- name: image_use_forget
DELETE FROM image_use WHERE ref = ?1;
