#include "stream/slice.h"

#include <string.h>

static size_t skip_space(const char *p, size_t n, size_t i)
{
    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n'))
        i++;
    return i;
}

/* Past the string that starts at i. */
static size_t skip_string(const char *p, size_t n, size_t i)
{
    for (i++; i < n && p[i] != '"'; i++)
        if (p[i] == '\\')
            i++;
    return i < n ? i + 1 : n;
}

/* Past the value that starts at i. */
static size_t skip_value(const char *p, size_t n, size_t i)
{
    size_t depth = 0;
    while (i < n) {
        char c = p[i];
        if (c == '"') {
            i = skip_string(p, n, i);
            if (!depth)
                return i;
            continue;
        }
        if (!depth && (c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            return i;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && !--depth)
            return i + 1;
        i++;
    }
    return n;
}

bool lg_slice_member(const char *text, size_t n, const char *key, struct lg_json_slice *out)
{
    size_t i = skip_space(text, n, 0), want = strlen(key);
    if (i >= n || text[i] != '{')
        return false;
    for (;;) {
        i = skip_space(text, n, i + 1);
        if (i >= n || text[i] != '"')
            return false;
        size_t name = i + 1;
        i = skip_string(text, n, i);
        size_t name_len = i > name ? i - 1 - name : 0;
        i = skip_space(text, n, i);
        if (i >= n || text[i] != ':')
            return false;
        i = skip_space(text, n, i + 1);
        size_t start = i;
        i = skip_value(text, n, i);
        if (name_len == want && !memcmp(text + name, key, want)) {
            *out = (struct lg_json_slice){text + start, i - start};
            return i > start;
        }
        i = skip_space(text, n, i);
        if (i >= n || text[i] != ',')
            return false;
    }
}

bool lg_slice_element(const char *text, size_t n, size_t *at, struct lg_json_slice *out)
{
    size_t i = skip_space(text, n, *at);
    if (i >= n || (text[i] != (*at ? ',' : '[')))
        return false;
    i = skip_space(text, n, i + 1);
    if (i >= n || text[i] == ']')
        return false;
    size_t start = i;
    i = skip_value(text, n, i);
    *out = (struct lg_json_slice){text + start, i - start};
    *at = i;
    return i > start;
}
