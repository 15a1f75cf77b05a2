"""Outputs of commands never overwrite what is read, and overwrite nothing else without ``--force``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ews.cli.commands import app
from ews.cli.files import check_files, check_folder, write_file
from ews.errors import ArgumentError


def ews(*arguments: object):
    return CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text("x\n" + "\n".join(map(str, np.random.default_rng(0).standard_normal(60))))
    return path


def _relative(data: Path) -> Path:
    return data.parent / ".." / data.parent.name / "." / data.name


def _below(data: Path) -> Path:
    (data.parent / "sub").mkdir()
    return data.parent / "sub" / ".." / data.name


def _hard_link(data: Path) -> Path:
    os.link(data, data.parent / "hard.png")
    return data.parent / "hard.png"


def _link(data: Path) -> Path:
    (data.parent / "soft.png").symlink_to(data)
    return data.parent / "soft.png"


def _link_to_a_link(data: Path) -> Path:
    (data.parent / "softer.png").symlink_to(_link(data).name)
    return data.parent / "softer.png"


def _linked_folder(data: Path) -> Path:
    (data.parent / "folder").symlink_to(data.parent, target_is_directory=True)
    return data.parent / "folder" / data.name


NAMES: list[Callable[[Path], Path]] = [
    lambda data: data, _relative, _below, _hard_link, _link, _link_to_a_link, _linked_folder,
]  # fmt: skip


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("name", NAMES)
def test_the_input_stays_by_whatever_name_it_is_called(data, name, force) -> None:
    before, output = data.read_bytes(), name(data)
    for option in ("--json", "--html", "--figure"):
        found = ews("detect", data, "--n-surrogates", 0, option, output, *force)
        assert found.exit_code == 2
        assert f"error: {option}: got a file that this command reads: {str(output)[:60]}" in found.stderr
    assert data.read_bytes() == before


def test_the_input_stays_when_both_are_relative_names(data, monkeypatch) -> None:
    monkeypatch.chdir(data.parent)
    before = data.read_bytes()
    found = ews("detect", "data.csv", "--json", "./data.csv", "--force")
    assert (found.exit_code, data.read_bytes()) == (2, before)


def test_existing_files_stay_without_force(data, tmp_path) -> None:
    output = tmp_path / "out.json"
    output.write_text("precious")
    arguments = ("detect", data, "--n-surrogates", 0, "--json", output)
    found = ews(*arguments)
    assert found.exit_code == 2
    assert "got a file that exists: " in found.stderr
    assert "; allowed: a file that does not exist yet, or --force" in found.stderr
    assert output.read_text() == "precious"
    assert ews(*arguments, "--force").exit_code == 0
    assert output.read_text().startswith("{")


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_place_for_a_file(tmp_path, force) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    for name, said in (
        (".", "folder"), ("no/x.json", "folder that exists"), ("file/x.json", "folder that exists"),
        ("dangling", "a link to nothing"), ("loop", "a link to nothing"), ("nul\0", "NUL"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError, match=said):
            check_files({"--json": tmp_path / name}, force=force)
    (tmp_path / "sub").mkdir()
    with pytest.raises(ArgumentError, match="--html: got the file of --json too"):
        check_files({"--json": tmp_path / "a", "--html": tmp_path / "sub" / ".." / "a"}, force=force)


def test_force_replaces_one_name_and_not_what_else_it_leads_to(tmp_path) -> None:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to("kept")
    os.link(tmp_path / "kept", tmp_path / "hard")
    for name in ("link", "hard"):
        check_files({"--json": tmp_path / name}, force=True)
        write_file(tmp_path / name, "new", force=True)
        assert (tmp_path / name).read_text() == "new"
    assert (tmp_path / "kept").read_text() == "kept"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["hard", "kept", "link"]


def test_a_file_that_appears_during_the_work_stays(tmp_path) -> None:
    check_files({"--json": tmp_path / "a"})
    (tmp_path / "a").write_text("another's")
    with pytest.raises(ArgumentError, match="a file that exists"):
        write_file(tmp_path / "a", "mine")
    assert (tmp_path / "a").read_text() == "another's"


def test_files_of_an_input_folder_stay_with_force_too(tmp_path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (tmp_path / "same").symlink_to(model, target_is_directory=True)
    for path in (model / "config.json", tmp_path / "same" / "config.json"):
        with pytest.raises(ArgumentError, match="a file that this command reads"):
            check_files({"--json": path}, inputs=[model, "-", None, "name/on-a-hub"], force=True)
    (model / "policy.json").touch()
    with pytest.raises(ArgumentError, match="a file that this command reads"):
        check_folder("--output", model, ["policy.json"], inputs=[model], force=True)
    check_files({"--json": model / "report.json"}, inputs=[model])


def test_folders_of_outputs(tmp_path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ArgumentError, match=r"--output: got the file .*file; allowed: a folder"):
            check_folder("--output", folder, ["a"], force=True)
    check_folder("--output", tmp_path / "new" / "deep", ["a"])
    with pytest.raises(ArgumentError, match=r"a file that exists: .*file"):
        check_folder("--output", tmp_path, ["file"])
    check_folder("--output", tmp_path, ["file"], force=True)
    found = ews("demo", "--output", tmp_path / "file")
    assert (found.exit_code, (tmp_path / "file").read_bytes()) == (2, b"")


@pytest.mark.parametrize("command", ["demo", "benchmark", "datasets"])
def test_no_command_replaces_what_is_there(command, tmp_path) -> None:
    from ews.cli.benchmark import FILES as OF_BENCHMARK
    from ews.cli.demo import FILES as OF_DEMO

    for name in {"demo": OF_DEMO, "benchmark": OF_BENCHMARK, "datasets": ("nile.csv",)}[command]:
        path = tmp_path / name
        path.write_text("precious")
        output = ("nile", "--output", path) if command == "datasets" else ("--output", tmp_path)
        found = ews(command, *output)
        assert found.exit_code == 2
        assert "got a file that exists: " in found.stderr
        assert path.read_text() == "precious"
        path.unlink()


def test_streams_are_written_through(data) -> None:
    assert ews("detect", data, "--n-surrogates", 0, "--json", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_new_files_have_the_mode_of_the_user(tmp_path) -> None:
    before = os.umask(0o077)
    try:
        for force in (False, True):
            write_file(tmp_path / "private", "x", force=force)
            assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("option", ["--figure", "--html"])
def test_a_dash_is_standard_output_for_numbers_alone(data, option, monkeypatch) -> None:
    monkeypatch.chdir(data.parent)
    said = ews("detect", data, "--n-surrogates", 0, option, "-")
    assert said.exit_code == 2
    assert f"{option}: got '-'; allowed: a file" in said.stderr
    assert not (data.parent / "-").exists()
