/* `lodge doctor`: looks at everything a Lodge needs, says what is wrong and what cures it. Changes nothing.
 */
#include "up/doctor.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"

void lg_doctor_say(struct lg_doctor *d, enum lg_verdict v, const char *text, const char *cure)
{
    static const char *const names[] = {"ok", "warning", "wrong"};
    d->bad += v == LG_BAD;
    d->warned += v == LG_ODD;
    if (d->as_json) {
        lg_json_obj(&d->json, NULL);
        lg_json_str(&d->json, "check", d->check);
        lg_json_str(&d->json, "verdict", names[v]);
        lg_json_str(&d->json, "text", text);
        lg_json_str(&d->json, "cure", cure);
        lg_json_end_obj(&d->json);
        return;
    }
    printf("%-8s %-16s %s\n", names[v], d->check, text);
    if (cure)
        printf("%-8s %-16s   cure: %s\n", "", "", cure);
}

void lg_doctor_sayf(struct lg_doctor *d, enum lg_verdict v, const char *cure, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    lg_doctor_say(d, v, text, cure);
}

const char *lg_doctor_path(const struct lg_doctor *d, const char *rel)
{
    static char path[PATH_MAX];
    return lg_conf_path(&d->conf, path, sizeof path, rel);
}

static const struct {
    const char *name;
    void (*fn)(struct lg_doctor *d);
} checks[] = {
    {"programs", lg_check_programs},
    {"state", lg_check_state},
    {"keys", lg_check_keys},
    {"certificate", lg_check_certificate},
    {"disk", lg_check_disk},
    {"database", lg_check_database},
    {"processes", lg_check_processes},
    {"nginx", lg_check_nginx},
    {"ports", lg_check_ports},
    {"engine", lg_check_engine},
    {"virtual machines", lg_check_vm_engine},
    {"networks", lg_check_networks},
    {"quarantine", lg_check_quarantine},
    {"volumes", lg_check_volumes},
};

static void examine(struct lg_doctor *d)
{
    if (d->as_json) {
        lg_json_init(&d->json, &d->json_text);
        lg_json_obj(&d->json, NULL);
        lg_json_arr(&d->json, "checks");
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && !d->hopeless; i++) {
        d->check = checks[i].name;
        checks[i].fn(d);
    }
    lg_db_close(d->db);
    if (d->as_json) {
        lg_json_end_arr(&d->json);
        lg_json_bool(&d->json, "ok", !d->bad);
        lg_json_end_obj(&d->json);
        puts(lg_buf_cstr(&d->json_text));
        lg_buf_done(&d->json_text);
    } else if (d->bad || d->warned) {
        printf("\n%d wrong, %d to look at\n", d->bad, d->warned);
    } else {
        puts("\nEverything is as it should be.");
    }
}

int lg_doctor(int argc, char **argv)
{
    static struct lg_doctor d;
    struct lg_err e = {0};
    d.as_json = argc == 2 && !strcmp(argv[1], "--json");
    if (argc > 1 && !d.as_json) {
        bool asked = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help");
        fprintf(asked ? stdout : stderr, "usage: lodge doctor [--json]\n");
        return asked ? 0 : 2;
    }
    if (lg_conf_load(&d.conf, &e) || lg_crypto_init(&e)) {
        fprintf(stderr, "lodge: %s\n", e.msg);
        return 1;
    }
    examine(&d);
    return d.bad ? 1 : 0;
}
