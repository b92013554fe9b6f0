/* Tables, records and JSON on standard output. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

#define CELL_MAX 120 /* characters of one cell of a table */

const json_t *lg_at(const json_t *o, const char *path)
{
    char key[64];
    while (o && *path) {
        size_t n = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        o = json_object_get(o, key);
        path += n + (path[n] == '.');
    }
    return o;
}

const char *lg_text_at(const json_t *o, const char *path)
{
    const char *s = json_string_value(lg_at(o, path));
    return s ? s : "";
}

void lg_print_json(const json_t *o, bool one_line)
{
    json_dumpf(o, stdout, one_line ? JSON_COMPACT | JSON_ENCODE_ANY : JSON_INDENT(2) | JSON_ENCODE_ANY);
    fputc('\n', stdout);
}

void lg_print_clean(FILE *to, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool c1 = c == 0xc2 && (unsigned char)s[1] >= 0x80 && (unsigned char)s[1] < 0xa0; /* 8-bit controls */
        fputc(c < 0x20 || c == 0x7f || c1 ? '?' : c, to);
        s += c1;
    }
}

static int64_t parse_iso(const char *s)
{
    struct tm t = {0};
    if (sscanf(s, "%d-%d-%dT%d:%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min, &t.tm_sec) !=
        6)
        return -1;
    t.tm_year -= 1900;
    t.tm_mon--;
    return timegm(&t);
}

void lg_text_age(const json_t *iso, struct lg_buf *out)
{
    static const struct {
        int64_t below, unit;
        const char *name;
    } steps[] = {{60, 1, "s"}, {3600, 60, "min"}, {86400, 3600, "h"}, {INT64_MAX, 86400, "d"}};
    const char *s = json_string_value(iso);
    int64_t at = s ? parse_iso(s) : -1;
    if (at < 0) {
        lg_buf_str(out, "-");
        return;
    }
    int64_t age = (int64_t)time(NULL) - at, past = age < 0 ? -age : age;
    int i = 0;
    while (past >= steps[i].below)
        i++;
    lg_buf_fmt(out, "%s%lld %s", age < 0 ? "in " : "", (long long)(past / steps[i].unit), steps[i].name);
}

void lg_text_bytes(const json_t *n, struct lg_buf *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = json_number_value(n);
    int u = 0;
    if (v <= 0) {
        lg_buf_str(out, "-");
        return;
    }
    for (; v >= 1024 && u < 4; u++)
        v /= 1024;
    lg_buf_fmt(out, v >= 100 || v == (double)(long)v ? "%.0f %s" : "%.1f %s", v, units[u]);
}

void lg_text_yes(const json_t *b, struct lg_buf *out)
{
    lg_buf_str(out, json_is_true(b) ? "yes" : "-");
}

static void plain(const json_t *v, struct lg_buf *out)
{
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING:
        lg_buf_str(out, json_string_value(v));
        break;
    case JSON_INTEGER:
        lg_buf_int(out, json_integer_value(v));
        break;
    case JSON_REAL:
        lg_buf_fmt(out, "%.6g", json_real_value(v));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lg_buf_str(out, json_is_true(v) ? "yes" : "no");
        break;
    case JSON_ARRAY:
        lg_text_join(v, out);
        break;
    case JSON_OBJECT:
    case JSON_NULL:
        break;
    }
}

void lg_text_join(const json_t *array, struct lg_buf *out)
{
    size_t i;
    const json_t *v;
    json_array_foreach(array, i, v)
    {
        lg_buf_str(out, i ? ", " : "");
        plain(v, out);
    }
}

static void cell(const json_t *row, const struct lg_col *col, struct lg_buf *out)
{
    const json_t *v = lg_at(row, col->path);
    size_t before = out->len;
    if (col->text)
        col->text(v, out);
    else
        plain(v, out);
    if (out->len == before)
        lg_buf_str(out, "-");
}

/* Characters, by the bytes that begin one. */
static int width(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* Cuts after `max` characters. */
static void shorten(char *s, int max)
{
    for (int n = 0; *s; s++)
        if (((unsigned char)*s & 0xc0) != 0x80 && ++n > max) {
            *s = 0;
            return;
        }
}

#define COLS_MAX 32

static int count_columns(const struct lg_col *cols)
{
    int n = 0;
    while (n < COLS_MAX && cols[n].title)
        n++;
    return n;
}

static void print_line(char *const *cells, const int *widths, int n)
{
    for (int i = 0; i < n; i++) {
        lg_print_clean(stdout, cells[i]);
        if (i + 1 < n)
            printf("%*s", widths[i] - width(cells[i]) + 3, "");
    }
    putchar('\n');
}

static char *copy(const char *s)
{
    char *p = strdup(s);
    if (!p)
        abort();
    return p;
}

static void print_table(const json_t *rows, const struct lg_col *cols)
{
    int n = count_columns(cols), widths[COLS_MAX];
    size_t count = json_array_size(rows);
    char **cells = calloc((count + 1) * (size_t)n, sizeof *cells);
    if (!cells)
        abort();
    for (size_t r = 0; r <= count; r++)
        for (int i = 0; i < n; i++) {
            lg_cleanup_buf struct lg_buf b = {0};
            if (r)
                cell(json_array_get(rows, r - 1), &cols[i], &b);
            char *text = cells[r * (size_t)n + (size_t)i] = copy(r ? lg_buf_cstr(&b) : cols[i].title);
            shorten(text, CELL_MAX);
            int w = width(text);
            widths[i] = r && widths[i] > w ? widths[i] : w;
        }
    for (size_t r = 0; r <= count; r++)
        print_line(cells + r * (size_t)n, widths, n);
    for (size_t i = 0; i < (count + 1) * (size_t)n; i++)
        free(cells[i]);
    free(cells);
}

static void print_quiet(const json_t *o, const char *path)
{
    lg_cleanup_buf struct lg_buf b = {0};
    plain(lg_at(o, path), &b);
    lg_print_clean(stdout, lg_buf_cstr(&b));
    putchar('\n');
}

void lg_print_rows(const struct lg_cli *c, const json_t *rows, const char *key, const struct lg_col *cols,
                   const char *quiet)
{
    size_t i;
    const json_t *row;
    if (c->json) {
        json_t *doc = json_pack("{s:O, s:I}", key, rows, "total", (json_int_t)json_array_size(rows));
        lg_print_json(doc, false);
        json_decref(doc);
    } else if (c->quiet) {
        json_array_foreach(rows, i, row) print_quiet(row, quiet);
    } else {
        print_table(rows, cols);
    }
}

void lg_print_record(const struct lg_cli *c, const json_t *o, const struct lg_col *cols, const char *quiet)
{
    int n = count_columns(cols), widest = 0;
    if (c->json) {
        lg_print_json(o, false);
        return;
    }
    if (c->quiet) {
        print_quiet(o, quiet);
        return;
    }
    for (int i = 0; i < n; i++)
        widest = width(cols[i].title) > widest ? width(cols[i].title) : widest;
    for (int i = 0; i < n; i++) {
        lg_cleanup_buf struct lg_buf b = {0};
        cell(o, &cols[i], &b);
        printf("%s%*s", cols[i].title, widest - width(cols[i].title) + 3, "");
        lg_print_clean(stdout, lg_buf_cstr(&b));
        putchar('\n');
    }
}
