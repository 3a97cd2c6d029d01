//! A user's own addresses: one that is added is proved first, by a code that is sent there.

use mfa_sdk::{Channel, Message, TargetKind, form::FieldKind};

use super::{
    UserDetails, Who,
    profile::{has_room, normalised, take_leave},
};
use crate::{
    clock::{Now, Timestamp},
    flow::{
        Access, Asker, FlowError, Flows,
        attempts::{self, Refusal, Target},
        engine::{Committed, Engine, TRIES_MAX},
        lifetime::is_alive,
        messages::{About, HandedOver, Known, Notice, Outgoing, Unsendable, WantedBy, Writing},
        proof::Need,
        record::{
            Account, Address, AddressProof, AddressProofOpen, AddressProofSecret, Addresses, Document, Factors, Found,
            Sent, Unknown, User, key,
        },
        token,
    },
};

/// Life of a code, and so of a proof under way.
const CODE_LIFETIME_S: u32 = 600;
/// Wrong codes one proof takes.
const ATTEMPTS_MAX: u32 = 5;

/// A proof under way.
#[derive(Clone)]
pub struct AddressStep {
    pub flow_id: String,
    pub expires_at: Timestamp,
    /// `sent`, `queued`, `failed`.
    pub delivery: &'static str,
    /// From when on another code can be asked for.
    pub resend_at: Timestamp,
}

/// What kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    Email,
    Phone,
}

impl AddressKind {
    fn word(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }

    fn of(word: &str) -> Self {
        if word == "phone" { Self::Phone } else { Self::Email }
    }

    fn field(self) -> FieldKind {
        match self {
            Self::Email => FieldKind::Email,
            Self::Phone => FieldKind::Phone,
        }
    }

    fn target(self) -> TargetKind {
        match self {
            Self::Email => TargetKind::Email,
            Self::Phone => TargetKind::Phone,
        }
    }

    fn list(self, addresses: &mut Addresses) -> &mut Vec<Address> {
        match self {
            Self::Email => &mut addresses.email,
            Self::Phone => &mut addresses.phone,
        }
    }
}

