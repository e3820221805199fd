"""Turn the TeX of titles and abstracts into readable Unicode; typeset nothing, delete nothing."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import chain

_MAX_PASSES = 4
_MAX_DEPTH = 25
_MAX_FORMULA = 500  # lexemes: dollars further apart than that have prose between them
_SMALL = 3  # characters: `$ N $` is a formula though blanks stand inside its dollars
_MAX_BRACKETS = 50  # lexemes between `[` and `]`

# Each sign by its first character, so that a text without any is passed over at once.
_SIGN_OF_TEX = re.compile(r"[\\$~]|[_^]\{|--|``|\'\'|\^(?<=[\w)\]}]\^)|\{[^\s{}]\}|\{\}(?<=\w\{\})")
_LEXEME = re.compile(
    r"https?://(?:[^\s{}\\$<>]|\\[_%#&~])+"
    r"|\\[A-Za-z]+"
    r"|\\[\s\S]?"
    r"|[^\W_]+"
    r"|\s+"
    r"|-{2,}"
    r"|``"
    r"|'+"
    r"|[\s\S]"
)
_DISPLAY = re.compile(r"(?<!\\)\$\$([^$]+)\$\$")
_ENDS_IN_MACRO = re.compile(r"\\[A-Za-z]+\Z")


def readable(text: str) -> str:
    r"""Return the text with its TeX as a person would write it in a mail: `$x_1^2$` is `x₁²`.

    Text without TeX comes back as it is, and so does all that is not understood: an author's own
    `\ours`, a path, a lone dollar. Reading the outcome again changes nothing.
    """
    now = text
    for _ in range(_MAX_PASSES):
        if not _SIGN_OF_TEX.search(now):
            return now
        shown = _DISPLAY.sub(_displayed, now) if "$$" in now else now
        lexemes = _LEXEME.findall(shown)
        before, now = now, _Reader(lexemes).read(len(lexemes), math=False)
        if now == before:
            return now
    return text


def _displayed(formula: re.Match[str]) -> str:
    return f"\\[{formula[1]}\\]" if _MATH_ONLY.search(formula[1]) else formula[0]


class _Reader:
    """Reads lexemes from left to right, each of them once."""

    def __init__(self, lexemes: list[str]) -> None:
        self.lexemes = lexemes
        # Where something else stands than words and blanks, which are nearly all there is.
        self.marks = [at for at, each in enumerate(lexemes) if each != " " and not each.isalnum()]
        self.closer = _closers(lexemes, self.marks)
        self.ends = frozenset(self.closer.values())
        self.at = 0
        self.depth = 0
        self.rows = 0  # how many matrices this is in
        self.quotes = 0
        self.straight = False  # a plain " is open
        self.last_quote = max((at for at in self.marks if lexemes[at] == "''"), default=-1)
        self.marks.append(len(lexemes))

    def read(self, end: int, *, math: bool) -> str:
        """Read up to the lexeme at `end`."""
        pieces = [""]
        while self.at < end:
            mark = self.marks[bisect_left(self.marks, self.at)]
            if self.at < mark and not self.rows:
                found = self.lexemes[self.at : mark]
                self.at = mark
            elif math and self.lexemes[self.at] in _INFIX and self.depth < _MAX_DEPTH:
                return self.infix("".join(pieces), end)
            else:
                found = [self.piece(pieces[-1], math=math)]
            before = pieces[-1]
            if "\\" in before and _is_ascii_letter(found[0][:1]) and _ENDS_IN_MACRO.search(before):
                pieces.append(" ")  # `{\em our \ours}is`: what is unwrapped must not make `\oursis`
            pieces += filter(None, found)
        return "".join(pieces)

    def infix(self, left: str, end: int) -> str:
        r"""Read what stands between two operands: `{1 \over n}`."""
        macro = self.lexemes[self.at]
        self.at += 1
        self.depth += 1
        right = self.read(end, math=True)
        self.depth -= 1
        made = _INFIX[macro](left.strip(), right.strip())
        return f"{left}{macro}{right}" if made is None else made

    def piece(self, before: str, *, math: bool) -> str:
        """Read a lexeme with all that belongs to it; `before` is the piece to its left."""
        start, lexeme = self.at, self.lexemes[self.at]
        self.at += 1
        if self.rows and (lexeme == "&" or lexeme.isspace()):
            return self.between_cells(lexeme)
        if start in self.closer:
            return self.group(start, lexeme, before, math=math)
        if lexeme[0] == "\\":
            name = lexeme[1:]
            return (self.word if name.isalpha() else self.sign)(name, before, math=math)
        if lexeme in {"^", "_"}:
            return self.script(lexeme, before, math=math)
        if lexeme in {"~", "``", '"'} or lexeme[0] == "'" or lexeme[:2] == "--":
            return self.typed(lexeme, before, math=math)
        return _unescaped(lexeme) if lexeme.startswith(("http://", "https://")) else lexeme

    def group(self, start: int, lexeme: str, before: str, *, math: bool) -> str:
        if self.depth >= _MAX_DEPTH:
            return lexeme
        if lexeme != "{":
            return " ".join(self.inside(start, math=True).split())
        bare = math or self.lexemes[start + 1][0] == "\\"
        content = self.inside(start, math=math)
        if not math and before[-1:].isalnum():
            following = self.peek()[:1]
            number = before[-1].isdigit() and content in {",", "."} and following.isdigit()
            bare = bare or not content or number or (len(content) == 1 and content.isalpha())
        return content if bare and not content.startswith("\\") else f"{{{content}}}"

    def inside(self, start: int, *, math: bool) -> str:
        self.at = start + 1
        self.depth += 1
        content = self.read(self.closer[start], math=math)
        self.depth -= 1
        self.at = self.closer[start] + 1
        return content

    def word(self, name: str, before: str, *, math: bool) -> str:
        r"""Read a control word such as `\alpha`, and its arguments."""
        special = self.special(name)
        if special is not None:
            return special
        if name in _FORMS:
            return self.form(name, math=math)
        if name in _SWITCHES:
            return self.switch(name)
        if name in _ACCENTS:
            return self.accented(name)
        symbol = _symbols().get(name)
        if symbol is None:
            return self.unknown(name, math=math)
        return "°" if name == "deg" and not math else self.symbol(symbol, before, math=math)

    def special(self, name: str) -> str | None:
        """Read a control word whose argument stands bare, is an environment or has no end."""
        if name == "footnote" and self.peek() == "{" and self.at not in self.closer:
            self.at += 1  # the abstract was cut off inside it
            return " ("
        if name in _MEASURED and (found := self.ahead(_MEASURED[name][0])):
            self.take(len(found[0]))
            self.skip_space()
            return _MEASURED[name][1](found[1])
        if name in {"begin", "end"} and (found := self.ahead(_MATRIX)):
            self.take(len(found[0]))
            return self.matrix(name, found[1])
        return None

    def matrix(self, edge: str, kind: str) -> str:
        """Begin or end a matrix: its cells are parted by commas, its rows by semicolons."""
        self.skip_space()
        self.rows = max(0, self.rows + (1 if edge == "begin" else -1))
        opening, closing = _BRACKETS.get(kind, ("(", ")"))
        return opening if edge == "begin" else closing

    def between_cells(self, lexeme: str) -> str:
        if lexeme == "&":
            self.skip_space()
            return ", "
        return "" if self.peek() in {"&", "\\\\", "\\end"} else lexeme

    def unknown(self, name: str, *, math: bool) -> str:
        r"""Leave an author's own macro, with its arguments: `\bi{3k}`; `\ours{}` is `\ours`."""
        shown = f"\\{name}"
        while self.peek() == "{" and self.at in self.closer and self.depth < _MAX_DEPTH:
            content = self.inside(self.at, math=math)
            shown += f"{{{content}}}" if content else ""
        return shown

    def symbol(self, symbol: str, before: str, *, math: bool) -> str:
        if self.closer.get(self.at) == self.at + 1 and self.peek() == "{":
            self.at += 2
        elif len(symbol) > 1 and symbol.isascii():
            return self.function(symbol, before)
        elif not before[-1:].isspace() and (
            math or symbol == "/" or _is_latin(before[-1:] + symbol)
        ):
            self.skip_space()  # it only ends the name: `2\times 3`, `M\o ller`
        return symbol

    def function(self, name: str, before: str) -> str:
        left = " " if before[-1:].isalnum() or before[-1:] in {")", "]"} else ""
        right = " " if self.peek()[:1].isalnum() or self.peek()[:1] in {"{", "\\"} else ""
        return f"{left}{name}{right}"

    def form(self, name: str, *, math: bool) -> str:
        """Read the arguments of a macro and put them into its readable form.

        An argument that is missing leaves the macro standing.
        """
        kinds, make = _FORMS[name]
        values: list[str] = []
        for kind in kinds:
            value = self.value(kind, math=math)
            if value is None:
                break
            values.append(value)
        made = make(*values) if len(values) == len(kinds) else None
        if made is not None:
            return made
        if any(values):
            return f"\\{name}" + "".join(f"{{{value}}}" for value in values if value)
        return _symbols().get(name, f"\\{name}")

    def value(self, kind: str, *, math: bool) -> str | None:
        """Read one argument: m(ath), t(ext), s(ame mode), r(aw), o(ptional text), b(racketed)."""
        braced = self.peek() == "{" and self.at in self.closer
        if kind == "b":
            return self.bracketed()
        if kind == "o":
            return self.inside(self.at, math=False) if braced else ""
        if kind == "r":
            return self.raw() if braced else None
        following = "".join(self.lexemes[self.at : self.at + 2]).lstrip()[:1]
        loose = (math or kind != "m") and (following.isalnum() or following in {"=", "<", ">"})
        value = self.argument(math={"m": True, "t": False}.get(kind, math), loose=loose)
        if not (math or braced) and value and self.lexemes[self.at - 1].isspace():
            self.at -= 1  # outside a formula it parts two words: `\nu\bar\nu flux`
        return value

    def argument(self, *, math: bool, loose: bool) -> str | None:
        """Read a group, a macro or, if `loose`, a single character; None if none follows."""
        start = self.at
        self.skip_space()
        lexeme = self.peek()
        if lexeme and self.at not in self.ends and self.depth < _MAX_DEPTH:
            if lexeme == "{" and self.at in self.closer:
                return self.inside(self.at, math=math)
            if lexeme[0] == "\\" and self.at not in self.closer:
                self.depth += 1
                piece = self.piece("", math=math)
                self.depth -= 1
                return piece
            if (loose or not lexeme.isascii()) and lexeme[0] not in "{}$^_~\\":
                self.lexemes[self.at] = lexeme[1:]
                self.at += not lexeme[1:]
                return lexeme[0]
        self.at = start
        return None

    def raw(self) -> str:
        start, end = self.at + 1, self.closer[self.at]
        self.at = end + 1
        return _unescaped("".join(self.lexemes[start:end]))

    def bracketed(self) -> str:
        if self.peek() != "[":
            return ""
        for end in range(self.at + 1, min(self.at + _MAX_BRACKETS, len(self.lexemes))):
            if end in self.ends:
                break
            if self.lexemes[end] == "]":
                content = "".join(self.lexemes[self.at + 1 : end])
                self.at = end + 1
                return content.replace("~", " ")
        return ""

    def switch(self, name: str) -> str:
        r"""Leave out `\it`, `\large` and such, which only say how; `\left.` shows nothing."""
        self.skip_space()
        if name in {"left", "right"} and self.peek() == ".":
            self.at += 1
        return ""

    def script(self, mark: str, before: str, *, math: bool) -> str:
        following = self.peek()
        raised = self.ahead(_TYPED_POWER)
        if mark == "^" and not math and raised and _CARRIES_POWER.search(before):
            return self.power(raised[0])
        braced = following == "{" and self.at in self.closer
        if math or braced or (following[:1] == "\\" and following[1:] in _symbols()):
            content = self.argument(math=True, loose=True)
            if content is not None:
                return _script(mark, content, following=self.peek())
        return mark

    def power(self, content: str) -> str:
        """Raise what was typed without dollars: `O(n^2)`; what Unicode cannot raise stays."""
        shown = _script("^", content)
        if shown[0] == "^":
            return "^"
        self.take(len(content))
        return shown

    def sign(self, name: str, before: str, *, math: bool) -> str:
        r"""Read a control symbol such as `\%`."""
        following = self.peek()
        if name == "-" or (name == "!" and math) or _shows_nothing(name, before, following):
            return ""
        if name in {"%", "&", "#", "_", "{", "}", "$", "/"}:
            return name
        if name in _ACCENTS:
            return self.accented(name)
        if name == "\\" and self.rows:
            self.skip_space()
            return "; "
        line_end = name == "\\" and (
            before[-1:] in {".", ",", ";", ":"} or before.isspace() or self.peek().isspace()
        )
        if line_end or name in {",", ";", ":"} or name.isspace():
            self.skip_space()
            return "" if before[-1:].isspace() else " "
        return "‖" if name == "|" else f"\\{name}"

    def accented(self, name: str) -> str:
        r"""Read `\'e`, `\"{\i}`, `\v{C}` or `\H o`; what has no single character stays."""
        if name in _TYPED_ACCENTS and self.is_blank_before_vowel():
            self.skip_space()  # `\" atze`
        mark, lexeme = _ACCENTS[name], self.peek()
        braced = lexeme == "{" and self.at in self.closer
        dotless = lexeme in {"\\i", "\\j"}
        if name.isalpha():
            after = self.lexemes[self.at + 1][:1] if self.at + 1 < len(self.lexemes) else ""
            letter = name in _SPACED_ACCENTS and lexeme.isspace() and _is_composed(after, mark)
        else:
            letter = lexeme[:1].isalpha()
        base = self.argument(math=False, loose=True) if braced or dotless or letter else None
        if base is None:
            return f"\\{name}"
        if dotless:
            self.skip_space()
        if name.isalpha() and name + base in _symbols():
            return _symbols()[name + base]  # arXiv reads `\copyright` as `\c{opyright}`
        if name == "b" and self.peek()[:1].isalpha():
            return base  # a letter set off in a word: `\b{R}etrieval`
        if _is_composed(base[:1], mark):
            return _accent(mark, base[:1]) + base[1:]
        return f"\\{name}{{{base}}}" if braced else f"\\{name}{base}"

    def is_blank_before_vowel(self) -> bool:
        return self.ahead(_BLANK_AND_VOWEL) is not None

    def typed(self, lexeme: str, before: str, *, math: bool) -> str:
        """Read what TeX writes by typewriter signs: ties, quotes, primes, dashes."""
        left, right = before[-1:], self.peek()[:1]
        if lexeme == "~":
            variable = len(before) == 1 and before.islower() and before != "a"  # `z~3`
            tie = _joins(left, right) and not (variable and (right.isdigit() or right.isupper()))
            return " " if math or tie else lexeme
        if lexeme == "``":
            self.quotes += 1
            return "“"
        if lexeme in {"''", '"'} and self.quotes and not math:
            self.quotes -= 1
            return "”"
        if lexeme == "''" and not math:
            return self.double_prime(left, right)
        self.straight ^= lexeme == '"'
        if lexeme[0] in "'\"":
            return lexeme.replace("'", "′") if math else lexeme
        option = not left.strip() and right.strip()  # `use --verbose`
        arrow = left in {"<", "!"} or right == ">"
        return lexeme if math or option or arrow else _DASHES.get(lexeme, lexeme)

    def double_prime(self, left: str, right: str) -> str:
        """Read two apostrophes that no `` opened: quotation marks, but those of 5''."""
        if not left.strip() or left in {"(", "["}:
            if (right.isalnum() or right in {"$", "\\"}) and self.at <= self.last_quote:
                self.quotes += 1
                return "“"
        elif self.straight and not left.isdigit() and not right.isalnum():
            self.straight = False
            return '"'
        return "''"

    def take(self, length: int) -> None:
        """Go on by so many characters."""
        while length:
            lexeme = self.lexemes[self.at]
            taken = min(length, len(lexeme))
            self.lexemes[self.at] = lexeme[taken:]
            self.at += taken == len(lexeme)
            length -= taken

    def ahead(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match what comes next, as far as a few lexemes."""
        return pattern.match("".join(self.lexemes[self.at : self.at + _MAX_AHEAD]))

    def peek(self) -> str:
        return self.lexemes[self.at] if self.at < len(self.lexemes) else ""

    def skip_space(self) -> None:
        self.at += self.peek().isspace()


def _closers(lexemes: Sequence[str], marks: Sequence[int]) -> dict[int, int]:
    r"""Return where each group `{` and formula `$`, `\(`, `\[` ends, by where it begins.

    What has no partner is not in it and stands for itself. All of them stand at `marks`.
    """
    paired = [(at, lexemes[at]) for at in marks if lexemes[at] in _PAIRED]
    closer: dict[int, int] = {}
    opened: list[int] = []
    for at, lexeme in paired:
        if lexeme == "{":
            opened.append(at)
        elif lexeme == "}" and opened:
            closer[opened.pop()] = at
    ends = set(closer.values())
    formula: list[int | None] = [None]  # where a formula began, for each level of braces
    for at, lexeme in paired:
        start = formula[-1]
        if at in closer:
            formula.append(None)
        elif at in ends:
            formula.pop()
        elif start is not None and _is_formula(lexemes, start, at):
            closer[start] = at
            formula[-1] = None
        elif lexeme in _FORMULA:
            formula[-1] = at
    return closer


def _is_formula(lexemes: Sequence[str], start: int, end: int) -> bool:
    """Tell a formula from what happens to lie between two dollars: `$5 to $10`."""
    if _FORMULA[lexemes[start]] != lexemes[end] or end - start >= _MAX_FORMULA:
        return False
    content = "".join(lexemes[start + 1 : end])
    if not content.strip() or lexemes[start] != "$":
        return bool(content.strip())
    spaced = content[0].isspace() or content[-1].isspace()
    if _MATH_ONLY.search(content):
        return not (spaced and _PROSE.search(content))
    amount = content[0].isdigit() and (
        _LETTERS.search(content) is not None
        or (end + 1 < len(lexemes) and lexemes[end + 1][0].isdigit())
    )
    padded = content[0].isspace() and content[-1].isspace()
    small = padded and len(content) <= _SMALL + 2 and not _WORD_OF_PROSE.fullmatch(content.strip())
    return small or not (spaced or amount)


def _shows_nothing(name: str, before: str, following: str) -> bool:
    r"""Tell signs that only adjust space: `\@`, an italic correction, one escaped twice (`\\%`)."""
    if name == "/":  # but `and\/or` is a slash
        return not (before[-1:].isalnum() and following[:1].isalnum())
    return name == "@" or (name == "\\" and following in _ESCAPED_TWICE)


def _joins(left: str, right: str) -> bool:
    """Tell the tie of `Fig.~3` from `~5 ms`, `5~10` and `/~name`."""
    before = left.isalnum() or left in {".", ",", ")", "]", "}", "%", "°", "’", "”"}
    after = right.isalnum() or right in {"\\", "$", "(", "[", "{"}
    return before and after and not (left.isdigit() and right.isdigit())


def _is_ascii_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _is_latin(text: str) -> bool:
    return len(text) > 1 and all("LATIN" in unicodedata.name(letter, "") for letter in text)


def _is_composed(letter: str, mark: str) -> bool:
    return letter.isalpha() and len(_accent(mark, letter)) == 1


def _accent(mark: str, letter: str) -> str:
    return unicodedata.normalize("NFC", _DOTTED.get(letter, letter) + mark)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([_%#&~])", r"\1", text)


def _script(mark: str, content: str, *, following: str = "") -> str:
    """Return a super- or subscript in Unicode if it has every character, else `^(…)` or `_…`."""
    content = content.strip()
    if content in _RAISED[mark]:
        return _RAISED[mark][content]
    table = _script_characters()[mark]
    tight = content.replace(" ", "")
    if all(character in table for character in tight):
        return "".join(table[character] for character in tight)
    if "\\" in content:
        return f"{mark}{{{content}}}"
    if (content.isalnum() or len(content) == 1) and not following[:1].isalnum():
        return mark + content
    return mark + _parenthesised(content)


def _parenthesised(text: str) -> str:
    return text if text[0] == "(" and text.find(")") == len(text) - 1 else f"({text})"


def _operand(text: str) -> str:
    return _parenthesised(text) if re.search(_COMPOUND, text) else text


def _fraction(above: str, below: str) -> str | None:
    above, below = above.strip(), below.strip()
    return f"{_operand(above)}/{_operand(below)}" if above and below else None


def _root(index: str, content: str) -> str:
    sign = (_script("^", index) if index else "") + "√"
    return sign + (content if content.isalnum() else _parenthesised(content or " "))


def _hat(mark: str, name: str, content: str) -> str | None:
    """Put a mathematical accent on one letter (with its scripts), or name it: `hat(AB)`."""
    content = content.strip()
    if not content:
        return None
    if all(unicodedata.category(character) in {"Lm", "No", "Mn"} for character in content[1:]):
        return _accent(mark, content[0]) + content[1:]
    return f"{name}({content})"


def _link(url: str, text: str) -> str:
    return url if text.strip() in url else f"{text} ({url})"


def _citation(note: str, keys: str) -> str:
    shown = [key.strip() for key in keys.split(",")]
    return f"[{', '.join([*shown, note] if note else shown)}]"


def _character(number: str) -> str | None:
    r"""Return what MathJax's `\unicode{x2014}` stands for."""
    try:
        character = chr(int(number.removeprefix("x"), 16 if number[:1] == "x" else 10))
    except (ValueError, OverflowError):
        return None
    return character if character.isprintable() else None


def _blackboard(letter: str) -> str:
    """Return the letterlike ℝ where every font has it, else the letter."""
    known = letter in _NUMBER_SETS
    return unicodedata.lookup(f"DOUBLE-STRUCK CAPITAL {letter}") if known else letter


def _above(mark: str, small: str, base: str) -> str:
    return base.strip() + _script(mark, small) if small.strip() else base


def _roman(number: str) -> str:
    left, shown = int(number), ""
    for value, letters in _ROMAN:
        shown += letters * (left // value)
        left %= value
    return shown


def _dingbat(number: str) -> str | None:
    r"""Return a character of Zapf Dingbats by its number: `\ding{51}` is a check mark."""
    if not number.strip().isdecimal():
        return None
    code = int(number)
    if code in _SUITS_AND_ARROWS:
        return _SUITS_AND_ARROWS[code]
    if 172 <= code <= 181:
        return chr(0x2460 + code - 172)
    if 33 <= code <= 126 or 161 <= code <= 254:
        return chr(0x2700 + code - (32 if code < 127 else 64))
    return None


def _quantity(number: str) -> str:
    """Return a number of siunitx or numprint: `1e-3` is 1×10⁻³."""
    return re.sub(r"[eE]([+-]?\d+)\Z", lambda power: "×10" + _script("^", power[1]), number.strip())


def _unit(text: str) -> str:
    """Return a unit of siunitx; names that are not known stay."""
    shown = re.sub(r"\\([A-Za-z]+)\s*", lambda macro: _UNITS.get(macro[1], macro[0]), text.strip())
    return re.sub(r"(?<=[\w²³])\.(?=\w)", " ", shown.replace("~", " "))


def _measured(number: str, unit: str) -> str:
    return f"{_quantity(number)} {_unit(unit)}"


def _chemical(formula: str) -> str | None:
    """Return a formula of mhchem: counts lowered, charges raised."""
    if "\\" in formula or "$" in formula:
        return None
    shown = re.sub(r"\^\{?([\d+\-]+)\}?", lambda charge: _script("^", charge[1]), formula)
    shown = re.sub(r"(?<=[A-Za-z)\]])_?\{?(\d+)\}?", lambda count: _script("_", count[1]), shown)
    return shown.replace("->", "→")


@cache
def _symbols() -> dict[str, str]:
    """Return what control words stand for, by name: pylatexenc's table without its words."""
    from pylatexenc.latex2text import get_default_latex_context_db  # 30 ms

    symbols: dict[str, str] = {}
    for macro in get_default_latex_context_db().iter_macro_specs():
        shown = macro.simplify_repl
        if isinstance(shown, str) and shown.isprintable() and _NO_SYMBOL.isdisjoint(shown):
            symbols.setdefault(macro.macroname, shown)
    return {n: s for n, s in symbols.items() if s and n not in _WORDS} | _MORE_SYMBOLS


@cache
def _script_characters() -> dict[str, dict[str, str]]:
    """Return Unicode's super- and subscripts, by mark and the character they are made from."""
    characters: dict[str, dict[str, str]] = {"^": {"-": "⁻", "′": "′"}, "_": {"-": "₋"}}
    for code in chain(*_SCRIPTS):
        kind, _, base = unicodedata.decomposition(chr(code)).partition(" ")
        if kind in _SCRIPT_KINDS and " " not in base:
            characters[_SCRIPT_KINDS[kind]][chr(int(base, 16))] = chr(code)
    return characters


# The tables. What TeX calls things is pylatexenc's to know, but for what it lacks.

_MAX_AHEAD = 8  # lexemes

_FORMULA = {"$": "$", "\\(": "\\)", "\\[": "\\]"}
_PAIRED = frozenset({"{", "}", *_FORMULA, *_FORMULA.values()})
_MATH_ONLY = re.compile(r"[\\^_{}=<>]")
_TYPED_POWER = re.compile(r"[+\-−]?\d{1,4}(?!\d)|[^\W\d_]{1,2}(?!\w)|[*+]")
_CARRIES_POWER = re.compile(r"[^\W_]\Z|[)\]}]\Z")
_ESCAPED_TWICE = frozenset("%&#/@")
_TYPED_ACCENTS = frozenset("\"'`^")
_BLANK_AND_VOWEL = re.compile(r" [aeiouAEIOU]")
_WORD_OF_PROSE = re.compile(r"[a-z]{2,}")
_MATRIX = re.compile(r"\{([pbvBV]?matrix|smallmatrix)\}")
_BRACKETS = {
    "bmatrix": ("[", "]"),
    "Bmatrix": ("{", "}"),
    "vmatrix": ("|", "|"),
    "Vmatrix": ("‖", "‖"),
}
_PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}[\s,.;:]+[A-Za-z]{2,}")
_LETTERS = re.compile(r"[A-Za-z]{2}|\s[A-Za-z]")
_COMPOUND = r"[\s+\-−±/=<>,·×]"  # slow to compile for its −, and seldom needed
_SCRIPT_KINDS = {"<super>": "^", "<sub>": "_"}
# Where Unicode has such characters; what lies beyond is in few fonts.
_SCRIPTS = (
    range(0xB2, 0xBB),
    range(0x2B0, 0x300),
    range(0x10FC, 0x10FD),
    range(0x1D2C, 0x1DC0),
    range(0x2070, 0x20A0),
    range(0x2C7C, 0x2C7E),
)
_RAISED = {
    "^": {"∘": "°", "⊤": "ᵀ", "°": "°", "*": "*", "†": "†", "‡": "‡"},
    "_": {"⊙": "⊙", "⊕": "⊕"},
}
_DOTTED = {"ı": "i", "ȷ": "j"}
_DASHES = {"--": "–", "---": "—"}
_NUMBER_SETS = frozenset("CHNPQRZ")
_SPACED_ACCENTS = frozenset("Hcvku")

_ACCENTS = dict(
    zip(
        "'`\"^~=.Hckvurdb",
        "\u0301\u0300\u0308\u0302\u0303\u0304\u0307\u030b\u0327\u0328\u030c\u0306\u030a\u0323\u0331",
        strict=True,
    )
)
_HATS = {
    "hat": "\u0302",
    "widehat": "\u0302",
    "tilde": "\u0303",
    "widetilde": "\u0303",
    "bar": "\u0304",
    "overline": "\u0305",
    "dot": "\u0307",
    "ddot": "\u0308",
    "check": "\u030c",
    "breve": "\u0306",
    "mathring": "\u030a",
    "vec": "\u20d7",
    "not": "\u0338",
}

# Sets, since a pattern of so many words is slow to compile, and slow to find one in.
_SWITCHES = frozenset(
    "rm bf it em sl sc sf tt cal bfseries mdseries itshape scshape slshape upshape rmfamily "  # noqa: SIM905
    "sffamily ttfamily normalfont displaystyle textstyle scriptstyle tiny scriptsize footnotesize "
    "small normalsize large Large LARGE huge Huge boldmath unboldmath left right middle "
    "big bigl bigr bigm bigg biggl biggr biggm Big Bigl Bigr Bigm Bigg Biggl Biggr Biggm "
    "limits nolimits noindent centering protect xspace".split()
)

# What pylatexenc has under words that authors use for other things.
_WORDS = frozenset(
    "today image original estimates id Ident between square natural flat sharp recorder male "  # noqa: SIM905
    "female smile frown because aries taurus gemini cancer leo virgo libra scorpio sagittarius "
    "capricornus aquarius pisces mercury venus jupiter saturn uranus neptune pluto".split()
)
_NO_SYMBOL = frozenset("%<>\\$_^{}")  # what is made of them is a form, or TeX again
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LENGTH = re.compile(r"\s*(-?\d*\.?\d+)\s*(?:mu|pt|em|ex|cm|mm|in)")
# Macros whose argument stands bare behind them: how it is read, and what it becomes.
_MEASURED: dict[str, tuple[re.Pattern[str], Callable[[str], str]]] = {
    "romannumeral": (re.compile(r"\s*(\d{1,4})(?!\d)"), _roman)
} | {name: (_LENGTH, lambda _length: "") for name in ("mkern", "kern", "mskip", "hskip")}
_INFIX: dict[str, Callable[[str, str], str | None]] = {
    "\\over": _fraction,
    "\\atop": "{}, {}".format,
    "\\choose": "({} choose {})".format,
}
_SUITS_AND_ARROWS = {168: "♣", 169: "♦", 170: "♥", 171: "♠", 213: "→", 214: "↔", 215: "↕"}
_UNITS = {
    "per": "/", "squared": "²", "cubed": "³", "percent": "%", "degree": "°", "celsius": "°C",
    "degreeCelsius": "°C", "kilo": "k", "mega": "M", "giga": "G", "tera": "T", "milli": "m",
    "micro": "μ", "nano": "n", "pico": "p", "femto": "f", "centi": "c", "metre": "m", "meter": "m",
    "second": "s", "gram": "g", "kelvin": "K", "ampere": "A", "mole": "mol", "hertz": "Hz",
    "newton": "N", "pascal": "Pa", "joule": "J", "watt": "W", "volt": "V", "ohm": "Ω",
    "tesla": "T", "electronvolt": "eV", "litre": "L", "liter": "L", "minute": "min", "hour": "h",
    "day": "d", "byte": "B", "bit": "bit", "decibel": "dB", "kg": "kg", "km": "km", "cm": "cm",
    "mm": "mm", "um": "μm", "nm": "nm", "ms": "ms", "us": "μs", "ns": "ns", "kHz": "kHz",
    "MHz": "MHz", "GHz": "GHz", "eV": "eV", "keV": "keV", "MeV": "MeV", "GeV": "GeV", "TeV": "TeV",
}  # fmt: skip

_FUNCTIONS = "arg argmax argmin cot coth csc deg det dim gcd hom ker lg Pr sec sgn tr Tr"
_MORE_SYMBOLS = {name: name for name in _FUNCTIONS.split()} | {
    "sqrt": "√",
    "Box": "□",
    "vDash": "⊨",
    "lt": "<",
    "gt": ">",
    "textless": "<",
    "textgreater": ">",
    "slash": "/",
    "prime": "′",  # pylatexenc has a plain apostrophe
    "ast": "*",
    "eth": "ð",
    "textasciitilde": "~",
    "backslash": "∖",
    "textbackslash": "∖",
    "copyright": "©",
    "neg": "¬",
    "ne": "≠",
    "gets": "←",
    "iff": "⇔",
    "implies": "⇒",
    "land": "∧",
    "lor": "∨",
    "models": "⊨",
    "colon": ":",
    "infinity": "∞",
    "arcsec": "″",
    "arcmin": "′",
    "eg": "e.g.",
    "ie": "i.e.",
}

# Macros with arguments: how each is read (see `_Reader.value`), and what it becomes.
_FORMS: dict[str, tuple[str, Callable[..., str | None]]] = {
    name: (kinds, make)
    for names, kinds, make in (
        ("textbf textit emph texttt textsc textsf textrm textsl textup", "t", str),
        ("textmd textnormal text mbox hbox highlight hl", "t", str),
        ("mathrm mathbf mathit mathsf mathtt mathcal mathscr mathfrak mathnormal", "m", str),
        ("boldsymbol bm pmb operatorname ensuremath", "m", str),
        ("mathbb mathbbm", "m", _blackboard),
        ("underline uline ul", "s", str),
        ("textsuperscript", "s", partial(_script, "^")),
        ("textsubscript", "s", partial(_script, "_")),
        ("frac dfrac tfrac nicefrac sfrac", "mm", _fraction),
        ("binom", "mm", "({} choose {})".format),
        ("sqrt", "bm", _root),
        ("ket", "m", "|{}⟩".format),
        ("bra", "m", "⟨{}|".format),
        ("braket", "mm", "⟨{}|{}⟩".format),
        ("ketbra", "mm", "|{}⟩⟨{}|".format),
        ("smash", "bs", lambda _part, content: content),
        ("overset stackrel", "mm", partial(_above, "^")),
        ("underset", "mm", partial(_above, "_")),
        ("enquote say textquote", "t", "“{}”".format),
        ("ding", "r", _dingbat),
        ("num numprint", "r", _quantity),
        ("SI qty", "rr", _measured),
        ("si unit", "r", _unit),
        ("ce ch", "r", _chemical),
        ("gls glspl Gls ac acs acf acl acrshort acrlong acrfull", "r", str),
        ("hyperlink", "rt", lambda _target, text: text),
        ("url", "r", str),
        ("href", "ro", _link),
        ("cite citet citep citealp citeauthor", "br", _citation),
        ("ref", "r", "[{}]".format),
        ("eqref", "r", "({})".format),
        ("footnote", "t", " ({})".format),
        ("color", "r", lambda _colour: ""),
        ("textcolor", "rs", lambda _colour, text: text),
        ("texorpdfstring", "so", lambda typeset, _plain: typeset),
        ("unicode", "r", _character),
    )
    for name in names.split()
} | {
    name: ("m", partial(_hat, mark, name.lower().removeprefix("wide")))
    for each, mark in _HATS.items()
    for name in (each, each.capitalize())
    if name != "Not"
}
