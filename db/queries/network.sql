-- Tenants' own networks.

-- name: network_get
SELECT n.id, n.tenant_id, t.slug, n.name, n.cidr, n.number, n.version, n.created_at, n.updated_at
FROM network n JOIN tenant t ON t.id = n.tenant_id WHERE n.id = ?1;

-- name: network_by_name
SELECT n.id, n.tenant_id, t.slug, n.name, n.cidr, n.number, n.version, n.created_at, n.updated_at
FROM network n JOIN tenant t ON t.id = n.tenant_id WHERE n.tenant_id = ?1 AND n.name = ?2;

-- name: network_list
SELECT n.id, n.tenant_id, t.slug, n.name, n.cidr, n.number, n.version, n.created_at, n.updated_at
FROM network n JOIN tenant t ON t.id = n.tenant_id WHERE n.tenant_id = ?1 AND (n.created_at, n.id) > (?4, ?5)
ORDER BY n.created_at, n.id LIMIT ?2 OFFSET ?3;

-- name: network_count
SELECT count(*) FROM network WHERE tenant_id = ?1;

-- name: network_count_all
SELECT count(*) FROM network;

-- name: network_free_number
-- The lowest number that no network has and no bridge may still bear.
SELECT min(n) FROM (SELECT 0 AS n UNION SELECT number + 1 FROM network UNION SELECT number + 1 FROM network_removal)
WHERE n NOT IN (SELECT number FROM network) AND n NOT IN (SELECT number FROM network_removal);

-- name: network_add
INSERT INTO network (id, tenant_id, name, cidr, number, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6);

-- name: network_touch
UPDATE network SET updated_at = ?2, version = version + 1 WHERE id = ?1;

-- name: network_remove
DELETE FROM network WHERE id = ?1;

-- name: network_removal_put
INSERT OR REPLACE INTO network_removal VALUES (?1, ?2);

-- name: network_removal_list
SELECT number FROM network_removal ORDER BY number LIMIT 100;

-- name: network_removal_clear
DELETE FROM network_removal WHERE number = ?1;

-- name: nic_of_instance
SELECT c.seq, c.instance_id, '', c.network_id, n.name, n.cidr, n.number, c.position, c.host, c.detaching
FROM nic c JOIN network n ON n.id = c.network_id WHERE c.instance_id = ?1 ORDER BY c.position;

-- name: nic_of_network
SELECT c.seq, c.instance_id, i.name, c.network_id, n.name, n.cidr, n.number, c.position, c.host, c.detaching
FROM nic c JOIN network n ON n.id = c.network_id JOIN instance i ON i.id = c.instance_id WHERE c.network_id = ?1 ORDER BY c.host;

-- name: nic_of_any
SELECT DISTINCT instance_id FROM nic;

-- name: nic_free_position
WITH RECURSIVE p(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM p WHERE x < 100)
SELECT x FROM p WHERE NOT EXISTS (SELECT 1 FROM nic WHERE instance_id = ?1 AND position = x) LIMIT 1;

-- name: nic_free_host
WITH RECURSIVE h(x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM h WHERE x < ?2)
SELECT x FROM h WHERE NOT EXISTS (SELECT 1 FROM nic WHERE network_id = ?1 AND host = x) LIMIT 1;

-- name: nic_add
INSERT INTO nic (instance_id, network_id, position, host) VALUES (?1, ?2, ?3, ?4);

-- name: nic_set_detaching
UPDATE nic SET detaching = ?3 WHERE instance_id = ?1 AND network_id = ?2;

-- name: nic_remove
DELETE FROM nic WHERE instance_id = ?1 AND network_id = ?2;
