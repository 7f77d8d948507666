//! What the annotations leave behind: a function, and a future of the same name that carries the definition.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Attribute, ReturnType};

use crate::attr::Options;
use crate::function::{Function, Kind, Role};
use crate::{paths, types};

/// A checked function with its options, ready to be expanded.
pub(crate) struct Definition<'a> {
    pub(crate) function: &'a Function,
    /// The hidden module of durable-core, or of durable-http for a starter.
    pub(crate) private: TokenStream,
    /// The registered name.
    pub(crate) name: String,
    /// True when there were errors: bodies are left out, so that only the errors are seen.
    pub(crate) is_stub: bool,
}

impl<'a> Definition<'a> {
    pub(crate) fn new(function: &'a Function, options: &Options, is_stub: bool) -> Self {
        let name = options.name.clone().unwrap_or_else(|| function.name());
        let private = match function.kind {
            Kind::Orchestrator | Kind::Activity => paths::private(options.krate.as_ref()),
            Kind::Starter => paths::http_private(options.krate.as_ref()),
        };
        Self { function, private, name, is_stub }
    }

    /// The name of the function and of its future.
    pub(crate) fn ident(&self) -> &Ident {
        &self.function.item.sig.ident
    }

    /// The `#[cfg]` attributes, which every generated item repeats.
    pub(crate) fn cfg(&self) -> Vec<&Attribute> {
        self.function.attributes(|attribute| attribute.path().is_ident("cfg"))
    }

    /// The input type of the definition.
    pub(crate) fn input(&self) -> TokenStream {
        match self.function.input() {
            Some(ty) => types::owned(ty).unwrap_or_else(|| quote!(())),
            None => quote!(()),
        }
    }

