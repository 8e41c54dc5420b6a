"""What tells languages apart, as tables one can read: scripts, and for the Latin one words, letters and trigrams.

The words are the commonest of each language, the trigrams frequent ones (`_` is where a word begins or ends), the
letters such as others do not use.  They were written down for this purpose and counted in no corpus.
"""

SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
    "Greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "Cyrillic": ((0x400, 0x52F),),
    "Hebrew": ((0x590, 0x5FF),),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F)),
    "Devanagari": ((0x900, 0x97F),),
    "Kana": ((0x3040, 0x30FF), (0x31F0, 0x31FF)),
    "Han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
    "Hangul": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
}
ONLY = {"Greek": "el", "Hebrew": "he", "Devanagari": "hi", "Hangul": "ko", "Kana": "ja"}  # scripts of one language here
MARKED = {  # scripts of two: the one that is told by letters of its own, those, and the other
    "Cyrillic": ("uk", "іїєґ", "ru"),
    "Arabic": ("fa", "پچژگکی", "ar"),
}

WORDS: dict[str, str] = {
    "en": (
        "the and of to in is that it was for you he she with on are as his her they this have not be at from by "
        "we what but had were there an will would can could do does did your my all which their has been one if "
        "so who when out no how about like just know i'm don't it's me him us them then than into over some any "
        "only where why a i i've i'll can't he's she's that's you're didn't doesn't isn't won't should must never "
        "too much many go went want very time said think got get make let see good am"
    ),
    "de": (
        "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine einen einer als auch es an "
        "er hat dass sie nach wird bei um am sind noch wie über so zum war haben nur oder aber vor zur bis mehr "
        "durch man sein wurde ich wir du mein was wenn kann mich mir ihr ihn uns hier sehr habe hast bin dich dir "
        "wo warum keine kein muss will ihre seine diese dieser viele viel vielen alle alles immer schon jetzt "
        "doch da wer ob"
    ),
    "fr": (
        "le la les de des du un une et est en que qui dans pour pas il elle ne se sur ce au aux avec son sa ses "
        "plus par je nous vous ils elles sont mais ou où tout être été cette ces c'est j'ai n'est qu'il avoir "
        "fait comme on mon ma moi lui y si même très bien quand ai suis tu te ton ta êtes votre notre leur rien "
        "es quelle quel quoi comment pourquoi jamais toujours ici chez sous a"
    ),
    "es": (
        "el la los las de del un una y en que es no se por con para su al lo como más pero sus le ha me si sin "
        "sobre este ya entre cuando todo esta ser son dos también fue había era muy hasta desde está yo mi tu te "
        "nos ella eso qué hay tiene él estoy tengo estaba puedo puede quiero quiere usted nunca algo alguien "
        "nadie nada ellos donde dónde os ni ahora aquí bien mucho fui hace hacer dijo va vez cada o a"
    ),
    "it": (
        "il lo la i gli le di del della dei delle un una e è in che non per con si da al alla ma come più anche "
        "sono ha ho nel nella questo questa se io mi lui lei ci suo sua dal dalla o era essere molto tutti perché "
        "cosa mio tu ti quando c'è hai abbiamo dove fare bene ogni ad"
    ),
    "pt": (
        "o a os as de do da dos das um uma e é em no na nos nas que não se por com para ao mais como mas seu sua "
        "foi ele ela eu são está isso este esta você me muito já também quando tem ser à pelo pela até minha meu "
        "nós eles estou tenho toda todo direito ou"
    ),
    "nl": (
        "de het een van is dat op te zijn met voor niet die hij aan er ik om je ze was als ook maar naar bij dan "
        "nog over uit wat deze hebben heeft had kan geen we worden wordt mijn zou zich haar hem dit jij u heb ben "
        "wij hun moet waar hoe ieder en in door"
    ),
}
LETTERS: dict[str, str] = {
    "de": "äöüß",
    "fr": "èêàùçœîôûëï",
    "es": "ñ¿¡óíáú",
    "it": "èìòù",
    "pt": "ãõçâêô",
}
TRIGRAMS: dict[str, str] = {
    "en": (
        "_th the he_ ing ng_ nd_ ed_ _wh hat ght oul uld ly_ _yo you ave sh_ ck_ ow_ ty_ _sh _kn ay_ ey_ ry_ "
        "ith _wa ee_"
    ),
    "de": (
        "sch ich ch_ ein cht ung ng_ gen _ge _be _ve ver _zu _ei eit ier cke tz_ rde _wi _da st_ auf aus ach "
        "_au nn_ ff_ ss_ äch ück"
    ),
    "fr": (
        "ait ent eau eux our ous ais tre oir _qu que _ce _pa ire ell air aux s'_ _d' _l' _j' _n' _c' ez_ ois eur ion"
    ),
    "es": ("ado ada ido ien ció ión ar_ os_ as_ _el _lo _qu que est _es ndo ía_ _un ero ra_ _co lla llo ña_ _ha _y_"),
    "it": ("zio one gli che chi _ch ell lla tto tta ere are ndo _di _in _un zza ggi cch azi ato ata to_ ta_ no_ sse"),
    "pt": "ção ões ão_ ado ada _qu que lho lha nho nha em_ ar_ os_ as_ _do _da ent _es ei_ ou_ eu_ ém_ dad",
    "nl": (
        "een aar ijk ij_ ijn _ge _be oor _vo cht sch gen en_ et_ ver aan _he _va van ooi _ee uit eid rde oe_ "
        "eer ken _zi"
    ),
}
LATIN = tuple(WORDS)
LANGUAGES = (*LATIN, *dict.fromkeys([*ONLY.values(), *(name for a, _, b in MARKED.values() for name in (a, b)), "zh"]))
