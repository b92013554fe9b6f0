/*
 * A seccomp filter beside the engine's own: what code from strangers never needs and what attacks on kernels
 * like. Everything refused answers EPERM, clone3 ENOSYS (its flags are out of a filter's sight; the C library
 * then uses clone).
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "box/box.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "name this machine's AUDIT_ARCH"
#endif

static const int refused[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_mount,
    SYS_umount2,
    SYS_process_vm_writev,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_kcmp,
    SYS_acct,
    SYS_quotactl,
    SYS_syslog,
    SYS_vhangup,
    SYS_personality,
    SYS_lookup_dcookie,
    SYS_pidfd_getfd,
};
#define REFUSED ((int)(sizeof refused / sizeof refused[0]))
#define NAMESPACES                                                                                           \
    ((unsigned)(CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |    \
                CLONE_NEWCGROUP))
#define LOAD(field)          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define RETURN(v)            BPF_STMT(BPF_RET | BPF_K, (v))
#define IF_EQUAL(v, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(v), (yes), (no))

int lg_filter_install(void)
{
    const struct sock_filter head[] = {
        LOAD(arch), IF_EQUAL(ARCH, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr),
        /* x32's numbers on x86-64 */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U, 0, 1), RETURN(SECCOMP_RET_ERRNO | ENOSYS)};
    const struct sock_filter tail[] = {IF_EQUAL(SYS_clone3, 0, 1),
                                       RETURN(SECCOMP_RET_ERRNO | ENOSYS),
                                       IF_EQUAL(SYS_clone, 0, 4),
                                       LOAD(args[0]),
                                       BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1),
                                       RETURN(SECCOMP_RET_ERRNO | EPERM),
                                       RETURN(SECCOMP_RET_ALLOW),
                                       IF_EQUAL(SYS_socket, 0, 5),
                                       LOAD(args[0]),
                                       IF_EQUAL(AF_UNIX, 3, 0),
                                       IF_EQUAL(AF_INET, 2, 0),
                                       IF_EQUAL(AF_INET6, 1, 0),
                                       RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
                                       RETURN(SECCOMP_RET_ALLOW)};
    struct sock_filter code[64 + 2 * REFUSED];
    unsigned short n = 0;
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        code[n++] = head[i];
    for (int i = 0; i < REFUSED; i++) {
        code[n++] = (struct sock_filter)IF_EQUAL(refused[i], 0, 1);
        code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    }
    for (size_t i = 0; i < sizeof tail / sizeof tail[0]; i++)
        code[n++] = tail[i];
    struct sock_fprog program = {n, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        return errno;
    return 0;
}
