"""The page in a real browser, and what the command says."""

import csv
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from spinloom import cli
from spinloom.contract.errors import ConfigError
from spinloom.study.report import page

from .browser import chromium, load, wait
from .synthetic import rows, sweep
from .test_contents import DRIFT


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    """A page of a sweep of 120 runs and a co-simulation, with names that look like markup."""
    folder = tmp_path_factory.mktemp("report") / "<b>sweep"
    sweep(folder, 120, run)
    (folder / "cosim.json").write_text(json.dumps({"bit_exact": True, "samples": 5, "simulator": "icarus"}))
    (folder / "half.json").write_text("{")
    return page.run([folder], folder.parent / "report.html").out


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def opened(browser, written):
    """The browser with the page, at the size of a desk, in light colours."""
    resize(browser, 1300)
    colours(browser, "light")
    load(browser, written)
    yield browser
    assert browser.get_log("browser") == []  # neither errors nor requests that failed


def resize(browser, width):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})


def colours(browser, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": scheme}]})


def ground(browser):
    return browser.execute_script("return getComputedStyle(document.body).backgroundColor")


def column(browser, number):
    return browser.execute_script(
        f"return [...document.querySelectorAll('#runs-1 tbody td:nth-child({number})')].map(cell => cell.textContent)")


def test_it_asks_nothing_of_the_network(written):
    shown = written.read_text().split("<script", 1)[0]  # what comes behind it is data, and libraries
    addresses = re.findall(r"""<[^>]* (?:src|href)=["']?([^"'> ]+)""", shown)
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)


def test_every_chart_is_drawn_when_it_comes_into_view(opened):
    charts = opened.execute_script(
        "return [...document.querySelectorAll('[data-chart]')].map(each => each.dataset.chart)")
    assert len(charts) == len(set(charts)) > 5
    for name in charts:
        opened.execute_script(f"document.querySelector('[data-chart=\"{name}\"]').scrollIntoView()")
        wait(opened, f"return document.querySelector('[data-chart=\"{name}\"] svg') !== null")


def test_tables_sort_and_filter(opened):
    accuracies = sorted(row["test_accuracy"] for row in rows(120) if row["status"] == "done")
    head = opened.find_element("css selector", "#runs-1 thead tr:first-child :nth-child(8) .dt-column-title")
    opened.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", head)
    for order in (accuracies, accuracies[::-1]):
        head.click()
        wait(opened, f"return +document.querySelector('#runs-1 tbody td:nth-child(8)').textContent === {order[0]}")
        assert [float(cell) for cell in column(opened, 8)] == order[:25]
        opened.find_element("css selector", ".dt-paging-button.last").click()
        wait(opened, "return document.querySelectorAll('#runs-1 tbody tr').length === 20")
        assert column(opened, 8)[-2:] == ["", ""]  # failed runs have no value
        assert [float(cell) for cell in column(opened, 8)[:-2]] == order[100:]
    opened.find_element("css selector", ".dt-search input").send_keys("failed")
    wait(opened, "return document.querySelectorAll('#runs-1 tbody tr').length === 2")
    assert set(column(opened, 2)) == {"failed"}
    assert column(opened, 3) == ["interrupted <b>& lost</b>"] * 2  # text, not markup


def test_a_column_has_a_filter_of_its_own(opened):
    field = opened.find_elements("css selector", "#runs-1 thead tr:nth-child(2) input")[4]
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
    field.send_keys("17")
    wait(opened, "return [...document.querySelectorAll('#runs-1 tbody td:nth-child(5)')]"
                 ".every(cell => cell.textContent === '17')")
    assert set(column(opened, 5)) == {"17"}


MARKUP = "</script><script>window.ran = 1</script><img src=x onerror='window.ran=1'>\"><b onclick=ran()>"


def test_nothing_in_names_runs(browser, tmp_path):
    head = ["run", "status", "error", "config", "seed", "device.kind", MARKUP, "test_accuracy", "write_pulses",
            "energy_joules"]
    lines = [head, *([MARKUP + str(seed), "done", "", MARKUP + config, seed, MARKUP + kind, kind, 90 + seed, 5, seed]
                     for config in "ab" for kind in "ab" for seed in (1, 2)),
             ["c", "failed", MARKUP, MARKUP, 3, "a", "b", "", "", ""]]
    folder = tmp_path / MARKUP.replace("/", "")
    folder.mkdir()
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    (folder / "cosim.json").write_text(json.dumps({"bit_exact": False, "samples": 5, "first_difference": MARKUP}))
    (folder / f"{MARKUP[:9].replace('/', '')}.json").write_text("{")
    written = page.run([folder], tmp_path / "report.html").out
    resize(browser, 1300)
    load(browser, written)
    for figure in browser.find_elements("css selector", "figure"):
        browser.execute_script("arguments[0].scrollIntoView()", figure)
        wait(browser, "return arguments[0].dataset.drawn !== undefined", figure)
    browser.execute_script("document.querySelectorAll('input').forEach(each => each.dispatchEvent(new Event('focus')))")
    assert browser.execute_script("return window.ran") is None
    assert browser.find_elements("css selector", "img[src=x], b[onclick]") == []
    assert MARKUP in browser.find_element("css selector", ".tile.bad").get_attribute("textContent")
    assert browser.get_log("browser") == []


