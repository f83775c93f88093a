//! Shrinking an input: which candidate to try next. Pure: who drives it runs the candidates and
//! says what came of them, be it in a worker's own process or with a fresh process for each death.
//!
//! An input of a fuzz test that takes it as it is is made smaller by `passes` over its bytes, one
//! that holds values by `values`. Invariants of both: the best input so far only gets shorter, or
//! simpler at the same length; no candidate is proposed twice; an end is reached.

mod chance;
mod edit;
mod lengths;
mod numbers;
mod parts;
mod passes;
mod simple;
#[cfg(test)]
mod tests;
mod tried;
mod values;

use crate::record::InputKind;
use crate::shape::Shape;
use passes::Passes;
use values::Values;

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Remove chunks, once.
    Shorten,
    /// Everything, as long as it helps.
    Full,
}

/// A minimization under way.
#[derive(Clone, Debug)]
pub struct Minimizer(Way);

#[derive(Clone, Debug)]
enum Way {
    Bytes(Box<Passes>),
    Values(Box<Values>),
}

impl Minimizer {
    /// Begins with an input that does what it must, and holds values if there is a shape. Text must
    /// be valid UTF-8. Values are written anew, by their shortest bytes, before anything is tried.
    pub fn new(input: &[u8], kind: InputKind, shape: Option<&Shape>, scope: Scope) -> Self {
        Self(match shape {
            Some(shape) => Way::Values(Box::new(Values::new(input, shape, scope))),
            None => Way::Bytes(Box::new(Passes::new(input, kind, scope))),
        })
    }

    /// The smallest input so far.
    pub fn best(&self) -> &[u8] {
        match &self.0 {
            Way::Bytes(passes) => passes.best(),
            Way::Values(values) => values.best(),
        }
    }

    /// The next input to try; `None` if nothing is left. Asking again gives the same, until
    /// [`Minimizer::accept`] or [`Minimizer::reject`] says what came of it.
    pub fn candidate(&mut self) -> Option<&[u8]> {
        match &mut self.0 {
            Way::Bytes(passes) => passes.candidate(),
            Way::Values(values) => values.candidate(),
        }
    }

    /// The candidate still does what it must: it is the best now.
    pub fn accept(&mut self) {
        match &mut self.0 {
            Way::Bytes(passes) => passes.accept(),
            Way::Values(values) => values.accept(),
        }
    }

    /// The candidate does not.
    pub fn reject(&mut self) {
        match &mut self.0 {
            Way::Bytes(passes) => passes.reject(),
            Way::Values(values) => values.reject(),
        }
    }
}
