//! `serve`: puts the parts together, answers until a signal, and takes them apart in order.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
};

use super::{admin, certificate, descriptors, directory, failure::Failure, live::Live, logging, table::print};
use crate::{
    allocator,
    delivery::Delivery,
    flow::{Core, Flows},
    keys::MasterKey,
    module_host::{ModuleHost, ModuleInstance, ModuleState},
    scheduling,
    settings::{self, AtStart, Settings},
    store::{OpenReport, Store},
    wire::{
        control::{ControlSocket, Host, ROLLED_BACK_REMEDY},
        current::Current,
        http,
    },
};

/// Requests that were accepted before the signal have this long to finish.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks for messages whose next try is due.
const LOOK_FOR_MESSAGES_EVERY: Duration = Duration::from_millis(500);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const THREADS_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the host until SIGTERM or SIGINT.
pub fn run(config_directory: &Path, listen: Option<SocketAddr>) -> Result<ExitCode, Failure> {
    allocator::give_large_blocks_back();
    scheduling::prefer_throughput();
    logging::start("info");
    descriptors::ask_for_enough();
    directory::refuse_foreign(config_directory)?;
    let read = settings::load(config_directory)?;
    let mut settings = read.clone();
    if let Some(address) = listen {
        settings.listen = address;
    }
    warn_of(config_directory, &settings);
    // A thread that asks a module waits for it in place; meanwhile another has the processor.
    let threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    let building = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = building.map_err(|error| {
        Failure::failed(format!("threads cannot be started: {error}"), "raise the limits of this user")
    })?;
    let ended = runtime.block_on(serve(config_directory, read, settings));
    runtime.shutdown_timeout(THREADS_TIMEOUT);
    ended.map(|()| ExitCode::SUCCESS)
}

async fn serve(config_directory: &Path, read: Settings, settings: Settings) -> Result<(), Failure> {
    // Before anything that has to be taken apart again, so that no signal is lost.
    let signals = Signals::new()?;
    let clock = admin::clock_of(config_directory, &settings);
    let keys = MasterKey::load(&config_directory.join(&settings.secret_key_file))?;
    // Before the store is open, which would have to be closed again.
    let tls = certificate::at_start(config_directory, &settings)?;
    let (store, report) = Store::open(config_directory, &keys, clock.clone())?;
    tell_of_store(&report);
    let (listener, settings) = bind(settings).await?;
    let modules = ModuleHost::start(config_directory, &settings).await;
    tell_of_modules(&modules);
    let at_start = AtStart::new(read, settings.listen);
    let listening_on = settings.listening_url();
    let flows = Flows::new(Core {
        store: store.clone(),
        modules,
        delivery: Delivery::new(&settings, config_directory),
        settings: Arc::new(settings),
        clock,
        keys,
        config_directory: config_directory.to_owned(),
    });
    let live = Live::new(config_directory, at_start, flows, tls);
    let current = live.current();
    let outcome = answer(config_directory, live, listener, listening_on, report, signals).await;
    let modules = current.borrow().flows.modules().clone();
    modules.stop().await;
    store.close().await;
    if outcome.is_ok() {
        tracing::info!("ended cleanly");
    }
    outcome
}

/// From the first request to the last.
async fn answer(
    config_directory: &Path,
    live: Live,
    listener: TcpListener,
    listening_on: String,
    report: OpenReport,
    mut signals: Signals,
) -> Result<(), Failure> {
    let (current, site) = (live.current(), live.site());
    let flows = current.borrow().flows.clone();
    admin::take_up(&flows, &report).await?;
    drop(flows);
    let host = Arc::new(Host {
        current: current.clone(),
        config_directory: config_directory.to_owned(),
        report,
        listening_on: Some(listening_on.clone()),
    });
    let control = ControlSocket::open(config_directory, host).map_err(|error| {
        Failure::failed(
            format!("the control socket cannot be opened: {error}"),
            "look at the permissions of DIR/.storage",
        )
    })?;
    let (stop, stopping) = watch::channel(false);
    let mut http = tokio::spawn(http::serve(site, listener, until_true(stopping.clone())));
    let sweeper = tokio::spawn(sweep(current.clone(), stopping.clone()));
    let postman = tokio::spawn(send_due(current.clone(), stopping));
    let follower = tokio::spawn(live.follow());
    print(&format!("listening on {listening_on}\n"));
    let ended_early = tokio::select! {
        name = signals.next() => {
            tracing::info!("{name}: no new requests; finishing those that run");
            None
        }
        result = &mut http => Some(result),
    };
    stop.send_replace(true);
    let result = match ended_early {
        None => finish(http).await,
        Some(Ok(Ok(()))) => Err(Failure::failed("the listener ended", "start the host again")),
        Some(Ok(Err(error))) => Err(Failure::failed(format!("the listener failed: {error}"), "start the host again")),
        Some(Err(error)) => Err(Failure::failed(format!("the listener broke: {error}"), "start the host again")),
    };
    // What it has half done no request has seen; the workers it started end with all others.
    follower.abort();
    let _ = follower.await;
    control.close().await;
    // A sweep may be many commits, each of which is whole; the next host goes on with it.
    sweeper.abort();
    let _ = sweeper.await;
    let _ = postman.await;
    let flows = current.borrow().flows.clone();
    flows.finish_sending(FINISH_TIMEOUT).await;
    result
}

