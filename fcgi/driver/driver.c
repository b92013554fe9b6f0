#include "driver/driver.h"

#include <string.h>

#include "driver/container/container.h"
#include "driver/fake/fake.h"
#include "driver/kvm/kvm.h"

static const struct lg_driver *const drivers[] = {&lg_driver_container, &lg_driver_kvm, &lg_driver_fake,
                                                  &lg_driver_fake_vm};
#define DRIVERS (sizeof drivers / sizeof drivers[0])

const struct lg_driver *lg_driver_find(const char *name)
{
    for (size_t i = 0; i < DRIVERS; i++)
        if (!strcmp(drivers[i]->name, name))
            return drivers[i];
    return NULL;
}

int lg_driver_each(const struct lg_conf *c, int (*fn)(void *arg, const struct lg_driver *d), void *arg,
                   struct lg_err *e)
{
    for (const char *p = c->drivers; *p;) {
        size_t n = strcspn(p, ",");
        char name[32] = "";
        if (n < sizeof name)
            memcpy(name, p, n);
        const struct lg_driver *d = lg_driver_find(name);
        if (!d)
            return lg_fail(e, LG_INVALID, "setting drivers: there is no driver called '%.*s'", (int)n, p);
        int rc = fn(arg, d);
        if (rc)
            return rc;
        p += n + (p[n] == ',');
    }
    return 0;
}

struct match {
    const char *backend;
    const struct lg_driver *found;
};

static int match(void *arg, const struct lg_driver *d)
{
    struct match *m = arg;
    if (strcmp(d->backend, m->backend))
        return 0;
    m->found = d;
    return 1;
}

const struct lg_driver *lg_driver_for_backend(const struct lg_conf *c, const char *backend)
{
    struct match m = {.backend = backend};
    lg_driver_each(c, match, &m, NULL);
    return m.found;
}
