/* How a run went, as the API says it. */
#include <string.h>

#include "base/clock.h"
#include "sandbox/pool.h"

static const struct {
    int number;
    const char *name;
} signals[] = {{1, "SIGHUP"},   {2, "SIGINT"},   {3, "SIGQUIT"},  {4, "SIGILL"},   {5, "SIGTRAP"},
               {6, "SIGABRT"},  {7, "SIGBUS"},   {8, "SIGFPE"},   {9, "SIGKILL"},  {10, "SIGUSR1"},
               {11, "SIGSEGV"}, {12, "SIGUSR2"}, {13, "SIGPIPE"}, {14, "SIGALRM"}, {15, "SIGTERM"},
               {24, "SIGXCPU"}, {25, "SIGXFSZ"}, {31, "SIGSYS"}};

static const char *signal_name(int n)
{
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (signals[i].number == n)
            return signals[i].name;
    return n ? "SIGNAL" : NULL;
}

/* Code and signal of a step that ended by itself; null where the other one, or we, ended it. */
static void write_end(struct lg_json *j, const struct lg_task_step *s)
{
    if (s->ended && !s->signal)
        lg_json_int(j, "exitCode", s->code);
    else
        lg_json_null(j, "exitCode");
    lg_json_str(j, "signal", s->ended ? signal_name(s->signal) : NULL);
}

static void write_compile(struct lg_json *j, const struct lg_task *r, bool whole)
{
    const struct lg_task_step *s = &r->compile;
    if (!r->lang->compile) {
        lg_json_null(j, "compile");
        return;
    }
    lg_json_obj(j, "compile");
    lg_json_bool(j, "success", s->ended && !s->code && !s->signal);
    write_end(j, s);
    lg_json_int(j, "timeMs", s->wall_us / 1000);
    if (whole) {
        lg_json_strn(j, "stdout", lg_buf_cstr(&s->out), s->out.len);
        lg_json_strn(j, "stderr", lg_buf_cstr(&s->err), s->err.len);
    }
    lg_json_end_obj(j);
}

static bool is_text(const struct lg_buf *b)
{
    json_t *s = json_stringn(lg_buf_cstr(b), b->len);
    json_decref(s);
    return s != NULL;
}

/* CPU time, to the microsecond where the kernel says so. */
static void write_costs(struct lg_json *j, const struct lg_task *r)
{
    int64_t wall_us = r->step.ended ? r->step.wall_us : 0;
    if (!r->step.ended && r->began_mono)
        wall_us = (r->ended_mono - r->began_mono) * 1000 - r->compile.wall_us;
    lg_json_int(j, "timeMs", wall_us / 1000);
    lg_json_int(j, "cpuMs", r->step.cpu_us / 1000);
    lg_json_int(j, "memoryBytes", r->memory_peak ? r->memory_peak : r->step.rss_kib * 1024);
    lg_json_int(j, "queueMs",
                r->began_mono ? r->began_mono - r->queued_mono : r->ended_mono - r->queued_mono);
}

void lg_task_json(const struct lg_task *r, bool whole, struct lg_buf *out)
{
    struct lg_json j;
    lg_json_init(&j, out);
    lg_json_obj(&j, NULL);
    if (whole)
        lg_json_strn(&j, "result", lg_buf_cstr(&r->mixed), r->mixed.len);
    lg_json_bool(&j, "success", r->step.ended && !r->step.code && !r->step.signal && !r->limit);
    lg_json_str(&j, "id", r->id);
    lg_json_str(&j, "language", r->lang->name);
    if (whole) {
        lg_json_strn(&j, "stdout", lg_buf_cstr(&r->step.out), r->step.out.len);
        lg_json_strn(&j, "stderr", lg_buf_cstr(&r->step.err), r->step.err.len);
        lg_json_bool(&j, "binary", !is_text(&r->mixed));
    }
    write_end(&j, &r->step);
    lg_json_str(&j, "limit", r->limit);
    write_compile(&j, r, whole);
    write_costs(&j, r);
    if (r->snippet)
        lg_json_int(&j, "stdinBytes", r->step.input);
    lg_json_end_obj(&j);
}
