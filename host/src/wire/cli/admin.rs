//! A command for users, factors, sessions and modules: told to the running host, else done on the stopped one.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{directory, failure::Failure, render};
use crate::{
    clock::Clock,
    delivery::Delivery,
    flow::{Core, Flows, OpenThings, changes_of_restore},
    keys::MasterKey,
    module_host::ModuleHost,
    settings::{self, Settings},
    store::{OpenError, OpenReport, Store},
    wire::{
        control::{self, AskError, Command, Host, Outcome, channel_lines, test_channel},
        current::{Current, SettingsNews},
        pages::Look,
    },
};

/// A host that just starts holds the lock before it listens, one that ends holds it a little longer.
const ATTEMPTS: u32 = 50;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// Does it and prints the outcome.
pub fn run(config_directory: &Path, command: Command, json: bool) -> Result<(), Failure> {
    super::logging::start("warn");
    let outcome = runtime()?.block_on(execute(config_directory, command))?;
    render::show(outcome, json)
}

/// A runtime for one command.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|error| {
        Failure::failed(format!("threads cannot be started: {error}"), "raise the limits of this user")
    })
}

/// Asks the running host, else does it on the stopped one.
pub async fn execute(config_directory: &Path, command: Command) -> Result<Outcome, Failure> {
    for _ in 0..ATTEMPTS {
        match control::ask(config_directory, &command).await {
            Ok(outcome) => return Ok(outcome),
            Err(AskError::NotRunning) => {}
            Err(error @ (AskError::Io(_) | AskError::ForeignServer(_))) => {
                return Err(Failure::failed(error, "run the command as the user the directory belongs to, or as root"));
            }
            Err(error @ (AskError::NoAnswer(_) | AskError::Late)) => {
                return Err(Failure::failed(error, "look at the host's log; whether it was done, a list shows"));
            }
        }
        directory::refuse_foreign(config_directory)?;
        let settings = settings::load(config_directory)?;
        let clock = clock_of(config_directory, &settings);
        // Channels need neither key nor store.
        match &command {
            Command::ChannelList {} => {
                let delivery = Delivery::new(&settings, config_directory);
                return Ok(Outcome::Channels { channels: channel_lines(&delivery) });
            }
            Command::ChannelTest { name, to } => {
                let delivery = Delivery::new(&settings, config_directory);
                return Ok(test_channel(&delivery, &clock, &settings, name, to).await);
            }
            _ => {}
        }
        let keys = MasterKey::load(&config_directory.join(&settings.secret_key_file))?;
        if matches!(command, Command::StorageCheck {}) {
            match Store::check_stopped(config_directory, &keys) {
                Err(OpenError::Locked(_)) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
                checked => return Ok(Outcome::StorageChecked { check: checked?.into() }),
            }
            continue;
        }
        match Store::open(config_directory, &keys, clock.clone()) {
            Ok((store, report)) => {
                let modules = match &command {
                    // What these tell or do needs the modules' own word, as on a running host.
                    Command::ModuleList {}
                    | Command::MfaList { .. }
                    | Command::MfaReset { .. }
                    | Command::UserReset { methods: true, .. }
                    | Command::UserRemove { .. } => ModuleHost::start(config_directory, &settings).await,
                    _ => ModuleHost::offline(&settings),
                };
                let directory = config_directory.to_owned();
                let core = Core {
                    store: store.clone(),
                    modules,
                    delivery: Delivery::new(&settings, config_directory),
                    settings: Arc::new(settings),
                    clock,
                    keys,
                    config_directory: directory.clone(),
                };
                let flows = Flows::new(core);
                take_up(&flows, &report).await?;
                let look = Arc::new(Look::load(config_directory, flows.settings(), flows.words()));
                let current = Current { flows: flows.clone(), settings: SettingsNews::default(), look };
                let current = watch::Sender::new(current).subscribe();
                let host = Host { current, config_directory: directory, report, listening_on: None };
                let outcome = control::execute(&host, &own_actor(), command).await;
                flows.modules().stop().await;
                store.close().await;
                return Ok(outcome);
            }
            Err(OpenError::Locked(_)) => tokio::time::sleep(BETWEEN_ATTEMPTS).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::failed(
        "another process holds the store and does not listen for commands",
        "wait until it has ended, then run the command again",
    ))
}

/// The flows on the directory's own store, with no module running.
pub fn flows_without_modules(
    config_directory: &Path,
    settings: Settings,
    clock: Clock,
    keys: MasterKey,
) -> Result<(Flows, Store, OpenReport), OpenError> {
    let (store, report) = Store::open(config_directory, &keys, clock.clone())?;
    Ok((without_modules(config_directory, settings, clock, keys, &store), store, report))
}

fn without_modules(config_directory: &Path, settings: Settings, clock: Clock, keys: MasterKey, store: &Store) -> Flows {
    Flows::new(Core {
        store: store.clone(),
        modules: ModuleHost::offline(&settings),
        delivery: Delivery::new(&settings, config_directory),
        settings: Arc::new(settings),
        clock,
        keys,
        config_directory: config_directory.to_owned(),
    })
}

/// Takes older records that were put back for the present ones: everything in them that was open ends, and is named.
pub async fn take_for_present(
    config_directory: &Path,
    settings: Settings,
    clock: Clock,
    keys: MasterKey,
) -> Result<OpenThings, Failure> {
    let now = clock.now().wall;
    let changes = |report: &OpenReport| changes_of_restore(report, now);
    let (store, report) = Store::open_acknowledging(config_directory, &keys, clock.clone(), &changes)?;
    let flows = without_modules(config_directory, settings, clock, keys, &store);
    let open = flows.open_things().await;
    take_up(&flows, &report).await?;
    store.close().await;
    open.map_err(|error| Failure::failed(error, "what was open has ended all the same"))
}

/// What the store tells at its opening, an earlier clock for example, it tells once: the next host would not know.
pub async fn take_up(flows: &Flows, report: &OpenReport) -> Result<(), Failure> {
    match flows.resume(report).await {
        Err(error) if report.damage.is_none() => {
            let problem = format!("the sessions cannot be taken up: {error}");
            Err(Failure::failed(problem, "see docs/admin.md, \"Refusals\""))
        }
        _ => Ok(()),
    }
}

/// How the audit log names whoever runs this command.
pub fn own_actor() -> String {
    format!("uid:{}", rustix::process::getuid().as_raw())
}

/// The machine's clocks, unless the settings name a file for tests.
pub fn clock_of(config_directory: &Path, settings: &Settings) -> Clock {
    Clock::read_from(settings.clock_file(config_directory))
}
