"""Markdown tables that can be read as plain text, and the machine they were made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import threadpoolctl


def table(header: list[str], rows: list[list[str]]) -> str:
    """Rows as an aligned Markdown table."""
    lines = [header, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(header))]
    padded = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]])


def machine() -> str:
    """Processor, versions and linear algebra, in three lines."""
    packages = ["numpy", "scipy", "scikit-learn", "spams-bin", "numba", "diffrax", "jax", "lassoflow"]
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    blas = {
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')})"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    }
    return "\n".join(
        [
            f"{os.cpu_count()} cores, {_processor()}; Python {platform.python_version()}, {platform.system()}.",
            f"{versions}.",
            f"BLAS: {', '.join(sorted(blas)) or 'unknown'}.",
        ]
    )


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
