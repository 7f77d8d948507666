//! What breaks determinism, and what to use in its place.

use proc_macro2::{TokenStream, TokenTree};

/// A group of paths with one replacement.
struct Rule {
    /// Before the `/` is the part of a path that an import may have taken away. A `*` stands for any text within a
    /// segment, `**` for one or more segments.
    paths: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        paths: &[
            "std::time/SystemTime::now",
            "std::time/Instant::now",
            "tokio::time/Instant::now",
            "chrono::offset/Utc::now",
            "chrono::offset/Local::now",
            "chrono/Utc::now",
            "chrono/Local::now",
            "time/OffsetDateTime::now_*",
            "jiff/Timestamp::now",
            "jiff/Zoned::now",
        ],
        why: "a replay reads another time: use `ctx.now()`",
    },
    Rule {
        paths: &[
            "tokio/time::sleep",
            "tokio/time::sleep_until",
            "tokio/time::timeout",
            "tokio/time::timeout_at",
            "tokio/time::interval",
            "tokio/time::interval_at",
            "std/thread::sleep",
            "std/thread::sleep_until",
            "async_std/task::sleep",
            "futures_timer/Delay::new",
        ],
        why: "it waits in this process only, and not across a restart: use `ctx.create_timer(..)`",
    },
    Rule {
        paths: &[
            "/tokio::spawn",
            "tokio/task::*spawn*",
            "tokio::task/spawn_blocking",
            "tokio::task/block_in_place",
            "tokio::task/JoinSet::new",
            "tokio::runtime/Handle::current",
            "tokio::runtime/Runtime::new",
            "std/thread::**",
            "/rayon::**",
            "/smol::spawn",
        ],
        why: "it runs outside the orchestrator's control: call an activity, or join futures with `futures::future`",
    },
    Rule {
        paths: &[
            "std/fs::**",
            "tokio/fs::**",
            "std::fs/File::open",
            "std::fs/File::create",
            "std::fs/File::create_new",
            "std::fs/OpenOptions::new",
            "std::net/TcpStream::connect*",
            "std::net/TcpListener::bind",
            "std::net/UdpSocket::bind",
            "tokio::net/TcpStream::connect*",
            "tokio::net/TcpListener::bind",
            "tokio::net/UdpSocket::bind",
            "tokio::net/UnixStream::connect",
            "tokio::net/UnixListener::bind",
            "tokio/net::lookup_host",
            "/reqwest::get",
            "/reqwest::Client::*",
            "/reqwest::ClientBuilder::*",
            "/reqwest::blocking::**",
            "std/process::exit",
            "std/process::abort",
            "std/process::id",
            "std::process/Command::new",
            "tokio::process/Command::new",
            "std::io/stdin",
            "tokio::io/stdin",
        ],
        why: "a replay would do it again: do it in an activity",
    },
    Rule {
        paths: &[
            "/rand::*",
            "rand/thread_rng",
            "rand::rngs/OsRng",
            "/fastrand::**",
            "/getrandom::**",
            "getrandom/getrandom",
        ],
        why: "a replay draws other numbers: use `ctx.rng()`",
    },
    Rule {
        paths: &["uuid/Uuid::new_v4", "uuid/Uuid::now_v*", "ulid/Ulid::new"],
        why: "a replay makes another id: use `ctx.new_guid()`",
    },
    Rule {
        paths: &["std/env::*"],
        why: "a replay may run in another environment: pass it in the input, or read it in an activity",
    },
];

/// What is wrong with the use of this path, if anything.
pub(super) fn of_path(segments: &[String]) -> Option<String> {
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let rule = RULES.iter().find(|rule| rule.paths.iter().any(|pattern| matches(pattern, &path)))?;
    Some(format!("`{}` is not deterministic: {}", path.join("::"), rule.why))
}

/// What is wrong with the call of this macro, if anything.
pub(super) fn of_macro(segments: &[String], arguments: &TokenStream) -> Option<String> {
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    // A bare `select!` is taken for ours: the prelude brings it, and the text does not tell the others from it.
    let is_select = ["/tokio::select", "/futures::select", "/futures_util::select"].iter().any(|p| matches(p, &path));
    if !is_select || is_biased(arguments) {
        return None;
    }
    Some(format!(
        "`{}!` picks a branch at random: use `durable_core::select!`, which looks at them in the order of the text",
        path.join("::")
    ))
}

/// True when the arguments begin with `biased;`.
fn is_biased(arguments: &TokenStream) -> bool {
    let mut tokens = arguments.clone().into_iter();
    matches!(tokens.next(), Some(TokenTree::Ident(ident)) if ident == "biased")
        && matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ';')
}

/// True when `path` is `pattern`, or what is left of it behind an import.
fn matches(pattern: &str, path: &[&str]) -> bool {
    let Some((optional, required)) = pattern.split_once('/') else { return false };
    let optional: Vec<&str> = optional.split("::").filter(|segment| !segment.is_empty()).collect();
    let required: Vec<&str> = required.split("::").collect();
    (0..=optional.len()).any(|imported| {
        let whole: Vec<&str> = optional[imported..].iter().chain(&required).copied().collect();
        match whole.split_last() {
            Some((&"**", head)) => path.len() > head.len() && all_match(head, &path[..head.len()]),
            _ => path.len() == whole.len() && all_match(&whole, path),
        }
    })
}

fn all_match(patterns: &[&str], segments: &[&str]) -> bool {
    patterns.iter().zip(segments).all(|(pattern, segment)| {
        let inner = pattern.trim_matches('*');
        match (pattern.starts_with('*'), pattern.ends_with('*')) {
            (true, true) => segment.contains(inner),
            (false, true) => segment.starts_with(inner),
            (true, false) => segment.ends_with(inner),
            (false, false) => *segment == *pattern,
        }
    })
}
