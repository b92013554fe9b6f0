-- Flavors: named sizes.

-- name: flavor_list
SELECT name, vcpus, memory_bytes, disk_bytes, description, gpus FROM flavor ORDER BY position;

-- name: flavor_get
SELECT name, vcpus, memory_bytes, disk_bytes, description, gpus FROM flavor WHERE name = ?1;
