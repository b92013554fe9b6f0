/* Finding the command, reading its arguments, and help: all from the table. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct lg_flag globals[] = {
    {'h', "help", NULL, "this text"},
    {0, "json", NULL, "print JSON"},
    {'q', "quiet", NULL, "print ids alone"},
    {0, "tenant", "slug", "act in this tenant"},
    {0, "wait", NULL, "wait for the end of what takes time (the default)"},
    {0, "no-wait", NULL, "do not"},
    {0, "url", "url", "of the server; else LODGE_URL or the credentials file"},
    {0, "insecure", NULL, "do not check the server's certificate"},
    {.name = NULL},
};

int lg_say(int code, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fflush(stdout);
    fputs("lodge: ", stderr);
    lg_print_clean(stderr, text);
    fputc('\n', stderr);
    return code;
}

static const struct lg_command *find(const char *noun, const char *verb)
{
    for (const struct lg_command *m = lg_commands; m->noun; m++)
        if (!strcmp(m->noun, noun) && (!m->verb || (verb && !strcmp(m->verb, verb))))
            return m;
    return NULL;
}

static bool is_noun(const char *noun)
{
    for (const struct lg_command *m = lg_commands; m->noun; m++)
        if (!strcmp(m->noun, noun))
            return true;
    return false;
}

/* "  instance ls", padded; characters that are not ASCII count once. */
static void line(FILE *to, const char *left, int width, const char *right)
{
    int n = 0;
    for (const char *p = left; *p; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    fprintf(to, "  %s%*s%s\n", left, n < width ? width - n : 1, "", right);
}

static void command_line(FILE *to, const struct lg_command *m)
{
    char left[160];
    snprintf(left, sizeof left, "%s%s%s%s%s", m->noun, m->verb ? " " : "", m->verb ? m->verb : "",
             m->args ? " " : "", m->args ? m->args : "");
    line(to, left, 38, m->help);
}

static void flag_lines(FILE *to, const struct lg_flag *f)
{
    for (; f && f->name; f++) {
        char left[96], letter[8] = "    ";
        if (f->letter)
            snprintf(letter, sizeof letter, "-%c, ", f->letter);
        snprintf(left, sizeof left, "%s--%s%s%s%s", letter, f->name, f->value ? " <" : "",
                 f->value ? f->value : "", f->value ? ">" : "");
        line(to, left, 38, f->help);
    }
}

void lg_cli_help(FILE *to, const char *noun)
{
    for (const struct lg_command *m = lg_commands; m->noun; m++)
        if (!noun || !strcmp(m->noun, noun)) {
            command_line(to, m);
            if (noun)
                flag_lines(to, m->flags);
        }
    fputs("\nEverywhere:\n", to);
    flag_lines(to, globals);
}

static int help(FILE *to, const struct lg_command *m)
{
    fprintf(to, "usage: lodge %s%s%s [flags]%s%s\n       %s\n\n", m->noun, m->verb ? " " : "",
            m->verb ? m->verb : "", m->args ? " " : "", m->args ? m->args : "", m->help);
    flag_lines(to, m->flags);
    fputs("\nEverywhere:\n", to);
    flag_lines(to, globals);
    return to == stdout ? LG_EXIT_OK : LG_EXIT_USAGE;
}

static const struct lg_flag *by_name(const struct lg_flag *f, const char *name, size_t n)
{
    for (; f && f->name; f++)
        if (!strncmp(f->name, name, n) && !f->name[n])
            return f;
    return NULL;
}

static const struct lg_flag *by_letter(const struct lg_flag *f, char letter)
{
    for (; f && f->name; f++)
        if (f->letter == letter)
            return f;
    return NULL;
}

static int wrong(const struct lg_cli *c, const char *what, const char *which)
{
    const struct lg_command *m = c->command;
    return lg_say(LG_EXIT_USAGE, "%s %s; `lodge %s%s%s --help` lists what there is", what, which, m->noun,
                  m->verb ? " " : "", m->verb ? m->verb : "");
}

static int note(struct lg_cli *c, const struct lg_flag *f, const char *value, const char *a)
{
    if (c->opts == LG_CLI_OPTS)
        return wrong(c, "too many flags at", a);
    c->opt[c->opts].flag = f;
    c->opt[c->opts++].value = value;
    return 0;
}

static const struct lg_flag *any_letter(const struct lg_cli *c, char letter)
{
    const struct lg_flag *f = by_letter(c->command->flags, letter);
    return f ? f : by_letter(globals, letter);
}

/* "-it": letters of flags without a value, before the last one; *a comes to stand before that. */
static int take_group(struct lg_cli *c, const char **a)
{
    for (const struct lg_flag *f; (*a)[1] && (*a)[2] && (f = any_letter(c, (*a)[1])) && !f->value; ++*a) {
        if (!any_letter(c, (*a)[2]))
            return 0; /* "no value goes with": said by who comes next */
        int rc = note(c, f, NULL, *a);
        if (rc)
            return rc;
    }
    return 0;
}

/* One flag of argv at *i with its value, which may be the next element. */
static int take_flag(struct lg_cli *c, char **argv, int argc, int *i)
{
    const char *a = argv[*i], *name = a + 2, *value = NULL;
    const struct lg_flag *f;
    if (a[1] == '-') {
        size_t n = strcspn(name, "=");
        f = by_name(c->command->flags, name, n);
        f = f ? f : by_name(globals, name, n);
        value = name[n] ? name + n + 1 : NULL;
    } else {
        int rc = take_group(c, &a);
        if (rc)
            return rc;
        f = any_letter(c, a[1]);
        value = a[2] ? a + 2 : NULL;
    }
    if (!f)
        return wrong(c, "unknown flag", a);
    if (!f->value && value)
        return wrong(c, "no value goes with", a);
    if (f->value && !value) {
        if (*i + 1 >= argc)
            return wrong(c, "a value is missing after", a);
        value = argv[++*i];
    }
    return note(c, f, value, argv[*i]);
}

/* Positional arguments are gathered at the front of argv. */
static int parse(struct lg_cli *c, int argc, char **argv)
{
    c->arg = argv;
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--")) {
            c->rest = argv + i + 1;
            c->rests = argc - i - 1;
            break;
        }
        if (argv[i][0] == '-' && argv[i][1]) {
            int rc = take_flag(c, argv, argc, &i);
            if (rc)
                return rc;
        } else {
            c->arg[c->argc++] = argv[i];
        }
    }
    const struct lg_command *m = c->command;
    if (lg_flag_set(c, "help"))
        return 0;
    if (c->rests && !m->rest)
        return wrong(c, "nothing may follow", "--");
    if (c->argc < m->min)
        return wrong(c, "missing:", m->args ? m->args : "an argument");
    if (m->max >= 0 && c->argc > m->max)
        return wrong(c, "one argument too many:", c->arg[m->max]);
    return 0;
}

