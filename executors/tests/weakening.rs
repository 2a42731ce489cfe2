//! What a change did to tests and checks: each language with changes that weaken and changes that do not.
#![allow(missing_docs, reason = "a test's name says what it is")]

use std::slice::from_ref;

use deckhand_executors::proof::weakening::{ChangedText, WeakeningKind, find};

fn text(path: &str, before: Option<&str>, after: Option<&str>) -> ChangedText {
    ChangedText {
        path: path.to_owned(),
        path_before: path.to_owned(),
        before: before.map(str::to_owned),
        after: after.map(str::to_owned),
    }
}

fn kinds(changes: &[ChangedText]) -> Vec<WeakeningKind> {
    find(changes).into_iter().map(|found| found.kind).collect()
}

fn change(path: &str, before: &str, after: &str) -> Vec<WeakeningKind> {
    kinds(&[text(path, Some(before), Some(after))])
}

fn ending(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn removed(name: &str) -> WeakeningKind {
    WeakeningKind::TestRemoved {
        name: name.to_owned(),
    }
}

const JAVASCRIPT: &str = "\
import test from 'node:test';
test('gives the first page', () => {
  const page = users(10, 0);
  assert.equal(page.length, 10);
  assert.equal(page[0].id, 1);
});
test('gives the second page', async () => {
  const page = users(10, 10);
  assert.equal(page[0].id, 11);
});
";
const PYTHON: &str = "\
import pytest

class TestUsers:
    def test_first_page(self):
        page = users(10, 0)
        assert len(page) == 10
        assert page[0].id == 1

    def test_second_page(self):
        assert users(10, 10)[0].id == 11
";
const RUST: &str = "\
pub fn users() {}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_page_is_given() {
        let page = users(10, 0);
        assert_eq!(page.len(), 10);
        assert_eq!(page[0].id, 1);
    }

    #[tokio::test]
    async fn the_second_page_is_given() {
        assert_eq!(users(10, 10)[0].id, 11);
    }
}
";
const GO: &str = "\
package users

func TestFirstPage(t *testing.T) {
	page := Users(10, 0)
	if len(page) != 10 {
		t.Errorf(\"got %d\", len(page))
	}
}

func TestSecondPage(t *testing.T) {
	require.Equal(t, 11, Users(10, 10)[0].ID)
}
";
const JAVA: &str = "\
class UsersTest {
    @Test
    void firstPage() {
        var page = users(10, 0);
        assertEquals(10, page.size());
        assertEquals(1, page.get(0).id());
    }

    @Test
    public void secondPage() {
        assertEquals(11, users(10, 10).get(0).id());
    }
}
";
const RUBY: &str = "\
describe 'users' do
  it 'gives the first page' do
    page = users(10, 0)
    expect(page.size).to eq(10)
    expect(page[0].id).to eq(1)
  end

  it 'gives the second page' do
    expect(users(10, 10)[0].id).to eq(11)
  end
end
";

/// A file in each language with the same two tests, and what its second test is called.
const FILES: [(&str, &str, &str); 6] = [
    ("test/users.test.js", JAVASCRIPT, "gives the second page"),
    ("tests/test_users.py", PYTHON, "test_second_page"),
    ("src/users.rs", RUST, "the_second_page_is_given"),
    ("users_test.go", GO, "TestSecondPage"),
    ("src/test/java/UsersTest.java", JAVA, "secondPage"),
    ("spec/users_spec.rb", RUBY, "gives the second page"),
];

/// The text without the second test, which ends the file.
fn without_second(text: &str, name: &str) -> String {
    let at = text.find(name).unwrap_or(text.len());
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[..start].to_owned()
}

#[test]
fn a_removed_test_is_named_in_every_language() {
    for (path, before, name) in FILES {
        let after = without_second(before, name);
        assert_eq!(change(path, before, &after), [removed(name)], "{path}");
    }
}

