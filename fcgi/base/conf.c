#include "base/conf.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

enum kind { INT, STR };

static const struct setting {
    const char *key, *def, *doc;
    enum kind kind;
    long min, max;
    size_t offset;
} settings[] = {
#define S(key, type, def, min, max, doc) {#key, def, doc, type, min, max, offsetof(struct lg_conf, key)},
    LG_SETTINGS(S)
#undef S
};
#define SETTINGS (sizeof settings / sizeof settings[0])

_Static_assert(SETTINGS == LG_SETTINGS_COUNT, "one entry a setting");

/* `value` must live as long as the process. */
static int set(struct lg_conf *c, const struct setting *s, const char *value, enum lg_conf_from from,
               struct lg_err *e)
{
    char *at = (char *)c + s->offset;
    c->from[s - settings] = (unsigned char)from;
    if (s->kind == STR) {
        size_t n = strlen(value);
        if ((long)n < s->min || (long)n > s->max)
            return lg_fail(e, LG_INVALID, "setting %s: needs %ld to %ld characters", s->key, s->min, s->max);
        memcpy(at, &value, sizeof value);
        return 0;
    }
    char *end;
    errno = 0;
    long v = strtol(value, &end, 10);
    if (errno || end == value || *end || v < s->min || v > s->max)
        return lg_fail(e, LG_INVALID, "setting %s: needs a whole number from %ld to %ld", s->key, s->min,
                       s->max);
    memcpy(at, &v, sizeof v);
    return 0;
}

static const struct setting *find(const char *key)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (!strcmp(settings[i].key, key))
            return &settings[i];
    return NULL;
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    for (size_t n = strlen(s); n && isspace((unsigned char)s[n - 1]);)
        s[--n] = 0;
    return s;
}

/* One line of the file; its text stays where it is, the values point into it. */
static int from_line(struct lg_conf *c, const char *path, int n, char *line, struct lg_err *e)
{
    char *key = trim(line), *eq = strchr(key, '=');
    if (!*key || *key == '#')
        return 0;
    if (!eq)
        return lg_fail(e, LG_INVALID, "%s:%d: expected key = value", path, n);
    *eq = 0;
    key = trim(key);
    const struct setting *s = find(key);
    return s ? set(c, s, trim(eq + 1), LG_CONF_FILE, e)
             : lg_fail(e, LG_INVALID, "%s:%d: unknown setting %s", path, n, key);
}

static int from_file(struct lg_conf *c, struct lg_err *e)
{
    static char text[16384];
    char path[PATH_MAX];
    FILE *f = fopen(lg_conf_path(c, path, sizeof path, "lodge.conf"), "re");
    if (!f)
        return errno == ENOENT ? 0 : lg_fail_errno(e, LG_INVALID, "cannot read %s", path);
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = 0;
    int rc = len == sizeof text - 1 ? lg_fail(e, LG_INVALID, "%s is longer than %zu bytes", path, len) : 0;
    char *next = text;
    for (int n = 1; !rc && next; n++) {
        char *line = strsep(&next, "\n");
        rc = from_line(c, path, n, line, e);
    }
    return rc;
}

/* The value of `name` in a block of NAME=value, each with its NUL. */
static const char *in_block(const struct lg_buf *block, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = block->data, *end = p + block->len; p && p < end; p += strlen(p) + 1)
        if (!strncmp(p, name, n) && p[n] == '=')
            return p + n + 1;
    return NULL;
}

/* Ours, or another process' in `block`. */
static int from_environment(struct lg_conf *c, const struct lg_buf *block, struct lg_err *e)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        char name[64] = "LODGE_";
        size_t n = 6;
        for (const char *k = settings[i].key; *k && n < sizeof name - 1; k++)
            name[n++] = (char)toupper((unsigned char)*k);
        name[n] = 0;
        const char *value = block ? in_block(block, name) : getenv(name);
        if (value && set(c, &settings[i], value, LG_CONF_ENVIRONMENT, e))
            return -(int)LG_INVALID;
    }
    return 0;
}

/* An absolute form of `dir` that need not exist yet. */
static void absolute(const char *dir, char *out, size_t cap)
{
    char cwd[PATH_MAX];
    bool relative = dir[0] != '/';
    if (relative && !getcwd(cwd, sizeof cwd))
        relative = false;
    int n = relative ? snprintf(out, cap, "%s/%s", cwd, dir) : snprintf(out, cap, "%s", dir);
    assert(n >= 0 && (size_t)n < cap);
}

