-- Containers' own layers.

-- name: layer_put
INSERT INTO instance_layer SELECT id, ?2, ?3, ?4, ?5, ?6 FROM instance WHERE id = ?1
ON CONFLICT DO UPDATE SET bytes = excluded.bytes, hard = excluded.hard, warned = excluded.warned,
       stopped_bytes = excluded.stopped_bytes, at = excluded.at;

-- name: layer_get
SELECT bytes, hard, warned, stopped_bytes, at FROM instance_layer WHERE instance_id = ?1;