#[test]
fn a_test_turned_into_a_comment_is_a_removed_test() {
    for (path, before, name) in FILES {
        let kept = without_second(before, name);
        let comment = match ending(path) {
            "py" | "rb" => "# ",
            _ => "// ",
        };
        let rest = before[kept.len()..]
            .lines()
            .map(|line| format!("{comment}{line}\n"));
        let after = kept.clone() + &rest.collect::<String>();
        assert_eq!(change(path, before, &after), [removed(name)], "{path}");
    }
}

#[test]
fn a_deleted_test_file_is_named_once() {
    for (path, before, _) in FILES {
        let expected = WeakeningKind::TestFileDeleted { tests: 2 };
        assert_eq!(
            kinds(&[text(path, Some(before), None)]),
            [expected],
            "{path}"
        );
    }
}

#[test]
fn tests_that_move_to_another_file_are_not_gone() {
    for (path, before, name) in FILES {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("tests", path));
        let other = format!("{folder}/more_{file}");
        let other = if ending(path) == "py" {
            "tests/test_more.py".to_owned()
        } else {
            other
        };
        let whole = [
            text(path, Some(before), None),
            text(&other, None, Some(before)),
        ];
        assert_eq!(kinds(&whole), [], "{path}");
        let kept = without_second(before, name);
        // Only the function moves; attributes above it stay behind in this crude cut, so they are given again.
        let attribute = match path.rsplit('.').next() {
            Some("rs") => "#[test]\n",
            Some("java") => "@Test\n",
            _ => "",
        };
        let moved = format!("{attribute}{}", &before[kept.len()..]);
        let part = [
            text(path, Some(before), Some(&kept)),
            text(&other, None, Some(&moved)),
        ];
        assert_eq!(kinds(&part), [], "{path}");
    }
}

#[test]
fn a_moved_file_and_a_renamed_test_are_not_gone() {
    for (path, before, name) in FILES {
        let mut moved = text(path, Some(before), Some(before));
        moved.path_before = path
            .replace("sers", "sers_old")
            .replace("Users_oldTest", "UsersOldTest");
        assert_eq!(kinds(&[moved]), [], "{path}");
        let new_name = if matches!(ending(path), "go" | "py") {
            name.replace("econd", "eventh")
        } else {
            "something_else".to_owned()
        };
        let after = before.replace(name, &new_name);
        assert_eq!(change(path, before, &after), [], "{path}");
    }
}

#[test]
fn a_test_replaced_by_an_empty_one_is_gone() {
    for (path, before, replacement, expected) in [
        (
            "a.test.js",
            JAVASCRIPT,
            "test('works', () => {\n  assert.equal(typeof users, 'function');\n});\n",
            "gives the second page",
        ),
        (
            "tests/test_users.py",
            PYTHON,
            "def test_works():\n    assert users\n",
            "test_second_page",
        ),
    ] {
        let after = without_second(before, expected) + replacement;
        assert_eq!(change(path, before, &after), [removed(expected)], "{path}");
    }
}

#[test]
fn an_added_test_weakens_nothing() {
    for (path, before, name) in FILES {
        let kept = without_second(before, name);
        assert_eq!(change(path, &kept, before), [], "{path}");
    }
}

#[test]
fn a_lost_assertion_is_named() {
    let one = WeakeningKind::AssertionsRemoved { count: 1 };
    for (path, before, line) in [
        ("a.test.js", JAVASCRIPT, "  assert.equal(page[0].id, 1);\n"),
        ("test_users.py", PYTHON, "        assert page[0].id == 1\n"),
        ("src/users.rs", RUST, "        assert_eq!(page[0].id, 1);\n"),
        ("users_test.go", GO, "\t\tt.Errorf(\"got %d\", len(page))\n"),
        (
            "src/test/UsersTest.java",
            JAVA,
            "        assertEquals(1, page.get(0).id());\n",
        ),
        (
            "spec/users_spec.rb",
            RUBY,
            "    expect(page[0].id).to eq(1)\n",
        ),
    ] {
        let after = before.replace(line, "");
        assert_ne!(before, after, "{path}");
        assert_eq!(change(path, before, &after), from_ref(&one), "{path}");
    }
}

