/* `lodge backup <file>`: database, usage history, keys, settings, certificate; also while Lodge runs. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/version.h"
#include "store/backup.h"
#include "up/bundle.h"
#include "up/up.h"

/* What was measured is worth keeping, but no backup fails for want of it. */
static void add_history(const struct lg_conf *c, const char *to)
{
    struct lg_err e = {0};
    if (lg_history_snapshot(c, to, &e)) {
        fprintf(stderr, "lodge: the backup is without usage history: %s\n", e.msg);
        unlink(to);
    }
}

static int backup(const char *file, struct lg_bundle *b, struct lg_err *e)
{
    static struct lg_conf c;
    struct lg_db_facts f = {0};
    char copies[PATH_MAX], db[PATH_MAX + 16], samples[PATH_MAX + 16];
    int rc = lg_conf_load(&c, e);
    rc = rc ? rc : lg_crypto_init(e);
    if (rc)
        return rc;
    /* Below root's own folder: nobody else can put anything in its place. */
    if (!mkdtemp(lg_conf_path(&c, copies, sizeof copies, "up/backup-XXXXXX")))
        return lg_fail_errno(e, LG_STORAGE, "cannot make %s", copies);
    snprintf(db, sizeof db, "%s/lodge.db", copies);
    snprintf(samples, sizeof samples, "%s/samples.db", copies);
    rc = lg_db_snapshot(&c, db, &f, e);
    if (!rc)
        add_history(&c, samples);
    time_t now = time(NULL);
    struct tm tm;
    strftime(b->made, sizeof b->made, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    snprintf(b->version, sizeof b->version, "%s", LG_VERSION);
    memcpy(b->site, f.site, sizeof f.site);
    b->schema = f.schema;
    rc = rc ? rc : lg_bundle_write(b, c.state_dir, copies, file, e);
    unlink(db);
    unlink(samples);
    rmdir(copies);
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
