-- The service registry.

-- name: service_put
INSERT INTO service (lease_id, tenant_id, name, service_id, address, port, status, metadata, version, ttl_ms, registered_at, expires_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12);

-- name: service_find
-- ?1: the tenant, '' for Lodge's own.
SELECT lease_id, coalesce(tenant_id, ''), name, service_id, address, port, status, metadata, version, ttl_ms, registered_at,
       coalesce(expires_at, 0)
FROM service WHERE coalesce(tenant_id, '') = ?1 AND name = ?2 AND service_id = ?3;

-- name: service_of_lease
SELECT lease_id, coalesce(tenant_id, ''), name, service_id, address, port, status, metadata, version, ttl_ms, registered_at,
       coalesce(expires_at, 0)
FROM service WHERE lease_id = ?1 AND tenant_id = ?2;

-- name: service_list
-- The tenant's (?1) whose lease has not ended by ?3, and Lodge's own; ?2 a name or '' for all.
SELECT lease_id, coalesce(tenant_id, ''), name, service_id, address, port, status, metadata, version, ttl_ms, registered_at,
       coalesce(expires_at, 0)
FROM service WHERE coalesce(tenant_id, '') IN (?1, '') AND (?2 = '' OR name = ?2) AND coalesce(expires_at, 9e18) > ?3
ORDER BY name, service_id, tenant_id;

-- name: service_own
-- Lodge's own.
SELECT lease_id, '', name, service_id, address, port, status, metadata, version, ttl_ms, registered_at, 0
FROM service WHERE coalesce(tenant_id, '') = '' ORDER BY name, service_id;

-- name: service_count
SELECT count(*) FROM service WHERE coalesce(tenant_id, '') = ?1;

-- name: service_renew
UPDATE service SET expires_at = ?2, status = ?3 WHERE lease_id = ?1;

-- name: service_remove
DELETE FROM service WHERE lease_id = ?1;

-- name: service_one_expired
SELECT lease_id, coalesce(tenant_id, ''), name, service_id, address, port, status, metadata, version, ttl_ms, registered_at,
       coalesce(expires_at, 0)
FROM service WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 1;

-- name: service_next_expiry
SELECT coalesce(min(expires_at), 0) FROM service WHERE expires_at IS NOT NULL;
