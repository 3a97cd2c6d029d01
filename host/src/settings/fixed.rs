//! Settings a running host cannot change: it goes on with those it started with, and says which wait.

use std::net::SocketAddr;

use super::Settings;

/// What the host started with.
pub struct AtStart {
    read: Settings,
    listening_on: SocketAddr,
}

impl AtStart {
    /// `read` is what the file said; `listening_on` is the address the host really has.
    pub fn new(read: Settings, listening_on: SocketAddr) -> Self {
        Self { read, listening_on }
    }

    /// The edited settings with the fixed ones as they were at the start, and the names of those that differ: they take
    /// effect at the next start.
    pub fn keep_fixed(&self, mut edited: Settings) -> (Settings, Vec<String>) {
        let (was, now) = (&self.read, &edited);
        let differ = [
            ("listen", was.listen != now.listen),
            // Its files may be others at any time; whether clients have to speak TLS may not change under them.
            ("tls", was.tls.is_some() != now.tls.is_some()),
            // With TLS comes another address; until it is spoken, nobody is sent there.
            ("public_url", was.tls.is_some() != now.tls.is_some() && was.public_url != now.public_url),
            ("secret_key_file", was.secret_key_file != now.secret_key_file),
            // The bound on hashes computed at once would not hold while two sets of them run.
            ("argon2", was.argon2 != now.argon2),
            (
                "limits.password_hashes_at_once",
                was.limits.password_hashes_at_once != now.limits.password_hashes_at_once,
            ),
            ("limits.password_queue_max", was.limits.password_queue_max != now.limits.password_queue_max),
            ("limits.commands_at_once", was.limits.commands_at_once != now.limits.commands_at_once),
            ("development", was.development != now.development),
        ];
        let waiting = differ.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect();
        edited.listen = self.listening_on;
        if was.tls.is_some() != edited.tls.is_some() {
            edited.tls = was.tls.clone();
            edited.public_url = was.public_url.clone();
        }
        edited.secret_key_file = was.secret_key_file.clone();
        edited.argon2 = was.argon2.clone();
        edited.limits.password_hashes_at_once = was.limits.password_hashes_at_once;
        edited.limits.password_queue_max = was.limits.password_queue_max;
        edited.limits.commands_at_once = was.limits.commands_at_once;
        edited.development = was.development.clone();
        (edited, waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::parse;

    fn settings(text: &str) -> Settings {
        parse(Path::new("host.toml"), &format!("{text}\n[[provider]]\ntype = \"local\"\n")).unwrap()
    }

    #[test]
    fn the_fixed_ones_stay_and_are_named_and_the_others_change() {
        let bound: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        let at_start = AtStart::new(settings("listen = \"127.0.0.1:0\""), bound);
        let (kept, waiting) = at_start.keep_fixed(settings("listen = \"127.0.0.1:0\"\nname = \"new\""));
        assert_eq!((kept.listen, kept.name.as_str(), waiting.len()), (bound, "new", 0));
        let edited = "listen = \"[::1]:1\"\nsecret_key_file = \"k\"\n[tls]\n[limits]\npassword_queue_max = 1\nmodule_slots = 2\n\
                      [development]\nclock_file = \"c\"";
        let (kept, waiting) = at_start.keep_fixed(settings(edited));
        assert_eq!(waiting, ["listen", "tls", "secret_key_file", "limits.password_queue_max", "development"]);
        assert_eq!((kept.listen, kept.limits.module_slots, kept.development), (bound, 2, None));
        assert_eq!((kept.limits.password_queue_max, kept.tls), (64, None));
        let (kept, waiting) =
            at_start.keep_fixed(settings("listen = \"127.0.0.1:0\"\npublic_url = \"https://a\"\n[tls]"));
        assert_eq!((waiting, kept.public_url), (vec!["tls".to_owned(), "public_url".to_owned()], None));
        let at_start = AtStart::new(settings("[tls]"), bound);
        let (kept, waiting) = at_start.keep_fixed(settings("[tls]\nkey = \"k\""));
        assert_eq!((kept.tls.unwrap().key, waiting.len()), ("k".into(), 0));
    }
}
