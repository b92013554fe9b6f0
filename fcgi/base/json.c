#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

void lg_json_init(struct lg_json *j, struct lg_buf *out)
{
    *j = (struct lg_json){.out = out};
}

/* Length of the valid UTF-8 sequence at s (1–4), or 0 when the bytes are not one. */
static size_t utf8_len(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

void lg_json_escape(struct lg_buf *out, const char *s, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = (const unsigned char *)s;
    size_t start = 0, i = 0;
    while (i < n) {
        size_t len = utf8_len(p + i, n - i);
        if (len && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\' && p[i] != 0x7f) {
            i += len;
            continue;
        }
        lg_buf_add(out, s + start, i - start);
        if (!len)
            lg_buf_str(out, "\xef\xbf\xbd");
        else if (p[i] == '"' || p[i] == '\\')
            lg_buf_add(out, (const char[]){'\\', (char)p[i]}, 2);
        else if (p[i] == '\n')
            lg_buf_str(out, "\\n");
        else
            lg_buf_add(out, (const char[]){'\\', 'u', '0', '0', hex[p[i] >> 4], hex[p[i] & 15]}, 6);
        start = ++i;
    }
    lg_buf_add(out, s + start, n - start);
}

static void prefix(struct lg_json *j, const char *key)
{
    if (j->comma)
        lg_buf_char(j->out, ',');
    j->comma = true;
    if (!key)
        return;
    lg_buf_char(j->out, '"');
    lg_json_escape(j->out, key, strlen(key));
    lg_buf_add(j->out, "\":", 2);
}

static void open_with(struct lg_json *j, const char *key, char c)
{
    prefix(j, key);
    lg_buf_char(j->out, c);
    j->comma = false;
}

static void close_with(struct lg_json *j, char c)
{
    lg_buf_char(j->out, c);
    j->comma = true;
}

void lg_json_obj(struct lg_json *j, const char *key)
{
    open_with(j, key, '{');
}

void lg_json_arr(struct lg_json *j, const char *key)
{
    open_with(j, key, '[');
}

void lg_json_end_obj(struct lg_json *j)
{
    close_with(j, '}');
}

void lg_json_end_arr(struct lg_json *j)
{
    close_with(j, ']');
}

void lg_json_strn(struct lg_json *j, const char *key, const char *value, size_t n)
{
    prefix(j, key);
    lg_buf_char(j->out, '"');
    lg_json_escape(j->out, value, n);
    lg_buf_char(j->out, '"');
}

void lg_json_str(struct lg_json *j, const char *key, const char *value)
{
    if (value)
        lg_json_strn(j, key, value, strlen(value));
    else
        lg_json_null(j, key);
}

void lg_json_strings(struct lg_json *j, const char *key, const char *const *list)
{
    lg_json_arr(j, key);
    for (; list && *list; list++)
        lg_json_str(j, NULL, *list);
    lg_json_end_arr(j);
}

void lg_json_int(struct lg_json *j, const char *key, int64_t value)
{
    prefix(j, key);
    lg_buf_int(j->out, value);
}

void lg_json_real(struct lg_json *j, const char *key, double value)
{
    prefix(j, key);
    if (isfinite(value))
        lg_buf_fmt(j->out, "%.10g", value);
    else
        lg_buf_str(j->out, "null");
}

void lg_json_bool(struct lg_json *j, const char *key, bool value)
{
    prefix(j, key);
    lg_buf_str(j->out, value ? "true" : "false");
}

void lg_json_null(struct lg_json *j, const char *key)
{
    prefix(j, key);
    lg_buf_str(j->out, "null");
}

void lg_json_raw(struct lg_json *j, const char *key, const char *json)
{
    prefix(j, key);
    lg_buf_str(j->out, json);
}

void lg_json_time(struct lg_json *j, const char *key, int64_t epoch_ms)
{
    if (!epoch_ms) {
        lg_json_null(j, key);
        return;
    }
    char tmp[LG_ISO_LEN];
    lg_clock_iso(epoch_ms, tmp);
    lg_json_str(j, key, tmp);
}

void lg_json_error(struct lg_buf *out, const struct lg_err *e)
{
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    lg_json_obj(&j, "error");
    lg_json_str(&j, "code", lg_code_name(e->code));
    lg_json_str(&j, "message", e->msg);
    lg_json_obj(&j, "details");
    for (int i = 0; i < e->details; i++)
        lg_json_str(&j, e->detail[i].key, e->detail[i].value);
    lg_json_end_obj(&j);
    lg_json_end_obj(&j);
    lg_json_end_obj(&j);
}

/* Nesting depth of a JSON text, strings skipped; counted before parsing so that jansson never recurses deep.
 */
static int depth_of(const char *s, size_t n)
{
    int depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (in_string) {
            if (s[i] == '\\')
                i++;
            else if (s[i] == '"')
                in_string = false;
        } else if (s[i] == '"') {
            in_string = true;
        } else if (s[i] == '{' || s[i] == '[') {
            if (++depth > deepest)
                deepest = depth;
        } else if (s[i] == '}' || s[i] == ']') {
            depth--;
        }
    }
    return deepest;
}

json_t *lg_json_parse(const char *text, size_t len, int max_depth, struct lg_err *e)
{
    if (depth_of(text, len) > max_depth) {
        lg_fail(e, LG_INVALID, "the JSON is nested deeper than %d levels", max_depth);
        return NULL;
    }
    json_error_t je;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!j)
        lg_fail(e, LG_INVALID, "the body is not valid JSON: %s (line %d, column %d)", je.text, je.line,
                je.column);
    return j;
}