static int find_bin(struct lg_conf *c, struct lg_err *e)
{
    ssize_t n = readlink("/proc/self/exe", c->bin_dir, sizeof c->bin_dir - 1);
    if (n < 0)
        return lg_fail_errno(e, LG_INTERNAL, "cannot find my own program file");
    c->bin_dir[n] = 0;
    char *slash = strrchr(c->bin_dir, '/');
    if (slash)
        *slash = 0;
    return 0;
}

/* `make install` put the programs into <prefix>/lib/lodge: then nothing depends on the folder one is in. */
static bool installed(const struct lg_conf *c, char *share, size_t cap)
{
    static const char at[] = "/lib/lodge";
    size_t n = strlen(c->bin_dir), k = sizeof at - 1;
    if (n < k || strcmp(c->bin_dir + n - k, at) != 0)
        return false;
    int len = snprintf(share, cap, "%.*s/share/lodge", (int)(n - k), c->bin_dir);
    return len > 0 && (size_t)len < cap;
}

static int load(struct lg_conf *c, const struct lg_buf *block, struct lg_err *e)
{
    char own_share[PATH_MAX];
    memset(c, 0, sizeof *c);
    const char *state = getenv("LODGE_STATE"), *share = getenv("LODGE_SHARE");
    if (find_bin(c, e))
        return -(int)LG_INTERNAL;
    bool there = installed(c, own_share, sizeof own_share);
    absolute(state && *state ? state : there ? "/var/lib/lodge" : "var", c->state_dir, sizeof c->state_dir);
    absolute(share && *share ? share : there ? own_share : ".", c->share_dir, sizeof c->share_dir);
    for (size_t i = 0; i < SETTINGS; i++)
        if (set(c, &settings[i], settings[i].def, LG_CONF_DEFAULT, e))
            return -(int)LG_INVALID;
    int rc = from_file(c, e);
    return rc ? rc : from_environment(c, block, e);
}

int lg_conf_load(struct lg_conf *c, struct lg_err *e)
{
    return load(c, NULL, e);
}

/* Who holds the lock that the supervisor of this state directory takes; 0 nobody, negative: not for us to
 * see. */
static int supervisor(const struct lg_conf *c)
{
    char path[PATH_MAX], text[32] = "";
    lg_cleanup_fd int fd = open(lg_conf_path(c, path, sizeof path, "up/lock"), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? -1 : 0;
    if (!flock(fd, LOCK_SH | LOCK_NB))
        return 0;
    return pread(fd, text, sizeof text - 1, 0) > 0 && atoi(text) > 1 ? atoi(text) : 0;
}

int lg_conf_load_running(struct lg_conf *c, int *pid, struct lg_err *e)
{
    static struct lg_buf block = {.max = 4 << 20}; /* its values are pointed at */
    char path[32], piece[4096];
    ssize_t n;
    int rc = load(c, NULL, e);
    if (rc)
        return rc;
    *pid = supervisor(c);
    if (!*pid)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/environ", *pid);
    lg_cleanup_fd int fd = *pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 && *pid > 0 && errno == ENOENT) {
        *pid = 0; /* killed: its guard holds the lock until it has cleaned up */
        return 0;
    }
    if (fd < 0)
        return lg_fail(e, LG_FORBIDDEN, "only root sees what the Lodge that runs here was started with");
    lg_buf_reset(&block);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        lg_buf_add(&block, piece, (size_t)n);
    lg_buf_add(&block, "", 1);
    return block.failed ? lg_fail(e, LG_INTERNAL, "out of memory") : load(c, &block, e);
}

char *lg_conf_path(const struct lg_conf *c, char *out, size_t cap, const char *rel)
{
    int n = snprintf(out, cap, "%s/%s", c->state_dir, rel);
    assert(n > 0 && (size_t)n < cap);
    return out;
}

char *lg_conf_key(const struct lg_conf *c, char *out, size_t cap, const char *name)
{
    const char *given = getenv("CREDENTIALS_DIRECTORY");
    int n = given && *given ? snprintf(out, cap, "%s/%s.key", given, name)
                            : snprintf(out, cap, "%s/keys/%s.key", c->state_dir, name);
    assert(n > 0 && (size_t)n < cap);
    return out;
}

void lg_conf_print(const struct lg_conf *c, FILE *to)
{
    static const char *const from[] = {"", "(lodge.conf) ", "(environment) "};
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *at = (const char *)c + settings[i].offset;
        const char *where = from[c->from[i]];
        if (settings[i].kind == INT) {
            long v;
            memcpy(&v, at, sizeof v);
            fprintf(to, "%-22s = %-16ld # %s%s\n", settings[i].key, v, where, settings[i].doc);
        } else {
            const char *v;
            memcpy(&v, at, sizeof v);
            fprintf(to, "%-22s = %-16s # %s%s\n", settings[i].key, v, where, settings[i].doc);
        }
    }
}
