//! Stacks as people read them: functions and lines, of which those of the user's own code count.
//!
//! Pure: what stands at a program counter, [`Source`](crate::source::Source) says.

use std::collections::BTreeMap;
use std::fmt;

/// Whose code a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The user's own: of the workspace, or of a path dependency.
    Own,
    /// A dependency's, from a registry or a repository.
    Dependency,
    /// The standard library's.
    Std,
    /// What runs the fuzz test.
    Harness,
    /// A library's, or it is not known.
    Other,
}

impl Origin {
    /// As the JSON events name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Dependency => "dependency",
            Self::Std => "std",
            Self::Harness => "harness",
            Self::Other => "other",
        }
    }
}

/// One call, or one function that was inlined into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The function, without the compiler's hash; `None` if no symbol tells.
    pub(crate) function: Option<String>,
    /// `file:line:column`, as much of it as is known; files of the workspace relative to its root.
    pub(crate) place: Option<String>,
    /// Whose it is.
    pub(crate) origin: Origin,
    /// Whether it was inlined into the next frame.
    pub(crate) is_inlined: bool,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.as_deref().unwrap_or("(unknown function)"))?;
        match &self.place {
            Some(place) => write!(f, " at {place}"),
            None => Ok(()),
        }
    }
}

/// A stack, the innermost frame first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Its frames.
    pub(crate) frames: Vec<Frame>,
    /// Where frames were left out of a deep stack, as an index of `frames`, and how many.
    pub(crate) gap: Option<(usize, u64)>,
}

/// Functions with which a panic begins, by how their names begin.
const MACHINERY: [&str; 7] = [
    "std::panicking::",
    "core::panicking::",
    "std::panic::",
    "__rustc::",
    "rust_begin_unwind",
    "std::sys::backtrace::__rust_end_short_backtrace",
    "<alloc::boxed::Box<dyn for<'a, 'b> core::ops::function::Fn<(&'a std::panic::PanicHookInfo",
];
/// How many frames at the innermost end may be those of a panic.
const MOST_MACHINERY: usize = 16;

impl Trace {
    /// The part of a stack that belongs to the fuzz test: without what ran it, and without the
    /// machinery of the panic or the signal that ended it.
    pub(crate) fn of_test(mut self) -> Self {
        let is_machinery = |frame: &Frame| {
            let name = frame.function.as_deref().unwrap_or_default();
            frame.origin == Origin::Harness || MACHINERY.iter().any(|part| name.starts_with(part))
        };
        // Others of the standard library may stand between them.
        let head = self.frames.iter().take(MOST_MACHINERY);
        let head = head.take_while(|frame| frame.origin != Origin::Own).collect::<Vec<_>>();
        let n_head = head.iter().rposition(|frame| is_machinery(frame)).map_or(0, |last| last + 1);
        let is_harness = |frame: &Frame| frame.origin == Origin::Harness;
        let end = self.frames.iter().skip(n_head).position(is_harness);
        if let Some(end) = end {
            self.frames.truncate(n_head + end);
            let calls_test = |frame: &Frame| frame.origin == Origin::Std;
            while self.frames.len() > n_head && self.frames.last().is_some_and(calls_test) {
                self.frames.pop();
            }
        }
        self.frames.drain(..n_head.min(self.frames.len()));
        self.gap = self.gap.and_then(|(at, n)| Some((at.checked_sub(n_head)?, n)));
        self.gap = self.gap.filter(|(at, _)| *at <= self.frames.len());
        self
    }

    /// What stacks of one call that does not end have in common: it loops, or waits, in the
    /// innermost of those frames.
    pub(crate) fn common(samples: Vec<Self>) -> Option<Self> {
        samples.into_iter().reduce(|a, b| {
            let pairs = a.frames.iter().rev().zip(b.frames.iter().rev());
            let n = pairs.take_while(|(a, b)| a.function == b.function).count();
            // The lines are those of one sample: where in the loop it was is chance.
            let frames = b.frames[b.frames.len() - n..].to_vec();
            let n_cut = b.frames.len() - n;
            let gap = b.gap.and_then(|(at, left_out)| Some((at.checked_sub(n_cut)?, left_out)));
            Self { frames, gap }
        })
    }

