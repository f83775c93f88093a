//! Options of a campaign, resolved once: defaults, then `[package.metadata.shmfuzz]`, then the
//! attribute, then the command line; the later one wins.
//!
//! Owns the defaults, the spelling of sizes and times, and the order. Everything after it sees
//! resolved values only.

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::layout::MAX_VALUE_LEN;
use shmfuzz_runtime::record::Options as Attribute;
use std::path::Path;
use std::time::Duration;

/// Longest time of one call, unless somebody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest resident memory of a worker, in bytes.
const RSS_LIMIT: u64 = 2 << 30;
/// Longest input, in bytes.
const MAX_LEN: usize = 1 << 20;

/// What one fuzz test is run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Longest time of one call.
    pub(crate) timeout: Duration,
    /// Largest resident memory of a worker, in bytes; 0 for none.
    pub(crate) rss_limit: u64,
    /// Longest input to make, in bytes.
    pub(crate) max_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: TIMEOUT, rss_limit: RSS_LIMIT, max_len: MAX_LEN }
    }
}

/// What one place says; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    /// Longest time of one call.
    pub(crate) timeout: Option<Duration>,
    /// Largest resident memory of a worker, in bytes; 0 for none.
    pub(crate) rss_limit: Option<u64>,
    /// Longest input to make, in bytes.
    pub(crate) max_len: Option<usize>,
}

impl From<&Attribute> for Layer {
    fn from(options: &Attribute) -> Self {
        let given = |n: u64| (n != 0).then_some(n);
        Self {
            timeout: given(options.timeout_ms).map(Duration::from_millis),
            rss_limit: given(options.rss_limit),
            max_len: given(options.max_len).map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        }
    }
}

impl Limits {
    /// The defaults under these layers, from low to high.
    pub(crate) fn resolve(layers: &[Layer]) -> Self {
        layers.iter().fold(Self::default(), |below, layer| Self {
            timeout: layer.timeout.unwrap_or(below.timeout),
            rss_limit: layer.rss_limit.unwrap_or(below.rss_limit),
            max_len: layer.max_len.unwrap_or(below.max_len),
        })
    }
}

/// `[package.metadata.shmfuzz]`. What other parts of the command read of it is left to them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    timeout: Option<String>,
    rss_limit: Option<Size>,
    max_len: Option<Size>,
    dict: Option<serde_json::Value>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(rename = "instrument")]
    _instrument: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
}

impl Size {
    fn bytes(&self) -> anyhow::Result<u64> {
        match self {
            Self::Number(n) => Ok(*n),
            Self::Text(text) => parse_size(text),
        }
    }
}

/// What a package's metadata say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfPackage {
    /// The limits of its fuzz tests.
    pub(crate) layer: Layer,
    /// The file of a dictionary that all of them have, relative to the package's root.
    pub(crate) dict: Option<String>,
    /// Failures that are no findings.
    pub(crate) ignore: Vec<Bucket>,
}

/// What a package's metadata say.
///
/// # Errors
/// If a key is unknown or a value is none for it.
pub(crate) fn of_package(metadata: &serde_json::Value) -> anyhow::Result<OfPackage> {
    let table = package_table(metadata)?;
    let timeout = table.timeout.as_deref().map(parse_time).transpose().context("timeout")?;
    let rss_limit = table.rss_limit.map(|size| size.bytes()).transpose().context("rss_limit")?;
    let max_len = table.max_len.map(|size| size.bytes()).transpose().context("max_len")?;
    let max_len = max_len.map(to_max_len).transpose().context("max_len")?;
    let dict = table.dict.as_ref().map(parse_dict).transpose().context("dict")?;
    let bucket = |text: &String| text.parse().with_context(|| format!("ignore: {text:?}"));
    let ignore = table.ignore.iter().map(bucket).collect::<anyhow::Result<Vec<Bucket>>>()?;
    Ok(OfPackage { layer: Layer { timeout, rss_limit, max_len }, dict, ignore })
}

/// A path with a root of its own means another file on each machine: the attribute takes none,
/// either.
fn parse_dict(value: &serde_json::Value) -> anyhow::Result<String> {
    let is_relative = |text: &&str| !text.is_empty() && Path::new(text).is_relative();
    let path = value.as_str().filter(is_relative).with_context(|| {
        format!(
            r#"{value} is no path relative to the package's root: write it as in "dict/json.dict""#
        )
    })?;
    Ok(path.to_owned())
}

fn package_table(metadata: &serde_json::Value) -> anyhow::Result<Metadata> {
    let ours = metadata.get("shmfuzz").map(Metadata::deserialize).transpose()?;
    Ok(ours.unwrap_or_default())
}

