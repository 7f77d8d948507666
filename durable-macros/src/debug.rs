//! A look at what the macros generate.

use proc_macro2::TokenStream;

/// Prints `expansion` when the environment says `DURABLE_MACROS_DEBUG=1`, and passes it on.
#[expect(clippy::print_stderr, reason = "printing is what the variable asks for")]
pub(crate) fn show(expansion: TokenStream) -> proc_macro::TokenStream {
    if std::env::var_os("DURABLE_MACROS_DEBUG").is_some_and(|value| value == "1") {
        eprintln!("{expansion}");
    }
    expansion.into()
}