    /// The return type as it is written.
    pub(crate) fn return_type(&self) -> TokenStream {
        match &self.function.item.sig.output {
            ReturnType::Default => quote!(()),
            ReturnType::Type(_, ty) => quote!(#ty),
        }
    }

    /// Every item but the implementation of the definition trait.
    pub(crate) fn items(&self) -> TokenStream {
        let function = self.callable();
        let future = if self.function.is_async() || self.is_stub { self.future() } else { self.deferred() };
        quote!(#function #future)
    }

    /// The function that users call and name.
    fn callable(&self) -> TokenStream {
        let ident = self.ident();
        let vis = &self.function.item.vis;
        let outer = self.function.attributes(|attribute| {
            is_any(attribute, &["doc", "cfg", "deprecated", "allow", "warn", "deny", "forbid"])
        });
        if self.is_stub {
            let types = self.stub_arguments();
            return quote! {
                #(#outer)*
                #vis fn #ident(#(_: #types),*) -> #ident { ::core::unreachable!() }
            };
        }
        let (names, types): (Vec<_>, Vec<_>) =
            self.function.arguments.iter().map(|argument| (&argument.name, &argument.ty)).unzip();
        let body = self.body();
        let start = self.start(&names);
        quote! {
            #(#outer)*
            #vis fn #ident(#(#names: #types),*) -> #ident {
                #body
                #start
            }
        }
    }

    /// The arguments that a correct function would have, so that the uses of a faulty one compile.
    fn stub_arguments(&self) -> Vec<TokenStream> {
        let private = &self.private;
        let mut types = Vec::new();
        if self.function.kind == Kind::Orchestrator {
            types.push(quote!(#private::OrchestrationContext));
        }
        let mut has_input = false;
        for argument in &self.function.arguments {
            match argument.role {
                Role::Context if self.function.kind == Kind::Orchestrator => {}
                Role::Input if has_input => {}
                Role::Input if self.function.kind != Kind::Starter => {
                    has_input = true;
                    types.push(self.input());
                }
                Role::Input | Role::Context | Role::State(_) => types.push(argument.ty.to_token_stream()),
            }
        }
        types
    }

    /// The user's function, untouched. It is an associated function so that its own name still means the callable one
    /// inside its body (a recursive orchestrator), while attributes such as `#[instrument]` see the name.
    fn body(&self) -> TokenStream {
        let inner = self.function.attributes(|attribute| !is_any(attribute, &["doc", "cfg", "deprecated"]));
        let signature = &self.function.item.sig;
        let block = &self.function.item.block;
        quote! {
            #[allow(non_camel_case_types, reason = "generated")]
            struct __DurableBody;
            impl __DurableBody {
                #[allow(
                    dead_code,
                    clippy::needless_pass_by_value,
                    clippy::new_ret_no_self,
                    clippy::unnecessary_wraps,
                    clippy::unused_async,
                    reason = "the annotation asks for this signature"
                )]
                #(#inner)*
                #signature #block
            }
        }
    }

    /// Makes the future. Its span is the function's name: this is where a future that is not `Send` is reported.
    fn start(&self, names: &[&Ident]) -> TokenStream {
        let ident = self.ident();
        let span = ident.span();
        if self.function.is_async() {
            let boxed = quote_spanned!(span=> ::std::boxed::Box::pin(__DurableBody::#ident(#(#names),*)));
            quote!(#ident { future: #boxed })
        } else {
            let span = Span::call_site().located_at(span);
            let boxed = quote_spanned!(span=> ::std::boxed::Box::new(move || __DurableBody::#ident(#(#names),*)));
            quote!(#ident { work: ::core::option::Option::Some(#boxed) })
        }
    }

    /// The future of an `async fn`.
    fn future(&self) -> TokenStream {
        let returned = self.return_type();
        let field = quote! {
            future: ::core::pin::Pin<
                ::std::boxed::Box<dyn ::core::future::Future<Output = #returned> + ::core::marker::Send>,
            >
        };
        let poll = quote!(::core::future::Future::poll(self.get_mut().future.as_mut(), context));
        self.future_with(&field, &poll)
    }

    /// The future of a plain `fn`, which can also be run at once.
    fn deferred(&self) -> TokenStream {
        let ident = self.ident();
        let vis = &self.function.item.vis;
        let cfg = self.cfg();
        let returned = self.return_type();
        let field = quote! {
            work: ::core::option::Option<
                ::std::boxed::Box<dyn ::core::ops::FnOnce() -> #returned + ::core::marker::Send>,
            >
        };
        let poll = quote! {{
            let _ = context;
            match self.get_mut().work.take() {
                ::core::option::Option::Some(work) => ::core::task::Poll::Ready(work()),
                ::core::option::Option::None => ::core::panic!("polled after completion"),
            }
        }};
        let future = self.future_with(&field, &poll);
        quote! {
            #future
            #(#cfg)*
            impl #ident {
                /// Runs the function at once, on this thread.
                #[allow(dead_code, unreachable_pub, clippy::must_use_candidate, clippy::missing_panics_doc, clippy::missing_errors_doc, reason = "generated")]
                #vis fn run(self) -> #returned {
                    match self.work {
                        ::core::option::Option::Some(work) => work(),
                        ::core::option::Option::None => ::core::panic!("the function already ran"),
                    }
                }
            }
        }
    }

    fn future_with(&self, field: &TokenStream, poll: &TokenStream) -> TokenStream {
        let ident = self.ident();
        let vis = &self.function.item.vis;
        let cfg = self.cfg();
        let returned = self.return_type();
        let poll = if self.is_stub {
            quote!({
                let _ = context;
                ::core::unreachable!()
            })
        } else {
            poll.clone()
        };
        let field = (!self.is_stub).then_some(field);
        let shown = self.function.name();
        let docs = format!("A direct call of `{shown}`, as a future; it also carries the definition of the function.");
        quote! {
            #(#cfg)*
            #[doc = #docs]
            #[allow(non_camel_case_types, dead_code, unreachable_pub, clippy::module_name_repetitions, reason = "generated")]
            #[must_use = "futures do nothing unless you `.await` them"]
            #vis struct #ident { #field }
            #(#cfg)*
            impl ::core::fmt::Debug for #ident {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_struct(#shown).finish_non_exhaustive()
                }
            }
            #(#cfg)*
            impl ::core::future::Future for #ident {
                type Output = #returned;
                fn poll(
                    self: ::core::pin::Pin<&mut Self>,
                    context: &mut ::core::task::Context<'_>,
                ) -> ::core::task::Poll<Self::Output> {
                    #poll
                }
            }
        }
    }

    /// Hands the definition in, so that a hub can find it.
    pub(crate) fn discovery(&self) -> TokenStream {
        let (private, ident, cfg) = (&self.private, self.ident(), self.cfg());
        let kind = match self.function.kind {
            Kind::Orchestrator => quote!(orchestrator),
            Kind::Activity => quote!(activity),
            Kind::Starter => return TokenStream::new(),
        };
        // What is wrong is not there.
        let found = (!self.is_stub).then(|| quote!(#private::discover! { #kind #ident }));
        // The block takes the attributes, which a macro call among statements does not.
        found.map(|found| quote!(#(#cfg)* const _: () = { #found };)).unwrap_or_default()
    }
}

/// A local of generated code, which no name of the user's can meet.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A numbered local.
pub(crate) fn numbered(name: &str, index: usize) -> Ident {
    format_ident!("{name}{index}", span = Span::mixed_site())
}

fn is_any(attribute: &Attribute, names: &[&str]) -> bool {
    names.iter().any(|name| attribute.path().is_ident(name))
}
