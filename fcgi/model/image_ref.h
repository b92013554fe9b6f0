/* Image references as callers write them, made explicit. Pure. */
#ifndef LG_MODEL_IMAGE_REF_H
#define LG_MODEL_IMAGE_REF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * "nginx" → "docker.io/library/nginx:latest", "ghcr.io/a/b:1" → itself. With the registry and the tag
 * explicit a reference can mean nothing that merely lies on this host: neither a content id nor a short name
 * of another tenant's upload. LG_INVALID when it is malformed, LG_NOT_FOUND when it names this host's own
 * store.
 */
int lg_image_ref_full(const char *ref, char *out, size_t cap, struct lg_err *e);
/* Does it name a registry on this host or a network it is in: an address that is not public, in any spelling,
 * or a name that only a local network has? */
bool lg_image_ref_inner(const char *ref);
/*
 * May somebody who is no administrator have it fetched? `registries` is the setting image_registries:
 * registries and parts of them, each matching whole path components. What it lists may be inner, too; when it
 * is empty, all but inner ones may.
 */
bool lg_image_ref_allowed(const char *ref, const char *registries);

#endif
