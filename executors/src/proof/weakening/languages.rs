//! How tests look in each language: tables of marks, matched against lines from which idle spaces are gone.

/// A language whose tests are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// JavaScript and TypeScript.
    JavaScript,
    /// Python.
    Python,
    /// Rust, whose tests may stand in any file.
    Rust,
    /// Go.
    Go,
    /// Java and Kotlin.
    Java,
    /// Ruby.
    Ruby,
}

/// The marks of a language. A mark matches where no letter, digit or underscore touches its ends; `^` stands for the
/// start of the line.
pub(super) struct Marks {
    /// Keep a test from running, or from counting.
    pub(super) skips: &'static [&'static str],
    /// Keep all others from running.
    pub(super) focuses: &'static [&'static str],
    /// Begin an assertion.
    pub(super) assertions: &'static [&'static str],
    /// Assertions that cannot fail.
    pub(super) trivial: &'static [&'static str],
    /// Begin an assertion that compares its first two arguments.
    pub(super) comparisons: &'static [&'static str],
    /// Begin a comment that ends with the line.
    pub(super) comments: &'static [&'static str],
}

const JAVASCRIPT: Marks = Marks {
    skips: &[
        "it.skip",
        "test.skip",
        "describe.skip",
        "suite.skip",
        "context.skip",
        "it.todo",
        "test.todo",
        "describe.todo",
        "it.fails",
        "test.fails",
        "it.failing",
        "test.failing",
        "test.fixme",
        "it.skipIf",
        "test.skipIf",
        "describe.skipIf",
        "^xit(",
        "^xtest(",
        "^xdescribe(",
        "t.skip(",
        "t.todo(",
        "this.skip(",
        "skip:true",
        "skip:'",
        "skip:\"",
        "todo:true",
    ],
    focuses: &[
        "it.only",
        "test.only",
        "describe.only",
        "suite.only",
        "context.only",
        "^fit(",
        "^fdescribe(",
        "only:true",
    ],
    assertions: &[
        "assert",
        "expect(",
        "should",
        "t.is(",
        "t.deepEqual(",
        "t.true(",
        "t.throws(",
    ],
    trivial: &[
        "assert(true)",
        "assert(1)",
        "assert.ok(true)",
        "assert.ok(1)",
        "t.true(true)",
        "t.pass()",
        "expect(true).toBe(true)",
        "expect(true).toEqual(true)",
        "expect(true).toBeTruthy()",
        "expect(1).toBe(1)",
        "expect(1).toEqual(1)",
        "expect(true).to.be.true",
        "expect(true).to.equal(true)",
        "||true)",
        "assert.doesNotThrow(()=>{})",
    ],
    comparisons: &[
        "assert.equal(",
        "assert.strictEqual(",
        "assert.deepEqual(",
        "assert.deepStrictEqual(",
        "t.is(",
        "t.deepEqual(",
    ],
    comments: &["//"],
};

const PYTHON: Marks = Marks {
    skips: &[
        "pytest.mark.skip",
        "pytest.mark.skipif",
        "pytest.mark.xfail",
        "pytest.skip(",
        "pytest.xfail(",
        "unittest.skip",
        "unittest.skipIf",
        "unittest.skipUnless",
        "unittest.expectedFailure",
        "^@skip",
        "^@skipIf",
        "^@skipUnless",
        "^@expectedFailure",
        "self.skipTest(",
        "^collect_ignore",
    ],
    focuses: &["pytest.mark.only"],
    assertions: &[
        "^assert",
        "pytest.raises(",
        "self.assertEqual(",
        "self.assertEquals(",
        "self.assertTrue(",
        "self.assertFalse(",
        "self.assertIn(",
        "self.assertNotIn(",
        "self.assertIs(",
        "self.assertIsNone(",
        "self.assertIsNotNone(",
        "self.assertNotEqual(",
        "self.assertRaises(",
        "self.assertAlmostEqual(",
        "self.assertGreater(",
        "self.assertLess(",
        "self.assertDictEqual(",
        "self.assertListEqual(",
        "self.assertRaisesRegex(",
        "self.assertIsInstance(",
        "self.assertRegex(",
        "self.fail(",
    ],
    trivial: &[
        "^assert True",
        "^assert(True)",
        "^assert 1",
        "self.assertTrue(True)",
        "or True",
        "self.assertFalse(False)",
    ],
    comparisons: &["self.assertEqual(", "self.assertEquals("],
    comments: &["#"],
};

