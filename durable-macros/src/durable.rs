//! The expansion of `#[durable]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;
use crate::{determinism, function};

const ATTRIBUTE: &str = "#[durable]";

/// Checks a function that orchestrators call, and leaves it as it is, but for the opt-outs.
pub(crate) fn expand(args: &TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !args.is_empty() {
        errors.on(args, format!("`{ATTRIBUTE}` takes no arguments"));
    }
    let checked = match function::parse(ATTRIBUTE, item.clone()) {
        Ok(mut function) => {
            determinism::check(&mut function, &mut errors);
            quote!(#function)
        }
        Err(error) => {
            errors.push(error);
            item.clone()
        }
    };
    let errors = errors.into_compile_errors();
    quote!(#errors #checked)
}
