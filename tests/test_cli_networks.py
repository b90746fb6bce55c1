"""The commands about networks: train, compare --network, reproduce."""

import json

import numpy as np
import pandas as pd
import pytest

import lassoflow as lf
from lassoflow.figures import FIGURES

LAYERED = ["--network", "layered", "--directions"]


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_train_certifies_the_whole_chain(run, tmp_path):
    out = tmp_path / "net"
    code, text, err = run("train", "diabetes", "--depth", 3, "--scale", 1e-6, "--out", out)
    assert (code, err) == (0, "")
    for line in (
        "PowerNetwork(depth=3, scale=1e-06)",
        "distance of averaged flow and its limit's",
        "distance of averaged flow and lasso",
        "at most 0.95 % of std(y) apart",
    ):
        assert line in text
    assert files(out) == ["knots.csv", "summary.json", "train.png"]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["settings"]["depth"] == 3
    assert summary["certificate"]["holds"]
    table = pd.read_csv(out / "knots.csv")
    assert 50 <= len(table) <= 210
    assert table["s"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--network", "product", "--log-scale", -10_000], "ProductNetwork(log_scale=-10000)"),
        (["--network", "square", "--weight-decay", 0.5], "SquareNetwork(scale=1e-06)"),
        (["--penalty-factor", "none", "--no-intercept", "--lambda-min", 0.01], "stopped by until"),
        (["--descent", "--n-steps", 300, "--momentum", 0.5], "gradient descent"),
        (["--sgd", "--n-steps", 300, "--seed", 4], "averaged descent"),
        (["--batch-size", 20, "--label-noise", 1.0, "--n-steps", 300], "averaged descent"),
        (["--depth", 3, "--weight-decay", 0.5], "With weight decay at depth 3 and more no bound holds"),
        (["--network", "layered", "--directions", "1.0,0.7,0.2"], "LayeredNetwork(<3 layers>, scale=1e-06)"),
        (["--network", "layered", "--directions", "-1,0.3"], "LayeredNetwork(<2 layers>, scale=1e-06)"),
        (["--network", "layered", "--layers", 4, "--seed", 7], "LayeredNetwork(<4 layers>, scale=1e-06)"),
        (["--network", "layered", "--layers", 3, "--sgd", "--n-steps", 300], "averaged descent of LayeredNetwork"),
    ],
)
def test_train_with_every_option(run, options, expected):
    code, text, err = (
        run("train", "diabetes", "--scale", 1e-6, *options)
        if "--log-scale" not in options
        else run("train", "diabetes", *options)
    )
    assert (code, err) == (0, "")
    assert expected in text


def test_random_layers_are_those_of_the_seed(run):
    options = ["--network", "layered", "--layers", 3, "--json"]
    summaries = [json.loads(run("compare", "diabetes", *options, "--seed", seed)[1]) for seed in (0, 0, 1)]
    curves = [one["certificate"]["curve"] for one in summaries]
    assert curves[0] == curves[1] != curves[2]
    assert all(one["certificate"]["holds"] for one in summaries)


@pytest.mark.parametrize(
    "network", [["--scale", 20], ["--network", "layered", "--directions", "3e4,1", "--scale", 0.5]]
)
def test_networks_without_a_lasso_are_trained_and_certified_alone(run, tmp_path, network):
    out = tmp_path / "net"
    code, text, err = run("train", "diabetes", *network, "--out", out)
    assert (code, err) == (0, "")
    assert "no lasso to compare with." in text
    assert "defect of z' = x" in text
    summary = json.loads((out / "summary.json").read_text())
    assert summary["certificate"]["holds"]
    time = "t" if "layered" not in network else "s"
    assert f"{time}_end" in summary["paths"]["network"]
    assert pd.read_csv(out / "knots.csv").columns[0] == time
    assert files(out) == ["knots.csv", "summary.json", "train.png"]


def test_descent_without_a_lasso_has_no_certificate(run):
    code, text, err = run("train", "diabetes", "--scale", 20, "--descent", "--n-steps", 200, "--json")
    assert (code, err) == (0, "")
    assert json.loads(text)["certificate"] is None
    code, text, err = run("train", "diabetes", "--scale", 20, "--descent", "--n-steps", 200)
    assert (code, err) == (0, "")
    assert "for training time t from" in text
    assert "training time only, and no lasso to compare with." in text


def test_train_prints_strict_json(run):
    code, text, err = run("train", "diabetes", "--scale", 1e-6, "--json")
    assert (code, err) == (0, "")
    assert list(json.loads(text)["paths"]) == ["network"]


