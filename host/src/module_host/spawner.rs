//! One thread that starts all workers and lives as long as anyone may need one. A worker is told to die with the
//! *thread* that started it, so no thread of the runtime, which may come and go, starts any.

use std::{io, os::fd::OwnedFd, process::Stdio, sync::mpsc};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

use super::worker;

/// The running binary, also after its file was replaced: host and worker always are the same build.
const OWN_BINARY: &str = "/proc/self/exe";

/// Starts workers. Cheap to clone; when the last clone is gone, so is every worker.
#[derive(Clone)]
pub(super) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    control: OwnedFd,
    done: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Must be called within a runtime.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let runtime = Handle::current();
        std::thread::Builder::new().name("module-spawner".to_owned()).spawn(move || {
            for job in waiting {
                let _within = runtime.enter();
                // If nobody waits any more, the child is dropped, and dropping kills it.
                let _ = job.done.send(spawn(job.control));
            }
        })?;
        Ok(Self { jobs })
    }

    /// One that can start nothing.
    #[cfg(test)]
    pub(super) fn broken() -> Self {
        Self { jobs: mpsc::channel().0 }
    }

    /// A new worker with this control socket as its standard input.
    pub(super) async fn spawn(&self, control: OwnedFd) -> io::Result<Child> {
        let (done, spawned) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts workers is gone");
        self.jobs.send(Job { control, done }).map_err(|_| gone())?;
        spawned.await.map_err(|_| gone())?
    }
}

fn spawn(control: OwnedFd) -> io::Result<Child> {
    Command::new(OWN_BINARY)
        .arg0("mfa-host")
        .arg(worker::ARGUMENT)
        .env_clear()
        .env("RUST_BACKTRACE", "0")
        // Address space the host's allocator takes in advance must not count as the module's memory.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        // Large blocks of a module, such as the memory of a slow hash, go back to the system when they are freed. The C
        // library would keep several for each slot, until the module had all the memory it may have and none to work in.
        // They come in huge pages, which are thousands of times fewer to be given for each hash.
        .env("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=1048576:glibc.malloc.hugetlb=1")
        .current_dir("/")
        .stdin(Stdio::from(control))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // A signal a terminal sends to the host's group is the host's alone.
        .process_group(0)
        .spawn()
}
