//! Which functions can be fuzz tests. Every refusal says what to write instead, and points at the
//! part to change; whether a type is an input or an outcome is left to the traits of the runtime.

use crate::options::Options;
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, ReturnType, Signature, Type};

const INPUTS: &str = "`&[u8]`, `&str`, numbers, `Vec`s, tuples and the like";
/// The most arguments that a fuzz test has.
const MOST: usize = 8;

/// Checks the signature and the other attributes.
///
/// # Errors
/// All that is wrong with it, combined.
pub(crate) fn check(function: &ItemFn) -> Result<(), Error> {
    let mut errors: Option<Error> = None;
    let found = attribute_errors(function)
        .into_iter()
        .chain(qualifier_errors(&function.sig))
        .chain(argument_errors(&function.sig))
        .chain(output_error(&function.sig.output));
    for error in found {
        match &mut errors {
            Some(all) => all.combine(error),
            None => errors = Some(error),
        }
    }
    errors.map_or(Ok(()), Err)
}

/// Checks that an `async` function comes with what drives it, and no other does.
///
/// # Errors
/// If one of the two is missing.
pub(crate) fn check_async(function: &ItemFn, options: &Options) -> Result<(), Error> {
    match (&function.sig.asyncness, &options.block_on) {
        (Some(token), None) => Err(Error::new_spanned(
            token,
            "name the function that drives an `async` fuzz test, as in \
             `#[fuzz_test(block_on = pollster::block_on)]`: one of an executor, or your own \
             `fn block_on<F: Future>(future: F) -> F::Output`",
        )),
        (None, Some(block_on)) => Err(Error::new_spanned(
            &block_on.path,
            "`block_on` is for an `async fn`, and this one is not: remove it, or write `async fn`",
        )),
        _ => Ok(()),
    }
}

fn attribute_errors(function: &ItemFn) -> Vec<Error> {
    let mut errors = Vec::new();
    for attribute in &function.attrs {
        let path = attribute.path();
        if path.is_ident("should_panic") {
            errors.push(Error::new_spanned(
                attribute,
                "a fuzz test cannot be `#[should_panic]`: a panic is a failure; \
                 assert on what the code returns, or catch the panic with `std::panic::catch_unwind`",
            ));
        } else if is_named(path, "test") || path.is_ident("rustc_test_marker") {
            errors.push(Error::new_spanned(
                attribute,
                "`#[fuzz_test]` makes a test by itself: remove this attribute",
            ));
        } else if is_named(path, "fuzz_test") {
            errors.push(Error::new_spanned(attribute, "`#[fuzz_test]` can stand here only once"));
        }
    }
    errors
}

fn is_named(path: &syn::Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}

fn qualifier_errors(signature: &Signature) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Some(token) = &signature.constness {
        errors.push(Error::new_spanned(token, "a fuzz test cannot be `const`: remove it"));
    }
    if let Some(token) = &signature.unsafety {
        errors.push(Error::new_spanned(
            token,
            "a fuzz test cannot be an `unsafe fn`: write `unsafe` blocks in it",
        ));
    }
    if let Some(abi) = &signature.abi {
        errors.push(Error::new_spanned(abi, "a fuzz test cannot be `extern`: remove it"));
    }
    if !signature.generics.params.is_empty() {
        errors.push(Error::new_spanned(
            &signature.generics,
            format!("a fuzz test cannot be generic: name its input's type, {INPUTS}"),
        ));
    } else if let Some(clause) = &signature.generics.where_clause {
        errors.push(Error::new_spanned(clause, "a fuzz test takes no `where` clause: remove it"));
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(Error::new_spanned(variadic, "a fuzz test cannot be variadic: remove it"));
    }
    errors
}

fn argument_errors(signature: &Signature) -> Vec<Error> {
    let mut errors = Vec::new();
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => errors.push(Error::new_spanned(
                receiver,
                format!("a fuzz test is no method: it takes {INPUTS}"),
            )),
            FnArg::Typed(argument) => errors.extend(type_error(&argument.ty)),
        }
    }
    match signature.inputs.len() {
        0 => errors.push(Error::new(
            signature.paren_token.span.join(),
            format!("a fuzz test takes its input as an argument: {INPUTS}, as in `data: &[u8]`"),
        )),
        1..=MOST => {}
        _ => errors.push(Error::new(
            signature.inputs[MOST].span(),
            format!("a fuzz test takes at most {MOST} arguments: put some of them into a tuple"),
        )),
    }
    errors
}

fn output_error(output: &ReturnType) -> Option<Error> {
    let ReturnType::Type(_, ty) = output else { return None };
    matches!(**ty, Type::ImplTrait(_)).then(|| {
        Error::new_spanned(ty, "name the type of the result: nothing, `Result<(), E>` or `Reject`")
    })
}

/// What the compiler itself would refuse in words about the expansion.
fn type_error(ty: &Type) -> Option<Error> {
    match ty {
        Type::Group(group) => type_error(&group.elem),
        Type::Paren(paren) => type_error(&paren.elem),
        Type::ImplTrait(_) => {
            Some(Error::new_spanned(ty, format!("name the type of the input: {INPUTS}")))
        }
        Type::Reference(reference) => reference.lifetime.as_ref().map(|lifetime| {
            Error::new_spanned(
                lifetime,
                "the input lives only as long as the call: remove this lifetime",
            )
        }),
        _ => None,
    }
}
