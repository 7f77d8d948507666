//! One transaction for a batch of writes, in two round trips.
//!
//! The first locks the rows of all instances that the writes are about, in the order of their keys, and reads what the
//! writes must know. Under these locks the writes are carried out one after the other in memory, on a [`Work`]; what they
//! change is collected by table, and the second round trip writes it and commits. A batch whose writes depend on each other
//! in ways that the memory does not follow is cut into several stages of the same transaction.
//!
//! What a page of claimed instances has is read after the commit, unless the rest of the batch changes it.

mod blocked;
mod changes;
mod columns;
mod load;
mod stage;
mod work;

pub(super) use self::blocked::blocked;
pub(super) use self::changes::free_text;
pub(super) use self::load::{load_found, load_taken, read_claimed};
pub(super) use self::stage::Answer;
pub(super) use self::work::{Instance, Work};
use super::claim::Taken;
use super::commit::apply;
use super::connection::{Connection, Step};
use super::error::{Failure, Result};
use super::pool::Pooled;
use super::{claim, expire};
use crate::backend::{Write, Written};

/// How often a batch may come too late for an id that somebody else takes, before this is told as an error.
const RACES: usize = 5;

/// The payloads of one stage, in bytes. More are cut into several, so that no message to the server grows too large.
const MOST_BYTES: usize = 64 << 20;

/// Whether the server was asked to commit. Until then, no error leaves any doubt that nothing happened.
#[derive(Debug, Default)]
pub(super) struct Asked(pub(super) bool);

pub(super) async fn commit(connection: &Pooled<'_>, batch: &[Write], asked: &mut Asked) -> Result<Vec<Written>> {
    let mut with_claims = false;
    for _ in 1..RACES {
        match attempt(connection, batch, with_claims, asked).await {
            // An id came into being that was not there a moment ago. Nothing happened; now it is there.
            Err(failure) if failure.is_duplicate_of("instances_by_id") => {}
            // The result of a call is there that others have taken. Nothing happened; now they are looked at first.
            Err(failure) if failure.is_division_by_zero() && !with_claims => with_claims = true,
            end => return end,
        }
    }
    attempt(connection, batch, with_claims, asked).await
}

async fn attempt(
    connection: &Pooled<'_>,
    batch: &[Write],
    with_claims: bool,
    asked: &mut Asked,
) -> Result<Vec<Written>> {
    *asked = Asked(false);
    connection.begin();
    let mut answers = Answers::default();
    let end = transact(connection, batch, with_claims, asked, &mut answers).await;
    if end.is_ok() {
        // Nothing is locked any more. That fails as if the answer to the commit were lost.
        answers.complete(connection, false).await.map_err(Failure::after_commit)?;
    }
    // After a failure the transaction may be gone already, and the connection too.
    if end.is_ok() || connection.client().batch_execute("ROLLBACK").await.is_ok() {
        connection.end();
    }
    end.map(|()| answers.known)
}

/// The answers to the first writes of a batch.
#[derive(Default)]
struct Answers {
    known: Vec<Written>,
    /// One of them is not complete yet: this is what it is about.
    taken: Option<(usize, Vec<Taken>)>,
}

impl Answers {
    fn len(&self) -> usize {
        self.known.len()
    }

    async fn complete(&mut self, connection: &Connection, in_transaction: bool) -> Result<()> {
        if let Some((at, taken)) = self.taken.take()
            && let Some(answer) = self.known.get_mut(at)
        {
            *answer = claim::read_taken(connection, &taken, in_transaction).await?;
        }
        Ok(())
    }

    /// The same only if what is known now may change what was taken.
    async fn complete_before(&mut self, connection: &Connection, work: &Work<'_>) -> Result<()> {
        let changes =
            |(_, taken): &(usize, Vec<Taken>)| taken.iter().any(|taken| work.instances.contains_key(&taken.key));
        if self.taken.as_ref().is_some_and(changes) { self.complete(connection, true).await } else { Ok(()) }
    }
}

async fn transact(
    connection: &Pooled<'_>,
    batch: &[Write],
    with_claims: bool,
    asked: &mut Asked,
    answers: &mut Answers,
) -> Result<()> {
    let mut begins = true;
    if batch.len() > 1 && batch.iter().any(is_search) {
        // Whoever holds what it has found must not wait for other locks any more.
        load::load(connection, begins, batch, with_claims).await?;
        begins = false;
    }
    while let Some(first) = batch.get(answers.len()) {
        if is_search(first) {
            answers.complete(connection, true).await?;
            search(connection, begins, first, answers).await?;
            if answers.len() == batch.len() {
                *asked = Asked(true);
                connection.query("COMMIT", &[]).await?;
            }
        } else {
            let rest = &batch[answers.len()..];
            let rest = &rest[..rest.iter().position(is_search).unwrap_or(rest.len())];
            let mut work = load::load(connection, begins, rest, with_claims).await?;
            answers.complete_before(connection, &work).await?;
            let mut done = Vec::new();
            for write in rest {
                if work.changes.bytes() > MOST_BYTES {
                    break;
                }
                let Some(answer) = apply(&mut work, write)? else { break };
                let is_claim = matches!(answer, Answer::Activities(_));
                done.push(answer);
                if is_claim {
                    break;
                }
            }
            let is_last = answers.len() + done.len() == batch.len();
            *asked = Asked(is_last);
            flush(connection, work, is_last, done, &mut answers.known).await?;
        }
        begins = false;
    }
    Ok(())
}

/// Whether a write is a stage of its own: it must find what it is about.
fn is_search(write: &Write) -> bool {
    matches!(write, Write::ClaimReady { .. } | Write::Expire { .. })
}

async fn search(connection: &Connection, begins: bool, write: &Write, answers: &mut Answers) -> Result<()> {
    let written = match write {
        Write::ClaimReady { worker, after, limit, runs, again } => {
            let taken = claim::claim_ready(connection, begins, *worker, *after, *limit, runs, *again).await?;
            answers.taken = Some((answers.len(), taken));
            Written::Taken(Vec::new())
        }
        Write::Expire { status, through, limit } => {
            expire::expire(connection, begins, *status, *through, *limit).await?
        }
        _ => return Err(Failure::corrupt("a write that knows what it is about was to find it")),
    };
    answers.known.push(written);
    Ok(())
}

/// Writes what a stage has changed that answers nothing but what is known.
pub(super) async fn write(connection: &Connection, mut work: Work<'_>) -> Result<()> {
    work.settle()?;
    let mut steps = Vec::new();
    work.changes.steps(&mut steps);
    connection.run(&steps).await.map(|_| ())
}

async fn flush(
    connection: &Pooled<'_>,
    mut work: Work<'_>,
    is_last: bool,
    done: Vec<Answer>,
    answers: &mut Vec<Written>,
) -> Result<()> {
    work.settle()?;
    let mut steps = Vec::new();
    work.changes.steps(&mut steps);
    // A claim of activities is the last of its stage: the server finds what there is to claim.
    if let Some(Answer::Activities(claim)) = done.last() {
        claim.steps(&mut steps);
    }
    let claim_at = steps.len().saturating_sub(1);
    if is_last {
        steps.push(Step { sql: "COMMIT", params: Vec::new() });
    }
    let rows = connection.run(&steps).await?;
    for answer in done {
        answers.push(match answer {
            Answer::Known(written) => written,
            Answer::Activities(_) => {
                claim::claimed_activities(rows.get(claim_at).map(Vec::as_slice).unwrap_or_default())?
            }
        });
    }
    Ok(())
}
