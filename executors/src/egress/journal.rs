//! Writes the records of a run: one for each request, bounded in number, without ever waiting; and tells of refusals.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use hyper::http::request::Parts;
use tokio::sync::mpsc;

use super::{
    policy::Phase,
    record::{EgressRecord, Refused, Rule, Verdict},
};

/// Records of one run. Requests that were let through and those that were refused have this many each, so that
/// thousands of refusals do not hide what got through.
const MAX_RECORDS: u64 = 20_000;
/// Characters of a path that are recorded.
const MAX_PATH_CHARACTERS: usize = 512;
/// Characters of a host that are recorded: the longest name with its port, and more is none.
const MAX_HOST_CHARACTERS: usize = 300;
/// Characters of a method that are recorded.
const MAX_METHOD_CHARACTERS: usize = 32;
/// What may leave by one rule in one run, in bytes, heads of requests included: enough for twenty thousand packages,
/// too little to carry a repository out in small pieces.
const MAX_UP_BYTES_BY_RULE: u64 = 16 * 1024 * 1024;
/// The same for the preset `open`, by which everything public may be reached, in bytes.
const MAX_UP_BYTES_BY_OPEN: u64 = 1024 * 1024 * 1024;

/// Where records and notices go; it never waits.
#[derive(Debug)]
pub struct Journal {
    log: mpsc::Sender<EgressRecord>,
    refused: mpsc::Sender<Refused>,
    let_through: AtomicU64,
    turned_down: AtomicU64,
    dropped: AtomicU64,
    unnoticed: AtomicU64,
    /// Bytes that left, by the rule that let them. There are as many as rules and people's decisions at most.
    sums: Mutex<HashMap<String, Arc<Sum>>>,
    /// What had left by each rule before this way out was opened, in bytes.
    before: BTreeMap<String, u64>,
}

/// What left by one rule.
#[derive(Debug)]
struct Sum {
    bytes: AtomicU64,
    limit: u64,
}

impl Journal {
    /// A journal that writes records to `log`, and refusals that a person may change to `refused`. What leaves is added
    /// to what had left `before`.
    pub fn new(
        log: mpsc::Sender<EgressRecord>,
        refused: mpsc::Sender<Refused>,
        before: BTreeMap<String, u64>,
    ) -> Self {
        Self {
            log,
            refused,
            let_through: AtomicU64::new(0),
            turned_down: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            unnoticed: AtomicU64::new(0),
            sums: Mutex::default(),
            before,
        }
    }

    /// What has left by each rule of the policy, in bytes, with what had left before.
    pub fn left(&self) -> BTreeMap<String, u64> {
        let mut left = self.before.clone();
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let now = sums
            .iter()
            .map(|(rule, sum)| (rule.clone(), sum.bytes.load(Ordering::Relaxed)));
        left.extend(now);
        left
    }

    /// Records that were not written: for want of room, or because the run has as many as it may.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Notices that found no room.
    pub fn unnoticed(&self) -> u64 {
        self.unnoticed.load(Ordering::Relaxed)
    }

    /// Begins the record of a request. It is written when the entry is dropped, whatever happens.
    pub fn entry(self: &Arc<Self>, asked: Asked) -> Entry {
        let clip = |text: String, limit| text.chars().take(limit).collect::<String>();
        Entry {
            journal: Arc::clone(self),
            begun: Instant::now(),
            traffic: Arc::default(),
            target: asked.target,
            record: EgressRecord {
                at: SystemTime::now(),
                phase: asked.phase,
                method: clip(asked.method, MAX_METHOD_CHARACTERS),
                host: clip(asked.host, MAX_HOST_CHARACTERS),
                client: asked.client,
                path: asked.path.map(|path| clip(path, MAX_PATH_CHARACTERS)),
                bytes_up: 0,
                bytes_down: 0,
                status: None,
                // Stands where the client goes away before anything is decided.
                verdict: Verdict::Failed,
                rule: Rule::Malformed,
                elapsed: Duration::ZERO,
            },
        }
    }