    /// The names of the innermost functions of the user's own, `most` of them, without repetitions
    /// and without numbers: those of closures and parameters change with the code around them.
    /// Where none is the user's, those of dependencies.
    pub(crate) fn telling(&self, most: usize) -> Vec<String> {
        let of = |origin| {
            let frames = self.frames.iter().filter(move |frame| frame.origin == origin);
            let mut names: Vec<String> = Vec::new();
            for name in frames.filter_map(|frame| frame.function.as_deref()).map(without_numbers) {
                if names.len() < most && !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        let own = of(Origin::Own);
        if own.is_empty() { of(Origin::Dependency) } else { own }
    }

    /// The name of the innermost of the user's functions that was not inlined, without numbers. Of
    /// what loops: whether it was in a closure of it at that moment is chance.
    pub(crate) fn innermost_whole(&self) -> Option<String> {
        let is_whole = |frame: &&Frame| frame.origin == Origin::Own && !frame.is_inlined;
        self.frames.iter().find(is_whole)?.function.as_deref().map(without_numbers)
    }

    /// The name of the user's function that stands there most often, without numbers: of a recursion
    /// that has no end, which of its functions comes last is chance.
    pub(crate) fn most_frequent(&self) -> Option<String> {
        let own = self.frames.iter().filter(|frame| frame.origin == Origin::Own);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for name in own.filter_map(|frame| frame.function.as_deref()) {
            *counts.entry(without_numbers(name)).or_default() += 1;
        }
        let most = counts.values().max().copied()?;
        counts.into_iter().find(|(_, n)| *n == most).map(|(name, _)| name)
    }

    /// The stack in lines: the user's own frames and the dependencies', those of the standard
    /// library in a row folded into one line, and a recursion into one of its rounds.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut at = 0;
        while at < self.frames.len() {
            if let Some((_, n)) = self.gap.filter(|(gap, _)| *gap == at) {
                lines.push(format!("({n} more frames)"));
            }
            let n_folded =
                self.frames[at..].iter().take_while(|frame| is_folded(frame)).count().max(1);
            if is_folded(&self.frames[at]) {
                let rest = if n_folded == 1 { "frame" } else { "frames" };
                lines.push(format!("({n_folded} {rest} of libraries)"));
                at += n_folded;
                continue;
            }
            let (period, rounds) = self.rounds(at);
            lines.extend(self.frames[at..at + period].iter().map(ToString::to_string));
            if rounds > 1 {
                let what = if period == 1 { "frame" } else { "frames" };
                lines.push(format!("(the {period} {what} above, {} more times)", rounds - 1));
            }
            at += period * rounds;
        }
        lines
    }

    /// How many frames from `at` on come again at once, and how many times they stand there: 1 and
    /// 1 for what is no recursion.
    fn rounds(&self, at: usize) -> (usize, usize) {
        const LONGEST: usize = 12;
        let rest = &self.frames[at..];
        let same = |a: &Frame, b: &Frame| a.function.is_some() && a == b;
        (1..=LONGEST.min(rest.len() / 2))
            .map(|period| {
                let (first, others) = rest.split_at(period);
                let equal = others.iter().zip(first.iter().cycle());
                let n_equal = equal.take_while(|(a, b)| same(a, b)).count();
                (period, 1 + n_equal / period)
            })
            // A recursion is told by three rounds, unless it is one function that calls itself.
            .find(|(_, rounds)| *rounds > 2)
            .unwrap_or((1, 1))
    }
}

fn is_folded(frame: &Frame) -> bool {
    matches!(frame.origin, Origin::Std | Origin::Harness | Origin::Other)
}

/// A name with each number in it replaced by one mark.
fn without_numbers(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(origin: Origin, name: &str) -> Frame {
        Frame { function: Some(name.to_owned()), place: None, origin, is_inlined: false }
    }

    fn own(name: &str) -> Frame {
        frame(Origin::Own, name)
    }

    fn trace(frames: Vec<Frame>) -> Trace {
        Trace { frames, gap: None }
    }

    #[test]
    fn only_the_test_is_left() {
        let all = trace(vec![
            frame(Origin::Harness, "shmfuzz_runtime::worker::panics::note"),
            frame(Origin::Std, "<alloc::boxed::Box<F> as Fn>::call"),
            frame(Origin::Std, "std::panicking::panic_with_hook"),
            frame(Origin::Std, "core::panicking::panic_bounds_check"),
            frame(Origin::Std, "core::slice::index"),
            own("a::parse"),
            frame(Origin::Std, "core::iter::map"),
            own("a::tests::fuzz"),
            frame(Origin::Std, "std::panicking::catch_unwind::do_call"),
            frame(Origin::Harness, "shmfuzz_runtime::worker::execute::call"),
            own("a::main"),
        ]);
        let names = |trace: &Trace| -> Vec<String> {
            trace.frames.iter().filter_map(|frame| frame.function.clone()).collect()
        };
        let test = all.of_test();
        assert_eq!(
            names(&test),
            ["core::slice::index", "a::parse", "core::iter::map", "a::tests::fuzz"]
        );
        let expected =
            ["(1 frame of libraries)", "a::parse", "(1 frame of libraries)", "a::tests::fuzz"];
        assert_eq!(test.lines(), expected);
        let caught = trace(vec![own("a"), frame(Origin::Std, "std::panicking::catch_unwind")]);
        assert_eq!(caught.clone().of_test(), caught, "what the test itself catches stays");
    }

    #[test]
    fn a_gap_moves_with_what_is_cut_off() {
        let harness = || frame(Origin::Harness, "shmfuzz_runtime::h");
        let frames = vec![harness(), own("a"), own("b"), harness()];
        let cut = Trace { frames: frames.clone(), gap: Some((2, 99)) }.of_test();
        assert_eq!(cut.lines(), ["a", "(99 more frames)", "b"]);
        assert_eq!(Trace { frames, gap: Some((0, 99)) }.of_test().gap, None);
    }

    #[test]
    fn a_recursion_is_shown_once() {
        let rounds = (0..5).flat_map(|_| [own("a"), own("b")]);
        let frames: Vec<Frame> = rounds.chain([own("c"), own("d"), own("c"), own("d")]).collect();
        let expected = ["a", "b", "(the 2 frames above, 4 more times)", "c", "d", "c", "d"];
        assert_eq!(trace(frames).lines(), expected);
    }

    #[test]
    fn samples_have_in_common_what_calls_the_loop() {
        let sample = |inner: &[&str]| {
            let outer = ["spin", "test"];
            trace(inner.iter().chain(&outer).map(|name| own(name)).collect())
        };
        let common = Trace::common(vec![sample(&["f", "g"]), sample(&[]), sample(&["h", "g"])]);
        assert_eq!(common, Some(sample(&[])));
        assert_eq!(Trace::common(Vec::new()), None);
        let apart = Trace::common(vec![trace(vec![own("a")]), trace(vec![own("b")])]).unwrap();
        assert!(apart.frames.is_empty());
    }

    #[test]
    fn a_recursion_is_named_by_its_most_frequent_function() {
        let frames = vec![own("a::z"), own("a::f"), own("a::g"), own("a::f"), own("a::main")];
        assert_eq!(trace(frames).most_frequent().as_deref(), Some("a::f"));
        assert_eq!(trace(vec![frame(Origin::Std, "x")]).most_frequent(), None);
    }

    #[test]
    fn a_loop_is_named_by_its_function_and_not_by_its_closures() {
        let inlined = Frame { is_inlined: true, ..own("{closure#0}") };
        let frames = vec![frame(Origin::Std, "fold"), inlined, own("a::step2"), own("a::main")];
        assert_eq!(trace(frames).innermost_whole().as_deref(), Some("a::step#"));
        assert_eq!(trace(Vec::new()).innermost_whole(), None);
    }

    #[test]
    fn telling_names_are_the_users_and_have_no_numbers() {
        let all = trace(vec![
            frame(Origin::Std, "core::ptr::read"),
            own("a::f::{closure#3}"),
            own("a::f::{closure#14}"),
            frame(Origin::Dependency, "dep::x"),
            own("a::g::<16>"),
            own("a::h"),
        ]);
        assert_eq!(all.telling(2), ["a::f::{closure#}", "a::g::<#>"]);
        let others = trace(vec![frame(Origin::Other, "memcpy"), frame(Origin::Dependency, "d::x")]);
        assert_eq!(others.telling(3), ["d::x"]);
    }
}
