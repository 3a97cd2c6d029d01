//! One device of several in one enrolment: it goes, or gets another name.

use mfa_sdk::protocol::{self, DeviceChange, Operation, Overview, Reply};
use serde_json::Value;

use super::{
    actor, unavailable,
    wish::{asked_to_delete, may_delete},
};
use crate::flow::{
    Access, Asker, Confirmation, FlowError, Flows,
    engine::{Ask, Committed, Engine, TRIES_MAX, for_module},
    messages::{About, Notice, Written},
    people::is_deceptive,
    proof::Need,
    record::{Document, Enrolment, EnrolmentSecret, Found, User},
    token,
};

const NAME_CHARS_MAX: usize = 64;

impl Flows {
    /// Gives one of the caller's own devices another name. Needs a fresh proof.
    pub async fn rename_device(
        &self,
        access: &Access,
        module: &str,
        device: &str,
        name: &str,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        let change = DeviceChange::Rename { name: checked_name(name)? };
        self.engine.change_device(access, module, device, &change, &Confirmation::default(), asker).await
    }

    /// Removes one of the caller's own devices; with the last one the method goes. Needs a fresh proof.
    pub async fn remove_device(
        &self,
        access: &Access,
        module: &str,
        device: &str,
        given: &Confirmation,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        self.engine.change_device(access, module, device, &DeviceChange::Remove, given, asker).await
    }
}

impl Engine {
    async fn change_device(
        &self,
        access: &Access,
        module: &str,
        device: &str,
        change: &DeviceChange,
        given: &Confirmation,
        asker: &Asker,
    ) -> Result<(), FlowError> {
        let now = self.clock.now().wall;
        let rules = &self.settings.methods;
        let is_removal = *change == DeviceChange::Remove;
        let need = if is_removal { Need::Removal } else { Need::SetUp };
        let (_, listed) = self.own_factors(access, Some(module), need, now).await?;
        let seed = token::new_seed();
        let asked = asked_to_delete(&listed, Some(module), rules);
        let mut is_confirmed = !is_removal;
        for _ in 0..TRIES_MAX {
            let (factors, listed) = self.own_factors(access, Some(module), need, now).await?;
            let user = self.user_in_epoch(&access.user_id, access.user_epoch).await?;
            let user = user.ok_or(FlowError::Unauthenticated)?;
            let enrolment = self.own_enrolment(access, module).await?;
            let ask = Ask { seed: &seed, now, ..self.about(access, &user, asker) };
            // Of what the module has not listed, nobody asks it: it may take a device of another time for this one.
            let record = enrolment.record.as_ref().ok_or(FlowError::NotFound { what: "such method of yours" })?;
            let there = self.overview_of(module, ask, for_module(record)).await?;
            if !there.devices.iter().any(|known| known.id == device) {
                return Err(FlowError::NotFound { what: "such device of yours" });
            }
            if is_removal && there.devices.len() == 1 {
                may_delete(listed.of(module), rules)?;
            }
            if !is_confirmed {
                // The code may change the enrolment, so that everything is read again.
                self.use_code(access, asker, &asked, given).await?;
                is_confirmed = true;
                continue;
            }
            let still = asked_to_delete(&listed, Some(module), rules);
            if is_removal && still.is_needed && still.module != asked.module {
                return Err(still.required());
            }
            let left = self.left_after(module, ask, &enrolment, device, change).await?;
            let committed = match left {
                None => {
                    may_delete(listed.of(module), rules)?;
                    self.take_away(access, asker, &user, &factors, Some(module)).await?
                }
                Some(data) => {
                    let next = self.with_data(&enrolment, data).ok_or(FlowError::Busy)?;
                    let mut listed = listed;
                    listed.epoch += 1;
                    let told = self.notice_of_change(module, &user, &enrolment, asker);
                    let changes = vec![enrolment.put(&next), factors.put(&Document { open: listed, secret: () })];
                    let expectations = vec![enrolment.unchanged(), factors.unchanged(), user.unchanged()];
                    self.commit_and_tell(changes, expectations, told).await?
                }
            };
            if let Committed::Done = committed {
                let event = if is_removal { "device_removed" } else { "device_renamed" };
                let (actor, user) = (actor(access), &access.user_id);
                tracing::info!(target: "audit", event, actor, user, method = module, device);
                return Ok(());
            }
        }
        Err(FlowError::Busy)
    }

