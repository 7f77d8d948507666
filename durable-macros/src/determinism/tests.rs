//! Snippets, and what is found in them.

use quote::ToTokens;

use super::check;
use crate::errors::Errors;

/// The messages for an orchestrator with this body.
fn messages(body: &str) -> Vec<String> {
    let mut item = syn::parse_str(&format!("async fn f(ctx: C) {{ {body} }}")).expect(body);
    let mut errors = Errors::default();
    check(&mut item, &mut errors);
    assert!(!item.to_token_stream().to_string().contains("nondeterministic"), "an opt-out stayed in {body}");
    errors.messages()
}

/// Holds for a snippet: exactly one message for each of `expected`, containing it, in this order.
#[track_caller]
fn finds(body: &str, expected: &[&str]) {
    let messages = messages(body);
    let is_right =
        messages.len() == expected.len() && messages.iter().zip(expected).all(|(message, part)| message.contains(part));
    assert!(is_right, "{body}\n  gave {messages:#?}\n  and not {expected:#?}");
}

#[test]
fn each_kind_names_its_replacement() {
    for (body, replacement) in [
        ("SystemTime::now();", "`ctx.now()`"),
        ("std::time::SystemTime::now();", "`ctx.now()`"),
        ("let t = ::std::time::Instant::now();", "`ctx.now()`"),
        ("Utc::now();", "`ctx.now()`"),
        ("chrono::Local::now();", "`ctx.now()`"),
        ("time::OffsetDateTime::now_utc();", "`ctx.now()`"),
        ("jiff::Timestamp::now();", "`ctx.now()`"),
        ("Zoned::now();", "`ctx.now()`"),
        ("tokio::time::sleep(d).await;", "`ctx.create_timer(..)`"),
        ("time::timeout(d, f).await;", "`ctx.create_timer(..)`"),
        ("std::thread::sleep(d);", "`ctx.create_timer(..)`"),
        ("thread::sleep(d);", "`ctx.create_timer(..)`"),
        ("tokio::spawn(f);", "call an activity"),
        ("tokio::task::spawn_local(f);", "call an activity"),
        ("task::spawn_blocking(f);", "call an activity"),
        ("spawn_blocking(f);", "call an activity"),
        ("thread::spawn(f);", "call an activity"),
        ("std::thread::Builder::new();", "call an activity"),
        ("rayon::join(a, b);", "call an activity"),
        ("tokio::fs::read(p).await;", "in an activity"),
        ("std::fs::read_to_string(p);", "in an activity"),
        ("fs::write(p, b);", "in an activity"),
        ("File::open(p);", "in an activity"),
        ("std::net::TcpStream::connect(a);", "in an activity"),
        ("TcpListener::bind(a);", "in an activity"),
        ("reqwest::get(u).await;", "in an activity"),
        ("reqwest::Client::new();", "in an activity"),
        ("Command::new(c);", "in an activity"),
        ("std::io::stdin();", "in an activity"),
        ("stdin();", "in an activity"),
        ("rand::random::<u64>();", "`ctx.rng()`"),
        ("thread_rng();", "`ctx.rng()`"),
        ("rand::rng();", "`ctx.rng()`"),
        ("fastrand::u8(..);", "`ctx.rng()`"),
        ("getrandom::fill(b);", "`ctx.rng()`"),
        ("Uuid::new_v4();", "`ctx.new_guid()`"),
        ("uuid::Uuid::now_v7();", "`ctx.new_guid()`"),
        ("Ulid::new();", "`ctx.new_guid()`"),
        ("std::env::var(n);", "in the input"),
        ("env::vars();", "in the input"),
        ("env::args();", "in the input"),
        ("tokio::select! { a = b => {} }", "`durable_core::select!`"),
        ("futures::select! { a = b => {} }", "`durable_core::select!`"),
        ("futures_util::select! { a = b => {} }", "`durable_core::select!`"),
    ] {
        finds(body, &[replacement]);
    }
}

