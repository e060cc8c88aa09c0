"""The page of a comparison: its numbers, and how a browser shows it."""

import csv
import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest
from networks import NAMES, make_run

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
    told = "train ended with 2: " + "the loss is nan; lower the learning rate " * 8
    trials = [
        {"network": "good|1", "trial": number, "state": state, "top1": top1, "learning_rate": rate}
        | {"optimizer": "adam", "clip_norm": None, "error": error}
        for number, state, top1, rate, error in (
            (0, "best", 5 / 6, 1e-3, None),
            (1, "failed", None, 0.123456, told),
        )
    ]
    write_page(tmp_path, three, compare_pairs(three), videos, failed, trials)
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


def test_every_accuracy_has_its_interval(three):
    for row in rows_of(three):
        # Each class has 20 of the 60 videos, so that the two differ by what is drawn alone.
        ends = "interval_low", "interval_high"
        own = [row[f"mean_class_accuracy_{end}"] for end in ends]
        assert own[0] < row["mean_class_accuracy"] < own[1]
        np.testing.assert_allclose(own, [row[end] for end in ends], atol=0.03)


def test_the_views_stand_above_the_numbers_also_where_they_differ(three, tmp_path):
    views = "2 clips x 3 crops of each, 16 x 64², mean of softmax, frames sequential."
    write_page(tmp_path, three, compare_pairs(three), [], {})
    assert f"Over 60 videos, {views}" in (tmp_path / "comparison.md").read_text()
    (run,) = three[1].runs
    other = dataclasses.replace(run, protocol={**run.protocol, "image_size": 96})
    networks = [three[0], Contestant("larger", [other]), three[2]]
    write_page(tmp_path, networks, compare_pairs(networks), [], {})
    text = (tmp_path / "comparison.md").read_text()
    assert views.replace("16 x 64²", "not all with the same size") in text


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


def test_markdown_and_csv_have_what_the_page_has(page, three):
    text = page.with_suffix(".md").read_text()
    assert "after Holm’s correction for 3 pairs" in text
    assert "| &lt;b&gt;a&lt;/b&gt;.mp4 | 跳舞 | 跳舞 | run &amp; jump |" in text
    assert "| network | trial | state | top-1 | learning_rate | optimizer | clip_norm |" in text
    assert "| good\\|1 | 0 | best | 83.3% | 0.001 | adam | None |" in text
    with open(page.with_name("pairs.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    for row, pair in zip(rows, compare_pairs(three), strict=True):
        assert (row["first"], row["second"], row["sentence"]) == (
            pair.first,
            pair.second,
            pair.sentence,
        )
        assert float(row["corrected"]) == pytest.approx(pair.corrected)
        assert float(row["interval_low"]) == pytest.approx(pair.interval[0])
    with open(page.with_name("classes.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == NAMES
    assert float(rows[0]["bad"]) == pytest.approx(7 / 20)  # videos 0, 3, ... 18 of 0, 3, ... 57


def test_the_page_has_a_table_of_the_trials(page):
    text = page.read_text()
    assert '<a href="#trials">All trials</a>' in text and 'id="trials"' in text
    table = text[text.index('class="trials"') :]
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    headings, best, failed = ([*re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows)
    assert headings == [
        *("network", "trial", "state", "top-1", "learning_rate", "optimizer", "clip_norm")
    ]
    assert best == ["good|1", "0", "best", "83.3%", "0.001", "adam", "None"]
    assert failed[2].startswith("failed: train ended with 2") and failed[3:5] == ["–", "0.1235"]


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
    assert (int(rows), int(drawings)) == (3 + 2, 4)
    # The skip link and that to the trials, the tables, pairs and matrices.
    assert int(focusable) == 2 + 2 + 3 + 3
    assert back == ("rgb(23, 23, 27)" if dark else "rgb(255, 255, 255)")


def test_a_keyboard_reaches_scrolls_and_opens_all_of_it(page, browser):
    from selenium.webdriver import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(page.as_uri())
    browser.set_window_size(500, 800)
    reached = []
    for _ in range(2 + 2 + 3 + 3):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        place = browser.switch_to.active_element
        assert place.value_of_css_property("outline-style") == "solid"  # seen where one is
        reached.append(place.tag_name)
        if place.tag_name == "summary":
            place.send_keys(Keys.ENTER)
        elif place.tag_name == "div":
            place.send_keys(*[Keys.RIGHT] * 3)
            WebDriverWait(browser, 10).until(lambda _, at=place: at.get_property("scrollLeft"))
    assert reached == ["a", "div", "a", *["summary"] * 6, "div"]
    shut = "return [...document.querySelectorAll('details')].filter(each => !each.open).length"
    assert browser.execute_script(shut) == 0
