"""`attend` as it is called: checks, and the choice of a back end.

    s_t   = q · k_t · scale                  cap · tanh(s_t / cap), if there is a cap
    out   = Σ_t e^(s_t − max s) v_t / Σ_t e^(s_t − max s)        over the tokens t of a text, or the last `window`

for the one query of each head that a step of decoding has.  Query heads share keys and values in groups of H / K, so
these are read once for a group, which is what counts:

    bytes        2 K · tokens · h · 4 (float32), · 2 (half) or · (1 + 4 / h) (int8 with its scales)
    operations   4 H · tokens · h

A text is cut into parts, each summed up under its own largest score; the parts are put together under the largest of
all, so no e^x is ever more than 1.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.attend import cuda, reference
from polyloom_kernels.attend.pages import Longs, Pages, check, whole
from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.threads import cut, each

Floats = NDArray[np.float32]

COMPILED = Compiled("polyloom_kernels.attend.cpu", cuda=True)
KINDS = {"float32": 0, "int8": 2}  # of `polyloom_kernels.dots`
SPEED = 1e8  # numbers of keys and values a second that NumPy attends to, about
ENDLESS = 1 << 40  # tokens of a page that has all of a text


class Rules(NamedTuple):
    """What scores are multiplied with, what bounds them and how far back they go; 0 for no bound."""

    scale: float
    cap: float
    window: int


def attend(
    query: Any,
    pages: Pages,
    lengths: ArrayLike,
    table: ArrayLike | None = None,
    *,
    scale: float | None = None,
    cap: float = 0.0,
    window: int = 0,
    backend: Backend = "auto",
    threads: int = 1,
) -> Any:
    """What each head of a step brings, float32 (B, H, h); zero of a text without tokens.

    `query` float32 (B, H, h), `lengths` whole numbers (B,), `table` (B, n) as `Pages` says, or None if page b is text
    b.  `scale` is 1 / √h unless it is given; a `cap` or `window` of 0 is none.  Compiled code gives the same bits for
    any number of threads and whoever else is there.  Queries and pages may be tensors on a GPU, pages also of float16:
    so is then what is given back.  Raises ValueError for arrays that do not fit.
    """
    gpu, many = on_gpu(backend, query), whole("lengths", lengths)
    query = query if gpu else np.asarray(query)
    rows = np.arange(len(query))[:, None] if table is None else whole("table", table)
    check(query, pages, many, rows)
    rules = _rules(query, scale, cap, window)
    if gpu:
        return _on_gpu(query, pages, many, rows, rules)
    compiled = COMPILED.chosen(backend, _work(pages, many) / SPEED)
    if compiled is None or not len(query):
        return reference.attend(query, pages, many, rows, *rules).astype(np.float32)
    parts = _contiguous(pages)
    places = np.stack([part.ctypes.data + rows * part.strides[0] for part in parts])
    strides = np.array([[part.strides[1]] * len(query) for part in parts], np.int64)
    alike, lines = (pages.keys.dtype.name, pages.keys.shape[1]), (_starts(many, window), frozen(many))
    return _compiled(
        compiled, query, alike, (frozen(places), frozen(strides)), pages.keys.shape[2], lines, rules, threads
    )


class Apart:
    """Texts whose pages lie apart, each in arrays of its own; a step of decoding asks page after page of all of them.

    Pages of the texts are alike but for their room; page n of each may be layer n, of which the first `lengths` tokens
    are looked at.  All is checked once, so that a question costs little beside its answer, and the arrays must not
    move.  Raises ValueError for texts that are not of one kind and lengths that do not fit.
    """

    def __init__(self, texts: Sequence[Pages], lengths: ArrayLike, backend: Backend = "auto", threads: int = 1) -> None:
        self.texts, self.lengths = texts, whole("lengths", lengths, (len(texts),))
        kinds = {(part.dtype.name, part.shape[1], part.shape[3]) for text in texts for part in text[:2]}
        if len(kinds) > 1:
            raise ValueError(f"Expected texts of one kind, key heads and head size, got {sorted(kinds)}.")
        for b, (text, length) in enumerate(zip(texts, self.lengths.tolist(), strict=True)):
            if not 0 <= length <= text.keys.shape[2]:
                raise ValueError(f"Text {b} has room for 0 … {text.keys.shape[2]} tokens, got {length}.")
        self.shape = (0, 1, 1, 1) if not texts else texts[0].keys.shape
        self.threads, self._starts = threads, dict[int, Longs]()
        work = 2 * int(self.lengths.sum()) * self.shape[1] * self.shape[3]
        self.compiled = COMPILED.chosen(backend, work / SPEED) if texts else None
        self._parts = [_contiguous(text) for text in texts]  # what addresses point to must live as long
        table = np.array([[(part.ctypes.data, *part.strides[:2]) for part in parts] for parts in self._parts], np.int64)
        self._places, self._pages, strides = table.reshape(len(texts), 4, 3).transpose(2, 1, 0)[..., None]
        self._strides = frozen(np.ascontiguousarray(strides[..., 0]))

    def attend(
        self, query: Floats, page: int, *, scale: float | None = None, cap: float = 0.0, window: int = 0
    ) -> Floats:
        """What each head brings of this page of each text, float32 (B, H, h)."""
        rules = _rules(query, scale, cap, window)
        _, heads, _, size = self.shape
        fits = query.shape[0] == len(self.texts) and query.shape[1] % heads == 0 and query.shape[2] == size
        if self.texts and not (fits and 0 <= page < self.shape[0]):
            raise ValueError(
                f"Expected queries ({len(self.texts)}, n · {heads}, {size}) and a page from 0 to {self.shape[0] - 1}, "
                f"got {query.shape} and {page}."
            )
        if self.compiled is None:
            one = [
                reference.attend(query[b : b + 1], text, self.lengths[b : b + 1], np.array([[page]]), *rules)
                for b, text in enumerate(self.texts)
            ]
            return np.concatenate([np.zeros((0, *query.shape[1:])), *one]).astype(np.float32)
        places = frozen(np.ascontiguousarray(self._places + page * self._pages))
        if window not in self._starts:
            self._starts[window] = _starts(self.lengths, window)
        alike = self.texts[0].keys.dtype.name, self.shape[1]
        lines = self._starts[window], frozen(self.lengths)
        return _compiled(self.compiled, query, alike, (places, self._strides), ENDLESS, lines, rules, self.threads)


def _on_gpu(query: Any, pages: Pages, lengths: Longs, table: Longs, rules: Rules) -> Any:
    kind = str(pages.keys.dtype).removeprefix("torch.")
    if kind not in cuda.KINDS:
        raise ValueError(f"On a GPU keys and values are {', '.join(cuda.KINDS)}, got {kind}.")
    machine = Device.of(query)
    seen = np.minimum(lengths, rules.window) if rules.window else lengths
    sides = machine.array(table, "long long"), machine.array(lengths, "long long")
    asked = cuda.Asked(*sides, int(seen.max(initial=0)), *rules)
    placed = Pages(*(None if part is None else part.contiguous() for part in pages))
    return cuda.run(machine, query.contiguous(), placed, cuda.KINDS[kind], asked)


def _rules(query: Any, scale: float | None, cap: float, window: int) -> Rules:
    if str(query.dtype).removeprefix("torch.") != "float32" or query.ndim != 3:
        raise ValueError(f"Expected float32 queries (B, H, h), got {query.dtype} {tuple(query.shape)}.")
    usual = query.shape[-1] ** -0.5 if scale is None else scale
    if not (np.isfinite(usual) and np.isfinite(cap) and cap >= 0 and window >= 0):
        raise ValueError(f"Expected a scale, and a cap and a window of 0 or more; got {scale}, {cap} and {window}.")
    return Rules(float(usual), float(cap), int(window))


def _work(pages: Pages, lengths: Longs) -> int:
    return 2 * int(lengths.sum()) * pages.keys.shape[1] * pages.keys.shape[3]


def _contiguous(pages: Pages) -> list[NDArray[Any]]:
    """Arrays in whose pages and heads token follows on token; scales are there in any case."""
    parts = [pages.keys, pages.values, pages.key_scales, pages.value_scales]
    found = [pages.keys if part is None else part for part in parts]
    return [part if part[0, 0].flags.c_contiguous else np.ascontiguousarray(part) for part in found]


def _starts(lengths: Longs, window: int) -> Longs:
    """Where each text begins to be looked at."""
    return frozen(np.maximum(0, lengths - window) if window else np.zeros_like(lengths))


def _compiled(
    compiled: Any,
    query: Floats,
    alike: tuple[str, int],
    where: tuple[Longs, Longs],
    page: int,
    lines: tuple[Longs, Longs],
    rules: Rules,
    threads: int,
) -> Floats:
    """`alike` are kind and key heads, `where` places and strides, `lines` starts and lengths; see `cpu.attend`."""
    kind, heads = alike
    if kind not in KINDS:
        raise ValueError(f"On a processor keys and values are {' or '.join(KINDS)}, got {kind}.")
    out, jobs = np.empty(query.shape, np.float32), len(query) * heads
    asked = frozen(np.ascontiguousarray(query)), KINDS[kind], heads, *where, page
    given = (*asked, *lines, np.float32(rules.scale), np.float32(rules.cap), out)
    if threads == 1:
        compiled.attend(*given, 0, jobs)
    else:
        each(compiled.attend, [(*given, some.start, some.stop) for some in cut(jobs, threads)])
    return out


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None
