//! The expansion of `replay_tests!`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitStr, Token, bracketed};

use crate::errors::Errors;
use crate::paths;

/// The test that replays what came into the folder after the build.
const NEW_FILES: &str = "files_since_the_build";
const REMEDY: &str = "record a history into it with `RecordedHistory::from_client(&client, &id).await?.save(\"..\")`, or with \
                      `world.record(&run).save(\"..\")`";

/// Makes a test of each recorded history in a folder, or shows why there is none.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let request: Request = match syn::parse2(input) {
        Ok(request) => request,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let tests = match Folder::read(&request.folder) {
        Ok(folder) => folder.tests(&request),
        Err(error) => {
            errors.push(error);
            TokenStream::new()
        }
    };
    let errors = errors.into_compile_errors();
    quote!(#errors #tests)
}

/// What stands in the parentheses.
struct Request {
    folder: LitStr,
    /// An expression for the deployment.
    deployment: TokenStream,
    /// The module of durable-testing that holds what generated code names.
    recorded: TokenStream,
}

impl Parse for Request {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let folder: LitStr = input.parse().map_err(|error| {
            let message = "expected the folder of the recorded histories, as in `\"tests/histories\"`";
            syn::Error::new(error.span(), message)
        })?;
        let (mut code, mut krate) = (None, None);
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key = input.call(Ident::parse_any)?;
            let name = key.to_string();
            if (code.is_some() && name != "crate") || (krate.is_some() && name == "crate") {
                return Err(syn::Error::new(key.span(), "say once what the histories are replayed against"));
            }
            input.parse::<Token![=]>()?;
            match name.as_str() {
                "orchestrators" => code = Some(Code::Orchestrators(orchestrators(input)?)),
                "deployment" => code = Some(Code::Deployment(Box::new(input.parse()?))),
                "crate" => krate = Some(input.parse::<LitStr>()?.parse()?),
                _ => {
                    let message =
                        format!("there is no option `{name}`: there are `orchestrators`, `deployment` and `crate`");
                    return Err(syn::Error::new(key.span(), message));
                }
            }
        }
        let recorded = paths::recorded(krate.as_ref());
        let deployment = match code {
            Some(Code::Orchestrators(orchestrators)) => {
                quote!(#recorded::Deployment::new() #(.orchestrator(#orchestrators))*)
            }
            Some(Code::Deployment(deployment)) => quote!(#deployment),
            None => {
                let message = "say what the histories are replayed against: `orchestrators = [order, pay]`, or \
                               `deployment = ..` with a `Deployment`";
                return Err(syn::Error::new(folder.span(), message));
            }
        };
        Ok(Self { folder, deployment, recorded })
    }
}

enum Code {
    Orchestrators(Vec<Expr>),
    Deployment(Box<Expr>),
}

fn orchestrators(input: ParseStream<'_>) -> syn::Result<Vec<Expr>> {
    let list;
    let bracket = bracketed!(list in input);
    let orchestrators = Punctuated::<Expr, Token![,]>::parse_terminated(&list)?;
    if orchestrators.is_empty() {
        let message = "name at least one orchestrator, as in `orchestrators = [order]`";
        return Err(syn::Error::new(bracket.span.join(), message));
    }
    Ok(orchestrators.into_iter().collect())
}

/// The folder, as it is while compiling.
struct Folder {
    path: PathBuf,
    /// The names of the files with histories, in alphabetical order.
    files: Vec<String>,
}

impl Folder {
    fn read(folder: &LitStr) -> syn::Result<Self> {
        let refuse = |message: String| syn::Error::new(folder.span(), message);
        let shown = folder.value();
        let root = std::env::var_os("CARGO_MANIFEST_DIR")
            .ok_or_else(|| refuse("CARGO_MANIFEST_DIR is not set: build with cargo".to_owned()))?;
        let path = Path::new(&root).join(&shown);
        let entries = fs::read_dir(&path).map_err(|error| {
            refuse(match error.kind() {
                ErrorKind::NotFound => {
                    format!("there is no folder `{shown}` beside the Cargo.toml of this crate: {REMEDY}")
                }
                _ => format!("the folder `{shown}` cannot be read: {error}"),
            })
        })?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| refuse(format!("the folder `{shown}` cannot be read: {error}")))?.path();
            if path.extension().is_none_or(|extension| extension != "json") || !path.is_file() {
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| refuse(format!("`{}` has a name that is no text", path.display())))?;
            if !name.starts_with('.') {
                files.push(name.to_owned());
            }
        }
        if files.is_empty() {
            return Err(refuse(format!("there is no recorded history (`*.json`) in the folder `{shown}`: {REMEDY}")));
        }
        files.sort();
        Ok(Self { path, files })
    }

    /// The name of the module for the tests.
    fn module(&self) -> String {
        identifier(&self.path.file_name().unwrap_or_default().to_string_lossy())
    }

    fn tests(&self, request: &Request) -> TokenStream {
        let Request { folder, deployment, recorded } = request;
        let mut taken = BTreeSet::from([NEW_FILES.to_owned()]);
        let module = Ident::new(&self.module(), Span::call_site());
        let under_test = Ident::new(&format!("__deployment_of_{module}"), Span::call_site());
        let text = |path: &Path| LitStr::new(&path.to_string_lossy(), Span::call_site());
        let tests = self.files.iter().map(|file| {
            let name = Ident::new(&test_name(file, &mut taken), Span::call_site());
            let (path, shown) = (text(&self.path.join(file)), text(&Path::new(&folder.value()).join(file)));
            quote! {
                #[test]
                fn #name() {
                    #recorded::check_recorded(#shown, ::core::include_str!(#path), &super::#under_test());
                }
            }
        });
        let tests: Vec<_> = tests.collect();
        let (files, path) = (&self.files, text(&self.path));
        let new_files = Ident::new(NEW_FILES, Span::call_site());
        // A file may have the name of an orchestrator, so the two do not meet in one module.
        quote! {
            #[cfg(test)]
            fn #under_test() -> #recorded::Deployment {
                #deployment
            }

            #[cfg(test)]
            mod #module {
                #(#tests)*

                #[test]
                fn #new_files() {
                    #recorded::check_unknown(#path, &[#(#files),*], &super::#under_test());
                }
            }
        }
    }
}

/// The name of a file as that of a function which nobody else has.
fn test_name(file: &str, taken: &mut BTreeSet<String>) -> String {
    let name = identifier(file.strip_suffix(".json").unwrap_or(file));
    let mut unique = name.clone();
    let mut count = 1;
    while !taken.insert(unique.clone()) {
        count += 1;
        unique = format!("{name}_{count}");
    }
    unique
}

fn identifier(text: &str) -> String {
    let name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if syn::parse_str::<Ident>(&name).is_ok() { name } else { format!("history_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_gets_a_name_of_its_own() {
        let mut taken = BTreeSet::from([NEW_FILES.to_owned()]);
        let names = ["Order 7.json", "order-7.json", "7.json", "match.json", "files_since_the_build.json", "ü.json"]
            .map(|file| test_name(file, &mut taken));
        let expected = ["order_7", "order_7_2", "history_7", "history_match", "files_since_the_build_2", "history__"];
        assert_eq!(names, expected);
    }
}