const RUST: Marks = Marks {
    skips: &["#[ignore", "cfg(any())"],
    focuses: &[],
    assertions: &[
        "assert!(",
        "assert_eq!(",
        "assert_ne!(",
        "assert_matches!(",
        "assert_snapshot!(",
        "prop_assert!(",
        "prop_assert_eq!(",
        "panic!(",
    ],
    trivial: &["assert!(true)", "assert!(true,", "||true)", "assert!(1==1"],
    comparisons: &["assert_eq!("],
    comments: &["//"],
};

const GO: Marks = Marks {
    skips: &[
        "t.Skip(",
        "t.Skipf(",
        "t.SkipNow(",
        "b.Skip(",
        "s.T().Skip(",
    ],
    focuses: &[],
    assertions: &[
        "t.Error(",
        "t.Errorf(",
        "t.Fatal(",
        "t.Fatalf(",
        "t.Fail(",
        "t.FailNow(",
        "assert.",
        "require.",
        "is.Equal(",
    ],
    trivial: &["assert.True(t,true", "require.True(t,true"],
    comparisons: &[],
    comments: &["//"],
};

const JAVA: Marks = Marks {
    skips: &[
        "@Disabled",
        "@Ignore",
        "@Test(enabled=false",
        "assumeTrue(false",
        "@DisabledIf",
    ],
    focuses: &[],
    assertions: &[
        "assertEquals(",
        "assertTrue(",
        "assertFalse(",
        "assertNull(",
        "assertNotNull(",
        "assertThrows(",
        "assertSame(",
        "assertNotEquals(",
        "assertArrayEquals(",
        "assertThat(",
        "assertThatThrownBy(",
        "assertAll(",
        "assertIterableEquals(",
        "verify(",
        "fail(",
        "assert",
    ],
    trivial: &[
        "assertTrue(true",
        "assertFalse(false",
        "assertThat(true).isTrue()",
        "assertNotNull(new Object())",
    ],
    comparisons: &["assertEquals(", "assertSame("],
    comments: &["//"],
};

const RUBY: Marks = Marks {
    skips: &[
        "^xit",
        "^xdescribe",
        "^xcontext",
        "^xspecify",
        "^xscenario",
        "^skip",
        "^pending",
        "skip:true",
        "skip:'",
        "skip:\"",
        ",:skip",
        "pending:true",
    ],
    focuses: &["^fit", "^fdescribe", "^fcontext", "focus:true", ",:focus"],
    assertions: &[
        "expect(",
        "expect{",
        "assert",
        "assert_equal",
        "assert_nil",
        "assert_raises",
        "assert_includes",
        "assert_empty",
        "assert_match",
        "refute",
        "refute_nil",
        "must_equal",
        "should",
    ],
    trivial: &[
        "^assert true",
        "assert(true)",
        "expect(true).to be true",
        "expect(true).to eq(true)",
        "expect(true).to eq true",
    ],
    comparisons: &["^assert_equal ", "assert_equal("],
    comments: &["#"],
};