    fn notice(&self, refused: Refused) {
        // Closed means that nobody wants them.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.refused.try_send(refused) {
            self.unnoticed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The sum of a rule that lets through; none for models, whose prompts are bounded by what they cost.
    fn sum(&self, rule: &Rule) -> Option<Arc<Sum>> {
        if !rule.is_of_policy() {
            return None;
        }
        let limit = if matches!(rule, Rule::Preset(name) if name == "open") {
            MAX_UP_BYTES_BY_OPEN
        } else {
            MAX_UP_BYTES_BY_RULE
        };
        let name = rule.to_string();
        let before = self.before.get(&name).copied().unwrap_or_default();
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.entry(name).or_insert_with(|| {
            Arc::new(Sum {
                bytes: AtomicU64::new(before),
                limit,
            })
        });
        Some(Arc::clone(sum))
    }

    fn write(&self, record: EgressRecord) {
        let written = match record.verdict {
            Verdict::Denied => &self.turned_down,
            Verdict::Allowed | Verdict::Failed => &self.let_through,
        };
        let before = written.fetch_add(1, Ordering::Relaxed);
        let sent = if before < MAX_RECORDS {
            self.log.try_send(record).is_ok()
        } else {
            if before == MAX_RECORDS {
                let last = EgressRecord {
                    rule: Rule::LogFull,
                    client: None,
                    path: None,
                    ..record
                };
                // Where it finds no room, the number of those that were dropped still says it.
                let _ = self.log.try_send(last);
            }
            false
        };
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub struct Asked {
    /// The phase, unless revoked.
    pub phase: Option<Phase>,
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The path, where it is seen.
    pub path: Option<String>,
    /// The host in its one spelling and the port, where a person could allow them: not for what is no name of a host,
    /// and not for what is asked of the proxy itself.
    pub target: Option<(String, u16)>,
    /// The command line in the sandbox that asks, where it is known.
    pub client: Option<String>,
}

/// Bytes so far, counted where they pass.
#[derive(Debug, Default)]
pub struct Traffic {
    up: AtomicU64,
    down: AtomicU64,
    sum: OnceLock<Arc<Sum>>,
}

impl Traffic {
    /// Counts bytes that leave; answers with the sum of this request.
    pub fn add_up(&self, bytes: usize) -> u64 {
        self.count(bytes);
        self.up.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64
    }

    /// Counts bytes that come; answers with the sum of this request.
    pub fn add_down(&self, bytes: usize) -> u64 {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64
    }

    /// What has come so far.
    pub fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Both together.
    pub fn total(&self) -> u64 {
        self.up.load(Ordering::Relaxed) + self.down.load(Ordering::Relaxed)
    }

    /// Whether more has left by the rule of this request, in all requests of the run together, than may leave by it.
    pub fn is_spent(&self) -> bool {
        self.sum
            .get()
            .is_some_and(|sum| sum.bytes.load(Ordering::Relaxed) > sum.limit)
    }

    fn count(&self, bytes: usize) {
        if let Some(sum) = self.sum.get() {
            sum.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

/// The record of a request that is under way.
#[derive(Debug)]
pub struct Entry {
    journal: Arc<Journal>,
    begun: Instant,
    traffic: Arc<Traffic>,
    target: Option<(String, u16)>,
    record: EgressRecord,
}

impl Entry {
    /// Says what became of the request; the last word counts. People are told of a refusal that they may change.
    pub fn decide(&mut self, verdict: Verdict, rule: Rule) {
        match verdict {
            Verdict::Denied => {
                if let Some(refused) = self.for_people(&rule) {
                    self.journal.notice(refused);
                }
            }
            Verdict::Allowed => {
                if let Some(sum) = self.journal.sum(&rule) {
                    // A request has one rule; the first stays.
                    let _ = self.traffic.sum.set(sum);
                }
            }
            Verdict::Failed => {}
        }
        self.record.verdict = verdict;
        self.record.rule = rule;
    }

    /// What people are told of a refusal by this rule; nothing where nobody may change it.
    pub fn for_people(&self, rule: &Rule) -> Option<Refused> {
        let phase = match self.record.phase? {
            phase @ (Phase::Setup | Phase::Work) => phase,
            Phase::Proof => return None,
        };
        let (host, port) = self.target.clone().filter(|_| rule.is_for_people())?;
        Some(Refused {
            at: self.record.at,
            phase,
            method: self.record.method.clone(),
            host,
            port,
            path: self.record.path.clone(),
            rule: rule.clone(),
            client: self.record.client.clone(),
        })
    }

    /// Counts the head of a request, in which words can leave as well as in a body. Call it after the request was
    /// decided; the body's own bytes stay apart.
    pub fn count_head(&self, head: &Parts) {
        let headers = head.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        let address = head
            .uri
            .path_and_query()
            .map_or(0, |path| path.as_str().len());
        self.traffic
            .count(head.method.as_str().len() + address + headers);
    }

    /// The request failed by no rule: the rule that let it through stays.
    pub fn fail(&mut self) {
        self.record.verdict = Verdict::Failed;
    }

    /// Notes the status that the sandbox sees.
    pub fn status(&mut self, status: u16) {
        self.record.status = Some(status);
    }

    /// The counters of this request.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut record = self.record.clone();
        record.bytes_up = self.traffic.up.load(Ordering::Relaxed);
        record.bytes_down = self.traffic.down.load(Ordering::Relaxed);
        record.elapsed = self.begun.elapsed();
        self.journal.write(record);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn asked() -> Asked {
        Asked {
            phase: Some(Phase::Work),
            method: "GET".repeat(100),
            host: "a.example".repeat(100),
            path: Some("/x".repeat(1_000)),
            target: Some(("a.example".to_owned(), 443)),
            client: Some("curl".to_owned()),
        }
    }

    #[tokio::test]
    async fn a_run_has_a_bounded_number_of_records_and_says_once_that_they_are_over() {
        let (log, mut records) = mpsc::channel(3 * 20_000);
        let journal = Arc::new(Journal::new(log, mpsc::channel(1).0, BTreeMap::new()));
        for verdict in [Verdict::Denied, Verdict::Allowed] {
            for _ in 0..MAX_RECORDS + 5 {
                let mut entry = journal.entry(asked());
                entry.decide(verdict, Rule::NotListed);
            }
        }
        assert_eq!(journal.dropped(), 10);
        let first = records.recv().await.unwrap();
        assert_eq!(first.path.unwrap().len(), MAX_PATH_CHARACTERS);
        assert_eq!((first.host.len(), first.method.len()), (300, 32));
        let (mut kept, mut last) = (1, 0);
        while let Ok(record) = records.try_recv() {
            kept += 1;
            last += u32::from(record.rule == Rule::LogFull);
        }
        // Refusals filled their own share, and left the other's alone.
        assert_eq!((kept, last), (2 * MAX_RECORDS + 2, 2));
    }

    #[tokio::test]
    async fn people_are_told_of_what_they_may_change_and_of_nothing_else() {
        let (log, _records) = mpsc::channel(100);
        let (sender, mut refused) = mpsc::channel(2);
        let journal = Arc::new(Journal::new(log, sender, BTreeMap::new()));
        let deny = |rule, phase, target: Option<(String, u16)>| {
            let asked = Asked {
                phase,
                target,
                ..asked()
            };
            journal.entry(asked).decide(Verdict::Denied, rule);
        };
        let host = Some(("a.example".to_owned(), 443));
        deny(Rule::AddressLiteral, Some(Phase::Work), host.clone());
        deny(Rule::GitReadOnly, Some(Phase::Work), host.clone());
        deny(
            Rule::Never("a.example".into()),
            Some(Phase::Work),
            host.clone(),
        );
        deny(Rule::NotListed, Some(Phase::Proof), host.clone());
        deny(Rule::NotListed, None, host.clone());
        deny(Rule::NotListed, Some(Phase::Work), None);
        assert!(refused.try_recv().is_err());
        for _ in 0..5 {
            deny(Rule::NotListed, Some(Phase::Setup), host.clone());
        }
        let notice = refused.recv().await.unwrap();
        assert_eq!((notice.host.as_str(), notice.port), ("a.example", 443));
        assert_eq!(notice.client.as_deref(), Some("curl"));
        assert_eq!(journal.unnoticed(), 3, "a full channel never waits");
        drop(refused);
        deny(Rule::NotListed, Some(Phase::Setup), host);
        assert_eq!(journal.unnoticed(), 3, "nobody wants them");
    }

    #[test]
    fn small_pieces_add_up_over_the_requests_of_a_rule() {
        let journal = Arc::new(Journal::new(
            mpsc::channel(1).0,
            mpsc::channel(1).0,
            BTreeMap::new(),
        ));
        let begin = |rule: Rule| {
            let mut entry = journal.entry(asked());
            entry.decide(Verdict::Allowed, rule);
            entry
        };
        let listed = || Rule::Listed("a.example".into());
        for _ in 0..16 {
            begin(listed()).traffic().add_up(1024 * 1024);
        }
        let entry = begin(listed());
        assert!(
            !entry.traffic().is_spent(),
            "exactly the limit is within it"
        );
        entry.traffic().add_up(1);
        assert!(entry.traffic().is_spent());
        assert!(
            begin(listed()).traffic().is_spent(),
            "and so is the next request"
        );
        assert!(!begin(Rule::Listed("b.example".into())).traffic().is_spent());
        let model = begin(Rule::BaseAddress("m".into()));
        model.traffic().add_up(64 * 1024 * 1024);
        assert!(!model.traffic().is_spent());
    }

    #[test]
    fn what_had_left_before_counts_when_the_way_out_is_opened_again() {
        const PIECE: usize = 6 * 1024 * 1024;
        let send = |before: BTreeMap<String, u64>| {
            let journal = Journal::new(mpsc::channel(1).0, mpsc::channel(1).0, before);
            let journal = Arc::new(journal);
            let mut entry = journal.entry(asked());
            entry.decide(Verdict::Allowed, Rule::Listed("a.example".into()));
            entry.traffic().add_up(PIECE);
            (entry.traffic().is_spent(), journal.left())
        };
        let (first, left) = send(BTreeMap::from([("granted b.example".to_owned(), 7)]));
        let (second, left) = send(left);
        let (third, left) = send(left);
        assert_eq!([first, second, third], [false, false, true]);
        let all = BTreeMap::from([
            ("granted b.example".to_owned(), 7),
            ("listed a.example".to_owned(), 3 * PIECE as u64),
        ]);
        assert_eq!(left, all);
    }
}
