#include "store/beside.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

/* Under another name until it is the owner's; then the name, unless somebody was faster. */
static void make(const char *path, const char *end, const struct stat *db)
{
    char name[PATH_MAX], tmp[PATH_MAX];
    int n = snprintf(name, sizeof name, "%s%s", path, end);
    int m = snprintf(tmp, sizeof tmp, "%s%s.%d", path, end, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof name || m < 0 || (size_t)m >= sizeof tmp || !access(name, F_OK))
        return;
    lg_cleanup_fd int fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool given = !fchown(fd, db->st_uid, db->st_gid) && !fchmod(fd, db->st_mode & 0666);
    if (given)
        (void)!link(tmp, name);
    unlink(tmp);
}

void lg_db_make_beside(const char *path)
{
    struct stat db;
    if (geteuid() || lstat(path, &db) || !S_ISREG(db.st_mode) || !db.st_uid)
        return;
    make(path, "-wal", &db);
    make(path, "-shm", &db);
}
