"""A large mixed corpus, the same on every run: code, many scripts, emoji, odd whitespace, digits,
contractions, control characters, composed and decomposed forms, and rarely used code points."""

import random
import unicodedata
from pathlib import Path

# First and last code point of blocks that real text uses; only assigned letters and marks are taken.
SCRIPTS = {
    "latin": (0x41, 0x24F), "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x52F), "armenian": (0x531, 0x58F),
    "hebrew": (0x591, 0x5F4), "arabic": (0x600, 0x6FF), "syriac": (0x700, 0x74F), "thaana": (0x780, 0x7B1),
    "devanagari": (0x900, 0x97F), "bengali": (0x980, 0x9FE), "gurmukhi": (0xA01, 0xA76), "tamil": (0xB82, 0xBFA),
    "telugu": (0xC00, 0xC7F), "malayalam": (0xD00, 0xD7F), "sinhala": (0xD81, 0xDF4), "thai": (0xE01, 0xE5B),
    "lao": (0xE81, 0xEDF), "tibetan": (0xF00, 0xFDA), "burmese": (0x1000, 0x109F), "georgian": (0x10A0, 0x10FF),
    "jamo": (0x1100, 0x11FF), "ethiopic": (0x1200, 0x139F), "cherokee": (0x13A0, 0x13FD), "khmer": (0x1780, 0x17F9),
    "mongolian": (0x1800, 0x18AA), "phonetic": (0x1D00, 0x1DBF), "latin_additional": (0x1E00, 0x1EFF),
    "greek_extended": (0x1F00, 0x1FFE), "kana": (0x3041, 0x30FF), "bopomofo": (0x3105, 0x312F),
    "han": (0x4E00, 0x9FFC), "yi": (0xA000, 0xA48C), "vai": (0xA500, 0xA62B), "hangul": (0xAC00, 0xD7A3),
    "arabic_forms": (0xFB50, 0xFDFB), "half_and_full": (0xFF01, 0xFFEE), "gothic": (0x10330, 0x1034A),
    "egyptian": (0x13000, 0x1342E), "mathematical": (0x1D400, 0x1D7FF), "han_b": (0x20000, 0x2A6DD),
}
SPACES = [" ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\v", "\f", "\u00a0", "\u0085", "\u1680",
          "\u2000", "\u2003", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", " \n", "\n ",
          "\t\t", " \t ", "\n\n\n", " " * 7, " " * 33]
INVISIBLES = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u200e", "\u202e", "\ufe0f",
              "\x00", "\x01", "\x07", "\x08", "\x1b[31m", "\x1c", "\x1d", "\x1e", "\x1f", "\x7f", "\x80", "\x9f"]
EMOJI = ["😀", "🤷🏽‍♀️", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇯🇵", "1️⃣", "❤️", "❤", "🧑🏿‍🚀", "👍🏻👍🏿", "☺️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "©️", "🫠"]
NUMBERS = ["0", "7", "42", "123", "1234", "12345", "1234567890", "3.14159", "-17", "1,000,000.00", "0x1F", "1e-9",
           "٣٤٥", "१२३", "１２３", "²³", "½", "Ⅷ", "①②", "𝟘𝟙", "2026-11-22", "09:59:59", "v1.2.3", "50%", "$9.99"]
CONTRACTIONS = ["I'm", "you're", "it's", "we've", "they'll", "he'd", "don't", "I'M", "YOU'RE", "IT'S", "WE'Ve", "'S",
                "o'clock", "y'all'd've", "it’s", "'t 's 'x", "''s", "' s", "rock'n'roll", "\u017f'\u017f", "it'\u017f"]
PUNCTUATION = ["...", "!?", "—", "“quoted”", "«»", "()", "[]{}", "<>", "&&", "||", "::", "->", "=>", "#", "@", "~",
               "^_^", "`", "```", "\\n", "\\\\", "%s", "/*", "*/", "//", "--", "==", "!=", "+=", "¿", "。", "、", "…",
               "€", "£", "₿", "°", "±", "∑", "∞", "≠", "→", "▁", "Ġ", "Ċ", "\ufffd"]
WORDS = ("the of and to in is that for it as was with be by on not he I this are or his from at which but have an had "
         "they you were their one all we can her has there been if more when will would who so no Mayfly ephemeral "
         "cluster forgets every request wipes memory naïve café résumé Straße Ærø œuvre Łódź İstanbul smörgåsbord "
         "HTTPServer camelCase snake_case UPPER CONSTANT_VALUE URL's x1 y2 a1b2c3").split()
