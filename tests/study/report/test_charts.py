"""One description of a figure, drawn twice."""

import csv
import io
from xml.etree import ElementTree

import pytest
from spinloom.render import chart_figure, chart_page
from spinloom.render.chart import Axis, Cells, Chart, Limit, Series
from spinloom.render.figure import save_for_print, save_svg

X, Y = Axis(label="epoch", whole=True), Axis(label="accuracy", unit="%")
LINES = Chart(name="lines", title="lines, $ and <b>", x=X, y=Y,
              limits=(Limit(name="endurance", value=2.0, vertical=True),),
              series=(Series(name="a", x=[1, 2, 3], y=[90.0, None, 92.0],
                             band=([89.0, 90.0, 91.0], [91.0, 92.0, 93.0])),
                      Series(name="<i>b</i>", x=[1, 2], y=[80.0, 81.5], mark="points", labels=["one", "two"])))
BARS = Chart(name="bars", title="bars", x=Axis(label="phase"), y=Axis(label="energy", unit="J", prefixes=True),
             stacked=True, series=(Series(name="reads", mark="bars", x=["forward", "update"], y=[2e-9, 1e-9]),
                                           Series(name="writes", mark="bars", x=["update"], y=[4e-9])))
STEPS = Chart(name="steps", title="steps", x=Axis(label="pulses", log=True), y=Axis(label="cells", unit="%", log=True),
              series=(Series(name="1", mark="steps", x=[1, 10, 200], y=[50.0, 3.0, 0.1]),))
MAP = Chart(name="map", title="map", x=Axis(label="sigma"), y=Axis(label="states"), cells=Cells(
    x=[0.1, 0.2], y=[2, "many"], values=[[90.0, None], [91.25, 92.0]], axis=Y))
ALL = pytest.mark.parametrize("chart", [LINES, BARS, STEPS, MAP], ids=lambda chart: chart.name)


@ALL
def test_both_libraries_take_every_chart(chart):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    graph_objects.Figure(chart_page.draw(chart))  # refuses what plotly.js does not know
    assert chart_figure.draw(chart).axes[0].get_xlabel() == str(chart.x)


def test_csv_has_every_value_under_axes_with_units():
    rows = list(csv.reader(io.StringIO(LINES.csv().decode())))
    assert rows == [["series", "epoch", "accuracy (%)", "lower", "upper", "label"],
                    ["a", "1", "90.0", "89.0", "91.0", ""], ["a", "2", "", "90.0", "92.0", ""],
                    ["a", "3", "92.0", "91.0", "93.0", ""], ["<i>b</i>", "1", "80.0", "", "", "one"],
                    ["<i>b</i>", "2", "81.5", "", "", "two"], ["endurance", "2.0", "", "", "", ""]]
    assert MAP.csv().decode().splitlines() == ["sigma,states,accuracy (%)", "0.1,2,90.0", "0.2,2,", "0.1,many,91.25",
                                      "0.2,many,92.0"]


def test_a_page_and_a_figure_draw_the_same_values():
    page, axes = chart_page.draw(BARS), chart_figure.draw(BARS).axes[0]
    drawn = [(bar.get_y(), bar.get_height()) for bar in axes.patches]
    assert drawn == [(0.0, 2e-9), (0.0, 1e-9), (1e-9, 4e-9)]  # stacked where the place has bars already
    assert [trace["y"] for trace in page["data"]] == [[2e-9, 1e-9], [4e-9]]
    assert page["layout"]["barmode"] == "stack"
    (cells,) = chart_page.draw(MAP)["data"]
    assert cells["z"] == [[90.0, None], [91.25, 92.0]]
    assert chart_figure.draw(MAP).axes[0].images[0].get_array().tolist() == [[90.0, None], [91.25, 92.0]]


def test_names_are_no_markup():
    names = [trace["name"] for trace in chart_page.draw(LINES)["data"]]
    assert names == ["a", "a", "&lt;i&gt;b&lt;/i&gt;", "endurance"]
    legend = chart_figure.draw(LINES).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "<i>b</i>", "endurance"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["長い名前" * 100, "long " * 100, "\udcff\x01$x$"])
def test_any_name_is_drawn_without_a_warning(name):
    marks = (Series(name=name, x=[name, f"{name}2"], y=[1.0, 2.0]), Series(name="b", mark="bars", x=[name], y=[2.0]))
    lines = Chart(name="a", title=name, x=Axis(label=name), y=Axis(label=name), series=marks, legend=name)
    cells = Chart(name="a", title=name, x=X, y=Y, cells=Cells(x=[name, "b"], y=[name], values=[[1.0, 2.0]], axis=X))
    for chart in (lines, cells):
        save_for_print(chart_figure.draw(chart), io.BytesIO())
        svg = io.BytesIO()
        save_svg(chart_figure.draw(chart), svg)
        ElementTree.fromstring(svg.getvalue())
    first, second = chart_page.draw(lines)["data"][0]["x"]
    assert first != second  # cut names stay different places
    assert name.encode(errors="backslashreplace") in lines.csv()  # the data have it whole


@pytest.mark.parametrize(("last", "step"), [(4, 1), (30, 5), (10_000, 1000)])
def test_whole_numbers_are_marked_at_whole_steps(last, step):
    series = Series(name="a", x=list(range(1, last + 1)), y=[0.0] * last)
    page = chart_page.draw(Chart(name="a", title="a", x=X, y=Y, series=(series,)))
    assert page["layout"]["xaxis"]["dtick"] == step
