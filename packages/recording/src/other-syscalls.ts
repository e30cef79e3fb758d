/**
 * The system calls of x86-64 that leave an address space as it is. A fuller trace
 * holds them; they are read over in silence, so that a name outside this list
 * stands out as one that nobody judged.
 */
const TEXT: string = `
_sysctl accept accept4 access acct add_key adjtimex afs_syscall alarm bind bpf cachestat capget capset chdir
chmod chown chroot clock_adjtime clock_getres clock_gettime clock_nanosleep clock_settime close close_range
connect copy_file_range create_module delete_module dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 faccessat faccessat2
fadvise64 fanotify_init fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchownat fdatasync
fgetxattr file_getattr file_setattr finit_module flistxattr flock fremovexattr fsconfig fsetxattr fsmount
fsopen fspick fstat fstatfs fsync futex futex_requeue futex_wait futex_waitv futex_wake futimesat
get_kernel_syms get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid
geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid getpmsg getppid getpriority getrandom
getresgid getresuid getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getxattr
getxattrat init_module inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
io_getevents io_pgetevents io_submit io_uring_enter io_uring_register io_uring_setup ioctl ioperm
iopl ioprio_get ioprio_set kcmp kexec_file_load kexec_load keyctl kill landlock_add_rule
landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat listen listmount listxattr
listxattrat llistxattr lookup_dcookie lremovexattr lseek lsetxattr lsm_get_self_attr lsm_list_modules
lsm_set_self_attr lstat membarrier memfd_secret migrate_pages mkdir mkdirat mknod mknodat modify_ldt mount
mount_setattr move_mount move_pages mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink
msgctl msgget msgrcv msgsnd name_to_handle_at nanosleep newfstatat nfsservctl open_by_handle_at open_tree
open_tree_attr pause perf_event_open pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 pivot_root poll ppoll
pread64 preadv preadv2 process_mrelease process_vm_readv process_vm_writev pselect6 ptrace putpmsg pwrite64
pwritev pwritev2 query_module quotactl quotactl_fd read readahead readlink readlinkat readv reboot recvfrom
recvmmsg recvmsg removexattr removexattrat rename renameat renameat2 request_key restart_syscall rmdir rseq
rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield seccomp security select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto
set_mempolicy set_mempolicy_home_node set_robust_list set_thread_area set_tid_address setdomainname setfsgid
setfsuid setgid setgroups sethostname setitimer setns setpgid setpriority setregid setresgid setresuid
setreuid setsid setsockopt settimeofday setuid setxattr setxattrat shmctl shmget shutdown sigaltstack signalfd
signalfd4 socket socketpair splice stat statfs statmount statx swapoff swapon symlink symlinkat sync
sync_file_range syncfs sysfs sysinfo syslog tee tgkill time timer_create timer_delete timer_getoverrun
timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill tuxcall umask umount2
uname unlink unlinkat unshare uprobe uretprobe uselib ustat utime utimensat utimes vhangup vmsplice vserver
wait4 waitid write writev`;

export const OTHER_SYSCALLS: readonly string[] = TEXT.trim().split(/\s+/);

/** First number of a run, then its names. arch/x86/entry/syscalls/syscall_64.tbl */
const NUMBERS: readonly (readonly [number, string])[] = [
  [440, `process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self
    memfd_secret process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait
    futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat
    removexattrat open_tree_attr file_getattr file_setattr`],
  [335, 'uretprobe uprobe'],
];

/** A strace older than the kernel prints a number, `syscall_0x1ce`: by that, the name of each call that may be newer. */
export const NUMBERED_SYSCALLS: ReadonlyMap<string, string> = new Map(NUMBERS.flatMap(([first, names]) =>
  names.split(/\s+/).map((name, index): [string, string] => [`syscall_0x${(first + index).toString(16)}`, name])));
