"""Markdown tables that can be read as plain text, and the machine they were made on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import threadpoolctl

_PACKAGES = ("lassoflow", "numpy", "scipy", "numba", "threadpoolctl")
_PEERS = ("scikit-learn", "spams-bin", "celer", "skglm", "glmnet-rs", "adelie", "cvxpy", "diffrax", "jax")


def table(header: list[str], rows: list[list[str]]) -> str:
    """Rows as an aligned Markdown table."""
    lines = [header, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    padded = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]])


def absences(peers: Mapping[str, object]) -> list[str]:
    """A sentence for each peer that is not installed, by the name it is installed under."""
    absent = [name for name, module in peers.items() if not module]
    return [f"{name} is not installed: no comparison (pip install {name})." for name in absent]


def machine() -> str:
    """Processor, memory, load, versions, linear algebra and its threads, in four lines."""
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    peers = ", ".join(f"{name} {_version(name)}" for name in _PEERS)
    blas = {
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')}, {pool['num_threads']} threads)"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    }
    return "\n".join(
        [
            f"{os.cpu_count()} cores, {_processor()}{_load()}.",
            f"Python {platform.python_version()}, {platform.system()}; BLAS: {', '.join(sorted(blas)) or 'unknown'}.",
            f"{versions}.",
            f"Peers: {peers}.",
        ]
    )


def _load() -> str:
    """Memory and load, where the system tells."""
    if not hasattr(os, "getloadavg"):
        return ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"; {memory:.0f} GiB of memory; load {os.getloadavg()[0]:.1f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
