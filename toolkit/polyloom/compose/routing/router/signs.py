"""Signs of what kind of thing a text is: its language, its format, the technology it is about.

    signs('{"name": "sea"}')                        ["format:json"]
    signs("Why does my pandas DataFrame not sort?")   ["technology:python"]

They are features like any word, with a colon that no word has, so a router learns what they are worth.  Each pattern
is a plain sign that people agree on and none proves anything.  The names are those in which the manifest of an expert
states its capabilities.
"""

import re
from functools import cache

from polyloom.compose.routing.language import languages_of

SURE = 0.5  # of the evidence must speak for a language
FORMATS = {
    "code": r"```|\bdef \w+\(|[;{]\s*$|=>|::|\breturn\b.*;",
    "csv": r"^(?:[^,\n]+,){2,}[^,\n]+\n(?:[^,\n]+,){2,}",
    "email": r"[\w.+-]+@[\w-]+\.\w+",
    "html": r"</?(?:a|body|br|div|h[1-6]|html|img|li|p|script|span|table|td|ul)\b[^>]*>",
    "json": r"""\{\s*"[^"]*"\s*:|\bjson\b""",
    "markdown": r"^#{1,6} \w|^\s*[-*] \w.*\n\s*[-*] \w|\bmarkdown\b",
    "math": r"\\(?:frac|int|sum|sqrt)\b|\d\s*[-+*/^]\s*\d|[=<>≤≥]\s*\d",
    "url": r"\bhttps?://",
    "xml": r"<\?xml\b|\bxml\b",
    "yaml": r"^---$|\byaml\b",
}
TECHNOLOGIES = {
    "c": r"#include\b|\bmalloc\b|\bprintf\(",
    "cypher": r"\bneo4j\b|\bcypher\b|\bMATCH\s*\(",
    "docker": r"\bdocker(?:file)?\b|\bkubernetes\b|\bkubectl\b",
    "git": r"\bgit (?:add|branch|clone|commit|merge|pull|push|rebase)\b|\bgithub\b",
    "javascript": r"\b(?:javascript|typescript|node\.?js|react)\b|\bconsole\.log\b|\bconst \w+ =",
    "python": r"\b(?:python|numpy|pandas|pytest|django)\b|\bimport \w+\b|\bdef \w+\(",
    "rust": r"\brust\b|\bcargo\b|\bfn \w+\(",
    "shell": r"\b(?:bash|sudo|grep|chmod)\b|^\$ ",
    "sql": r"\bsql\b|\bselect\b[\s\S]+\bfrom\b|\binsert into\b|\bcreate table\b",
}


def signs(text: str) -> list[str]:
    """What is found, each once, as `about:name`; a language is named by its code of ISO 639-1."""
    found = [name for name, pattern in _patterns() if pattern.search(text)]
    return [*found, *(f"language:{code}" for code, part in languages_of(text).items() if part > SURE)]


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [
        (f"{about}:{name}", re.compile(pattern, re.IGNORECASE | re.MULTILINE))
        for about, table in (("format", FORMATS), ("technology", TECHNOLOGIES))
        for name, pattern in table.items()
    ]
