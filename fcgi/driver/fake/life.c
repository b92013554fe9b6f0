#include "driver/fake/life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static bool word(const char *s, const char *w)
{
    size_t n = strlen(w);
    return !strncmp(s, w, n) && (s[n] == ' ' || !s[n]);
}

/* The words of an echo: quotes go, and `"$NAME"` alone is the variable. */
static void echo(const json_t *inst, const char *s, struct lg_buf *out)
{
    size_t i, start = out->len;
    json_t *v;
    for (s += strspn(s, " "); *s; s++)
        if (*s != '"' && *s != '\'')
            lg_buf_char(out, *s);
    while (out->len > start && out->data[out->len - 1] == ' ')
        out->data[--out->len] = 0;
    if (out->len > 1 && out->data[0] == '$')
        json_array_foreach(json_object_get(inst, "env"), i, v)
        {
            const char *kv = json_string_value(v);
            size_t n = out->len - 1;
            if (kv && !strncmp(kv, out->data + 1, n) && kv[n] == '=') {
                lg_buf_reset(out);
                lg_buf_str(out, kv + n + 1);
                break;
            }
        }
    lg_buf_char(out, '\n');
}

/* One `…` of `sh -c "…; …"`. Returns false when it never ends. */
static bool step(struct lg_engine *g, json_t *inst, char *s, int64_t *ms, bool *done)
{
    const char *id = lg_json_text(inst, "id");
    lg_cleanup_buf struct lg_buf text = {0};
    if (word(s, "echo")) {
        char *to = strstr(s, ">&2");
        if (to)
            *to = 0;
        echo(inst, s + 4, &text);
        lg_fake_log(g, id, to ? 2 : 1, lg_buf_cstr(&text));
        return true;
    }
    *done = word(s, "exit") || word(s, "oom");
    if (word(s, "sleep"))
        *ms += (int64_t)(strtod(s + 5, NULL) * 1000);
    else if (word(s, "exit"))
        lg_fake_set(inst, "will_exit", atoi(s + 4));
    else if (word(s, "oom"))
        lg_fake_set(inst, "will_oom", 1);
    else
        return !*s;
    return true;
}

void lg_fake_begin(struct lg_engine *g, json_t *inst)
{
    const json_t *command = json_object_get(inst, "command");
    const char *script = json_string_value(json_array_get(command, 2));
    char copy[4096], *save = NULL;
    int64_t ms = 0, now = lg_clock_ms();
    bool ends = script != NULL, done = false;
    lg_fake_set(inst, "will_exit", 0);
    lg_fake_set(inst, "will_oom", 0);
    snprintf(copy, sizeof copy, "%s", script ? script : "");
    for (char *s = strtok_r(copy, ";", &save); s && ends && !done; s = strtok_r(NULL, ";", &save))
        ends = step(g, inst, s + strspn(s, " "), &ms, &done);
    lg_fake_set(inst, "run", LG_RUN_RUNNING);
    lg_fake_set(inst, "started_at", now);
    lg_fake_set(inst, "finished_at", 0);
    lg_fake_set(inst, "ends_at", ends ? now + ms : 0);
    lg_fake_event(g, lg_json_text(inst, "id"), "start");
}

void lg_fake_end(struct lg_engine *g, json_t *inst, int exit_code, bool oom, int64_t at)
{
    lg_fake_set(inst, "run", LG_RUN_EXITED);
    lg_fake_set(inst, "exit_code", exit_code);
    lg_fake_set(inst, "oom", oom);
    lg_fake_set(inst, "finished_at", at);
    lg_fake_set(inst, "ends_at", 0);
    lg_fake_event(g, lg_json_text(inst, "id"), "die");
}

void lg_fake_live(struct lg_engine *g, json_t *inst)
{
    int64_t ends = lg_fake_int(inst, "ends_at");
    if (lg_fake_int(inst, "run") != LG_RUN_RUNNING || !ends || ends > lg_clock_ms())
        return;
    bool oom = lg_fake_int(inst, "will_oom") != 0;
    int code = oom ? 137 : (int)lg_fake_int(inst, "will_exit");
    enum lg_restart policy = (enum lg_restart)lg_fake_int(inst, "restart");
    lg_fake_end(g, inst, code, oom, ends);
    if (policy >= LG_RESTART_ALWAYS || (policy == LG_RESTART_ON_FAILURE && code))
        lg_fake_begin(g, inst);
    lg_fake_save(g, "inst", lg_json_text(inst, "id"), inst, NULL);
}
