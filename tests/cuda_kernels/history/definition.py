"""What a text says of its own next token, by looking at all of it every time."""

from collections import Counter

from polyloom_kernels.history import Memory


def came_next(text: list[int], order: int) -> Counter[int]:
    """What came after each earlier place whose last `order` tokens are those of the text."""
    if order > len(text):
        return Counter()
    last = text[len(text) - order :]
    return Counter(text[at] for at in range(order, len(text)) if text[at - order : at] == last)


def recent(text: list[int], memory: Memory) -> dict[int, float]:
    """The weight of each token among the newest buckets, the one that is not full yet being the newest."""
    now, found = len(text) // memory.bucket, dict[int, float]()
    for at, token in enumerate(text):
        age = now - at // memory.bucket
        if age < memory.buckets:
            found[token] = found.get(token, 0.0) + 0.5 ** (age * memory.bucket / memory.half_life)
    return found


def chances(text: list[int], token: int, unigram: float, memory: Memory) -> list[float]:
    """p of a token after the text by its recent tokens, then by each order; `unigram` is its chance without context."""
    weights = recent(text, memory)
    cache = (weights.get(token, 0.0) + memory.prior * unigram) / (sum(weights.values()) + memory.prior)
    found = [cache]
    for order in memory.orders:
        counts = came_next(text, order)
        left = memory.discount * len(counts) / counts.total() if counts else 1.0
        seen = max(counts[token] - memory.discount, 0.0) / counts.total() if counts else 0.0
        found.append(seen + left * cache)
    return found


def known(text: list[int], memory: Memory) -> list[tuple[float, int]]:
    """What it has to go by: the weight of the recent tokens; of each order the matches, and of how many kinds."""
    matches = [came_next(text, order) for order in memory.orders]
    return [(sum(recent(text, memory).values()), 0), *((float(m.total()), len(m)) for m in matches)]
