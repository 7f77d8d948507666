//! The attribute macros of durable-core, which re-exports them: `#[orchestrator]`, `#[activity]`, `#[durable]` and
//! `#[derive(Failure)]`; that of durable-http: `#[http_starter]`; and `replay_tests!` of durable-testing.
//!
//! Generated code names durable-core as `::durable_core`, durable-http as `::durable_http` and durable-testing as
//! `::durable_testing`; the option `crate = "path"` of each macro gives another path.
//! `DURABLE_MACROS_DEBUG=1` in the environment of the compiler prints what the macros generate.

mod activity;
mod attr;
mod debug;
mod definition;
mod determinism;
mod durable;
mod duration;
mod errors;
mod failure;
mod function;
mod http_binding;
mod http_starter;
mod name;
mod orchestrator;
mod paths;
mod replay_tests;
mod returned;
mod route;
mod route_value;
mod types;

use proc_macro::TokenStream;

/// Makes an `async fn` an orchestrator: code that survives crashes by being replayed.
///
/// The first argument is an `OrchestrationContext`. At most one more follows: the input, which is serialised and so is
/// an owned type with `Serialize` and `Deserialize`. The function returns a `Result` whose error is an
/// `OrchestratorError` or derives `Failure`, or a plain value when it cannot fail. Where that value is a
/// `Next<Output, Input>`, the orchestrator may start over with a new input.
///
/// | Option | Meaning |
/// |---|---|
/// | `name = "..."` | the name in the store and in the HTTP API; without it, the name of the function |
/// | `version = "..."` | the version of the code, 1 to 64 bytes; functions of one name differ in it |
/// | `http = "POST hello/{id?}"` | the request that starts it in a server of durable-http; its parameters are `id`, `timeout` and `interval` |
/// | `crate = "path"` | where durable-core is found, when not at `::durable_core` |
///
/// # What is generated
///
/// The function stays callable, with its name, visibility, documentation and arguments. It returns a future, a struct of
/// the same name, which implements `OrchestratorDefinition`. So the function itself is what a hub, a client and other
/// orchestrators are given, and they know its name, input and output from its type. Other attributes, such as
/// `#[tracing::instrument]`, stay on the code as it was written.
///
/// # Determinism
///
/// A replay runs the code again and has to make the same calls. What breaks this and can be seen in the source is an
/// error that names the replacement: clocks (`ctx.now()`), timers of the runtime (`ctx.create_timer(..)`), spawned tasks
/// and threads, files, sockets, processes and HTTP clients (an activity), random numbers (`ctx.rng()`), random ids
/// (`ctx.new_guid()`), environment variables (the input), and the random `tokio::select!` and `futures::select!`
/// (`durable_core::select!`). It looks into closures, `async` blocks and the arguments of macros, but not into functions
/// that are called.
///
/// `#[nondeterministic(reason = "...")]` on a statement, on a match arm, or on the whole function below
/// `#[orchestrator]`, permits what is in it. The reason is required, and an opt-out without a finding is an error.
///
/// # What is refused
///
/// A `Next` with another input than that of the function. Functions that are not `async`, have a `self`, generics or `impl Trait`, take no context or take it elsewhere than
/// first and by value, have a second input, or borrow in an argument or in what they return; `const`, `unsafe` and
/// `extern` functions; and return types that are an alias of `Result` under another name. All mistakes of a function are
/// reported at once.
#[proc_macro_attribute]
pub fn orchestrator(args: TokenStream, item: TokenStream) -> TokenStream {
    debug::show(orchestrator::expand(args.into(), &item.into()))
}

/// Makes a function an activity: code that touches the world, and whose result is stored.
///
/// The arguments come in any order: optionally an `ActivityContext`, any number of `State<T>` (what the hub was given
/// with `.state(value)`), and at most one input, which is serialised and so is an owned type with `Serialize` and
/// `Deserialize`. The function returns a `Result` whose error is an `ActivityError` or derives `Failure`, or a plain
/// value when it cannot fail.
///
/// | Option | Meaning |
/// |---|---|
/// | `name = "..."` | the name in the store; without it, the name of the function |
/// | `state(A, B)` | further state that the code reaches with `ctx.state::<A>()`, checked when the hub starts |
/// | `crate = "path"` | where durable-core is found, when not at `::durable_core` |
///
/// # What is generated
///
/// The function stays callable, with its name, visibility, documentation and arguments. It returns a future, a struct of
/// the same name, which implements `ActivityDefinition`. So the function itself is what a hub and an orchestrator are
/// given, and a unit test calls it and awaits the result. Other attributes, such as `#[tracing::instrument]`, stay on the
/// code as it was written.
///
/// A plain `fn` is run off the async threads when an orchestrator calls it. Called directly it returns a future, too,
/// with a method `run()` that runs it at once.
///
/// # What is refused
///
/// A `self`, generics, `impl Trait`, a second input or context, borrowing in an argument or in what is returned; `const`,
/// `unsafe` and `extern` functions; more than eight arguments; and return types that are an alias of `Result` under
/// another name. All mistakes of a function are reported at once.
#[proc_macro_attribute]
pub fn activity(args: TokenStream, item: TokenStream) -> TokenStream {
    debug::show(activity::expand(args.into(), &item.into()))
}

