"""Three experts with a handful of examples each, and a router of them that is fitted once."""

from functools import cache

from polyloom import Router

EXAMPLES = {
    "sea": [
        "when is it high tide", "how do I reef the sail", "the harbour is full of boats", "is there wind to sail",
        "which way does the tide run", "the anchor drags in the harbour", "a boat with a torn sail", "steer by wind",
    ],
    "kitchen": [
        "how long do I boil an egg", "knead the dough and let it rest", "a pinch of salt in the soup", "is the oven on",
        "chop the onion for the soup", "bake bread in the oven", "whisk the egg with salt", "the dough does not rise",
    ],
    "law": [
        "the party of the first part", "terminate the contract", "who is liable for the damage", "breach of contract",
        "the court hears the party", "give notice in writing", "liable under this contract", "the court decides",
    ],
}  # fmt: skip


@cache
def router() -> Router:
    return Router.fit(EXAMPLES)
