"""What is committed in `built` was made from the sources beside it, and the server gives it with the right headers."""

import gzip
import hashlib
from pathlib import Path

import pytest

from gateway import pages
from tests.gateway.net.test_http_connection import answered, conversation, get

FOLDER = Path(pages.__file__).parent
NOTED = pages.BUILT / "SOURCES.sha256"
REBUILD = "run `npm ci && npm run build` in gateway/pages and commit gateway/pages/built"


def noted() -> dict[str, str]:
    """The hash of each file that the build read or wrote, by its path in gateway/pages."""
    lines = (line.split("  ", 1) for line in NOTED.read_text().splitlines())
    return {path: digest for digest, path in lines}


def sources() -> set[str]:
    """Every file that a build reads."""
    beside = {*FOLDER.glob("*.json"), *FOLDER.glob("*.ts"), FOLDER / "terminal.html", FOLDER / "console.html"}
    inside = {path for path in (FOLDER / "src").rglob("*") if path.is_file() and ".test." not in path.name}
    return {str(path.relative_to(FOLDER)) for path in beside | inside}


def test_what_is_committed_was_built_from_these_sources() -> None:
    built = {str(path.relative_to(FOLDER)) for path in pages.BUILT.rglob("*") if path.is_file() and path != NOTED}
    assert set(noted()) == sources() | built, REBUILD
    changed = [path for path, hashed in noted().items() if hash_of(path) != hashed]
    assert not changed, f"{REBUILD}: {changed}"


def hash_of(path: str) -> str:
    return hashlib.sha256((FOLDER / path).read_bytes()).hexdigest()


def test_a_page_asks_no_other_host_and_has_no_inline_script_or_style() -> None:
    for found in (pages.terminal("/"), pages.console("/")):
        assert found is not None
        markup = found[1].decode()
        assert "http://" not in markup and "https://" not in markup and "//" not in markup.replace("<!--", "")
        assert "<style" not in markup and "style=" not in markup and "onload" not in markup
        assert 'type="module"' in markup and markup.count("<script") == 1


def test_what_has_its_hash_in_its_name_is_kept_for_ever_and_the_page_is_asked_for_again(tmp_path: Path) -> None:
    script = next(f"/{name}" for name in sorted(pages.assets_of("terminal.html")) if name.endswith(".js"))

    async def talk(connect, server):
        reader, writer = await connect()
        for target, kept in ((script.encode(), "public, max-age=31536000, immutable"), (b"/", "no-cache")):
            writer.write(get(target))
            status, headers, _ = await answered(reader)
            assert (status, headers["cache-control"]) == (200, kept) and headers["etag"]
        writer.close()

    conversation(tmp_path, talk)


@pytest.mark.parametrize(
    ("accepts", "is_compressed"),
    [
        (b"gzip, deflate, br", True), (b"GZIP;q=0.5", True), (b"br, gzip; q=1.0", True),
        (b"", False), (b"gzip;q=0", False), (b"gzip;q=0.0", False), (b"deflate", False),
    ],
)  # fmt: skip
def test_a_browser_that_takes_gzip_gets_it_with_a_tag_of_its_own(
    tmp_path: Path, accepts: bytes, is_compressed: bool
) -> None:
    found = pages.terminal("/")
    assert found is not None

    async def talk(connect, server):
        reader, writer = await connect()
        writer.write(get(b"/", b"Accept-Encoding: " + accepts))
        status, headers, body = await answered(reader)
        assert (status, headers["vary"]) == (200, "accept-encoding") and (
            "content-encoding" in headers
        ) is is_compressed
        assert (gzip.decompress(body) if is_compressed else body) == found[1]
        writer.write(get(b"/", b"Accept-Encoding: " + accepts, b"If-None-Match: " + headers["etag"].encode()))
        assert (await answered(reader))[0] == 304
        writer.write(get(b"/", b"If-None-Match: " + headers["etag"].encode()))
        assert (await answered(reader))[0] == (200 if is_compressed else 304)
        writer.close()

    conversation(tmp_path, talk)


@pytest.mark.parametrize(("entry", "most_kb"), [("terminal.html", 140), ("console.html", 65)])
def test_a_first_visit_is_as_light_as_the_document_says(entry: str, most_kb: int) -> None:
    files = [pages.BUILT / name for name in (entry, *pages.assets_of(entry))]
    assert len(files) > 2 and sum(len(pages.compressed(file.read_bytes())) for file in files) < 1000 * most_kb