async fn finish(mut http: JoinHandle<std::io::Result<()>>) -> Result<(), Failure> {
    if tokio::time::timeout(FINISH_TIMEOUT, &mut http).await.is_err() {
        tracing::warn!("some requests did not finish within {} s and were cut", FINISH_TIMEOUT.as_secs());
        http.abort();
    }
    Ok(())
}

async fn until_true(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

async fn sweep(current: watch::Receiver<Current>, stopping: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stopped = std::pin::pin!(until_true(stopping));
    let flows = current.borrow().flows.clone();
    if let Err(error) = flows.learn_password_costs().await {
        tracing::warn!("what the passwords cost is not known: {error}");
    }
    drop(flows);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = every.tick() => {
                let flows = current.borrow().flows.clone();
                if let Err(error) = flows.sweep().await {
                    tracing::warn!("expired records stay for now: {error}");
                }
            }
        }
    }
}

/// Messages whose next try is due.
async fn send_due(current: watch::Receiver<Current>, stopping: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(LOOK_FOR_MESSAGES_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stopped = std::pin::pin!(until_true(stopping));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = every.tick() => current.borrow().flows.send_due(),
        }
    }
}

/// The listener, and the settings with the address it really has: port 0 became a number.
async fn bind(mut settings: Settings) -> Result<(TcpListener, Settings), Failure> {
    let failure = |error: std::io::Error| {
        Failure::failed(
            format!("listen on {}: {error}", settings.listen),
            "choose another address with `listen` in host.toml or --listen ADDR:PORT",
        )
    };
    let listener = TcpListener::bind(settings.listen).await.map_err(failure)?;
    settings.listen = listener.local_addr().map_err(failure)?;
    Ok((listener, settings))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Sent where a limit keeps a file from growing; unhandled it would end the host. The write fails all the same, and
    /// the store stops and says so.
    _file_size: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let handle = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("signals cannot be handled: {error}"), "start it again"))
        };
        Ok(Self {
            terminate: handle(SignalKind::terminate())?,
            interrupt: handle(SignalKind::interrupt())?,
            _file_size: handle(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn warn_of(config_directory: &Path, settings: &Settings) {
    for warning in settings::warnings(settings) {
        tracing::warn!("{warning}");
    }
    let bits = std::fs::metadata(config_directory).map_or(0, |metadata| metadata.permissions().mode());
    if bits & 0o077 != 0 {
        let shown = config_directory.display();
        tracing::warn!("{shown} can be entered by other users; run: chmod 700 {shown}");
    }
}

/// A module that does not serve keeps nobody else from signing in, so the host starts all the same.
fn tell_of_modules(modules: &ModuleHost) {
    for ModuleInstance { id, state, .. } in modules.modules() {
        if let ModuleState::Failed { reason, remedy } = state {
            tracing::error!("module {id}: {reason}; {remedy}");
        }
    }
}

fn tell_of_store(report: &OpenReport) {
    if let Some(damage) = &report.damage {
        tracing::error!(
            "THE STORE IS DAMAGED: {damage}; every login is answered 503 and nothing is written; stop the host, then \
             keep what is sound with `mfa-host storage check --repair`, or put a backup in its place with \
             `mfa-host storage restore FILE --replace`; both move the damaged files aside"
        );
    }
    if let Some(behind) = &report.behind {
        tracing::error!(
            "AN OLDER COPY OF THE STORE WAS PUT BACK: {behind}; every login is answered 503 and nothing is written; \
             {ROLLED_BACK_REMEDY}"
        );
        return;
    }
    if report.dropped_tail_bytes > 0 {
        tracing::info!("{} bytes of a change that was never acknowledged were dropped", report.dropped_tail_bytes);
    }
    for key in &report.tampered {
        tracing::error!("the record {key} does not authenticate and is refused");
    }
}
