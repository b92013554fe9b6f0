-- Volumes and what has them.

-- name: volume_get
SELECT v.id, v.tenant_id, t.slug, v.name, v.kind, v.size_bytes, v.state, v.error, v.made, v.owner_id, v.version, v.created_at, v.updated_at
FROM volume v JOIN tenant t ON t.id = v.tenant_id WHERE v.id = ?1;

-- name: volume_by_name
SELECT v.id, v.tenant_id, t.slug, v.name, v.kind, v.size_bytes, v.state, v.error, v.made, v.owner_id, v.version, v.created_at, v.updated_at
FROM volume v JOIN tenant t ON t.id = v.tenant_id WHERE v.tenant_id = ?1 AND v.name = ?2;

-- name: volume_list
SELECT v.id, v.tenant_id, t.slug, v.name, v.kind, v.size_bytes, v.state, v.error, v.made, v.owner_id, v.version, v.created_at, v.updated_at
FROM volume v JOIN tenant t ON t.id = v.tenant_id WHERE v.tenant_id = ?1 AND (v.created_at, v.id) > (?4, ?5)
ORDER BY v.created_at, v.id LIMIT ?2 OFFSET ?3;

-- name: volume_count
SELECT count(*) FROM volume WHERE tenant_id = ?1;

-- name: volume_exists
SELECT 1 FROM volume WHERE id = ?1;

-- name: volume_made
SELECT id, name, kind FROM volume WHERE made = 1;

-- name: volume_total
-- What all of them may hold together, once what grows has grown.
SELECT coalesce(sum(size_bytes), 0)
       + (SELECT coalesce(sum(max(0, (o.params ->> '$.size') - v.size_bytes)), 0) FROM operation o JOIN volume v ON v.id = o.volume_id
          WHERE o.status IN ('queued', 'running') AND o.kind = 'volume.resize')
FROM volume;

-- name: volume_add
INSERT INTO volume (id, tenant_id, name, kind, size_bytes, state, owner_id, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, 'creating', ?6, ?7, ?7);

-- name: volume_set_state
UPDATE volume SET state = ?2, error = ?3, made = max(made, ?4), updated_at = ?5, version = version + 1 WHERE id = ?1;

-- name: volume_set_kind
UPDATE volume SET kind = ?2, updated_at = ?3, version = version + 1 WHERE id = ?1 AND kind = '';

-- name: volume_set_size
UPDATE volume SET size_bytes = ?2, updated_at = ?3, version = version + 1 WHERE id = ?1;

-- name: volume_touch
UPDATE volume SET updated_at = ?2, version = version + 1 WHERE id = ?1;

-- name: volume_remove
DELETE FROM volume WHERE id = ?1;

-- name: attachment_of_instance
SELECT a.number, coalesce(a.volume_id, ''), coalesce(v.name, ''), coalesce(v.kind, ''), coalesce(v.size_bytes, 0), coalesce(v.made, 0),
       a.instance_id, '', a.host_path, a.path, a.read_only, a.placed, a.detaching
FROM volume_attachment a LEFT JOIN volume v ON v.id = a.volume_id WHERE a.instance_id = ?1 ORDER BY a.number;

-- name: attachment_of_volume
SELECT a.number, a.volume_id, v.name, v.kind, v.size_bytes, v.made, a.instance_id, i.name, a.host_path, a.path, a.read_only, a.placed,
       a.detaching
FROM volume_attachment a JOIN volume v ON v.id = a.volume_id JOIN instance i ON i.id = a.instance_id
WHERE a.volume_id = ?1 ORDER BY a.created_at, a.instance_id;

-- name: attachment_of_any
-- Instances that have or had something: the reconciler looks after these.
SELECT DISTINCT instance_id FROM volume_attachment;

-- name: attachment_next
SELECT coalesce(max(number), 0) + 1 FROM volume_attachment WHERE instance_id = ?1;

-- name: attachment_add
INSERT INTO volume_attachment (instance_id, number, volume_id, host_path, path, read_only, created_at)
VALUES (?1, ?2, nullif(?3, ''), ?4, ?5, ?6, ?7);

-- name: attachment_place
UPDATE volume_attachment SET placed = 1 WHERE instance_id = ?1 AND placed = 0;

-- name: attachment_set_detaching
UPDATE volume_attachment SET detaching = ?3 WHERE instance_id = ?1 AND volume_id = ?2;

-- name: attachment_empty
UPDATE volume_attachment SET volume_id = NULL, detaching = 0 WHERE instance_id = ?1 AND volume_id = ?2 AND placed = 1;

-- name: attachment_remove
DELETE FROM volume_attachment WHERE instance_id = ?1 AND volume_id = ?2;
