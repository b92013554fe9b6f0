/* lodge-intake from the inside: one function per command of wire.h. Each returns the exit code. */
#ifndef LG_INTAKE_INTAKE_H
#define LG_INTAKE_INTAKE_H

int lg_intake_kind(void);
int lg_intake_rewrite(const char *kind, const char *ref);
int lg_intake_fetch(void);

#endif
