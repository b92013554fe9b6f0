/* lodge instance usage <instance> --since 24h: what it used over time, a line a step. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"

/* Seconds of 90, 90s, 15m, 24h or 30d; -1 when it is something else. */
static long long seconds_of(const char *s)
{
    static const struct {
        const char *unit;
        long long seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    long long n = strtoll(s, &end, 10);
    for (size_t i = 0; end != s && n > 0 && n < 1000000000 && i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(end, units[i].unit))
            return n * units[i].seconds;
    return -1;
}

/* The table by columns as one object a line, with the members that are shown. */
static json_t *rows_of(const json_t *table)
{
    static const char *const shown[][2] = {{"at", "at"},
                                           {"cpu", "cpu.avg"},
                                           {"cpuMax", "cpu.max"},
                                           {"memory", "memory.avg"},
                                           {"memoryMax", "memory.max"},
                                           {"received", "network.rxBytes"},
                                           {"sent", "network.txBytes"},
                                           {"disk", "storage.used"}};
    json_t *rows = json_array();
    size_t n = json_array_size(json_object_get(table, "at"));
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_object();
        for (size_t k = 0; k < sizeof shown / sizeof shown[0]; k++)
            json_object_set(row, shown[k][0], json_array_get(lg_at(table, shown[k][1]), i));
        json_array_append_new(rows, row);
    }
    return rows;
}

static void print(const struct lg_cli *c, const json_t *table)
{
    static const struct lg_col cols[] = {{"FROM", "at", NULL},
                                         {"CPU %", "cpu", NULL},
                                         {"MOST", "cpuMax", NULL},
                                         {"MEMORY", "memory", lg_text_bytes},
                                         {"MOST", "memoryMax", lg_text_bytes},
                                         {"RECEIVED", "received", lg_text_bytes},
                                         {"SENT", "sent", lg_text_bytes},
                                         {"DISK", "disk", lg_text_bytes},
                                         {NULL, NULL, NULL}};
    json_t *rows = rows_of(table);
    lg_print_rows(c, rows, "usage", cols, "at");
    json_decref(rows);
}

int lg_cli_usage_history(struct lg_cli *c, const char *id)
{
    const char *since = lg_flag_value(c, "since"), *step = lg_flag_value(c, "step");
    char iso[LG_ISO_LEN], path[LG_PATH_LEN];
    lg_cleanup_buf struct lg_buf target = {.max = LG_PATH_LEN};
    lg_cleanup_answer struct lg_answer a = {.status = 0};
    long long back = since ? seconds_of(since) : 3600, width = step ? seconds_of(step) : 0;
    if (width < 0)
        return lg_say(LG_EXIT_USAGE, "--step needs a time such as 15m");
    lg_buf_str(&target, lg_path(path, "/compute/instances/%s/usage", id));
    if (back > 0) {
        lg_clock_iso(lg_clock_ms() - back * 1000, iso);
        since = iso;
    }
    lg_buf_fmt(&target, "?since=%s", lg_path(path, "%s", since));
    if (width)
        lg_buf_fmt(&target, "&step=%lld", width);
    int rc = lg_call(c, "GET", lg_buf_cstr(&target), NULL, &a);
    if (!rc)
        print(c, a.json);
    return rc;
}
