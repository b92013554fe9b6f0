#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

static const char *process_name = "lodge";
static enum lg_level least_level = LG_INFO;
static char request[64];

void lg_log_init(const char *process, enum lg_level least)
{
    process_name = process;
    least_level = least;
}

void lg_log_name(const char *process)
{
    process_name = process;
}

const char *lg_log_request_id(void)
{
    return request;
}

void lg_log_request(const char *request_id)
{
    snprintf(request, sizeof request, "%s", request_id ? request_id : "");
}

static void start(struct lg_json *j, struct lg_buf *b, enum lg_level level, const char *msg)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    lg_json_init(j, b);
    lg_json_obj(j, NULL);
    lg_json_time(j, "time", lg_clock_ms());
    lg_json_str(j, "level", names[level]);
    lg_json_str(j, "process", process_name);
    lg_json_int(j, "pid", getpid());
    lg_json_str(j, "msg", msg);
    if (request[0])
        lg_json_str(j, "request", request);
}

/* One write(2) a line, so that lines of several processes never mix. */
static void finish(struct lg_json *j, struct lg_buf *b)
{
    lg_json_end_obj(j);
    lg_buf_char(b, '\n');
    if (!b->failed && write(STDERR_FILENO, b->data, b->len) < 0)
        return;
}

void lg_log(enum lg_level level, const char *msg, ...)
{
    if (level < least_level)
        return;
    lg_cleanup_buf struct lg_buf b = {.max = 16384};
    struct lg_json j;
    start(&j, &b, level, msg);
    va_list ap;
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *));)
        lg_json_str(&j, key, va_arg(ap, const char *));
    va_end(ap);
    finish(&j, &b);
}

void lg_log_err(enum lg_level level, const char *msg, const struct lg_err *e)
{
    lg_log(level, msg, "code", lg_code_name(e->code), "error", e->msg, NULL);
}
