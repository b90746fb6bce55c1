"""Figures of the papers, made anew: one module a figure, each with its numbers beside the published ones.

``FIGURES[name].run(quick, seed)`` gives a :class:`Reproduction`.

Examples
--------
>>> from lassoflow.figures import FIGURES
>>> made = FIGURES["zhao_jumps"].run(quick=True, seed=0)
>>> sorted(made.data), round(made.numbers["jump_2"], 9)
(['jumps', 'paths'], 3.0)
"""

from lassoflow.figures import (
    berthier_monotone,
    berthier_paths,
    deep_rates,
    depth_ladder,
    error_ratios,
    kernel_to_rich,
    kinds_map,
    l1_rates,
    layer_rates,
    realistic_scales,
    saddles,
    scalar_roots,
    selection_study,
    step_size,
    tightness,
    vaskevicius,
    zhao_jumps,
    zhao_layers,
)
from lassoflow.figures.reproduction import Figure, Reproduction

FIGURES: dict[str, Figure] = {
    module.FIGURE.name: module.FIGURE
    for module in (
        berthier_paths,
        berthier_monotone,
        saddles,
        zhao_jumps,
        zhao_layers,
        depth_ladder,
        vaskevicius,
        layer_rates,
        step_size,
        l1_rates,
        tightness,
        realistic_scales,
        kernel_to_rich,
        scalar_roots,
        kinds_map,
        deep_rates,
        error_ratios,
        selection_study,
    )
}
"""All figures by name, in the order of the documentation."""

__all__ = ["FIGURES", "Figure", "Reproduction"]
