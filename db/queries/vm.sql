-- What only virtual machines and their images have.

-- name: image_vm_get
SELECT format, url, sha256, virtual_bytes, min_disk_bytes, min_memory_bytes, default_user, cloud_init FROM image_vm WHERE image_id = ?1;

-- name: image_vm_put
INSERT INTO image_vm (image_id, format, url, sha256, virtual_bytes, min_disk_bytes, min_memory_bytes, default_user, cloud_init)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT DO UPDATE SET format = excluded.format, url = excluded.url, sha256 = excluded.sha256,
       virtual_bytes = excluded.virtual_bytes, min_disk_bytes = excluded.min_disk_bytes,
       min_memory_bytes = excluded.min_memory_bytes, default_user = excluded.default_user, cloud_init = excluded.cloud_init;

-- name: instance_vm_get
SELECT user_data, meta_data FROM instance_vm WHERE instance_id = ?1;

-- name: instance_vm_add
INSERT INTO instance_vm (instance_id, user_data, meta_data) VALUES (?1, ?2, ?3);

-- What the instances of one backend may use together.
-- name: instance_admitted_of
SELECT coalesce(sum(cpu_millis), 0), coalesce(sum(memory_bytes), 0) FROM instance WHERE backend = ?1;
