//! Every accepted form of an activity, under strict lints.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused, warnings, clippy::pedantic)]
#![forbid(unsafe_code)]

use durable_core::activity::{ActivityDefinition, ActivityFn};
use durable_core::prelude::*;
use durable_macros::activity;

/// A pool.
#[derive(Debug, Clone)]
pub struct Pool;

/// Greets.
#[activity]
pub async fn say_hello(_ctx: ActivityContext, city: String) -> Result<String, ActivityError> {
    Ok(format!("Hello {city}!"))
}

#[activity]
async fn nothing() {}

#[activity(name = "renamed", state(String, Vec<u8>))]
pub(crate) async fn with_options(ctx: ActivityContext) -> Result<usize, ActivityError> {
    Ok(ctx.state::<String>()?.len())
}

#[activity]
async fn patterns(
    State(_pool): State<Pool>,
    mut ctx: ActivityContext,
    (a, mut b): (u8, u8),
    State(_name): durable_core::prelude::State<&'static str>,
) -> std::result::Result<u8, &'static str> {
    ctx = ctx.clone();
    let _ = ctx.delivery();
    b += 1;
    Ok(a + b)
}

#[activity]
#[allow(unused_variables, reason = "it stays on the function")]
fn blocking(text: String, other: ActivityContext) -> usize {
    text.len()
}

#[activity]
async fn r#type(r#fn: u8) -> u8 {
    r#fn
}

/// Kept for old histories.
#[activity]
#[deprecated]
pub async fn old() {}

#[activity]
fn run() {}

#[activity]
async fn new() {}

#[activity(crate = ::durable_core)]
async fn with_path() {}

#[activity(crate = "durable_core")]
async fn with_quoted_path() {}

#[activity]
#[cfg(any())]
async fn not_there(x: NoSuchType) {}

mod inner {
    /// Visible outside.
    pub(super) mod deep {
        use durable_core::prelude::*;

        #[durable_macros::activity]
        pub(in super::super) async fn reach(x: Option<Vec<String>>) -> Result<(), ActivityError> {
            drop(x);
            Ok(())
        }
    }
}

fn is<M, F: ActivityFn<M>>(_: &F, input: F::Input) {
    drop(input);
}

fn main() {
    #[activity]
    async fn in_a_body(city: String) -> String {
        city
    }
    is(&say_hello, String::new());
    is(&nothing, ());
    is(&with_options, ());
    is(&patterns, (1, 2));
    is(&blocking, String::new());
    is(&r#type, 1);
    is(&run, ());
    is(&new, ());
    is(&with_path, ());
    is(&with_quoted_path, ());
    is(&inner::deep::reach, None);
    is(&in_a_body, String::new());
    let say_hello = say_hello(ActivityContext::detached(), String::new());
    drop(say_hello);
    assert_eq!(<r#type as ActivityDefinition>::NAME, "type");
    assert_eq!(<with_options as ActivityDefinition>::NAME, "renamed");
    assert_eq!(blocking("abc".to_owned(), ActivityContext::detached()).run(), 3);
    run().run();
}

