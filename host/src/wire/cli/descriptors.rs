//! How many files and connections the host may have open at once. Many systems let a program begin with 1,024, for old
//! ones that cannot count further, and allow it to ask for more: as many connections as the host keeps would leave no
//! descriptor for the store, for a module or for a message.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For all connections, and as many things again.
const ENOUGH: u64 = 4096;

/// Asks for enough, or for what the system allows.
pub fn ask_for_enough() {
    let Some(wanted) = wanted(getrlimit(Resource::Nofile)) else { return };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit of open files stays; with many connections there may be none left for the store");
    }
}

/// `None` if there are enough, or no more to be had.
fn wanted(limit: Rlimit) -> Option<Rlimit> {
    let most = limit.maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH));
    limit.current.is_some_and(|current| current < most).then_some(Rlimit { current: Some(most), ..limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_enough_and_never_less_than_there_is_nor_more_than_is_allowed() {
        let asked = |current, maximum| wanted(Rlimit { current, maximum }).map(|limit| (limit.current, limit.maximum));
        assert_eq!(asked(Some(1024), Some(524_288)), Some((Some(ENOUGH), Some(524_288))));
        assert_eq!(asked(Some(1024), None), Some((Some(ENOUGH), None)));
        assert_eq!(asked(Some(1024), Some(2000)), Some((Some(2000), Some(2000))));
        for there in [(Some(1024), Some(1024)), (Some(20_000), Some(20_000)), (None, None)] {
            assert_eq!(asked(there.0, there.1), None);
        }
    }
}
