#!/usr/bin/env python3
"""Writes expressions.tsv: array expressions and their values by numpy. Run it with a python that has numpy.

A case is an expression that Python reads alike, given the names below, or a pair (expression, numpy's way to say it).
Random expressions of all of them follow. A line has the expression, the shape, the type and the values.
"""
import pathlib
import random
import warnings

import numpy as np

warnings.simplefilter("ignore")


def sized(function):
    return lambda *size: function(size[0] if len(size) == 1 and isinstance(size[0], tuple) else size)


def asarray(x):
    return np.asarray(x, dtype=float)


TYPES = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "u8": np.uint8}


def along(function):
    """A number has no axes here; numpy's functions disagree on that."""
    def checked(x, axis=None):
        if axis is not None and np.ndim(x) == 0:
            raise ValueError("no axes")
        return function(x, axis=axis)
    return checked


def dot(a, b):
    # a number takes the type of the array, in a product as elsewhere
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else np.dot(a, b)


def cast(x, name):
    return np.asarray(x).astype(TYPES[name])


def histogram(x, bins=10, min=None, max=None):
    ends = None if min is None and max is None else (np.min(x) if min is None else min, np.max(x) if max is None else max)
    return np.histogram(x, bins=int(bins), range=ends)[0]


NAMES = {
    # The values; tests.rs has the same.
    "x": np.arange(10.0) * 1.5 - 4.0,
    "y": np.array([0.5, -1.0, 2.0, 3.25]),
    "m": np.arange(12.0).reshape(3, 4) / 3.0,
    "t": np.sin(np.arange(24.0)).reshape(2, 3, 4),
    "e": np.zeros((0, 3)),
    "k": 2.5,
    "i": 3,
    "g": [np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 20.0, 30.0, 40.0]), np.array([0.1, 0.2, 0.3, 0.4])],
    "f": (np.arange(10.0) * 1.5 - 4.0).astype(np.float32),
    "n": np.arange(-2, 4, dtype=np.int32) * 40_000,
    "b": np.arange(0, 240, 40, dtype=np.uint8),
    "l": np.arange(12, dtype=np.int64).reshape(3, 4) - 5,
    "h": [np.array([1.0, 2.0]), np.array([3.0]), np.array([4.0, 5.0, 6.0])],
    # The functions that numpy calls otherwise.
    "zeros": sized(np.zeros),
    "ones": sized(np.ones),
    "full": lambda *a: np.full(a[:-1], float(a[-1])),
    "arange": lambda *a: np.arange(*map(float, a)),
    "linspace": np.linspace,
    "concat": lambda *a, axis=0: np.concatenate(a[0] if len(a) == 1 else a, axis=axis),
    "reshape": lambda x, *size: np.reshape(x, size[0] if isinstance(size[0], tuple) else size),
    "transpose": lambda x, *axes: np.transpose(x, (axes[0] if isinstance(axes[0], tuple) else axes) if axes else None),
    "where": np.where, "clip": np.clip, "floor": np.floor, "abs": np.abs, "dot": dot, "matmul": np.matmul,
    "sum": along(np.sum), "mean": along(np.mean), "min": along(np.min), "max": along(np.max), "std": along(np.std), "var": along(np.var),
    "norm": along(np.linalg.norm), "argmin": along(np.argmin), "argmax": along(np.argmax), "histogram": histogram, "cast": cast,
    "eye": lambda n, m=None: np.eye(int(n), None if m is None else int(m)),
    "stack": lambda *a, axis=0: np.stack(a[0] if len(a) == 1 else a, axis=axis),
    "median": along(np.median), "any": along(np.any), "all": along(np.all), "nansum": along(np.nansum), "nanmean": along(np.nanmean),
    "percentile": np.percentile, "quantile": np.quantile, "cumsum": np.cumsum, "diff": np.diff, "sort": np.sort, "unique": np.unique,
    "ceil": np.ceil, "round": np.round, "isnan": np.isnan,
    "sqrt": np.sqrt, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "tan": np.tan,
}

