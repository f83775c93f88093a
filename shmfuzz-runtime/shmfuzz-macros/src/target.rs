//! What is written in `fuzz_target!`, as libfuzzer-sys takes it, made the function that it stands
//! for. Every refusal says what to write instead.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprClosure, Ident, ItemFn, Pat, Token, Type, parse_quote};

use crate::signature;

const WRITE: &str = "write a closure, as in `fuzz_target!(|data: &[u8]| { .. });`";

/// A fuzz target.
pub(crate) struct Target {
    /// Evaluated once, before the first call.
    pub(crate) init: Option<Expr>,
    /// The closure as a function that can be a fuzz test.
    pub(crate) function: ItemFn,
}

impl Parse for Target {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let init = init(input)?;
        let span = input.span();
        let starts_closure = input.peek(Token![|])
            || input.peek(Token![||])
            || input.peek(Token![move])
            || input.peek(Token![async]);
        if !starts_closure {
            return Err(Error::new(span, WRITE));
        }
        let closure: ExprClosure = input.parse()?;
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
        }
        if !input.is_empty() {
            return Err(input.error("expected nothing after the closure"));
        }
        Ok(Self { init, function: function(closure)? })
    }
}

fn init(input: ParseStream<'_>) -> syn::Result<Option<Expr>> {
    if !(input.peek(Ident::peek_any) && input.peek2(Token![:]) && !input.peek2(Token![::])) {
        return Ok(None);
    }
    let name = Ident::parse_any(input)?;
    if name != "init" {
        let message = format!("unknown `{name}`: only `init: EXPRESSION,` may stand here");
        return Err(Error::new(name.span(), message));
    }
    input.parse::<Token![:]>()?;
    let init = input.parse()?;
    if !input.peek(Token![,]) {
        return Err(input.error("write a comma, and then a closure, as in `|data: &[u8]| { .. }`"));
    }
    input.parse::<Token![,]>()?;
    Ok(Some(init))
}

fn function(closure: ExprClosure) -> syn::Result<ItemFn> {
    let tokens = [
        closure.asyncness.map(|token| token.span()),
        closure.capture.map(|token| token.span()),
        closure.constness.map(|token| token.span()),
    ];
    if let Some(span) = tokens.into_iter().flatten().next() {
        return Err(Error::new(span, "a fuzz target is a plain closure: remove this"));
    }
    let n_inputs = closure.inputs.len();
    let span = closure.inputs.get(1).map_or(closure.inputs_begin.span(), Spanned::span);
    let mut inputs = closure.inputs.into_iter();
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        let message = match n_inputs {
            0 => "a fuzz target takes its input as an argument, as in `|data: &[u8]|`",
            _ => "a fuzz target takes one argument: write a tuple, as in `|(a, b): (u8, String)|`",
        };
        return Err(Error::new(span, message));
    };
    let (pattern, ty) = match input {
        Pat::Type(typed) => (*typed.pat, Some(*typed.ty)),
        pattern => (pattern, None),
    };
    let output = closure.output;
    let body = match *closure.body {
        Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => block.block,
        body => parse_quote!({ #body }),
    };
    let name = Ident::new("fuzz_target", Span::call_site());
    let written = ty.clone().unwrap_or_else(|| parse_quote!(&[::core::primitive::u8]));
    let function: ItemFn = parse_quote!(fn #name(#pattern: #written) #output #body);
    signature::check(&function)?;
    let Some(ty) = ty.filter(|ty| !is_bytes(ty)) else { return Ok(function) };
    let value = arbitrary(ty.span());
    Ok(parse_quote!(fn #name(#value(#pattern): #value<#ty>) #output #body))
}

/// Where the runtime has no such type, the compiler says which feature it lacks.
fn arbitrary(span: Span) -> TokenStream {
    let name = quote_spanned!(span=> Arbitrary);
    quote!(::shmfuzz_runtime::#name)
}

/// Whether it is written `&[u8]`: then bytes are passed as they are, as libfuzzer-sys does. As a
/// type of `arbitrary` it would be the same.
fn is_bytes(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Slice(slice) = &*reference.elem else { return false };
    matches!(&*slice.elem, Type::Path(element) if element.path.is_ident("u8"))
        && reference.mutability.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    /// Compared without blanks, whose places depend on how the tokens came to be.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let target: Target = syn::parse_str(text).unwrap();
        let found = target.function.to_token_stream().to_string();
        let solid = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(solid(&found), solid(expected), "{text}");
        assert_eq!(target.init.is_some(), text.starts_with("init"));
    }

    #[test]
    fn all_forms_of_libfuzzer_are_functions() {
        let bytes = "fn fuzz_target(data: &[u8]) { run(data); }";
        check("|data: &[u8]| { run(data); }", bytes);
        check("|data: &[u8]| { run(data); },", bytes);
        check("init: { one(); two() }, |data: &[u8]| { run(data); }", bytes);
        check("|data| run(data)", "fn fuzz_target(data: &[::core::primitive::u8]) { run(data) }");
        check(
            "|data: &[u8]| -> Corpus { Corpus::Keep }",
            "fn fuzz_target(data: &[u8]) -> Corpus { Corpus::Keep }",
        );
        check(
            "init: (), |value: my::Type<'_, 3>| -> Corpus { run(value) }",
            "fn fuzz_target(::shmfuzz_runtime::Arbitrary(value): \
             ::shmfuzz_runtime::Arbitrary<my::Type<'_, 3>>) -> Corpus { run(value) }",
        );
    }
}
