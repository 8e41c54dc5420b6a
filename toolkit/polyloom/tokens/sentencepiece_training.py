r"""Learning SentencePiece pieces: texts in, a model file out, with exactly as many pieces as were asked for.

Texts are cut into sentences where no piece may reach across (`CUT`), sentences are sorted, and SentencePiece trains on
them in this process: one thread, no sampling, nothing normalised.  So neither the order of the texts nor the machine
changes the result.

    smallest size = 256 bytes + <unk> + </s> + the space + one for each other distinct character
    largest size  = what the algorithm finds when it may take as many as it likes

A word is what stands between spaces.  `unigram` considers strings that occur in at least two different words (`harbour`
and `harbour,` are two) and keeps those which are of use in some cut; `bpe` merges as long as there are pairs.  So the
largest size of `unigram` is far smaller than that of `bpe`, whose last pieces occur once.
"""

import io
import re
from collections.abc import Iterable
from typing import Literal

from polyloom.errors import InputError, VocabularyError
from polyloom.tokens.modelproto import ALGORITHMS, BYTE, CONTROL, UNKNOWN, Algorithm, Piece, read
from polyloom.tokens.vocabulary import SENTENCE_END
from polyloom.tokens.vocabulary import UNKNOWN as UNKNOWN_NAME

Size = int | Literal["auto"]
AUTOMATIC_SIZE = 8000  # a usual size for one language; the default, and the most that "auto" takes

FRAME = (
    Piece(UNKNOWN_NAME, 0.0, UNKNOWN),
    Piece(SENTENCE_END, 0.0, CONTROL),
    *(Piece(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)),
)

# No piece holds a control character, U+2581 (it is the space in a piece's text), or U+2585 (the trainer keeps it for
# itself and drops sentences with it).
NEVER_LEARNT = re.compile("[\x00-\x1f\x7f\u2581\u2585]")
# The trainer also leaves out what looks like a name of the frame, letters and all; a cut after "<" keeps the letters.
CUT = re.compile(NEVER_LEARNT.pattern + r"|(?<=<)(?=unk>|/s>|0x[0-9A-F]{2}>)")

LONGEST_SENTENCE = 1 << 30  # bytes; the trainer's own limit, 4192, drops longer sentences without a word
LONGEST_PIECE = 16  # characters; the trainer's default
MOST_PIECES = 1 << 24  # no text has as many; near 2^31 the trainer's own arithmetic overflows and it never ends
SILENT = 3  # the trainer's log level above errors, which it raises as well


def learn(texts: Iterable[str], size: Size, algorithm: Algorithm) -> bytes:
    """A model file of exactly `size` pieces, or as `SentencePieceVocabulary.train` describes for "auto".

    Raises InputError for arguments of the wrong kind, VocabularyError naming the smallest or largest possible size.
    """
    _check(size, algorithm)
    sentences = _sentences(texts)
    characters = len(set[str]().union(*sentences))
    smallest = len(FRAME) + characters
    wanted = max(AUTOMATIC_SIZE, smallest) if size == "auto" else size
    if wanted < smallest:
        raise VocabularyError(
            f"size={size} is too small: these texts need at least {smallest} pieces, which are 256 bytes, <unk>, </s> "
            f"and {characters} distinct characters (the space is one)."
        )
    content = _trained(sentences, min(wanted, MOST_PIECES), algorithm)
    largest = len(read(content)[1])  # what a training that was allowed more has found
    if size not in ("auto", largest):
        raise VocabularyError(
            f"size={size} is too large for these texts: {algorithm} finds at most {largest} pieces. "
            f"Use size={largest}, size='auto', or more text."
        )
    return content


def _check(size: object, algorithm: object) -> None:
    if size != "auto" and (not isinstance(size, int) or isinstance(size, bool)):
        raise InputError(f"size must be a whole number or 'auto', got {size!r}.")
    if algorithm not in ALGORITHMS:
        raise InputError(f"Unknown model {algorithm!r}; known are {', '.join(ALGORITHMS)}.")


def _sentences(texts: Iterable[str]) -> list[str]:
    """The sentences of all texts in sorted order, among them at least one space."""
    sentences = sorted(sentence for text in texts for sentence in CUT.split(text) if sentence)
    if not sentences:
        raise VocabularyError("The texts hold no characters to learn pieces from. ByteVocabulary() needs no training.")
    # Without a piece for it, SentencePiece would write a space as the bytes of U+2581, and a round trip would turn one
    # into the other.  (Its option `required_chars` gives unseen characters positive scores, which spoils the cuts.)
    return sentences if any(" " in sentence for sentence in sentences) else [" ", *sentences]


def _trained(sentences: list[str], size: int, algorithm: Algorithm) -> bytes:
    """A model file of `size` pieces, or fewer if there are not as many; the file exists in memory only."""
    from sentencepiece import SentencePieceTrainer  # a compiled library, loaded when there is something to train

    out = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=out,
            model_type=algorithm,
            vocab_size=size,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            allow_whitespace_only_pieces=True,  # so that indentation costs one piece, not one for each space
            unk_id=0,
            eos_id=1,
            bos_id=-1,
            pad_id=-1,
            max_sentence_length=LONGEST_SENTENCE,
            max_sentencepiece_length=LONGEST_PIECE,
            input_sentence_size=0,  # all of them: no sampling, hence no seed
            shuffle_input_sentence=False,
            num_threads=1,
            minloglevel=SILENT,
        )
    except RuntimeError as error:
        raise VocabularyError(f"SentencePiece could not learn from these texts: {error}") from error
    return out.getvalue()
