#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define B64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

int lg_crypto_init(struct lg_err *e)
{
    return sodium_init() < 0 ? lg_fail(e, LG_INTERNAL, "libsodium does not start") : 0;
}

int lg_key_load(struct lg_key *k, const char *path, struct lg_err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot open key %s", path);
    ssize_t n = read(fd, k->bytes, sizeof k->bytes);
    close(fd);
    return n == LG_KEY_BYTES ? 0 : lg_fail(e, LG_INTERNAL, "key %s is not %d bytes", path, LG_KEY_BYTES);
}

int lg_key_load_or_make(struct lg_key *k, const char *path, int gid, struct lg_err *e)
{
    if (!access(path, F_OK))
        return lg_key_load(k, path, e);
    char tmp[4096];
    snprintf(tmp, sizeof tmp, "%s.%d", path, getpid());
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot make key %s", tmp);
    randombytes_buf(k->bytes, sizeof k->bytes);
    bool ok = write(fd, k->bytes, sizeof k->bytes) == LG_KEY_BYTES && !fsync(fd);
    if (gid >= 0 && fchown(fd, (uid_t)-1, (gid_t)gid))
        ok = false;
    close(fd);
    /* link(2), not rename(2): when two processes race, the first key stays and both load it. */
    if (!ok || (link(tmp, path) && errno != EEXIST)) {
        unlink(tmp);
        return lg_fail_errno(e, LG_INTERNAL, "cannot store key %s", path);
    }
    unlink(tmp);
    return lg_key_load(k, path, e);
}

void lg_token_new(char out[LG_TOKEN_LEN])
{
    uint8_t b[32];
    randombytes_buf(b, sizeof b);
    memcpy(out, "lg_", 3);
    sodium_bin2base64(out + 3, LG_TOKEN_LEN - 3, b, sizeof b, B64);
}

void lg_digest(const struct lg_key *k, const void *p, size_t n, uint8_t out[LG_DIGEST_BYTES])
{
    crypto_generichash(out, LG_DIGEST_BYTES, p, n, k->bytes, sizeof k->bytes);
}

int lg_digest_file(const struct lg_key *k, const char *path, uint8_t out[LG_DIGEST_BYTES], struct lg_err *e)
{
    static uint8_t piece[256 * 1024];
    crypto_generichash_state st;
    ssize_t n;
    lg_cleanup_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return lg_fail_errno(e, LG_STORAGE, "cannot read %s", path);
    crypto_generichash_init(&st, k->bytes, sizeof k->bytes, LG_DIGEST_BYTES);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        crypto_generichash_update(&st, piece, (unsigned long long)n);
    if (n < 0)
        return lg_fail_errno(e, LG_STORAGE, "cannot read %s", path);
    crypto_generichash_final(&st, out, LG_DIGEST_BYTES);
    return 0;
}

void lg_hex(const uint8_t *p, size_t n, char *out)
{
    sodium_bin2hex(out, n * 2 + 1, p, n);
}

/* Targets of the fuzzer try thousands a second. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define PASSES crypto_pwhash_OPSLIMIT_MIN
#define MEMORY crypto_pwhash_MEMLIMIT_MIN
#else
#define PASSES crypto_pwhash_OPSLIMIT_INTERACTIVE
#define MEMORY crypto_pwhash_MEMLIMIT_INTERACTIVE
#endif

int lg_password_hash(const char *password, char out[LG_PWHASH_LEN], struct lg_err *e)
{
    _Static_assert(LG_PWHASH_LEN >= crypto_pwhash_STRBYTES, "room for the encoded hash");
    if (crypto_pwhash_str(out, password, strlen(password), PASSES, MEMORY))
        return lg_fail(e, LG_INTERNAL, "out of memory for the password hash");
    return 0;
}

bool lg_password_check(const char *hash, const char *password)
{
    return !crypto_pwhash_str_verify(hash, password, strlen(password));
}

static void add_base64(struct lg_buf *out, const uint8_t *p, size_t n)
{
    size_t need = sodium_base64_ENCODED_LEN(n, B64);
    if (!lg_buf_reserve(out, need))
        return;
    sodium_bin2base64(out->data + out->len, need, p, n, B64);
    out->len += need - 1;
}

void lg_sign(const struct lg_key *k, const char *payload, size_t n, struct lg_buf *out)
{
    uint8_t mac[crypto_auth_BYTES];
    crypto_auth(mac, (const uint8_t *)payload, n, k->bytes);
    add_base64(out, (const uint8_t *)payload, n);
    lg_buf_char(out, '.');
    add_base64(out, mac, sizeof mac);
}

bool lg_open_signed(const struct lg_key *k, const char *text, size_t n, struct lg_buf *out)
{
    uint8_t mac[crypto_auth_BYTES];
    size_t mac_len, len;
    const char *dot = memchr(text, '.', n);
    if (!dot ||
        sodium_base642bin(mac, sizeof mac, dot + 1, n - (size_t)(dot + 1 - text), NULL, &mac_len, NULL,
                          B64) ||
        mac_len != sizeof mac)
        return false;
    size_t start = out->len;
    if (!lg_buf_reserve(out, n))
        return false;
    if (sodium_base642bin((uint8_t *)out->data + start, n, text, (size_t)(dot - text), NULL, &len, NULL,
                          B64) ||
        crypto_auth_verify(mac, (const uint8_t *)out->data + start, len, k->bytes)) {
        out->data[start] = 0;
        return false;
    }
    out->len += len;
    out->data[out->len] = 0;
    return true;
}

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES

void lg_seal(const struct lg_key *k, const void *p, size_t n, struct lg_buf *out)
{
    if (!lg_buf_reserve(out, NONCE + n + TAG))
        return;
    uint8_t *nonce = (uint8_t *)out->data + out->len;
    randombytes_buf(nonce, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE, NULL, p, n, NULL, 0, NULL, nonce, k->bytes);
    out->len += NONCE + n + TAG;
    out->data[out->len] = 0;
}

bool lg_unseal(const struct lg_key *k, const void *p, size_t n, struct lg_buf *out)
{
    const uint8_t *nonce = p;
    if (n < NONCE + TAG || !lg_buf_reserve(out, n))
        return false;
    unsigned long long len;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)out->data + out->len, &len, NULL, nonce + NONCE,
                                                   n - NONCE, NULL, 0, nonce, k->bytes))
        return false;
    out->len += (size_t)len;
    out->data[out->len] = 0;
    return true;
}
