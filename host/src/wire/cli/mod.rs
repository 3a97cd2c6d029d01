//! The command line: `mfa-host --config DIR …`.

mod admin;
mod arguments;
mod certificate;
mod channels;
mod config_check;
mod descriptors;
mod directory;
mod doctor;
mod failure;
mod findings;
mod init;
mod live;
mod logging;
mod made;
mod modules;
mod password;
mod people;
mod render;
mod self_signed;
mod serve;
mod storage;
mod table;
pub mod terminal;

use std::process::ExitCode;

use clap::Parser;

use self::{
    arguments::{
        Arguments, ChannelCommand, ConfigCommand, MethodsCommand, MfaCommand, ModuleCommand, Profile, SessionCommand,
        StorageCommand, TlsCommand, TlsKind, UserCommand, Verb,
    },
    failure::Failure,
};
use crate::{flow::UserChanges, wire::control::Command};

/// Runs the command line. 0: done; 1: it failed; 2: the command or `host.toml` is not usable.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("mfa-host: {failure}");
            failure.exit_code()
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { config, json, verb } = arguments;
    let terminal =
        |url, ca, user, config_directory| terminal::TerminalArguments { url, ca, config_directory, user, json };
    match verb {
        Verb::Login { url, ca, user } => {
            return Ok(terminal::login(&terminal(url, ca, user, directory::find(config).ok())));
        }
        Verb::Setup { module, url, ca, user } => {
            return Ok(terminal::setup(&terminal(url, ca, user, directory::find(config).ok()), &module));
        }
        Verb::Methods { command, url, ca, user } => {
            let arguments = terminal(url, ca, user, directory::find(config).ok());
            return Ok(terminal::methods(&arguments, &deed(command)));
        }
        Verb::Init { user, tls, tls_name } => {
            let names = tls.map(|TlsKind::SelfSigned| tls_name);
            init::run(&directory::for_init(config)?, &user, names.as_deref(), json)?;
        }
        Verb::Tls { command: TlsCommand::SelfSigned { tls_name } } => {
            self_signed::begin(&directory::find(config)?, &tls_name, json)?;
        }
        Verb::Tls { command: TlsCommand::Renew } => self_signed::renew(&directory::find(config)?, json)?,
        Verb::Serve { listen } => return serve::run(&directory::find(config)?, listen),
        Verb::Module { command: ModuleCommand::Install { file } } => {
            modules::install(&directory::find(config)?, &file, json)?;
        }
        Verb::Module { command: ModuleCommand::Enable { id } } => {
            modules::switch(&directory::find(config)?, &id, true, json)?;
        }
        Verb::Module { command: ModuleCommand::Disable { id } } => {
            modules::switch(&directory::find(config)?, &id, false, json)?;
        }
        Verb::Module { command: ModuleCommand::List } => {
            admin::run(&directory::find(config)?, Command::ModuleList {}, json)?
        }
        Verb::Channel { command } => {
            let command = match command {
                ChannelCommand::List => Command::ChannelList {},
                ChannelCommand::Test { name, target } => Command::ChannelTest { name, to: target },
            };
            admin::run(&directory::find(config)?, command, json)?;
        }
        Verb::Config { command: ConfigCommand::Check } => return config_check::run(&directory::find(config)?, json),
        Verb::Doctor => return doctor::run(&directory::find(config)?, json),
        Verb::Status => admin::run(&directory::find(config)?, Command::Status {}, json)?,
        Verb::Storage { command } => {
            let directory = directory::find(config)?;
            match command {
                StorageCommand::Check { repair: false } => return storage::check(&directory, json),
                StorageCommand::Check { repair: true } => return storage::repair(&directory, json),
                StorageCommand::Acknowledge => storage::acknowledge(&directory, json)?,
                StorageCommand::Backup { file } => storage::backup(&directory, &file, json)?,
                StorageCommand::Restore { file, replace } => storage::restore(&directory, &file, replace, json)?,
            }
        }
        Verb::User { command } => {
            let directory = directory::find(config)?;
            admin::run(&directory, user_command(command)?, json)?;
        }
        Verb::Mfa { command } => {
            let command = match command {
                MfaCommand::List { user } => Command::MfaList { user },
                MfaCommand::Reset { user } => Command::MfaReset { user },
            };
            admin::run(&directory::find(config)?, command, json)?;
        }
        Verb::Unlock { user } => admin::run(&directory::find(config)?, Command::Unlock { user }, json)?,
        Verb::Session { command: SessionCommand::List { user } } => {
            admin::run(&directory::find(config)?, Command::SessionList { user }, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn deed(command: MethodsCommand) -> terminal::Deed {
    use terminal::Deed;
    match command {
        MethodsCommand::List => Deed::List,
        MethodsCommand::Show { id } => Deed::Show { id },
        MethodsCommand::Devices { id } => Deed::Devices { id },
        MethodsCommand::Rename { id, name, device } => Deed::Rename { id, device, name },
        MethodsCommand::Activate { id } => Deed::Activate { id },
        MethodsCommand::Deactivate { id } => Deed::Deactivate { id },
        MethodsCommand::Primary { id } => Deed::Primary { id },
        MethodsCommand::Remove { id, device } => Deed::Remove { id, device },
        MethodsCommand::Test { id } => Deed::Test { id },
    }
}

fn user_command(command: UserCommand) -> Result<Command, Failure> {
    Ok(match command {
        UserCommand::Add { name, owner } => {
            let password = password::ask(&name)?;
            Command::UserAdd { name, password, owner }
        }
        UserCommand::List => Command::UserList {},
        UserCommand::Passwd { name } => {
            let password = password::ask(&name)?;
            Command::UserPassword { name, password }
        }
        UserCommand::Disable { name } => Command::UserActive { name, active: false },
        UserCommand::Enable { name } => Command::UserActive { name, active: true },
        UserCommand::Remove { name } => Command::UserRemove { name },
        UserCommand::Show { name } => Command::UserShow { name },
        UserCommand::Reset { name, mfa } => Command::UserReset { name, methods: mfa },
        UserCommand::Invite { group } => Command::UserInvite { groups: group },
        UserCommand::Set { name, profile } => {
            let Profile { email, phone, proved, language, zone, group: groups, display_name } = profile;
            let changes = UserChanges { display_name, language, zone, email, phone, groups, proved };
            Command::UserSet { name, changes }
        }
    })
}
