-- Dashboard sessions and the rate limit of sign-in.

-- name: session_add
INSERT INTO session (digest, id, user_id, address, created_at, expires_at, last_used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?5);

-- name: session_one_of_user
-- Any session of the user but ?2, the oldest first.
SELECT id FROM session WHERE user_id = ?1 AND id <> ?2 ORDER BY created_at, id LIMIT 1;

-- name: session_count_of_user
SELECT count(*) FROM session WHERE user_id = ?1;

-- name: session_one_expired
SELECT id, user_id FROM session WHERE expires_at <= ?1 LIMIT 1;

-- name: session_due
-- Is there anything for a sweep? ?2: failed sign-ins before it count no more; ?3: so long revoked tokens are forgotten.
SELECT EXISTS (SELECT 1 FROM session WHERE expires_at <= ?1)
    OR EXISTS (SELECT 1 FROM token WHERE revoked_at IS NULL AND expires_at <= ?1 OR revoked_at <= ?3)
    OR EXISTS (SELECT 1 FROM sign_in_attempt WHERE window_at <= ?2);

-- name: session_remove
DELETE FROM session WHERE id = ?1;

-- name: session_set_tenant
UPDATE session SET tenant_id = ?2 WHERE id = ?1;

-- name: sign_in_worst
-- Of the two subjects, user and address, with their limits the one that is to wait longest.
SELECT window_at FROM sign_in_attempt
WHERE (subject = ?1 AND failures >= ?3 OR subject = ?2 AND failures >= ?4) AND window_at > ?5
ORDER BY window_at DESC LIMIT 1;

-- name: sign_in_failed
-- ?3: windows that began before it are over.
INSERT INTO sign_in_attempt VALUES (?1, ?2, 1) ON CONFLICT (subject) DO UPDATE SET
  failures = CASE WHEN window_at > ?3 THEN failures + 1 ELSE 1 END,
  window_at = CASE WHEN window_at > ?3 THEN window_at ELSE excluded.window_at END;

-- name: sign_in_forget
DELETE FROM sign_in_attempt WHERE subject = ?1;

-- name: sign_in_prune
DELETE FROM sign_in_attempt WHERE window_at <= ?1;
