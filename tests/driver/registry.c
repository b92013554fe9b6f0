/* Pulls from a registry on loopback: progress, the image that comes, and the registry's own words when it
 * refuses. */
#include "setup.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "driver/container/engine.h"

#define PORT "28932"
#define REF  "127.0.0.1:" PORT "/lodge/base:1"

static struct rig rig;
static pid_t registry;
#define D rig.d
#define G rig.g

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void start_registry(void)
{
    struct lg_err e = {0};
    char path[128], text[512];
    snprintf(path, sizeof path, "%s/registry.yml", rig.dir);
    snprintf(text, sizeof text,
             "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s/registry\n"
             "http:\n  addr: 127.0.0.1:" PORT "\n",
             rig.dir);
    write_text(path, text);
    const char *const argv[] = {"docker-registry", "serve", path, NULL};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1, .die_with_parent = 1};
    registry = lg_proc_start(&p, &e);
    assert_true(registry > 0);
}

/* Podman with the private engine's configuration. */
static int podman(const char *const *args)
{
    struct lg_engine_cmd cmd;
    struct lg_err e = {0};
    const char *argv[16] = {"podman"};
    ok(&e, lg_engine_prepare(&rig.conf, &cmd, &e));
    for (int i = 0; args[i]; i++)
        argv[i + 1] = args[i];
    struct lg_proc p = {.argv = argv, .env = cmd.env, .stdout_fd = -1, .stderr_fd = -1};
    return lg_proc_run(&p, 60000, NULL, NULL, &e);
}

static bool has_registry(void)
{
    const char *const argv[] = {"which", "docker-registry", NULL};
    struct lg_proc p = {.argv = argv, .stdout_fd = -1, .stderr_fd = -1};
    return lg_proc_run(&p, 5000, NULL, NULL, NULL) == 0;
}

static void on_progress(void *arg, double fraction, const char *text)
{
    int *n = arg;
    assert_true(fraction >= -1 && fraction <= 1 && *text);
    ++*n;
}

static void test_pull(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_image_info pushed, pulled;
    int lines = 0;
    const char *const push[] = {"push", "-q", "--tls-verify=false", BASE_REF, REF, NULL};
    until(podman(push) == 0);
    ok(&e, D->image_find(G, BASE_REF, &pushed, &e));
    assert_int_equal(D->image_find(G, REF, &pulled, &e), -LG_NOT_FOUND);
    ok(&e, D->image_pull(G, REF, on_progress, &lines, &pulled, &e));
    assert_string_equal(pulled.id, pushed.id);
    assert_true(lines > 0 && *pulled.digest);
    ok(&e, D->image_pull(G, REF, NULL, NULL, &pulled, &e));
    ok(&e, D->image_remove(G, REF, &e));
    ok(&e, D->image_find(G, BASE_REF, &pushed, &e));
}

static void test_unknown(void **state)
{
    (void)state;
    struct lg_err e = {0};
    struct lg_image_info info;
    assert_int_equal(D->image_pull(G, "127.0.0.1:" PORT "/lodge/base:none", NULL, NULL, &info, &e),
                     -LG_BACKEND);
    assert_non_null(strstr(e.msg, "manifest unknown"));
}

int main(void)
{
    char path[128];
    if (!has_registry()) {
        print_message("skipped: docker-registry is not installed\n");
        return 0;
    }
    if (!rig_up(&rig, "podman"))
        return 0;
    snprintf(path, sizeof path, "%s/engine/registries.conf", rig.dir);
    write_text(path,
               "unqualified-search-registries = [\"docker.io\"]\n[[registry]]\nlocation = \"127.0.0.1:" PORT
               "\"\ninsecure = true\n");
    rig_restart_service(&rig);
    start_registry();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pull), cmocka_unit_test(test_unknown)};
    int failed = cmocka_run_group_tests_name("registry", tests, NULL, NULL);
    kill(registry, SIGKILL);
    waitpid(registry, NULL, 0);
    rig_down(&rig);
    return failed;
}
