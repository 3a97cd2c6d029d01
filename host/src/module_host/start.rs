//! The start of one worker: its sockets, its order, its process, and the answer that makes it serve.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream as BlockingStream,
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use mfa_sdk::protocol::Description;
use tokio::{io::AsyncReadExt, net::UnixStream, process::Child, time::timeout};

use super::{
    check::{Image, Refusal},
    control::{ANSWER_BYTES_MAX, Answer, Order, SLOTS_MAX, send_order},
    description,
    noise::Noise,
    reply::plain,
    slot::{FarEnd, NearEnd, ends},
    spawner::Spawner,
};
use crate::settings::Limits;

const WORDS_CHARACTERS_MAX: usize = 1000;

/// What every start of one module's worker has in common.
#[derive(PartialEq, Eq)]
pub(super) struct Plan {
    /// For the log.
    pub id: String,
    /// The type the description must name; none if any will do.
    pub expected_type: Option<String>,
    /// As JSON; none to describe the module without configuring it.
    pub config: Option<String>,
    /// Whether its word that it is a way back in counts.
    pub may_be_way_back: bool,
    pub limits: Limits,
}

/// A worker that serves.
pub(super) struct Worker {
    pub child: Child,
    pub control: UnixStream,
    pub slots: Vec<NearEnd>,
    pub noise: Noise,
    pub description: Arc<Description>,
}

/// Why a worker does not serve.
pub(super) enum StartError {
    /// The module or its settings do not allow it; another try ends the same.
    Refused(Refusal),
    /// The machine does not allow it now: descriptors, processes or memory are used up.
    Unable(String),
    /// It died; the words say how.
    Died(String),
    /// It was silent for as long as it may be: a module that hangs, or a machine that is busy.
    Late(String),
}

/// Starts a worker and waits, no longer than the module deadline, until it serves.
pub(super) async fn start(spawner: &Spawner, image: &Image, plan: &Plan) -> Result<Worker, StartError> {
    let (mut child, mut control, slots) = launch(spawner, image, plan).await.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => {
            StartError::Refused(Refusal::new(error.to_string(), "mend this module's [module.config] in host.toml"))
        }
        _ => StartError::Unable(format!("no worker could be started: {error}")),
    })?;
    let Some(stderr) = child.stderr.take() else {
        return Err(StartError::Died("the worker has no standard error".to_owned()));
    };
    let noise = Noise::drain(stderr, plan.id.clone());
    let deadline = Duration::from_millis(plan.limits.module_deadline_ms);
    let answer = timeout(deadline, read_answer(&mut control)).await;
    let refusal = match answer {
        Ok(Ok(Answer::Ready(json))) => match description::validated(&json, plan.expected_type.as_deref()) {
            Ok(mut description) => {
                lower(&mut description, plan);
                return Ok(Worker { child, control, slots, noise, description: Arc::new(description) });
            }
            Err(reason) => Refusal::new(reason, "mend the module and run mfa-host module install FILE"),
        },
        Ok(Ok(Answer::Refused { reason, remedy })) => {
            Refusal::new(plain(&reason, WORDS_CHARACTERS_MAX), plain(&remedy, WORDS_CHARACTERS_MAX))
        }
        Ok(Err(_)) => return Err(StartError::Died(format!("it died while starting: {}", end(child, noise).await))),
        Err(_) => {
            let _ = kill(&mut child).await;
            let words = format!("it did not start within {} ms", plan.limits.module_deadline_ms);
            return Err(StartError::Late(words));
        }
    };
    let _ = kill(&mut child).await;
    Err(StartError::Refused(refusal))
}

/// What a module says of itself counts as far as the settings say it too.
fn lower(description: &mut Description, plan: &Plan) {
    if description.recovery && !plan.may_be_way_back {
        let module = &plan.id;
        let remedy = "if it is to be one, write `recovery = true` into its block in host.toml";
        tracing::warn!(module, remedy, "it says that it is a way back in, and counts as a factor");
        (description.recovery, description.stamp) = (false, None);
    }
}

