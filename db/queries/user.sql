-- Users.

-- name: user_get
SELECT id, username, role = 'admin', disabled, created_at, password_hash FROM user WHERE id = ?1;

-- name: user_by_name
SELECT id, username, role = 'admin', disabled, created_at, password_hash FROM user WHERE username = ?1;

-- name: user_list
SELECT id, username, role = 'admin', disabled, created_at, '' FROM user WHERE username > ?3 ORDER BY username LIMIT ?1 OFFSET ?2;

-- name: user_other_admins
SELECT count(*) FROM user WHERE role = 'admin' AND disabled = 0 AND id <> ?1;

-- name: user_set
UPDATE user SET role = ?2, disabled = ?3 WHERE id = ?1;

-- name: user_set_password
UPDATE user SET password_hash = ?2 WHERE id = ?1;

-- name: user_remove
DELETE FROM user WHERE id = ?1;
