//! An account of every change of hands and every turn, which the database itself keeps while the workers know nothing of it.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use super::load::Job;

/// Within a schema that has the tables of a hub.
const TRACE: &str = "
CREATE TABLE trace (
    n bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), key bigint NOT NULL, id text NOT NULL,
    old_epoch bigint, new_epoch bigint, old_owner bigint, new_owner bigint, old_turn bigint, new_turn bigint,
    -- The process whose connection did it.
    process text NOT NULL DEFAULT current_setting('application_name'));
CREATE INDEX ON trace (key, n);
CREATE TABLE processes (worker bigint NOT NULL, process text NOT NULL DEFAULT current_setting('application_name'));
CREATE FUNCTION trace_instance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO trace (key, id, new_epoch, new_owner, new_turn)
        VALUES (NEW.key, NEW.id, NEW.epoch, NEW.owner, NEW.turn);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO trace (key, id, old_epoch, old_owner, old_turn)
        VALUES (OLD.key, OLD.id, OLD.epoch, OLD.owner, OLD.turn);
    ELSIF (OLD.epoch, OLD.turn) IS DISTINCT FROM (NEW.epoch, NEW.turn) OR OLD.owner IS DISTINCT FROM NEW.owner THEN
        INSERT INTO trace (key, id, old_epoch, new_epoch, old_owner, new_owner, old_turn, new_turn)
        VALUES (NEW.key, NEW.id, OLD.epoch, NEW.epoch, OLD.owner, NEW.owner, OLD.turn, NEW.turn);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION trace_worker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO processes (worker) VALUES (NEW.worker);
    RETURN NULL;
END $$;
CREATE TRIGGER trace AFTER INSERT OR UPDATE OR DELETE ON instances FOR EACH ROW EXECUTE FUNCTION trace_instance();
CREATE TRIGGER trace AFTER INSERT ON workers FOR EACH ROW EXECUTE FUNCTION trace_worker();
";

/// What must find nothing, with a name for it.
const NEVER: &[(&str, &str)] = &[
    // Each result of a call takes an instance from its dead owner, and one commit may have several: epochs are left out then.
    (
        "an epoch or a turn went back, or a turn was skipped",
        "SELECT id, n::text FROM trace
         WHERE new_epoch < old_epoch OR new_turn < old_turn OR new_turn > old_turn + 1",
    ),
    (
        "a change that does not go on from the one before",
        "SELECT id, n::text FROM (
             SELECT *, lag(new_epoch) OVER w AS epoch, lag(new_turn) OVER w AS turn, lag(new_owner) OVER w AS owner,
                    row_number() OVER w AS place
             FROM trace WINDOW w AS (PARTITION BY key ORDER BY n)) AS t
         WHERE place > 1 AND (epoch, turn) IS DISTINCT FROM (old_epoch, old_turn) OR place > 1 AND owner IS DISTINCT FROM old_owner",
    ),
    (
        "two processes committed turns for the same instance and epoch",
        "SELECT min(id), string_agg(DISTINCT process, ' ') FROM trace WHERE new_turn > old_turn
         GROUP BY key, old_epoch HAVING count(DISTINCT process) > 1",
    ),
    (
        "a turn was committed by somebody who is not the owner",
        "SELECT t.id, t.process FROM trace t LEFT JOIN processes p ON p.worker = t.old_owner
         WHERE t.new_turn > t.old_turn AND t.old_owner IS NOT NULL AND p.process IS DISTINCT FROM t.process",
    ),
    (
        "a turn changed the epoch",
        "SELECT id, process FROM trace WHERE new_turn > old_turn AND new_epoch <> old_epoch",
    ),
    (
        "an epoch had two owners",
        "SELECT min(id), string_agg(DISTINCT new_owner::text, ' ') FROM trace
         GROUP BY key, new_epoch HAVING count(DISTINCT new_owner) > 1",
    ),
    (
        "somebody else became the owner in the same epoch",
        "SELECT id, process FROM trace WHERE new_owner IS NOT NULL AND old_epoch = new_epoch
         AND old_owner IS DISTINCT FROM new_owner",
    ),
    ("an instance disappeared", "SELECT id, process FROM trace WHERE new_epoch IS NULL"),
    ("a message is left", "SELECT id, kind FROM inbox JOIN instances USING (key)"),
    ("a call is left", "SELECT id, a.name FROM activities a JOIN instances USING (key)"),
    ("a timer is left", "SELECT id, call::text FROM timers JOIN instances USING (key)"),
    ("an instance did not complete", "SELECT id, status || coalesce(' ' || reason, '') FROM instances WHERE status <> 'Completed'"),
    (
        "an instance and its account differ",
        "SELECT i.id, i.turn::text FROM instances i
         WHERE (i.epoch, i.turn) IS DISTINCT FROM
               (SELECT (t.new_epoch, t.new_turn) FROM trace t WHERE t.key = i.key ORDER BY n DESC LIMIT 1)",
    ),
    (
        "a history has gaps or another length than its instance says",
        "SELECT i.id, i.history_len::text FROM instances i LEFT JOIN history h USING (key)
         GROUP BY i.key HAVING count(h.seq) <> i.history_len OR min(h.seq) <> 1 OR max(h.seq) <> i.history_len",
    ),
    (
        "turns in a history go back, or further than the instance",
        "SELECT id, seq::text FROM (
             SELECT i.id, h.seq, h.turn, i.turn AS last, lag(h.turn) OVER (PARTITION BY key ORDER BY h.seq) AS before
             FROM history h JOIN instances i USING (key)) AS t
         WHERE before > turn OR turn > last",
    ),
    (
        "what was scheduled did not complete exactly once",
        "SELECT i.id, h.task_id || ': ' || string_agg(h.kind || ' in turn ' || h.turn, ', ' ORDER BY h.seq) FROM history h JOIN instances i USING (key)
         WHERE h.kind IN ('TaskScheduled', 'TimerCreated', 'SubOrchestrationInstanceCreated', 'TaskCompleted', 'TimerFired',
                          'SubOrchestrationInstanceCompleted')
         GROUP BY i.id, h.key, h.task_id
         HAVING string_agg(h.kind, ' ' ORDER BY h.seq) NOT IN ('TaskScheduled TaskCompleted', 'TimerCreated TimerFired',
                          'SubOrchestrationInstanceCreated SubOrchestrationInstanceCompleted')",
    ),
    (
        "an execution did not end exactly once, at the end",
        "SELECT i.id, count(*)::text FROM instances i JOIN history h USING (key) GROUP BY i.key
         HAVING count(*) FILTER (WHERE h.kind = 'ExecutionCompleted') <> 1
             OR max(h.seq) <> max(h.seq) FILTER (WHERE h.kind = 'ExecutionCompleted')",
    ),
    (
        "a child that nobody started, or that was started twice",
        "SELECT min(c.id), count(*)::text FROM instances c WHERE c.parent IS NOT NULL
         GROUP BY c.parent, c.parent_call HAVING count(*) > 1",
    ),
];

