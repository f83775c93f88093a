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
        // How many of them fit the frames that are kept is chance, too, so one more or less is not
        // what decides.
        let most = counts.values().max().copied()?;
        counts.into_iter().find(|(_, n)| 2 * n > most).map(|(name, _)| name)
    }

    /// The stack in lines: the user's own frames and the dependencies', those of the standard
    /// library in a row folded into one line, and a recursion into one of its rounds. Nothing is
    /// folded across a gap: what was left out may be something else.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Some((at, left_out)) = self.gap else { return lines_of(&self.frames) };
        let (inner, outer) = self.frames.split_at(at.min(self.frames.len()));
        let mut lines = lines_of(inner);
        lines.push(format!("({} more {})", left_out, frames_noun(left_out)));
        lines.extend(lines_of(outer));
        lines
    }
}

fn lines_of(mut frames: &[Frame]) -> Vec<String> {
    let mut lines = Vec::new();
    while !frames.is_empty() {
        let n_folded = frames.iter().take_while(|frame| is_folded(frame)).count();
        if n_folded > 0 {
            lines.push(format!("({n_folded} {} of libraries)", frames_noun(n_folded as u64)));
            frames = &frames[n_folded..];
            continue;
        }
        let (period, rounds) = rounds(frames);
        lines.extend(frames[..period].iter().map(ToString::to_string));
        if rounds > 1 {
            let noun = frames_noun(period as u64);
            lines.push(format!("(the {period} {noun} above, {} more times)", rounds - 1));
        }
        frames = &frames[period * rounds..];
    }
    lines
}

fn frames_noun(n: u64) -> &'static str {
    if n == 1 { "frame" } else { "frames" }
}