impl Flows {
    /// Sends a code to an address the caller wants to add. Needs a fresh proof.
    pub async fn begin_address(
        &self,
        access: &Access,
        kind: AddressKind,
        value: &str,
        asker: &Asker,
    ) -> Result<AddressStep, FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now();
        let flow_id = token::new_flow_id();
        let value = address_of(kind, value)?;
        let open = AddressProofOpen {
            user: access.user_id.clone(),
            user_epoch: access.user_epoch,
            kind: kind.word().to_owned(),
            created_at: now.wall,
            expires_at: now.wall.plus_s(CODE_LIFETIME_S.into()),
            created_boot_ms: now.boot_ms,
            boot_id: now.boot_id.to_string(),
            attempts_used: 0,
            unknown: Unknown::new(),
        };
        engine.send_address_code(access, &flow_id, open, value, asker, &now).await
    }

    /// Another code for the same address; the former one is dead. Attempts and end of life stay.
    pub async fn resend_address(
        &self,
        access: &Access,
        flow_id: &str,
        asker: &Asker,
    ) -> Result<AddressStep, FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now();
        let found = engine.own_address_proof(access, flow_id, &now).await?;
        let Some(proof) = found.record else { return Err(FlowError::UnknownFlow) };
        let wait_ms = proof.secret.sent.again_from.since_ms(now.wall);
        if wait_ms > 0 {
            let retry_after_s = u64::try_from(wait_ms).unwrap_or_default().div_ceil(1000);
            return Err(FlowError::Throttled { retry_after_s });
        }
        engine.send_address_code(access, flow_id, proof.open, proof.secret.value, asker, &now).await
    }

    /// The code of the message: the address is the caller's from now on.
    pub async fn prove_address(
        &self,
        access: &Access,
        flow_id: &str,
        code: &str,
        asker: &Asker,
    ) -> Result<UserDetails, FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now();
        let proof = engine.spend_address_attempt(access, flow_id, &now).await?;
        let digits: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
        if !token::same(&engine.messages.code_mac("address", flow_id, &digits), &proof.secret.mac) {
            let user = &access.user_id;
            tracing::info!(target: "audit", event = "address_code_refused", user, address = %asker.address);
            return Err(FlowError::InvalidCode { error: "invalid_code".to_owned() });
        }
        engine.keep_address(access, flow_id, &proof, asker, &now).await?;
        self.user_details(Who::Id(&access.user_id)).await.map_err(|_| FlowError::Busy)
    }

    /// Takes an address away. Needs a fresh proof; the address is told for a week.
    pub async fn remove_address(
        &self,
        access: &Access,
        kind: AddressKind,
        value: &str,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now().wall;
        for _ in 0..TRIES_MAX {
            let (found, mut user, factors) = engine.own_record(access, now).await?;
            let list = kind.list(&mut user.secret.addresses);
            let count = list.len();
            list.retain(|address| address.value != value);
            if list.len() == count {
                return Err(FlowError::NotFound { what: "such address of yours" });
            }
            if let Some(before) = found.record.as_ref().filter(|_| kind == AddressKind::Email) {
                take_leave(&before.secret.addresses, &mut user, now)?;
            }
            let told = engine.notices(&Notice::address_changed("—"), about(&found, asker, now));
            let (changes, expectations) = (vec![found.put(&user)], vec![found.unchanged(), factors.unchanged()]);
            if let Committed::Done = engine.commit_and_tell(changes, expectations, told).await? {
                tracing::info!(target: "audit", event = "address_removed", user = access.user_id, kind = kind.word());
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }
}

impl Engine {
    /// The caller's own record, for a change that needs a fresh proof.
    async fn own_record(
        &self,
        access: &Access,
        now: Timestamp,
    ) -> Result<(Found<User>, User, Found<Factors>), FlowError> {
        let factors: Found<Factors> = self.read(key::factors(&access.user_id)).await?;
        self.require_proof(access, &factors.open(), Need::SetUp, now)?;
        let found = self.user_in_epoch(&access.user_id, access.user_epoch).await?;
        let found = found.ok_or(FlowError::Unauthenticated)?;
        let user = found.record.clone().ok_or(FlowError::Unauthenticated)?;
        Ok((found, user, factors))
    }

    async fn own_address_proof(
        &self,
        access: &Access,
        flow_id: &str,
        now: &Now,
    ) -> Result<Found<AddressProof>, FlowError> {
        let found: Found<AddressProof> = self.read(key::address_proof(&token::hash(flow_id))).await?;
        let Some(proof) = &found.record else { return Err(FlowError::UnknownFlow) };
        let is_own = proof.open.user == access.user_id && proof.open.user_epoch == access.user_epoch;
        if is_own && is_alive(proof.open.life(), now) { Ok(found) } else { Err(FlowError::UnknownFlow) }
    }

    /// Makes a code, keeps its hash and sends it, in one commit.
    async fn send_address_code(
        &self,
        access: &Access,
        flow_id: &str,
        open: AddressProofOpen,
        value: String,
        asker: &Asker,
        now: &Now,
    ) -> Result<AddressStep, FlowError> {
        let kind = AddressKind::of(&open.kind);
        let channel = self.channel_of(kind)?;
        for _ in 0..TRIES_MAX {
            let turn = self.queue(&access.user_id).await;
            let (user, record, factors) = self.own_record(access, now.wall).await?;
            let mut addresses = record.secret.addresses.clone();
            has_room(kind.list(&mut addresses))?;
            let place: Found<AddressProof> = self.read(key::address_proof(&token::hash(flow_id))).await?;
            let account: Found<Account> = self.read(key::account(&access.user_id)).await?;
            let mut counted = account.open();
            let code = token::new_digits();
            let message = Message::code(&channel.name, &value, &code, CODE_LIFETIME_S);
            let writing = Writing {
                user: &access.user_id,
                language: self.reader(record.open.language.as_deref(), asker),
                place: Some(&place.key),
                known: Known { addresses: &addresses, typed: std::slice::from_ref(&value), sent_to: &[] },
                link: None,
                wanted_by: WantedBy::SetUp,
                now: now.wall,
            };
            let written = self.write(vec![message], writing, &mut counted).await?.map_err(unsendable)?;
            let sent = Sent {
                link: None,
                set_up: None,
                messages: written.ids(),
                to: written.sent_to(),
                again_from: now.wall.plus_s(self.settings.delivery.resend_wait_s),
                refused: false,
            };
            let mac = self.messages.code_mac("address", flow_id, &code);
            let resend_at = sent.again_from;
            let secret = AddressProofSecret { value: value.clone(), mac, sent };
            let attempts_used = place.record.as_ref().map_or(0, |former| former.open.attempts_used);
            let next = Document { open: AddressProofOpen { attempts_used, ..open.clone() }, secret };
            let mut changes = written.changes;
            changes.extend([place.put(&next), account.put(&Document { open: counted, secret: () })]);
            let mut expectations = written.expectations;
            expectations.extend([place.unchanged(), account.unchanged(), user.unchanged(), factors.unchanged()]);
            let committed = self.commit(changes, expectations).await?;
            drop(turn);
            if let Committed::Done = committed {
                let delivery = self.deliver_now(written.messages).await?;
                let (flow_id, expires_at) = (flow_id.to_owned(), next.open.expires_at);
                return Ok(AddressStep { flow_id, expires_at, delivery, resend_at });
            }
        }
        Err(FlowError::Busy)
    }

    async fn deliver_now(&self, messages: Vec<Outgoing>) -> Result<&'static str, FlowError> {
        match self.hand_over(messages).await {
            HandedOver::Refused => Err(delivery_failed()),
            delivery => Ok(delivery.word()),
        }
    }

    fn channel_of(&self, kind: AddressKind) -> Result<&Channel, FlowError> {
        let channel = self.delivery.channels().find(|channel| channel.target == kind.target());
        channel.ok_or_else(|| FlowError::NotPossible {
            code: "no_channel",
            detail: "this host sends no messages to addresses of this kind; ask your administrator".to_owned(),
        })
    }

    /// Spends one attempt durably, before the code is looked at.
    async fn spend_address_attempt(
        &self,
        access: &Access,
        flow_id: &str,
        now: &Now,
    ) -> Result<AddressProof, FlowError> {
        for _ in 0..TRIES_MAX {
            let _turn = self.queue(&access.user_id).await;
            let found = self.own_address_proof(access, flow_id, now).await?;
            let Some(mut proof) = found.record.clone() else { return Err(FlowError::UnknownFlow) };
            if proof.open.attempts_used >= ATTEMPTS_MAX {
                return Err(FlowError::UnknownFlow);
            }
            let account: Found<Account> = self.read(key::account(&access.user_id)).await?;
            let counted = account.open();
            match attempts::permitted(&counted, &Target::address(), now.wall) {
                Ok(()) => {}
                Err(Refusal::Locked { retry_after_s }) => return Err(FlowError::Throttled { retry_after_s }),
                Err(Refusal::Disabled) => return Err(FlowError::Throttled { retry_after_s: 3600 }),
            }
            let counted = attempts::spend(counted, &Target::address(), now.wall);
            proof.open.attempts_used += 1;
            let changes = vec![found.put(&proof), account.put(&Document { open: counted, secret: () })];
            if let Committed::Done = self.commit(changes, vec![found.unchanged(), account.unchanged()]).await? {
                return Ok(proof);
            }
        }
        Err(FlowError::Busy)
    }

    /// One commit: address kept, proof used up, attempt given back.
    async fn keep_address(
        &self,
        access: &Access,
        flow_id: &str,
        proved: &AddressProof,
        asker: &Asker,
        now: &Now,
    ) -> Result<(), FlowError> {
        for _ in 0..TRIES_MAX {
            let _turn = self.queue(&access.user_id).await;
            let found = self.own_address_proof(access, flow_id, now).await?;
            // A resend came between: the code that was right is dead.
            if found.record.as_ref().is_none_or(|proof| proof.secret.mac != proved.secret.mac) {
                return Err(FlowError::UnknownFlow);
            }
            // Fresh when the code was asked for, or renewed since.
            let own = match self.own_record(access, proved.open.created_at).await {
                Err(_) => self.own_record(access, now.wall).await,
                own => own,
            };
            let (place, mut user, factors) = own?;
            let account: Found<Account> = self.read(key::account(&access.user_id)).await?;
            let value = proved.secret.value.clone();
            let list = AddressKind::of(&proved.open.kind).list(&mut user.secret.addresses);
            // One that was proved before counts from then.
            let known = list.iter().find(|address| address.value == value && address.proved_at.is_some()).cloned();
            list.retain(|address| address.value != value);
            // Several proofs may have begun when there was room for one.
            has_room(list)?;
            let new = Address { value: value.clone(), added_at: now.wall, proved_at: Some(now.wall), by_code: true };
            list.push(known.unwrap_or(new));
            user.secret.addresses.former.retain(|left| left.value != value);
            let told = self.notices(&Notice::address_changed(&value), about(&place, asker, now.wall));
            let counted = attempts::forgive(account.open(), &Target::address());
            let counted = account.put(&Document { open: counted, secret: () });
            let changes = vec![found.delete(), place.put(&user), counted];
            let expectations = vec![found.unchanged(), place.unchanged(), account.unchanged(), factors.unchanged()];
            if let Committed::Done = self.commit_and_tell(changes, expectations, told).await? {
                tracing::info!(target: "audit", event = "address_proved", user = access.user_id, kind = proved.open.kind);
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }
}

fn about<'a>(user: &'a Found<User>, asker: &Asker, now: Timestamp) -> About<'a> {
    About { user, source: Some(asker.address), also: &[], now }
}

fn address_of(kind: AddressKind, value: &str) -> Result<String, FlowError> {
    let given = normalised(kind.word(), kind.field(), &[value.to_owned()]).ok().and_then(|mut given| given.pop());
    given.ok_or(FlowError::InvalidRequest("an e-mail address, or a number with + and country code"))
}

fn unsendable(error: Unsendable) -> FlowError {
    match error {
        Unsendable::TooMany { retry_after_s } => FlowError::Throttled { retry_after_s },
        Unsendable::NotPossible { .. } | Unsendable::NotPermitted => delivery_failed(),
    }
}

fn delivery_failed() -> FlowError {
    let detail = "no code could be sent there; look at the address".to_owned();
    FlowError::NotPossible { code: "delivery_failed", detail }
}