async fn launch(spawner: &Spawner, image: &Image, plan: &Plan) -> io::Result<(Child, UnixStream, Vec<NearEnd>)> {
    let (control, worker_control) = BlockingStream::pair()?;
    let slots = plan.limits.module_slots.clamp(1, SLOTS_MAX);
    let (near_ends, far_ends): (Vec<_>, Vec<_>) =
        (0..slots).map(|_| ends()).collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    let order = Order {
        host_process: std::process::id(),
        config: plan.config.clone(),
        memory_mib_max: plan.limits.module_memory_mib_max,
        reply_bytes_max: plan.limits.module_reply_bytes_max,
        slots,
    };
    let of_slots = far_ends.iter().flat_map(FarEnd::descriptors);
    let descriptors: Vec<BorrowedFd<'_>> = std::iter::once(image.memory.as_fd()).chain(of_slots).collect();
    send_order(&control, &order, &descriptors)?;
    drop(descriptors);
    drop(far_ends);
    let child = spawner.spawn(worker_control.into()).await?;
    control.set_nonblocking(true)?;
    Ok((child, UnixStream::from_std(control)?, near_ends))
}

async fn read_answer(control: &mut UnixStream) -> io::Result<Answer> {
    let length = control.read_u32().await? as usize;
    if length > ANSWER_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut json = vec![0; length];
    control.read_exact(&mut json).await?;
    Ok(serde_json::from_slice(&json)?)
}

/// Reaps a worker that broke its connection, killing it if it lives on, and says how it ended, with its last line.
pub(super) async fn end(mut child: Child, noise: Noise) -> String {
    // It may be about to end by itself, and then its own end explains more than the kill.
    let words = match timeout(Duration::from_millis(100), child.wait()).await {
        Ok(status) => status.map_or_else(|error| format!("its end is unknown: {error}"), in_words),
        Err(_) => {
            let _ = kill(&mut child).await;
            "killed: it broke its connection to the host".to_owned()
        }
    };
    match noise.last_line().await {
        line if line.is_empty() => words,
        line => format!("{words}; its last line: {line}"),
    }
}

/// Kills and reaps at once.
pub(super) async fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    // A child that has just ended cannot be killed, only reaped.
    let _ = child.start_kill();
    child.wait().await
}

fn in_words(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("it ended itself with status {code}"),
        (None, None) => "it ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (segmentation fault)",
        libc::SIGABRT => " (abort)",
        libc::SIGBUS => " (bus error: is the file cut off?)",
        libc::SIGILL => " (illegal instruction)",
        libc::SIGFPE => " (arithmetic error)",
        libc::SIGKILL => " (killed)",
        libc::SIGTRAP => " (trap)",
        _ => "",
    }
}

/// A module's configuration as JSON; a TOML date becomes text.
pub(super) fn config_json(config: &toml::Table) -> String {
    let object: serde_json::Map<_, _> = config.iter().map(|(key, value)| (key.clone(), json(value))).collect();
    serde_json::Value::Object(object).to_string()
}

fn json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(values) => values.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_becomes_plain_json() {
        let table: toml::Table = "a = 1\nb = [true, 1.5]\nc.d = 2026-01-02\ne = 'x'".parse().unwrap();
        let value: serde_json::Value = serde_json::from_str(&config_json(&table)).unwrap();
        assert_eq!(value, serde_json::json!({"a": 1, "b": [true, 1.5], "c": {"d": "2026-01-02"}, "e": "x"}));
    }

    #[test]
    fn an_end_is_told_in_words() {
        assert_eq!(in_words(ExitStatus::from_raw(11)), "killed by signal 11 (segmentation fault)");
        assert_eq!(in_words(ExitStatus::from_raw(3 << 8)), "it ended itself with status 3");
    }
}
