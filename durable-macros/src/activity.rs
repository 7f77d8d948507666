//! The expansion of `#[activity]`.

use proc_macro2::TokenStream;
use quote::quote;

use crate::attr::Options;
use crate::definition::{Definition, local, numbered};
use crate::errors::Errors;
use crate::function::{self, Function, Kind, Role};

/// Expands the annotation, or shows what is wrong and leaves a stub behind.
pub(crate) fn expand(args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::parse(Kind::Activity, args, &mut errors);
    let parsed = match function::parse(Kind::Activity.attribute(), item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            errors.push(error);
            let errors = errors.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    let function = Function::check(Kind::Activity, parsed, &mut errors);
    let expansion = if function.definable {
        define(&Definition::new(&function, &options, !errors.is_empty()), &options)
    } else {
        let original = &function.item;
        quote!(#original)
    };
    let errors = errors.into_compile_errors();
    quote!(#errors #expansion)
}

fn define(definition: &Definition<'_>, options: &Options) -> TokenStream {
    let items = definition.items();
    let Definition { private, name, .. } = definition;
    let (ident, cfg, input) = (definition.ident(), definition.cfg(), definition.input());
    let output = definition.returned().output;
    let state = definition.function.state().chain(&options.state);
    let (ctx, value) = (local("ctx"), local("input"));
    let body = invocation(definition);
    let implementation = definition.with_probe(quote! {
        #(#cfg)*
        #[allow(deprecated, reason = "a deprecated activity is still run")]
        impl #private::ActivityDefinition for #ident {
            const NAME: &'static str = #name;
            type Input = #input;
            type Output = #output;
            fn required_state() -> ::std::vec::Vec<#private::StateKey> {
                ::std::vec![#(#private::StateKey::of::<#state>()),*]
            }
            fn invoke(
                #ctx: #private::ActivityContext,
                #value: Self::Input,
            ) -> #private::BoxFuture<
                'static,
                ::core::result::Result<<Self as #private::ActivityDefinition>::Output, #private::FailureDetails>,
            > #body
        }
    });
    let discovery = definition.discovery();
    quote!(#items #implementation #discovery)
}

/// Finds the state, calls the function, and turns what it returns into the stored form.
fn invocation(definition: &Definition<'_>) -> TokenStream {
    let (ctx, value) = (local("ctx"), local("input"));
    if definition.is_stub {
        return quote!({ let _ = (#ctx, #value); ::core::unreachable!() });
    }
    let (ident, private) = (definition.ident(), &definition.private);
    let conversion = definition.returned().conversion;
    let mut extractions = Vec::new();
    let mut arguments = Vec::new();
    for (index, argument) in definition.function.arguments.iter().enumerate() {
        arguments.push(match &argument.role {
            Role::Context => quote!(#ctx),
            Role::Input => quote!(#value),
            Role::State(ty) => {
                let state = numbered("state", index);
                extractions.push(quote! {
                    let #state = match #ctx.state::<#ty>() {
                        ::core::result::Result::Ok(state) => #private::State(state),
                        ::core::result::Result::Err(error) => {
                            let failure = #private::FailureDetails::from_error("MissingState", &error).non_retriable();
                            return ::std::boxed::Box::pin(async move { ::core::result::Result::Err(failure) });
                        }
                    };
                });
                quote!(#state)
            }
        });
    }
    let run = if definition.function.is_async() {
        quote!({ let returned = call.await; #conversion })
    } else {
        quote!({ #private::blocking(move || { let returned = call.run(); #conversion }).await })
    };
    quote! {{
        let _ = (&#ctx, &#value);
        #(#extractions)*
        let call = #ident(#(#arguments),*);
        ::std::boxed::Box::pin(async move #run)
    }}
}
