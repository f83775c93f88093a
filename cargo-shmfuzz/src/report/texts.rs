//! What was told of each finding, as a text file beside the cache: for whoever comes later, when
//! the terminal is gone.
//!
//! Owns the files and what stands in them. Invariant: a text is named after the file that holds the
//! finding's input now, and there is one for each finding.

use super::Label;
use super::console::Console;
use super::human::Human;
use crate::coordinator::campaign::FindingId;
use crate::coordinator::notice::{Finding, Notice, Reproducible};
use crate::coordinator::store::disk::{self, Care};
use crate::show;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest input that is shown as a seed of the attribute, in bytes.
const MAX_SEED: usize = 200;

/// The texts of a campaign's findings.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// Where those of each test go.
    folders: Vec<PathBuf>,
    labels: Vec<Label>,
    texts: HashMap<FindingId, Text>,
}

#[derive(Debug, Default)]
struct Text {
    told: String,
    file: Option<PathBuf>,
}

/// What was printed.
#[derive(Clone, Debug, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Texts {
    /// Of the tests that are called so, in these folders.
    pub(super) fn new(folders: Vec<PathBuf>, labels: Vec<Label>) -> Self {
        Self { folders, labels, texts: HashMap::new() }
    }

    /// Takes in what is told of a finding, whose input stands at `path`.
    ///
    /// # Errors
    /// If its text cannot be written.
    pub(super) fn note(&mut self, notice: &Notice, path: Option<&Path>) -> anyhow::Result<()> {
        let (Notice::Finding(finding)
        | Notice::Minimized { finding, .. }
        | Notice::PassesPlain(finding)) = notice
        else {
            return Ok(());
        };
        let Some(folder) = self.folders.get(finding.test.0) else { return Ok(()) };
        let page = Page::default();
        let stripped = anstream::StripStream::new(Box::new(page.clone()) as Box<dyn Write + Send>);
        let mut human = Human::new(Console::plain(Box::new(stripped)));
        human.name(self.labels.clone());
        human.show(notice, path);
        let text = self.texts.entry(finding.id).or_default();
        let printed = page.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.told.push_str(&String::from_utf8_lossy(&printed));
        let name = path.and_then(Path::file_name).map_or_else(
            || format!("unsaved-{}.txt", finding.failure.bucket),
            |name| format!("{}.txt", name.to_string_lossy()),
        );
        let content = match self.labels.get(finding.test.0) {
            // Of values, the file itself is what can be read and changed.
            Some(Label { shape: Some(_), .. }) => text.told.clone(),
            _ => format!("{}{}", text.told, as_seed(finding)),
        };
        let file = disk::write(folder, &name, content.as_bytes(), Care::Text)?;
        match text.file.replace(file.clone()) {
            Some(old) if old != file => disk::remove(&old),
            _ => Ok(()),
        }
    }
}

/// How to keep a short input in the source.
fn as_seed(finding: &Finding) -> String {
    // What ends the process would end that of all tests.
    let is_input = !matches!(finding.reproducible, Reproducible::InSequence { .. });
    if !is_input || finding.input.len() > MAX_SEED || !finding.failure.kind.is_recoverable() {
        return String::new();
    }
    let bytes = finding.input.escape_ascii();
    format!(
        "\nAs a seed in the source, where the next `cargo test` runs it as well:\n\
         #[fuzz_test(seeds = [b\"{}\"])]\n",
        show::line(&bytes.to_string())
    )
}