/// A time that must not be nothing: `500ms`, `60s`, `10m`, `1h 30m`.
///
/// # Errors
/// If it is none, or zero.
pub(crate) fn parse_time(text: &str) -> anyhow::Result<Duration> {
    let time = parse_time_or_zero(text)?;
    ensure!(!time.is_zero(), "it must not be zero");
    Ok(time)
}

/// More than any campaign lasts.
const LONGEST_YEARS: u64 = 1000;

/// As [`parse_time`], and `0`.
///
/// # Errors
/// If it is none.
pub(crate) fn parse_time_or_zero(text: &str) -> anyhow::Result<Duration> {
    let only_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if only_digits && text.bytes().any(|b| b != b'0') {
        bail!("a unit is missing: write `{text}s` for seconds");
    }
    if only_digits {
        return Ok(Duration::ZERO);
    }
    // What is far too long could be more than the parser can add up, which then panics.
    let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    ensure!(digits <= 9 && text.len() <= 64, "it is longer than {} years", LONGEST_YEARS);
    let time = humantime::parse_duration(text)
        .with_context(|| "write it as in 500ms, 60s, 10m or 1h 30m")?;
    let longest = Duration::from_secs(LONGEST_YEARS * 366 * 24 * 3600);
    ensure!(time <= longest, "it is longer than {} years", LONGEST_YEARS);
    Ok(time)
}

/// A number of bytes: `4096`, `64k`, `512MiB`, `2G`. All units are powers of 1024.
///
/// # Errors
/// If it is none, or too large.
pub(crate) fn parse_size(text: &str) -> anyhow::Result<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => bail!("write it as in 4096, 64k, 512MiB or 2G"),
    };
    let number: u64 = number.parse().context("write it as in 4096, 64k, 512MiB or 2G")?;
    number.checked_mul(1 << shift).context("it is too large")
}

/// An expected number of discoveries: `1`, `0.2`.
///
/// # Errors
/// If it is no number above zero.
pub(crate) fn parse_expectation(text: &str) -> anyhow::Result<f64> {
    let number: f64 = text.parse().context("write it as in 1, 5 or 0.2")?;
    ensure!(number.is_finite() && number > 0.0, "it must be above zero");
    Ok(number)
}

/// The longest input, as the command line spells it.
///
/// # Errors
/// If it is no size, or zero.
pub(crate) fn parse_max_len(text: &str) -> anyhow::Result<usize> {
    to_max_len(parse_size(text)?)
}

