"""The calls of bertviz (Vig 2019), argument for argument, on bare arrays of any library.

    head_view(attention, tokens)                          self-attention
    head_view(attention, tokens, sentence_b_start=6)      a pair of sentences: all, and each onto each
    head_view(encoder_attention=…, decoder_attention=…, cross_attention=…, encoder_tokens=…, decoder_tokens=…)

Both return an `AttentionView`, which a notebook shows where it is the last line of a cell, and which can be linked and
exported; `html_action="return"` gives its page as an IPython `HTML` object instead.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from polyloom.errors import InputError
from polyloom_widgets.attention.attention import AttentionView
from polyloom_widgets.attention.reading import Reading, from_arrays

Action = Literal["view", "return"]
MARKS = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})  # of a space and of a line's end in GPT-2 and SentencePiece
TALL = 720  # pixels of the frame around a returned page


def head_view(
    attention: Any = None,
    tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    prettify_tokens: bool = True,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
    include_layers: Sequence[int] | None = None,
    html_action: Action = "view",
) -> Any:
    """Attention as lines between tokens, one layer or head at a time.

    `attention` is a sequence of arrays (1, heads, T, T), one for each layer, or one array (layers, heads, T, T), of any
    library; `tokens` the T tokens.  `layer` and `heads` are chosen at first: all heads of the first layer by default.
    Raises InputError for arrays and tokens that do not fit together.
    """
    given = (encoder_attention, decoder_attention, cross_attention, encoder_tokens, decoder_tokens)
    readings = _readings(attention, tokens, sentence_b_start, prettify_tokens, *given)
    view = AttentionView(readings=[one.chosen(include_layers, None) for one in readings], look="arcs")
    at = view.readings[0]["layers"][0] if layer is None else layer
    which = [] if heads is None else list(heads)
    view.chosen = ["layer", at] if not which else ["head", at, which[0]] if len(which) == 1 else ["heads", at, *which]
    return _given(view, html_action)


def model_view(
    attention: Any = None,
    tokens: Sequence[str] | None = None,
    sentence_b_start: int | None = None,
    prettify_tokens: bool = True,
    display_mode: str = "dark",
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
    include_layers: Sequence[int] | None = None,
    include_heads: Sequence[int] | None = None,
    html_action: Action = "view",
) -> Any:
    """All heads of all layers at a glance; arguments as for `head_view`.

    `display_mode` is taken and changes nothing: the view is light or dark as the page around it is.
    """
    if display_mode not in ("dark", "light"):
        raise InputError(f"Expected display_mode 'dark' or 'light', got {display_mode!r}.")
    given = (encoder_attention, decoder_attention, cross_attention, encoder_tokens, decoder_tokens)
    readings = _readings(attention, tokens, sentence_b_start, prettify_tokens, *given)
    view = AttentionView(readings=[one.chosen(include_layers, include_heads) for one in readings])
    return _given(view, html_action)


def _readings(
    attention: Any,
    tokens: Sequence[str] | None,
    sentence_b_start: int | None,
    pretty: bool,
    encoder: Any,
    decoder: Any,
    cross: Any,
    encoder_tokens: Sequence[str] | None,
    decoder_tokens: Sequence[str] | None,
) -> list[Reading]:
    two_sided = (encoder, decoder, cross, encoder_tokens, decoder_tokens)
    if attention is not None:
        if any(one is not None for one in two_sided):
            raise InputError("Give `attention` and `tokens`, or the arguments of an encoder and a decoder; not both.")
        whole = from_arrays("all", attention, _words("tokens", tokens, pretty))
        return [whole] if sentence_b_start is None else _pair(whole, sentence_b_start)
    parts = {
        "encoder": (encoder, encoder_tokens, encoder_tokens, "encoder_tokens"),
        "decoder": (decoder, decoder_tokens, decoder_tokens, "decoder_tokens"),
        "cross": (cross, decoder_tokens, encoder_tokens, "encoder_tokens and decoder_tokens"),
    }
    found = [
        from_arrays(name, weights, _words(needed, queries, pretty), _words(needed, keys, pretty))
        for name, (weights, queries, keys, needed) in parts.items()
        if weights is not None
    ]
    if not found:
        raise InputError("Expected `attention` and `tokens`, or attention of an encoder, a decoder, or across them.")
    return found


def _pair(whole: Reading, start: int) -> list[Reading]:
    """The whole, and what each of two sentences takes from each."""
    count = len(whole.queries)
    if isinstance(start, bool) or not isinstance(start, int) or not 0 < start < count:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"sentence_b_start must be from 1 to {count - 1}, got {start!r}.")
    a, b = slice(0, start), slice(start, count)
    sides = {"A → A": (a, a), "B → B": (b, b), "A → B": (a, b), "B → A": (b, a)}
    return [whole, *(whole.part(f"sentence {name}", *side) for name, side in sides.items())]


def _words(name: str, tokens: Sequence[str] | None, pretty: bool) -> tuple[str, ...]:
    if tokens is None:
        raise InputError(f"There is attention without its tokens: give {name}.")
    if isinstance(tokens, str) or any(not isinstance(one, str) for one in tokens):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected {name} as a list of strings: tokenizer.convert_ids_to_tokens(ids).")
    return tuple(one.translate(MARKS).removesuffix("</w>") for one in tokens) if pretty else tuple(tokens)


def _given(view: AttentionView, action: Action) -> Any:
    if action == "view":
        return view
    if action != "return":
        raise InputError(f"Expected html_action 'view' or 'return', got {action!r}.")
    from IPython.display import HTML

    with TemporaryDirectory() as folder:
        page = view.to_html(Path(folder) / "view.html").read_text(encoding="utf-8")
    view.close()
    frame = f"width:100%;height:{TALL}px;border:0"
    inner = f"<iframe title='Attention' style='{frame}' srcdoc='{escape(page, quote=True)}'></iframe>"
    return HTML(f"<div>{inner}</div>")  # IPython warns of a bare frame, which IFrame can fill from an address only
