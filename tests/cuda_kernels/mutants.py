"""Kernels with one fault each, made from their source by rules, to see whether the cases of an operation notice.

    barrier      a `__syncthreads()` or `__syncwarp()` is left out
    index        a subscript is one too large
    bound        a comparison (< > <= >=) always holds; in the head of a loop, its right side is one larger
    assignment   an assignment, or `x++`, is left out: of a value that starts a sum, say
    start        a variable that is declared with a constant holds something else
    atomic       an atomic operation lets the other threads run between its read and its write

All mutants of a file are compiled together, each behind a condition of its own, and one number chooses among them.
Run as a program, this prints a line of JSON for each mutant of an operation, from a number on: whoever started it goes
on behind the last one if a mutant takes the process down, which is a way of being noticed too.
"""

import ctypes
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cuda_kernels.case import ORDERS, Case, Operation, operation
from polyloom_kernels.shim import Shim, build

SECONDS = 0.5  # of processor time, after which a mutant does not end
CHOICE = "polyloom_mutant"
DECLARED = re.compile(r"(?:\w+[\s*&]+)+(?:\*?\w+\s*,\s*)*")  # what stands before the name in a declaration
CONSTANT = r"-?(?:\d[\w.+-]*|[A-Z][A-Z_0-9]+|true|false)"
START = re.compile(rf"(?:const\s+)?[A-Za-z_][\w ]*[\s*]\w+\s*=\s*(?P<value>{CONSTANT})(?=\s*[,;])")
ASSIGNED = re.compile(r"\s*(?:[-+*/%&|^]|<<|>>)?=(?!=)|\s*(?:\+\+|--)\s*$")
COMPARED = re.compile(r"(?<=\s)(?:<=|>=|<|>)(?=\s)")
ATOMIC = re.compile(r"\batomic(Add|Sub|Max|Min|And|Or|Xor)\s*\(")
TORN = {"Add": "before + ({0})", "Sub": "before - ({0})", "Max": "before < ({0}) ? ({0}) : before"} | {
    "Min": "({0}) < before ? ({0}) : before",
    **{name: f"before {sign} ({{0}})" for name, sign in (("And", "&"), ("Or", "|"), ("Xor", "^"))},
}
KEYWORDS = {"return", "else", "case", "do", "if", "for", "while", "goto", "break", "continue", "using", "typedef"}


@dataclass(frozen=True)
class Mutant:
    """Text to insert at two places; `{0}` in it becomes the condition."""

    rule: str
    shown: str
    start: int
    before: str
    end: int
    after: str = ""


def bare(text: str) -> str:
    """The text with comments, strings and lines of the preprocessor blanked out, every other character in its place."""
    pattern = re.compile(
        r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\n])*\"|'(?:\\.|[^'\n])'|^[ \t]*#(?:\\\n|[^\n])*", re.DOTALL | re.M
    )
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def mutants(text: str) -> list[Mutant]:
    """Every mutant of a file, in the order of the text."""
    code = bare(text)
    found: list[Mutant] = []
    for start, end in bodies(code):
        found += [*barriers(code, start, end), *indices(code, start, end), *bounds(code, start, end)]
        found += [*assignments(code, start, end), *starts(code, start, end), *atomics(code, start, end)]
    return sorted(found, key=lambda each: (each.start, each.rule))


def names(found: list[Mutant], file: str) -> list[str]:
    """A name for each, which does not change when lines move."""
    seen: Counter[str] = Counter()
    given: list[str] = []
    for each in found:
        name = f"{file}: {each.rule} {each.shown}"
        seen[name] += 1
        given.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return given


def combined(text: str, found: list[Mutant]) -> str:
    """The text with all mutants in it, none chosen."""
    inserted: list[tuple[int, int, str]] = []
    for number, each in enumerate(found, 1):
        condition = f"({CHOICE} == {number})"
        inserted.append((each.start, 1, each.before.replace("{0}", condition)))
        if each.after:
            inserted.append((each.end, 0, each.after.replace("{0}", condition)))
    # Where several begin, the longest is the outermost; where several end, the one that began last ends first.
    out, at = list[str](), 0
    for place, _, insert in _nested(found, inserted):
        out += [text[at:place], insert]
        at = place
    return f'extern "C" int {CHOICE};\nint {CHOICE} = 0;\n#line 1\n' + "".join([*out, text[at:]])


