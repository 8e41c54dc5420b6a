"""Well-known public corpora that can be fetched: the table.

The project carries none of them; a recipe says where each lies and what its bytes are. Every address holds the full
commit of its repository, so its content cannot change. Nothing here opens a connection: `fetch` does.

To add one: an https address that never changes, the size and `sha256sum` of the file, its licence. The texts are used
as they are, headers and licences inside them included.
"""

from __future__ import annotations

from difflib import get_close_matches

from polyloom_datasets.errors import DataError
from polyloom_datasets.recipe import Recipe

_WIKITEXT = (
    "https://raw.githubusercontent.com/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8"
    "/word_language_model/data/wikitext-2"
)

_RECIPES = (
    Recipe(
        name="tinyshakespeare",
        title="Tiny Shakespeare",
        description="40,000 lines from Shakespeare's plays: what small character-level models are usually shown on.",
        licence="public domain",
        url="https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
        "/data/tinyshakespeare/input.txt",
        size=1_115_394,
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    Recipe(
        name="warandpeace",
        title="War and Peace",
        description="Tolstoy in the English of Louise and Aylmer Maude, from Project Gutenberg, whose notice and "
        "licence are in the file.",
        licence="public domain (USA)",
        url="https://raw.githubusercontent.com/timbmg/RNNLM/e26dff5d8f4b5d07ee459f192ee2131923d7584f"
        "/data/warandpeace.txt",
        size=3_293_492,
        sha256="bf5b273d9246268f96663c43c00a1055ae2e42c2262be32f7e43b48dd123451a",
    ),
    Recipe(
        name="wikitext2_valid",
        title="WikiText-2, validation",
        description="Articles of Wikipedia, cut into words with <unk> for rare ones. The usual benchmark of word-level "
        "models; its training part is not here.",
        licence="CC-BY-SA-3.0",
        url=f"{_WIKITEXT}/valid.txt",
        size=1_121_681,
        sha256="f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
    ),
    Recipe(
        name="wikitext2_test",
        title="WikiText-2, test",
        description="Other articles of the same benchmark, to be measured on only.",
        licence="CC-BY-SA-3.0",
        url=f"{_WIKITEXT}/test.txt",
        size=1_256_449,
        sha256="d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
    ),
)


def recipes() -> tuple[Recipe, ...]:
    """Every corpus that `fetch` knows by name."""
    return _RECIPES


def named(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        DataError: the name is unknown; the message lists the known ones.

    """
    table = {recipe.name: recipe for recipe in _RECIPES}
    if name in table:
        return table[name]
    nearest = get_close_matches(name.lower(), table, n=1)
    guess = f" Did you mean {nearest[0]!r}?" if nearest else ""
    advice = "What needs no fetching: load. Another file: fetch(Recipe(...))."
    raise DataError(f"fetch: expected one of {', '.join(table)}, got {name!r}.{guess} {advice}")
