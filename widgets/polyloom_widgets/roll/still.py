"""The roll as a picture without scripts: an SVG of its notes over its bars, who chose them, and a few of them in words.

Long scores are drawn as narrow as they fit; of very many notes the first are drawn.
"""

from collections.abc import Sequence
from html import escape

from polyloom.music.score import Score
from polyloom_widgets.base.palette import colours
from polyloom_widgets.roll.picture import times

WIDE, BEAT, ROW, EDGE = 860, 28, 7, 34  # pixels: at most, of a beat at most, of a pitch, of the names of octaves
DRAWN = 3000  # notes
BARRED = 0.5  # pixels of a beat, from which on there are lines between bars
GIVEN = "#8c8c8c"  # notes that nobody chose
SHARPS = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


def still(score: Score, chosen: Sequence[int], names: Sequence[str]) -> str:
    """HTML; `chosen` is for each note which of the `names` it belongs to, −1 for none.  All text escaped."""
    if not len(score):
        return "<div>A score without notes</div>"
    fills = colours(one == "base" for one in names)
    key = " ".join(
        f"<span style='border-bottom:3px solid {colour}'>{escape(name)}</span>"
        for colour, name in zip(fills, names, strict=True)
    )
    return (
        f"<div style='font:13px/18px system-ui,sans-serif'>{_roll(score, chosen, fills)}"
        f"<div>{escape(described(score))} {key}</div></div>"
    )


def described(score: Score) -> str:
    """How many notes, how long."""
    seconds = round(score.seconds(score.end))
    count = f"{len(score):,} note{'s' * (len(score) != 1)}"
    return f"{count}, {seconds // 60}:{seconds % 60:02}"


def name(pitch: int) -> str:
    """C4 for 60."""
    return f"{SHARPS[pitch % 12]}{pitch // 12 - 1}"


def _roll(score: Score, chosen: Sequence[int], fills: Sequence[str]) -> str:
    beats, pitches = times(score)[:DRAWN], score.notes["pitch"][:DRAWN]
    low, high, end = int(pitches.min()) - 1, int(pitches.max()) + 1, float(beats.max())
    beat = min(BEAT, (WIDE - EDGE) / end)
    height, width = ROW * (high - low + 1), EDGE + beat * end
    notes = "".join(
        f"<rect x='{EDGE + beat * start:.1f}' y='{ROW * (high - pitch)}' height='{ROW - 1}' "
        f"width='{max(1, beat * (stop - start) - 1):.1f}' fill='{fills[which] if which >= 0 else GIVEN}'>"
        f"<title>{name(pitch)}</title></rect>"
        for (start, stop), pitch, which in zip(beats.tolist(), pitches.tolist(), chosen[:DRAWN], strict=True)
    )
    bars = score.bars() if beat >= BARRED else ()
    lines = "".join(f"<path d='M{EDGE + beat * tick / score.ticks_per_beat:.1f} 0V{height}'/>" for tick in bars)
    octaves = "".join(
        f"<text x='{EDGE - 6}' y='{ROW * (high - pitch + 1)}' text-anchor='end'>{name(pitch)}</text>"
        for pitch in range(low, high + 1)
        if pitch % 12 == 0
    )
    return (
        f"<svg width='{width:.0f}' height='{height}' viewBox='0 0 {width:.0f} {height}' role='img' "
        f"aria-label='piano roll: {escape(described(score))}' font-size='10'>"
        f"<g stroke='currentColor' stroke-opacity='0.2'>{lines}</g>{notes}<g fill='currentColor'>{octaves}</g></svg>"
    )
