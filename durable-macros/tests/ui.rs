//! One file for each mistake, named after it, with the compiler's whole answer beside it.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    for annotation in ["orchestrator", "activity", "durable", "failure", "http_starter"] {
        cases.pass(format!("tests/ui/{annotation}/pass/*.rs"));
        cases.compile_fail(format!("tests/ui/{annotation}/fail/*.rs"));
    }
    // What it accepts is compiled and run by durable-testing, which this crate does not see.
    cases.compile_fail("tests/ui/replay_tests/fail/*.rs");
}
