//! The small things every login does many times, by criterion: `cargo bench -p mfa-host --bench small`. What waits for
//! disk, module or network is measured by `cargo xtask bench`.

use std::{hint::black_box, net::IpAddr, path::Path, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use mfa_host::{
    clock::Clock,
    delivery::Delivery,
    flow::{Core, Flows},
    keys::MasterKey,
    module_host::ModuleHost,
    provider::FirstFactorThrottle,
    settings::{self, Settings},
    store::{Change, Content, Key, Store},
};
use mfa_sdk::form::{Field, FieldKind, Form};
use serde_json::json;

/// Every key of it is looked at, and most are comments, as in the file of most who run this.
const SAMPLE: &str = include_str!("../../config/host.sample.toml");

fn parsed() -> Settings {
    settings::parse(Path::new("host.toml"), SAMPLE).expect("the sample is right")
}

fn settings(criterion: &mut Criterion) {
    criterion.bench_function("parse of host.toml", |bencher| {
        bencher.iter(|| settings::parse(Path::new("host.toml"), black_box(SAMPLE)).is_ok());
    });
}

fn throttle(criterion: &mut Criterion) {
    let (throttle, clock) = (FirstFactorThrottle::new(), Clock::system());
    let address: IpAddr = "2001:db8::1".parse().expect("an address");
    criterion.bench_function("a right password past the delays", |bencher| {
        bencher.iter(|| {
            if let Ok(admission) = throttle.admit(address, black_box("Ada"), &clock.now()) {
                admission.passed();
            }
        });
    });
}

fn form(criterion: &mut Criterion) {
    let kind = FieldKind::Digits { length_min: 6, length_max: 6 };
    let code = Field { name: "code".to_owned(), kind, label: None, help: None, required: true, default: None };
    let form = Form { fields: vec![code], ..Form::default() };
    let raw = json!({"code": "123 456"});
    let raw = raw.as_object().expect("an object");
    criterion.bench_function("a typed code made plain", |bencher| {
        bencher.iter(|| form.normalise(black_box(raw)).is_ok());
    });
}

fn store_and_tokens(criterion: &mut Criterion) {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let keys = MasterKey::create(&scratch.path().join("secret.key")).expect("a key");
    Store::create(scratch.path()).expect("a store");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let (store, _) = Store::open(scratch.path(), &keys, Clock::system()).expect("an open store");
    let key = Key::new(&["enrolment", "ada", "pin"]).expect("a key");
    let content =
        Content::new(&json!({"module": "pin"}), &json!({"version": 1, "data": {"pin": "1"}})).expect("it is JSON");
    runtime.block_on(store.commit(vec![Change::Put(key.clone(), content)], Vec::new())).expect("a commit");
    criterion.bench_function("a record read and unsealed", |bencher| {
        bencher.iter(|| runtime.block_on(store.read(black_box(&key))).is_ok());
    });

    let settings = parsed();
    let flows = Flows::new(Core {
        store: store.clone(),
        modules: ModuleHost::offline(&settings),
        delivery: Delivery::new(&settings, scratch.path()),
        settings: Arc::new(settings),
        clock: Clock::system(),
        keys,
        config_directory: scratch.path().to_owned(),
    });
    let forged = format!("mha_{}.{}.{}", "0".repeat(32), i64::MAX, "A".repeat(43));
    criterion.bench_function("a forged access token refused", |bencher| {
        bencher.iter(|| runtime.block_on(flows.authenticate(black_box(&forged))).is_err());
    });
    drop(flows);
    runtime.block_on(store.close());
}

criterion_group!(small, settings, throttle, form, store_and_tokens);
criterion_main!(small);
