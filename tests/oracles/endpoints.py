"""The end of a gradient flow to 50 digits and more: the convex dual solved in multiprecision, from the exact floats."""

from mpmath import mp, mpf


def solve(X, y, phi, slope, start, digits):
    """x with ``X x = y``, ``x = phi(X' nu)``, as a list of mpf; X of full row rank, ``start`` near nu.

    phi and slope take a dual and an index. The potential is strictly convex, so there is one solution.
    """
    with mp.workdps(digits):
        n, d = X.shape
        A, b = mp.matrix(X.tolist()), mp.matrix(y.tolist())
        nu = mp.matrix([mpf(float(v)) for v in start])
        for _ in range(60):
            theta = A.T * nu
            x = [phi(theta[j], j) for j in range(d)]
            weights = [slope(theta[j], j) for j in range(d)]
            H = mp.matrix(n, n)
            for i in range(n):
                for k in range(i + 1):
                    H[i, k] = H[k, i] = mp.fsum(A[i, j] * weights[j] * A[k, j] for j in range(d))
            rest = b - A * mp.matrix(x)
            step = mp.lu_solve(H, rest)
            nu += step
            moved = max(abs(v * w / u) if u else mpf(0) for v, w, u in zip(A.T * step, weights, x, strict=True))
            if moved < mpf(10) ** -50:
                return [phi(v, j) for j, v in enumerate(A.T * nu)]
        raise ArithmeticError("the reference does not converge")


def exponential(log_scale):
    """phi and its slope of ``u^2 - v^2``."""
    L = -mpf(log_scale)

    def phi(theta, _):
        return 2 * mp.exp(-L) * mp.sinh(L * theta)

    def slope(theta, _):
        return 2 * L * mp.exp(-L) * mp.cosh(L * theta)

    return phi, slope


def power(depth, log_scale):
    """phi and its slope of ``u^D - v^D``."""
    p, a = mpf(depth) / (depth - 2), mp.exp(mpf(log_scale))

    def phi(theta, _):
        return a * ((1 - theta) ** -p - (1 + theta) ** -p)

    def slope(theta, _):
        return a * p * ((1 - theta) ** (-p - 1) + (1 + theta) ** (-p - 1))

    return phi, slope
