-- Users' SSH keys.

-- name: ssh_key_add
INSERT INTO ssh_key (user_id, name, public_key, fingerprint, created_at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id;

-- name: ssh_key_count
SELECT count(*) FROM ssh_key WHERE user_id = ?1;

-- name: ssh_key_list
SELECT id, name, public_key, fingerprint, created_at FROM ssh_key WHERE user_id = ?1 ORDER BY id;

-- name: ssh_key_remove
DELETE FROM ssh_key WHERE user_id = ?1 AND id = ?2;
