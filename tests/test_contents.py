"""The table of contents, the README's table made from it, and what changed against git."""

from __future__ import annotations

import shutil
import subprocess

import nbformat
import pytest
from test_claims import record

from sslbook.errors import UsageError
from sslbook.judging import records
from sslbook.nbtools import changed, changes, table, toc

TOC = """
repository: some/book
ref: v1
parts:
  - part: start
    title: Start
    chapters:
      - {name: welcome, form: guide, title: Welcome, idea: Look., needs: [], data: [shapes]}
  - part: next
    title: Next
    chapters:
      - {name: twins, form: long, title: Twins, idea: Two | one., needs: [welcome], twin: [twins],
         paper: "https://arxiv.org/abs/1"}
"""


@pytest.fixture
def book(tmp_path):
    """A folder of notebooks with a table of contents."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "toc.yml").write_text(TOC, encoding="utf-8")
    return folder


def test_chapters_come_in_order(book):
    welcome, twins = toc.chapters(book)
    assert (welcome.name, welcome.form, welcome.number, welcome.twin) == ("welcome", "guide", 0, ())
    assert twins.path == book / "next" / "twins.ipynb"
    assert (twins.needs, twins.twin, twins.number) == (("welcome",), ("twins",), 1)
    assert twins.colab.endswith("github/some/book/blob/v1/notebooks/next/twins.ipynb")


def test_the_books_own_contents():
    listed = toc.chapters()
    assert [one.name for one in listed][:2] == ["welcome", "fast_pretraining"]
    assert all(one.title and one.idea.endswith(".") for one in listed)
    assert all(one.paper.startswith("https://") for one in listed if one.form != "guide")
    assert all(one.twin for one in listed if one.form in ("long", "short"))


def test_every_notebook_is_listed():
    listed = {one.path.resolve() for one in toc.chapters()}
    folder = toc.paths.notebooks()
    there = (path.resolve() for path in folder.rglob("*.ipynb"))
    assert {path for path in there if ".ipynb_checkpoints" not in path.parts} == listed


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
    (outside / "next").mkdir(parents=True)
    (outside / "next" / "twins.ipynb").write_text("{}")
    place = book / linked
    place.parent.mkdir(exist_ok=True)
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    symlink(place, outside / linked)
    for ask in (toc.chapters, lambda folder: toc.find("twins", folder)):
        with pytest.raises(UsageError, match="twins is a link out of the folder"):
            ask(book)


def test_links_inside_and_to_the_whole_folder_are_fine(book, tmp_path):
    (book / "start").mkdir(exist_ok=True)
    (book / "start" / "there.ipynb").write_text("{}")
    (book / "next").mkdir(exist_ok=True)
    (book / "next" / "twins.ipynb").unlink(missing_ok=True)
    symlink(book / "next" / "twins.ipynb", book / "start" / "there.ipynb")
    symlink(tmp_path / "linked", book)
    assert toc.find("twins", book).path.is_file()
    assert toc.find("twins", tmp_path / "linked").path.is_file()


def symlink(place, target):
    try:
        place.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("links need a right that this user does not have")


@pytest.mark.parametrize("text", [
    "parts: 2001-99-99", "parts: &a [*a]", "[" * 5000, "!!python/object/apply:os.getcwd []", "\x00",
])
def test_contents_that_yaml_stumbles_over_are_named(book, text):
    (book / "toc.yml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"Mend notebooks/toc\.yml"):
        toc.chapters(book)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: twins", "name: ../twins", "plain name"),
        ("name: twins", "name: /etc/twins", "plain name"),
        ("name: twins", "name: C:twins", "plain name"),
        ("name: twins", "name: 'twins\\x'", "plain name"),
        ("name: twins", 'name: "twins\\n"', "plain name"),
        ("part: next", "part: .", "plain name"),
        ("part: next", "part: ''", "plain name"),
        ("part: next", "part: ../../x", "plain name"),
        ("twin: [twins]", "twin: [../os]", "plain name"),
        ("data: [shapes]", "data: shapes", "not a list"),
        ("form: long", "form: epic", "form 'epic'"),
        ("name: twins", "name: welcome", "listed twice"),
        ("needs: [welcome]", "needs: [later]", "needs later"),
        ("title: Twins", "title: [Twins]", "not text"),
        ("title: Twins", "tilte: Twins", "unknown keys: tilte"),
        ("parts:", "parts: 3\nother:", "not a list"),
        ("ref: v1", "ref: [", "cannot be read"),
    ],
)
def test_wrong_contents_are_named(book, old, new, says):
    (book / "toc.yml").write_text(TOC.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        toc.chapters(book)


def test_missing_contents_are_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        toc.chapters(tmp_path)


def test_the_table(book, monkeypatch):
    monkeypatch.setattr(records, "shipped", lambda chapter: [])
    rows = table.chapter_table(toc.chapters(book)).splitlines()
    assert len(rows) == 4
    assert rows[2].startswith("| [Welcome](notebooks/start/welcome.ipynb) | Look. |  | guide |")
    assert "| Two \\| one. | [paper](https://arxiv.org/abs/1) | long | not measured |" in rows[3]
    assert all(row.count("|") - row.count("\\|") == 7 for row in rows)


@pytest.mark.parametrize(("dataset", "shown"), [("shapes", "50 s"), ("", "99 s")])
def test_the_table_has_times_on_the_data_set_of_the_preset(book, monkeypatch, dataset, shown):
    """A preset that names none makes its own, so any record of the chapter counts."""
    cell = nbformat.v4.new_code_cell(f'PRESETS = {{"smoke": dict(dataset="{dataset}")}}')
    (book / "next").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), book / "next" / "twins.ipynb")
    made = [record(seconds__wall=wall, preset="smoke", parameters__dataset="shapes")
            for wall in (61.0, 40.0, 50.0)]
    made += [record(seconds__wall=99.0, parameters__dataset="shapes", **change) for change in
             ({"preset": "check"}, {"preset": "smoke", "status": "crashed"},
              {"preset": "smoke", "device__kind": "cuda"})]
    made += [record(seconds__wall=99.0, preset="smoke", parameters__dataset="cifar10")] * 5
    monkeypatch.setattr(records, "shipped", {"twins": made, "welcome": []}.get)
    assert f"| long | {shown} |" in table.chapter_table(toc.chapters(book))


def test_the_table_goes_between_its_markers():
    text = f"# A\n{table.START}\nold\n{table.END}\nB\n"
    assert table.spliced(text, "new") == f"# A\n{table.START}\nnew\n{table.END}\nB\n"
    for broken in ("no markers", table.START, f"{table.END} {table.START}", text + text):
        with pytest.raises(UsageError):
            table.spliced(broken, "new")


def test_the_readme_has_the_current_table():
    is_now, should_be = table.current()
    assert is_now == should_be, "run: python -m sslbook.nbtools.table"


@pytest.fixture
def repository(book):
    """The book in git: two commits on main, then a branch."""
    root = book.parent
    for name in ("notebooks/start/welcome.ipynb", "notebooks/next/twins.ipynb", "README.md",
                 "sslbook/methods/twins.py", "sslbook/datasets/shapes.py"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1", encoding="utf-8")
    git(root, "init", "-q", "-b", "main")
    commit(root)
    (root / "README.md").write_text("1.1", encoding="utf-8")
    commit(root)
    git(root, "checkout", "-q", "-b", "work")
    return root


def git(root, *arguments):
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def commit(root):
    git(root, "add", "-A")
    git(root, "commit", "-q", "--no-verify", "-m", "a step")


def names(root, base=None):
    return [one.name for one in changed.changed_chapters(base, root / "notebooks")]


@pytest.mark.parametrize(
    ("file", "chapters"),
    [
        ("notebooks/next/twins.ipynb", ["twins"]),
        ("sslbook/methods/twins.py", ["twins"]),
        ("sslbook/datasets/shapes.py", ["welcome"]),
        ("README.md", []),
    ],
)
@pytest.mark.parametrize("base", ["main", None])
@pytest.mark.parametrize("committed", [False, True])
def test_what_a_change_touches(repository, file, chapters, base, committed):
    assert names(repository, base) == []
    (repository / file).write_text("2", encoding="utf-8")
    if committed:
        commit(repository)
    assert names(repository, base) == chapters


def test_new_files_and_the_last_commit_of_main_count(repository):
    git(repository, "checkout", "-q", "main")
    (repository / "sslbook/methods/twins.py").unlink()
    commit(repository)
    assert names(repository) == ["twins"]
    assert names(repository, "HEAD") == []
    (repository / "sslbook/methods/twins.py").write_text("3", encoding="utf-8")
    assert names(repository, "HEAD") == ["twins"]


def test_changes_on_main_since_the_branch_do_not_count(repository):
    git(repository, "checkout", "-q", "main")
    (repository / "notebooks/next/twins.ipynb").write_text("2", encoding="utf-8")
    commit(repository)
    git(repository, "checkout", "-q", "work")
    assert names(repository, "main") == []


@pytest.mark.parametrize("base", ["no-such-branch", "--output=x", "0" * 40])
def test_an_unknown_base_means_all(repository, base):
    assert names(repository, base) == ["welcome", "twins"]
    assert not (repository / "x").exists()


def test_a_history_of_one_commit_means_all(book):
    git(book.parent, "init", "-q", "-b", "main")
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
    found = changes.read()
    assert list(found) == [one.name for one in toc.chapters()]
    for rows in found.values():
        assert rows[-1].results == "new"
        assert all(row.what.endswith(".") for row in rows)


@pytest.mark.parametrize(
    "text",
    ["twins:\n- {date: soon, results: same, what: A.}",
     "twins:\n- {date: 2026-01-01, results: better, what: A.}",
     "twins:\n- {date: 2026-01-01, results: same}", "twins: 3", "twins", "["],
)  # fmt: skip
def test_a_wrong_list_of_changes_is_named(tmp_path, text):
    path = tmp_path / "changes.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"changes\.yml is wrong at chapter"):
        changes.read(path)


def test_changes_come_newest_first(tmp_path):
    path = tmp_path / "changes.yml"
    assert changes.read(path) == {}
    path.write_text("twins:\n- {date: 2026-01-01, results: new, what: A.}\n"
                    "- {date: 2026-02-01, results: same, what: B.}\n", encoding="utf-8")
    assert [row.what for row in changes.read(path)["twins"]] == ["B.", "A."]
