-- Usage samples.

-- A sample of an instance that is just being deleted is dropped.
-- name: sample_put
INSERT INTO usage_sample (instance_id, at, cpu_us, cpu_percent, memory_bytes, rx_bytes, tx_bytes, disk_bytes, pids)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM instance WHERE id = ?1
ON CONFLICT DO UPDATE SET at = excluded.at, cpu_us = excluded.cpu_us, cpu_percent = excluded.cpu_percent,
       memory_bytes = excluded.memory_bytes, rx_bytes = excluded.rx_bytes, tx_bytes = excluded.tx_bytes,
       disk_bytes = excluded.disk_bytes, pids = excluded.pids;

-- name: sample_get
SELECT instance_id, at, cpu_us, cpu_percent, memory_bytes, rx_bytes, tx_bytes, disk_bytes, pids FROM usage_sample WHERE instance_id = ?1;

-- name: sample_list_of_tenant
SELECT s.instance_id, s.at, s.cpu_us, s.cpu_percent, s.memory_bytes, s.rx_bytes, s.tx_bytes, s.disk_bytes, s.pids, i.name
FROM instance i JOIN usage_sample s ON s.instance_id = i.id WHERE i.tenant_id = ?1 AND i.state IN ('running', 'paused')
ORDER BY i.name;
