-- What the reconciler keeps: tombstones, quarantine, engines' health.

-- name: tombstone_put
INSERT INTO tombstone VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET deleted_at = excluded.deleted_at;

-- name: tombstone_exists
SELECT 1 FROM tombstone WHERE instance_id = ?1;

-- name: quarantine_put
INSERT INTO quarantine VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING;

-- name: quarantine_clear
DELETE FROM quarantine WHERE backend = ?1 AND engine_ref = ?2;

-- name: quarantine_list
SELECT backend, engine_ref, instance_id, found_at FROM quarantine ORDER BY found_at, engine_ref;

-- name: engine_state_put
INSERT INTO engine_state (backend, healthy, type, version, api_version, reason, checked_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT DO UPDATE SET healthy = excluded.healthy, type = excluded.type, version = excluded.version,
       api_version = excluded.api_version, reason = excluded.reason, checked_at = excluded.checked_at;

-- name: engine_state_get
SELECT backend, healthy, type, version, api_version, reason, checked_at FROM engine_state WHERE backend = ?1;