#[test]
fn an_assertion_that_is_rewritten_or_moved_is_not_lost() {
    let line = "  assert.equal(page[0].id, 1);\n";
    let rewritten = JAVASCRIPT.replace(line, "  assert.deepEqual(page[0], { id: 1 });\n");
    assert_eq!(change("a.test.js", JAVASCRIPT, &rewritten), []);
    let moved = JAVASCRIPT.replace(line, "") + "test('begins with one', () => {\n" + line + "});\n";
    assert_eq!(change("a.test.js", JAVASCRIPT, &moved), []);
}

#[test]
fn a_new_test_does_not_hide_a_lost_assertion() {
    let line = "  assert.equal(page[0].id, 1);\n";
    let new =
        "test('gives a large page', () => {\n  assert.equal(users(200, 1).length, 200);\n});\n";
    let after = JAVASCRIPT.replace(line, "") + new;
    let expected = WeakeningKind::AssertionsRemoved { count: 1 };
    assert_eq!(change("a.test.js", JAVASCRIPT, &after), [expected]);
}

/// Ways to skip a test: the file, its text, what is replaced, and by what.
const SKIPS: [(&str, &str, &str, &str); 12] = [
    (
        "a.test.js",
        JAVASCRIPT,
        "test('gives the s",
        "test.skip('gives the s",
    ),
    (
        "a.test.js",
        JAVASCRIPT,
        "test('gives the s",
        "test.todo('gives the s",
    ),
    (
        "a.test.js",
        JAVASCRIPT,
        "page', async",
        "page', { skip: true }, async",
    ),
    (
        "a.spec.ts",
        JAVASCRIPT,
        "test('gives the s",
        "xit('gives the s",
    ),
    (
        "test_users.py",
        PYTHON,
        "    def test_sec",
        "    @pytest.mark.skip(reason='flaky')\n    def test_sec",
    ),
    (
        "test_users.py",
        PYTHON,
        "    def test_sec",
        "    @pytest.mark.xfail\n    def test_sec",
    ),
    (
        "test_users.py",
        PYTHON,
        "        assert users(",
        "        pytest.skip('later')\n        assert users(",
    ),
    (
        "src/users.rs",
        RUST,
        "    #[tokio::test]",
        "    #[tokio::test]\n    #[ignore = \"slow\"]",
    ),
    (
        "users_test.go",
        GO,
        "\trequire",
        "\tt.Skip(\"flaky\")\n\trequire",
    ),
    (
        "src/test/UsersTest.java",
        JAVA,
        "    @Test\n    public",
        "    @Disabled\n    @Test\n    public",
    ),
    (
        "spec/users_spec.rb",
        RUBY,
        "  it 'gives the s",
        "  xit 'gives the s",
    ),
    (
        "spec/users_spec.rb",
        RUBY,
        "    expect(users",
        "    skip 'later'\n    expect(users",
    ),
];

#[test]
fn a_skipped_test_is_named() {
    for (path, before, from, to) in SKIPS {
        let after = before.replace(from, to);
        assert_ne!(before, after, "{path}: {to}");
        assert_eq!(
            change(path, before, &after),
            [WeakeningKind::TestSkipped],
            "{path}: {to}"
        );
    }
}

#[test]
fn a_mark_that_was_there_before_is_not_new() {
    let skipped = JAVASCRIPT.replace("test('gives the s", "test.skip('gives the s");
    let reworded = skipped.replace("gives the second page", "gives page two");
    assert_eq!(change("a.test.js", &skipped, &reworded), []);
    let moved = [
        text("a.test.js", Some(&skipped), None),
        text("b.test.js", None, Some(&skipped)),
    ];
    assert_eq!(kinds(&moved), []);
    assert_eq!(
        change("a.test.js", &skipped, JAVASCRIPT),
        [],
        "a skip that goes is good"
    );
}

#[test]
fn a_mark_that_leaves_others_out_is_named() {
    for (path, before, from, to) in [
        (
            "a.test.js",
            JAVASCRIPT,
            "test('gives the f",
            "test.only('gives the f",
        ),
        (
            "spec/users_spec.rb",
            RUBY,
            "  it 'gives the f",
            "  fit 'gives the f",
        ),
    ] {
        let after = before.replace(from, to);
        assert_eq!(
            change(path, before, &after),
            [WeakeningKind::OthersLeftOut],
            "{path}"
        );
    }
}