#[test]
fn what_only_looks_like_it_passes() {
    for body in [
        "spawn(f);",
        "random();",
        "self.rng.random();",
        "clock.now();",
        "crate::clock::SystemTime::now();",
        "crate::fs::read(p);",
        "MyFile::open(p);",
        "env!(\"HOME\");",
        "println!(\"{}\", a.spawn());",
        "stringify!(SystemTime::now());",
        "let text = \"SystemTime::now()\";",
        "tokio::select! { biased; a = b => {} }",
        "futures::select_biased! { a = b => {} }",
        "durable_core::select! { a = b => {} }",
        "select! { a = b => {} }",
        "join!(a, b);",
        "durable_core::try_join!(a, b);",
        "tokio::join!(a, b);",
        "futures::try_join!(a, b);",
        "let c: reqwest::StatusCode = reqwest::StatusCode::OK;",
        "std::net::Ipv4Addr::LOCALHOST;",
        "rand::rngs::StdRng::seed_from_u64(1);",
        "let m: HashMap<u8, u8> = HashMap::new();",
        "dbg!(1);",
        "tokio::sync::mpsc::channel(1);",
    ] {
        finds(body, &[]);
    }
}

#[test]
fn nested_code_is_looked_into() {
    for body in [
        "let f = |x| { if x { Instant::now() } else { y } };",
        "join(async { tokio::time::sleep(d).await }, b).await;",
        "list.iter().map(SystemTime::now);",
        "format!(\"{:?}\", SystemTime::now());",
        "vec![a, b(Instant::now())];",
        "assert!(matches!(SystemTime::now(), x));",
        "println!(\"{}\", format!(\"{}\", Uuid::new_v4()));",
        "tokio::join!(a, tokio::time::sleep(d));",
        "tokio::select! { biased; _ = tokio::time::sleep(d) => {} }",
        "select! { _ = tokio::time::sleep(d) => {} }",
        "select! { a = b => { Uuid::new_v4() } }",
        "vec![tokio::select! { a = b => {} }];",
        "fn helper() { SystemTime::now(); }",
        "match a { 1 => Uuid::new_v4(), _ => b };",
    ] {
        finds(body, &["is not deterministic"].map(|part| if body.contains("b => {} }]") { "at random" } else { part }));
    }
}

#[test]
fn all_findings_are_reported() {
    finds("let a = SystemTime::now(); Uuid::new_v4(); rand::rng()", &["SystemTime", "Uuid", "rand"]);
}

#[test]
fn an_opt_out_covers_its_statement_only() {
    finds("#[nondeterministic(reason = \"a log line\")] let a = SystemTime::now(); Uuid::new_v4();", &["Uuid"]);
    for statement in [
        "SystemTime::now();",
        "x = SystemTime::now();",
        "{ a(SystemTime::now()) }",
        "println!(\"{}\", Instant::now());",
    ] {
        finds(&format!("#[nondeterministic(reason = \"a log line\")] {statement}"), &[]);
    }
    finds("match a { #[nondeterministic(reason = \"r\")] 1 => Uuid::new_v4(), _ => rand::rng() };", &["rand"]);
}

#[test]
fn an_opt_out_needs_a_reason_and_a_finding() {
    finds("#[nondeterministic] let a = SystemTime::now();", &["say why"]);
    finds("#[nondeterministic()] let a = SystemTime::now();", &["say why"]);
    finds("#[nondeterministic(reason = \" \")] let a = SystemTime::now();", &["say why"]);
    finds("#[nondeterministic(why = \"x\")] let a = SystemTime::now();", &["unknown option"]);
    finds("#[nondeterministic(reason = \"r\")] let a = 1;", &["remove it"]);
}

#[test]
fn the_whole_function_can_opt_out() {
    let mut item = syn::parse_str("#[nondeterministic(reason = \"r\")] async fn f() { Uuid::new_v4(); }").unwrap();
    let mut errors = Errors::default();
    check(&mut item, &mut errors);
    assert!(errors.is_empty());
    assert!(item.attrs.is_empty());
}