/// Makes an `async fn` an HTTP function of a server of durable-http, mostly one that starts orchestrators.
///
/// An argument whose name is a parameter of the route is taken from the path or the query. Every other argument takes
/// something else out of the request, by its type. durable-http says what there is, and shows examples.
///
/// | Option | Meaning |
/// |---|---|
/// | `route = "start/{name}/{id?}?{wait:bool=false}"` | the path behind the prefix of all starters, and parameters of the query; without it, the name of the function |
/// | `methods("GET", "POST")` | the verbs; without it, `POST` |
/// | `crate = "path"` | where durable-http is found, when not at `::durable_http` |
///
/// A parameter is `{name}`, `{name?}` for an `Option`, or `{name=default}`. Behind the name may stand its type: `int`,
/// `float`, `duration`, `bool`, `guid` or `string`, as in `{timeout:duration=10}`. `{showHistory}` is for the argument
/// `show_history`.
///
/// # What is generated
///
/// The function stays callable, with its name, visibility, documentation and arguments. It returns a future, a struct of
/// the same name, which implements `HttpStarter`. So the function itself is what a set of starters is given, and a unit
/// test calls it and awaits the result.
///
/// # What is refused
///
/// Mistakes in the route; parameters without an argument, or whose argument has another type; defaults that are no value
/// of the type; functions that are not `async`, have a `self`, generics or `impl Trait`, or borrow. All mistakes of a
/// function are reported at once.
#[proc_macro_attribute]
pub fn http_starter(args: TokenStream, item: TokenStream) -> TokenStream {
    debug::show(http_starter::expand(args.into(), &item.into()))
}

/// Marks a function that orchestrators call, and checks it as an orchestrator is checked.
///
/// It goes on functions and methods with a body, plain or `async`, takes no arguments, and leaves the function as it is.
/// What is refused, and how `#[nondeterministic(reason = "...")]` permits it, is said at [`macro@orchestrator`].
#[proc_macro_attribute]
pub fn durable(args: TokenStream, item: TokenStream) -> TokenStream {
    debug::show(durable::expand(&args.into(), &item.into()))
}

/// Makes an enum or a struct an error that callers get back with its type.
///
/// It implements `Failure` and `IntoFailure`. Derive or write `std::error::Error`, `serde::Serialize` and
/// `serde::Deserialize` next to it.
///
/// | Option | On | Meaning |
/// |---|---|---|
/// | `#[failure(type = "...")]` | the enum or struct | its name in stored failures; without it, its own name |
/// | `#[failure(tag = "...")]` | a variant or a struct | its tag in stored failures; without it, its own name |
/// | `#[failure(non_retriable)]` | a variant or a struct | trying again cannot help: retry policies leave it alone |
/// | `#[failure(retry_after = "30s")]` | a variant or a struct | the earliest useful retry, in `ms`, `s`, `m`, `h` or `d` |
/// | `#[failure(crate = "path")]` | the enum or struct | where durable-core is found, when not at `::durable_core` |
///
/// The type name and the tags are stored: renaming one hides the type from old histories, unless `type` or `tag` keeps
/// the old name.
///
/// # What is refused
///
/// Unions, generics, unknown options, and two variants with one tag.
#[proc_macro_derive(Failure, attributes(failure))]
pub fn derive_failure(item: TokenStream) -> TokenStream {
    debug::show(failure::expand(item.into()))
}

/// Makes one test of each recorded history in a folder: it replays the history against today's code.
///
/// The folder is relative to the `Cargo.toml` of the crate. Each file in it whose name ends in `.json` becomes a `#[test]`
/// with the name of the file, in a module with the name of the folder, and one more, `files_since_the_build`, replays what came into the folder after the program was
/// compiled. A change of a file makes cargo compile the tests again. So a new file needs no change of code.
///
/// | Option | Meaning |
/// |---|---|
/// | `orchestrators = [order, pay]` | the orchestrators that the histories are replayed against, by name and version |
/// | `deployment = expression` | instead: a `Deployment`, such as that of the hub in production, with its limits |
/// | `crate = "path"` | where durable-testing is found, when not at `::durable_testing` |
///
/// # What is refused
///
/// A folder that does not exist, and one without any history.
#[proc_macro]
pub fn replay_tests(input: TokenStream) -> TokenStream {
    debug::show(replay_tests::expand(input.into()))
}