/// Ways to assert nothing: the file, its text, what is replaced, and by what.
const TRIVIAL: [(&str, &str, &str, &str); 12] = [
    (
        "a.test.js",
        JAVASCRIPT,
        "assert.equal(page[0].id, 11)",
        "assert.ok(true)",
    ),
    (
        "a.test.js",
        JAVASCRIPT,
        "assert.equal(page[0].id, 11)",
        "assert.equal(11, 11)",
    ),
    (
        "a.test.js",
        JAVASCRIPT,
        "assert.equal(page[0].id, 11)",
        "expect(true).toBe( true )",
    ),
    (
        "a.test.js",
        JAVASCRIPT,
        "assert.equal(page[0].id, 11)",
        "assert.ok(page[0].id === 11 || true)",
    ),
    (
        "test_users.py",
        PYTHON,
        "assert users(10, 10)[0].id == 11",
        "assert True",
    ),
    (
        "test_users.py",
        PYTHON,
        "assert users(10, 10)[0].id == 11",
        "assert 11 == 11",
    ),
    (
        "test_users.py",
        PYTHON,
        "[0].id == 11",
        "[0].id == 11 or True",
    ),
    (
        "src/users.rs",
        RUST,
        "assert_eq!(users(10, 10)[0].id, 11)",
        "assert!(true)",
    ),
    (
        "src/users.rs",
        RUST,
        "assert_eq!(users(10, 10)[0].id, 11)",
        "assert_eq!(1, 1)",
    ),
    (
        "users_test.go",
        GO,
        "require.Equal(t, 11, Users(10, 10)[0].ID)",
        "assert.True(t, true)",
    ),
    (
        "src/test/UsersTest.java",
        JAVA,
        "assertEquals(11, users(10, 10).get(0).id())",
        "assertTrue(true)",
    ),
    (
        "spec/users_spec.rb",
        RUBY,
        "expect(users(10, 10)[0].id).to eq(11)",
        "expect(true).to be true",
    ),
];

#[test]
fn an_assertion_that_cannot_fail_is_named() {
    for (path, before, from, to) in TRIVIAL {
        let after = before.replace(from, to);
        assert_ne!(before, after, "{path}: {to}");
        let found = change(path, before, &after);
        assert_eq!(found, [WeakeningKind::AssertionMadeTrivial], "{path}: {to}");
    }
}

#[test]
fn ordinary_code_with_similar_words_is_left_alone() {
    for (path, before, after) in [
        (
            "lib/users.js",
            "x();\n",
            "list.skip(10); const o = { skip: true };\n",
        ),
        (
            "test/users.test.js",
            JAVASCRIPT,
            &format!(
                "{JAVASCRIPT}test('pages', () => {{\n  assert.equal(users({{ skip: 10 }}).length, 10);\n}});\n"
            ),
        ),
        (
            "src/lib.rs",
            "fn a() {}\n",
            "fn a() { iter.skip(1); assert!(is_true); }\n",
        ),
        (
            "test_users.py",
            PYTHON,
            &format!("{PYTHON}\n    def test_true(self):\n        assert users_true is True\n"),
        ),
        ("README.md", "Run the tests.\n", "test.skip('x')\n"),
        (
            "spec/users_spec.rb",
            RUBY,
            &format!("{RUBY}skipped = 1\nfitting = 2\n"),
        ),
    ] {
        assert_eq!(change(path, before, after), [], "{path}");
    }
}

