"""The table of contents, and what changed against git."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from tiny_book import write_contents

from sslbook.book import changelog, toc
from sslbook.core import paths
from sslbook.errors import UsageError
from sslbook.nbtools import git

WELCOME = "{form: guide, title: Welcome, idea: Look., needs: [], data: [shapes]}"
TWINS = ("{form: long, title: Twins, idea: Two | one., needs: [welcome], measure: knn20,"
         " paper: 'https://arxiv.org/abs/1'}")
PARTS = {"start": {"welcome": WELCOME}, "next": {"twins": TWINS}}


@pytest.fixture
def book(tmp_path):
    """A folder of notebooks with a table of contents."""
    write_contents(tmp_path / "notebooks", PARTS, ref="v1", repository="some/book")
    return tmp_path / "notebooks"


def test_chapters_come_in_order(book):
    welcome, twins = toc.chapters(book)
    assert (welcome.name, welcome.form, welcome.number, welcome.twin) == ("welcome", "guide", 0, ())
    assert twins.path == book / "next" / "twins.ipynb"
    assert (twins.needs, twins.twin, twins.number) == (("welcome",), ("twins",), 1)
    assert (twins.measure, twins.part_title) == ("knn20", "Next")
    assert twins.colab.endswith("github/some/book/blob/v1/notebooks/next/twins.ipynb")


def test_the_edition_and_what_exempts_a_study(tmp_path):
    first, study = "{form: long, edition: 1}", "{form: study, learns: 'no: it collapses'}"
    write_contents(tmp_path, {"next": {"first": first, "study": study}})
    assert [(one.edition, one.learns) for one in toc.chapters(tmp_path)] == [
        (1, ""), (2, "no: it collapses")]
    for wrong in ("learns: 'maybe'", "learns: 'no: '", "edition: 3"):
        write_contents(tmp_path, {"next": {"first": f"{{form: long, {wrong}}}"}})
        with pytest.raises(UsageError, match="next/first.yml"):
            toc.chapters(tmp_path)


def test_the_books_own_contents():
    for one in toc.chapters():
        assert one.title, one.name
        assert one.idea.endswith("."), one.name
        assert one.form == "guide" or one.paper.startswith("https://"), one.name
        assert one.form == "guide" or one.measure, one.name
        for module in one.twin:
            assert (paths.PACKAGE / "methods" / f"{module}.py").is_file(), one.name


def test_every_notebook_is_listed():
    listed = {one.path.resolve() for one in toc.chapters()}
    there = {path.resolve() for path in paths.notebooks().rglob("*.ipynb")}
    assert {path for path in there if ".ipynb_checkpoints" not in path.parts} == listed
    metadata = {path.with_suffix(".yml") for path in listed}
    assert {path.resolve() for path in paths.notebooks().glob("*/*.yml")} == metadata


def test_an_unknown_chapter_gets_close_matches(book):
    assert toc.find("twins", book).part == "next"
    with pytest.raises(UsageError, match="Did you mean twins"):
        toc.find("twin", book)
    with pytest.raises(UsageError, match="Known: welcome, twins"):
        toc.find("xyz", book)


@pytest.mark.parametrize("name", ["../twins", "next/twins", "..", "", "C:\\x", "twins.ipynb", "-h"])
def test_a_chapter_is_no_path(book, name):
    with pytest.raises(UsageError, match="no folder"):
        toc.find(name, book)


@pytest.mark.parametrize("linked", ["next/twins.ipynb", "next"])
def test_a_link_cannot_lead_out_of_the_notebooks(book, tmp_path, linked):
    outside = tmp_path / "outside"
    write_contents(outside, PARTS)
    (outside / "next" / "twins.ipynb").write_text("{}")
    place = book / linked
    if place.is_dir():
        shutil.rmtree(place)
    symlink(place, outside / linked)
    for ask in (toc.chapters, lambda folder: toc.find("twins", folder)):
        with pytest.raises(UsageError, match="twins is a link out of the folder"):
            ask(book)


def test_links_inside_and_to_the_whole_folder_are_fine(book, tmp_path):
    (book / "start" / "there.ipynb").write_text("{}")
    symlink(book / "next" / "twins.ipynb", book / "start" / "there.ipynb")
    symlink(tmp_path / "linked", book)
    assert toc.find("twins", book).path.is_file()
    assert toc.find("twins", tmp_path / "linked").path.is_file()


def symlink(place, target):
    try:
        place.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("links need a right that this user does not have")


@pytest.mark.parametrize("file", ["toc.yml", "next/twins.yml"])
@pytest.mark.parametrize("text", [
    "parts: 2001-99-99", "&a [*a]", "[" * 5000, "!!python/object/apply:os.getcwd []", "\x00", "- a",
])
def test_files_that_yaml_stumbles_over_are_named(book, file, text):
    (book / file).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=rf"Mend notebooks/{file}"):
        toc.chapters(book)


@pytest.mark.parametrize(("file", "old", "new", "says"), [
    *(("toc.yml", "twins", name, "must match pattern") for name in (
        "../twins", "/etc/twins", "'C:twins'", "'twins\\x'", '"twins\\n"')),
    ("toc.yml", "part: next", "part: ../../x", "must match pattern"),
    ("toc.yml", "part: next", "part: ''", "must match pattern"),
    ("toc.yml", "- part: next", "- 3\n- part: next", "must be object"),
    ("toc.yml", "[twins]", "[welcome]", "welcome"),
    ("toc.yml", "[twins]", "[twins, twins]", "listed twice"),
    ("toc.yml", "ref: v1", "ref: [", "cannot be read"),
    ("toc.yml", "ref: v1", "ref: 1.0", "must be string"),
    ("next/twins.yml", "form: long", "form: long, twin: [../os]", "must match pattern"),
    ("next/twins.yml", "form: long", "form: epic", "must be one of"),
    ("next/twins.yml", "[welcome]", "[later]", "needs later"),
    ("next/twins.yml", "title: Twins", "tilte: Twins", "tilte"),
    ("next/twins.yml", "title: Twins", "parents: [welcome]", "must be object"),
    ("next/twins.yml", "title: Twins", "parents: {later: A.}", "no chapter"),
])
def test_wrong_contents_are_named(book, file, old, new, says):
    text = (book / file).read_text(encoding="utf-8")
    assert old in text
    (book / file).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        toc.chapters(book)


def test_missing_contents_are_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        toc.chapters(tmp_path)


@pytest.fixture
def repository(book):
    """The book in git: two commits on main, then a branch."""
    root = book.parent
    for name in ("notebooks/start/welcome.ipynb", "notebooks/next/twins.ipynb", "README.md",
                 "sslbook/methods/twins.py", "sslbook/datasets/worlds/shapes.py"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1", encoding="utf-8")
    commit_with(root, "init", "-q", "-b", "main")
    commit(root)
    (root / "README.md").write_text("1.1", encoding="utf-8")
    commit(root)
    commit_with(root, "checkout", "-q", "-b", "work")
    return root


def commit_with(root, *arguments):
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def commit(root):
    commit_with(root, "add", "-A")
    commit_with(root, "commit", "-q", "--no-verify", "-m", "a step")


def names(root, base=None):
    return [one.name for one in git.changed_chapters(base, root / "notebooks")]


@pytest.mark.parametrize(("file", "chapters"), [
    ("notebooks/next/twins.ipynb", ["twins"]), ("sslbook/methods/twins.py", ["twins"]),
    ("sslbook/datasets/worlds/shapes.py", ["welcome"]), ("README.md", []),
])
@pytest.mark.parametrize("base", ["main", None])
@pytest.mark.parametrize("committed", [False, True])
def test_what_a_change_touches(repository, file, chapters, base, committed):
    assert names(repository, base) == []
    (repository / file).write_text("2", encoding="utf-8")
    if committed:
        commit(repository)
    assert names(repository, base) == chapters


def test_new_files_and_the_last_commit_of_main_count(repository):
    commit_with(repository, "checkout", "-q", "main")
    (repository / "sslbook/methods/twins.py").unlink()
    commit(repository)
    assert names(repository) == ["twins"]
    assert names(repository, "HEAD") == []
    (repository / "sslbook/methods/twins.py").write_text("3", encoding="utf-8")
    assert names(repository, "HEAD") == ["twins"]


def test_changes_on_main_since_the_branch_do_not_count(repository):
    commit_with(repository, "checkout", "-q", "main")
    (repository / "notebooks/next/twins.ipynb").write_text("2", encoding="utf-8")
    commit(repository)
    commit_with(repository, "checkout", "-q", "work")
    assert names(repository, "main") == []


@pytest.mark.parametrize("base", ["no-such-branch", "--output=x", "0" * 40])
def test_an_unknown_base_means_all(repository, base):
    assert names(repository, base) == ["welcome", "twins"]
    assert not (repository / "x").exists()


def test_a_history_of_one_commit_means_all(book):
    commit_with(book.parent, "init", "-q", "-b", "main")
    commit(book.parent)
    assert names(book.parent) == ["welcome", "twins"]


def test_without_git_all_count(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert names(repository, "main") == ["welcome", "twins"]


def test_outside_a_repository_all_count(book, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(book.parent.parent))
    assert names(book.parent, "main") == ["welcome", "twins"]
    assert names(book.parent) == ["welcome", "twins"]


def test_every_chapter_says_what_changed():
    for one in toc.chapters():
        rows = changelog.of(one)
        assert rows[-1].results == "new", one.name
        assert all(row.what.endswith(".") for row in rows), one.name


@pytest.mark.parametrize("rows", [
    "[{date: soon, results: same, what: A.}]", "[{date: 2026-01-01, results: better, what: A.}]",
    "[{date: 2026-01-01, results: same}]", "3", "[3]",
])
def test_a_wrong_list_of_changes_is_named(book, rows):
    (book / "next" / "twins.yml").write_text(f"form: long\nchanges: {rows}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"Mend notebooks/next/twins\.yml"):
        changelog.of(toc.find("twins", book))


def test_changes_come_newest_first(book):
    welcome = toc.find("welcome", book)
    assert changelog.of(welcome) == []
    (book / "start" / "welcome.yml").write_text(
        "form: guide\nchanges:\n- {date: 2026-01-01, results: new, what: A.}\n"
        "- {date: 2026-02-01, results: same, what: B.}\n", encoding="utf-8")
    assert [row.what for row in changelog.of(welcome)] == ["B.", "A."]
