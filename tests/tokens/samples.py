"""The texts that vocabularies are tested on: a small corpus, and any text at all."""

from hypothesis import strategies as st

TEXTS = (
    "The sea was dark, and the captain's lamp was the only light.\nThe ship went on; the sea went with it.",
    "Stir the soup slowly. The soup should never boil (that is the secret).\n\n    Salt it at the end.",
    'The captain said: "The lamp, the light and the sea." Nobody answered the captain.\tThe soup was cold.',
)

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"  # one picture, five code points
SPACES = ["\0", "\r\n", "\n", "\t", " ", "  ", "\u2581", "\u2585", "\ufeff", "\u00a0"]
NAMES = ["</s>", "<unk>", "<0x41>", "<s>"]

# Any Unicode text, and more often than chance would have it what breaks tokenisers.
fragment = st.one_of(st.sampled_from([*SPACES, *NAMES, *TEXTS, FAMILY, "e\u0301", "\ufffd"]), st.text(max_size=8))
any_text = st.lists(fragment, max_size=8).map("".join)
