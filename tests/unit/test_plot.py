"""What a figure shows, panel by panel; that it reads in grey; that it leaves matplotlib as it was."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import style
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import ews
from ews import plot
from ews._common.figures import time_axis
from ews.results import Detections
from ews.series import as_series


def panels(figure):
    """Panels that share the time axis, by their label on the y axis."""
    return {
        axes.get_ylabel().replace("\n", " "): axes
        for axes in figure.axes
        if axes.get_ylabel() and not axes.get_label().startswith("surrogates")
    }


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def grey(colour) -> float:
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


def test_one_panel_each_for_series_residual_and_indicators(make_detection):
    assert list(panels(make_detection().plot())) == [
        "lake", "Residual", "Variance", "Lag-1 autocorrelation", "Skewness",
    ]  # fmt: skip


@pytest.mark.parametrize("indicators", [("ac1",), ("variance", "ac1", "skewness")])
def test_beside_each_indicator_stand_its_surrogates(make_detection, indicators):
    figure = make_detection(indicators=indicators).plot()
    beside = [axes for axes in figure.axes if axes.get_label().startswith("surrogates of ")]
    assert len(beside) == len(indicators)
    for axes, name in zip(beside, indicators, strict=True):
        assert axes.get_label() == f"surrogates of {name}"
        assert sum(patch.get_height() for patch in axes.patches) == 200
    assert beside[0].get_lines()[0].get_xdata()[0] == make_detection().tau[indicators[0]]


def test_without_surrogates_there_is_no_band_and_no_distribution(make_detection):
    figure = make_detection(n_surrogates=0, verdict="inconclusive").plot()
    assert len(figure.axes) == 5
    assert not panels(figure)["Variance"].collections
    assert "p" not in panels(figure)["Variance"].get_title(loc="right").split(",")[0]
    assert figure.legends


def test_lines_hold_the_numbers_of_the_result(make_detection):
    detection = make_detection()
    shown = panels(detection.plot())
    np.testing.assert_array_equal(line(shown["lake"], "series").get_ydata(), detection.series.values)
    np.testing.assert_array_equal(line(shown["lake"], "trend taken out").get_ydata(), detection.trend)
    drawn = line(shown["Skewness"], "indicator").get_ydata()
    np.testing.assert_array_equal(drawn, detection.indicators["skewness"].values)
    median = line(shown["Skewness"], "their median").get_ydata()
    np.testing.assert_array_equal(median, detection.surrogate_band["skewness"].median)
    assert shown["Skewness"].collections[0].get_label() == "95 % of surrogates"


def test_only_what_was_taken_out_is_drawn_as_trend(make_detection):
    detection = make_detection(indicators=("ac1",))
    none = dataclasses.replace(detection, config=dataclasses.replace(detection.config, detrend=None))
    season = dataclasses.replace(detection, config=dataclasses.replace(detection.config, season=12))
    labels = [
        [one.get_label() for one in panels(result.plot())["lake"].get_lines()] for result in (detection, none, season)
    ]
    assert labels == [["series", "trend taken out"], ["series"], ["series", "season and trend"]]


def test_guide_is_the_least_squares_line(make_detection):
    values = make_detection().indicators["ac1"].values
    guide = line(panels(make_detection().plot())["Lag-1 autocorrelation"], "its linear trend").get_ydata()
    at = np.flatnonzero(np.isfinite(values))
    np.testing.assert_allclose(guide[at], np.polyval(np.polyfit(at, values[at], 1), at), rtol=1e-9)
    assert np.isnan(guide[: at[0]]).all()


def test_annotation_gives_trend_adjusted_p_and_alarm(make_detection):
    shown = panels(make_detection().plot())
    assert shown["Lag-1 autocorrelation"].get_title(loc="right") == "τ = +0.84,  adjusted p < 0.001,  alarm: rise ↑"
    assert shown["Skewness"].get_title(loc="right") == "τ = −0.53,  adjusted p = 0.27,  alarm: either ↕"


def test_indicator_that_counts_is_in_bold(make_detection):
    shown = panels(make_detection().plot())
    weights = {label: axes._right_title.get_fontweight() for label, axes in shown.items()}
    assert weights["Lag-1 autocorrelation"] == "bold"
    assert weights["Variance"] == "normal"


def test_first_window_is_shaded_and_named(make_detection):
    axes = panels(make_detection().plot())["Variance"]
    (shade,) = [patch for patch in axes.patches if patch.get_width() > 0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (0.0, 29.0)
    assert "first window (30 samples)" in [text.get_text() for text in axes.texts]


def test_title_is_the_verdict(make_detection):
    assert make_detection().plot().get_suptitle() == "lake: warning"


def test_panels_are_lettered_in_order(make_detection):
    figure = make_detection().plot()
    letters = [text.get_text() for axes in figure.axes for text in axes.texts if len(text.get_text()) == 1]
    assert letters == list("abcdefgh")


def test_change_points_are_marked(make_detection):
    values = np.repeat([0.0, 8.0], 30) + np.random.default_rng(2).standard_normal(60)
    detection = dataclasses.replace(make_detection(), series=as_series(values, name="lake"))
    assert line(panels(detection.plot())["lake"], "shift of the mean").get_xdata()[0] == 30


def test_dates_get_a_concise_date_axis(make_detection):
    figure = make_detection(dates=True).plot()
    axes = panels(figure)["Skewness"]
    figure.canvas.draw()
    assert type(axes.xaxis.get_major_formatter()).__name__ == "ConciseDateFormatter"
    assert "Jun" in [label.get_text() for label in axes.get_xticklabels()]


def test_lines_of_a_panel_differ_in_grey_and_in_dash(make_detection):
    shown = panels(make_detection().plot())
    for label, names in {
        "lake": ("series", "trend taken out"),
        "Variance": ("indicator", "its linear trend", "their median"),
    }.items():
        drawn = [line(shown[label], name) for name in names]
        assert len({(one.get_linestyle(), one.is_dashed(), tuple(one._dash_pattern[1] or ())) for one in drawn}) == len(
            drawn
        )
        for i, one in enumerate(drawn):
            assert all(
                abs(grey(one.get_color()) - grey(other.get_color())) > 0.05
                or one.get_linewidth() != other.get_linewidth()
                for other in drawn[i + 1 :]
            )
    indicator, series = line(shown["Variance"], "indicator"), line(shown["lake"], "series")
    assert abs(grey(indicator.get_color()) - grey(plot.BAND)) > 0.3
    assert abs(grey(series.get_color()) - grey(line(shown["lake"], "trend taken out").get_color())) > 0.2


def test_user_style_sheet_does_not_hide_text(make_detection):
    with style.context("dark_background"):
        figure = make_detection().plot()
        assert to_rgb(figure.get_facecolor()) == (1.0, 1.0, 1.0)
        for axes in (one for one in figure.axes if one.get_label() != "legend"):
            assert grey(axes.yaxis.label.get_color()) < 0.5
            assert all(grey(label.get_color()) < 0.5 for label in axes.get_xticklabels())


def test_names_are_not_taken_for_formulas(make_detection):
    figure = make_detection(name=r"$\broken{ <b>_name").plot()
    figure.canvas.draw()
    assert figure.get_suptitle().startswith(r"$\broken{")


def test_drawing_changes_nothing_global(make_detection):
    before = dict(mpl.rcParams)
    make_detection().plot().canvas.draw()
    assert dict(mpl.rcParams) == before


def test_drawing_does_not_load_pyplot():
    code = "import sys, ews.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_notebook_gets_a_png(make_detection):
    assert make_detection(indicators=("ac1",)).plot()._repr_png_().startswith(b"\x89PNG")


def test_long_series_is_drawn_as_a_bitmap_inside_vectors(make_detection):
    drawn = line(panels(make_detection(n=plot.RASTERIZE_ABOVE + 1, indicators=("ac1",)).plot())["lake"], "series")
    assert drawn.get_rasterized()


def test_slopes_are_not_forced_into_the_range_of_a_correlation(make_detection):
    figure = make_detection(trend="theil_sen", indicators=("ac1",)).plot()
    beside = figure.axes[-1]
    assert beside.get_xlim() != (-1.0, 1.0)
    assert panels(figure)["Lag-1 autocorrelation"].get_title(loc="right").startswith("slope = +0.84")


def test_several_series_get_a_row_each(make_detection):
    both = Detections({"a": make_detection(), "b": make_detection(verdict="no warning")})
    figure = both.plot()
    assert len(figure.axes) == 4
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == ["a", "b"]
    assert [axes.get_title(loc="right") for axes in figure.axes[::2]] == [
        "warning, q < 0.001",
        "no warning, q < 0.001",
    ]
    assert figure.get_suptitle() == "Early-warning signals: 1 of 2 series warn"
    assert figure.axes[1].get_xlim() == figure.axes[3].get_xlim() == (-1.05, 1.05)


def test_forest_fills_the_markers_that_count(make_detection):
    forest = Detections({"a": make_detection()}).plot().axes[1]
    markers = [one for one in forest.get_lines() if one.get_marker() != "None"]
    assert [float(one.get_xdata()[0]) for one in markers] == [0.37, 0.84, -0.53]
    assert [one.get_markerfacecolor() == plot.BLUE for one in markers] == [False, True, False]
    assert [label.get_text() for label in forest.get_yticklabels()] == ["Variance", "Lag-1 autocorrelation", "Skewness"]


def test_no_series_gives_a_figure_without_panels():
    assert Detections({}).plot().axes == []


def test_dates_of_any_span_have_ticks():
    """Matplotlib has no interval of its own between days and years for some spans, and warns of that."""
    axes = Figure().add_subplot()
    time_axis(axes, as_series([1.0, 2.0], time=np.array(["2001-01-01", "2001-01-02"], dtype="datetime64[ns]")))
    locator = axes.xaxis.get_major_locator()
    for seconds in np.geomspace(10.0, 86400 * 365 * 500, 1500):
        begin = dt.datetime(1700, 1, 1) + dt.timedelta(seconds=997.0 * seconds % (86400 * 3000))
        assert len(locator.tick_values(begin, begin + dt.timedelta(seconds=seconds))) >= 2


@pytest.mark.parametrize(("count", "unit"), [(47, "M"), (95, "h"), (239, "m"), (239, "s"), (4, "Y"), (47, "D")])
def test_a_time_axis_of_dates_is_drawn_without_a_warning(count, unit):
    series = as_series(np.arange(count + 1.0), time=np.datetime64("2001-01-01", unit) + np.arange(count + 1))
    axes = Figure().add_subplot()
    axes.plot(series.time, series.values)
    time_axis(axes, series)
    axes.figure.draw_without_rendering()


@pytest.mark.parametrize("count", [2, 30])
def test_legend_of_a_table_names_what_is_drawn(count):
    columns = {f"lake {k}": ews.nulls.AR1(0.5, 1.0, 60).draw(k, 1, seed=1)[0] for k in range(count)}
    for method, intervals in (("score", False), ("kendall", True)):
        found = ews.detect(pd.DataFrame(columns), n_surrogates=99, method=method)
        drawn = any(np.isfinite(ends).all() for one in found.values() for ends in one.tau_interval.values())
        labels = [text.get_text() for text in found.plot().legends[0].get_texts()]
        assert drawn == intervals
        assert ("95 % interval" in labels) == drawn
