//! One file for each mistake, named after it, with the compiler's whole answer beside it.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    for annotation in ["orchestrator", "activity", "durable", "failure", "http_starter"] {
        cases.pass(format!("tests/ui/{annotation}/pass/*.rs"));
        cases.compile_fail(format!("tests/ui/{annotation}/fail/*.rs"));
    }
}
