"""The table of encoders: files of tasks, and rules at equal depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from adapters.encoders import ConfidenceExit, NeverLeave, heads_named  # noqa: E402
from adapters.encoders.states import FirstTokenStates  # noqa: E402
from benchmarks.llm.encoders.digest import write_digests  # noqa: E402
from benchmarks.llm.encoders.numbers import interval, metric_of  # noqa: E402
from benchmarks.llm.encoders.rules import Curve, Variant, replayed  # noqa: E402
from benchmarks.llm.encoders.tasks import Sizes, task  # noqa: E402

FILES = {
    "sst2_glue/{}.tsv": ("sentence\tlabel\n", 'a " quoted\u2028 one \t1\n', "dull \t0\n"),
    "mrpc/msr_paraphrase_{}.txt": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n",
        '1\t1\t2\t"A said.\tA\r\n',
        "0\t3\t4\tB\tC\r\n",
    ),
    "rte/{}.tsv": ("index\tsentence1\tsentence2\tlabel\n", "0\tA\tB\tentailment\n", "1\tC\tD\tnot_entailment\n"),
    "cola/{}.tsv": ("", "gj04\t1\t\tIt stands.\n", "gj04\t0\t*\tStands it it.\n"),
    "trec_qc/TREC.{}.all": ("", "0 How \ufffd?\n", "5 How many?\n"),
}
PARTS = {"sst2": ("train", "dev", "test"), "cola": ("train", "val", "dev"), "rte": ("train", "dev")}
PLACES = dict(zip(("sst2", "mrpc", "rte", "cola", "trec"), FILES, strict=True))


@pytest.mark.parametrize("name", list(PLACES))
def test_files_of_tasks_are_read_whole_and_parts_are_apart(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    header, *lines = FILES[PLACES[name]]
    for number, part in enumerate(PARTS.get(name, ("train", "test"))):
        path = tmp_path / PLACES[name].format(part)
        path.parent.mkdir(exist_ok=True)
        marked = [
            line.replace("A", f"A{number}{k}").replace("How", f"How {number}{k}") for k in range(20) for line in lines
        ]
        path.write_bytes((header + "".join(marked)).encode())
    monkeypatch.setenv("EARLYWARNING_TEXTS", str(tmp_path))
    train, tuning, test = task(name, Sizes(train=25, tuning=8, test=30), seed=3)
    assert [len(each.texts) for each in (train, tuning, test)] == [25, 8, 30]
    assert all(len(np.unique(each.labels)) == 2 for each in (train, tuning, test))
    first = train.texts[0]
    assert isinstance(first, tuple if name in ("mrpc", "rte") else str)
    if name in ("mrpc", "rte", "trec"):
        marks = [
            {str(text) for text in each.texts if "A" in str(text) or "How" in text} for each in (train, tuning, test)
        ]
        assert not marks[0] & marks[1]
        assert not marks[0] & marks[2]
    again = task(name, Sizes(train=25, tuning=8, test=30), seed=3)[0]
    assert again.texts == train.texts
    assert again.labels.tolist() == train.labels.tolist()


def test_rule_at_a_depth_is_met_between_its_settings() -> None:
    torch.manual_seed(0)
    kept = FirstTokenStates(torch.randn(400, 7, 8))
    heads = heads_named("linear", width=8, classes=2, exits=6).requires_grad_(False)
    rules = [NeverLeave(), *(ConfidenceExit(threshold=value) for value in (0.8, 0.7, 0.6, 0.5))]
    done = [replayed(kept, rule, heads) for rule in rules]
    curve = Curve([Variant(None, rule, heads) for rule in rules], done, done)
    means = [each.report.mean_depth for each in done]
    for depth in (means[1], 0.5 * (means[1] + means[2]), 5.9):
        found = curve.at_depth(depth)
        assert found is not None
        assert found.depth == pytest.approx(depth, abs=0.15)
    assert curve.at_depth(0.5) is None
    place = curve.at_budget(means[2])
    assert place is not None
    assert means[place] == means[2]
    assert curve.at_budget(0.5) is None


def test_scores_with_intervals() -> None:
    truth = np.array([0, 1] * 100)
    assert metric_of("cola", truth, truth) == pytest.approx(1.0)
    assert metric_of("cola", 1 - truth, truth) == pytest.approx(-1.0)
    assert metric_of("cola", np.zeros(200), truth) == 0.0
    value, low, high = interval("sst2", truth, truth, np.zeros(200, dtype=int))
    assert value == 0.5
    assert 0.4 < low < 0.5 < high < 0.6


def test_digest_counts_how_often_a_claim_held(tmp_path: Path) -> None:
    columns = "claim,model,task,encoder,measure,holds"
    rows = [f"a over b,m,{task_name},frozen,{measure},{holds}" for task_name, measure, holds in (
        ("cola", "mcc", "yes"), ("rte", "accuracy", "yes"), ("rte", "accuracy", "yes"), ("rte", "ece", "no"),
        ("sst2", "accuracy", "no"), ("trec", "accuracy", "not shown"),
    )]  # fmt: skip
    (tmp_path / "llm_encoders_claims.csv").write_text("\n".join((columns, *rows)) + "\n")
    numbers = "mean_depth,layers,theoretical_speed_up,speed_up_1,share_1,speed_up_32,share_32"
    (tmp_path / "llm_encoders.csv").write_text(
        f"model,rule,system,{numbers}\nm,fixed,pabee,3,6,2,1.9,0.95,2,1\nm,fixed,pabee,2,6,3,,,,\n"
    )
    write_digests(tmp_path)
    said = [line.split(",") for line in (tmp_path / "llm_encoders_verdicts.csv").read_text().splitlines()[1:]]
    assert said[0][:2] == ["a over b", "frozen"]
    text = (tmp_path / "llm_encoders_verdicts.csv").read_text()
    assert '"accuracy, of CoLA MCC",3,1,1,"cola (m), rte (m)",sst2 (m)' in text
    assert "ece,0,0,1,,rte (m)" in text
    assert (tmp_path / "llm_encoders_times.csv").read_text().splitlines()[1:] == ["m,fixed,pabee,3,6,2,1.9,0.95,2,1"]