CODE = ["def f(x):\n    return x**2\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\r\n}\n", "if a<b and c>=d: pass",
        "SELECT * FROM t WHERE id = 'x''y';", "<div class=\"a\">&nbsp;</div>", "{\"k\": [1, 2.5, null, true]}",
        "std::vector<std::unique_ptr<T>> v{};", "$ ls -la | grep '^d' > /dev/null 2>&1", "\\frac{a}{b}^{2}_{i}",
        "fn main() -> Result<(), Box<dyn Error>> { Ok(()) }", "https://example.org/a?b=c&d=%20#e", "user@example.org",
        "@decorator\nclass A(B, metaclass=C):\n    '''doc'''\n", "#include <vector>\n", "let x = y?.z ?? `t${u}`;"]
SPECIAL_TEXT = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<s>", "</s>", "<|im_start|", "[INST]",
                "<|begin_of_text|>", "<tool_call>", "<pad>", "<unk>", "<|reserved_special_token_0|>"]
EDGES = ["", " ", "\n", "a", "é", "e\u0301", "\u1e9b\u0323", "Å", "Å", "ﬁ", "각", "각", "q\u0323\u0307",
         "\U0010ffff", "\ue000", "\ufdd0", "\ud7ff", "a" * 300, " " * 300, "\n" * 100, "ab " * 80, "0" * 100,
         "!" * 100, "🙂" * 40, "\t \t \n \n", " a", "a ", "  a", "a  b", "a   b", "\na", "a\n", "a\n b", "a \n b",
         "a\r\nb\rc\nd", "\u0301", "\u0301a", " \u0301", "1\u0301", "क्षि", "ÅÅÅ", "ſ", "ß", "ẞ", "'ſ", "'S", "’S"]


def script_letters(name: str) -> list:
    """The assigned letters, marks and digits of one block."""
    first, last = SCRIPTS[name]
    return [chr(point) for point in range(first, last + 1) if unicodedata.category(chr(point))[0] in "LMN"]


class Corpus:
    """Draws texts from a seed; the same seed gives the same texts."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.letters = {name: script_letters(name) for name in SCRIPTS}
        self.pools = [SPACES, INVISIBLES, EMOJI, NUMBERS, CONTRACTIONS, PUNCTUATION, WORDS, CODE, SPECIAL_TEXT]
        self.weights = [9, 1, 2, 4, 3, 4, 9, 2, 0.5]

    def piece(self) -> str:
        """One word, number, space, sign ... of a random kind."""
        kind = self.random.random()
        if kind < 0.72:
            return self.random.choice(self.random.choices(self.pools, self.weights)[0])
        if kind < 0.96:
            letters = self.letters[self.random.choice(list(SCRIPTS))]
            return "".join(self.random.choices(letters, k=self.random.randint(1, 8)))
        return self.code_point()

    def code_point(self) -> str:
        """Any assigned or private code point; surrogates are no text."""
        while True:
            point = chr(self.random.randrange(0x110000 if self.random.random() < 0.3 else 0x3000))
            if unicodedata.category(point) not in ("Cs", "Cn"):
                return point

    def text(self) -> str:
        """A text of up to 24 pieces, sometimes with spaces between, sometimes composed or decomposed."""
        glue = self.random.choice(["", " ", " ", "\n"])
        text = glue.join(self.piece() for _ in range(self.random.randint(1, 24)))
        form = self.random.random()
        return unicodedata.normalize("NFC" if form < 0.1 else "NFD", text) if form < 0.2 else text

    def texts(self, count: int) -> list:
        """The edge cases, every single piece, then random mixtures: `count` in all."""
        fixed = EDGES + [piece for pool in self.pools for piece in pool]
        mixed = [self.text() for _ in range(max(0, count - len(fixed)))]
        return (fixed + mixed)[:count]


def source_texts(folder: Path, limit_bytes: int) -> list:
    """Real files of a source tree, 8 KiB each at most: code, documents, scripts, in path order."""
    texts, taken = [], 0
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".md", ".py", ".cpp", ".h", ".cu", ".sh", ".txt", ".json", ".yml", ".inp", ".jinja"):
            continue
        text = path.read_bytes()[:8192].decode(errors="ignore")
        texts.append(text)
        taken += len(text)
        if taken > limit_bytes:
            break
    return texts
