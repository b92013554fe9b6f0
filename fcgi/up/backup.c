/* `lodge backup <file>`: database, keys, settings, certificate; also while Lodge runs. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/version.h"
#include "store/backup.h"
#include "up/bundle.h"
#include "up/up.h"

static int backup(const char *file, struct lg_bundle *b, struct lg_err *e)
{
    static struct lg_conf c;
    struct lg_db_facts f = {0};
    char copy[PATH_MAX], rel[64];
    int rc = lg_conf_load(&c, e);
    rc = rc ? rc : lg_crypto_init(e);
    if (rc)
        return rc;
    /* Below root's own folder: nobody else can put anything in its place. */
    snprintf(rel, sizeof rel, "up/backup-%d.db", (int)getpid());
    lg_conf_path(&c, copy, sizeof copy, rel);
    rc = lg_db_snapshot(&c, copy, &f, e);
    time_t now = time(NULL);
    struct tm tm;
    strftime(b->made, sizeof b->made, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    snprintf(b->version, sizeof b->version, "%s", LG_VERSION);
    memcpy(b->site, f.site, sizeof f.site);
    b->schema = f.schema;
    rc = rc ? rc : lg_bundle_write(b, c.state_dir, copy, file, e);
    unlink(copy);
    return rc;
}

int lg_backup(int argc, char **argv)
{
    static struct lg_bundle b;
    struct lg_err e = {0};
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: lodge backup <file>\n");
        return 2;
    }
    umask(0077);
    if (backup(argv[1], &b, &e)) {
        fprintf(stderr, "lodge: %s\n", e.msg);
        return 1;
    }
    printf("%s holds database (schema %lld), keys, settings and certificate of site %s. Whoever reads it is "
           "master of this Lodge: keep it safe.\n",
           argv[1], (long long)b.schema, b.site);
    return 0;
}
