-- Ingress rules, the look-up behind every request to an application, and one-time codes.

-- name: ingress_add
INSERT INTO ingress VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: ingress_taken
SELECT 1 FROM ingress WHERE host = ?1;

-- name: ingress_get
SELECT g.instance_id, i.tenant_id, g.host, g.access, g.port, g.target_port, g.created_at
FROM ingress g JOIN instance i ON i.id = g.instance_id WHERE g.instance_id = ?1 AND g.port = ?2;

-- name: ingress_of_instance
SELECT g.instance_id, i.tenant_id, g.host, g.access, g.port, g.target_port, g.created_at
FROM ingress g JOIN instance i ON i.id = g.instance_id WHERE g.instance_id = ?2 AND i.tenant_id = ?1 ORDER BY g.port;

-- name: ingress_of_tenant
SELECT g.instance_id, i.tenant_id, g.host, g.access, g.port, g.target_port, g.created_at
FROM ingress g JOIN instance i ON i.id = g.instance_id WHERE i.tenant_id = ?1 ORDER BY g.created_at, g.host;

-- name: ingress_remove
DELETE FROM ingress WHERE instance_id = ?1 AND port = ?2;

-- name: ingress_lookup
SELECT g.instance_id, i.tenant_id, g.access, i.state, t.net_index, i.host_number, g.target_port
FROM ingress g JOIN instance i ON i.id = g.instance_id JOIN tenant t ON t.id = i.tenant_id WHERE g.host = ?1;

-- name: app_code_add
INSERT INTO app_code VALUES (?1, ?2, ?3, ?4, ?5);

-- name: app_code_get
SELECT host, user_id, path, expires_at FROM app_code WHERE digest = ?1;

-- name: app_code_remove
DELETE FROM app_code WHERE digest = ?1;

-- name: app_code_forget
DELETE FROM app_code WHERE expires_at < ?1;

-- Admins may open every application; a disabled user none.
-- name: app_member
SELECT 1 FROM user u WHERE u.id = ?1 AND u.disabled = 0
       AND (u.role = 'admin' OR EXISTS (SELECT 1 FROM member m WHERE m.tenant_id = ?2 AND m.user_id = u.id));