def test_light_and_dark(opened, written):
    light = ground(opened)
    opened.find_element("id", "theme").click()
    dark = ground(opened)
    assert dark != light
    opened.find_element("id", "theme").click()
    assert ground(opened) == light
    colours(opened, "dark")
    load(opened, written)
    assert ground(opened) == dark


def test_on_a_phone_nothing_is_wider_than_the_screen(opened, written):
    resize(opened, 390)
    load(opened, written)
    assert opened.execute_script("return document.documentElement.scrollWidth") == 390
    assert opened.execute_script("return [...document.querySelectorAll('figure, .tile, h1')]"
                                 ".every(each => each.getBoundingClientRect().right <= 390)")


def test_on_paper_there_are_pictures_instead_of_charts(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return [...document.querySelectorAll(arguments[0])].map(each => getComputedStyle(each).display)"
    assert set(opened.execute_script(shown, "figure img")) == {"block"}
    assert set(opened.execute_script(shown, ".plot, #theme, .links")) == {"none"}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_data_can_be_downloaded(opened):
    links = opened.execute_script(
        "return [...document.querySelectorAll('.links a')].map(each => [each.download, each.href])")
    kinds = {name.rsplit(".", 1)[1]: address.split(";")[0] for name, address in links}
    assert kinds == {"csv": "data:text/csv", "svg": "data:image/svg+xml"}


def test_what_was_left_out_is_told(opened):
    assert "half.json: not a whole JSON document" in opened.find_element("css selector", ".left-out").text


def test_the_commands_answer_and_the_same_folder_gives_the_same_page(tmp_path, capsys):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "synth.json").write_text(json.dumps({"experiment": "a", "target": "ecp5", "lanes": [4], "luts": 1,
                                                   "block_rams": 0, "dsps": 0}))
    (folder / "more.json").write_text((folder / "synth.json").read_text().replace("[4]", "[8]"))
    pages = [tmp_path / name for name in ("a.html", "b.html")]
    for path in pages:
        assert cli.run(["report", str(folder), "--out", str(path), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer == {"out": str(path), "bytes": path.stat().st_size, "runs": 0, "charts": 3, "left_out": []}
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert cli.run(["figures", str(folder), "--out", str(tmp_path / "figures")]) == 0
    assert str(tmp_path / "figures" / "size-luts.png") in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["report", "{empty}"], "there is nothing to report in "),
    (["report", "{run}", "--out", "{empty}"], "is a folder; name a file to write"),
    (["report", "{run}", "--out", "{empty}/no/r.html"], "there is no such folder; name a file to write"),
    (["report", "{run}", "--out", "/proc/r.html"], "/proc/r.html: No such file or directory"),
    (["figures", "{run}", "--out", "{empty}", "--format", "gif"], "format gif: must be one of png, svg, pdf"),
    (["figures", "{empty}", "--out", "{empty}"], "there is nothing to report in "),
])
def test_bad_input_is_refused_in_one_line(run, tmp_path, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    arguments = [each.format(run=run, empty=tmp_path / "empty") for each in arguments]
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert message in captured.err


@pytest.mark.parametrize("package", ["plotly", "itables", "jinja2"])
def test_missing_packages_are_named(run, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(page.MissingPackageError, match=f"{package} is not installed; pip install plotly"):
        page.run([run], tmp_path / "report.html")


def test_a_page_that_cannot_be_written_leaves_the_old_one(run, tmp_path):
    old = tmp_path / "report.html"
    old.write_text("old")
    with pytest.raises(ConfigError):
        page.run([tmp_path / "nothing"], old)
    assert old.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_folders_may_have_names_that_are_no_text(run, tmp_path, capsys):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/na\xffme")
    shutil.copytree(run, Path(name, "one"))
    Path(name, "half.json").write_text("{")
    assert cli.run(["report", name, "--out", str(tmp_path / "report.html"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 1
    assert "<h1>na\\udcffme</h1>" in (tmp_path / "report.html").read_text()
    assert cli.run(["figures", name, "--out", str(tmp_path / "figures")]) == 0


def test_files_of_others_are_not_replaced(tmp_path, capsys):
    folder, mine = tmp_path / "results", tmp_path / "mine.html"
    folder.mkdir()
    (folder / "drift.json").write_text(json.dumps(DRIFT))
    mine.write_text("mine")
    make = ["report", str(folder), "--out", str(mine)]
    assert cli.run(make) == 2
    assert "mine.html: is there already, and not made by this command; name another file" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert cli.run([*make, "--overwrite"]) == 0
    assert cli.run(make) == 0  # now it is a report
    draw = ["figures", str(folder), "--out", str(tmp_path / "figures")]
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "drift.csv").write_text("mine")
    assert cli.run(draw) == 2
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["drift.csv"]
    assert cli.run([*draw, "--overwrite"]) == 0
    assert cli.run(draw) == 0
    assert len(list((tmp_path / "figures").iterdir())) == 3