CASES = [
    # Numbers and precedence.
    "1", "1_000", "1e-3", ".5", "5.", "1_0.2_5e+1_0", "1 + 2 * 3", "(1 + 2) * 3", "2 ** 3 ** 2", "-2 ** 2", "(-2) ** 2",
    "2 ** -1", "2 ** -1 ** 2", "-2 ** -2", "--3", "1 - -1", "1 - 2 - 3", "8 / 4 / 2", "7 / 2", "2 * 7 % 4", "7 % -3",
    "-7 % 3", "-7 % -3", "-6 % 3", "5.5 % 2", "-0.5 % 1", ("1 % 0", "np.float64(1) % 0"),
    ("1 / 0", "np.float64(1) / 0"), ("0 / 0", "np.float64(0) / 0"), "-k ** 2", "k ** 0.5", "i * k", "2 < 3", "3 <= 3",
    "3 != 3", "1 + 1 == 2", ("2 < 3 && 3 < 2", "2 < 3 and 3 < 2"), ("1 < 2 || 0 / 1 > 3", "1"), ("!1", "0"),
    ("!0 + 1", "2"), ("!k == 0", "1"), ("1 || 0 && 0", "1"), ("-1 ** 0.5", "-1.0"), "+3 - +2", "- 3 % 2 * 2",
    # Arrays and numbers, arrays and arrays.
    "x", "-x", "x + 1", "1 - x", "x * x", "x / 3", "3 / (x + 0.25)", "x % 2", "-x % 2", "x % -2", "2 % (x + 0.25)", "abs(x) ** 1.5",
    "x ** 2", "2 ** x", "x ** 3", "x ** -1", "x > 0", "x == -4", "x != -4", "x <= 0.5", "x >= 0.5",
    ("x > 0 && x < 5", "(x > 0) & (x < 5)"), ("x < 0 || x > 5", "(x < 0) | (x > 5)"), ("!x", "x == 0"), ("!(x > 0)", "x <= 0"),
    "x + x * 2 - x / 4", "(x + 1) * (x - 1)", "(1 + x) - (2 * x)", "x - (x + 1)", "x ** x", "0 ** x",
    # Broadcasting.
    "m + y", "y + m", "m * 2 + y", "y - (m * 2)", "(m + 0) - y", "y / (m + 1)", "t + m", "m - t", "t * y",
    "reshape(y, 4, 1) * y", "reshape(y, 4, 1) - reshape(y, 1, 4)", "t + reshape(arange(2), 2, 1, 1)", "ones(3, 1) + ones(1, 4)",
    "e + 1", "e + zeros(1, 3)", "e * arange(3)", "ones(1) + e", "m > y", "m == transpose(reshape(m, 4, 3))", "m[:, 0:1] + y",
    # Slices and indexes.
    "x[0]", "x[-1]", "x[i]", "x[0:3]", "x[:3]", "x[7:]", "x[:]", "x[-3:]", "x[:-3]", "x[2:8:2]", "x[::3]", "x[::-1]", "x[8:2:-2]",
    "x[:2:-3]", "x[5::-1]", "x[-2:-9:-3]", "x[100:]", "x[-100:3]", "x[3:100]", "x[5:2]", "x[2:5:-1]", "x[-1:-100:-4]", "x[1:2:9]",
    ("x[2 * i - 1:k * 4]", "x[5:10]"), "m[1]", "m[1, 2]", "m[-1, -1]", "m[:, 1]", "m[1, :]", "m[0:2, 1:3]", "m[::-1, ::2]",
    "m[1:][0]", "m[:, ::-1][1]", "t[1, :, 2]", "t[..., 0]", "t[0, ...]", "t[1, ..., 1:3]", "t[...]", "t[:, 1]", "t[-1][-1][-1]",
    "(m + 1)[1]", "(m * 2)[:, 1:3]", "(x * 2)[::-2]", "(m + 1)[::-1, 2]", "m[0:1]", "m[0, 0:1]", "m[3:]", "e[0:0]", "e[:, 1]",
    "x[0:3] + x[7:10]", "x[::2] - x[1::2]", "(x + 0)[0:3] * 2", "m[1:, :] - m[:-1, :]",
    # Making arrays.
    "zeros(3)", "zeros(2, 3)", "zeros((2, 3))", "ones(2, 1, 2)", "full(3, 7)", "full(2, 2, 0.5)", ("full(2, value = i)", "full(2, 3)"),
    ("full((1, 2), value = 4)", "full(1, 2, 4)"), "zeros(0)", "zeros(0, 3)", "arange(5)", "arange(2, 5)", "arange(0, 1, 0.1)", "arange(1, 2, 0.3)",
    "arange(5, 0, -2)", "arange(0)", "arange(5, 2)", "arange(0.5, 4)", ("arange(0, 10, step = 4)", "arange(0, 10, 4)"), "arange(-3.1, 3, 0.7)",
    "linspace(0, 1, 11)", "linspace(-1, 1, 4)", "linspace(0, 1, num=3)", "linspace(2, 3, 1)", "linspace(2, 3, 0)", "linspace(0, 1)",
    "linspace(3, 3, 4)", "linspace(0, 5e-324, 3)", "linspace(1, 0, 7)", ("[1, 2, 3]", "asarray([1, 2, 3])"),
    ("[[1, 2], [3, 4]]", "asarray([[1, 2], [3, 4]])"), ("[1, 2] + 1", "asarray([2, 3])"), ("[]", "asarray([])"),
    ("[x[0], k]", "asarray([x[0], k])"), ("(1, k) * 2", "asarray([2, 5])"), ("[y, y]", "asarray([y, y])"),
    # Aggregates.
    "sum(x)", "mean(x)", "min(x)", "max(x)", "std(x)", "var(x)", "sum(3)", "mean(3)", "std(3)", "sum(m, axis=0)", "sum(m, axis=1)",
    "sum(m, axis=-1)", "sum(m, 0)", "mean(m, axis=0)", "mean(m, axis=1)", "min(m - 2, axis=0)", "max(m, axis=1)", "std(m, axis=0)",
    "std(m, axis=1)", "var(t, axis=1)", "var(t, axis=2)", "var(t, axis=0)", "sum(t, axis=1)", "mean(t, axis=-3)", "min(t, axis=1)",
    "max(t, axis=-1)", "sum(transpose(m), axis=0)", "sum(m[:, ::2], axis=1)", "sum(e)", "sum(e, axis=0)", "sum(e, axis=1)",
    "mean(e, axis=0)", "mean(e)", "sum(x > 0)", "mean(x[::2])", "std(t)", "sum(zeros(3, 0), axis=1)", "max(m) - min(m)",
    "(x - mean(x)) / std(x)", "m - mean(m, axis=0)", "sum(log(x))", "min(log(x))", "max(reshape(log(x), 2, 5), axis=0)",
    "sum(arange(100000))", "sum(1 / (1 + arange(300)))", "var(linspace(0, 1, 70000))",
    # Element-wise functions.
    "sqrt(x)", "exp(x)", "log(x)", "sin(x)", "cos(x)", "tan(x)", "abs(x)", "floor(x)", "floor(-k)", "sqrt(2)", "exp(1)", "abs(-k)",
    "sqrt(abs(m - 2))", "clip(x, -1, 2)", "clip(m, y, 3)", "clip(5, 0, 1)", "clip(log(x), 0, 1)", ("clip(x, min=0, max=2)", "clip(x, 0, 2)"),
    "where(x > 0, x, 0)", "where(x > 0, sqrt(x), -x)", "where(m > y, m, y)", "where(1, 2, 3)", "where(0, x, k)", "where(reshape(y, 4, 1) > 1, 1, y)",
    # Joining and shaping.
    "concat(x, y)", "concat((x, y))", "concat([x, y])", "concat(m, m, axis=1)", "concat(m, m[0:1])", "concat(t, t[:, 0:1], axis=1)",
    ("concat(x, k)", "concat(x, [k])"), ("concat(1, 2, 3)", "asarray([1, 2, 3])"), "concat(e, ones(2, 3))", "concat(m, m, axis=-1)[1]",
    "reshape(x, 2, 5)", "reshape(x, (5, 2))", "reshape(x, -1, 2)", "reshape(m, -1)", "reshape(m, 2, -1)", "reshape(transpose(m), 12)",
    "reshape(m[::2, ::2], 4)", "reshape(x[0], 1)", "reshape(e, 3, 0)", "reshape(x * 2, 5, 2)", ("reshape(x[0:1], [1, 1])", "reshape(x[0:1], 1, 1)"),
    "transpose(m)", "transpose(x)", "transpose(t)", "transpose(t, 1, 0, 2)", "transpose(t, (2, 0, 1))", "transpose(t, 0, -1, 1)", "transpose(m) + reshape(y, 4, 1)",
    "transpose(m + 1) * 2", "transpose(m)[1:3, 0]",
    # Products.
    "dot(y, y)", "dot(m, y)", "dot(arange(3), m)", "dot(m, transpose(m))", "dot(transpose(m), m)", "dot(2, y)", "dot(m, 3)", "dot(3, 4)",
    "matmul(m, y)", "matmul(arange(3), m)", "matmul(m, reshape(x[0:8], 4, 2))", "matmul(y, y)", "matmul(m[::-1, ::2], ones(2, 2))",
    "matmul(t, transpose(m))", "matmul(t, y)", "matmul(m, transpose(t, 0, 2, 1))", "matmul(y, transpose(t, 0, 2, 1))", "dot(t, y)", "dot(t, transpose(m))",
    "matmul(t, transpose(t, 0, 2, 1))", "matmul(reshape(t, 2, 1, 3, 4), transpose(t, 0, 2, 1))[1, 0]", "matmul(zeros(2, 0), zeros(0, 3))", "dot(e, ones(3))", "dot(x[::-1], x)",
    # Norms, places, counts, identity.
    "norm(x)", "norm(m)", "norm(m, axis=0)", "norm(t, axis=1)", "norm(t, axis=-1)", "norm(-3)", "norm(e, axis=0)", "argmax(x)", "argmin(x)",
    "argmax(m, axis=1)", "argmin(t, axis=0)", "argmax(t, axis=1)", "argmin(t, axis=-1)", "argmax(t)", "argmax(log(x))", "argmin(log(x))",
    "argmax(x * 0)", "argmax(m % 2, axis=0)", "argmin([3, 1, 1])", "histogram(x)", "histogram(x, 3)", "histogram(m, 4, min=1, max=3)",
    "histogram(t, bins=7)", "histogram(x, 5, max=2)", "histogram(full(4, 2), 3)", "histogram(arange(0, 1, 0.1), 10)", "histogram(linspace(0, 1, 11), 10)",
    "histogram(zeros(0), 2)", "histogram(linspace(-3, 3, 50), 13)", "eye(3)", "eye(2, 4)", "eye(3, 2)", "eye(0)", "matmul(m, eye(4))",
    "stack(y, y)", "stack(y, 2 * y, axis=1)", "stack(m, m, axis=-1)", "stack(t, t, axis=1)[0, 1]", "stack(g, axis=1)", "stack(1, 2, 3)", "stack([y, y])",
    # Element types.
    "f", "n", "b", "l", "f + 1", "f * 2.5", "f / 3", "f + x", "f * f", "f ** 2", "f ** 3", "sqrt(abs(f))", "1 / (f + 0.25)", "f % 2", "f > 0", "-f",
    "f - mean(f)", "sum(f)", "mean(f)", "std(f)", "min(f)", "norm(f)", "f * n[0]", "n + 1", "n + 0.5", "n * n", "n * 2", "n / 3", "n % 7", "n % -7",
    "n ** 2", "n ** 3", "-n", "abs(n)", "sqrt(abs(n))", "n > 0", "sum(n)", "mean(n)", "max(n)", "var(n)", "n + l[0, 0]", "n * b", "b + b", "b * 2", "b - 1",
    "b * b", "b / 2", "b + f[0:6]", "-b", "b ** 2", "b ** 9", "b > 100", "sum(b)", "mean(b)", "min(b)", "b % 7", "7 % (b + 1)", "l * l", "l / 2", "l % 3",
    "l ** 3", "sum(l)", "sum(l, axis=0)", "mean(l, axis=1)", "max(l, axis=0)", "transpose(l)", "l[1]", "l[:, 1:3]", "l + 1.5", "l == 3", "floor(l)",
    "matmul(l, transpose(l))", "dot(n, n)", "dot(l, y)", "where(l > 0, l, 0)", "where(n > 0, n, b)", "where(f > 0, f, 0.1)", "clip(l, 0, 3)", "clip(n, 0, 50000)",
    "clip(f, -1, 2)", "concat(n, b)", "concat(f, b)", "concat(f, n)", "concat(b, x)", "stack(n, n)", "cast(x, 'i32')", "cast(x, 'f32')", "cast(n, 'u8')",
    "cast(l, 'u8')", "cast(x, 'i64')", "cast(f, 'f64')", "cast(0.1, 'f32')", "cast(x, 'i32') / 2", "cast(300, 'u8')", "cast(m, 'f32') * y", "cast(-2.7, 'i64')",
    "cast(x > 0, 'u8')", "cast(1, 'f32') / 3", "n * 100000", "cast([46341], 'i32') ** 2", "cast([3], 'i32') ** 31", "n % 0", "sum(x > 0)", "f * (f > 0)", "n * (n > 0)",
    # Order, truth, what is no number.
    "median(x)", "median(y)", "median(m, axis=0)", "median(m, axis=1)", "median(t, axis=-1)", "median(log(x))", "median(3)", "median(n)", "median(f)",
    "percentile(x, 25)", "percentile(y, 90)", "percentile(m, 10, axis=0)", "percentile(t, 75, axis=1)", "quantile(x, 0.5)", "quantile(x, 0)",
    "quantile(y, 1)", "quantile(m, 0.3, axis=-1)", "quantile(log(x), 0.5)", "quantile(l, 0.25)", "cumsum(x)", "cumsum(m)", "cumsum(m, axis=0)",
    "cumsum(m, axis=1)", "cumsum(t, axis=1)", "cumsum(b)", "cumsum(n)", "cumsum(l, axis=1)", "cumsum(3)", "cumsum(e, axis=1)", "diff(x)", "diff(y)",
    "diff(m)", "diff(m, axis=0)", "diff(t, axis=1)", ("diff(x, 2)", "diff(x, 2)"), ("diff(m, n=2, axis=0)", "diff(m, 2, 0)"), "diff(b)", "diff(n)", "diff(x[0:1])",
    ("diff(y, n=9)", "diff(y, 9)"), "diff(y, 0)", "sort(y)", "sort(x % 2)", "sort(-m)", "sort(-m, axis=0)", "sort(t, axis=1)", "sort(log(x))", "sort(l % 5)",
    "sort(f % 2)", "unique(x % 2)", "unique(m % 1 > 0)", "unique(t > 0)", "unique(b)", "unique(3)", "unique(e)", "unique([3, 1, 3])", "any(x > 8)", "any(x > 9)",
    "all(x > -5)", "all(x > 0)", "any(m > 3, axis=0)", "all(m > 0, axis=1)", "any(e)", "all(e)", "any(log(x))", "any(n, axis=0)", "nansum(log(x))",
    "nanmean(log(x))", "nansum(m, axis=0)", "nanmean(t, axis=1)", "nansum(reshape(log(x), 2, 5), axis=0)", "nanmean(reshape(log(x), 2, 5), axis=1)",
    "nansum(n)", "nanmean(l)", "isnan(log(x))", "isnan(x)", "isnan(0.5)", "sum(isnan(log(x)))", "ceil(x)", "ceil(-k)", "round(x)", "round(k)", "round(-k)",
    "round(3.5)", "round(f)", "ceil(f)", "round(m * 2)",
    # Gathers.
    ("g", "asarray(g)"), "g[0]", "g[-1]", "g[1][2]", ("g[1, 2]", "g[1][2]"), ("g[0:2]", "asarray(g[0:2])"), ("g[::-1]", "asarray(g[::-1])"),
    ("g[:, 1]", "asarray(g)[:, 1]"), ("g[..., 0:2]", "asarray(g)[..., 0:2]"), ("g + 1", "asarray(g) + 1"), ("g * y", "asarray(g) * y"), "sum(g)",
    "sum(g, axis=0)", "mean(g, axis=1)", "max(g, axis=0)", "concat(g)", "concat(h)", "h[2]", "concat(h[1:])", "concat(g, axis=0)[3:6]",
    ("concat(h, y)", "concat(h + [y])"), "g[0] + g[1]", "g[i - 1]", "reshape(g, 4, 3)", ("-g", "-asarray(g)"), "where(g[0] > 2, g[1], g[2])",
]


