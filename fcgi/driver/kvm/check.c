#include "driver/kvm/check.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Offsets in a qcow2 header; docs/interop/qcow2.txt of QEMU. */
enum {
    Q_VERSION = 4,
    Q_BACKING_OFFSET = 8,
    Q_CLUSTER_BITS = 20,
    Q_SIZE = 24,
    Q_CRYPT = 32,
    Q_L1_SIZE = 36,
    Q_L1_OFFSET = 40,
    Q_REFCOUNT_OFFSET = 48,
    Q_INCOMPATIBLE = 72,
    Q_HEADER_LENGTH = 100,
    Q_V2_LENGTH = 72,
    Q_READ = 104
};

#define INCOMPATIBLE_DIRTY       1U
#define INCOMPATIBLE_CORRUPT     2U
#define INCOMPATIBLE_COMPRESSION 8U
#define SECTOR                   512

static uint64_t be(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static int refuse(struct lg_err *e, const char *why)
{
    return lg_fail(e, LG_INVALID, "the disk image cannot be used: %s", why);
}

static int check_size(uint64_t bytes, int64_t max_bytes, struct lg_err *e)
{
    if (!bytes)
        return refuse(e, "it is empty");
    if (bytes > (uint64_t)max_bytes)
        return lg_fail(
            e, LG_INVALID,
            "the disk image cannot be used: its disk of %llu GiB is larger than the %lld GiB allowed",
            (unsigned long long)(bytes >> 30), (long long)(max_bytes >> 30));
    return 0;
}

static int check_qcow2(const unsigned char *h, ssize_t n, int64_t file_bytes, int64_t max_bytes,
                       struct lg_disk_facts *out, struct lg_err *e)
{
    uint64_t version = n >= Q_V2_LENGTH ? be(h + Q_VERSION, 4) : 0, bits = 0;
    if (version != 2 && version != 3)
        return refuse(e, "its qcow2 header is damaged or of an unknown version");
    if (version == 3 && n < Q_READ)
        return refuse(e, "its qcow2 header is cut off");
    if (be(h + Q_BACKING_OFFSET, 8))
        return refuse(e, "it refers to a backing file; flatten it first (qemu-img convert)");
    if (be(h + Q_CRYPT, 4))
        return refuse(e, "it is encrypted");
    uint64_t unknown = version == 3 ? be(h + Q_INCOMPATIBLE, 8) : 0;
    if (unknown & ~(uint64_t)(INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION))
        return refuse(e, unknown & INCOMPATIBLE_CORRUPT
                             ? "it is marked as corrupt"
                             : "it keeps its data in another file, or needs features that are not taken");
    bits = be(h + Q_CLUSTER_BITS, 4);
    if (bits < 9 || bits > 21)
        return refuse(e, "its qcow2 header is damaged");
    uint64_t tables = be(h + Q_L1_OFFSET, 8) + be(h + Q_L1_SIZE, 4) * 8;
    if (be(h + Q_L1_OFFSET, 8) > (uint64_t)file_bytes || tables > (uint64_t)file_bytes ||
        be(h + Q_REFCOUNT_OFFSET, 8) >= (uint64_t)file_bytes)
        return refuse(e, "it is cut off");
    out->format = "qcow2";
    out->virtual_bytes = (int64_t)be(h + Q_SIZE, 8);
    return check_size(be(h + Q_SIZE, 8), max_bytes, e);
}

/* Something else, by its first bytes, that would pass for a raw disk. */
static const char *other_format(const unsigned char *h)
{
    static const struct {
        const char *magic;
        size_t at, n;
        const char *name;
    } others[] = {{"KDMV", 0, 4, "VMDK"},
                  {"# Disk Descriptor", 0, 17, "VMDK"},
                  {"vhdxfile", 0, 8, "VHDX"},
                  {"conectix", 0, 8, "VHD"},
                  {"LUKS\xba\xbe", 0, 6, "LUKS"},
                  {"QED\0", 0, 4, "QED"},
                  {"\x7f\x10\xda\xbe", 64, 4, "VDI"},
                  {"\x1f\x8b", 0, 2, "gzip (unpack it first)"},
                  {"\xfd"
                   "7zXZ",
                   0, 5, "xz (unpack it first)"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (!memcmp(h + others[i].at, others[i].magic, others[i].n))
            return others[i].name;
    return NULL;
}

static int check_raw(const unsigned char *h, ssize_t n, int64_t file_bytes, int64_t max_bytes,
                     struct lg_disk_facts *out, struct lg_err *e)
{
    const char *other = n == SECTOR ? other_format(h) : NULL;
    if (other)
        return lg_fail(e, LG_INVALID, "the disk image cannot be used: it is %s; qcow2 and raw are taken",
                       other);
    if (n < SECTOR || file_bytes % SECTOR)
        return refuse(e, "it is neither qcow2 nor a whole raw disk");
    if (h[510] != 0x55 || h[511] != 0xaa)
        return refuse(e, "it has no boot sector");
    out->format = "raw";
    out->virtual_bytes = file_bytes;
    return check_size((uint64_t)file_bytes, max_bytes, e);
}

int lg_disk_check(int fd, const char *format, int64_t max_bytes, struct lg_disk_facts *out, struct lg_err *e)
{
    unsigned char h[SECTOR] = {0};
    struct stat st;
    if (fstat(fd, &st))
        return lg_fail_errno(e, LG_INVALID, "cannot read the image file");
    if (!S_ISREG(st.st_mode))
        return refuse(e, "it is not a regular file");
    ssize_t n = pread(fd, h, sizeof h, 0);
    if (n < 0)
        return lg_fail_errno(e, LG_INVALID, "cannot read the image file");
    bool qcow2 = n >= 4 && !memcmp(h, "QFI\xfb", 4);
    const char *seen = qcow2 ? "qcow2" : "raw";
    if (format && *format && strcmp(format, seen))
        return lg_fail(e, LG_INVALID, "the disk image cannot be used: it is not %.16s, it looks like %s",
                       format, seen);
    return qcow2 ? check_qcow2(h, n, st.st_size, max_bytes, out, e)
                 : check_raw(h, n, st.st_size, max_bytes, out, e);
}
