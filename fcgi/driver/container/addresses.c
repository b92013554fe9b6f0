#include "driver/container/addresses.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define BOOK      "/run/containers/networks/ipam.db"
#define ID_LEN    64
#define KEY_LEN   4
#define BRANCH    1 /* page flags */
#define LEAF      2
#define MAX_BYTES (64 << 20) /* a book is a few dozen KiB */

/* A leaf page: this header, `count` entries, then keys and values, each right behind the other. */
struct page {
    uint64_t id; /* 0 in a page that is held inside another one's value */
    uint16_t flags, count;
    uint32_t overflow;
};
struct entry {
    uint32_t flags;
    uint32_t pos; /* of the key, from the entry's own first byte */
    uint32_t key_size, value_size;
};

static void get_entry(const uint8_t *at, struct entry *en)
{
    memcpy(en, at, sizeof *en);
}

/* Does the entry at `at` point to the key at `key`, with a value of an id's size? */
static bool points_to(const uint8_t *at, const uint8_t *key)
{
    struct entry en;
    get_entry(at, &en);
    return !en.flags && en.key_size == KEY_LEN && en.value_size == ID_LEN && en.pos == (uint32_t)(key - at);
}

/* The entry of the key, searched backwards, where entries are; NULL when there is none. */
static uint8_t *find_entry(uint8_t *map, uint8_t *key)
{
    for (uint8_t *at = key - sizeof(struct entry); at >= map + sizeof(struct page) && key - at < 65536; at--)
        if (points_to(at, key))
            return at;
    return NULL;
}

/* The page whose n-th entry this is: each entry before it looks like one too. NULL when nothing fits. */
static uint8_t *find_page(uint8_t *map, uint8_t *entry, unsigned *n)
{
    struct entry en;
    struct page p;
    uint8_t *at = entry;
    for (*n = 0; at >= map + sizeof p; at -= sizeof en, ++*n) {
        memcpy(&p, at - sizeof p, sizeof p);
        if (p.flags == LEAF && p.count > *n && (p.id == 0 || (size_t)(at - sizeof p - map) % 4096 == 0))
            return at - sizeof p;
        get_entry(at - sizeof en, &en);
        if (en.flags || en.key_size != KEY_LEN || en.value_size != ID_LEN)
            return NULL;
    }
    return NULL;
}

/* Is the page named by a branch page (one that leads to leaves by their first key)? Free old pages may say so
 * too. */
static bool has_parent(const uint8_t *map, size_t size, uint64_t id)
{
    struct branch {
        uint32_t pos, key_size;
        uint64_t page;
    } b;
    struct page p;
    for (size_t at = 0; at + 4096 <= size; at += 4096) {
        memcpy(&p, map + at, sizeof p);
        for (unsigned i = 0; p.flags == BRANCH && i < p.count && sizeof p + (i + 1) * sizeof b <= 4096; i++) {
            memcpy(&b, map + at + sizeof p + i * sizeof b, sizeof b);
            if (b.page == id)
                return true;
        }
    }
    return false;
}

/*
 * Takes entry n out: those behind it move up and keep pointing to the same bytes. Not the first entry of a
 * page of its own, which the page above it may name.
 */
static bool take_out(const uint8_t *map, size_t size, uint8_t *page, uint8_t *entry, unsigned n)
{
    struct page p;
    struct entry en;
    memcpy(&p, page, sizeof p);
    if (!n && p.id && has_parent(map, size, p.id))
        return false;
    for (unsigned i = n + 1; i < p.count; i++, entry += sizeof en) {
        get_entry(entry + sizeof en, &en);
        en.pos += sizeof en;
        memcpy(entry, &en, sizeof en);
    }
    p.count--;
    memcpy(page, &p, sizeof p);
    return true;
}

/* Old copies of pages are in the file as well; taking the entry out of those does no harm. */
static bool take_all_out(uint8_t *map, size_t size, const uint8_t *pattern, size_t n)
{
    bool changed = false;
    uint8_t *end = map + size;
    for (uint8_t *key = map; (key = memmem(key, (size_t)(end - key), pattern, n)); key++) {
        unsigned nth;
        uint8_t *entry = find_entry(map, key), *page = entry ? find_page(map, entry, &nth) : NULL;
        if (page && take_out(map, size, page, entry, nth))
            changed = true;
    }
    return changed;
}

bool lg_address_forget(const char *owner, const char *address)
{
    uint8_t pattern[KEY_LEN + ID_LEN];
    struct stat st;
    if (inet_pton(AF_INET, address, pattern) != 1 || strspn(owner, "0123456789abcdef") < ID_LEN)
        return false;
    memcpy(pattern + KEY_LEN, owner, ID_LEN);
    lg_cleanup_fd int fd = open(BOOK, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || flock(fd, LOCK_EX) || fstat(fd, &st) || st.st_size < 4096 || st.st_size > MAX_BYTES)
        return false;
    size_t size = (size_t)st.st_size;
    uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    bool changed = take_all_out(map, size, pattern, sizeof pattern);
    munmap(map, size);
    return changed;
}
