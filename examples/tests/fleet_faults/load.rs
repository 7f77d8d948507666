//! Callers that start instances, raise events and wait for ends, at whatever worker, and hold what they are told against it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;

use super::dice::Dice;
use super::support::Http;

/// A start that was accepted, and what must come out.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) input: String,
    pub(crate) output: String,
}

impl Job {
    fn new(n: u64) -> Self {
        let (name, input, output) = match n % 7 {
            0 => ("steps", "5".to_owned(), 5),
            1 => ("fan", "20".to_owned(), 210),
            2 => ("nap", "150".to_owned(), 3),
            3 => ("ask", "null".to_owned(), 7),
            4 => ("family", "3".to_owned(), 6),
            5 => ("rounds", "[5, 0]".to_owned(), 5),
            _ => ("slow", "300".to_owned(), 450),
        };
        Self { id: format!("{name}-{n}"), name, input, output: output.to_string() }
    }
}

/// What all callers share.
pub(crate) struct Load {
    http: Http,
    /// Where the workers listen at present.
    pub(crate) bases: Mutex<Vec<String>>,
    pub(crate) accepted: Mutex<Vec<Job>>,
    next: AtomicU64,
    pub(crate) is_over: AtomicBool,
    /// The longest time from an accepted start to its end, as its caller saw it.
    pub(crate) longest: Mutex<Duration>,
    pub(crate) awaited: AtomicU64,
}

/// How long a caller waits for an answer before it asks another worker.
const PATIENCE: Duration = Duration::from_secs(3);

impl Load {
    pub(crate) fn new(bases: Vec<String>) -> Arc<Self> {
        Arc::new(Self {
            http: Http::new(),
            bases: Mutex::new(bases),
            accepted: Mutex::default(),
            next: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            longest: Mutex::default(),
            awaited: AtomicU64::new(0),
        })
    }

    /// Asks one worker after the other until one answers.
    async fn send(&self, dice: &mut Dice, method: Method, path: &str, body: &str) -> (u16, String) {
        let mut refused = 0;
        loop {
            let uri = {
                let bases = self.bases.lock().unwrap();
                format!("{}/{path}", bases[usize::try_from(dice.below(bases.len() as u64)).unwrap()])
            };
            let sent = self.http.send(method.clone(), &uri, body);
            match tokio::time::timeout(PATIENCE, sent).await {
                Ok(Some((503, _)) | None) | Err(_) => {}
                Ok(Some((500, body))) => {
                    refused += 1;
                    assert!(refused < 100, "{path}: {body}");
                }
                Ok(Some(answer)) => return answer,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn start(&self, dice: &mut Dice, job: &Job) {
        let path = format!("orchestrators/{}/{}", job.name, job.id);
        let (status, body) = self.send(dice, Method::POST, &path, &job.input).await;
        // 409: the answer to an earlier try was lost.
        assert!(matches!(status, 202 | 409), "{path}: {status} {body}");
        self.accepted.lock().unwrap().push(job.clone());
    }

    /// Raises these of the events A, B and C.
    pub(crate) async fn raise(&self, dice: &mut Dice, id: &str, names: &[&str]) {
        for name in names {
            let value = 1 + name.bytes().map(|letter| letter - b'A').sum::<u8>();
            let path = format!("instances/{id}/raiseEvent/{name}");
            let (status, body) = self.send(dice, Method::POST, &path, &value.to_string()).await;
            // 410: the answer to an earlier try was lost, and the instance has ended with it.
            assert!(status == 202 || status == 410 && *name == "C", "{path}: {status} {body}");
        }
    }

    pub(crate) async fn wait(&self, dice: &mut Dice, job: &Job) {
        let begin = Instant::now();
        let body = loop {
            let (status, body) = self.send(dice, Method::GET, &format!("instances/{}?timeout=2", job.id), "").await;
            match status {
                200 => break body,
                202 => {}
                _ => panic!("{}: {status} {body}", job.id),
            }
            assert!(begin.elapsed() < Duration::from_secs(90), "{} does not end: {body}", job.id);
        };
        let output = format!(r#""output":{}"#, job.output);
        assert!(body.contains(r#""runtimeStatus":"Completed""#) && body.contains(&output), "{}: {body}", job.id);
        let mut longest = self.longest.lock().unwrap();
        *longest = begin.elapsed().max(*longest);
        self.awaited.fetch_add(1, Ordering::Relaxed);
    }

    /// One caller: starts one instance after the other; for every second of them it waits.
    pub(crate) async fn call(self: Arc<Self>, mut dice: Dice) {
        while !self.is_over.load(Ordering::Relaxed) {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let job = Job::new(n);
            self.start(&mut dice, &job).await;
            if job.name == "ask" {
                self.raise(&mut dice, &job.id, &["A", "B", "C"]).await;
            }
            if n.is_multiple_of(2) {
                self.wait(&mut dice, &job).await;
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
