//! A worker: the host's own binary, started once for each module. It shuts itself in, loads the module, and answers
//! calls, one at a time in each slot, until the host is gone.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    process::ExitCode,
    sync::{Arc, Barrier, OnceLock},
};

use super::{
    check::Refusal,
    control::{Answer, Order, REQUEST_BYTES_MAX, SLOTS_MAX, frame, receive_order},
    load::{self, Module},
    lockdown,
    slot::DESCRIPTORS_PER_SLOT,
};

/// The argument (or program name) that makes the host's binary a worker.
pub const ARGUMENT: &str = "module-worker";

const PREFIX_BYTES: usize = 4;
const FIRST_READ_BYTES: usize = 4096;

/// The module, once it is there; slots ask it and nothing else.
type Shared = Arc<OnceLock<Module>>;

/// Works as a module's worker on the control socket at standard input. Ends with the host.
pub fn run() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("module worker: {error} (only mfa-host starts workers)");
            ExitCode::FAILURE
        }
    }
}

fn work() -> io::Result<()> {
    lockdown::isolate()?;
    // Sockets are used as files: sending and receiving are socket calls, which the filters refuse.
    let mut control = File::from(rustix::stdio::stdin().try_clone_to_owned()?);
    let (order, descriptors) = receive_order(&control)?;
    if rustix::process::getppid().map(|parent| parent.as_raw_pid() as u32) != Some(order.host_process) {
        return Err(io::Error::other("the host is gone"));
    }
    let answer = match serve(&order, descriptors) {
        Ok(description) => Answer::Ready(description),
        Err(Refusal { reason, remedy, .. }) => Answer::Refused { reason, remedy },
    };
    control.write_all(&frame(&serde_json::to_vec(&answer)?))?;
    // The host never writes again; the end of the stream is the end of the host.
    control.read_exact(&mut [0]).or(Ok(()))
}

/// From an open process to a module that answers, in the one order that works.
fn serve(order: &Order, descriptors: Vec<OwnedFd>) -> Result<String, Refusal> {
    let broken = |error: io::Error| Refusal::new(format!("the worker could not start: {error}"), "restart the host");
    if order.slots > SLOTS_MAX || descriptors.len() != order.slots * DESCRIPTORS_PER_SLOT + 1 {
        return Err(broken(io::Error::other("descriptors are missing")));
    }
    let mut descriptors = descriptors.into_iter();
    let Some(image) = descriptors.next() else { return Err(broken(io::Error::other("the image is missing"))) };
    lockdown::confine(order.memory_mib_max, descriptors.len())?;
    let shared = Shared::default();
    start_slots(order, descriptors, &shared).map_err(broken)?;
    lockdown::tell_crashes().map_err(broken)?;
    lockdown::filter_for_loading()?;
    let loaded = load::open(&image)?;
    drop(image);
    lockdown::filter_for_working()?;
    let description = loaded.describe()?;
    if let Some(config) = &order.config {
        let module = loaded.create(config).map_err(|error| refused_config(&error))?;
        // The cell is empty: nothing else fills it.
        let _ = shared.set(module);
    }
    Ok(description)
}

/// All slot threads, each past everything a starting thread asks of the kernel.
fn start_slots(order: &Order, mut ends: impl Iterator<Item = OwnedFd>, shared: &Shared) -> io::Result<()> {
    let all_started = Arc::new(Barrier::new(order.slots + 1));
    let reply_bytes_max = order.reply_bytes_max;
    for slot in (0_u8..).take(order.slots) {
        let (Some(requests), Some(replies)) = (ends.next(), ends.next()) else {
            return Err(io::Error::other("descriptors are missing"));
        };
        let (all_started, shared) = (all_started.clone(), shared.clone());
        std::thread::Builder::new().name(format!("slot {slot}")).spawn(move || {
            lockdown::name_this_thread(slot);
            all_started.wait();
            // A slot ends with the host or not at all; the other slots have nothing to live for then either.
            let _ = answer_calls(File::from(requests), File::from(replies), &shared, reply_bytes_max);
            std::process::exit(0);
        })?;
    }
    all_started.wait();
    Ok(())
}

fn answer_calls(mut requests: File, mut replies: File, shared: &Shared, reply_bytes_max: usize) -> io::Result<()> {
    loop {
        let request = next_request(&mut requests)?;
        let request = std::str::from_utf8(&request[PREFIX_BYTES..]).map_err(io::Error::other)?;
        let module = shared.get().ok_or(io::ErrorKind::NotConnected)?;
        let reply = module.call(request);
        if reply.len() > reply_bytes_max {
            // Only the length is sent, which is enough to refuse it; the slot stays usable.
            let length = u32::try_from(reply.len()).unwrap_or(u32::MAX);
            replies.write_all(&length.to_be_bytes())?;
        } else {
            replies.write_all(&frame(&reply))?;
        }
    }
}

/// The next request behind its prefix. Most arrive whole with the first read; the host sends none before the reply.
fn next_request(requests: &mut File) -> io::Result<Vec<u8>> {
    let mut request = vec![0; FIRST_READ_BYTES];
    let mut come = 0;
    let mut end = PREFIX_BYTES;
    while come < end {
        match requests.read(&mut request[come..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => come += read,
        }
        if let Some(prefix) = request[..come].first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
            if length > REQUEST_BYTES_MAX || come > PREFIX_BYTES + length {
                return Err(io::ErrorKind::InvalidData.into());
            }
            end = PREFIX_BYTES + length;
            request.resize(end.max(come), 0);
        }
    }
    Ok(request)
}

/// What a module's `new` said against its configuration, in the words of the SDK's error.
fn refused_config(error: &str) -> Refusal {
    #[derive(serde::Deserialize)]
    struct ConfigError {
        #[serde(default)]
        path: String,
        message: String,
    }
    let reason = match serde_json::from_str::<ConfigError>(error) {
        Ok(ConfigError { path, message }) if path.is_empty() => format!("it refuses its configuration: {message}"),
        Ok(ConfigError { path, message }) => format!("it refuses its configuration: config.{path}: {message}"),
        Err(_) => format!("it refuses its configuration: {error}"),
    };
    Refusal::new(reason, "mend this module's [module.config] in host.toml")
}
