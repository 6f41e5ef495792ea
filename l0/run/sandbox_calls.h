/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system calls of a sandboxed process, by what they are for. What isn't here fails with EPERM. */
#ifndef L0_RUN_SANDBOX_CALLS_H
#define L0_RUN_SANDBOX_CALLS_H

/* clang-format off */

/* Whatever their arguments: they act on this process's memory, threads, time and open files alone. */
#define SANDBOX_CALLS(C) \
	/* memory */ \
	C(munmap) C(mremap) C(mincore) C(madvise) C(brk) C(memfd_create) C(mbind) C(get_mempolicy) C(set_mempolicy) \
	/* threads: an L1 that is reset or started again begins some */ \
	C(futex) C(set_robust_list) C(rseq) C(exit) C(exit_group) C(gettid) C(getpid) C(sched_yield) C(sched_getaffinity) \
	C(getpriority) C(restart_syscall) \
	/* signals that it sends itself are below */ \
	C(rt_sigaction) C(rt_sigprocmask) C(rt_sigreturn) C(rt_sigtimedwait) C(sigaltstack) \
	/* time */ \
	C(clock_gettime) C(clock_getres) C(clock_nanosleep) C(nanosleep) C(gettimeofday) C(time) \
	C(timer_create) C(timer_settime) C(timer_gettime) C(timer_delete) \
	/* open files */ \
	C(read) C(write) C(readv) C(writev) C(pread64) C(pwrite64) C(lseek) C(close) C(poll) C(ppoll) C(ftruncate) C(fallocate) C(fsync) \
	C(eventfd2) C(pipe2) \
	/* that a file is there, and what its name leads to: not what is in it */ \
	C(fstat) C(newfstatat) C(stat) C(lstat) C(statx) C(access) C(faccessat) C(faccessat2) C(readlink) C(readlinkat) C(getcwd) \
	/* clients of its sockets */ \
	C(accept4) C(recvfrom) C(recvmsg) C(sendto) C(sendmsg) C(shutdown) \
	/* what the host is */ \
	C(uname) C(sysinfo) C(getrandom) C(getrusage) C(getppid) C(getpgrp) C(getpgid) C(getuid) C(geteuid) C(getgid) C(getegid) C(wait4)

/* Files by name: the keeper decides, and does it. */
#define SANDBOX_KEEPER_CALLS(C) \
	C(open) C(openat) C(rename) C(renameat) C(renameat2) C(unlink) C(unlinkat)

/* No program of ours has ever called these: whoever does isn't one. The process is killed. */
#define SANDBOX_KILL_CALLS(C) \
	C(execve) C(execveat) C(ptrace) C(process_vm_readv) C(process_vm_writev) C(mount) C(umount2) C(pivot_root) C(chroot) C(setns) \
	C(unshare) C(bpf) C(init_module) C(finit_module) C(delete_module) C(kexec_load) C(kexec_file_load) C(reboot) C(keyctl) C(add_key) \
	C(request_key) C(userfaultfd) C(io_uring_setup) C(open_by_handle_at) C(fork) C(vfork) C(setuid) C(setgid) C(setresuid) \
	C(setresgid) C(settimeofday) C(clock_settime) C(iopl) C(ioperm) C(modify_ldt) C(seccomp)

/* clang-format on */

#endif
