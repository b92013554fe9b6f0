-- What a tenant may have, and what it has.

-- name: quota_get
-- -1: unlimited.
SELECT coalesce(instances, -1), coalesce(cpu_millis, -1), coalesce(memory_bytes, -1), coalesce(storage_bytes, -1),
       coalesce(ingress, -1), coalesce(tokens, -1), version, updated_at,
       coalesce(code_time_ms, -1), coalesce(code_memory_bytes, -1), coalesce(code_output_bytes, -1)
FROM tenant_quota WHERE tenant_id = ?1;

-- name: quota_put
INSERT INTO tenant_quota (tenant_id, instances, cpu_millis, memory_bytes, storage_bytes, ingress, tokens,
                          code_time_ms, code_memory_bytes, code_output_bytes, updated_at)
VALUES (?1, nullif(?2, -1), nullif(?3, -1), nullif(?4, -1), nullif(?5, -1), nullif(?6, -1), nullif(?7, -1),
        nullif(?8, -1), nullif(?9, -1), nullif(?10, -1), ?11)
ON CONFLICT (tenant_id) DO UPDATE SET instances = excluded.instances, cpu_millis = excluded.cpu_millis,
  memory_bytes = excluded.memory_bytes, storage_bytes = excluded.storage_bytes, ingress = excluded.ingress,
  tokens = excluded.tokens, code_time_ms = excluded.code_time_ms, code_memory_bytes = excluded.code_memory_bytes,
  code_output_bytes = excluded.code_output_bytes, version = version + 1, updated_at = excluded.updated_at;

-- name: quota_used
-- Everything that exists, whatever its state, with what operations at work may add: volumes as large as they are becoming, and what an
-- update may give back; of a container without a limit of storage what it holds; of images the tenant's own. ?2: now.
WITH back AS (SELECT max(0, (o.params ->> '$.was.cpuMillis') - i.cpu_millis) AS cpu_millis,
                     max(0, (o.params ->> '$.was.memoryBytes') - i.memory_bytes) AS memory_bytes
              FROM operation o JOIN instance i ON i.id = o.instance_id
              WHERE o.status IN ('queued', 'running') AND o.kind = 'instance.update' AND i.tenant_id = ?1)
SELECT count(*), coalesce(sum(cpu_millis), 0) + (SELECT coalesce(sum(cpu_millis), 0) FROM back),
       coalesce(sum(memory_bytes), 0) + (SELECT coalesce(sum(memory_bytes), 0) FROM back),
       coalesce(sum(CASE WHEN storage_bytes > 0 THEN storage_bytes ELSE coalesce(l.bytes, 0) END), 0)
       + (SELECT coalesce(sum(size_bytes), 0) FROM volume WHERE tenant_id = ?1)
       + (SELECT coalesce(sum(max(0, (o.params ->> '$.size') - v.size_bytes)), 0) FROM operation o JOIN volume v ON v.id = o.volume_id
          WHERE o.status IN ('queued', 'running') AND o.kind = 'volume.resize' AND v.tenant_id = ?1)
       + (SELECT coalesce(sum(size_bytes), 0) FROM image WHERE tenant_id = ?1 AND public = 0),
       (SELECT count(*) FROM ingress g JOIN instance i ON i.id = g.instance_id WHERE i.tenant_id = ?1),
       (SELECT count(*) FROM token WHERE tenant_id = ?1 AND revoked_at IS NULL AND coalesce(expires_at, 9e18) > ?2)
FROM instance i LEFT JOIN instance_layer l ON l.instance_id = i.id WHERE tenant_id = ?1;