def element_type(value):
    """The type that the value of an expression has here: comparisons and bare numbers count as f64."""
    if value.dtype == np.uint64:
        return "i64"  # a sum of bytes
    named = [name for name, kind in TYPES.items() if kind == value.dtype.type]
    return named[0] if named and value.dtype != np.bool_ else "f64"


class Grow:
    """Random expressions that Python and numpy read alike."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def array(self, depth):
        pick = self.random.choice
        if depth == 0 or self.random.random() < 0.15:
            return pick(["x", "y", "m", "t", "f", "n", "b", "l", "m[1]", "t[0]", "x[0:4]", "l[0]", "f[::2]", "k", "2", "0.5", "3", "eye(4)", "arange(4) * 1.0"])
        a, b = (lambda: self.array(depth - 1)), (lambda: self.array(depth - 1))
        axis = lambda: pick(["0", "1", "-1", "-2"])
        return pick([
            lambda: f"({a()} {pick(['+', '-', '*', '/', '<', '<=', '==', '!=', '>', '>='])} {b()})",
            lambda: f"({a()} {pick(['+', '-', '*'])} {b()})",
            lambda: f"({a()} % {pick(['3', '7', '2.5', '-4'])})",
            lambda: f"({a()} ** {pick(['2', '3', '0.5'])})",
            lambda: f"(-{a()})",
            lambda: f"{pick(['sin', 'cos', 'exp', 'floor', 'abs', 'sqrt'])}({a()})",
            lambda: f"{pick(['sum', 'mean', 'min', 'max', 'std', 'var', 'norm', 'argmin', 'argmax'])}({a()}, axis={axis()})",
            lambda: f"{pick(['sum', 'mean', 'min', 'max', 'std', 'var', 'norm', 'argmax', 'argmin'])}({a()})",
            lambda: f"where({a()} > {b()}, {a()}, {b()})",
            lambda: f"clip({a()}, -1, {pick(['2', '2.5', '100'])})",
            lambda: f"concat({a()}, {b()}, axis={axis()})",
            lambda: f"stack({a()}, {b()}, axis={axis()})",
            lambda: f"transpose({a()})",
            lambda: f"reshape({a()}, {pick(['-1', '(2, -1)', '(-1, 4)', '(4, 3)'])})",
            lambda: f"({a()}){pick(['[0]', '[-1]', '[1:]', '[::-1]', '[::2]', '[:, 1]', '[..., 0]', '[0:2, 1:3]', '[-1, ::-1]'])}",
            lambda: f"matmul({a()}, {b()})",
            lambda: f"dot({a()}, {b()})",
            lambda: f"cast({a()}, '{pick(list(TYPES))}')",
            lambda: f"histogram({a()}, {pick(['3', '5'])}, min=-2, max=4)",
        ])()

    def cases(self, count):
        """So many that have a value, not too large, and that do not hang on the last bit."""
        found = []
        while len(found) < count:
            text = self.array(self.random.choice([1, 2, 2, 3, 3, 4]))
            try:
                value = np.asarray(eval(text, {"np": np, "asarray": asarray, **NAMES}))
            except (ValueError, IndexError, TypeError, OverflowError, np.exceptions.AxisError):
                continue
            if self.fits(text, value) and text not in found:
                found.append(text)
        return found

    @staticmethod
    def fits(text, value):
        # numpy computes roots and the like of small integers in half precision, and knows truth values as a type of their
        # own, both of which this language has not
        bad = value.size > 24 or value.size == 0 or value.dtype.type not in [*TYPES.values()] or len(text) > 110
        return not bad and bool(np.all(np.isfinite(value.astype(float)))) and np.max(np.abs(value.astype(float))) < 1e12


def main():
    lines = []
    for case in CASES + Grow(20240229).cases(400):
        text, python = case if isinstance(case, tuple) else (case, case)
        value = np.asarray(eval(python, {"np": np, "asarray": asarray, **NAMES}))
        shape = ",".join(map(str, value.shape))
        if value.size > 60:
            raise SystemExit(f"{text}: too long for a table")
        values = " ".join(map(repr, value.astype(float).ravel().tolist()))
        lines.append(f"{text}\t{shape}\t{element_type(value)}\t{values}\n")
    path = pathlib.Path(__file__).with_suffix(".tsv")
    path.write_text("".join(lines))
    print(f"{len(lines)} expressions, numpy {np.__version__}")


main()
