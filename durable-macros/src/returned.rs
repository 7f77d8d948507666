//! How the return type of an annotated function becomes the output of its definition.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{ReturnType, Type};

use crate::definition::Definition;
use crate::function::Kind;
use crate::types;

/// How the return type becomes a `Result` of the definition's types.
pub(crate) struct Returned {
    /// The definition's output type.
    pub(crate) output: TokenStream,
    /// Turns the expression `returned` into `Result<_, FailureDetails>`.
    pub(crate) conversion: TokenStream,
}

/// A return type without its error.
struct Value {
    output: TokenStream,
    /// A function from the value to the definition's: the output of an activity, and the `Next` of an orchestrator.
    convert: TokenStream,
}

impl Definition<'_> {
    /// How the return type is understood.
    pub(crate) fn returned(&self) -> Returned {
        match &self.function.item.sig.output {
            ReturnType::Type(_, ty) if types::is_named(ty, "Result") => self.returned_result(ty),
            ReturnType::Type(_, ty) => {
                let Value { output, convert } = self.value(ty);
                Returned { output, conversion: quote!(::core::result::Result::Ok(#convert(returned))) }
            }
            ReturnType::Default => {
                let convert = self.complete();
                Returned { output: quote!(()), conversion: quote!(::core::result::Result::Ok(#convert(returned))) }
            }
        }
    }

    /// A `Result`, or an alias of that name with one argument. The tokens of the generated types and calls are placed so
    /// that the compiler's errors about the value appear at its type, and those about the error at its own.
    fn returned_result(&self, ty: &Type) -> Returned {
        let private = &self.private;
        let arguments = types::type_arguments(ty);
        let value = arguments.first().map(|value| self.value(value));
        if let ([_, error], Some(Value { output, convert })) = (&arguments[..], &value) {
            // Through a generic function, so that an error that cannot be stored is reported once.
            let conversion = quote! {{
                fn stored<E: #private::IntoFailure>(error: E) -> #private::FailureDetails {
                    error.into_failure()
                }
                match returned {
                    ::core::result::Result::Ok(value) => ::core::result::Result::Ok(#convert(value)),
                    ::core::result::Result::Err(error) => ::core::result::Result::Err(stored::<#error>(error)),
                }
            }};
            return Returned { output: output.clone(), conversion };
        }
        let (first, last) = types::ends(arguments.first().copied().unwrap_or(ty));
        let (open, ok) = (quote_spanned!(first=> <), quote_spanned!(last=> Ok));
        let (output, convert) = match (value, self.function.kind) {
            (Some(value), Kind::Orchestrator) => (value.output, value.convert),
            _ => (quote!(#open #ty as #private::ReturnedResult>::#ok), self.complete()),
        };
        let conversion = quote! {
            #private::ReturnedResult::into_result(returned).map(#convert).map_err(#private::IntoFailure::into_failure)
        };
        Returned { output, conversion }
    }

    /// The plain value of a return type, or of its `Result`.
    fn value(&self, ty: &Type) -> Value {
        let private = &self.private;
        if self.function.kind == Kind::Orchestrator
            && let Some([output, input]) = types::next(ty)
        {
            let (first, last) = types::ends(input);
            let (expected, open) = (self.input(), quote_spanned!(first=> <));
            let same = quote_spanned!(last=> same);
            let convert = quote! {
                (|value: #ty| #private::Next::with_input(value, #open #input as #private::SameInput<#expected>>::#same))
            };
            return Value { output: quote!(#output), convert };
        }
        let Some(choice) = self.choice(ty) else { return Value { output: quote!(#ty), convert: self.complete() } };
        let (first, last) = types::ends(ty);
        let open = quote_spanned!(first=> <);
        let at_end = |name: &str| Ident::new(name, last);
        let (value, convert) = (at_end("Value"), at_end("convert"));
        let output = quote!(#open #choice as __DurableChosen>::#value);
        let convert = quote!(#open #choice as __DurableChosen>::#convert);
        let convert = match self.function.kind {
            Kind::Activity | Kind::Starter => quote!((#convert)),
            Kind::Orchestrator => {
                let (expected, input, same) = (self.input(), at_end("Input"), at_end("same"));
                let input = quote!(#open #choice as __DurableChosen>::#input);
                quote! {
                    (|value: #ty| #private::Next::with_input(
                        #convert(value),
                        #open #input as #private::SameInput<#expected>>::#same,
                    ))
                }
            }
        };
        Value { output, convert }
    }

    /// What turns an output into what the definition gives.
    fn complete(&self) -> TokenStream {
        let private = &self.private;
        match self.function.kind {
            Kind::Orchestrator => quote!(#private::Next::Complete),
            Kind::Activity | Kind::Starter => quote!(::core::convert::identity),
        }
    }

    /// Asks the compiler what a type is, where its name does not say so. What is an alias of `Result` is refused by
    /// [`with_probe`](Self::with_probe); its definition goes on with `()`, so that this is all that is said about it.
    fn choice(&self, ty: &Type) -> Option<TokenStream> {
        let is_next = self.function.kind == Kind::Orchestrator && types::next(ty).is_some();
        if self.is_stub || is_next {
            return None;
        }
        let input = self.input();
        match &self.function.item.sig.output {
            ReturnType::Type(_, whole) if types::is_named(whole, "Result") => {
                // A value that is itself a `Result` is a value like any other.
                let asks = self.function.kind == Kind::Orchestrator && types::may_be_alias(ty);
                asks.then(|| quote!(__DurableChoice<{ <__DurableProbe<#ty>>::KIND & 2 }, #ty, #input>))
            }
            _ => Some(quote!(__DurableChoice<{ <__DurableProbe<#ty>>::KIND }, #ty, #input>)),
        }
    }

    /// Wraps the implementation of the definition trait together with what it asks of the compiler, and with the assertion
    /// that a return type which is not called `Result` is none.
    pub(crate) fn with_probe(&self, implementation: TokenStream) -> TokenStream {
        let ReturnType::Type(_, ty) = &self.function.item.sig.output else { return implementation };
        let is_result = types::is_named(ty, "Result");
        let value = if is_result { types::type_arguments(ty).first().copied() } else { Some(&**ty) };
        if value.and_then(|value| self.choice(value)).is_none() {
            return implementation;
        }
        let cfg = self.cfg();
        let message = format!("`{}` is an alias of `Result`: write it as `Result<..>`", types::shown(ty));
        let assertion = (!is_result)
            .then(|| quote_spanned!(types::ends(ty).0=> ::core::assert!(<__DurableProbe<#ty>>::KIND != 1, #message)));
        let probe = self.probe();
        quote! {
            #(#cfg)*
            const _: () = {
                #probe
                #implementation
                #assertion
            };
        }
    }

    /// `<__DurableProbe<T>>::KIND` is 1 for a `Result` and, in an orchestrator, 2 for a `Next`, whose own constants come
    /// before that of the trait.
    fn probe(&self) -> TokenStream {
        let private = &self.private;
        let complete = self.complete();
        // Where nothing is said of the next input, it is that of the function. It comes in as a parameter, since a type that
        // is less visible than these must not be part of them.
        let (converted, empty, next) = match self.function.kind {
            Kind::Activity | Kind::Starter => (quote!(T), quote!(()), None),
            Kind::Orchestrator => {
                let next = quote!(#private::Next);
                (quote!(#next<T, I>), quote!(#next<(), I>), Some(probe_for_next(&next)))
            }
        };
        quote! {
            #[allow(dead_code, reason = "generated")]
            struct __DurableProbe<T: ?Sized>(::core::marker::PhantomData<T>);
            #[allow(dead_code, reason = "generated")]
            trait __DurablePlain {
                const KIND: u8 = 0;
            }
            impl<T: ?Sized> __DurablePlain for __DurableProbe<T> {}
            #[allow(dead_code, reason = "generated")]
            impl<T, E> __DurableProbe<::core::result::Result<T, E>> {
                const KIND: u8 = 1;
            }
            #[allow(dead_code, reason = "generated")]
            pub struct __DurableChoice<const KIND: u8, T, I>(::core::marker::PhantomData<(T, I)>);
            pub trait __DurableChosen {
                type Returned;
                type Value;
                type Input;
                type Converted;
                fn convert(returned: Self::Returned) -> Self::Converted;
            }
            impl<T, I> __DurableChosen for __DurableChoice<0, T, I> {
                type Returned = T;
                type Value = T;
                type Input = I;
                type Converted = #converted;
                fn convert(returned: T) -> Self::Converted {
                    #complete(returned)
                }
            }
            impl<T, I> __DurableChosen for __DurableChoice<1, T, I> {
                type Returned = T;
                type Value = ();
                type Input = I;
                type Converted = #empty;
                fn convert(_: T) -> Self::Converted {
                    #complete(())
                }
            }
            #next
        }
    }
}

fn probe_for_next(next: &TokenStream) -> TokenStream {
    quote! {
        #[allow(dead_code, reason = "generated")]
        impl<O, I> __DurableProbe<#next<O, I>> {
            const KIND: u8 = 2;
        }
        impl<O, I, F> __DurableChosen for __DurableChoice<2, #next<O, I>, F> {
            type Returned = #next<O, I>;
            type Value = O;
            type Input = I;
            type Converted = #next<O, I>;
            fn convert(returned: Self::Returned) -> Self::Converted {
                returned
            }
        }
    }
}
