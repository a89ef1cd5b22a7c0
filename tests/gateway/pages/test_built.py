"""What is committed in `built` was made from the sources beside it, and the server gives it with the right headers."""

import hashlib
from pathlib import Path

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
