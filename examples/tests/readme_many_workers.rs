//! The README's walk through many workers on one hub, command by command as it stands there, with `bash` and `curl`. Only the
//! ports, the database and the load balancer are others: a small one here does what the README's configuration says.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../durable-core/tests/support/postgres.rs"]
mod postgres;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use postgres::Schema;
use serde_json::Value;
use tokio::net::TcpStream;

/// The commands of the README's section.
fn blocks() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("### Many workers, one hub").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let blocks = section.split("```bash\n").skip(1).map(|block| block.split_once("```").unwrap().0.to_owned());
    blocks.collect()
}

/// The same commands for this test: the port of the load balancer is the first of these.
fn adapt(block: &str, schema: &Schema, ports: [u16; 4]) -> String {
    let mut text = block
        .replace("postgres://me:secret@127.0.0.1/mydb", &format!("'{}'", postgres::url()))
        .replace("cargo build --release -p examples --bin demo", "")
        .replace("${CARGO_TARGET_DIR:-target}/release/demo", env!("CARGO_BIN_EXE_demo"))
        .replace("$demo --listen", &format!("$demo --schema '{}' --listen", schema.name));
    for (n, port) in ports.iter().enumerate() {
        text = text.replace(&format!(":707{n}"), &format!(":{port}"));
    }
    text.lines().filter(|line| !line.starts_with("nginx ")).map(|line| format!("{line}\n")).collect()
}

/// A shell with all that it has started. Dropping it ends them.
struct Shell(Child);

impl Shell {
    fn start(dir: &std::path::Path) -> Self {
        let mut bash = Command::new("bash");
        bash.current_dir(dir).env("RUST_LOG", "info").process_group(0);
        bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(bash.spawn().expect("bash is there"))
    }

    fn tell(&mut self, commands: &str) {
        self.0.stdin.as_mut().unwrap().write_all(commands.as_bytes()).unwrap();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-9", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// Passes each connection on to the next of these ports that takes it.
async fn balance(listener: TcpListener, ports: Vec<u16>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut ports = ports.into_iter().cycle();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = loop {
            if let Ok(server) = TcpStream::connect(("127.0.0.1", ports.next().unwrap())).await {
                break server;
            }
        };
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
    }
}

/// Where the configuration says that requests go.
fn upstreams(conf: &str) -> Vec<u16> {
    let servers = conf.lines().filter_map(|line| line.trim().strip_prefix("server 127.0.0.1:"));
    servers.map(|port| port.trim_end_matches(';').parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_through_does_what_it_says() {
    let blocks = blocks();
    let [start, balancer, begin, kill, end] = <[String; 5]>::try_from(blocks).unwrap();
    let schema = Schema::new();
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [0, 1, 2, 3].map(|n: usize| listeners[n].local_addr().unwrap().port());
    let [front, others @ ..] = listeners;
    drop(others);
    let adapt = |block: &str| adapt(block, &schema, ports);

    let dir = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(dir.path());
    let mut log = BufReader::new(shell.0.stderr.take().unwrap());
    shell.tell(&adapt(&start));
    let mut listening = 0;
    while listening < 3 {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the shell ended");
        assert!(!line.contains("Error"), "{line}");
        listening += usize::from(line.contains("address="));
    }
    // Whatever they log from now on must not fill the pipe.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::stderr()));

    let upstreams = upstreams(&adapt(&balancer));
    assert_eq!(upstreams, ports[1..], "it serves all three");
    tokio::spawn(balance(front, upstreams));
    for block in [&balancer, &begin, &kill, &end] {
        shell.tell(&adapt(block));
    }
    drop(shell.0.stdin.take());
    let mut said = String::new();
    let mut output = shell.0.stdout.take().unwrap();
    let said = tokio::task::spawn_blocking(move || output.read_to_string(&mut said).map(|_| said)).await.unwrap();
    let said: Vec<Value> = said.unwrap().lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(said.len(), 7, "{said:#?}");
    let has = |status: &Value, expected: &[&str]| expected.iter().any(|expected| status["runtimeStatus"] == *expected);
    assert!(said[..3].iter().all(|status| has(status, &["Running", "Pending"])), "{said:#?}");
    assert!(said[3..6].iter().all(|status| has(status, &["Completed"])), "{said:#?}");
    assert!(said[3..6].iter().all(|status| status["output"].to_string().contains("Ada")), "{said:#?}");
    assert!(said[6].is_number() || said[6]["output"].is_number(), "the fan-out ended: {said:#?}");
}
