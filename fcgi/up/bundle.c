#include "up/bundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define MANIFEST     "MANIFEST"
#define MANIFEST_MAX 16384
#define TEXT_MAX     ((int64_t)1 << 20)
#define DB_MAX       ((int64_t)1 << 40)

const struct lg_part lg_parts[LG_PARTS] = {
    {"lodge.conf", 0644, false, TEXT_MAX},   {"credentials", 0600, true, TEXT_MAX},
    {"keys/context.key", 0640, false, 32},   {"keys/token.key", 0640, false, 32},
    {"keys/cookie.key", 0640, false, 32},    {"keys/env.key", 0640, false, 32},
    {"tls/cert.pem", 0644, false, TEXT_MAX}, {"tls/key.pem", 0600, false, TEXT_MAX},
    {"tls/made-for", 0600, true, TEXT_MAX},  {"db/samples.db", 0640, true, DB_MAX},
    {"db/lodge.db", 0640, false, DB_MAX},
};

static void join(char *out, size_t cap, const char *dir, const char *rel)
{
    snprintf(out, cap, "%s/%s", dir, rel);
}

static void sum_text(const char *p, size_t n, char hex[LG_SUM_BYTES * 2 + 1])
{
    uint8_t sum[LG_SUM_BYTES];
    crypto_generichash(sum, sizeof sum, (const uint8_t *)p, n, NULL, 0);
    sodium_bin2hex(hex, LG_SUM_BYTES * 2 + 1, sum, sizeof sum);
}

/* ---- writing ---- */

/* Where a part is, and its size; 0 when it may be and is missing, 1 when it is there. */
static int open_part(const struct lg_part *p, const char *dir, const char *copies, int *fd, struct lg_err *e)
{
    char path[PATH_MAX];
    struct stat st;
    bool copied = !strncmp(p->path, "db/", 3);
    join(path, sizeof path, copied ? copies : dir, copied ? p->path + 3 : p->path);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT && p->optional)
        return 0;
    if (*fd < 0 || fstat(*fd, &st))
        return lg_fail_errno(e, LG_INTERNAL, "cannot read %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size > p->max)
        return lg_fail(e, LG_INTERNAL, "%s is no file that belongs into a backup", path);
    return 1;
}

static int measure(struct lg_bundle *b, int i, const char *dir, const char *copies, struct lg_err *e)
{
    lg_cleanup_fd int fd = -1;
    crypto_generichash_state h;
    char chunk[65536];
    ssize_t n;
    int rc = open_part(&lg_parts[i], dir, copies, &fd, e);
    if (rc <= 0)
        return rc;
    crypto_generichash_init(&h, NULL, 0, LG_SUM_BYTES);
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        crypto_generichash_update(&h, (const uint8_t *)chunk, (size_t)n);
        b->part[i].size += n;
    }
    crypto_generichash_final(&h, b->part[i].sum, LG_SUM_BYTES);
    b->part[i].present = true;
    return n < 0 ? lg_fail_errno(e, LG_INTERNAL, "cannot read %s", lg_parts[i].path) : 0;
}

static void manifest(const struct lg_bundle *b, struct lg_buf *out)
{
    char hex[LG_SUM_BYTES * 2 + 1];
    lg_buf_fmt(out, "lodge-backup 1\nmade %s\nversion %s\nsite %s\nschema %" PRId64 "\n", b->made, b->version,
               b->site, b->schema);
    for (int i = 0; i < LG_PARTS; i++)
        if (b->part[i].present) {
            sodium_bin2hex(hex, sizeof hex, b->part[i].sum, LG_SUM_BYTES);
            lg_buf_fmt(out, "file %s %" PRId64 " %s\n", hex, b->part[i].size, lg_parts[i].path);
        }
    sum_text(lg_buf_cstr(out), out->len, hex);
    lg_buf_fmt(out, "sum %s\n", hex);
}

static int head(struct archive *a, const char *name, int64_t size, mode_t mode, struct lg_err *e)
{
    struct archive_entry *h = archive_entry_new();
    archive_entry_set_pathname(h, name);
    archive_entry_set_filetype(h, AE_IFREG);
    archive_entry_set_perm(h, mode);
    archive_entry_set_size(h, size);
    int rc = archive_write_header(a, h);
    archive_entry_free(h);
    return rc == ARCHIVE_OK ? 0 : lg_fail(e, LG_STORAGE, "cannot write: %s", archive_error_string(a));
}

static int put(struct archive *a, const void *p, size_t n, struct lg_err *e)
{
    return archive_write_data(a, p, n) == (la_ssize_t)n
               ? 0
               : lg_fail(e, LG_STORAGE, "cannot write: %s", archive_error_string(a));
}

