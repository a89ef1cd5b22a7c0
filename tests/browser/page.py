"""One page in a browser context of its own. What goes wrong in its scripts is kept for the end of the test."""

from typing import Any

MS = 30_000
"""How long a state of the page is waited for. Nothing is judged by how long it took."""
WIDE = (1440, 900)


class Page:
    """A page of the venue, not opened yet."""

    def __init__(self, browser: Any, size: tuple[int, int] = WIDE, scheme: str = "dark", script: str = "") -> None:
        """`script` runs in the page before its own scripts."""
        self._faults: list[str] = []
        width, height = size
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=width < 700
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(MS)
        if script:
            self.page.add_init_script(script)
        self.page.on("pageerror", lambda error: self._faults.append(str(error)))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "WebSocket connection" not in message.text:
            self._faults.append(message.text)

    @staticmethod
    def expect(what: Any) -> Any:
        """Playwright's assertion, with the limit of this module."""
        from playwright.sync_api import expect

        expect.set_options(timeout=MS)
        return expect(what)

    def end(self) -> list[str]:
        """Close it; what went wrong in its scripts."""
        self.context.close()
        return self._faults

    @property
    def dialog(self) -> Any:
        """The open dialog."""
        return self.page.get_by_role("dialog")

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def serious(self) -> list[str]:
        """What axe finds serious or worse, a line each."""
        import pytest

        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe: pip install '.[browser]'")
        return [
            f"{one['id']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})"
            for one in axe.Axe().run(self.page).response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
