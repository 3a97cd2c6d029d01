//! A module that keeps several devices: a set-up adds one, each can be renamed and removed, the last takes all with it.

use serde::{Deserialize, Serialize};

use super::*;
use crate::{prelude::*, testing::SetupOutcome};

/// Keeps names of keys and lets everybody in.
struct Keys;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Ring {
    keys: Vec<(String, String)>,
}

#[derive(Form)]
struct Input {
    name: String,
}

impl MfaModule for Keys {
    type Config = Nothing;
    type Enrolment = Ring;
    type Challenge = Nothing;
    type SetupState = Nothing;

    fn describe() -> Description {
        Description::new("keys", "Keys", Kind::Possession)
    }

    fn new(_: Nothing) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn input_schema(&self) -> Form {
        Form::new()
    }

    fn setup_flow(&self, ask: SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        if !ask.has_input() {
            return Ok(SetupStep::form(Input::form(), Nothing {}));
        }
        let mut ring = ask.replaces().cloned().unwrap_or_default();
        let id = format!("key_{}", HEX[usize::from(ask.random().bytes::<1>()[0] % 16)]);
        ring.keys.push((id, ask.input::<Input>()?.name));
        Ok(SetupStep::done(ring))
    }

    fn validate(&self, _: ValidateCall<'_, Self>) -> Result<Verdict<Self>, ModuleError> {
        Ok(Verdict::accepted().with_advice("all_right"))
    }

    fn overview(&self, ask: OverviewCall<'_, Self>) -> Result<Overview, ModuleError> {
        let device = |(id, name): &(String, String)| Device {
            id: id.clone(),
            name: name.clone(),
            created_at_ms: 0,
            last_used_at_ms: None,
        };
        let devices: Vec<Device> = ask.enrolment().keys.iter().map(device).collect();
        Ok(Overview { low: devices.len() == 1, devices, summary: None })
    }

    fn change_device(&self, ask: ChangeDeviceCall<'_, Self>) -> Result<DevicesLeft<Self>, ModuleError> {
        let mut ring = ask.enrolment().clone();
        let place = ring.keys.iter().position(|(id, _)| id == ask.device());
        let place = place.ok_or_else(|| ModuleError::failed("there is no such key"))?;
        match ask.change() {
            DeviceChange::Remove => drop(ring.keys.remove(place)),
            DeviceChange::Rename { name } => ring.keys[place].1.clone_from(name),
        }
        Ok(if ring.keys.is_empty() { DevicesLeft::NoneLeft } else { DevicesLeft::These(ring) })
    }
}

const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

impl Package for Keys {
    const VERSION: &'static str = "1.0.0";
    const LICENSE: &'static str = "MIT";
    const TEXTS: &'static [(&'static str, &'static [(&'static str, &'static str)])] =
        &[("en", &[("all_right", "All right")])];
}

#[test]
fn devices_are_added_renamed_and_removed_to_the_last() {
    let mut bench = Bench::<Keys>::new(json!({})).unwrap();
    for name in ["Desk", "Pocket"] {
        bench.begin_setup().unwrap();
        assert_eq!(bench.fill(json!({ "name": name })).unwrap(), SetupOutcome::Done);
    }
    let devices = bench.overview().unwrap().devices;
    assert_eq!(devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["Desk", "Pocket"]);
    let [desk, pocket] = [devices[0].id.clone(), devices[1].id.clone()];
    bench.change_device(&desk, DeviceChange::Rename { name: "Bag".to_owned() }).unwrap();
    bench.change_device(&pocket, DeviceChange::Remove).unwrap();
    let overview = bench.overview().unwrap();
    assert_eq!((overview.devices[0].name.as_str(), overview.devices.len(), overview.low), ("Bag", 1, true));
    let gone = bench.change_device(&pocket, DeviceChange::Remove);
    assert_eq!(gone, Err(Failure::Failed("there is no such key".to_owned())));
    assert!(bench.enrolment().is_some());
    bench.change_device(&desk, DeviceChange::Remove).unwrap();
    assert!(bench.enrolment().is_none(), "with the last device everything goes");
}

#[test]
fn advice_comes_with_the_verdict() {
    let mut bench = Bench::<Keys>::new(json!({})).unwrap();
    bench.keep_enrolment(1, json!({ "keys": [] }));
    bench.login().unwrap();
    bench.answer(json!({})).unwrap();
    assert_eq!(bench.advice(), Some(&Text::new("all_right")));
}
