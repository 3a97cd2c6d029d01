//! Every command and option, with the words a person reads in `--help`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use crate::settings::ADDRESS_EXPECTED;

/// Guards logins with second factors that are loaded as modules.
#[derive(Parser)]
#[command(name = "mfa-host", version, about, after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings.")]
pub struct Arguments {
    /// Configuration directory [default: $MFA_HOST_CONFIG, else ./config if it holds host.toml, else /etc/mfa-host]
    #[arg(long, global = true, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Make a configuration directory with its key, store, modules and first user
    ///
    /// The password is asked for, or read from the first line of standard input when that is not a terminal.
    Init {
        /// The first user, who becomes the owner
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Answer HTTPS with a certificate made here, by an authority made here for this host's names alone
        #[arg(long, value_name = "KIND")]
        tls: Option<TlsKind>,
        /// Name or address users reach the host by, besides this machine's own; give it again for more
        #[arg(long, value_name = "NAME", requires = "tls")]
        tls_name: Vec<String>,
    },
    /// Run the host in the foreground until SIGTERM or Ctrl-C
    ///
    /// Logs go to standard error; MFA_HOST_LOG sets what is logged, for example `debug`.
    Serve {
        /// Listen here instead of at `listen` in host.toml; port 0 takes a free one
        #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
        listen: Option<SocketAddr>,
    },
    /// Add, list and change users
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Make a certificate of the host's own by an authority of its own, and renew it
    Tls {
        #[command(subcommand)]
        command: TlsCommand,
    },
    /// List, install and switch modules
    Module {
        #[command(subcommand)]
        command: ModuleCommand,
    },
    /// List the channels messages go out by, and try one
    Channel {
        #[command(subcommand)]
        command: ChannelCommand,
    },
    /// Look at and reset a user's second factors
    Mfa {
        #[command(subcommand)]
        command: MfaCommand,
    },
    /// Forget a user's wrong codes, so that locked or refused second factors can be tried again at once
    Unlock {
        #[arg(value_name = "USER")]
        user: String,
    },
    /// Look at open sessions
    Session {
        #[command(subcommand)]
        command: SessionCommand,
    },
    /// Check, back up and restore the store
    Storage {
        #[command(subcommand)]
        command: StorageCommand,
    },
    /// Show how the host, its store, settings and modules are
    Status,
    /// Look at host.toml without changing anything
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Look at everything a host needs, and say what mends what is wrong; changes nothing
    ///
    /// Works with the host stopped and running. Exit code 1 when anything fails.
    Doctor,
    /// Sign in at the terminal
    Login {
        /// Address of the host [default: what host.toml says]
        #[arg(long)]
        url: Option<String>,
        /// Authority of the host's certificate, in PEM form [default: the machine's, and DIR/tls/ca.pem]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Who signs in; asked for when not given
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Sign in and look after one's own second factors at the terminal
    Methods {
        #[command(subcommand)]
        command: MethodsCommand,
        /// Address of the host [default: what host.toml says]
        #[arg(long, global = true)]
        url: Option<String>,
        /// Authority of the host's certificate, in PEM form [default: the machine's, and DIR/tls/ca.pem]
        #[arg(long, global = true, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Who signs in; asked for when not given
        #[arg(long, global = true, value_name = "NAME")]
        user: Option<String>,
    },
    /// Sign in and set up a second factor at the terminal
    Setup {
        /// Id of the module
        module: String,
        /// Address of the host [default: what host.toml says]
        #[arg(long)]
        url: Option<String>,
        /// Authority of the host's certificate, in PEM form [default: the machine's, and DIR/tls/ca.pem]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Who signs in; asked for when not given
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum TlsKind {
    SelfSigned,
}

#[derive(Subcommand)]
pub enum TlsCommand {
    /// Make both for a directory that is there already, as `init --tls self-signed` does for a new one, and switch `[tls]` on
    ///
    /// Nothing is written over, and what stands in host.toml stays, with its comments.
    SelfSigned {
        /// Name or address users reach the host by, besides `public_url` and this machine's own; give it again for more
        #[arg(long, value_name = "NAME")]
        tls_name: Vec<String>,
    },
    /// Make a new certificate for the same names; a running host shows it at once, and nobody has to trust anew
    Renew,
}

#[derive(Subcommand)]
pub enum UserCommand {
    /// Add a user; the password comes from the terminal or the first line of standard input
    Add {
        name: String,
        /// May administer the host
        #[arg(long)]
        owner: bool,
    },
    /// List all users
    List,
    /// Set a new password; ends the user's sessions and logins in progress
    Passwd { name: String },
    /// Switch a user off; ends their sessions and logins in progress
    Disable { name: String },
    /// Switch a user on again
    Enable { name: String },
    /// Remove a user and everything of theirs
    Remove { name: String },
    /// Show a user with addresses, language and groups
    Show { name: String },
    /// Change what is known of a user; what is not given stays, an empty value takes away
    Set {
        name: String,
        #[command(flatten)]
        profile: Profile,
    },
    /// Make the password open nothing and print a one-time code for the user's hand
    ///
    /// With user name and code the user signs in at /auth/login_flow and chooses a new password. The code is good for
    /// 24 hours, and until it was used or the next reset. Ends the user's sessions and logins in progress.
    Reset {
        name: String,
        /// Remove all second factors as well
        #[arg(long)]
        mfa: bool,
    },
    /// Print an invitation with which one person can sign up
    Invite {
        /// Group the new user is put in; give it again for more
        #[arg(long, value_name = "GROUP")]
        group: Vec<String>,
    },
}

#[derive(clap::Args)]
pub struct Profile {
    /// E-mail address; give it again for more, they take the place of the former ones
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<Vec<String>>,
    /// Telephone number with + and country code; give it again for more
    #[arg(long, value_name = "NUMBER")]
    pub phone: Option<Vec<String>>,
    /// The addresses given here are the user's own; without this new ones confirm nothing until they are proved
    #[arg(long)]
    pub proved: bool,
    /// Language such as de
    #[arg(long, value_name = "WORD")]
    pub language: Option<String>,
    /// Time zone such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// Group; give it again for more, they take the place of the former ones
    #[arg(long, value_name = "GROUP")]
    pub group: Option<Vec<String>>,
    /// Name the user is shown by
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
}

#[derive(Subcommand)]
pub enum ModuleCommand {
    /// List the configured modules, their state, and what mends those that do not work
    List,
    /// Copy a module's file into DIR/modules
    Install { file: PathBuf },
    /// Switch a module on in host.toml
    Enable { id: String },
    /// Switch a module off in host.toml; users who have it set up cannot sign in with it then
    Disable { id: String },
}

#[derive(Subcommand)]
pub enum ChannelCommand {
    /// List the configured channels, whether they can send, and what mends those that cannot
    List,
    /// Send a test message and say what the other side answered
    ///
    /// Works with the host stopped and running. Exit code 1 when the message was not taken.
    Test {
        /// The channel's name in host.toml
        name: String,
        /// An e-mail address, a phone number, or what else the channel takes
        target: String,
    },
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Say what `serve` would say: mistakes with their line, warnings, key, and each module's own word
    ///
    /// Each enabled module is started with its configuration and ended again. Exit codes: 0 sound, 2 mistakes,
    /// 1 something else is in the way.
    Check,
}

#[derive(Subcommand)]
pub enum MfaCommand {
    /// List the modules and what the user has of each
    List { user: String },
    /// Remove all second factors of a user; ends their sessions and logins in progress
    Reset { user: String },
}

#[derive(Subcommand)]
pub enum MethodsCommand {
    /// List every method there is and what of it is set up
    List,
    /// Show one method
    Show { id: String },
    /// List the devices of a method that keeps several
    Devices { id: String },
    /// Give a method a label, or one of its devices a name
    Rename {
        id: String,
        name: String,
        /// Id of the device
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Use a method again
    Activate { id: String },
    /// Take a method out of use and keep what is set up; never the primary
    Deactivate { id: String },
    /// Make a method the one that is asked for first
    Primary { id: String },
    /// Remove a method, or one of its devices
    Remove {
        id: String,
        /// Id of the device
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Try whether a method works; a right code is used up all the same
    Test { id: String },
}

#[derive(Subcommand)]
pub enum SessionCommand {
    /// List open sessions and logins in progress
    List {
        /// Only those of this user
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

#[derive(Subcommand)]
pub enum StorageCommand {
    /// Read the store's files and say whether all is as it was written; exit code 1 if not
    ///
    /// With --repair exit code 0 says that the store can be served, and 1 that an acknowledgement is needed, or that
    /// nothing could be done.
    Check {
        /// Keep what is sound in a damaged store of a stopped host, and move the damaged files aside
        #[arg(long)]
        repair: bool,
    },
    /// Write everything into a new file; the key is not in it
    Backup { file: PathBuf },
    /// Put a backup in the place of the store of a stopped host; ends all sessions and logins in progress
    Restore {
        file: PathBuf,
        /// Move the store that is there aside
        #[arg(long)]
        replace: bool,
    },
    /// Take an older copy that was put back for the present store of a stopped host; ends all sessions and logins in progress
    Acknowledge,
}

/// The settings say the same of `listen`.
fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| ADDRESS_EXPECTED)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_stand_anywhere() {
        let arguments = Arguments::parse_from(["mfa-host", "user", "list", "--json", "--config", "d"]);
        assert!(arguments.json && arguments.config.is_some());
        assert!(Arguments::try_parse_from(["mfa-host", "init"]).is_err());
    }
}
