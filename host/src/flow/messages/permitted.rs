//! Who may be written to: what a module asks for is believed only where the user, this set-up or the admin said so.

use mfa_sdk::{Channel, TargetKind};

use crate::flow::record::{Addresses, SentTo};

/// Addresses known for a message, from the user's side.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The user's own; only proved ones count.
    pub addresses: &'a Addresses,
    /// What was typed in this set-up.
    pub typed: &'a [String],
    /// What was proved when the enrolment was made, or used in this set-up.
    pub sent_to: &'a [SentTo],
}

/// Whether this address may be written to. `same` says whether a text is this address on this channel.
pub fn is_permitted(channel: &Channel, to: &str, known: Known<'_>, same: impl Fn(&str) -> bool) -> bool {
    if channel.targets.iter().any(|target| target == to) {
        return true;
    }
    let own = match channel.target {
        TargetKind::Email => "email",
        TargetKind::Phone => "phone",
        // No address of a user is of these kinds.
        TargetKind::Text | TargetKind::Listed => "",
    };
    let is_own = || known.addresses.proved().get(own).is_some_and(|proved| proved.iter().any(|address| same(address)));
    let was_sent_to = || known.sent_to.iter().any(|sent| sent.channel == channel.name && same(&sent.to));
    let was_typed = || channel.target != TargetKind::Listed && known.typed.iter().any(|typed| same(typed));
    was_sent_to() || is_own() || was_typed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, flow::record::Address};

    fn permitted(kind: TargetKind, to: &str, addresses: &Addresses, typed: &[&str], sent_to: &[(&str, &str)]) -> bool {
        let typed: Vec<String> = typed.iter().map(|text| (*text).to_owned()).collect();
        let sent_to: Vec<SentTo> = sent_to
            .iter()
            .map(|(channel, to)| SentTo { channel: (*channel).to_owned(), to: (*to).to_owned() })
            .collect();
        let channel = match kind {
            TargetKind::Listed => Channel::listed("c", "", ["hall"]),
            other => Channel::new("c", "", other),
        };
        let known = Known { addresses, typed: &typed, sent_to: &sent_to };
        is_permitted(&channel, to, known, |text| text.eq_ignore_ascii_case(to))
    }

    #[test]
    fn nobody_is_written_to_whom_neither_user_nor_admin_named() {
        let none = Addresses::default();
        for kind in [TargetKind::Email, TargetKind::Phone, TargetKind::Text, TargetKind::Listed] {
            assert!(!permitted(kind, "a@example.org", &none, &[], &[]));
        }
        assert!(!permitted(TargetKind::Listed, "attic", &none, &["attic"], &[]), "a list is all there is");
        assert!(permitted(TargetKind::Listed, "hall", &none, &[], &[]));
    }

    #[test]
    fn an_address_counts_when_it_was_proved_typed_or_used_before_on_this_channel() {
        let at =
            |value: &str, proved_at| Address { value: value.into(), added_at: Timestamp(0), proved_at, by_code: false };
        let email = vec![at("a@example.org", Some(Timestamp(0))), at("b@example.org", None)];
        let own = Addresses { email, ..Addresses::default() };
        assert!(permitted(TargetKind::Email, "A@example.org", &own, &[], &[]));
        assert!(!permitted(TargetKind::Email, "b@example.org", &own, &[], &[]), "not proved");
        assert!(!permitted(TargetKind::Phone, "a@example.org", &own, &[], &[]), "of another kind");
        let none = Addresses::default();
        assert!(permitted(TargetKind::Phone, "+4930", &none, &["+4930"], &[]));
        assert!(permitted(TargetKind::Text, "topic", &none, &[], &[("c", "topic")]));
        assert!(!permitted(TargetKind::Text, "topic", &none, &[], &[("other", "topic")]), "of another channel");
    }
}
