#include "model/image_ref.h"

#include <stdio.h>
#include <string.h>

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

/* By name, for what names can say: a name that somebody's DNS leads here is not known before the engine asks.
 */
bool lg_image_ref_loopback(const char *ref)
{
    static const char *const names[] = {"localhost",    "localhost.", "ip6-localhost",
                                        "ip6-loopback", "0",          "0.0.0.0"};
    size_t n = has_registry(ref) ? strcspn(ref, ":/") : 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (n == strlen(names[i]) && !strncasecmp(ref, names[i], n))
            return true;
    return n && (!strncmp(ref, "127.", 4) || (n > 10 && !strncasecmp(ref + n - 10, ".localhost", 10)));
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
