"""Every bound of the chain and of mirror flow on many random instances a network: does it hold, and how tight is it."""

from __future__ import annotations

import numpy as np

import lassoflow as lf
from benchmarks import networks
from benchmarks.table import table

HEADER = ["network", "bound", "instances", "violated", "observed / bound, median", "largest", "says nothing"]


def run(count: int) -> str:
    """The table: one row a network and bound."""
    rows = []
    for kind in networks.KINDS:
        seen: dict[str, list[tuple[bool, float]]] = {}
        silent = 0
        for seed in range(count):
            problem, network = networks.instance(kind, seed)
            flow = lf.gradient_flow(problem, network)
            law, chain = lf.certify(flow), lf.compare(flow)
            silent += _is_vacuous(problem, flow, chain)
            for check in (*law.checks, *chain.checks[-3:]):
                if check.holds is not None and check.bound is not None:
                    ratio = check.value / check.bound if check.bound else 0.0
                    seen.setdefault(check.name, []).append((check.holds, ratio))
        for name, results in seen.items():
            held, ratios = zip(*results, strict=True)
            last = f"{silent}" if name == "distance of averaged flow and lasso" else ""
            row = [kind, name, str(len(held)), str(held.count(False)), f"{np.median(ratios):.2g}", f"{max(ratios):.3g}"]
            rows.append([*row, last])
    text = [
        "Random problems of 3 to 15 samples and features, noisy or not; scales from 1e-1 to 1e-12. A bound on the",
        "distance says nothing where it is at every s above the distance of the lasso from zero.",
        "",
        table(HEADER, rows),
    ]
    return "\n".join(text)


def _is_vacuous(problem: lf.LeastSquares, flow: lf.Path, chain: lf.Certificate) -> bool:
    lasso = lf.lasso_path(problem, np.stack([flow.box.upper, flow.box.lower]))
    size = np.linalg.norm(problem.fitted(lasso.average(chain.s, side="left")), axis=1)
    return not (chain.bound < size / np.linalg.norm(problem.target)).any()
