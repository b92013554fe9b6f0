-- Usage history. The statements of this file are for samples.db, all others for lodge.db.

-- name: history_subject_add
INSERT INTO subject (instance_id) VALUES (?1) ON CONFLICT DO NOTHING;

-- name: history_subject_each
SELECT instance_id FROM subject;

-- name: history_subject_remove
DELETE FROM subject WHERE instance_id = ?1;

-- A sample joins what its bucket holds already.
-- name: history_add
INSERT INTO usage_bucket (subject, width_s, at, samples, span_ms, cpu_us, cpu_min, cpu_max, memory_avg, memory_min, memory_max,
                          rx_bytes, tx_bytes, disk_bytes, pids)
SELECT key, 10, ?2, 1, ?3, ?4, ?5, ?5, ?6, ?6, ?6, ?7, ?8, ?9, ?10 FROM subject WHERE instance_id = ?1
ON CONFLICT DO UPDATE SET samples = samples + 1, span_ms = span_ms + excluded.span_ms, cpu_us = cpu_us + excluded.cpu_us,
       cpu_min = min(cpu_min, excluded.cpu_min), cpu_max = max(cpu_max, excluded.cpu_max),
       memory_avg = (memory_avg * samples + excluded.memory_avg) / (samples + 1),
       memory_min = min(memory_min, excluded.memory_min), memory_max = max(memory_max, excluded.memory_max),
       rx_bytes = rx_bytes + excluded.rx_bytes, tx_bytes = tx_bytes + excluded.tx_bytes,
       disk_bytes = max(disk_bytes, excluded.disk_bytes), pids = max(pids, excluded.pids);

-- Whole buckets of ?2 seconds from those of ?1 seconds that begin in ?3 … ?4; what was there is replaced, so doing it again is
-- harmless.
-- name: history_roll
INSERT INTO usage_bucket (subject, width_s, at, samples, span_ms, cpu_us, cpu_min, cpu_max, memory_avg, memory_min, memory_max,
                          rx_bytes, tx_bytes, disk_bytes, pids)
SELECT b.subject, ?2, b.at / ?2 * ?2, sum(samples), sum(span_ms), sum(cpu_us), min(cpu_min), max(cpu_max),
       sum(memory_avg * samples) / sum(samples), min(memory_min), max(memory_max), sum(rx_bytes), sum(tx_bytes), max(disk_bytes),
       max(pids)
FROM subject s CROSS JOIN usage_bucket b ON b.subject = s.key AND b.width_s = ?1 AND b.at >= ?3 AND b.at < ?4
WHERE true GROUP BY b.subject, b.at / ?2
ON CONFLICT DO UPDATE SET samples = excluded.samples, span_ms = excluded.span_ms, cpu_us = excluded.cpu_us,
       cpu_min = excluded.cpu_min, cpu_max = excluded.cpu_max, memory_avg = excluded.memory_avg,
       memory_min = excluded.memory_min, memory_max = excluded.memory_max, rx_bytes = excluded.rx_bytes,
       tx_bytes = excluded.tx_bytes, disk_bytes = excluded.disk_bytes, pids = excluded.pids;

-- name: history_prune
DELETE FROM usage_bucket WHERE (subject, width_s, at) IN (
  SELECT b.subject, b.width_s, b.at FROM subject s CROSS JOIN usage_bucket b
  ON b.subject = s.key AND b.width_s = ?1 AND b.at < ?2);

-- name: history_series
SELECT at / ?5 * ?5 AS start, sum(samples), sum(span_ms), sum(cpu_us), min(cpu_min), max(cpu_max),
       sum(memory_avg * samples) / sum(samples), min(memory_min), max(memory_max), sum(rx_bytes), sum(tx_bytes), max(disk_bytes),
       max(pids)
FROM usage_bucket
WHERE subject = (SELECT key FROM subject WHERE instance_id = ?1) AND width_s = ?2 AND at >= ?3 AND at < ?4
GROUP BY start ORDER BY start;
