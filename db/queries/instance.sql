-- Instances and their parts.

-- name: instance_get
SELECT i.seq, i.id, i.tenant_id, t.slug, i.name, i.type, i.backend, i.state, i.desired, i.health, i.reason, coalesce(i.image_id, ''),
       i.image, i.image_ref, i.config, i.cpu_millis, i.memory_bytes, i.storage_bytes, i.host_number, t.net_index, i.engine_ref,
       i.owner_id, coalesce(u.username, ''), i.version, i.created_at, i.updated_at, i.started_at, i.flavor, i.ssh_enabled,
       i.pending
FROM instance i JOIN tenant t ON t.id = i.tenant_id LEFT JOIN user u ON u.id = i.owner_id
WHERE i.id = ?1 AND (?2 = '' OR +i.tenant_id = ?2);

-- name: instance_get_by_name
SELECT i.seq, i.id, i.tenant_id, t.slug, i.name, i.type, i.backend, i.state, i.desired, i.health, i.reason, coalesce(i.image_id, ''),
       i.image, i.image_ref, i.config, i.cpu_millis, i.memory_bytes, i.storage_bytes, i.host_number, t.net_index, i.engine_ref,
       i.owner_id, coalesce(u.username, ''), i.version, i.created_at, i.updated_at, i.started_at, i.flavor, i.ssh_enabled,
       i.pending
FROM instance i JOIN tenant t ON t.id = i.tenant_id LEFT JOIN user u ON u.id = i.owner_id
WHERE i.tenant_id = ?1 AND i.name = ?2;

-- name: instance_has_gpu
SELECT 1 FROM instance WHERE type = 'vm' AND json_extract(config, '$.gpu') = ?1 LIMIT 1;

-- Lists pick the page's rows from an index alone and join only those: a deep page costs little more than the first.
-- name: instance_list
SELECT i.seq, i.id, i.tenant_id, t.slug, i.name, i.type, i.backend, i.state, i.desired, i.health, i.reason, coalesce(i.image_id, ''),
       i.image, i.image_ref, i.config, i.cpu_millis, i.memory_bytes, i.storage_bytes, i.host_number, t.net_index, i.engine_ref,
       i.owner_id, coalesce(u.username, ''), i.version, i.created_at, i.updated_at, i.started_at, i.flavor, i.ssh_enabled,
       i.pending
FROM instance i JOIN tenant t ON t.id = i.tenant_id LEFT JOIN user u ON u.id = i.owner_id
WHERE i.seq IN (SELECT seq FROM instance INDEXED BY instance_by_tenant WHERE tenant_id = ?1 AND seq < ?2
                ORDER BY seq DESC LIMIT ?3 OFFSET ?4)
ORDER BY i.seq DESC;

-- name: instance_list_of_state
SELECT i.seq, i.id, i.tenant_id, t.slug, i.name, i.type, i.backend, i.state, i.desired, i.health, i.reason, coalesce(i.image_id, ''),
       i.image, i.image_ref, i.config, i.cpu_millis, i.memory_bytes, i.storage_bytes, i.host_number, t.net_index, i.engine_ref,
       i.owner_id, coalesce(u.username, ''), i.version, i.created_at, i.updated_at, i.started_at, i.flavor, i.ssh_enabled,
       i.pending
FROM instance i JOIN tenant t ON t.id = i.tenant_id LEFT JOIN user u ON u.id = i.owner_id
WHERE i.seq IN (SELECT seq FROM instance INDEXED BY instance_by_state WHERE tenant_id = ?1 AND state = ?5 AND seq < ?2
                ORDER BY seq DESC LIMIT ?3 OFFSET ?4)
ORDER BY i.seq DESC;

-- ?5 state ?6 backend ?7 name ?8 part of name or image ?9 label key ?10 label value; '' means any.
-- name: instance_list_filtered
SELECT i.seq, i.id, i.tenant_id, t.slug, i.name, i.type, i.backend, i.state, i.desired, i.health, i.reason, coalesce(i.image_id, ''),
       i.image, i.image_ref, i.config, i.cpu_millis, i.memory_bytes, i.storage_bytes, i.host_number, t.net_index, i.engine_ref,
       i.owner_id, coalesce(u.username, ''), i.version, i.created_at, i.updated_at, i.started_at, i.flavor, i.ssh_enabled,
       i.pending
FROM instance i JOIN tenant t ON t.id = i.tenant_id LEFT JOIN user u ON u.id = i.owner_id
WHERE i.seq IN (SELECT f.seq FROM instance f WHERE f.tenant_id = ?1 AND f.seq < ?2
                AND (?5 = '' OR f.state = ?5) AND (?6 = '' OR f.backend = ?6) AND (?7 = '' OR f.name = ?7)
                AND (?8 = '' OR instr(f.name, lower(?8)) OR instr(lower(f.image), lower(?8)))
                AND (?9 = '' OR EXISTS (SELECT 1 FROM instance_label l WHERE l.instance_id = f.id AND l.key = ?9
                                        AND (?10 = '' OR l.value = ?10)))
                ORDER BY f.seq DESC LIMIT ?3 OFFSET ?4)
