#include "model/image_ref.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "model/address.h"
#include "model/validate.h"

/* The first of several segments is a registry when it looks like a host. */
static bool has_registry(const char *ref)
{
    size_t n = strcspn(ref, "/");
    return ref[n] && (memchr(ref, '.', n) || memchr(ref, ':', n));
}

/* The engine's own store, or a bare content id. */
static bool is_local(const char *ref)
{
    return !strncasecmp(ref, "localhost/", 10) || !strncmp(ref, "sha256:", 7);
}

/* By name, for what names can say: one that somebody's DNS leads inside is not known before the engine asks.
 */
bool lg_image_ref_inner(const char *ref)
{
    static const char *const zones[] = {".localhost", ".local", ".internal", ".home.arpa"};
    char host[256];
    struct sockaddr_in a = {.sin_family = AF_INET};
    if (!has_registry(ref))
        return false;
    size_t n = strcspn(ref, ":/");
    n -= n && ref[n - 1] == '.'; /* the root's dot */
    if (n >= sizeof host)
        return true;
    snprintf(host, sizeof host, "%.*s", (int)n, ref);
    if (inet_aton(host, &a.sin_addr)) /* knows all spellings: 127.1, 0x7f.1, 2130706433 */
        return !lg_address_public((const struct sockaddr *)&a);
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        size_t k = strlen(zones[i]);
        if (n > k && !strcasecmp(host + n - k, zones[i]))
            return true;
    }
    return !strchr(host, '.'); /* a name of the local network */
}

int lg_image_ref_full(const char *ref, char *out, size_t cap, struct lg_err *e)
{
    int rc = lg_check_image_ref("image", ref, e);
    if (rc)
        return rc;
    if (is_local(ref))
        return lg_fail(e, LG_NOT_FOUND, "there is no image called %s", ref);
    const char *last = strrchr(ref, '/');
    const char *registry = has_registry(ref) ? "" : strchr(ref, '/') ? "docker.io/" : "docker.io/library/";
    const char *tag = strpbrk(last ? last : ref, ":@") ? "" : ":latest";
    int n = snprintf(out, cap, "%s%s%s", registry, ref, tag);
    return n > 0 && (size_t)n < cap ? 0 : lg_fail(e, LG_INVALID, "the image reference is too long");
}

/* Is `ref` in the part of a registry that begins with these n bytes? */
static bool is_in(const char *ref, const char *part, size_t n)
{
    n -= n && part[n - 1] == '/';
    return n && !strncasecmp(ref, part, n) && strchr("/:@", ref[n]) && ref[n];
}

bool lg_image_ref_allowed(const char *ref, const char *registries)
{
    char full[512];
    if (!*registries)
        return !lg_image_ref_inner(ref);
    if (lg_image_ref_full(ref, full, sizeof full, NULL))
        return false;
    for (const char *p = registries; *p;) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ", ");
        if (is_in(full, p, n))
            return true;
        p += n;
    }
    return false;
}