fn to_max_len(bytes: u64) -> anyhow::Result<usize> {
    ensure!(bytes > 0, "it must not be zero");
    let most = MAX_VALUE_LEN >> 20;
    let len = usize::try_from(bytes).ok().filter(|len| *len <= MAX_VALUE_LEN);
    len.with_context(|| format!("it is too large: the maximum is {most}MiB"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use shmfuzz_runtime::fuzz_test;

    #[test]
    fn the_later_layer_wins() {
        let metadata = json!({ "shmfuzz": {
            "timeout": "3s", "rss_limit": "1G", "max_len": 100, "instrument": { "only": ["a"] },
            "dict": "a.dict", "ignore": ["00000000000000ff"],
        }});
        let OfPackage { layer: package, dict, ignore } = of_package(&metadata).unwrap();
        assert_eq!((dict.as_deref(), &ignore[..]), (Some("a.dict"), &[Bucket(255)][..]));
        let attribute =
            Layer::from(&Attribute { timeout_ms: 1500, max_len: 50, ..Attribute::default() });
        let flags = Layer { max_len: Some(7), ..Layer::default() };
        assert_eq!(Limits::resolve(&[]), Limits::default());
        let resolved = |layers: &[Layer]| {
            let Limits { timeout, rss_limit, max_len } = Limits::resolve(layers);
            (timeout.as_millis(), rss_limit, max_len)
        };
        assert_eq!(resolved(&[package]), (3000, 1 << 30, 100));
        assert_eq!(resolved(&[package, attribute]), (1500, 1 << 30, 50));
        assert_eq!(resolved(&[package, attribute, flags]), (1500, 1 << 30, 7));
        assert_eq!(resolved(&[Layer::default(), attribute, flags]), (1500, 2 << 30, 7));
    }

    #[test]
    fn metadata_that_say_something_else_are_refused() {
        let error = |ours| format!("{:#}", of_package(&json!({ "shmfuzz": ours })).unwrap_err());
        assert!(error(json!({ "tiemout": "3s" })).contains("unknown field `tiemout`"));
        assert_eq!(
            error(json!({ "timeout": "3" })),
            "timeout: a unit is missing: write `3s` for seconds"
        );
        assert_eq!(error(json!({ "max_len": 0 })), "max_len: it must not be zero");
        assert_eq!(
            error(json!({ "ignore": ["src/lib.rs:3"] })),
            "ignore: \"src/lib.rs:3\": a bucket is 16 hexadecimal digits, as a finding shows it"
        );
        for (dict, shown) in [
            (json!(1), "1"),
            (json!(""), r#""""#),
            (json!("/etc/json.dict"), r#""/etc/json.dict""#),
        ] {
            let expected = format!(
                "dict: {shown} is no path relative to the package's root: write it as in \
                 \"dict/json.dict\""
            );
            assert_eq!(error(json!({ "dict": dict })), expected);
        }
        assert_eq!(of_package(&json!(null)).unwrap(), OfPackage::default());
        assert_eq!(of_package(&json!({ "other": 1 })).unwrap(), OfPackage::default());
    }

    #[test]
    fn times_and_sizes_are_read() {
        for (text, ms) in
            [("0", 0), ("0s", 0), ("500ms", 500), ("60s", 60_000), ("1h 30m", 5_400_000)]
        {
            assert_eq!(parse_time_or_zero(text).unwrap().as_millis(), ms, "{text}");
        }
        for text in ["", "10", "-1s", "1 fortnight", "s"] {
            assert!(parse_time_or_zero(text).is_err(), "{text}");
        }
        assert!(parse_time("0").is_err());
        for (text, bytes) in
            [("0", 0), ("4096", 4096), ("64k", 1 << 16), ("512MiB", 1 << 29), ("2 GB", 2 << 30)]
        {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "k", "1.5G", "-1", "1T", "99999999999999999999", "18446744073709551615k"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(parse_expectation("0.2").unwrap(), 0.2);
        for text in ["0", "-1", "inf", "NaN", "", "1s"] {
            assert!(parse_expectation(text).is_err(), "{text}");
        }
        assert!(parse_max_len("0").is_err());
        assert_eq!(parse_max_len("1G").unwrap(), MAX_VALUE_LEN);
        let error = parse_max_len("1073741825").unwrap_err();
        assert_eq!(error.to_string(), "it is too large: the maximum is 1024MiB");
    }

    /// A size is its number times its unit; the number alone is the same size.
    #[fuzz_test(seeds = ["4096", "64k", "512MiB", "2 GB", "18446744073709551615k", "1T", "0b"])]
    fn a_size_is_a_number_times_a_power_of_1024(text: &str) {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        match parse_size(text) {
            Ok(size) => {
                let number: u128 = digits.parse().expect("it begins with a number");
                let is_power = |shift| number << shift == u128::from(size);
                assert!([0, 10, 20, 30].into_iter().any(is_power), "{size}");
                assert_eq!(parse_size(&size.to_string()).unwrap(), size);
                let longest = parse_max_len(text).ok();
                let fits = (1..=MAX_VALUE_LEN as u64).contains(&size);
                assert_eq!(longest.map(|len| len as u64), fits.then_some(size));
            }
            Err(_) if digits.parse::<u64>().is_ok() => {
                assert!(parse_size(&digits).is_ok(), "a number alone is a size");
            }
            Err(_) => {}
        }
    }

    /// A time is the same when it is read as the command prints it.
    #[fuzz_test(seeds = ["0", "500ms", "60s", "1h 30m", "1y 2months 3ns", "10", "584942417355y", "1000y",
        "1.5s18446744073709551614.5s"])]
    fn a_time_comes_back(text: &str) {
        let Ok(time) = parse_time_or_zero(text) else {
            assert!(parse_time(text).is_err());
            return;
        };
        assert_eq!(parse_time(text).is_ok(), !time.is_zero());
        let written = humantime::format_duration(time).to_string();
        assert_eq!(parse_time_or_zero(&written).unwrap(), time, "{written}");
    }

    /// Whatever metadata say, the limits that come of them can be used.
    #[fuzz_test(seeds = [
        r#"{"timeout":"3s","rss_limit":"1G","max_len":100,"instrument":{"only":["a"]},"dict":"a.dict"}"#,
        r#"{"max_len":"1G","rss_limit":0}"#,
        r#"{"dict":"/a"}"#,
        r#"{"timeout":"0s"}"#,
    ])]
    fn metadata_are_refused_or_can_be_used(text: &str) {
        let Ok(ours) = serde_json::from_str::<serde_json::Value>(text) else { return };
        let Ok(OfPackage { layer, dict, .. }) = of_package(&json!({ "shmfuzz": ours })) else {
            return;
        };
        let Limits { timeout, rss_limit, max_len } = Limits::resolve(&[layer]);
        assert!(!timeout.is_zero() && (1..=MAX_VALUE_LEN).contains(&max_len));
        assert_eq!(rss_limit, layer.rss_limit.unwrap_or(RSS_LIMIT));
        let package = Path::new("/package");
        assert!(
            dict.is_none_or(|dict| !dict.is_empty() && package.join(dict).starts_with(package))
        );
    }
}