/// Looks into the tables of a hub by itself.
pub(crate) struct Observer {
    pub(crate) client: Client,
}

impl Observer {
    pub(crate) async fn connect(url: &str, schema: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = \"{schema}\"")).await.unwrap();
        Self { client }
    }

    /// From here on, the database keeps account.
    pub(crate) async fn install(&self) {
        self.client.batch_execute(TRACE).await.unwrap();
        self.client.batch_execute("INSERT INTO processes SELECT worker, 'w0.0' FROM workers").await.unwrap();
    }

    async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until nothing runs any more.
    pub(crate) async fn quiet(&self, patience: Duration) {
        let sql =
            "SELECT count(*) FROM instances WHERE status NOT IN ('Completed', 'Failed', 'Canceled', 'Terminated')";
        let end = tokio::time::Instant::now() + patience;
        while self.number(sql).await > 0 {
            if tokio::time::Instant::now() > end {
                let sql = "SELECT format('%s %s owner %s epoch %s turn %s crashes %s inbox %s calls %s timers %s', id, status,
                        owner, epoch, turn, crashes, (SELECT count(*) FROM inbox m WHERE m.key = i.key),
                        (SELECT string_agg(format('%s/%s/%s', place, runner, deliveries), ' ') FROM activities a WHERE a.key = i.key),
                        (SELECT count(*) FROM timers t WHERE t.key = i.key))
                    FROM instances i WHERE status NOT IN ('Completed', 'Failed', 'Canceled', 'Terminated') ORDER BY key";
                let stuck = self.client.query(sql, &[]).await.unwrap();
                let stuck: Vec<String> = stuck.iter().map(|row| row.get(0)).collect();
                panic!("{} instances do not end:\n{}", stuck.len(), stuck.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Holds the tables against what was accepted.
    pub(crate) async fn check(&self, accepted: &[Job]) {
        for (what, sql) in NEVER {
            let found = self.client.query(*sql, &[]).await.unwrap();
            let found: Vec<(String, String)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
            if let Some((id, _)) = found.first() {
                self.show(id).await;
            }
            assert!(found.is_empty(), "{what}, {} times: {:?}", found.len(), &found[..found.len().min(10)]);
        }
        let rows = self.client.query("SELECT id, output, parent IS NULL FROM instances", &[]).await.unwrap();
        let outputs: HashMap<String, Option<String>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        for job in accepted {
            let output = outputs.get(&job.id).unwrap_or_else(|| panic!("{} was accepted and is lost", job.id));
            assert_eq!(output.as_ref(), Some(&job.output), "{}", job.id);
        }
        let roots = rows.iter().filter(|row| row.get(2)).count();
        assert_eq!(roots, accepted.len(), "what nobody was told of was not started either");
    }

    /// What is known of an instance.
    async fn show(&self, id: &str) {
        for sql in [
            "SELECT format('%s %s %s: epoch %s to %s, owner %s to %s, turn %s to %s, by %s', n, at, id, old_epoch, new_epoch,
                 old_owner, new_owner, old_turn, new_turn, process) FROM trace WHERE id = $1 ORDER BY n",
            "SELECT format('%s in turn %s at %s: %s %s', seq, h.turn, to_timestamp(time / 1e7), kind, task_id)
             FROM history h JOIN instances i USING (key) WHERE id = $1 ORDER BY seq",
            "SELECT format('worker %s is %s', worker, process) FROM processes WHERE $1 <> '' ORDER BY worker",
        ] {
            let rows = self.client.query(sql, &[&id]).await.unwrap();
            rows.iter().for_each(|row| eprintln!("{}", row.get::<_, String>(0)));
        }
    }

    /// What happened, for people.
    pub(crate) async fn tell(&self) {
        let hands = "SELECT count(*) FROM trace WHERE new_epoch > old_epoch";
        let turns = "SELECT count(*) FROM trace WHERE new_turn > old_turn";
        let workers = "SELECT count(*) FROM workers";
        eprintln!(
            "{} instances, {} turns, {} changes of hands, {} workers",
            self.number("SELECT count(*) FROM instances").await,
            self.number(turns).await,
            self.number(hands).await,
            self.number(workers).await
        );
    }
}
