//! The expansion of `#[orchestrator]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::Options;
use crate::definition::{Definition, local};
use crate::determinism;
use crate::errors::Errors;
use crate::function::{self, Function, Kind};
use crate::http_binding;

/// Expands the annotation, or shows what is wrong and leaves a stub behind.
pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::parse(Kind::Orchestrator, args, &mut errors);
    let mut parsed = match function::parse(Kind::Orchestrator.attribute(), item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    let mut findings = Errors::default();
    determinism::check(&mut parsed, &mut findings);
    let binding = options.http.as_ref().map(|http| http_binding::check(http, &mut errors));
    let function = Function::check(Kind::Orchestrator, parsed, &mut errors);
    let expansion = if function.definable {
        // Findings in the body do not make the signature wrong: the rest is expanded as ever.
        define(&Definition::new(&function, &options, !errors.is_empty()), &options, binding.as_deref())
    } else {
        let original = &function.item;
        quote!(#original)
    };
    let errors = errors.into_compile_errors();
    let findings = findings.into_compile_errors();
    quote!(#errors #findings #expansion)
}

fn define(definition: &Definition<'_>, options: &Options, binding: Option<&str>) -> TokenStream {
    let items = definition.items();
    let Definition { private, name, is_stub, .. } = definition;
    let (ident, cfg, input) = (definition.ident(), definition.cfg(), definition.input());
    let returned = definition.returned();
    let (output, conversion) = (&returned.output, &returned.conversion);
    let (ctx, value) = (local("ctx"), local("input"));
    let argument = definition.function.input().map(|_| &value);
    let version = options.version.as_ref().map(
        |version| quote!(const VERSION: ::core::option::Option<&'static str> = ::core::option::Option::Some(#version);),
    );
    let http = binding.map(
        |binding| quote!(const HTTP: ::core::option::Option<&'static str> = ::core::option::Option::Some(#binding);),
    );
    let body = if *is_stub {
        quote!({ let _ = (#ctx, #value); ::core::unreachable!() })
    } else {
        quote! {{
            let _ = &#value;
            let run = #ident(#ctx, #argument);
            ::std::boxed::Box::pin(async move {
                let returned = run.await;
                #conversion
            })
        }}
    };
    let implementation = definition.with_probe(quote! {
        #(#cfg)*
        #[allow(deprecated, reason = "a deprecated orchestrator is still run")]
        impl #private::OrchestratorDefinition for #ident {
            const NAME: &'static str = #name;
            #version
            #http
            type Input = #input;
            type Output = #output;
            fn invoke(
                #ctx: #private::OrchestrationContext,
                #value: Self::Input,
            ) -> #private::BoxFuture<
                'static,
                ::core::result::Result<
                    #private::Next<
                        <Self as #private::OrchestratorDefinition>::Output,
                        <Self as #private::OrchestratorDefinition>::Input,
                    >,
                    #private::FailureDetails,
                >,
            > #body
        }
    });
    let discovery = definition.discovery();
    quote!(#items #implementation #discovery)
}
