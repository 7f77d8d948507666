//! A client that sends the same request over and over, over many connections: a process of its own, the same for every
//! server, so that what it costs is the same on both sides of a comparison.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Outcome;
use super::latencies::Latencies;

/// What is sent, where, and for how long.
#[derive(Debug, Clone, Args)]
pub(super) struct Load {
    #[arg(long)]
    pub(super) address: SocketAddr,
    #[arg(long)]
    pub(super) connections: u64,
    #[arg(long = "for")]
    pub(super) seconds: f64,
    #[arg(long)]
    pub(super) method: String,
    #[arg(long)]
    pub(super) path: String,
    #[arg(long, default_value = "")]
    pub(super) body: String,
}

/// What came back.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) requests: f64,
    pub(super) per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Load {
    /// Has a process of its own do it.
    pub(super) async fn in_its_own_process(&self) -> Outcome<Answered> {
        let mut program = tokio::process::Command::new(std::env::current_exe()?);
        program
            .args(["part", "load"])
            .args(["--address", &self.address.to_string()])
            .args(["--connections", &self.connections.to_string()])
            .args(["--for", &self.seconds.to_string()])
            .args(["--method", &self.method])
            .args(["--path", &self.path])
            .args(["--body", &self.body]);
        // `output` would swallow what the process says on its standard error.
        program.stdout(Stdio::piped()).kill_on_drop(true);
        let output = program.spawn()?.wait_with_output().await?;
        if !output.status.success() {
            return Err(format!("the client ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    pub(super) async fn run(self) -> Outcome<serde_json::Value> {
        let request = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            self.method,
            self.path,
            self.address,
            self.body.len(),
            self.body
        );
        let mut streams = Vec::new();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let begun = Instant::now();
        let end = begun + Duration::try_from_secs_f64(self.seconds)?;
        let mut connections = JoinSet::new();
        for stream in streams {
            connections.spawn(ask(stream, request.clone().into_bytes(), end));
        }
        let mut latencies = Latencies::default();
        while let Some(connection) = connections.join_next().await {
            latencies.extend(connection??);
        }
        let requests = latencies.count() as f64;
        Ok(json!(Answered {
            requests,
            per_s: requests / begun.elapsed().as_secs_f64(),
            p50_ms: latencies.median_ms(),
            p99_ms: latencies.percentile_ms(99),
        }))
    }
}

/// Sends the request and reads the answer, and once more, at least once and until the end.
async fn ask(mut stream: TcpStream, request: Vec<u8>, end: Instant) -> Outcome<Latencies> {
    let mut latencies = Latencies::default();
    let mut buffer = Vec::with_capacity(8 << 10);
    loop {
        let begun = Instant::now();
        stream.write_all(&request).await?;
        buffer.clear();
        while !is_whole(&buffer)? {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the server closed a connection".into());
            }
        }
        latencies.push(begun.elapsed());
        if Instant::now() >= end {
            return Ok(latencies);
        }
    }
}

/// True when all of an answer is there. Anything but a 200 is an error.
fn is_whole(answer: &[u8]) -> Outcome<bool> {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let text = std::str::from_utf8(&answer[..head])?;
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        return Err(format!("the server answered {status}").into());
    }
    let length =
        lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.ok_or("an answer without a length")?;
    Ok(answer.len() >= head + 4 + length.trim().parse::<usize>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n").unwrap());
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{").unwrap());
        assert!(is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap());
        assert!(is_whole(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
