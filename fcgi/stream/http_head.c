#include "stream/http_head.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

size_t lg_head_end(const char *p, size_t n, size_t *scanned)
{
    size_t from = *scanned > 3 ? *scanned - 3 : 0;
    const char *end = n > from ? memmem(p + from, n - from, "\r\n\r\n", 4) : NULL;
    *scanned = n;
    return end ? (size_t)(end - p) + 4 : 0;
}

bool lg_slice_is(struct lg_slice s, const char *text)
{
    return s.p && s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static struct lg_slice trimmed(const char *p, size_t n)
{
    while (n && (*p == ' ' || *p == '\t'))
        p++, n--;
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    return (struct lg_slice){p, n};
}

bool lg_slice_has_token(struct lg_slice s, const char *text)
{
    size_t want = strlen(text);
    while (s.p && s.n) {
        const char *comma = memchr(s.p, ',', s.n);
        size_t len = comma ? (size_t)(comma - s.p) : s.n;
        struct lg_slice t = trimmed(s.p, len);
        if (t.n == want && !strncasecmp(t.p, text, want))
            return true;
        s.p += comma ? len + 1 : len;
        s.n -= comma ? len + 1 : len;
    }
    return false;
}

static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool all(const char *p, size_t n, bool (*ok)(unsigned char))
{
    for (size_t i = 0; i < n; i++)
        if (!ok((unsigned char)p[i]))
            return false;
    return true;
}

static bool is_target_char(unsigned char c)
{
    return c > 0x20 && c != 0x7f;
}

static bool is_value_char(unsigned char c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool request_line(struct lg_head *h, const char *p, size_t n)
{
    const char *a = memchr(p, ' ', n);
    const char *b = a ? memchr(a + 1, ' ', n - (size_t)(a + 1 - p)) : NULL;
    if (!b)
        return false;
    h->method = (struct lg_slice){p, (size_t)(a - p)};
    h->target = (struct lg_slice){a + 1, (size_t)(b - a - 1)};
    struct lg_slice version = {b + 1, n - (size_t)(b + 1 - p)};
    h->minor = lg_slice_is(version, "HTTP/1.1") ? 1 : 0;
    if (!h->minor && !lg_slice_is(version, "HTTP/1.0"))
        return false;
    return h->method.n && h->target.n && all(h->method.p, h->method.n, is_token_char) &&
           all(h->target.p, h->target.n, is_target_char);
}

static const struct wanted {
    const char *name;
    size_t offset;
} wanted[] = {
    {"X-Lodge-Context", offsetof(struct lg_head, context)},
    {"Upgrade", offsetof(struct lg_head, upgrade)},
    {"Connection", offsetof(struct lg_head, connection)},
    {"Sec-WebSocket-Key", offsetof(struct lg_head, ws_key)},
    {"Sec-WebSocket-Version", offsetof(struct lg_head, ws_version)},
};

static bool header(struct lg_head *h, const char *p, size_t n)
{
    const char *colon = memchr(p, ':', n);
    if (!colon || colon == p || !all(p, (size_t)(colon - p), is_token_char))
        return false;
    struct lg_slice value = trimmed(colon + 1, n - (size_t)(colon + 1 - p));
    if (!all(value.p, value.n, is_value_char))
        return false;
    size_t len = (size_t)(colon - p);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strlen(wanted[i].name) != len || strncasecmp(wanted[i].name, p, len))
            continue;
        struct lg_slice *slot = (struct lg_slice *)(void *)((char *)h + wanted[i].offset);
        if (slot->p) /* twice: which one was meant is a matter of opinion, and opinions differ */
            return false;
        *slot = value;
    }
    return true;
}

bool lg_head_parse(struct lg_head *h, const char *p, size_t n)
{
    *h = (struct lg_head){0};
    const char *end = p + n;
    for (int line = 0; line <= LG_HEAD_HEADERS; line++) {
        const char *cr = memmem(p, (size_t)(end - p), "\r\n", 2);
        if (!cr)
            return false;
        size_t len = (size_t)(cr - p);
        if (!len)
            return line > 0 && cr + 2 == end;
        if (!(line ? header(h, p, len) : request_line(h, p, len)))
            return false;
        p = cr + 2;
    }
    return false;
}