/// How many of the first frames come again at once, and how many times they stand there: 1 and 1
/// for what is no recursion.
fn rounds(frames: &[Frame]) -> (usize, usize) {
    const LONGEST: usize = 12;
    let same = |a: &Frame, b: &Frame| a.function.is_some() && a == b;
    (1..=LONGEST.min(frames.len() / 2))
        .map(|period| {
            let (first, others) = frames.split_at(period);
            let equal = others.iter().zip(first.iter().cycle());
            let n_equal = equal.take_while(|(a, b)| same(a, b)).count();
            (period, 1 + n_equal / period)
        })
        // A recursion is told by three rounds, unless it is one function that calls itself.
        .find(|(_, rounds)| *rounds > 2)
        .unwrap_or((1, 1))
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
    use shmfuzz_runtime::fuzz_test;

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

    /// A stack of what the bytes say: each is a frame, behind the place of a gap and its size.
    fn drawn(bytes: &[u8]) -> Trace {
        const NAMES: [&str; 7] =
            ["a", "b", "c", "std::panicking::f", "core::panicking::f", "g#1", "\u{e9}"];
        let origins =
            [Origin::Own, Origin::Dependency, Origin::Std, Origin::Harness, Origin::Other];
        let (head, frames) = bytes.split_at(bytes.len().min(2));
        let frames = frames.iter().take(128).map(|byte| {
            let (name, rest) = (usize::from(byte & 7), usize::from(byte >> 3));
            Frame {
                function: NAMES.get(name).map(|name| (*name).to_owned()),
                // A place is the same wherever the frame is, so that rounds are equal.
                place: (rest >= 16).then(|| format!("{name}.rs:1")),
                origin: origins[rest % origins.len()],
                is_inlined: false,
            }
        });
        let frames: Vec<Frame> = frames.collect();
        let gap = match head {
            [at, n] if *n > 0 => Some((usize::from(*at) % (frames.len() + 1), u64::from(*n))),
            _ => None,
        };
        Trace { frames, gap }
    }

    /// How many frames the lines of a stack stand for.
    fn n_told(lines: &[String]) -> u64 {
        let number = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
        let told = |line: &String| {
            let Some(inner) = line.strip_prefix('(').filter(|l| !l.starts_with("unknown")) else {
                return 1;
            };
            match inner.strip_prefix("the ") {
                Some(above) => number(above) * number(above.split_once(", ").unwrap().1),
                None => number(inner),
            }
        };
        lines.iter().map(told).sum()
    }

    /// The lines stand for each frame once, those that were left out among them.
    #[fuzz_test(seeds = [
        "\0\0\u{0}\u{1}\u{0}\u{1}\u{0}\u{1}\u{2}",
        "\u{3}\u{9}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
        "\u{2}\u{9}\u{10}\u{11}\u{12}\u{13}",
        "\u{0}\u{9}\u{0}\u{18}\u{7}",
    ])]
    fn lines_stand_for_all_frames(bytes: &[u8]) {
        let trace = drawn(bytes);
        let lines = trace.lines();
        let left_out = trace.gap.map_or(0, |(_, n)| n);
        assert_eq!(n_told(&lines), trace.frames.len() as u64 + left_out, "{lines:?}");
        // The user's own functions stand there in their order.
        let mut rest = trace.frames.iter().map(ToString::to_string);
        let named = lines.iter().filter(|l| !l.starts_with('(') || l.starts_with("(unknown"));
        assert!(named.into_iter().all(|line| rest.any(|frame| frame == *line)), "{lines:?}");
    }

    /// What is left of a stack is one piece of it, and no frame of what runs the test.
    #[fuzz_test(seeds = [
        "\0\0\u{18}\u{3}\u{0}\u{10}\u{18}\u{0}",
        "\u{2}\u{9}\u{18}\u{0}\u{1}\u{18}",
        "\u{4}\u{9}\u{18}\u{18}\u{3}\u{12}\u{1}\u{10}\u{10}\u{18}",
    ])]
    fn what_is_left_of_a_stack_is_a_piece_of_it(bytes: &[u8]) {
        let whole = drawn(bytes);
        let test = whole.clone().of_test();
        let n = test.frames.len();
        let is_here = |at: &usize| {
            let fits = whole.frames[*at..*at + n] == test.frames[..];
            let moved =
                whole.gap.and_then(|(gap, left_out)| Some((gap.checked_sub(*at)?, left_out)));
            fits && test.gap == moved.filter(|(gap, _)| *gap <= n)
        };
        assert!((0..=whole.frames.len() - n).any(|at| is_here(&at)), "{test:?}");
        assert!(test.frames.iter().all(|frame| frame.origin != Origin::Harness));
    }

    /// What stacks have in common ends each of them, and no longer stack does. The samples' sizes
    /// are the first bytes, up to a zero.
    #[fuzz_test(seeds = ["\u{4}\u{5}\0\0\0\u{1}\u{2}\0\0\u{3}\u{1}\u{2}", "\0", "\u{3}\0\0\0\u{1}"])]
    fn what_stacks_have_in_common_ends_each_of_them(bytes: &[u8]) {
        let (sizes, mut rest) = match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (bytes, &[][..]),
        };
        let mut samples = Vec::new();
        for size in sizes.iter().take(9) {
            let (sample, behind) = rest.split_at(rest.len().min(usize::from(*size)));
            samples.push(drawn(sample));
            rest = behind;
        }
        let Some(common) = Trace::common(samples.clone()) else {
            assert!(samples.is_empty());
            return;
        };
        let names = |trace: &Trace| -> Vec<Option<String>> {
            trace.frames.iter().rev().map(|frame| frame.function.clone()).collect()
        };
        let common_names = names(&common);
        assert!(samples.iter().all(|sample| names(sample).starts_with(&common_names)));
        let next: Vec<_> =
            samples.iter().map(|s| names(s).get(common_names.len()).cloned()).collect();
        let goes_on = next[0].is_some() && next.iter().all(|name| *name == next[0]);
        assert!(!goes_on, "they have more in common");
        assert!(common.gap.is_none_or(|(at, _)| at <= common.frames.len()));
    }
}