static int put_part(struct archive *a, const struct lg_bundle *b, int i, const char *dir, const char *copies,
                    struct lg_err *e)
{
    lg_cleanup_fd int fd = -1;
    char chunk[65536];
    int rc = open_part(&lg_parts[i], dir, copies, &fd, e);
    if (rc != 1)
        return rc ? rc : lg_fail(e, LG_CONFLICT, "%s has just vanished", lg_parts[i].path);
    rc = head(a, lg_parts[i].path, b->part[i].size, lg_parts[i].mode, e);
    int64_t left = b->part[i].size;
    for (ssize_t n; !rc && left > 0; left -= n) {
        n = read(fd, chunk, left < (int64_t)sizeof chunk ? (size_t)left : sizeof chunk);
        rc = n <= 0 ? lg_fail(e, LG_CONFLICT, "%s changes at this moment", lg_parts[i].path)
                    : put(a, chunk, (size_t)n, e);
        if (rc)
            break;
    }
    return rc;
}

static int write_all(struct archive *a, const struct lg_bundle *b, const char *dir, const char *copies,
                     int fd, struct lg_err *e)
{
    lg_cleanup_buf struct lg_buf text = {.max = MANIFEST_MAX};
    manifest(b, &text);
    archive_write_set_format_pax_restricted(a);
    archive_write_set_bytes_in_last_block(a, 1);
    int rc = archive_write_open_fd(a, fd) == ARCHIVE_OK
                 ? 0
                 : lg_fail(e, LG_STORAGE, "cannot write: %s", archive_error_string(a));
    rc = rc ? rc : head(a, MANIFEST, (int64_t)text.len, 0600, e);
    rc = rc ? rc : put(a, lg_buf_cstr(&text), text.len, e);
    for (int i = 0; !rc && i < LG_PARTS; i++)
        if (b->part[i].present)
            rc = put_part(a, b, i, dir, copies, e);
    if (!rc && archive_write_close(a) != ARCHIVE_OK)
        rc = lg_fail(e, LG_STORAGE, "cannot write: %s", archive_error_string(a));
    return rc;
}

static int sync_folder(const char *file, struct lg_err *e)
{
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", file);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    lg_cleanup_fd int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) ? lg_fail_errno(e, LG_STORAGE, "cannot make %s durable", file) : 0;
}

int lg_bundle_write(struct lg_bundle *b, const char *dir, const char *copies, const char *file,
                    struct lg_err *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < LG_PARTS; i++)
        rc = measure(b, i, dir, copies, e);
    if (rc)
        return rc;
    lg_cleanup_fd int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return errno == EEXIST ? lg_fail(e, LG_CONFLICT, "%s exists already; a backup replaces nothing", file)
                               : lg_fail_errno(e, LG_STORAGE, "cannot make %s", file);
    struct archive *a = archive_write_new();
    rc = a ? write_all(a, b, dir, copies, fd, e) : lg_fail(e, LG_INTERNAL, "no memory");
    archive_write_free(a);
    if (!rc && fsync(fd))
        rc = lg_fail_errno(e, LG_STORAGE, "cannot make %s durable", file);
    rc = rc ? rc : sync_folder(file, e);
    if (rc)
        unlink(file);
    return rc;
}

/* ---- reading ---- */

static int part_named(const char *path)
{
    for (int i = 0; path && i < LG_PARTS; i++)
        if (!strcmp(lg_parts[i].path, path))
            return i;
    return -1;
}

static int parse_line(struct lg_bundle *b, const char *line, struct lg_err *e)
{
    char hex[LG_SUM_BYTES * 2 + 1], path[64];
    int64_t size;
    size_t n;
    if (sscanf(line, "made %31s", b->made) == 1 || sscanf(line, "version %31s", b->version) == 1 ||
        sscanf(line, "site %39s", b->site) == 1 || sscanf(line, "schema %" SCNd64, &b->schema) == 1)
        return 0;
    int i = sscanf(line, "file %64[0-9a-f] %" SCNd64 " %63s", hex, &size, path) == 3 ? part_named(path) : -1;
    if (i < 0 || b->part[i].present || size < 0 || size > lg_parts[i].max ||
        sodium_hex2bin(b->part[i].sum, LG_SUM_BYTES, hex, strlen(hex), NULL, &n, NULL) || n != LG_SUM_BYTES)
        return lg_fail(e, LG_INVALID, "its list has a line that this program does not know: %.100s", line);
    b->part[i].present = true;
    b->part[i].size = size;
    return 0;
}