#[test]
fn a_check_command_that_cannot_fail_is_named() {
    let package = |command: &str| {
        format!(
            "{{\n  \"scripts\": {{\n    \"start\": \"node .\",\n    \"test\": \"{command}\"\n  }}\n}}\n"
        )
    };
    for command in [
        "true",
        "exit 0",
        "echo ok",
        "node --test || true",
        "node --test; exit 0",
        ":",
        "",
        "echo a && true",
    ] {
        let found = find(&[text(
            "package.json",
            Some(&package("node --test")),
            Some(&package(command)),
        )]);
        let found: Vec<_> = found
            .into_iter()
            .map(|found| (found.kind, found.line))
            .collect();
        assert_eq!(
            found,
            [(WeakeningKind::CheckMadeTrivial, Some(4))],
            "{command}"
        );
    }
    for (path, before, after) in [
        ("Makefile", "test:\n\tpytest\n", "test:\n\ttrue\n"),
        (
            "Makefile",
            "test: build\n\tnpm ci\n\tpytest -q\n",
            "test: build\n\tnpm ci\n\tpytest -q || true\n",
        ),
        ("Makefile", "test:\n\t@pytest\n", "test:\n\t-@pytest\n"),
        (
            ".github/workflows/ci.yml",
            "steps:\n  - run: npm test\n",
            "steps:\n  - run: npm test || true\n",
        ),
        (
            ".github/workflows/ci.yml",
            "steps:\n  - run: npm test\n",
            "steps:\n  - run: npm test\n    continue-on-error: true\n",
        ),
        (
            ".gitlab-ci.yml",
            "test:\n  script: npm test\n",
            "test:\n  script: npm test\n  allow_failure: true\n",
        ),
    ] {
        assert_eq!(
            change(path, before, after),
            [WeakeningKind::CheckMadeTrivial],
            "{path}: {after}"
        );
    }
}

#[test]
fn a_check_command_that_is_gone_or_leaves_something_out_is_named() {
    let package = |scripts: &str| format!("{{\"scripts\": {{{scripts}}}}}");
    let jest = package("\"test\": \"jest\", \"lint\": \"eslint .\"");
    let gone = package("\"test\": \"jest\"");
    assert_eq!(
        change("package.json", &jest, &gone),
        [WeakeningKind::CheckRemoved]
    );
    let content = jest.replace("\"jest\"", "\"jest --passWithNoTests\"");
    assert_eq!(
        change("package.json", &jest, &content),
        [WeakeningKind::CheckNarrowed]
    );
    assert_eq!(
        change(
            "Makefile",
            "check: test\n\ntest:\n\tpytest\n",
            "test:\n\tpytest\n"
        ),
        [WeakeningKind::CheckRemoved]
    );
    for (path, before, after) in [
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\naddopts = \"-q\"\n",
            "[tool.pytest.ini_options]\naddopts = \"-q --ignore=tests/test_users.py\"\n",
        ),
        (
            "Cargo.toml",
            "[lib]\nname = \"a\"\n",
            "[lib]\nname = \"a\"\ntest = false\n",
        ),
        (
            "jest.config.js",
            "module.exports = {};\n",
            "module.exports = {\n  testPathIgnorePatterns: ['users'],\n};\n",
        ),
    ] {
        assert_eq!(
            change(path, before, after),
            [WeakeningKind::CheckNarrowed],
            "{path}"
        );
    }
}

#[test]
fn an_ordinary_change_of_a_command_is_left_alone() {
    let package = |command: &str| {
        format!("{{\"scripts\": {{\"test\": \"{command}\", \"clean\": \"rm -r x\"}}}}")
    };
    for command in [
        "node --test test/",
        "jest --ci",
        "npm run build && vitest run",
        "echo start && node --test",
    ] {
        assert_eq!(
            change("package.json", &package("node --test"), &package(command)),
            [],
            "{command}"
        );
    }
    let missing = package("echo \\\"no test\\\" && exit 1");
    assert_eq!(
        change("package.json", &missing, &package("node --test")),
        []
    );
    assert_eq!(
        change("package.json", &package("true"), &package("echo none")),
        [],
        "it was none before"
    );
    for (path, before, after) in [
        (
            "Makefile",
            "clean:\n\trm -r x\n",
            "clean:\n\trm -r x || true\n",
        ),
        (
            ".github/workflows/ci.yml",
            "a: b\n",
            "a: b\n  - run: docker pull node:latest || true\n",
        ),
        ("Cargo.toml", "a = 1\n", "a = 2\nlatest = false\n"),
    ] {
        assert_eq!(change(path, before, after), [], "{path}");
    }
}
