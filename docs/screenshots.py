"""The README's pictures, taken of the sample's report: `make screenshots`."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from helpers.errors import EnvironmentFault
from helpers.runs import pipeline, planning

HERE = Path(__file__).parent
COLOURS = 64  # a page has few; so few make a small file
# Name: page, what of it ("" is the page itself), width and height of the screen, light or dark.
PICTURES = {
    "report": ("index.html", "", 1000, 1180, "light"),
    "retention": ("04_retention.html", ".gr-figure.wide", 820, 1200, "light"),
    "phone": ("index.html", "", 390, 844, "dark"),
}


def take(pages: Path, folder: Path) -> list[Path]:
    """The pictures of a report's pages, each written into the folder.

    Raises:
        EnvironmentFault: There is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        raise EnvironmentFault("There is no Chromium to take pictures with; on Debian: apt install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        taken = [_taken(browser, pages, folder / f"{name}.png", *rest) for name, rest in PICTURES.items()]
        browser.close()
    return taken


def _taken(browser, pages: Path, path: Path, name: str, part: str, width: int, height: int, scheme: str) -> Path:
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto((pages / name).resolve().as_uri())
    picture = page.locator(part).first.screenshot() if part else page.screenshot()
    page.close()
    _write_small(picture, path)
    return path


def _write_small(picture: bytes, path: Path) -> None:
    """The picture with few colours, without which it would have twice the size."""
    from PIL import Image

    Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    take(pipeline.report(planning.Request()).front.parent, HERE)
