"""Data sets: what loads, from where, and how it fails."""

from __future__ import annotations

import hashlib
import http.server
import logging
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ews import datasets, errors, models
from ews.datasets.files import File, locate

OFFLINE = [name for name in datasets.list() if datasets.describe(name).kind in ("bundled", "simulated")]
ON_FILE = [name for name in datasets.list() if name not in OFFLINE]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No folder of data, and an empty cache, whose place is given."""
    monkeypatch.delenv("EWS_DATA_DIR", raising=False)
    monkeypatch.setenv("EWS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(logging.getLogger("pooch"), "level", logging.WARNING)
    return tmp_path / "cache" / "datasets"


@pytest.fixture
def from_folder(monkeypatch: pytest.MonkeyPatch, eco_data: Path) -> Path:
    """The folder of shared series, named by EWS_DATA_DIR."""
    monkeypatch.setenv("EWS_DATA_DIR", str(eco_data))
    return eco_data


def check(data: datasets.Dataset) -> None:
    assert data.values.dtype == np.float64
    assert data.values.shape[0] == data.time.size > 10
    assert data.values.shape[1:] == (() if len(data.columns) == 1 else (len(data.columns),))
    assert len(set(data.columns)) == len(data.columns)
    assert data.time.dtype in (np.dtype("float64"), np.dtype("datetime64[ns]"))
    assert (np.diff(data.time).astype(float) >= 0).all()
    assert not np.isinf(data.values).any()
    assert set(data.transitions) | set(data.labels) <= set(data.columns)
    for column, series in data.series().items():
        assert series.columns == (column,)
        assert series.values.shape == series.time.shape
        assert np.isfinite(series.values[[0, -1]]).all()
        for moment in series.transitions[column]:
            assert series.time[0] <= moment <= series.time[-1]
            assert series.label == "transition"
    assert all((data.description, data.source, data.licence, data.time_name, data.time_unit, data.unit))


# --- the list ---------------------------------------------------------------------------------------------------------


def test_list_is_sorted_and_described() -> None:
    names = datasets.list()
    assert list(names) == sorted(set(names))
    for name in names:
        entry = datasets.describe(name)
        assert entry.name == name
        assert "\n" not in entry.description
        assert len(entry.description) < 140
        assert bool(entry.files) is (name in ON_FILE)
        assert all((file.url is not None) is (entry.kind == "remote") for file in entry.files)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(errors.UnknownNameError, match="did you mean 'sunspots'"):
        datasets.load("sunspot")
    with pytest.raises(errors.UnknownNameError):
        datasets.describe("")


@pytest.mark.parametrize("name", OFFLINE)
def test_loads_without_files_or_network(name: str, bare: Path) -> None:
    check(datasets.load(name))
    assert not bare.exists()


@pytest.mark.parametrize("name", ON_FILE)
def test_loads_from_the_folder(name: str, from_folder: Path) -> None:
    check(datasets.load(name))


# --- single sets, against facts from elsewhere ------------------------------------------------------------------------


def test_bundled_series() -> None:
    nile = datasets.load("nile")
    assert nile.values[0] == 1120.0
    assert nile.time[[0, -1]].tolist() == [1871.0, 1970.0]
    before = nile.time < nile.transition
    assert nile.values[before].mean() - nile.values[~before].mean() > 200  # Cobb 1978: 1098 against 850
    elnino = datasets.load("elnino")
    assert elnino.values.size == 61 * 12
    np.testing.assert_allclose(np.diff(elnino.time), 1 / 12, rtol=1e-9)
    assert elnino.values[:3].tolist() == [23.11, 24.20, 25.37]
    co2 = datasets.load("co2")
    assert (np.diff(co2.time) == np.timedelta64(7, "D")).all()
    assert np.isnan(co2.values).sum() == 59


def test_records_of_this_package_are_small_and_have_their_licences() -> None:
    folder = Path(datasets.__file__).parent / "records"
    flip, steady = datasets.load("chick_heart_flip"), datasets.load("chick_heart_steady")
    assert (flip.values.size, flip.transition, flip.label, flip.values[0]) == (
        701,
        440.0,
        "transition",
        1.0073000192642212,
    )
    assert (steady.values.size, steady.transition, steady.label, steady.values[0]) == (438, None, "control", 1.2795)
    early, late = (np.abs(np.diff(flip.between(*span).values)).mean() for span in ((0, 300), (500, 700)))
    assert late > 2 * early  # it alternates
    ice = datasets.load("glaciation")
    assert (ice.values.size, ice.label, ice.values[1]) == (121, "transition", -0.11876248289002)
    np.testing.assert_allclose(np.diff(ice.time), 27739 / 120, rtol=1e-9)
    files = {path.name: path for path in folder.iterdir()}
    assert set(files) == {
        "LICENSE-chick-heart.txt", "LICENSE-glaciation.txt", "chick_heart_flip.csv", "chick_heart_steady.csv",
        "glaciation.csv",
    }  # fmt: skip
    assert all(path.stat().st_size < 60_000 for path in files.values())
    assert "Copyright (c) 2023 Thomas Bury" in files["LICENSE-chick-heart.txt"].read_text()
    assert "CC0 1.0 Universal" in files["LICENSE-glaciation.txt"].read_text()
    assert [datasets.load(name).licence for name in ("chick_heart_flip", "chick_heart_steady", "glaciation")] == [
        "MIT", "MIT", "CC0",
    ]  # fmt: skip


def test_records_of_this_package_are_the_published_ones(from_folder: Path) -> None:
    published = datasets.load("chick_heart")
    for name, column in (("flip", "pd 1"), ("steady", "neutral 2")):
        ours, theirs = datasets.load(f"chick_heart_{name}"), published[column]
        np.testing.assert_array_equal(ours.values, theirs.values)
        np.testing.assert_array_equal(ours.time, theirs.time)
        assert (ours.transition, ours.label) == (theirs.transition, theirs.label)
    table = np.loadtxt(from_folder / "boettiger/csv/glaciation.csv", delimiter=",", skiprows=1)
    ice = datasets.load("glaciation")
    np.testing.assert_array_equal(np.column_stack([ice.time, ice.values]), table)


def test_simulated_series_is_the_model_with_its_truth() -> None:
    fold = datasets.load("simulated_fold")
    simulation = models.harvested_population(n=2000, interval=2.0, noise=0.02, seed=2024)
    np.testing.assert_array_equal(fold.values, simulation.values)
    assert fold.transition == simulation.transition
    control = datasets.load("simulated_fold_control")
    assert (control.transition, control.label) == (None, "control")


def test_peter_lake_blooms_and_paul_lake_does_not(from_folder: Path) -> None:
    peter, paul = datasets.load("peter_lake_2015"), datasets.load("paul_lake_2015")
    bloom, reference = peter["phycocyanin"], paul["phycocyanin"]
    assert bloom.time[bloom.values.argmax()] == 180.0
    assert bloom.values.max() == pytest.approx(4921.8, abs=0.05)
    assert reference.values.max() == pytest.approx(326.9, abs=0.05)
    after = bloom.time >= bloom.transition
    assert (bloom.values[after] > reference.values.max()).all()
    assert bloom.values[np.flatnonzero(after)[0] - 1] <= reference.values.max()
    assert (bloom.label, reference.label, reference.transition) == ("transition", "control", None)
    assert (np.diff(peter.time) == 1).all()


def test_younger_dryas_runs_forward(from_folder: Path) -> None:
    data = datasets.load("younger_dryas")
    assert data.time[[0, -1]].tolist() == [-12549.0, -11569.0]
    assert data.values[[0, -1]].tolist() == [175.14, 171.43]
    assert (np.diff(data.time) == 0).sum() == 1130
    assert np.unique(data.time).size == 12549 - 11569 + 1  # one value a year, once the repeats are averaged


def test_zurich_groups_and_months(from_folder: Path) -> None:
    data = datasets.load("lake_zurich")
    assert data.values.shape == (528, 15)
    assert len(data.transitions) == 13
    assert set(data.columns) - set(data.transitions) == {"temperature", "phosphorus"}
    green = data["Green algae (large)"]
    assert green.transition == pytest.approx(1987 + 10.5 / 12)  # November 1987
    assert np.isin(green.transition, green.time)
    assert data["Diatoms (large)"].transition == pytest.approx(2006 + 7.5 / 12)  # August 2006
    assert data["Green algae (small)"].values[1] == 2645207.407  # column Gr1


def test_ngrip_warms_at_every_onset(from_folder: Path) -> None:
    data = datasets.load("ngrip")
    assert (np.diff(data.time) == 5.0).all()
    onsets = data.transitions["d18O"]
    assert len(onsets) == 15
    assert data.transition is None
    for onset in onsets:  # a rise of 1.5 permil over two centuries, at each: the sign and the epoch of the time axis
        at = np.searchsorted(data.time, onset)
        assert data.values[at : at + 40].mean() - data.values[at - 40 : at].mean() > 1.5
    segment = data.between(onsets[1] + 200, onsets[2] - 200)
    assert segment.time[0] >= onsets[1] + 200
    assert segment.transitions == {"d18O": ()}
    assert segment.values.shape == segment.time.shape


def test_chick_hearts(from_folder: Path) -> None:
    data = datasets.load("chick_heart")
    records = data.series()
    assert len(records) == 46
    assert sum(record.label == "transition" for record in records.values()) == 23
    first = records["pd 1"]
    assert (first.values.size, first.transition, first.values[0]) == (701, 440.0, 1.0073000192642212)
    assert not any(np.isnan(record.values).any() for record in records.values())
    early, late = (np.abs(np.diff(first.between(*span).values)).mean() for span in ((0, 300), (500, 700)))
    assert late > 2 * early  # it alternates


def test_gpdd_is_annual(from_folder: Path) -> None:
    data = datasets.load("gpdd")
    assert data.values.shape[1] == 40
    assert (np.diff(data.time) == 1.0).all()
    lynx = data["9704 Canadian lynx"]
    assert lynx.time[[0, -1]].tolist() == [1752.0, 1908.0]
    assert lynx.values.size == 157


# --- the data set object ----------------------------------------------------------------------------------------------


def test_dataset_is_a_table_and_an_array(from_folder: Path) -> None:
    data = datasets.load("isle_royale")
    frame = data.to_frame()
    assert list(frame.columns) == ["wolf", "moose"]
    assert frame.index.name == "year"
    np.testing.assert_array_equal(np.asarray(data["wolf"]), frame["wolf"])
    assert list(data["wolf"].to_frame().columns) == ["wolf"]
    with pytest.raises(errors.UnknownNameError, match="did you mean 'wolf'"):
        data["wolfs"]
    with pytest.raises(AttributeError):
        data.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        data.labels["wolf"] = "control"  # type: ignore[index]


def test_between() -> None:
    nile = datasets.load("nile")
    early = nile.between(1880, 1890)
    assert early.time.tolist() == [float(year) for year in range(1880, 1891)]
    assert early.transition is None
    assert nile.between(1890, 1910).transition == 1899.0
    with pytest.raises(errors.SeriesTooShortError, match="1871"):
        nile.between(2000, 2010)
    weeks = datasets.load("co2").between("1960-01-01", "1960-12-31")
    assert weeks.time.size == 53


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine: its address and its folder."""
    folder = tmp_path / "public"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", folder
        running.shutdown()
        thread.join()


