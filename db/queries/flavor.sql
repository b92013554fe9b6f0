-- Flavors: named sizes.

-- name: flavor_list
SELECT name, vcpus, memory_bytes, disk_bytes, description, gpus FROM flavor ORDER BY position;

-- name: flavor_get
SELECT name, vcpus, memory_bytes, disk_bytes, description, gpus FROM flavor WHERE name = ?1;

-- name: flavor_uses
-- Those that an update at work may give it back to have it as well.
SELECT (SELECT count(*) FROM instance WHERE flavor = ?1)
       + (SELECT count(*) FROM operation o JOIN instance i ON i.id = o.instance_id
          WHERE o.status IN ('queued', 'running') AND o.kind = 'instance.update' AND o.params ->> '$.was.flavor' = ?1 AND i.flavor <> ?1);

-- name: flavor_add
INSERT INTO flavor (name, position, vcpus, memory_bytes, disk_bytes, description, gpus)
SELECT ?1, coalesce(max(position), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM flavor;

-- name: flavor_put
UPDATE flavor SET vcpus = ?2, memory_bytes = ?3, disk_bytes = ?4, description = ?5, gpus = ?6 WHERE name = ?1;

-- name: flavor_remove
DELETE FROM flavor WHERE name = ?1;