def _nested(found: list[Mutant], inserted: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    keyed: list[tuple[tuple[int, int, int, int], tuple[int, int, str]]] = []
    texts = iter(inserted)
    for number, each in enumerate(found):
        keyed.append(((each.start, 1, -each.end, number), next(texts)))
        if each.after:
            keyed.append(((each.end, 0, -each.start, -number), next(texts)))
    return [text for _, text in sorted(keyed, key=lambda pair: pair[0])]


# ---- the rules


def barriers(code: str, start: int, end: int) -> Iterator[Mutant]:
    for found in re.compile(r"\b__sync(?:threads|warp)\s*\([^()]*\)\s*;").finditer(code, start, end):
        yield Mutant("barrier", found[0], found.start(), "if ({0}) ; else ", found.end())


def indices(code: str, start: int, end: int) -> Iterator[Mutant]:
    for found in re.compile(r"[\w\])]\s*\[").finditer(code, start, end):
        opened = found.end() - 1
        close = closing(code, opened)
        begun = term_start(code, opened)
        before = code[statement_start(code, opened) : begun]
        if not declares(before):
            shown = " ".join(code[begun : close + 1].split())
            yield Mutant("index", shown, opened + 1, "(", close, ") + {0}")


def bounds(code: str, start: int, end: int) -> Iterator[Mutant]:
    heads = list(loops(code, start, end))
    for found in COMPARED.finditer(code, start, end):
        left, right = operand_start(code, found.start()), operand_end(code, found.end())
        shown = " ".join(code[left:right].split())
        if any(first <= found.start() < last for first, last in heads):
            yield Mutant("bound", shown, found.end() + 1, "(", right, ") + {0}")
        else:
            yield Mutant("bound", shown, left, "({0} || ", right, ")")


def assignments(code: str, start: int, end: int) -> Iterator[Mutant]:
    for first, last in statements(code, start, end):
        pieces = list(split(code, first, last))
        if not all(assigns(code[a:b]) for a, b in pieces):
            continue
        for a, b in pieces:
            shown = " ".join(code[a:b].split())
            if len(pieces) == 1:
                yield Mutant("assignment", shown, a, "if ({0}) ; else ", b)
            else:
                yield Mutant("assignment", shown, a, "({0} ? (void)0 : (void)(", b, "))")


def starts(code: str, start: int, end: int) -> Iterator[Mutant]:
    places = [first for first, _ in statements(code, start, end)] + [
        head[0] for head in loops(code, start, end, whole=True)
    ]
    for place in places:
        found = START.match(code, place)
        if found and found[0].split()[0] not in KEYWORDS:
            value = found["value"]
            yield Mutant("start", found[0], found.start("value"), f"{{0}} ? {another(value)} : ", found.end("value"))


def another(value: str) -> str:
    """A value that is not the constant: a little more than a count, much more than the least of all."""
    if value in ("true", "false"):
        return f"!{value}"
    return "1048576" if not value[0].isdigit() else "5" if value == "3" else "3"


def atomics(code: str, start: int, end: int) -> Iterator[Mutant]:
    for found in ATOMIC.finditer(code, start, end):
        close = closing(code, found.end() - 1)
        (a, b), (c, d) = split(code, found.end(), close)
        merged = TORN[found[1]].format(code[c:d])
        torn = f"polyloom::torn({code[a:b]}, [&](auto before) {{ return decltype(before)({merged}); }})"
        yield Mutant(
            "atomic",
            " ".join(code[found.start() : close + 1].split()),
            found.start(),
            f"({{0}} ? {torn} : ",
            close + 1,
            ")",
        )


# ---- reading C++, as far as the rules need it


def bodies(code: str) -> Iterator[tuple[int, int]]:
    """What stands between the braces of each function."""
    at = 0
    while (opened := code.find("{", at)) >= 0:
        at = closing(code, opened) + 1
        if code[:opened].rstrip().endswith(")"):
            yield opened + 1, at - 1


def closing(code: str, opened: int) -> int:
    """The bracket that closes the one at `opened`."""
    pairs, depth = {"(": ")", "[": "]", "{": "}"}, 0
    here, there = code[opened], pairs[code[opened]]
    for at in range(opened, len(code)):
        depth += (code[at] == here) - (code[at] == there)
        if not depth:
            return at
    raise ValueError(f"nothing closes the bracket in {code[opened : opened + 40]!r}")


def opening(code: str, closed: int) -> int:
    """The bracket that the one at `closed` closes."""
    pairs, depth = {")": "(", "]": "[", "}": "{"}, 0
    for at in range(closed, -1, -1):
        depth += (code[at] == code[closed]) - (code[at] == pairs[code[closed]])
        if not depth:
            return at
    raise ValueError(f"nothing opens the bracket at {code[closed - 40 : closed + 1]!r}")


def statement_start(code: str, at: int) -> int:
    """Where the statement around `at` begins."""
    depth = 0
    for place in range(at - 1, -1, -1):
        if code[place] in ")]":
            depth += 1
        elif code[place] in "([":
            depth -= 1
            if depth < 0 and code[place] == "(":
                return place + 1
        elif code[place] in ";{}" and depth <= 0:
            return place + 1
    return 0


def declares(before: str) -> bool:
    """Whether what stands between the beginning of a statement and a name makes it a declaration."""
    words = re.sub(r"\[[^\]]*\]", "", before).strip()
    return bool(words) and words.split()[0] not in KEYWORDS and bool(DECLARED.fullmatch(words + " "))


def term_start(code: str, opened: int) -> int:
    """Where the name begins that is subscripted at `opened`."""
    at = opened
    while at > 0:
        previous = code[at - 1]
        if previous in ")]":
            at = opening(code, at - 1)
        elif previous.isalnum() or previous in "_.":
            at -= 1
        elif code[at - 2 : at] == "->":
            at -= 2
        else:
            break
    return at


def operand_start(code: str, at: int) -> int:
    """Where the left side of a comparison begins."""
    while at > 0:
        previous = code[at - 1]
        if previous in ")]":
            at = opening(code, at - 1)
        elif previous in "([{};,?:!=|&^" or re.search(r"\breturn\s$", code[max(0, at - 8) : at]):
            break
        else:
            at -= 1
    return at + len(code[at:]) - len(code[at:].lstrip())


def operand_end(code: str, at: int) -> int:
    """Where the right side of a comparison ends."""
    while at < len(code) and code[at] not in ")]};,?:|&^=":
        at = closing(code, at) + 1 if code[at] in "([" else at + 1
    return len(code[:at].rstrip())


def loops(code: str, start: int, end: int, whole: bool = False) -> Iterator[tuple[int, int]]:
    """The condition in the head of each loop, or the whole head."""
    for found in re.compile(r"\b(for|while)\s*\(").finditer(code, start, end):
        close = closing(code, found.end() - 1)
        if found[1] == "while" or whole:
            yield found.end(), close
        else:
            first = code.index(";", found.end())
            yield first, code.index(";", first + 1)


def statements(code: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Simple statements, without their semicolon."""
    heads = list(loops(code, start, end, whole=True))
    at = start
    while at < end:
        at += len(code[at:end]) - len(code[at:end].lstrip())
        head = re.compile(r"(?:if(?:\s+constexpr)?|for|while|switch)\s*\(|else\b|do\b").match(code, at, end)
        if at < end and code[at] in "{};":
            at += 1
        elif head:
            at = closing(code, head.end() - 1) + 1 if head[0].endswith("(") else head.end()
        elif at < end:
            last = at
            while last < end and code[last] != ";":
                last = closing(code, last) + 1 if code[last] in "([{" else last + 1
            if not any(first <= at < close for first, close in heads):
                yield at, last
            at = last


def split(code: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The parts between commas that stand in no brackets."""
    first = at = start
    while at < end:
        if code[at] == ",":
            yield first, at
            first = at + 1 + len(code[at + 1 : end]) - len(code[at + 1 : end].lstrip())
            at = first
        else:
            at = closing(code, at) + 1 if code[at] in "([{" else at + 1
    yield first, end


def assigns(piece: str) -> bool:
    """Whether it is `name = …`, `name[…] += …`, `*name = …`, `name++` and not a declaration."""
    at = re.compile(r"\**\s*[A-Za-z_]\w*").match(piece)
    if not at or at[0] in KEYWORDS:
        return False
    place = at.end()
    while place < len(piece) and (piece[place] in "[." or piece[place : place + 2] == "->"):
        place = (
            closing(piece, place) + 1 if piece[place] == "[" else re.compile(r"\.\w+|->\w+").match(piece, place).end()
        )  # pyright: ignore[reportOptionalMemberAccess]
    return bool(ASSIGNED.match(piece, place))


# ---- running them


@dataclass(frozen=True)
class Numbered:
    """A mutant of an operation: its file, its number there, its name."""

    file: str
    number: int
    name: str


def listed(kernels: Operation) -> tuple[list[Numbered], dict[str, str]]:
    """All mutants of an operation, and the combined text of each file."""
    every, texts = list[Numbered](), dict[str, str]()
    for source in dict.fromkeys(kernel.source for kernel in kernels.kernels):
        text = source.read_text(encoding="utf-8")
        found = mutants(text)
        every += [Numbered(source.name, number, name) for number, name in enumerate(names(found, source.name), 1)]
        texts[source.name] = combined(text, found)
    return every, texts


def noticed(runs: list[tuple[Case, int]], texts: dict[str, str]) -> str | None:
    """How the cases notice that a kernel is faulty; None if they do not.  What noticed comes first the next time."""
    for at, (case, order) in enumerate(runs):
        try:
            case.check(Shim(order, seconds=SECONDS, texts=texts))
        except (AssertionError, RuntimeError, ValueError, IndexError, OverflowError) as error:
            runs.insert(0, runs.pop(at))
            said = str(error).strip().splitlines() or ["wrong"]
            return f"{case.name}, order {order}: {type(error).__name__}: {said[0]}"
    return None


def main(name: str, first: int) -> None:
    """Print a line for each mutant, from the number `first` on."""
    kernels = operation(name)
    every, texts = listed(kernels)
    runs = [(case, order) for order in ORDERS for case in kernels.cases if not case.large]
    fault = noticed(runs, texts)
    assert fault is None, f"a case fails without any mutant chosen: {fault}"
    libraries = {
        (kernel.source.name, kernel.macros): build.library(texts[kernel.source.name], kernel.source.name, kernel.macros)
        for kernel in kernels.kernels
    }
    for at, mutant in enumerate(every):
        if at < first:
            continue
        for (file, _), library in libraries.items():
            ctypes.c_int.in_dll(library, CHOICE).value = mutant.number if file == mutant.file else 0
        print(json.dumps({"at": at, "name": mutant.name, "noticed": noticed(runs, texts)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