    /// What the caller set up, if the module under this id is still of the type that made it.
    async fn own_enrolment(&self, access: &Access, module: &str) -> Result<Found<Enrolment>, FlowError> {
        let enrolment = self.enrolment(&access.user_id, module).await?;
        if enrolment.record.as_ref().is_some_and(|record| self.is_of_type(record)) {
            return Ok(enrolment);
        }
        let reason = "what is set up is not this module's".to_owned();
        Err(FlowError::ModuleUnavailable { module: module.to_owned(), reason })
    }

    /// The user is told that a factor of theirs is another now.
    pub(super) fn notice_of_change(
        &self,
        module: &str,
        user: &Found<User>,
        enrolment: &Found<Enrolment>,
        asker: &Asker,
    ) -> Written {
        let also = enrolment.record.as_ref().map_or(&[][..], |enrolment| &enrolment.secret.sent_to);
        let about = About { user, source: Some(asker.address), also, now: self.clock.now().wall };
        self.notices(&Notice::factor_changed(module), about)
    }

    /// A question about this user; seed and moment are the asker's to say.
    pub(super) fn about<'a>(&'a self, access: &'a Access, user: &'a Found<User>, asker: &'a Asker) -> Ask<'a> {
        let addresses = user.record.as_ref().map_or(&access.addresses, |user| &user.secret.addresses);
        Ask {
            user_id: &access.user_id,
            user_name: &access.user_name,
            addresses,
            language: self.language_of(access, asker),
            seed: "",
            now: self.clock.now().wall,
        }
    }

    pub(super) async fn overview_of(
        &self,
        module: &str,
        ask: Ask<'_>,
        enrolment: protocol::Enrolment,
    ) -> Result<Overview, FlowError> {
        match self.ask(module, ask, Operation::Overview { enrolment }).await {
            Ok(Reply::Overview(overview)) => Ok(overview),
            Ok(_) | Err(crate::module_host::CallError::Unsupported) => Ok(Overview::default()),
            Err(error) => Err(unavailable(module, &error)),
        }
    }

    /// The module's data after the change; none if no device is left.
    async fn left_after(
        &self,
        module: &str,
        ask: Ask<'_>,
        enrolment: &Found<Enrolment>,
        device: &str,
        change: &DeviceChange,
    ) -> Result<Option<Value>, FlowError> {
        let record = enrolment.record.as_ref().ok_or(FlowError::NotFound { what: "such method of yours" })?;
        let (device, change) = (device.to_owned(), change.clone());
        match self.ask(module, ask, Operation::ChangeDevice { enrolment: for_module(record), device, change }).await {
            Ok(Reply::Changed { enrolment }) => Ok(enrolment),
            Ok(_) | Err(crate::module_host::CallError::Unsupported) => {
                Err(FlowError::NotFound { what: "such device of yours" })
            }
            Err(error) => Err(unavailable(module, &error)),
        }
    }

    fn with_data(&self, enrolment: &Found<Enrolment>, data: Value) -> Option<Enrolment> {
        let mut next = enrolment.record.clone()?;
        let version = self.modules.module(&next.open.module)?.description?.enrolment_version;
        next.secret = EnrolmentSecret { version, data, ..next.secret };
        Some(next)
    }
}

fn checked_name(name: &str) -> Result<String, FlowError> {
    let name = name.trim();
    let word = match name.chars().count() {
        0 => "required",
        1..=NAME_CHARS_MAX if name.chars().any(is_deceptive) => "invalid_characters",
        1..=NAME_CHARS_MAX => return Ok(name.to_owned()),
        _ => "too_long",
    };
    let detail = "A name is one line of 1 to 64 characters, all of which can be seen.";
    Err(FlowError::Refused { field: "name", word, detail })
}
