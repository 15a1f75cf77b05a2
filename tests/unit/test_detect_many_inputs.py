"""What many series may come in: what can be read one way only is read, the rest is refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ews
from ews import errors

FAST: dict[str, Any] = {"null": "table", "n_surrogates": 99}
TIMES = pd.date_range("2000-01-01", periods=80, freq="8D")


def cube(**coords: Any) -> xr.DataArray:
    """AR(1) noise over time, y and x."""
    rows = ews.nulls.AR1(0.5, 1.0, 80).draw(0, 12, seed=1).reshape(4, 3, 80)
    own = {"time": TIMES, "y": np.arange(4.0), "x": np.arange(3.0)}
    return xr.DataArray(np.moveaxis(rows, -1, 0), dims=("time", "y", "x"), coords=own | coords, name="v")


@pytest.mark.parametrize("chunks", [None, {"y": 2}])
@pytest.mark.parametrize("single", [False, True])
def test_a_mask_goes_by_its_coordinates(chunks: Any, single: bool) -> None:
    given = cube(y=np.array([50.1, 50.2, 50.3, 50.4])).chunk(chunks) if chunks else cube(y=50.1 + np.arange(4) / 10)
    mask = xr.DataArray(np.arange(4) == 0, dims="y", coords={"y": given.y.values.astype("f4" if single else "f8")})
    for where in (mask, mask.isel(y=[3, 2, 1, 0]), mask.isel(y=[2, 0, 3, 1]), mask.drop_vars("y")):
        found = ews.detect_many(given, where=where, **FAST).reason.values
        assert (found[0] == 0).all()
        assert (found[1:] == 1).all()
    with pytest.raises(errors.ArgumentError, match="along 'y'"):
        ews.detect_many(given, where=mask.assign_coords(y=mask.y + 7), **FAST)
    with pytest.raises(errors.ArgumentError, match="along 'y'"):
        ews.detect_many(given, where=mask.assign_coords(y=list("abcd")), **FAST)


def test_a_mask_on_another_curved_grid_is_refused() -> None:
    lat = (("y", "x"), np.arange(12.0).reshape(4, 3))
    given = cube(lat=lat)
    mask = given.isel(time=0, drop=True) > 0
    assert int((ews.detect_many(given, where=mask, **FAST).reason == 0).sum()) == int(mask.sum())
    with pytest.raises(errors.ArgumentError, match="'lat'"):
        ews.detect_many(given, where=mask.assign_coords(lat=mask.lat[::-1].drop_vars("y")), **FAST)


@pytest.mark.parametrize("form", ["array", "cube", "dask", "frame", "long"])
@pytest.mark.parametrize("null", ["ar1", "table"])
def test_infinities_are_missing(form: str, null: str) -> None:
    rows = ews.nulls.AR1(0.5, 1.0, 80).draw(0, 2, seed=1)
    rows[0, 5] = np.nan
    found = []
    for value in (np.nan, np.inf):
        rows[0, 5] = value
        data: Any = pd.DataFrame(rows.T, columns=["a", "b"])
        how: dict[str, Any] = {}
        if form == "array":
            data = rows
        elif form == "long":
            data = data.reset_index().melt("index", var_name="lake", value_name="chl")
            how = {"by": "lake", "time": "index"}
        elif form != "frame":
            data = xr.DataArray(rows, dims=("place", "time"), coords={"time": TIMES})
            data = data.chunk({"place": 1}) if form == "dask" else data
        many = ews.detect_many(data, null=null, n_surrogates=99, **how)
        found.append(many.p.values if "xarray" in str(type(many)) else many.pvalue)
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("attribute", ["_FillValue", "missing_value"])
@pytest.mark.parametrize("kind", ["i2", "i4", "f4"])
def test_fill_values_that_attributes_name_are_missing(attribute: str, kind: str) -> None:
    rows = np.round(1000 * cube()).astype(kind)
    gone = np.random.default_rng(1).random(rows.shape) < 0.1
    gone = xr.zeros_like(rows, dtype=bool).copy(data=gone)
    given = rows.where(~gone, -9999).astype(kind).assign_attrs({attribute: -9999, "units": "m"})
    wanted = rows.astype(float).where(~gone)
    for data in (given, given.chunk({"y": 2})):
        xr.testing.assert_allclose(ews.detect_many(data, **FAST).p, ews.detect_many(wanted, **FAST).p, rtol=1e-5)
        ours = ews.variance(data, window=20)
        np.testing.assert_allclose(ours, ews.variance(wanted, window=20), rtol=1e-6)
    pair, plain = (one.isel(y=0, x=slice(0, 2)) for one in (given, wanted))
    with pytest.raises(errors.MissingValuesError, match=f"{int(gone.sum())} NaN cells"):
        ews.detect_spatial(given, n_surrogates=0)
    assert int(ews.detect(pair[:, 0], n_surrogates=0).series.sampling.missing) == int(np.isnan(plain[:, 0]).sum())


def test_an_axis_of_an_xarray_object_is_refused() -> None:
    with pytest.raises(errors.ArgumentError, match="see dim"):
        ews.detect_many(cube(), axis=1, **FAST)


def test_a_coordinate_called_as_an_output_is_kept_under_another_name() -> None:
    given = cube(z=5.0, p=("y", np.arange(4)), n=("time", np.arange(80)))
    with pytest.warns(errors.EWSWarning, match="'z_of_data'|'p_of_data'") as said:
        found = ews.detect_many(given, **FAST)
    assert len(said) == 2
    assert float(found.z_of_data) == 5.0
    assert list(found.p_of_data) == [0, 1, 2, 3]
    np.testing.assert_array_equal(found.p, ews.detect_many(cube(), **FAST).p)
    with pytest.raises(errors.ArgumentError, match=r"rename\(z='z_of_data'\)"):
        ews.detect_many(cube().rename(y="z"), **FAST)
    with pytest.warns(errors.EWSWarning, match="'variable_of_data'"):
        both = ews.detect_many(xr.Dataset({"a": cube(variable=1), "b": cube(variable=1)}), **FAST)
    assert list(both["variable"].values) == ["a", "b"]


def test_of_a_dataset_what_has_no_time_is_left_out() -> None:
    one = cube()
    given = xr.Dataset({"a": one, "b": one, "mask": one[0].drop_vars("time"), "area": one.y, "note": "x"})
    given["y_bnds"] = (("y", "side"), np.zeros((4, 2)))
    given["time_bnds"] = (("time", "side"), np.zeros((80, 2)))
    given.time.attrs["bounds"] = "time_bnds"
    assert list(ews.detect_many(given, **FAST)["variable"].values) == ["a", "b"]
    found = ews.detect_many(given.drop_vars("b"), dim="time", **FAST)
    np.testing.assert_array_equal(found.p, ews.detect_many(one, **FAST).p)
    given["mean"] = one.mean("x")
    given.time.attrs["bounds"] = "time_bnds"
    with pytest.raises(errors.InputTypeError, match=r"'mean' over time × y, .*data\[\['a', 'b'\]\]"):
        ews.detect_many(given, **FAST)
    with pytest.raises(errors.UnknownNameError, match="did you mean 'time'"):
        ews.detect_many(given, dim="tim", **FAST)


def test_what_is_allowed_is_said_where_there_is_nothing_to_choose() -> None:
    with pytest.raises(errors.ArgumentError, match="numbers or dates"):
        ews.detect_many(np.zeros((3, 50)), time="date", **FAST)
    with pytest.raises(errors.ArgumentError, match="there is none"):
        ews.detect_many(cube().drop_vars("time"), time="date", **FAST)
    nameless = cube().drop_vars("time").rename(time="lat", y="z", x="lon")
    with pytest.raises(errors.ArgumentError, match=r"the one that is time$"):
        ews.detect_many(nameless, **FAST)
    with pytest.raises(errors.ArgumentError, match="as in dim='k'"):
        ews.detect_many(nameless.rename(lat="k"), **FAST)


def wide() -> pd.DataFrame:
    """Two lakes over the same times."""
    return pd.DataFrame(cube().values[:, :2, 0], columns=["a", "b"], index=TIMES.rename("day"))


def long() -> pd.DataFrame:
    """The same, one below the other."""
    return wide().reset_index().melt("day", var_name="lake", value_name="chl")


@pytest.mark.parametrize("data", [wide().stack(), wide().stack().to_frame("chl"), wide().stack().swaplevel()])
@pytest.mark.parametrize("call", [ews.detect_many, ews.detect, ews.score_tests])
def test_several_series_below_each_other_are_not_one(call: Any, data: Any) -> None:
    if call is ews.score_tests and isinstance(data, pd.DataFrame):
        data = data["chl"]
    with pytest.raises(errors.InputTypeError, match="unstack"):
        call(data, n_surrogates=0)


def test_of_an_index_of_levels_the_only_one_that_varies_is_time() -> None:
    data = wide()[["a"]].stack()
    plain = ews.detect(wide()["a"], n_surrogates=0)
    assert [one.score for one in ews.detect(data, n_surrogates=0).tests] == [one.score for one in plain.tests]
    np.testing.assert_array_equal(ews.detect(data, n_surrogates=0).series.time, plain.series.time)
    one = wide()["a"].drop(TIMES[[7, 8]])
    frame = ews.detect_many(one.to_frame(), **FAST)
    for given in (one, one.to_frame().stack(), one.to_frame().stack().to_frame()):
        np.testing.assert_array_equal(np.ravel(ews.detect_many(given, **FAST).z), np.ravel(frame.z))


@pytest.mark.parametrize(
    ("change", "how", "said"),
    [
        ({}, {"value": "day"}, "another column than time="),
        ({}, {"value": "lake"}, "another column than by="),
        ({}, {"time": None, "value": "day"}, "'day' of dates"),
        ({}, {"time": "lake"}, "another column than by="),
        ({}, {"by": 5}, "by: got 5; allowed: one of 'day', 'lake', 'chl'"),
        ({}, {"by": ["lake", "chl"], "value": None}, "a table with a column of numbers"),
        ({"chl": "ND"}, {}, "'chl' of text such as 'ND'"),
        ("twice", {}, "two columns named 'chl'"),
        ("empty", {}, "a table without rows"),
        ("levels", {"time": None}, "reset_index"),
    ],
)
def test_long_tables_are_refused_in_words(change: Any, how: dict, said: str) -> None:
    data = long()
    if change == "twice":
        data = pd.concat([data, data["chl"]], axis=1)
    elif change == "empty":
        data = data.iloc[:0]
    elif change == "levels":
        data = data.set_index(["day", data.index])
    else:
        data = data.assign(**change)
    for null in ("ar1", "table"):
        with pytest.raises(errors.ArgumentError, match=said):
            ews.detect_many(data, **{"by": "lake", "time": "day", "value": "chl", **FAST, "null": null} | how)


@pytest.mark.parametrize("null", ["ar1", "table"])
def test_a_column_that_is_no_number_is_named(null: str) -> None:
    with pytest.raises(errors.InputTypeError, match="'site' of text such as 'x'"):
        ews.detect_many(wide().assign(site="x"), null=null, n_surrogates=99)
    gone = wide().astype(object)
    gone.iloc[3, 0] = None
    plain = wide()
    plain.iloc[3, 0] = np.nan
    found = [ews.detect_many(one, null=null, n_surrogates=99).pvalue for one in (gone, plain)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    "data", [cube().values, cube().chunk().data, cube().to_dataset()], ids=["array", "dask", "set"]
)
def test_one_series_points_to_many(data: Any) -> None:
    with pytest.raises(errors.InputTypeError, match="detect_many"):
        ews.detect(data)


@pytest.mark.parametrize("shape", [(0, 4), (0,), (4, 0, 2)])
def test_of_no_series_there_is_an_empty_table(shape: tuple[int, ...]) -> None:
    found = ews.detect_many(np.zeros((*shape, 300)), **FAST)
    assert len(found.to_frame()) == 0
    assert len(found.to_frame().index.names) == len(shape)


def test_one_series_is_read_back_and_named() -> None:
    found = ews.detect_many(cube().values[:, 0, 0], **FAST)
    assert found.shape == ()
    assert ews.DetectionMap.from_json(found.to_json()) == found
    assert repr(found).startswith("<DetectionMap of one series:")
    assert "\nthe series  " in found.summary()
    assert len(found.to_frame()) == 1


def test_the_legend_lies_on_no_point() -> None:
    rows = np.stack([ews.nulls.AR1(phi, 1.0, 300).draw(0, 1, seed=1)[0] for phi in np.linspace(0.1, 0.98, 8)])
    figure = ews.detect_many(rows, **FAST).plot()
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert all(axes.get_legend() is None for axes in figure.axes)
