//! A thousand crashes leave nothing behind: no process, no descriptor, no memory.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{ADA, BOB, PATIENCE, PIN, Stage, Tokens, outside_module, result_of, workers};

const ROUNDS: usize = 1000;
/// Rounds before the first look: what is taken once and kept is no leak.
const WARM_UP: usize = 100;
/// What the host keeps of a thousand ended set-ups, and what an allocator keeps for the next ones, is less than this.
const MEMORY_KIB_MAX: u64 = 8 * 1024;
/// What a module does when it is called, in turn. None of it needs a deadline.
const MISDEEDS: [&str; 6] = ["abort", "panic", "exit", "segfault", "close_control", "overflow"];

/// What the host holds.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    workers: usize,
}

impl Held {
    /// Threads that wait for blocking work end by themselves after a while, so that there may be fewer.
    fn is_no_more_than(&self, before: &Self) -> bool {
        (self.descriptors, self.workers) == (before.descriptors, before.workers) && self.threads <= before.threads
    }

    fn is_same(&self, other: &Self) -> bool {
        self.is_no_more_than(other) && other.is_no_more_than(self)
    }
}

fn held(stage: &Stage) -> Held {
    let of = |folder: &str| {
        let entries =
            fs::read_dir(format!("/proc/{}/{folder}", stage.host().process())).expect("the host's own folder");
        entries.count()
    };
    // One that has ended and was not waited for is a child still.
    Held { descriptors: of("fd"), threads: of("task"), workers: workers(stage).len() }
}

/// Resident and private: what the host itself takes.
fn memory_kib(stage: &Stage) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", stage.host().process())).expect("the host's status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn crash(stage: &Stage, tokens: &Tokens, module: &str, misdeed: &str) {
    let step = stage.begin_setup(tokens, module).expect(200);
    // A start that is still going on makes the call wait; a worker that dies of another call makes it repeat.
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let over = stage.submit_setup(tokens, flow_id, &json!({"word": misdeed})).expect(200);
    assert_eq!(over["reason"], "unknown_error", "{misdeed}: {over}");
}

#[test]
fn a_thousand_crashes_leave_nothing_behind() {
    // Several modules, so that while one is started again another can crash.
    const MODULES: [&str; 3] = ["first", "second", "third"];
    let stage = Stage::with(|directory| {
        directory.install(&outside_module("misbehaving"), "misbehaving");
        for id in MODULES {
            directory.append_settings(&format!("[[module]]\ntype = \"misbehaving\"\nid = \"{id}\"\n"));
        }
    });
    stage.set_up_pin(&stage.login(BOB));
    let tokens = stage.login(ADA);
    let crashes = |rounds: usize| {
        thread::scope(|scope| {
            for (number, module) in MODULES.iter().enumerate() {
                let (stage, tokens) = (&stage, &tokens);
                scope.spawn(move || {
                    for round in (number..rounds).step_by(MODULES.len()) {
                        crash(stage, tokens, module, MISDEEDS[round / MODULES.len() % MISDEEDS.len()]);
                    }
                });
            }
        });
    };
    crashes(WARM_UP);
    let before = settled(&stage, None);
    let memory_before = memory_kib(&stage);
    crashes(ROUNDS);
    let after = settled(&stage, Some(&before));
    assert!(after.is_no_more_than(&before), "{before:?} became {after:?}");
    let grown = memory_kib(&stage).saturating_sub(memory_before);
    assert!(grown < MEMORY_KIB_MAX, "{ROUNDS} crashes took {grown} KiB");
    result_of(&stage.submit(&stage.begin_to_mfa(BOB), json!({"pin": PIN})).expect(200));
}

/// As soon as all modules serve and nothing else is going on: as it was before, where that is known.
fn settled(stage: &Stage, before: Option<&Held>) -> Held {
    let end = Instant::now() + PATIENCE;
    loop {
        let first = held(stage);
        thread::sleep(Duration::from_millis(300));
        let second = held(stage);
        // Each module's, those of the template among them.
        let is_quiet = first.is_same(&second) && second.workers == 5;
        if (is_quiet && before.is_none_or(|before| second.is_no_more_than(before))) || Instant::now() > end {
            return second;
        }
    }
}
