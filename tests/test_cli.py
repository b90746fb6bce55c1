"""The command line: what it says, what it writes, and that bad input leaves one sentence and nothing else."""

import errno
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import lassoflow as lf
from lassoflow import cli
from lassoflow.tables import read_table

posix = pytest.mark.skipif(os.name != "posix", reason="signals, limits and terminals of POSIX")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,w,y\n1,2,1,3\n2,1,2,5\n3,5,1,1\n4,4,1,4\n5,0,2,2\n")
    return str(path)


def process(*arguments, code=None, **options):
    """The same in a process of its own, optionally after some code."""
    start = ["-m", "lassoflow"] if code is None else ["-c", f"from lassoflow import cli\n{code}\ncli.main()"]
    command = [sys.executable, "-W", "error", *start, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, **{"stdout": pipe, "stderr": pipe, "text": True, **options})


def strict(text):
    def refuse(token):
        raise AssertionError(f"{token} is not JSON")

    return json.loads(text, parse_constant=refuse)


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else None


# -- help -----------------------------------------------------------------------------------------------------------


def test_without_arguments_it_prints_help(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    assert "path" in out
    assert "compare" in out
    assert run("--help")[1] == out


def test_version(run):
    assert run("--version") == (0, f"lassoflow {lf.__version__}\n", "")


@pytest.mark.parametrize("command", ["path", "compare"])
def test_help_names_every_option(command):
    result = CliRunner().invoke(cli.app(), [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0
    for option in ("--target", "--out", "--json", "--x", "--penalty-factor", "--weights", "--one-hot", "--ignore"):
        assert option in result.stdout
    assert ("--law" in result.stdout) == (command == "path")


# -- what is said and written ---------------------------------------------------------------------------------------


def test_path_says_what_it_did(run):
    code, out, err = run("path", "diabetes")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "diabetes: 442 rows, 10 features, target 'progression'"
    assert "standard deviations" in lines[1]
    assert "Path of the lasso: 12 knots" in out
    table = [line.split()[0] for line in lines if line.startswith(("bmi", "s5", "age"))]
    assert table == ["bmi", "s5", "age"]
    assert "10 of 10 coefficients nonzero, R² 0.5177, intercept 152.13." in out
    assert "satisfies its optimality conditions" in out
    assert "\x1b" not in out


def test_path_of_the_flow_in_raw_columns(run):
    code, out, _ = run("path", "diabetes_quadratic", "--law", "flow", "--penalty-factor", "none")
    assert code == 0
    assert "Penalty factors are 1" in out
    assert "Path of the limit flow" in out
    assert "... and 54 features more." in out


def test_compare_prints_the_certificate(run):
    code, out, err = run("compare", "diabetes")
    assert (code, err) == (0, "")
    assert "Path of the limit flow" in out
    assert "Path of the lasso" in out
    assert "holds" in out


def test_json_is_strict_exact_and_alone(run):
    code, out, err = run("path", "diabetes", "--json")
    assert (code, err) == (0, "")
    summary = strict(out)
    table = read_table("diabetes")
    problem = lf.LeastSquares(table.to_frame(), table.y, fit_intercept=True)
    path = lf.lasso_path(problem, "std")
    lasso = summary["paths"]["lasso"]
    assert summary["version"] == lf.__version__
    assert summary["data"]["n"] == 442
    assert summary["data"]["features"] == list(table.feature_names)
    assert summary["settings"]["penalty_factor"] == "std"
    assert list(lasso["coef"]) == list(table.feature_names)
    assert list(lasso["coef"].values()) == path.end.tolist()
    assert lasso["first_lambda"] == 1 / path.knots[0]
    assert lasso["intercept"] == path.intercept(np.inf, side="left")
    assert (lasso["knots"], lasso["status"], lasso["s_end"]) == (12, "complete", "inf")
    assert summary["certificate"]["holds"]
    assert summary["passes"] > 12
    assert summary["seconds"] > 0


def test_path_writes_its_files(run, tmp_path):
    out = tmp_path / "deep" / "out"
    code, text, err = run("path", "diabetes", "--out", out, "--json")
    assert (code, err) == (0, "")
    assert files(out) == ["knots.csv", "path.png", "summary.json"]
    assert (out / "path.png").read_bytes().startswith(b"\x89PNG")
    assert strict((out / "summary.json").read_text()) == strict(text)
    header, *rows = (line.split(",") for line in (out / "knots.csv").read_text().splitlines())
    knots = dict(zip(header, np.array(rows, dtype=float).T, strict=True))
    assert header[:3] == ["s", "lambda", "dimension"]
    table = read_table("diabetes")
    path = lf.lasso_path(lf.LeastSquares(table.to_frame(), table.y, fit_intercept=True), "std")
    assert np.array_equal(knots["s"], [*path.knots, np.inf])
    assert np.array_equal(knots["bmi"], path(knots["s"])[:, 2])


@pytest.mark.parametrize("x", ["s", "lambda", "l1"])
def test_compare_writes_its_files_over_older_ones(run, tmp_path, x):
    (tmp_path / "summary.json").write_text("old")
    code, out, _ = run("compare", "diabetes", "--out", tmp_path, "--x", x)
    assert code == 0
    assert "Written to" in out
    assert files(tmp_path) == ["compare.png", "knots-flow.csv", "knots-lasso.csv", "summary.json"]
    assert set(strict((tmp_path / "summary.json").read_text())["paths"]) == {"lasso", "flow"}


def test_settings_reach_the_path(run, table):
    options = ["--positive", "--weight-decay", 0.1, "--lambda-min", 0.01, "--max-knots", 1, "--no-intercept"]
    options += ["--weights", "w", "--penalty-factor", "none", "--ignore", "b"]
    summary = strict(run("path", table, "-t", "y", "--json", *options)[1])
    frame = pd.read_csv(table)
    problem = lf.LeastSquares(frame[["a"]], frame["y"], frame["w"])
    path = lf.lasso_path(problem, positive=True, weight_decay=0.1, lambda_min=0.01, max_knots=1)
    assert summary["data"]["features"] == ["a"]
    assert summary["paths"]["lasso"]["coef"] == {"a": path.end[0]}
    assert summary["paths"]["lasso"]["intercept"] == 0
    assert summary["settings"]["ignore"] == ["b"]


def test_nothing_to_find_is_still_an_answer(run, tmp_path):
    source = tmp_path / "t.csv"
    source.write_text("a,b,y\n1,2,3\n2,1,3\n5,5,3\n")
    for command in ("path", "compare"):
        code, out, _ = run(command, source, "-t", "y", "--json", "--out", tmp_path / command)
        assert code == 0
        lasso = strict(out)["paths"]["lasso"]
        assert (lasso["knots"], lasso["first_lambda"], lasso["coef"], lasso["r_squared"]) == (0, 0.0, {}, None)
    assert "0 of 2 coefficients nonzero, intercept 3." in run("path", source, "-t", "y")[1]
    assert run("path", "diabetes", "--lambda-min", "1e9", "--out", tmp_path / "none")[0] == 0


def test_notes_are_said(run, tmp_path):
    source = tmp_path / "t.csv"
    source.write_text("city,[b]k[/b],y\nRome,1,3\nOslo,1,4\nRome,,5\nRome,1,7\n")
    code, out, _ = run("path", source, "-t", "y", "--one-hot", "--drop-missing")
    assert code == 0
    assert "Note: 1 of 4 rows miss a value, in '[b]k[/b]': dropped." in out
    assert "Note: 'city' is encoded as 'city=Rome'." in out


def test_a_certificate_that_fails_is_an_exit_code(run, monkeypatch):
    monkeypatch.setattr(lf.Certificate, "holds", False)
    code, out, err = run("compare", "diabetes", "--json")
    assert code == 1
    assert strict(out)
    assert err == "lassoflow: the certificate does not hold, see the check that fails\n"


# -- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["path"], "Missing argument 'DATA'"),
        (["pth", "diabetes"], "No such command 'pth'"),
        (["path", "diabetes", "--lay"], "No such option"),
        (["path", "diabetes", "more"], "unexpected extra argument"),
        (["path", "diabetes", "--law", "ridge"], "'ridge' is not one of 'lasso', 'flow'"),
        (["path", "diabetes", "--max-knots", "0"], "--max-knots"),
        (["path", "diabetes", "--weight-decay", "-1"], "--weight-decay"),
        (["path", "diabetes", "--lambda-min", "inf"], "lambda_min must be a finite number"),
        (["path", "nowhere.csv", "-t", "y"], "neither a file nor a data set"),
        (["path", "TABLE"], "target is missing.*there are 'a', 'b', 'w', 'y'"),
        (["path", "TABLE", "-t", "yy"], "no column 'yy'; did you mean 'y'?"),
        (["compare", "TABLE", "-t", "y", "--weights", "v"], "weights: there is no column 'v'"),
    ],
)
def test_bad_input_is_one_sentence(run, table, tmp_path, arguments, match):
    arguments = [table if argument == "TABLE" else argument for argument in arguments]
    extra = ["--out", tmp_path / "out"] if len(arguments) > 1 else []
    code, out, err = run(*arguments, *extra)
    assert (code, out) == (2, "")
    assert err.startswith("lassoflow: ")
    assert err.count("\n") == 1
    assert re.search(match, err)
    assert not (tmp_path / "out").exists()


def test_negative_weights(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,w,y\n1,1,3\n2,-1,3\n5,5,3\n")
    code, out, err = run("path", tmp_path / "t.csv", "-t", "y", "--weights", "w")
    assert (code, out) == (2, "")
    assert "must not be negative" in err


def test_a_folder_that_cannot_be_written_is_refused_before_computing(run, table, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "LeastSquares", None)  # nothing may be computed
    occupied = tmp_path / "out"
    (occupied / "path.png").mkdir(parents=True)
    for folder, match in [
        (table, "exists"),
        (f"{table}/sub", "Not a directory"),
        (occupied, "path.png is a directory"),
    ]:
        code, out, err = run("path", table, "-t", "y", "--out", folder)
        assert (code, out) == (2, "")
        assert err.startswith(f"lassoflow: --out: {str(folder)!r} cannot be written")
        assert match in err
    assert files(tmp_path) == ["out", "table.csv"]
    assert files(occupied) == ["path.png"]


# -- no half files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_no_file(run, tmp_path, monkeypatch, error):
    whole = pathlib.Path.write_bytes

    def write_bytes(path, content):
        whole(path, content[:100])
        if "knots" in path.name:
            raise error

    monkeypatch.setattr(pathlib.Path, "write_bytes", write_bytes)
    code, out, err = run("path", "diabetes", "--out", tmp_path)
    assert (code, out) == ((2, "") if isinstance(error, OSError) else (130, ""))
    assert ("No space left on device" in err) == isinstance(error, OSError)
    assert files(tmp_path) == []


@posix
def test_a_full_disk(tmp_path):
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    with process("path", "diabetes", "--out", tmp_path, preexec_fn=limit) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (2, "")
    assert err == f"lassoflow: --out: {str(tmp_path)!r} cannot be written: File too large.\n"
    assert files(tmp_path) == []


@posix
@pytest.mark.parametrize("killer", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_kill_while_computing_leaves_nothing(tmp_path, killer):
    wait = "import sys, time\ndef certify(path):\n    print('ready', file=sys.stderr, flush=True)\n    time.sleep(60)"
    out = tmp_path / "out"
    with process("path", "diabetes", "--out", out, code=f"{wait}\ncli.certify = certify") as child:
        assert child.stderr.readline() == "ready\n"
        child.send_signal(killer)
        output, err = child.communicate(timeout=60)
    assert child.returncode == (130 if killer == signal.SIGINT else -killer)
    assert (output, err) == ("", "")
    assert not out.exists()


# -- processes ----------------------------------------------------------------------------------------------------


def test_streams_are_kept_apart(table):
    with process("path", table, "--target", "y", "--json") as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert strict(out)["data"]["target"] == "y"


def test_an_encoding_that_lacks_the_letters(table):
    with process("path", table, "-t", "y", env={**os.environ, "PYTHONIOENCODING": "ascii"}) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert "enters at \\u03bb" in out


@posix
def test_a_closed_pipe_is_quiet(tmp_path):
    X = np.random.default_rng(0).standard_normal((5, 20000))
    np.savez(tmp_path / "wide.npz", X=X, y=X[:, 0])
    with process("path", tmp_path / "wide.npz", "--json", "--max-knots", 2) as child:
        assert child.stdout.readline() == "{\n"
        child.stdout.close()
        assert child.stderr.read() == ""
        child.wait(timeout=60)
    assert child.returncode == 1


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(missing):
    start = f"import sys; sys.modules[{missing!r}] = None; from lassoflow.cli import main; main()"
    child = subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, timeout=60)
    assert (child.returncode, child.stdout) == (2, "")
    assert child.stderr == "lassoflow: the command line needs typer and rich: pip install 'lassoflow[cli]'\n"


@posix
def test_progress_is_for_terminals(table):
    import pty

    ours, theirs = pty.openpty()
    with process("path", table, "-t", "y", "--json", stderr=theirs) as child:
        os.close(theirs)
        out = child.stdout.read()
        child.wait(timeout=60)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert child.returncode == 0
    assert strict(out)
    assert "lasso: knot" in shown