def test_compare_with_a_network_writes_both_curves(run, tmp_path):
    out = tmp_path / "both"
    code, text, err = run("compare", "diabetes", "--network", "product", "--scale", 1e-3, "--out", out)
    assert (code, err) == (0, "")
    assert "averaged flow of ProductNetwork(scale=0.001)" in text
    assert files(out) == ["compare.png", "knots-flow.csv", "knots-lasso.csv", "summary.json"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["train", "diabetes", "--scale", "0"], "scale must be a positive number"),
        (
            ["train", "diabetes", "--scale", "2", "--lambda-min", "0.1"],
            "--lambda-min: PowerNetwork(depth=2, scale=2) has",
        ),
        (["train", "diabetes", "--scale", "2", "--x", "lambda"], "--x lambda: PowerNetwork(depth=2, scale=2) has"),
        (["compare", "diabetes", "--network", "power", "--scale", "2"], "training time only, and no lasso to compare"),
        (["train", "diabetes", "--directions", "1,2"], "--directions: only for --network layered"),
        (["compare", "diabetes", "--network", "square", "--layers", "3"], "--layers: only for --network layered"),
        (["train", "diabetes", "--network", "layered"], "give either --directions or --layers"),
        (["train", "diabetes", *LAYERED, "1,2,3", "--layers", "3"], "give either --directions or --layers"),
        (["train", "diabetes", *LAYERED, "1,2,3", "--depth", "3"], "--depth: a layered network has as many layers"),
        (["train", "diabetes", *LAYERED, "1;2"], "--directions: numbers with commas between them"),
        (["train", "diabetes", *LAYERED, "1,,2"], "--directions: numbers with commas between them"),
        (["train", "diabetes", *LAYERED, "1,inf"], "directions must be L >= 2 finite numbers"),
        (["train", "diabetes", *LAYERED, "1"], "directions must be L >= 2 finite numbers"),
        (["compare", "diabetes", *LAYERED, "1,0.5,-0.5"], "the layer of the smallest size must be one alone"),
        (["train", "diabetes", *LAYERED, "1,2,3", "--log-scale", "-1e4"], "scale must be above 1e-282"),
        (["train", "diabetes", "--scale", "1e-3", "--log-scale", "-3"], "Give one of scale and log_scale"),
        (["train", "diabetes", "--network", "square", "--depth", "3"], "--depth: a square network has depth 2"),
        (["train", "diabetes", "--positive"], "--positive: not for networks"),
        (["train", "diabetes", "--rtol", "3"], "rtol must lie between"),
        (["train", "diabetes", "--step-size", "1e9", "--n-steps", "50"], "diverged at step"),
        (["train", "diabetes", "--batch-size", "1000"], "batch_size"),
        (["reproduce", "nothing"], "NAME must be one of berthier_paths"),
    ],
)
def test_bad_input_is_one_sentence(run, tmp_path, monkeypatch, arguments, match):
    monkeypatch.chdir(tmp_path)
    code, text, err = run(*arguments)
    assert (code, text) == (2, "")
    assert match in err
    assert err.count("\n") == 1
    assert files(tmp_path) == []


def test_reproduce_lists_and_writes(run, tmp_path):
    code, text, _ = run("reproduce")
    assert code == 0
    assert text.count("\n") >= 8
    code, text, err = run("reproduce", "zhao_jumps", "--quick", "--out", tmp_path)
    assert (code, err) == (0, "")
    assert text.startswith("Published: ")
    assert "zhao_jumps.png" in files(tmp_path)


def test_reproduce_takes_hyphens_and_figures_that_report(run, tmp_path, monkeypatch):
    seen = []

    def report_and_run(quick, seed, report=None):
        seen.append(report)
        return FIGURES["zhao_jumps"].run(quick, seed)

    monkeypatch.setitem(FIGURES, "selection_study", FIGURES["selection_study"]._replace(run=report_and_run))
    code, _, err = run("reproduce", "selection-study", "--quick", "--out", tmp_path)
    assert (code, err, seen) == (0, "", [None])  # no bar where there is no terminal
    assert "selection_study.png" in files(tmp_path)


@pytest.mark.parametrize("options", [["--depth", 3], ["--descent"], ["--depth", 3, "--weight-decay", 1.0]])
def test_training_stops_where_the_loss_comes_down_to_a_level(run, options):
    code, out, _ = run("train", "diabetes", "--scale", 1e-2, "--stop-when", 2500, "--json", *options)
    assert code == 0
    summary = json.loads(out)
    path = summary["paths"][0] if isinstance(summary["paths"], list) else next(iter(summary["paths"].values()))
    assert path["status"] == "stopped"


def test_training_stops_at_a_training_time(run):
    network = lf.PowerNetwork(2, 1e-4)
    code, out, _ = run("train", "diabetes", "--scale", 1e-4, "--training-time", network.training_time(0.5), "--json")
    assert code == 0
    assert "0.5" in out
    code, _, err = run("train", "diabetes", "--descent", "--training-time", 3)
    assert code == 2
    assert "--training-time: for flows" in err


def test_a_warning_is_a_sentence(run, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 3))
    X[:, 2] = X[:, 1] + 1e-6 * X[:, 2]
    y = X @ [1.0, 1.0, 0.5] + 1e-6 * rng.standard_normal(8)
    file = tmp_path / "data.csv"
    np.savetxt(file, np.column_stack([X, y]), delimiter=",", header="a,b,c,y", comments="", fmt="%.17g")
    _, _, err = run("train", file, "--target", "y", "--scale", 1e-20)
    assert err.startswith("lassoflow: The columns of the support depend on each other so nearly")
    assert err.count("\n") == 1