def published(address: str, folder: Path, content: bytes = b"a,b\n1,2\n") -> File:
    (folder / "x.csv").write_bytes(content)
    return File("some/x.csv", hashlib.sha256(content).hexdigest(), f"{address}/x.csv")


def test_fetched_once_then_kept(bare: Path, server: tuple[str, Path]) -> None:
    file = published(*server)
    path = locate(file, name="x", source="y")
    assert path == bare / "some" / "x.csv"
    (server[1] / "x.csv").unlink()  # not public any more
    assert locate(file, name="x", source="y").read_bytes() == b"a,b\n1,2\n"


def test_other_bytes_than_promised_are_refused(bare: Path, server: tuple[str, Path]) -> None:
    file = published(*server)
    (server[1] / "x.csv").write_bytes(b"a,b\n1,3\n")
    with pytest.raises(errors.DatasetError, match="hash"):
        locate(file, name="x", source="y")
    assert not (bare / "some" / "x.csv").exists()


def test_missing_page_is_a_dataset_error(bare: Path, server: tuple[str, Path]) -> None:
    file = File("some/none.csv", "0" * 64, f"{server[0]}/none.csv")
    with pytest.raises(errors.DatasetError, match="404"):
        locate(file, name="x", source="y")


def test_offline_names_the_address_the_cache_and_the_variable(bare: Path) -> None:
    with socket.socket() as closed:  # bound, but nobody listens: refused at once
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x.csv"
        with pytest.raises(errors.DatasetError) as caught:
            locate(File("some/x.csv", "0" * 64, url), name="x", source="y")
    for part in (url, str(bare / "some"), "EWS_DATA_DIR", "some/x.csv", "'x'"):
        assert part in str(caught.value)


