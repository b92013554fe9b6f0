#include "model/ssh_key.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* parts: fields of the data after its type; size: bytes of the key itself, 0 when that varies. */
static const struct type {
    const char *name, *curve;
    int parts;
    size_t size;
} types[] = {
    {"ssh-ed25519", NULL, 1, 32},
    {"ssh-rsa", NULL, 2, 0},
    {"ecdsa-sha2-nistp256", "nistp256", 2, 65},
    {"ecdsa-sha2-nistp384", "nistp384", 2, 97},
    {"ecdsa-sha2-nistp521", "nistp521", 2, 133},
    {"sk-ssh-ed25519@openssh.com", NULL, 2, 32},
    {"sk-ecdsa-sha2-nistp256@openssh.com", "nistp256", 3, 65},
};

#define RSA_MIN_BYTES 256

struct bytes {
    const uint8_t *p;
    size_t n;
};

/* One length-prefixed field; false when the data ends within it. */
static bool next(struct bytes *in, struct bytes *out)
{
    if (in->n < 4)
        return false;
    size_t n = (size_t)in->p[0] << 24 | (size_t)in->p[1] << 16 | (size_t)in->p[2] << 8 | in->p[3];
    if (n > in->n - 4)
        return false;
    *out = (struct bytes){in->p + 4, n};
    in->p += 4 + n;
    in->n -= 4 + n;
    return true;
}

static bool equal(struct bytes b, const char *s)
{
    return b.n == strlen(s) && !memcmp(b.p, s, b.n);
}

static bool data_is(const struct type *t, struct bytes data)
{
    struct bytes field, parts[3] = {{0}};
    if (!next(&data, &field) || !equal(field, t->name))
        return false;
    for (int i = 0; i < t->parts; i++)
        if (!next(&data, &parts[i]) || !parts[i].n)
            return false;
    if (data.n || (t->curve && !equal(parts[0], t->curve)))
        return false;
    return !t->size || parts[t->curve ? 1 : 0].n == t->size;
}

/* Bytes of an RSA key's modulus, without the zero that keeps it positive. */
static size_t modulus_size(struct bytes data)
{
    struct bytes field, exponent, modulus;
    if (!next(&data, &field) || !next(&data, &exponent) || !next(&data, &modulus))
        return 0;
    return modulus.n && !*modulus.p ? modulus.n - 1 : modulus.n;
}

static const struct type *type_of(const char *text, size_t n)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(types[i].name) == n && !memcmp(types[i].name, text, n))
            return &types[i];
    return NULL;
}

static void fingerprint(struct bytes data, struct lg_ssh_key *k)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char text[sodium_base64_ENCODED_LEN(sizeof hash, sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];
    crypto_hash_sha256(hash, data.p, data.n);
    sodium_bin2base64(text, sizeof text, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    snprintf(k->fingerprint, sizeof k->fingerprint, "SHA256:%s", text);
}

int lg_ssh_key_parse(const char *text, struct lg_ssh_key *k, struct lg_err *e)
{
    uint8_t blob[LG_SSH_KEY_MAX];
    size_t head = strcspn(text, " "), n = strlen(text);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (strcspn(text, "\r\n") < n)
        return lg_invalid(e, "public_key", "must be one line");
    const struct type *t = type_of(text, head);
    if (!t)
        return lg_invalid(e, "public_key",
                          strstr(text, "PRIVATE KEY")
                              ? "is a private key: keep it secret, and send the .pub file"
                              : "must begin with ssh-ed25519, ssh-rsa or ecdsa-sha2-…");
    const char *base64 = text + head + (text[head] == ' ');
    size_t size = strcspn(base64, " \r\n");
    struct bytes data = {blob, 0};
    if (head + size + 2 > sizeof k->text ||
        sodium_base642bin(blob, sizeof blob, base64, size, NULL, &data.n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) ||
        !data_is(t, data))
        return lg_invalid(e, "public_key", "is cut off or damaged");
    if (!strcmp(t->name, "ssh-rsa") && modulus_size(data) < RSA_MIN_BYTES)
        return lg_invalid(e, "public_key", "is too short: RSA needs 2048 bits");
    snprintf(k->text, sizeof k->text, "%.*s %.*s", (int)head, text, (int)size, base64);
    fingerprint(data, k);
    return 0;
}
