/*
 * Secrets, by libsodium. Keys are 32 random bytes in files of `$LODGE_STATE/keys` (0640, one file per purpose
 * and reader group), never in the database. Call lg_crypto_init once per process before anything else here.
 */
#ifndef LG_BASE_CRYPTO_H
#define LG_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define LG_KEY_BYTES    32
#define LG_TOKEN_LEN    48  /* characters of an API token with its prefix and NUL: "lg_" + 43 base64url */
#define LG_PWHASH_LEN   128 /* an encoded Argon2id hash with its NUL */
#define LG_DIGEST_BYTES 32

struct lg_key {
    uint8_t bytes[LG_KEY_BYTES];
};

int lg_crypto_init(struct lg_err *e); /* may be called again; LG_INTERNAL */
/* LG_INTERNAL when the file is missing, unreadable or not of a key's length. */
int lg_key_load(struct lg_key *k, const char *path, struct lg_err *e);
/* Makes the key file when it is missing (mode 0640, group `gid` when not -1), then loads it. */
int lg_key_load_or_make(struct lg_key *k, const char *path, int gid, struct lg_err *e);

/* A new random token, prefix "lg_"; 256 bits of entropy. */
void lg_token_new(char out[LG_TOKEN_LEN]);
/* Keyed BLAKE2b of a token or cookie: what the database stores. */
void lg_digest(const struct lg_key *k, const void *p, size_t n, uint8_t out[LG_DIGEST_BYTES]);
/* The same of what a file holds, read once; about a second a GiB. LG_STORAGE when it cannot be read. */
int lg_digest_file(const struct lg_key *k, const char *path, uint8_t out[LG_DIGEST_BYTES], struct lg_err *e);
void lg_hex(const uint8_t *p, size_t n, char *out /* 2n + 1 */);

/* Argon2id, 64 MiB, 2 passes; takes about 100 ms. */
int lg_password_hash(const char *password, char out[LG_PWHASH_LEN], struct lg_err *e);
bool lg_password_check(const char *hash, const char *password);

/*
 * Signed text: base64url(payload) "." base64url(HMAC-SHA-512-256). `lg_open_signed` appends the payload to
 * `out` and returns true only when the signature is right. The payload carries its own expiry; the caller
 * checks it.
 */
void lg_sign(const struct lg_key *k, const char *payload, size_t n, struct lg_buf *out);
bool lg_open_signed(const struct lg_key *k, const char *text, size_t n, struct lg_buf *out);

/* Authenticated encryption (XChaCha20-Poly1305, random nonce in front). Output is binary. */
void lg_seal(const struct lg_key *k, const void *p, size_t n, struct lg_buf *out);
bool lg_unseal(const struct lg_key *k, const void *p, size_t n, struct lg_buf *out);

#endif