def test_folder_comes_first_and_is_checked(
    bare: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = published(*server)
    mine = tmp_path / "mine" / "some"
    mine.mkdir(parents=True)
    monkeypatch.setenv("EWS_DATA_DIR", str(tmp_path / "mine"))
    assert locate(file, name="x", source="y") == bare / "some" / "x.csv"  # not in the folder: fetched
    shutil.copy(server[1] / "x.csv", mine)
    assert locate(file, name="x", source="y") == mine / "x.csv"
    (mine / "x.csv").write_text("a,b\n1,3\n")
    with pytest.raises(errors.DatasetError, match=r"not the published file.*SHA-256"):
        locate(file, name="x", source="y")


@pytest.mark.parametrize("name", [name for name in ON_FILE if datasets.describe(name).kind == "local"])
def test_series_that_cannot_be_fetched_say_so(name: str, bare: Path) -> None:
    with pytest.raises(errors.DatasetError, match="EWS_DATA_DIR") as caught:
        datasets.load(name)
    assert datasets.describe(name).files[0].path in str(caught.value)
    assert not bare.exists()


def test_availability_is_that_of_this_machine(bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in datasets.list():
        entry = datasets.describe(name)
        expected = {"bundled": "here", "simulated": "here", "remote": "to be fetched", "local": "not here"}[entry.kind]
        assert entry.availability == expected
    entry = datasets.describe("paul_lake_2015")
    monkeypatch.setenv("EWS_DATA_DIR", str(tmp_path))
    for file in entry.files:
        (tmp_path / file.path).parent.mkdir(parents=True)
        (tmp_path / file.path).write_text("")
    assert entry.availability == "here"
    assert datasets.describe("lake_washington").availability == "not here"


def test_addresses_are_pinned() -> None:
    for name in ON_FILE:
        for file in datasets.describe(name).files:
            assert len(file.sha256) == 64
            if file.url is not None:
                parts = file.url.split("/")
                assert parts[:3] == ["https:", "", "raw.githubusercontent.com"]
                assert len(parts[5]) == 40  # a commit, not a branch
                assert file.url.endswith(file.path.rsplit("/", 1)[-1])
