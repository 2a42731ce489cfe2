//! Compares the tests of a change on both sides: which are gone, which check less, which are kept from running.

use std::collections::HashMap;

use super::{
    ChangedText, Weakening, WeakeningKind,
    cases::{Case, Line, cases, code_lines},
    languages::{Language, has_any},
};

/// From this share of common lines on, in percent, two tests are the same one under two names.
const SAME_BODY_PERCENT: usize = 50;

/// One file of the change, read on both sides.
struct File<'a> {
    change: &'a ChangedText,
    language: Language,
    before: Vec<Line>,
    after: Vec<Line>,
}

/// A test with the index of its file.
#[derive(Clone, Copy)]
struct Placed<'a> {
    file: usize,
    case: &'a Case,
}

/// Something that is asked of a line.
type Question<'a> = &'a dyn Fn(&str) -> bool;

/// How often each line stands somewhere.
type Pool<'a> = HashMap<&'a str, usize>;

/// Looks at the tests of a change.
pub(super) fn tests(changes: &[ChangedText]) -> Vec<Weakening> {
    let files: Vec<File<'_>> = changes.iter().filter_map(File::read).collect();
    let old = files.iter().map(|file| cases(file.language, &file.before));
    let new = files.iter().map(|file| cases(file.language, &file.after));
    let (before, after): (Vec<_>, Vec<_>) = (old.collect(), new.collect());
    let pairing = Pairing::of(&before, &after);
    let mut found = gone(&files, &pairing.gone);
    found.extend(lost_assertions(&files, &pairing.pairs));
    let old_lines = pool(files.iter().flat_map(|file| &file.before));
    for file in &files {
        found.extend(file.new_marks(&old_lines));
    }
    found
}

impl<'a> File<'a> {
    fn read(change: &'a ChangedText) -> Option<Self> {
        let language = Language::of(&change.path).or_else(|| Language::of(&change.path_before))?;
        let lines = |path: &str, text: &Option<String>| {
            let text = text.as_deref().filter(|_| Language::of(path).is_some());
            text.map(|text| code_lines(language, text))
                .unwrap_or_default()
        };
        Some(Self {
            change,
            language,
            before: lines(&change.path_before, &change.before),
            after: lines(&change.path, &change.after),
        })
    }

    /// Lines with marks that were not there before: at most as many as the file has more of them now, so that a mark
    /// whose reason was reworded is not new.
    fn new_marks(&self, old_lines: &Pool<'_>) -> Vec<Weakening> {
        let marks = self.language.marks();
        let kinds: [(WeakeningKind, Question<'_>); 3] = [
            (WeakeningKind::TestSkipped, &|line| {
                has_any(line, marks.skips)
            }),
            (WeakeningKind::OthersLeftOut, &|line| {
                has_any(line, marks.focuses)
            }),
            (WeakeningKind::AssertionMadeTrivial, &|line| {
                self.language.is_trivial(line)
            }),
        ];
        let mut found = Vec::new();
        for (kind, is_marked) in kinds {
            let count = |lines: &[Line]| {
                lines
                    .iter()
                    .filter(|line| is_marked(&line.squeezed))
                    .count()
            };
            let more = count(&self.after).saturating_sub(count(&self.before));
            let new = self.after.iter().filter(|line| {
                is_marked(&line.squeezed) && !old_lines.contains_key(line.squeezed.as_str())
            });
            let named = new.take(more);
            found.extend(named.map(|line| {
                Weakening::new(
                    &self.change.path,
                    Some(line.number),
                    kind.clone(),
                    &line.text,
                )
            }));
        }
        found
    }
}

/// Which test before is which test after.
struct Pairing<'a> {
    pairs: Vec<(Placed<'a>, Placed<'a>)>,
    gone: Vec<Placed<'a>>,
}

impl<'a> Pairing<'a> {
    /// First by file and name, then by name anywhere, then by what they do.
    fn of(before: &'a [Vec<Case>], after: &'a [Vec<Case>]) -> Self {
        let (mut old, mut new) = (placed(before), placed(after));
        let mut pairs = Vec::new();
        let same_place = |one: &Placed<'_>, other: &Placed<'_>| {
            one.file == other.file && one.case.name == other.case.name
        };
        let same_name = |one: &Placed<'_>, other: &Placed<'_>| {
            one.case.name == other.case.name && !one.case.name.is_empty()
        };
        let same_body =
            |one: &Placed<'_>, other: &Placed<'_>| are_alike(&one.case.body, &other.case.body);
        pair(&mut old, &mut new, &mut pairs, same_place);
        pair(&mut old, &mut new, &mut pairs, same_name);
        pair(&mut old, &mut new, &mut pairs, same_body);
        Self { pairs, gone: old }
    }
}