static const char *at(const struct lg_cli *c, int i, const char *name)
{
    return strcmp(c->opt[i].flag->name, name) ? NULL : c->opt[i].value ? c->opt[i].value : "";
}

bool lg_flag_set(const struct lg_cli *c, const char *name)
{
    return lg_flag_value(c, name) != NULL;
}

const char *lg_flag_value(const struct lg_cli *c, const char *name)
{
    for (int i = c->opts - 1; i >= 0; i--)
        if (at(c, i, name))
            return at(c, i, name);
    return NULL;
}

const char *lg_flag_next(const struct lg_cli *c, const char *name, int *from)
{
    while (*from < c->opts) {
        const char *v = at(c, (*from)++, name);
        if (v)
            return v;
    }
    return NULL;
}

int lg_flag_int(const struct lg_cli *c, const char *name, long min, long max, long absent, long *out)
{
    const char *v = lg_flag_value(c, name);
    char *end;
    *out = absent;
    if (!v)
        return 0;
    errno = 0;
    *out = strtol(v, &end, 10);
    if (!errno && end != v && !*end && *out >= min && *out <= max)
        return 0;
    return lg_say(LG_EXIT_USAGE, "--%s must be a whole number from %ld to %ld", name, min, max);
}

/* --wait and --no-wait: the last one counts. */
static bool wants_wait(const struct lg_cli *c)
{
    bool wait = true;
    for (int i = 0; i < c->opts; i++)
        wait = at(c, i, "no-wait") ? false : at(c, i, "wait") ? true : wait;
    return wait;
}

static int noun_help(const char *noun, const char *verb)
{
    bool asked = !verb || !strcmp(verb, "help") || !strcmp(verb, "--help") || !strcmp(verb, "-h");
    FILE *to = verb && asked ? stdout : stderr;
    if (!asked)
        fprintf(stderr, "lodge: %s has no command %s\n\n", noun, verb);
    fprintf(to, "usage: lodge %s <command> …\n\n", noun);
    lg_cli_help(to, noun);
    return to == stdout ? LG_EXIT_OK : LG_EXIT_USAGE;
}

int lg_cli(int argc, char **argv)
{
    struct lg_cli c = {.command = find(argv[0], argc > 1 ? argv[1] : NULL)};
    if (!c.command && is_noun(argv[0]))
        return noun_help(argv[0], argc > 1 ? argv[1] : NULL);
    if (!c.command) {
        fprintf(stderr, "lodge: there is no command %s; `lodge help` lists them\n", argv[0]);
        return LG_EXIT_USAGE;
    }
    int skip = c.command->verb ? 2 : 1;
    if (!c.command->verb && argc > 1 && !strcmp(argv[1], "help"))
        return help(stdout, c.command);
    int rc = parse(&c, argc - skip, argv + skip);
    if (rc)
        return rc;
    if (lg_flag_set(&c, "help"))
        return help(stdout, c.command);
    c.json = lg_flag_set(&c, "json");
    c.quiet = lg_flag_set(&c, "quiet");
    c.wait = wants_wait(&c);
    rc = c.command->run(&c);
    if (fflush(stdout) || ferror(stdout))
        return rc ? rc : lg_say(LG_EXIT_FAILED, "cannot write the output: %s", strerror(errno));
    return rc;
}
