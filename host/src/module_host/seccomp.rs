//! Which system calls a worker keeps, as data. First list: enough to load a library. Second list: enough to compute.
//! Everything else answers EPERM, so that a module which tries learns it and its call can still end in an error.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// What computing, answering and dying properly need. Without the signal calls a crash becomes an endless loop.
const COMPUTE: [i64; 34] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What dlopen needs beyond that. Landlock decides what `openat` may open.
const LOAD: [i64; 6] = [
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_readlinkat,
    // The second filter is installed from within the first.
    libc::SYS_seccomp,
];

/// Private memory that does not grow by itself: shared memory and growing mappings would escape RLIMIT_DATA.
const MAPPING_KIND: u64 = (libc::MAP_TYPE | libc::MAP_GROWSDOWN) as u64;

/// While a library is being loaded: no sockets, programs, new threads or processes, no signals to others.
pub(super) fn while_loading(process: u32) -> Result<BpfProgram, BackendError> {
    let mut rules = computing(process)?;
    rules.extend(LOAD.map(|call| (call, Vec::new())));
    rules.insert(libc::SYS_mmap, vec![all([condition(3, masked(MAPPING_KIND), libc::MAP_PRIVATE as u64)?])?]);
    rules.insert(libc::SYS_mprotect, Vec::new());
    let no_new_privileges = condition(0, SeccompCmpOp::Eq, libc::PR_SET_NO_NEW_PRIVS as u64)?;
    rules.insert(libc::SYS_prctl, vec![all([no_new_privileges])?]);
    compile(rules)
}

/// While a module works: besides, no file and no new code.
pub(super) fn while_working(process: u32) -> Result<BpfProgram, BackendError> {
    let mut rules = computing(process)?;
    let not_code = || condition(2, masked(libc::PROT_EXEC as u64), 0);
    let private = condition(3, masked(MAPPING_KIND), libc::MAP_PRIVATE as u64)?;
    rules.insert(libc::SYS_mmap, vec![all([not_code()?, private])?]);
    rules.insert(libc::SYS_mprotect, vec![all([not_code()?])?]);
    compile(rules)
}

fn computing(process: u32) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = COMPUTE.map(|call| (call, Vec::new())).into();
    // abort() signals its own thread.
    rules.insert(libc::SYS_tgkill, vec![all([condition(0, SeccompCmpOp::Eq, u64::from(process))?])?]);
    Ok(rules)
}

fn all<const COUNT: usize>(conditions: [SeccompCondition; COUNT]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

fn masked(mask: u64) -> SeccompCmpOp {
    SeccompCmpOp::MaskedEq(mask)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<BpfProgram, BackendError> {
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?.try_into()
}
