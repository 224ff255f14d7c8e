"""A report in a real browser without a network: it loads, points, zooms, sorts, plays, and obeys no name."""

import os
import shutil

import pytest

from experiments import write_report

pytestmark = pytest.mark.slow

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

AT = """([k, trace, point]) => {
  const place = document.querySelectorAll('.pair .drawn')[k];
  const { xaxis, yaxis } = place._fullLayout, box = place.getBoundingClientRect();
  const [x, y] = point === undefined ? trace : [place.data[trace].x[point], place.data[trace].y[point]];
  return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
}"""
"""Where on the screen a point of the graph or matrix is."""


@pytest.fixture(scope="module")
def browser():
    """Return a running Chromium; skip, and say so, where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH: the browser tests of reports did not run")
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield running
        running.close()


@pytest.fixture(scope="module")
def path(finished, tmp_path_factory):
    return write_report(finished, tmp_path_factory.mktemp("report") / "report.html")


def until(page, condition):
    """Wait until an expression is true; the policy of the page forbids Playwright's own way."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never true: {condition}")


@pytest.fixture
def complaints():
    """Return what the page has complained of: a test must leave it empty."""
    return []


@pytest.fixture
def opened(browser, complaints):
    """Return a function that opens a report and waits until all figures are drawn."""
    contexts = []

    def open_report(path, width=1280, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda one: one.url.startswith("http") and complaints.append(one.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn]", timeout=60_000)
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_its_window_and_takes_the_colours_of_the_reader(opened, path, width, scheme):
    page = opened(path, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    figures = page.locator(".drawn")
    assert figures.count() == 8
    for k in range(8):
        box = figures.nth(k).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert figures.nth(k).locator("svg.main-svg").count() > 0
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 27)"}[scheme]
    font = "document.querySelector('.drawn')._fullLayout.font.color"
    assert page.evaluate(font) == {"light": "#1b1f24", "dark": "#e6e9ed"}[scheme]


@pytest.mark.parametrize("width", [360, 1280])
def test_legends_and_titles_of_axes_lie_apart(opened, path, width):
    page = opened(path, width)
    below = page.evaluate("""() => [...document.querySelectorAll('#curves .drawn')].map((place) => {
      const [title, legend] = ['.xtitle', '.legend'].map((one) => place.querySelector(one).getBoundingClientRect());
      return legend.top - title.bottom;
    })""")
    assert len(below) == 3
    assert min(below) >= 0


def test_figures_follow_the_reader_who_changes_the_colours(opened, path):
    page = opened(path)
    scale = "document.querySelectorAll('.pair .drawn')[1].data[0].colorscale[0][1]"
    before = page.evaluate(scale)
    page.emulate_media(color_scheme="dark")
    until(page, f"{scale} !== '{before}'")


def test_an_edge_under_the_pointer_shows_its_weight_and_is_marked_in_the_matrix(opened, path):
    page = opened(path)
    page.locator(".pair").scroll_into_view_if_needed()
    graph = "document.querySelectorAll('.pair .drawn')[0]"
    trace = page.evaluate(f"{graph}.data.findIndex((one) => one.name === 'edges')")
    last = page.evaluate(f"{graph}.data[{trace}].x.length - 1")
    text = page.evaluate(f"{graph}.data[{trace}].text[{last - 1}]")
    x, y = page.evaluate(AT, [0, trace, last - 1])
    page.mouse.move(x - 4, y)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector(".pair .hovertext")
    label = page.locator(".pair .hovertext").first.text_content()
    assert label == text.replace("<br>", "")
    assert "weight" in label
    names = text.split("<br>")[0]
    until(page, "document.querySelector('.pair .told').textContent !== ''")
    assert page.locator(".pair .told").text_content().startswith(f"{names}: ")
    assert page.evaluate("document.querySelectorAll('.pair .drawn')[1].layout.shapes.length") == 4


def test_a_place_under_the_pointer_marks_its_edge_in_the_graph(opened, path):
    page = opened(path)
    page.locator(".pair").scroll_into_view_if_needed()
    edge = page.evaluate("""() => {
      const points = document.querySelectorAll('.pair .drawn')[0].data.find((one) => one.name === 'edges').customdata;
      return points[points.length - 1];
    }""")
    x, y = page.evaluate(AT, [1, [edge[1], edge[0]]])
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y, steps=3)
    marked = "document.querySelectorAll('.pair .drawn')[0].data.at(-1).x.length"
    until(page, f"{marked} === 3")


