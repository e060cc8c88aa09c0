"""The page of a comparison: its numbers, and how a browser shows it."""

import csv
import re
import shutil
import subprocess

import numpy as np
import pytest
from networks import make_run

from video_zoo.comparison.contestants import Contestant
from video_zoo.comparison.frames import Disagreement, disagreements
from video_zoo.comparison.page import rows_of, write_page
from video_zoo.comparison.pairs import compare_pairs


@pytest.fixture
def page(three, tmp_path):
    """A written page, with a run that failed and a video that has frames."""
    strip = "data:image/jpeg;base64,AAAA"
    answers = [("good|1", "跳舞", True), ("bad", "run & jump", False)]
    videos = [Disagreement("<b>a</b>.mp4", "跳舞", answers, strip)]
    failed = {"i3d-seed0": "train ended with 2: <no such file>"}
    write_page(tmp_path, three, compare_pairs(three), videos, failed)
    return tmp_path / "comparison.html"


def test_the_numbers_of_a_network(three):
    row = rows_of(three)[0]
    assert row["network"] == "good|1" and row["runs"] == 2
    assert row["top1"] == pytest.approx(50 / 60)
    assert row["top1_spread"] == pytest.approx(np.std([51 / 60, 49 / 60], ddof=1))
    assert row["million_parameters"] == 1.5 and row["gmacs"] == 1.5
    assert row["training_seconds"] == 180 and row["clips_per_second"] == 100
    assert row["interval_low"] < row["top1"] < row["interval_high"]
    assert row["peak_memory"] is None


def test_the_table_is_a_csv_too(page):
    with open(page.with_suffix(".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["network"] for row in rows] == ["good|1", "equal", "bad"]
    assert float(rows[2]["top1"]) == pytest.approx(20 / 60)
    assert rows[1]["top1_spread"] == ""  # of one seed


def test_markdown_has_the_table_and_the_sentences(page, three):
    text = page.with_suffix(".md").read_text()
    assert "| good\\|1 | 83.3% ± 2.4 |" in text
    for pair in compare_pairs(three):
        assert f"- {pair.sentence}" in text
    assert "i3d-seed0: train ended with 2: &lt;no such file&gt;" in text


def test_the_page_stands_alone_and_names_are_text(page):
    text = page.read_text()
    outside = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:|#)[^\s\"')>]+", text)
    assert [each for each in outside if "xlink" not in each] == []
    assert "<script" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;b&gt;a&lt;/b&gt;.mp4" in text
    assert "no such file" in text


def test_several_classes_a_video_have_a_page_too(tmp_path):
    labels = np.arange(30) % 3
    networks = [
        Contestant(name, [make_run(np.arange(30) < count, labels, several=True)])
        for name, count in (("a", 30), ("b", 10))
    ]
    write_page(tmp_path, networks, compare_pairs(networks), disagreements(networks), {})
    text = (tmp_path / "comparison.html").read_text()
    assert "mean AP" in text and "Confusion" not in text and "McNemar" not in text


def test_the_videos_on_which_networks_disagree_most(three):
    found = disagreements(three)
    assert len(found) == 12 and all(each.strip is None for each in found)
    right = {each.filename: [right for _, _, right in each.answers] for each in found}
    assert all(len(set(answers)) == 2 for answers in right.values())


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
MEASURE = """<iframe id="page" width="360" height="640" src="comparison.html"></iframe><script>
document.getElementById("page").onload = (event) => {
  const root = event.target.contentDocument.documentElement;
  const colour = event.target.contentWindow.getComputedStyle(root.querySelector("body"));
  const focus = root.querySelectorAll("a, summary, [tabindex]").length;
  document.title = [root.scrollWidth, root.querySelectorAll("tbody tr").length, focus,
    root.querySelectorAll("svg").length, colour.backgroundColor].join(" ");
};</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_it_at_the_width_of_a_phone(page, dark):
    (page.parent / "measure.html").write_text(MEASURE)
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    browser = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", *scheme]
    browser += ["--allow-file-access-from-files", "--virtual-time-budget=5000"]
    shown = subprocess.run(
        [*browser, (page.parent / "measure.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    width, rows, focusable, drawings, back = re.search(
        r"<title>(\d+) (\d+) (\d+) (\d+) (.*?)</title>", shown
    ).groups()
    assert int(width) <= 360  # nothing sticks out; the table scrolls by itself
    assert (int(rows), int(drawings)) == (3, 4)
    assert int(focusable) >= 1 + 1 + 3 + 3  # the skip link, the table, pairs and matrices
    assert back == ("rgb(23, 23, 27)" if dark else "rgb(255, 255, 255)")
