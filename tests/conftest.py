"""Fixtures of more than one file."""

import sys
import warnings

import hypothesis
import pytest

from lassoflow import cli

hypothesis.settings.register_profile("repeatable", derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")  # a failure is one for everybody, at every run


@pytest.fixture
def run(monkeypatch, capsys):
    """Run main; the exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lassoflow", *map(str, arguments)])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code, *capsys.readouterr()

    return run
