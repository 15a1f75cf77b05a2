"""Every result of the library can do what its base promises, and comes back from JSON equal to what it was."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import io
import json
import pickle
import pickletools
import pkgutil
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import ews
from ews import bifurcations, errors
from ews.results import Result

READERS = ("figure", "page", "result", "results", "plot", "report")
# What prepares an analysis, rather than answers a question.
NOT_FOUND = {"DetrendPlan", "Grids", "Series", "Table"}
FAST: dict[str, Any] = {"n_surrogates": 19}


def noise(n: int = 60, seed: int = 3) -> pd.Series:
    """Red noise observed four times a second, so that times must keep their fractions."""
    x = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        x[i] += 0.5 * x[i - 1]
    time = pd.date_range("2001-03-01", periods=n, freq="250ms", name="when")
    return pd.Series(x, index=time, name="lake <b> $\\frac$")


def many(n: int = 8) -> list[Any]:
    return [np.random.default_rng(i).standard_normal(40).cumsum() for i in range(n)]


def monitored() -> ews.IndicatorMonitor:
    monitor = ews.IndicatorMonitor(window=20, bandwidth=None, detrend=None)
    monitor.calibrate(noise(200).to_numpy(), horizon=30, n_simulations=99)
    return monitor


def patches() -> Any:
    maps = np.random.default_rng(1).random((1, 40, 40)) < 0.4
    return ews.spatial.patch_distribution(ews.spatial.patch_sizes(maps)[0])


def evaluation() -> ews.Evaluation:
    return ews.evaluate(many(), [1, 0] * 4, methods=("ac1", "variance"), n_bootstrap=50, n_times=3)


def benchmark() -> ews.Benchmark:
    return ews.benchmark(methods="ac1", positives="fold", nulls="white", replicates=4, n=60, n_bootstrap=20, n_times=3)


MAKERS: dict[str, Callable[[], Result]] = {
    "AbruptShift": lambda: ews.abrupt_shift(noise(), **FAST),
    "Benchmark": benchmark,
    "BenchmarkCell": lambda: next(iter(benchmark().cells.values())),
    "ChangePoints": lambda: ews.changepoints.change_points(np.repeat([0.0, 50.0], 30) + noise().to_numpy()),
    "Classification": lambda: bifurcations.classifier(noise(), **FAST),
    "Composite": lambda: ews.composite(noise(), **FAST),
    "Detection": lambda: ews.detect(noise(), season=4, **FAST),
    "DetectionMap": lambda: ews.detect_many(
        pd.DataFrame({"a": noise(), "b": noise(seed=4)}), null="table", n_surrogates=99
    ),
    "Detections": lambda: ews.detect(pd.DataFrame({"a": noise(), "b": noise(seed=4)}), n_surrogates=19),
    "Detrended": lambda: ews.detrend.gaussian(noise().to_numpy()),
    "DriftDiffusionJump": lambda: bifurcations.jumps(noise(), points=20, **FAST),
    "Evaluation": evaluation,
    "HeteroskedasticityTest": lambda: ews.heteroskedasticity_test(noise(), window=30),
    "IndependenceTest": lambda: ews.bds(noise(), n_surrogates=19),
    "JacobianEigenvalue": lambda: bifurcations.jacobian(noise(), n_surrogates=9),
    "LangevinSlope": lambda: bifurcations.langevin(noise(), **FAST),
    "LeadTimes": lambda: evaluation().lead["ac1"],
    "LikelihoodRatio": lambda: bifurcations.likelihood(noise(30), n_bootstrap=0),
    "MonitorCalibration": lambda: monitored().calibration,
    "MonitorUpdate": lambda: ews.Monitor(reference=30).update_many(noise(80)),
    "MonitorState": lambda: monitored().update(0.3),
    "MultivariateDetection": lambda: ews.detect_multivariate(pd.DataFrame({"a": noise(), "b": noise(seed=4)}), **FAST),
    "OrnsteinUhlenbeckFit": lambda: bifurcations.likelihood(noise(30), n_bootstrap=0).null,
    "PatchDistribution": patches,
    "PatchFit": lambda: patches().fits["exponential"],
    "PotentialWells": lambda: bifurcations.potential(noise(), n_bootstrap=19, **FAST),
    "PowerSpectrum": lambda: ews.power_spectrum(noise().to_numpy(), window=30),
    "RadialSpectrum": lambda: ews.spatial.radial_spectrum(np.random.default_rng(1).random((3, 8, 8))),
    "RestoringTrend": lambda: bifurcations.restoring(noise(), n_bootstrap=0, **FAST),
    "Roc": lambda: ews.roc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], n_bootstrap=20),
    "RocDifference": lambda: ews.compare_roc([1, 2, 3, 4], [4, 1, 2, 3], [0, 1, 0, 1], n_bootstrap=20),
    "ScoreTests": lambda: ews.score_tests(noise(), **FAST),
    "SensitivityMap": lambda: ews.sensitivity(noise(), windows=(0.3, 0.5), bandwidths=(0.2, 0.4), **FAST),
    "Significance": lambda: ews.significance(noise().to_numpy(), window=20, indicators=("ac1", "variance"), **FAST),
    "SpatialDetection": lambda: ews.detect_spatial(
        np.random.default_rng(1).random((24, 5, 5)), indicators=("moran", "variance"), **FAST
    ),
    "SpectralClassification": lambda: bifurcations.spectral(noise(), n_surrogates=9),
    "TimeVaryingAutoregression": lambda: ews.time_varying_ar(noise()),
    "TransitionFit": lambda: bifurcations.likelihood(noise(30), n_bootstrap=0).free,
    "Trend": lambda: ews.trends.kendall([1.0, 3.0, 2.0]),
}
_MADE: dict[str, Result] = {}


@pytest.fixture(params=sorted(MAKERS))
def made(request: pytest.FixtureRequest) -> Result:
    """One result of each class, made once."""
    if request.param not in _MADE:
        _MADE[request.param] = MAKERS[request.param]()
    return _MADE[request.param]


def subclasses(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def modules() -> Iterator[Any]:
    for one in pkgutil.walk_packages(ews.__path__, "ews."):
        if ".cli" not in one.name:
            yield importlib.import_module(one.name)


def test_every_result_class_is_tried() -> None:
    for _ in modules():
        pass
    concrete = {one.__name__ for one in subclasses(Result) if dataclasses.is_dataclass(one) and _is_ours(one)}
    assert concrete == set(MAKERS)
    for name in MAKERS:
        assert type(MAKERS[name]).__name__ == "function"


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "ews"


def test_every_public_answer_is_a_result() -> None:
    """Whatever a public function says that it returns, if that is one of our frozen dataclasses."""
    answers = set()
    for package in (ews, bifurcations, ews.trends, ews.changepoints, ews.detrend, ews.spatial):
        for name in package.__all__:
            function = getattr(package, name)
            if not inspect.isfunction(function):
                continue
            for said in re.findall(r"[A-Z]\w+", str(inspect.signature(function).return_annotation)):
                kind = inspect.getmodule(function).__dict__.get(said)  # type: ignore[union-attr]
                if dataclasses.is_dataclass(kind) and said not in NOT_FOUND:
                    assert issubclass(kind, Result), f"{name} returns {said}"  # type: ignore[arg-type]
                    answers.add(said)
    assert len(answers) >= 24


def test_text_fits_a_page(made: Result) -> None:
    text = made.summary()
    assert text == text.strip()
    assert max(map(len, text.splitlines())) <= 100
    assert text.splitlines()[1] == "=" * len(text.splitlines()[0])


def test_comes_back_from_json_as_it_was(made: Result, tmp_path: Path) -> None:
    text = made.to_json()
    assert json.loads(text) == made.to_dict() == json.loads(json.dumps(made.to_dict(), allow_nan=False))
    again = type(made).from_json(text)
    assert again == made
    assert again is not made
    assert hash(again) == hash(made)
    assert again.to_json() == text
    assert again.summary() == made.summary()
    file = tmp_path / "kept.json"
    assert made.to_json(str(file)) == text
    assert type(made).from_json(file) == made
    assert type(made).from_json(str(file)) == made


def test_a_changed_number_is_another_result(made: Result) -> None:
    for field in dataclasses.fields(made):  # type: ignore[arg-type]
        value = getattr(made, field.name)
        if isinstance(value, float) and np.isfinite(value):
            assert dataclasses.replace(made, **{field.name: value + 1.0}) != made  # type: ignore[type-var]
            return
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and np.isfinite(value).any():
            changed = value + 1.0
            assert dataclasses.replace(made, **{field.name: changed}) != made  # type: ignore[type-var]
            return


def test_is_refused_by_other_classes_and_versions(made: Result) -> None:
    other = ews.Roc if type(made) is not ews.Roc else ews.Detection
    with pytest.raises(errors.ArgumentError, match=r"saved|scores|without"):
        other.from_json(made.to_json())
    saved = made.to_dict()
    if "format" in saved:
        with pytest.raises(errors.ArgumentError, match="format"):
            type(made).from_dict(saved | {"format": 99})
        assert Result.from_dict(saved) == made


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"result": "os.system"}',
        "no_such_file.json",
        "\0",
        '{"a": 1, "a": 1}',
        '{"a": NaN}',
        "[" * 9999,
    ],
)
def test_what_is_no_result_is_refused(broken: str) -> None:
    for kind in (Result, ews.Detection, ews.ScoreTests):
        with pytest.raises(errors.ArgumentError):
            kind.from_json(broken)


@pytest.mark.parametrize("wrong", [None, 3, 2.5, b"{}", object()])
def test_what_is_no_text_is_refused(wrong: Any) -> None:
    with pytest.raises(errors.ArgumentError, match="source"):
        ews.Detection.from_json(wrong)
    with pytest.raises(errors.ArgumentError, match="saved"):
        ews.Detection.from_dict(wrong)


def test_a_damaged_field_is_refused(made: Result) -> None:
    """Each field in turn gone, or turned into what it cannot be; of results by column, of the first."""
    saved = made.to_dict()
    column = None if "format" in saved else next(iter(saved))
    inner = made if column is None else made[column]  # type: ignore[index]
    own = saved if column is None else saved[column]

    def refused(changed: dict[str, Any]) -> None:
        with pytest.raises(errors.ArgumentError):
            type(made).from_dict(changed if column is None else {column: changed})

    for key in set(own) & {type(inner)._key(field.name) for field in dataclasses.fields(inner)}:
        refused({name: value for name, value in own.items() if name != key})
        refused(own | {key: {"nonsense": [{}]}})


def test_leaves_as_a_table(made: Result, tmp_path: Path) -> None:
    frame = made.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame)
    assert frame.shape[1]
    text = made.to_csv(tmp_path / "kept.csv")
    read = pd.read_csv(io.StringIO(text))
    assert len(read) == len(frame)
    assert read.shape[1] >= frame.shape[1]
    assert (tmp_path / "kept.csv").read_text(encoding="utf-8") == text


class Fetched(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_and_notebook_stand_alone(made: Result) -> None:
    page, cell = made.to_html(), made._repr_html_()  # type: ignore[attr-defined]
    assert page.startswith("<!DOCTYPE html>")
    assert len(page) > 1000
    for html in (page, cell):
        found = Fetched(html)
        assert not {"script", "link", "b>", "i"} & set(found.tags)
        assert all(address.startswith("data:image/") for address in found.addresses)
        assert found.addresses
    assert "html" not in Fetched(cell).tags
    assert "<pre" not in page  # text set for a terminal is cut off or wraps badly on a narrow page


def test_draws_one_figure(made: Result) -> None:
    figure = made.plot()
    assert isinstance(figure, Figure)
    assert any(axes.has_data() for axes in figure.axes)


def test_files_are_never_overwritten_unasked(tmp_path: Path) -> None:
    found = ews.trends.kendall([1.0, 3.0, 2.0])
    for write in (found.to_json, found.to_csv, found.to_html):
        file = tmp_path / write.__name__
        text = write(file)
        assert file.read_text(encoding="utf-8") == text == write()
        file.write_text("precious")
        with pytest.raises(errors.ArgumentError, match=r"path.*overwrite=True"):
            write(file)
        assert file.read_text() == "precious"
        assert write(str(file), overwrite=True) == file.read_text(encoding="utf-8")
        for wrong in (tmp_path, tmp_path / "no" / "such", "", 3, b"x"):
            with pytest.raises(errors.ArgumentError, match="path"):
                write(wrong)  # type: ignore[arg-type]
        with pytest.raises(errors.ArgumentError, match="overwrite"):
            write(file, overwrite="yes")  # type: ignore[arg-type]


def test_is_frozen(made: Result) -> None:
    for field in dataclasses.fields(made):  # type: ignore[arg-type]
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, None)


def test_pickles_carry_public_paths_only(made: Result) -> None:
    kept = pickle.dumps(made)
    assert pickle.loads(kept) == made
    paths = {arg for _, arg, _ in pickletools.genops(kept) if isinstance(arg, str) and arg.startswith("ews.")}
    assert not [one for one in paths if any(part.startswith("_") for part in one.split("."))]
    if "result" in (saved := made.to_dict()):
        assert saved["result"] == f"{type(made).__module__}.{type(made).__name__}"


def test_times_and_fields_have_keys_of_their_own(made: Result) -> None:
    """No field writes over another in the dictionary."""
    keys = [type(made)._key(field.name) for field in dataclasses.fields(made)]  # type: ignore[arg-type]
    assert len(keys) == len(set(keys))
    spread = {"time", "value", "name", "time_name", "step", "step_unit", "notes"}
    if any(field.name in ("series", "grids") for field in dataclasses.fields(made)):  # type: ignore[arg-type]
        assert not spread & set(keys)


def test_quarter_seconds_are_told_apart(made: Result) -> None:
    saved = made.to_dict()
    times = saved.get("time")
    if isinstance(times, list) and times and isinstance(times[0], str):
        assert len(set(times)) == len(times)
        assert times[1].endswith("00.250000000")


def test_no_result_reads_prose_back() -> None:
    """A finding is a field: no figure, page or result asks how a sentence begins or what it holds."""
    root = Path(ews.__file__).parent
    for file in sorted(root.rglob("*.py")):
        if "_common" in file.parts or file.stem not in READERS:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ("startswith", "endswith", "partition", "find"), f"{file}:{node.lineno}"


def test_a_repr_is_one_line_without_long_arrays(made: Result) -> None:
    said = repr(made)
    assert len(said) < 1300
    assert "\n" not in said
    assert "array(" not in said
    assert "Config(" not in said
    assert type(made).__name__ in said
