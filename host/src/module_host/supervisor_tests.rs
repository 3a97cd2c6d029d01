//! Who is blamed, who is repeated, and who is not, when a worker ends in the middle of calls.

use mfa_sdk::protocol::{Answer, Context, Enrolment, Operation, User, VerdictReply};

use super::{
    super::slot::{ends, tests::Worker},
    *,
};
use crate::settings::Limits;

const YES: &[u8] = br#"{"reply":"verdict","verdict":"accepted"}"#;

fn request() -> Request {
    let context = Context {
        now_ms: 0,
        seed: "5eed".repeat(16),
        user: User::default(),
        channels: Vec::new(),
        mac_key: String::new(),
        language: "en".to_owned(),
        public_url: String::new(),
        host_name: String::new(),
        restored_at_ms: None,
    };
    let enrolment = Enrolment { version: 1, data: serde_json::Value::Null };
    Request { context, operation: Operation::Validate { enrolment, challenge: None, answer: Answer::Poll } }
}

fn plan(module_deadline_ms: u64) -> Plan {
    let limits = Limits { module_deadline_ms, ..Limits::default() };
    Plan { id: "test".to_owned(), expected_type: None, config: None, may_be_way_back: false, limits }
}

/// A worker without a process: the far end of its only slot, its complaints and its end.
struct FakeWorker {
    far_end: Worker,
    complaints: mpsc::UnboundedReceiver<Complaint>,
    ended: watch::Sender<Option<Ending>>,
    serving: Arc<Serving>,
}

fn serve(supervised: &Supervised) -> FakeWorker {
    let (near_end, far_end) = ends().unwrap();
    let far_end = Worker::new(far_end);
    let (sender, complaints) = mpsc::unbounded_channel();
    let (ended, ending) = watch::channel(None);
    let serving = Arc::new(Serving::new(vec![near_end], sender, ending));
    supervised.stage.send_replace(Stage::Serving(serving.clone()));
    FakeWorker { far_end, complaints, ended, serving }
}

/// The first worker takes the call and dies of what `guilty` says; a second one stands ready if the call comes again.
async fn die_in_a_call(guilty: Option<u8>) -> (Result<Reply, CallError>, Option<(Vec<u8>, Vec<u8>)>) {
    let supervised = Supervised::new();
    let mut first = serve(&supervised);
    let (request, plan) = (request(), plan(5000));
    let worker = async {
        let asked = first.far_end.request().await;
        drop(first.far_end);
        assert!(matches!(first.complaints.recv().await, Some(Complaint::Broken { slot: 0, .. })));
        first.serving.slots.close();
        let mut second = serve(&supervised);
        first.ended.send_replace(Some(Ending { guilty, words: "signal 11".to_owned() }));
        let asked_again = timeout(Duration::from_millis(200), second.far_end.request()).await.ok()?;
        second.far_end.reply(YES).await;
        Some((asked, asked_again))
    };
    tokio::join!(supervised.call(&request, &plan), worker)
}

#[tokio::test]
async fn a_neighbour_is_repeated_word_for_word() {
    let (reply, asked) = die_in_a_call(Some(1)).await;
    assert_eq!(reply.unwrap(), Reply::Verdict(VerdictReply::Accepted { enrolment: None, advice: None }));
    let (first, second) = asked.expect("the call was not repeated");
    assert_eq!(first, second, "a repeated call must have the same seed and data");
}

#[tokio::test]
async fn the_call_a_worker_died_of_is_never_repeated() {
    for guilty in [Some(0), None] {
        let (reply, asked) = die_in_a_call(guilty).await;
        assert!(matches!(reply, Err(CallError::Crashed(words)) if words == "signal 11"));
        assert!(asked.is_none(), "{guilty:?}");
    }
}

#[tokio::test]
async fn an_end_is_put_down_to_the_guilty_call_or_to_all_that_are_open() {
    let supervised = Supervised::new();
    let worker = serve(&supervised);
    let [validate, issue] = [kind(&request().operation), kind(&Operation::Issue {})];
    worker.serving.asks(0, validate);
    worker.serving.asks(1, issue);
    assert_eq!(worker.serving.suspects(Some(1)), [issue]);
    for unknown in [None, Some(9)] {
        assert_eq!(worker.serving.suspects(unknown), [validate, issue], "a lie about the slot hides nothing");
    }
    let slot = worker.serving.slots.take().await.unwrap();
    worker.serving.put_back(slot);
    assert_eq!(worker.serving.suspects(None), [issue]);
}

