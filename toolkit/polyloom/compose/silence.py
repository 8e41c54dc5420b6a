"""Where several lanes are all 0 at once, which would leave nobody to speak.

The t at which a lane is 0 are a few whole stretches, which begin and end where the lane turns (`Lane.turns`), the last
of them perhaps open; and so are those at which all of several lanes are.  Lanes that count from the prompt's end and
lanes that count from the text's beginning differ by the length of the prompt, which can be any.
"""

from collections.abc import Sequence

from polyloom.compose.lane import Lane


def silence(lanes: Sequence[Lane]) -> tuple[int, int] | None:
    """A token t, and after a prompt of how many tokens, at which all lanes are 0; None if there is none."""
    ours, theirs = ([lane for lane in lanes if lane.origin == origin] for origin in ("prompt", "text"))
    t = next((t for t in _turns(ours) if _silent(ours, t)), None)
    if t is None:
        return None
    later = next((s for s in (t, *_turns(theirs)) if s >= t and _silent(theirs, s)), None)
    if later is None:
        return None
    return (t, later - t) if ours else (later, 0)


def _silent(lanes: Sequence[Lane], t: int) -> bool:
    return not any(lane.at(t) for lane in lanes)


def _turns(lanes: Sequence[Lane]) -> list[int]:
    return sorted({0, *(t for lane in lanes for t in lane.turns())})
