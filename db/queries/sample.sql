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