def test_the_wheel_and_the_keyboard_zoom(opened, path):
    page = opened(path)
    graph = page.locator(".pair .drawn").first
    graph.scroll_into_view_if_needed()
    width = """(k) => {
      const [a, b] = document.querySelectorAll('.drawn')[k]._fullLayout.xaxis.range;
      return Math.abs(b - a);
    }"""
    index = page.evaluate(
        "[...document.querySelectorAll('.drawn')].findIndex((one) => one.closest('.pair'))"
    )
    before = page.evaluate(width, index)
    box = graph.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(400)
    assert page.evaluate(width, index) < before
    first = page.evaluate(width, 0)
    page.locator(".drawn").first.locator("button[data-val='in']").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(400)
    assert page.evaluate(width, 0) == pytest.approx(first / 2)


def test_a_node_is_chosen_with_the_keyboard(opened, path):
    page = opened(path)
    page.locator(".pair select").focus()
    page.keyboard.press("End")
    page.wait_for_selector(".neighbours li")
    node = page.locator(".pair select option:checked").text_content().partition(": ")[2]
    edges = page.locator(".neighbours li").all_text_contents()
    assert all(f"→ {node}: " in one or one.startswith(f"{node} →") for one in edges)


def test_the_film_is_stepped_slid_and_played_with_the_keyboard(opened, path):
    page = opened(path)
    told = page.locator(".square .told")
    buttons = page.locator(".square button:not(.modebar-btn)")
    assert told.text_content().startswith("1 of ")
    assert "as it was drawn" in told.text_content()
    buttons.nth(2).focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.square .told').textContent.startsWith('2 of')")
    page.locator(".square input").focus()
    page.keyboard.press("End")
    assert told.text_content().endswith("trained")
    count = told.text_content().split()[0]
    assert told.text_content().startswith(f"{count} of {count}")
    buttons.nth(0).focus()
    page.keyboard.press("Space")
    until(page, "document.querySelector('.square .told').textContent.startsWith('3 of')")
    page.keyboard.press("Space")
    assert buttons.nth(0).text_content() == "Play"


def test_a_column_sorts_both_ways_by_click_and_by_keyboard(opened, path, finished):
    page = opened(path)
    table = page.locator("table.sortable").first
    summary = finished.summary()
    column = 1 + list(summary).index("parameters")
    head = table.locator("thead th").nth(column)

    def shown():
        return [
            one.replace(",", "")
            for one in table.locator(f"tbody tr > :nth-child({column + 1})").all_text_contents()
        ]

    ascending = [f"{one:.0f}" for one in sorted(summary["parameters"])]
    head.locator("button").click()
    assert [f"{float(one):.0f}" for one in shown()] == ascending
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert [f"{float(one):.0f}" for one in shown()] == ascending[::-1]
    assert head.get_attribute("aria-sort") == "descending"


def test_the_reader_chooses_the_cost(opened, path):
    page = opened(path)
    page.locator(".plot select").first.select_option(label="seconds")
    until(page, "document.querySelector('.drawn').layout.xaxis.title.text === 'seconds so far'")


def test_hostile_names_are_shown_and_do_nothing(
    opened, complaints, hostile, hostile_name, tmp_path
):
    page = opened(write_report(hostile, tmp_path / "report.html"))
    assert page.locator("img").count() == 0
    assert hostile_name in page.locator(".pair select").text_content()
    graph = "document.querySelectorAll('.pair .drawn')[0]"
    page.locator(".pair").scroll_into_view_if_needed()
    trace = page.evaluate(f"{graph}.data.findIndex((one) => one.name === 'input')")
    x, y = page.evaluate(AT, [0, trace, 0])
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y, steps=3)
    page.wait_for_selector(".pair .hovertext")
    assert hostile_name in page.locator(".pair .hovertext").first.text_content()
    started = """() => { const one = document.createElement('script'); one.textContent = 'window.ran = 1';
      document.head.append(one); return window.ran; }"""
    assert complaints == []
    assert page.evaluate(started) is None  # the policy refuses every script but those of the page
    assert all("Content Security Policy" in one for one in complaints)
    assert complaints
    complaints.clear()
