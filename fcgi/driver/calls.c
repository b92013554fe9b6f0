#include "driver/calls.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/histogram.h"
#include "base/log.h"

static struct lg_histogram *histogram; /* inherited by the runner's children */

int lg_calls_start(const struct lg_conf *c, int gid, struct lg_err *e)
{
    char path[PATH_MAX];
    return lg_histogram_make(&histogram, lg_conf_path(c, path, sizeof path, LG_CALLS_FILE), gid, e);
}

void lg_calls_add(const char *backend, const char *call, int64_t took_us, int result)
{
    char ms[32], number[16];
    bool lost = result == -(int)LG_TIMEOUT || result == -(int)LG_UNAVAILABLE;
    lg_histogram_add(histogram, backend, call, took_us, lost || result >= 500);
    snprintf(ms, sizeof ms, "%.1f", (double)took_us / 1000);
    snprintf(number, sizeof number, "%d", result);
    lg_log(LG_DEBUG, "engine call", "backend", backend, "call", call, "ms", ms, "result",
           result < 0 ? lg_code_name((enum lg_code) - result) : number, NULL);
}

static bool is_one_of(const char *word, size_t n, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == n && !strncmp(*list, word, n))
            return true;
    return false;
}

void lg_calls_name(const char *method, const char *path, char *out, size_t cap)
{
    static const char *const plain[] = {"json", "create", "load", "prune", NULL};
    static const char *const verbs[] = {
        "json", "start", "stop",   "restart", "kill",   "pause",   "unpause", "update",  "rename",     "wait",
        "logs", "stats", "attach", "exec",    "resize", "archive", "top",     "connect", "disconnect", NULL};
    const char *api = strstr(path, "/libpod/");
    if (api)
        path = api + 7;
    int whole = (int)strcspn(path, "?"), first = 1 + (int)strcspn(path + 1, "/?");
    if (first >= whole || is_one_of(path + first + 1, (size_t)(whole - first - 1), plain)) {
        snprintf(out, cap, "%s %.*s", method, whole, path);
        return;
    }
    int last = whole;
    while (path[last - 1] != '/')
        last--;
    bool verb = last > first + 1 && is_one_of(path + last, (size_t)(whole - last), verbs);
    snprintf(out, cap, "%s %.*s/{id}%s%.*s", method, first, path, verb ? "/" : "", verb ? whole - last : 0,
             path + last);
}