ORDER BY i.seq DESC;

-- name: instance_count_all
SELECT coalesce(sum(n), 0) FROM instance_count WHERE tenant_id = ?1 AND (?2 = '' OR state = ?2);

-- name: instance_count_filtered
SELECT count(*) FROM instance f WHERE f.tenant_id = ?1
       AND (?2 = '' OR f.state = ?2) AND (?3 = '' OR f.backend = ?3) AND (?4 = '' OR f.name = ?4)
       AND (?5 = '' OR instr(f.name, lower(?5)) OR instr(lower(f.image), lower(?5)))
       AND (?6 = '' OR EXISTS (SELECT 1 FROM instance_label l WHERE l.instance_id = f.id AND l.key = ?6
                               AND (?7 = '' OR l.value = ?7)));

-- name: instance_of_backend
SELECT id, tenant_id, name, state, desired, engine_ref, updated_at FROM instance WHERE backend = ?1;

-- What admission counts: everything that exists, whatever its state, with what updates at work may give back.
-- name: instance_admitted
WITH back AS (SELECT max(0, (o.params ->> '$.was.cpuMillis') - i.cpu_millis) AS cpu_millis,
                     max(0, (o.params ->> '$.was.memoryBytes') - i.memory_bytes) AS memory_bytes
              FROM operation o JOIN instance i ON i.id = o.instance_id
              WHERE o.status IN ('queued', 'running') AND o.kind = 'instance.update' AND i.id <> ?1)
SELECT coalesce(sum(cpu_millis), 0) + (SELECT coalesce(sum(cpu_millis), 0) FROM back),
       coalesce(sum(memory_bytes), 0) + (SELECT coalesce(sum(memory_bytes), 0) FROM back)
FROM instance WHERE id <> ?1;

-- The lowest number that is neither used nor resting after a delete.
-- name: instance_free_host
WITH RECURSIVE n(x) AS (SELECT ?3 UNION ALL SELECT x + 1 FROM n WHERE x < ?4)
SELECT x FROM n
WHERE NOT EXISTS (SELECT 1 FROM instance WHERE tenant_id = ?1 AND host_number = x)
  AND NOT EXISTS (SELECT 1 FROM host_number_quarantine q WHERE q.tenant_id = ?1 AND q.host_number = x AND q.until > ?2)
LIMIT 1;

-- name: instance_add
INSERT INTO instance (id, tenant_id, name, type, backend, state, desired, image_id, image, image_ref, config, cpu_millis, memory_bytes,
                      storage_bytes, host_number, owner_id, created_at, updated_at, flavor)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, nullif(?8, ''), ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?17, ?18);

-- name: instance_head
SELECT state, version FROM instance WHERE id = ?1;

-- NULL leaves a field; ?6 says whether ?7 (the reason) counts; ?8: -1 leaves, 0 not running.
-- name: instance_change
UPDATE instance SET state = coalesce(?2, state), desired = coalesce(?3, desired), health = coalesce(?4, health),
       engine_ref = coalesce(?5, engine_ref), reason = CASE ?6 WHEN 0 THEN reason ELSE ?7 END,
       started_at = CASE ?8 WHEN -1 THEN started_at ELSE nullif(?8, 0) END, pending = coalesce(?10, pending),
       updated_at = ?9, version = version + 1
WHERE id = ?1;

-- name: instance_set_sizes
UPDATE instance SET cpu_millis = ?2, memory_bytes = ?3, storage_bytes = ?4, flavor = ?5, updated_at = ?6, version = version + 1
WHERE id = ?1;

-- name: instance_touch
UPDATE instance SET updated_at = ?2, version = version + 1 WHERE id = ?1;

-- name: instance_remove
DELETE FROM instance WHERE id = ?1;

-- name: env_add
INSERT INTO instance_env VALUES (?1, ?2, ?3, ?4, ?5);

-- name: env_of
SELECT name, value, secret FROM instance_env WHERE instance_id = ?1 ORDER BY position;

-- name: label_add
INSERT INTO instance_label VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = excluded.value;

-- name: label_of
SELECT key, value FROM instance_label WHERE instance_id = ?1 ORDER BY key;

-- name: label_clear
DELETE FROM instance_label WHERE instance_id = ?1;

-- name: port_add
INSERT INTO instance_port VALUES (?1, ?2, ?3, ?4);

-- name: port_of
SELECT host_port, instance_port, protocol FROM instance_port WHERE instance_id = ?1 ORDER BY host_port, protocol;

-- name: host_number_rest
INSERT INTO host_number_quarantine VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET until = excluded.until;

-- name: host_number_forget
DELETE FROM host_number_quarantine WHERE until <= ?1;

-- name: instance_set_ssh
UPDATE instance SET ssh_enabled = ?2, updated_at = ?3, version = version + 1 WHERE id = ?1;