#[tokio::test]
async fn silence_is_late_and_blamed_on_its_own_slot() {
    let supervised = Supervised::new();
    let mut worker = serve(&supervised);
    assert!(matches!(supervised.call(&request(), &plan(30)).await, Err(CallError::Late(30))));
    assert!(matches!(worker.complaints.recv().await, Some(Complaint::Late { slot: 0 })));
    // The slot is lost with its worker, and waiting for another one counts into the deadline.
    assert!(matches!(supervised.call(&request(), &plan(30)).await, Err(CallError::Late(30))));
    assert!(worker.complaints.try_recv().is_err(), "a call that only waited has nothing to complain of");
}

#[tokio::test]
async fn a_call_that_waited_for_its_slot_has_full_time_and_blames_nobody() {
    let supervised = Supervised::new();
    let mut worker = serve(&supervised);
    let busy = worker.serving.slots.take().await.unwrap();
    let answer = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        worker.serving.slots.put(busy);
        worker.far_end.request().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        worker.far_end.reply(YES).await;
    };
    let (request, plan) = (request(), plan(1000));
    let (reply, ()) = tokio::join!(supervised.call(&request, &plan), answer);
    assert!(reply.is_ok(), "{reply:?}");
    assert!(worker.complaints.try_recv().is_err());
}

#[tokio::test]
async fn calls_wait_for_a_restart_and_then_succeed() {
    let supervised = Supervised::new();
    let validate = kind(&request().operation);
    supervised.failures.add(&[validate]);
    supervised.stage.send_replace(Stage::Restarting { reason: "crashed".to_owned() });
    let (request, plan) = (request(), plan(5000));
    let worker = async {
        let mut worker = serve(&supervised);
        worker.far_end.request().await;
        worker.far_end.reply(YES).await;
        worker
    };
    let (reply, _worker) = tokio::join!(supervised.call(&request, &plan), worker);
    assert!(reply.is_ok());
    assert_eq!(supervised.failures.add(&[validate]), 1, "a good answer ends the row of failures");
}

#[tokio::test]
async fn a_bad_reply_does_not_end_the_row_of_failures() {
    let supervised = Supervised::new();
    let validate = kind(&request().operation);
    supervised.failures.add(&[validate]);
    let mut worker = serve(&supervised);
    let (request, plan) = (request(), plan(5000));
    let answer = async {
        worker.far_end.request().await;
        worker.far_end.reply(b"{}").await;
    };
    let (reply, ()) = tokio::join!(supervised.call(&request, &plan), answer);
    assert!(matches!(reply, Err(CallError::BadReply(_))));
    assert_eq!(supervised.failures.add(&[validate]), 2);
}

#[tokio::test]
async fn a_call_on_an_ended_module_says_why() {
    let supervised = Supervised::ended(ModuleState::Quarantined { reason: "too often".to_owned() });
    let reply = supervised.call(&request(), &plan(30)).await;
    assert!(matches!(reply, Err(CallError::NotReady(reason)) if reason == "too often"));
}

#[tokio::test]
async fn a_machine_without_room_for_a_worker_is_tried_again_and_again() {
    let supervised = Arc::new(Supervised::new());
    let (stop, stopping) = watch::channel(false);
    let image = crate::module_host::check::seal(b"never looked at").unwrap();
    let supervising = tokio::spawn({
        let supervised = supervised.clone();
        async move {
            let plan = Plan { limits: Limits { module_crashes_max: 1, ..Limits::default() }, ..plan(5000) };
            supervised.supervise(Spawner::broken(), image, &plan, stopping).await;
        }
    });
    let mut stage = supervised.stage.subscribe();
    for _ in 0..3 {
        stage.changed().await.unwrap();
        assert!(matches!(supervised.state(), ModuleState::Restarting { reason } if reason.contains("no worker")));
    }
    stop.send_replace(true);
    supervising.await.unwrap();
    assert!(matches!(supervised.state(), ModuleState::Failed { .. }));
}

#[test]
fn back_off_grows_to_its_limit() {
    let waits = [1, 2, 3, 4, 5, 20, u32::MAX].map(|failures| back_off(failures).as_millis());
    assert_eq!(waits, [0, 100, 200, 400, 800, 5000, 5000]);
}
