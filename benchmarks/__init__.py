"""Speed against the solvers of today, and the inputs on which those go wrong: ``python -m benchmarks``."""
