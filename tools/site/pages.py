"""The pages that are computed: front, gallery, routes, method map, papers, glossary."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
import yaml

from sslbook import __version__, records
from sslbook.book import changelog, routes, symbols
from sslbook.book.toc import Chapter
from sslbook.records import report
from tools.site import chapters, methodmap

ROOT = Path(__file__).resolve().parents[2]
# Documents of the repository that are pages too.
DOCUMENTS = ("headless", "teaching", "glossary", "troubleshooting")
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#]+)(#[^)]*)?\)")
_ORDER = ("supported", "too small", "refuted", "open", "not at this scale", "not run")


def write(book: Sequence[Chapter], source: Path) -> None:
    """Write every computed page and every chapter into the folder of Sphinx's sources."""
    found = list(records.shipped())
    ledger = report.ledger(found)
    papers = _yaml("papers.yml") or []
    times = {one.name: routes.minutes(one) for one in book}
    about = {
        "version": __version__, "book": book, "parts": _parts(book),
        "documents": [name for name in DOCUMENTS if (ROOT / "docs" / f"{name}.md").is_file()],
        "minutes": times, "together": lambda unit: sum(sum(times[one.name]) for one in unit),
        "verdicts": _verdicts(ledger), "thumbnail": {c.name: chapters.thumbnail(c) for c in book},
        "routes": routes.routes(book), "map": methodmap.svg(book), "papers": papers,
        "paper_parts": _grouped(papers, "part"),
        "part_titles": {one.part: one.part_title for one in book},
        "by_name": {one.name: one for one in book},
        "scoreboard": next(one.inside for one in book if one.name == "scoreboard"),
        "decided": sum(row["kind"] == "claim" and row["verdict"] != "not run" for row in ledger),
        "symbols": symbols.known(), "records": len(found),
    }
    for template in sorted((ROOT / "tools" / "site" / "templates").glob("*.md")):
        if not template.name.startswith("_"):
            _write(source / template.name, template.name, about)
    for chapter in book:
        end = _render("_chapter_end.md", {
            "chapter": chapter, "changes": changelog.of(chapter),
            "papers": [one for one in papers if one["chapter"] == chapter.name],
        })
        chapters.write(chapter, book, source, end)
    for name in about["documents"]:
        _document(name, source, book[0])


def cell(text: str) -> str:
    """Text inside a markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def plain(text: str) -> str:
    """Text of a record: nothing in it is markdown."""
    return cell("".join(f"\\{sign}" if sign in "\\`*_{}[]<>$#&" else sign for sign in str(text)))


def _yaml(name: str) -> Any:
    path = ROOT / "docs" / name
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def _parts(book: Sequence[Chapter]) -> list[tuple[str, list[Chapter]]]:
    """(title of a part, its chapters), in the order of the book."""
    return [(title, list(members)) for title, members in groupby(book, lambda c: c.part_title)]


def _grouped(rows: Iterable[dict[str, Any]], key: str) -> list[tuple[str, list[dict[str, Any]]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return list(found.items())


def _verdicts(ledger: Iterable[dict[str, Any]]) -> dict[str, str]:
    """chapter -> "3 supported, 1 open": over all its claims and data sets."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in ledger:
        if row["kind"] == "claim":
            counts[row["chapter"]][row["verdict"]] += 1
    return {name: ", ".join(f"{count[word]} {word}" for word in _ORDER if count[word])
            for name, count in counts.items()}


def _render(template: str, about: dict[str, Any]) -> str:
    maker = jinja2.Environment(  # nosec B701 # it makes markdown of the repository's own texts
        loader=jinja2.FileSystemLoader(ROOT / "tools" / "site" / "templates"), trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
    )
    maker.filters.update(cell=cell, plain=plain)
    return maker.get_template(template).render(about)


def _write(path: Path, template: str, about: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_render(template, about), encoding="utf-8")


def _document(name: str, source: Path, chapter: Chapter) -> None:
    """A document of docs/; links to files that are no pages lead to the repository."""
    where = f"https://github.com/{chapter.repository}/blob/{chapter.ref}"

    def led(link: re.Match[str]) -> str:
        inside = posixpath.normpath(posixpath.join("docs", link[1]))
        is_page = inside in [f"docs/{name}.md" for name in DOCUMENTS] or inside.endswith(".ipynb")
        return link[0] if is_page else f"]({where}/{inside}{link[2] or ''})"

    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    path = source / "docs" / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_LINK.sub(led, text), encoding="utf-8")
