-- What /metrics asks. Reads only.

-- name: stats_operations
SELECT kind, result, n FROM operation_total ORDER BY kind, result;

-- name: stats_queue
SELECT status, count(*), min(created_at) FROM operation WHERE status IN ('queued', 'running') GROUP BY status;

-- name: stats_instances
SELECT backend, state, count(*) FROM instance GROUP BY backend, state ORDER BY backend, state;

-- Of what runs: an older sample of something stopped says nothing.
-- name: stats_usage
SELECT t.slug, i.name, s.cpu_us, s.memory_bytes, s.rx_bytes, s.tx_bytes, s.disk_bytes, s.pids
FROM usage_sample s JOIN instance i ON i.id = s.instance_id JOIN tenant t ON t.id = i.tenant_id
WHERE i.state IN ('running', 'paused');

-- name: stats_engines
SELECT backend, healthy, type, version, api_version, reason, checked_at FROM engine_state ORDER BY backend;

-- name: stats_quarantine
SELECT count(*) FROM quarantine;