fn placed(files: &[Vec<Case>]) -> Vec<Placed<'_>> {
    let files = files.iter().enumerate();
    files
        .flat_map(|(file, cases)| cases.iter().map(move |case| Placed { file, case }))
        .collect()
}

fn pair<'a>(
    old: &mut Vec<Placed<'a>>,
    new: &mut Vec<Placed<'a>>,
    pairs: &mut Vec<(Placed<'a>, Placed<'a>)>,
    is_same: impl Fn(&Placed<'a>, &Placed<'a>) -> bool,
) {
    old.retain(|one| {
        let found = new.iter().position(|other| is_same(one, other));
        if let Some(at) = found {
            pairs.push((*one, new.remove(at)));
        }
        found.is_none()
    });
}

/// Whether two tests share enough of their lines.
fn are_alike(one: &[String], other: &[String]) -> bool {
    let mut left = pool_of(other.iter().map(String::as_str));
    let common = one.iter().filter(|line| take(&mut left, line)).count();
    common > 0 && common * 200 >= SAME_BODY_PERCENT * (one.len() + other.len())
}

fn pool<'a>(lines: impl Iterator<Item = &'a Line>) -> Pool<'a> {
    pool_of(lines.map(|line| line.squeezed.as_str()))
}

fn pool_of<'a>(lines: impl Iterator<Item = &'a str>) -> Pool<'a> {
    let mut pool = Pool::new();
    for line in lines {
        *pool.entry(line).or_default() += 1;
    }
    pool
}

/// Takes one of these lines out of the pool, if there is one.
fn take(pool: &mut Pool<'_>, line: &str) -> bool {
    match pool.get_mut(line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) | None => false,
    }
}

/// Tests that are nowhere any more; one statement for a file that is gone as a whole.
fn gone(files: &[File<'_>], gone: &[Placed<'_>]) -> Vec<Weakening> {
    let mut found = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let missing: Vec<&Case> = gone
            .iter()
            .filter(|placed| placed.file == index)
            .map(|placed| placed.case)
            .collect();
        let path = file.change.path_before.as_str();
        if missing.is_empty() {
            continue;
        }
        if file.change.after.is_none() {
            let names: Vec<&str> = missing.iter().map(|case| case.name.as_str()).collect();
            let kind = WeakeningKind::TestFileDeleted {
                tests: missing.len(),
            };
            found.push(Weakening::new(path, None, kind, &names.join("; ")));
            continue;
        }
        // Assertions outside of any test that is understood may now stand in one that is.
        let named = missing.into_iter().filter(|case| !case.name.is_empty());
        found.extend(named.map(|case| {
            let kind = WeakeningKind::TestRemoved {
                name: case.name.clone(),
            };
            Weakening::new(path, None, kind, &case.name)
        }));
    }
    found
}

/// Tests that assert less than before. Assertions that stand in another test now are not lost, nor are those that
/// were rewritten.
fn lost_assertions(files: &[File<'_>], pairs: &[(Placed<'_>, Placed<'_>)]) -> Vec<Weakening> {
    let mut elsewhere = pool(files.iter().flat_map(|file| &file.after));
    for (old, new) in pairs {
        let mut stayed = pool(new.case.assertions.iter());
        for line in &old.case.assertions {
            if take(&mut stayed, &line.squeezed) {
                take(&mut elsewhere, &line.squeezed);
            }
        }
    }
    let mut found = Vec::new();
    for (old, new) in pairs {
        let (had, has) = (&old.case.assertions, &new.case.assertions);
        let mut kept = pool(has.iter());
        let removed = had.iter().filter(|line| !take(&mut kept, &line.squeezed));
        let lost: Vec<&Line> = removed
            .filter(|line| !take(&mut elsewhere, &line.squeezed))
            .collect();
        let rewritten: usize = kept.values().sum();
        let count = lost.len().saturating_sub(rewritten);
        if let (true, Some(line)) = (count > 0, lost.first()) {
            let kind = WeakeningKind::AssertionsRemoved { count };
            let path = files[new.file].change.path.as_str();
            found.push(Weakening::new(path, Some(new.case.line), kind, &line.text));
        }
    }
    found
}