impl Language {
    /// The language of a file that may hold tests, by its name: for Rust any file, for the others those that their
    /// test runners look for.
    pub(super) fn of(path: &str) -> Option<Self> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let (stem, ending) = file.rsplit_once('.')?;
        let within = |folders: &[&str]| {
            path.split('/')
                .rev()
                .skip(1)
                .any(|part| folders.contains(&part))
        };
        let tests = ["test", "tests", "__tests__", "spec", "specs", "e2e"];
        let (language, holds_tests) = match ending {
            "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => (
                Self::JavaScript,
                within(&tests)
                    || [".test", ".spec", ".e2e"]
                        .iter()
                        .any(|mark| stem.ends_with(mark)),
            ),
            "py" => (
                Self::Python,
                within(&tests)
                    || stem.starts_with("test_")
                    || stem.ends_with("_test")
                    || stem == "conftest",
            ),
            "rs" => (Self::Rust, true),
            "go" => (Self::Go, stem.ends_with("_test")),
            "java" | "kt" => (
                Self::Java,
                within(&tests) || stem.ends_with("Test") || stem.ends_with("Tests"),
            ),
            "rb" => (
                Self::Ruby,
                within(&tests) || stem.ends_with("_spec") || stem.ends_with("_test"),
            ),
            _ => return None,
        };
        holds_tests.then_some(language)
    }

    /// The language's marks.
    pub(super) fn marks(self) -> &'static Marks {
        match self {
            Self::JavaScript => &JAVASCRIPT,
            Self::Python => &PYTHON,
            Self::Rust => &RUST,
            Self::Go => &GO,
            Self::Java => &JAVA,
            Self::Ruby => &RUBY,
        }
    }

    /// Whether the assertion in this line cannot fail.
    pub(super) fn is_trivial(self, line: &str) -> bool {
        let marks = self.marks();
        has_any(line, marks.assertions)
            && (has_any(line, marks.trivial)
                || marks
                    .comparisons
                    .iter()
                    .any(|mark| compares_same(line, mark))
                || self == Self::Python && asserts_same(line))
    }
}

/// Whether any mark stands in the line.
pub(super) fn has_any(line: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| has(line, mark))
}

fn has(line: &str, mark: &str) -> bool {
    find(line, mark).is_some()
}

/// Where the text after a mark begins.
fn find(line: &str, mark: &str) -> Option<usize> {
    if let Some(mark) = mark.strip_prefix('^') {
        let fits = line.starts_with(mark) && !continues(mark, &line[mark.len()..]);
        return fits.then_some(mark.len());
    }
    line.match_indices(mark).find_map(|(at, _)| {
        let touches = mark.starts_with(is_word) && line[..at].ends_with(is_word);
        let end = at + mark.len();
        (!touches && !continues(mark, &line[end..])).then_some(end)
    })
}

fn continues(mark: &str, rest: &str) -> bool {
    mark.ends_with(is_word) && rest.starts_with(is_word)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Whether a comparison's first two arguments are the same text.
fn compares_same(line: &str, mark: &str) -> bool {
    let Some(from) = find(line, mark) else {
        return false;
    };
    let rest = &line[from..];
    let Some((first, rest)) = rest.split_once(',') else {
        return false;
    };
    let second: &str = rest.split([',', ')']).next().unwrap_or_default();
    // A call may well give different things at different times.
    !first.is_empty() && first == second && !first.contains(['(', '[', '{'])
}

/// Whether a Python assertion compares a thing with itself.
fn asserts_same(line: &str) -> bool {
    let Some((left, right)) = line
        .strip_prefix("assert ")
        .and_then(|rest| rest.split_once("=="))
    else {
        return false;
    };
    let right = right.split(',').next().unwrap_or(right);
    left == right && !left.contains('(')
}

/// A line without the spaces that mean nothing: one is left between two words, none elsewhere.
pub(super) fn squeeze(line: &str) -> String {
    let mut squeezed = String::with_capacity(line.len());
    let mut gap = false;
    for letter in line.chars() {
        if letter.is_whitespace() {
            gap = true;
            continue;
        }
        let between_words =
            is_word(letter) && squeezed.ends_with(|last| is_word(last) || last == ')');
        if gap && between_words {
            squeezed.push(' ');
        }
        gap = false;
        squeezed.push(letter);
    }
    squeezed
}
