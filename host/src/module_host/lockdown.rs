//! A worker shuts itself in before the first instruction of its module. Born closed: what cannot be shut refuses the
//! module.
#![allow(unsafe_code, reason = "close_range, signal handlers and atexit have no safe form")]

use std::{
    cell::Cell,
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};

use super::{check::Refusal, seccomp};

const LIBRARY_FOLDERS: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
const LIBRARY_CACHE: &str = "/etc/ld.so.cache";
const STACK_BYTES_MAX: u64 = 8 * 1024 * 1024;
const SPARE_DESCRIPTORS: u64 = 16;
const NO_SLOT: u8 = u8::MAX;

/// First of all: no descriptor but the control socket and the two outputs, no life without the host, no memory image.
pub(super) fn isolate() -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor above 2 yet; it has only just begun.
    if unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Limits and file access. Before any thread: Landlock binds only the calling thread and its later children.
pub(super) fn confine(memory_mib_max: u64, descriptors_of_slots: usize) -> Result<(), Refusal> {
    let limits = [
        // Not the address space, which glibc's arenas inflate: private writable memory is what can run out.
        (Resource::Data, memory_mib_max.saturating_mul(1024 * 1024)),
        (Resource::Stack, STACK_BYTES_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Nofile, SPARE_DESCRIPTORS + descriptors_of_slots as u64),
    ];
    for (resource, most) in limits {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, limit).map_err(|error| unavailable("resource limits", error))?;
    }
    rustix::thread::set_no_new_privs(true).map_err(|error| unavailable("no_new_privs", error))?;
    restrict_files().map_err(|error| unavailable("Landlock", error))
}

fn restrict_files() -> Result<(), Box<dyn std::error::Error>> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    // The first version of Landlock is required; what later ones add is taken where the kernel has it.
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V7))?
        .handle_access(AccessNet::from_all(ABI::V7))?
        .scope(Scope::from_all(ABI::V7))?
        .create()?;
    for folder in LIBRARY_FOLDERS {
        if let Ok(descriptor) = PathFd::new(folder) {
            ruleset = ruleset.add_rule(PathBeneath::new(descriptor, read))?;
        }
    }
    if let Ok(descriptor) = PathFd::new(LIBRARY_CACHE) {
        ruleset = ruleset.add_rule(PathBeneath::new(descriptor, AccessFs::ReadFile))?;
    }
    match ruleset.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Err("the kernel did not enforce it".into()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// All threads: the system calls that load a library, and no others. Every thread must be past its start: a filter
/// that meets a starting thread kills the worker.
pub(super) fn filter_for_loading() -> Result<(), Refusal> {
    filter(seccomp::while_loading(std::process::id()))
}

/// All threads, once the library is loaded: no files and no new code any more.
pub(super) fn filter_for_working() -> Result<(), Refusal> {
    filter(seccomp::while_working(std::process::id()))
}

fn filter(program: Result<seccompiler::BpfProgram, seccompiler::BackendError>) -> Result<(), Refusal> {
    let program = program.map_err(|error| unavailable("seccomp", error))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| unavailable("seccomp", error))
}

fn unavailable(what: &str, error: impl std::fmt::Display) -> Refusal {
    Refusal::new(
        format!("the module cannot be shut in: {what}: {error}"),
        "run the host on Linux 5.13 or later with Landlock and seccomp (in a container: allow both)",
    )
}

thread_local! {
    static SLOT: Cell<u8> = const { Cell::new(NO_SLOT) };
}

static TOLD: AtomicBool = AtomicBool::new(false);

/// Says whose call this thread answers, so that a crash can be put down to it and the neighbours' calls repeated.
pub(super) fn name_this_thread(slot: u8) {
    SLOT.set(slot);
}

/// From here on a thread that crashes or exits tells the host its slot before the process ends.
pub(super) fn tell_crashes() -> io::Result<()> {
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP] {
        // SAFETY: all-zero is a valid `sigaction`: no flags, empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
        // Once: the instruction that failed is met again, and then the signal ends the process as it should.
        action.sa_flags = libc::SA_RESETHAND | libc::SA_ONSTACK;
        // SAFETY: the handler only calls write, reads a constant-initialised thread-local and an atomic.
        if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: the handler may run at any exit, as it owns nothing.
    if unsafe { libc::atexit(on_exit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn on_signal(_signal: libc::c_int) {
    tell();
}

extern "C" fn on_exit() {
    tell();
}

fn tell() {
    let slot = SLOT.get();
    if slot != NO_SLOT && !TOLD.swap(true, Ordering::Relaxed) {
        // SAFETY: one byte of a live local goes to standard input, which is the control socket.
        unsafe { libc::write(0, std::ptr::from_ref(&slot).cast(), 1) };
    }
}
