//! What a fuzz test becomes, be it a function with the attribute or a `fuzz_target!`.
//!
//! Outside: a `#[test]` of the same name that replays the seeds. Beside it, in a block that nobody
//! can name: the user's function unchanged, its record in a link section, and its registration.
//! All paths are absolute, and the block's own names are prefixed, so that whatever the user's
//! module defines or shadows means the same inside the function as outside.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, FnArg, ItemFn, Meta, ReturnType, Visibility};

use crate::options::Options;

/// The whole expansion; `function` has passed the checks. `init` is evaluated before the first call.
pub(crate) fn expand(options: &Options, function: &ItemFn, init: Option<&Expr>) -> TokenStream {
    let private = match &options.runtime {
        Some(path) => quote!(#path::__private),
        None => quote!(::shmfuzz_runtime::__private),
    };
    let test = test(&private, function);
    let inner = inner_function(function);
    let record = record(&private, options, function);
    let init_call = init.map(|_| quote!(__shmfuzz_init();));
    let body = body(&private, function, init_call);
    let init = init.map(|init| init_function(&private, init));
    let seeds = seeds(&private, options);
    let registration = registration(&private);
    quote! {
        #test

        #[cfg(test)]
        const _: () = {
            #inner

            // Its own block: a function called `seeds` must not meet the items of this one.
            const _: () = {
                #record
                #init
                #body
                #seeds
                #registration
            };
        };
    }
}

/// The ordinary test. Its name stays raw where it is (`r#match`): libtest prints it so.
/// Lints that were set for the function are its own business.
fn test(private: &TokenStream, function: &ItemFn) -> TokenStream {
    let attributes = function.attrs.iter().filter_map(outer_attribute);
    let (visibility, name) = (&function.vis, &function.sig.ident);
    let text = name.to_string();
    quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() {
            #private::run(::core::module_path!(), #text)
        }
    }
}

fn outer_attribute(attribute: &Attribute) -> Option<TokenStream> {
    let path = attribute.path();
    if ["doc", "ignore", "cfg", "deprecated"].iter().any(|name| path.is_ident(name)) {
        return Some(attribute.to_token_stream());
    }
    // What is expected of the function need not occur in the test, which has only its name.
    match &attribute.meta {
        Meta::List(list) if path.is_ident("allow") || path.is_ident("expect") => {
            let lints = &list.tokens;
            Some(quote!(#[allow(#lints)]))
        }
        _ => None,
    }
}

fn inner_function(function: &ItemFn) -> ItemFn {
    let mut inner = function.clone();
    inner.vis = Visibility::Inherited;
    inner.attrs.retain(|attribute| {
        let path = attribute.path();
        !["doc", "ignore", "deprecated"].iter().any(|name| path.is_ident(name))
    });
    inner
}

fn record(private: &TokenStream, options: &Options, function: &ItemFn) -> TokenStream {
    let name = function.sig.ident.to_string();
    let ignored = u32::from(function.attrs.iter().any(|a| a.path().is_ident("ignore")));
    let n_seeds = options.seeds.len() as u32;
    let ty = input_type(function);
    let kind = quote_spanned!(ty.span()=> <#ty as #private::Input<'_>>::KIND);
    let Options { timeout_ms, max_len, stack_size, rss_limit, dict, .. } = options;
    quote! {
        const __SHMFUZZ_RECORD: #private::Record = #private::Record {
            module: ::core::module_path!(),
            name: #name,
            bin: #private::or_empty(::core::option_env!("CARGO_BIN_NAME")),
            tmpdir: #private::or_empty(::core::option_env!("CARGO_TARGET_TMPDIR")),
            file: ::core::file!(),
            dict: #dict,
            line: ::core::line!(),
            kind: #kind,
            n_seeds: #n_seeds,
            ignored: #ignored,
            options: #private::Options {
                timeout_ms: #timeout_ms,
                max_len: #max_len,
                stack_size: #stack_size,
                rss_limit: #rss_limit,
            },
        };
        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,shmfuzz_tests"))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = "shmfuzz_tests"))]
        static __SHMFUZZ_BYTES: [::core::primitive::u8; __SHMFUZZ_RECORD.encoded_len()] =
            __SHMFUZZ_RECORD.encode();
    }
}

/// The adapter. It is compiled with the fuzzed code, so nothing here may cost or branch more than
/// it must.
fn body(private: &TokenStream, function: &ItemFn, init: Option<TokenStream>) -> TokenStream {
    let name = &function.sig.ident;
    let ty = input_type(function);
    let read = quote_spanned!(ty.span()=> <#ty as #private::Input<'_>>::read(__shmfuzz_bytes));
    let output = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let verdict = quote_spanned!(output.span()=> <#output as #private::Outcome>::verdict);
    quote! {
        fn __shmfuzz_body(__shmfuzz_bytes: &[::core::primitive::u8]) -> #private::Verdict {
            #init
            match #read {
                ::core::option::Option::Some(__shmfuzz_input) => #verdict(#name(__shmfuzz_input)),
                ::core::option::Option::None => #private::Verdict::Rejected,
            }
        }
    }
}

/// Calls the expression once; a function of its own, so that it sees nothing of the adapter.
fn init_function(private: &TokenStream, init: &Expr) -> TokenStream {
    quote! {
        fn __shmfuzz_init() {
            fn __shmfuzz_evaluate() {
                #init;
            }
            static __SHMFUZZ_ONCE: #private::Once = #private::Once::new();
            #private::init(&__SHMFUZZ_ONCE, __shmfuzz_evaluate);
        }
    }
}

fn seeds(private: &TokenStream, options: &Options) -> TokenStream {
    let calls = options.seeds.iter().map(|seed| {
        let bytes = quote_spanned!(seed.span()=> #private::seed_bytes(&#seed));
        quote!(__shmfuzz_add(#bytes);)
    });
    quote! {
        fn __shmfuzz_seeds(
            __shmfuzz_add: &mut dyn ::core::ops::FnMut(&[::core::primitive::u8]),
        ) {
            let _ = &__shmfuzz_add;
            #(#calls)*
        }
    }
}

fn registration(private: &TokenStream) -> TokenStream {
    quote! {
        #private::inventory::submit! {
            #private::FuzzTest {
                record: __SHMFUZZ_RECORD,
                record_bytes: &__SHMFUZZ_BYTES,
                package: #private::Package {
                    dir: ::core::env!("CARGO_MANIFEST_DIR"),
                    name: ::core::env!("CARGO_PKG_NAME"),
                },
                seeds: __shmfuzz_seeds,
                body: __shmfuzz_body,
            }
        }
    }
}

fn input_type(function: &ItemFn) -> TokenStream {
    match function.sig.inputs.first() {
        Some(FnArg::Typed(argument)) => argument.ty.to_token_stream(),
        _ => TokenStream::new(),
    }
}