static int parse(struct lg_bundle *b, char *text, struct lg_err *e)
{
    static const char first[] = "lodge-backup 1\n";
    char hex[LG_SUM_BYTES * 2 + 1], *last = strstr(text, "\nsum ");
    if (strncmp(text, first, sizeof first - 1) != 0)
        return lg_fail(e, LG_INVALID, "it is no backup of Lodge, or one of a later kind");
    if (last)
        sum_text(text, (size_t)(last + 1 - text), hex);
    if (!last || strncmp(last + 5, hex, sizeof hex - 1) != 0 || strcmp(last + 5 + sizeof hex - 1, "\n") != 0)
        return lg_fail(e, LG_INVALID, "its list was changed or is damaged");
    last[1] = 0;
    int rc = 0;
    char *save = NULL;
    for (char *line = strtok_r(text + sizeof first - 1, "\n", &save); line && !rc;
         line = strtok_r(NULL, "\n", &save))
        rc = parse_line(b, line, e);
    for (int i = 0; !rc && i < LG_PARTS; i++)
        if (!b->part[i].present && !lg_parts[i].optional)
            rc = lg_fail(e, LG_INVALID, "%s is missing in it", lg_parts[i].path);
    return rc;
}

static int read_manifest(struct archive *a, struct lg_bundle *b, struct lg_err *e)
{
    struct archive_entry *h;
    char text[MANIFEST_MAX + 1];
    if (archive_read_next_header(a, &h) != ARCHIVE_OK || !archive_entry_pathname(h) ||
        strcmp(archive_entry_pathname(h), MANIFEST) != 0)
        return lg_fail(e, LG_INVALID, "it is no backup of Lodge");
    la_ssize_t n = archive_read_data(a, text, MANIFEST_MAX);
    if (n < 0)
        return lg_fail(e, LG_INVALID, "its list cannot be read");
    text[n] = 0;
    return parse(b, text, e);
}

static int take(struct archive *a, int fd, int64_t size, uint8_t sum[LG_SUM_BYTES], struct lg_err *e)
{
    crypto_generichash_state h;
    char chunk[65536];
    la_ssize_t n;
    crypto_generichash_init(&h, NULL, 0, LG_SUM_BYTES);
    while ((n = archive_read_data(a, chunk, sizeof chunk)) > 0) {
        size -= n;
        crypto_generichash_update(&h, (const uint8_t *)chunk, (size_t)n);
        if (size < 0)
            break;
        if (write(fd, chunk, (size_t)n) != n)
            return lg_fail_errno(e, LG_STORAGE, "cannot unpack");
    }
    crypto_generichash_final(&h, sum, LG_SUM_BYTES);
    if (n < 0 || size)
        return lg_fail(e, LG_INVALID, "it is cut off or damaged");
    return fsync(fd) ? lg_fail_errno(e, LG_STORAGE, "cannot unpack") : 0;
}

static int take_part(struct archive *a, struct archive_entry *h, const struct lg_bundle *b, bool seen[],
                     const char *dir, struct lg_err *e)
{
    char path[PATH_MAX];
    uint8_t sum[LG_SUM_BYTES];
    const char *name = archive_entry_pathname(h);
    int i = part_named(name);
    if (i < 0 || !b->part[i].present || seen[i] || archive_entry_filetype(h) != AE_IFREG ||
        archive_entry_hardlink(h))
        return lg_fail(e, LG_INVALID, "it holds something that its list does not: %.100s", name ? name : "?");
    seen[i] = true;
    join(path, sizeof path, dir, lg_parts[i].path);
    lg_cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchmod(fd, lg_parts[i].mode))
        return lg_fail_errno(e, LG_STORAGE, "cannot make %s", path);
    int rc = take(a, fd, b->part[i].size, sum, e);
    if (!rc && memcmp(sum, b->part[i].sum, sizeof sum) != 0)
        rc = lg_fail(e, LG_INVALID, "%s in it is damaged", name);
    return rc;
}

static int read_all(struct archive *a, struct lg_bundle *b, const char *dir, struct lg_err *e)
{
    bool seen[LG_PARTS] = {false};
    struct archive_entry *h;
    int got = ARCHIVE_OK, rc = read_manifest(a, b, e);
    while (!rc && (got = archive_read_next_header(a, &h)) == ARCHIVE_OK)
        rc = take_part(a, h, b, seen, dir, e);
    if (!rc && got != ARCHIVE_EOF)
        rc = lg_fail(e, LG_INVALID, "it is cut off or damaged");
    for (int i = 0; !rc && i < LG_PARTS; i++)
        if (b->part[i].present && !seen[i])
            rc = lg_fail(e, LG_INVALID, "%s is missing in it", lg_parts[i].path);
    return rc;
}

int lg_bundle_read(struct lg_bundle *b, const char *file, const char *dir, struct lg_err *e)
{
    struct archive *a = archive_read_new();
    if (!a)
        return lg_fail(e, LG_INTERNAL, "no memory");
    memset(b, 0, sizeof *b);
    archive_read_support_format_tar(a);
    int rc = archive_read_open_filename(a, file, 65536) == ARCHIVE_OK
                 ? read_all(a, b, dir, e)
                 : lg_fail(e, LG_INVALID, "%s", archive_error_string(a));
    archive_read_free(a);
    return rc;
}
