"""Builds index/lexicon.tsv.gz, French-English terms for retrieval, from files of Debian and PyPI packages; deterministic.

    python tests/bench/build_lexicon.py --root FOLDER     packages unpacked with `dpkg-deb -x PACKAGE.deb FOLDER`
    python tests/bench/build_lexicon.py --root /          packages installed with apt-get

Needs `babel`, and the Debian packages that --help names.

No free French-English dictionary of a fair size is in the registries under a licence other than the GPL, so the pairs are
*triangulated*: an English word and a French word are translations of each other when they share translations in other
languages. Chance meetings are rare in several languages at once, and the score counts on that.

Sources, each pair's one is named in its last column:

    wikdict  dict-freedict-* of Debian source freedict-wikdict 2022.12.07-2: dictionaries made by WikDict, Karl Bartel, from
             the Wiktionaries by way of DBnary. CC BY-SA 3.0 (full text: /usr/share/doc/dict-freedict-eng-fin/copyright).
             Pivots: Finnish, Bulgarian, Japanese, Greek, Polish; and two steps further German, Spanish, Italian, Swedish,
             Portuguese, Russian.
             dict-freedict-jpn-eng and -jpn-fra 2022.04.21-1 (Debian source freedict): JMdict of the Electronic Dictionary
             Research and Development Group (James William Breen). CC BY-SA 3.0 (their copyright files).
    cldr     PyPI babel (territories, languages, currencies, cities of time zones, months, weekdays) and, if found, Debian
             unicode-cldr-core 41-0.1 (names of emoji). Unicode-DFS-2016 / Unicode-3.0.
    spelling the same English word in British or American spelling, from a wikdict pair.

The result is an adaptation of CC BY-SA 3.0 works, hence itself under CC BY-SA 3.0 (or later, its section 4b).

What is written is made of these pairs by `index.lexicon.compile_lines`.
"""

import argparse
import functools
import gzip
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from babel import Locale

from index.lexicon import compile_lines

TOP = 4
PIVOTS = ("fin", "bul", "jpn", "ell", "pol")
SECOND_PIVOTS = {
    "deu": ("fin", "pol", "ell", "bul"),
    "spa": ("pol", "ell"),
    "ita": ("fin", "ell", "jpn", "bul", "pol"),
    "swe": ("fin", "pol", "ell", "bul", "jpn"),
    "por": ("fin", "ell", "pol"),
    "rus": ("pol", "ell"),
}
WIKDICT = [
    *("eng-fin", "eng-bul", "eng-jpn", "fin-eng", "pol-eng", "ell-eng"),
    *("fra-fin", "fra-bul", "fra-jpn", "fra-pol", "fra-ell", "fin-fra", "pol-fra", "ell-fra"),
    *("fra-deu", "deu-fra", "fra-spa", "fra-ita", "fra-swe", "swe-fra", "fra-por", "por-fra", "fra-rus"),
    *("deu-fin", "fin-deu", "deu-pol", "pol-deu", "deu-ell", "deu-bul", "pol-spa", "ell-spa", "ita-fin", "fin-ita"),
    *("ita-ell", "ell-ita", "ita-jpn", "ita-bul", "ita-pol", "pol-ita", "swe-fin", "fin-swe", "swe-pol", "pol-swe"),
    *("swe-ell", "ell-swe", "swe-bul", "swe-jpn", "fin-por", "ell-por", "pol-por", "pol-rus", "ell-rus"),
]
PACKAGES = [f"dict-freedict-{pair}" for pair in (*WIKDICT, "jpn-eng", "jpn-fra")]

_BASE64 = {c: i for i, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_HEAD = re.compile(r"^(.*?)(?: /.*/)?(?: <([^<>]*)>)?$")
_SIGN = re.compile(
    r"\b(?:man|men|woman|women|person|people|face|cat|arrow|arrows|symbol|button|hearts?|circle|square|hands?)\b"
)
_GRAMMAR = re.compile(r"\s*\((?:noun|verb|adj|adv|expr|Godan|Ichidan|(?:in)?trans|pro|prefix)")
_PART = {"n": "n", "pn": "n", "v": "v", "adj": "a", "adv": "r"}
_SPELLINGS = (
    ("our", "or"),
    ("ours", "ors"),
    ("oured", "ored"),
    ("oural", "oral"),
    ("ise", "ize"),
    ("ised", "ized"),
    ("ising", "izing"),
    ("isation", "ization"),
    ("yse", "yze"),
    ("tre", "ter"),
    ("ence", "ense"),
    ("ogue", "og"),
    ("lled", "led"),
    ("lling", "ling"),
    ("ller", "ler"),
    ("programme", "program"),
    ("grey", "gray"),
    ("cheque", "check"),
    ("tyre", "tire"),
    ("plough", "plow"),
    ("aeroplane", "airplane"),
    ("aluminium", "aluminum"),
)

Edges = dict[tuple[str, str | None], dict[str, float]]
"""(word, part of speech or None) -> {word of a pivot language: in how many senses}"""
Sense = list[str]


def entries(root: Path, pair: str) -> Iterator[str]:
    """The articles of a dictd dictionary."""
    stem = root / "usr/share/dictd" / f"freedict-{pair}"
    text = gzip.decompress(stem.with_suffix(".dict.dz").read_bytes())
    seen = set()
    for line in stem.with_suffix(".index").read_text("utf-8").splitlines():
        head, *place = line.split("\t")[:3]
        start, size = (functools.reduce(lambda n, c: n * 64 + _BASE64[c], digits, 0) for digits in place)
        if not head.startswith("00") and (start, size) not in seen:
            seen.add((start, size))
            yield text[start : start + size].decode("utf-8")


@functools.cache
def wikdict(root: Path, pair: str) -> list[tuple[str, str | None, list[Sense]]]:
    """Headword, part of speech and translations by sense, of a dictionary made by WikDict."""
    found = []
    for entry in entries(root, pair):
        first, *lines = entry.split("\n")
        match = _HEAD.match(first)
        assert match
        part = match.group(2)
        senses = []
        for at, line in enumerate(lines):
            numbered = re.match(r"\d+\. (\S.*)$", line)
            if numbered or at == 0:
                # A number at the end, too, is where several senses share the translations.
                senses.append(translations(re.sub(r" \d+\.$", "", numbered.group(1) if numbered else line)))
        found.append((match.group(1).strip(), _PART.get(part.split(",")[0], "x") if part else None, senses))
    return found


def jmdict(root: Path, pair: str) -> Iterator[tuple[list[str], Sense]]:
    """Written forms and glosses; kana alone only where there is no kanji."""
    for entry in entries(root, pair):
        head, _, body = entry.partition("\n")
        forms = [re.sub(r"\[[^\]]*\]", "", form).strip() for form in re.split(r" /[^/]*/(?:, |$)", head)]
        forms = [form for form in forms if re.search("[\u4e00-\u9fff]", form)] or [form for form in forms if form]
        for line in body.split("\n"):
            line = re.sub(r"^\d+\. ", "", line)
            if "Note:" not in line and not _GRAMMAR.match(line):
                yield forms, translations(re.sub(r"^[\s\[{(][^\])}]*[\])}]", "", line))


def translations(line: str) -> Sense:
    line = re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", line)
    return [word for part in re.split("[,;、]", line) if (word := part.strip())]


def pivot(word: str) -> str:
    """Stress marks, which only some dictionaries write, taken off."""
    bare = (c for c in unicodedata.normalize("NFD", word) if c not in "\u0300\u0301")
    return unicodedata.normalize("NFC", "".join(bare)).replace("ё", "е").lower().strip(" .!?")


def clean(word: str, lang: str) -> str | None:
    """A term of one to three words without article or grammar, or None.

    >>> clean("to tax", "en"), clean("l’impôt (sur le revenu)", "fr"), clean("someone who does not pay taxes", "en")
    ('tax', 'impôt', None)
    """
    word = unicodedata.normalize("NFC", word).replace("’", "'").replace("‐", "-").replace("‑", "-")
    word = re.sub(r"\([^()]*\)|\[[^\]]*\]|\{[^}]*\}", "", word)
    word = re.sub(r"\s+", " ", word).strip(' .!?…"«»“”-/')
    if lang == "en":
        word = re.sub(r"^(?:to|a|an|the) (?=\w)", "", word)
    else:
        word = re.sub(r"^(?:le|la|les|un|une|des|se) (?=\w)|^[ls]'(?=\w)", "", word)
        word = re.sub(r" (?:qqn|qqch|qqc|qch|qn|quelqu'un|quelque chose)$", "", word)
    plain = re.fullmatch(r"[A-Za-zÀ-ÖØ-öø-ÿŒœ0-9'&.-]+(?: [A-Za-zÀ-ÖØ-öø-ÿŒœ0-9'&.-]+){0,2}", word)
    if not plain or len(word) < 2 or not re.search("[A-Za-zÀ-ÿ]{2}", word) or re.match(r"(?:be|being|être|become) ", word):
        return None
    return word


def edges(root: Path, lang: str, other: str, pairs: Iterable[str]) -> Edges:
    """What joins the words of English or French (`lang`) with those of a pivot language."""
    found: Edges = defaultdict(lambda: defaultdict(float))
    for pair in pairs:
        forwards = pair.startswith(lang)
        for head, part, senses in wikdict(root, pair):
            for word in (word for sense in senses for word in sense):
                near, far = (head, word) if forwards else (word, head)
                if term := clean(near, lang[:2]):
                    found[term, part][pivot(far)] += 1
    if other == "jpn":
        for forms, sense in jmdict(root, f"jpn-{lang}"):
            for term in filter(None, (clean(word, lang[:2]) for word in sense)):
                for form in forms:
                    found[term, None][pivot(form)] += 1
    return found


def agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def triangulate(english: Edges, french: Edges) -> dict[tuple[str, str], float]:
    """How likely a walk over the pivot words leads from one word to the other and back (geometric mean)."""
    to_french = defaultdict(list)
    to_english = defaultdict(list)
    for (word, part), pivots in french.items():
        for middle, weight in pivots.items():
            to_french[middle].append((word, part, weight, sum(pivots.values())))
    for (_, part), pivots in english.items():
        for middle, weight in pivots.items():
            to_english[middle].append((part, weight))
    walks: dict[Any, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (word, part), pivots in english.items():
        total = sum(pivots.values())
        for middle, weight in pivots.items():
            targets = [target for target in to_french.get(middle, ()) if agree(part, target[1])]
            into = sum(w for _, _, w, _ in targets)
            back = sum(w for p, w in to_english[middle] if agree(part, p))
            for target, _, w, target_total in targets:
                walk = walks[word, target]
                walk[0] += weight / total * w / into
                walk[1] += w / target_total * weight / back
    return {pair: (there * back) ** 0.5 for pair, (there, back) in walks.items()}


def extend(english: dict[str, Edges], root: Path, second: str) -> Edges:
    """English to a second pivot language, over each first one that has a dictionary with it."""
    found: Edges = defaultdict(lambda: defaultdict(float))
    for first in SECOND_PIVOTS[second]:
        bridge: Edges = defaultdict(lambda: defaultdict(float))
        for pair in (pair for pair in WIKDICT if pair in (f"{first}-{second}", f"{second}-{first}")):
            for head, part, senses in wikdict(root, pair):
                for word in (word for sense in senses for word in sense):
                    near, far = (head, word) if pair.startswith(first) else (word, head)
                    bridge[pivot(near), part][pivot(far)] += 1
        by_word = defaultdict(list)
        into: dict[str, float] = defaultdict(float)
        for (word, part), targets in bridge.items():
            by_word[word].append((part, targets))
            for target, weight in targets.items():
                into[target] += weight
        out_of: dict[str, float] = defaultdict(float)
        for pivots in english[first].values():
            for word, weight in pivots.items():
                out_of[word] += weight
        for (term, part), pivots in english[first].items():
            walks: dict[Any, list[float]] = defaultdict(lambda: [0.0, 0.0])
            for word, weight in pivots.items():
                for bridge_part, targets in by_word.get(word, ()):
                    if agree(part, bridge_part):
                        for target, w in targets.items():
                            walks[target][0] += weight / sum(pivots.values()) * w / sum(targets.values())
                            walks[target][1] += w / into[target] * weight / out_of[word]
            for target, (there, back) in walks.items():
                found[term, part][target] += (there * back) ** 0.5
    strong = {key: {word: w for word, w in targets.items() if w >= 0.15} for key, targets in found.items()}
    return {key: targets for key, targets in strong.items() if targets}


def letters(text: str) -> str:
    """Case, accents, hyphens and ligatures folded."""
    text = text.casefold().replace("œ", "oe").replace("æ", "ae").replace("-", " ")
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def alike(english: str, french: str) -> bool:
    """Whether the two look like one word: a chance meeting rarely does."""
    one, other = letters(english), letters(french)
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= 0.7


def walked(root: Path) -> dict[tuple[str, str], float]:
    """Scores of the triangulated pairs that have evidence enough."""
    english = {p: edges(root, "eng", p, [x for x in WIKDICT if x in (f"eng-{p}", f"{p}-eng")]) for p in PIVOTS}
    score: dict[tuple[str, str], float] = defaultdict(float)
    routes: dict[tuple[str, str], int] = defaultdict(int)
    for middle in (*PIVOTS, *SECOND_PIVOTS):
        french = edges(root, "fra", middle, [x for x in WIKDICT if x in (f"fra-{middle}", f"{middle}-fra")])
        first = middle in PIVOTS
        for pair, value in triangulate(english[middle] if first else extend(english, root, middle), french).items():
            if first or value >= 0.02:
                score[pair] += value if first else 0.5 * value
                routes[pair] += 1
    kept = {}
    for pair, value in score.items():
        if value >= 0.15 and value >= (0.15 if alike(*pair) else 0.7 if routes[pair] == 1 else 0.4):
            kept[pair] = value
    # The best there is for a word that would be left without any.
    for side in (0, 1):
        served = {pair[side] for pair in kept}
        best: dict[Any, Any] = {}
        for pair, value in score.items():
            if pair[side] not in served and value >= (0.5 if routes[pair] == 1 else 0.3):
                best[pair[side]] = max(best.get(pair[side], (0, pair)), (value, pair))
        kept |= {pair: value for value, pair in best.values()}
    return kept


def one_spelling(score: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Pairs that differ only in case, accents, hyphens or a plural: the best one, with the score of all of them."""

    def key(text: str) -> str:
        folded = letters(text)
        return folded[:-1] if folded[-1:] in "sx" and len(folded) > 3 and folded[-2] != "s" else folded

    groups = defaultdict(list)
    for pair, value in score.items():
        groups[key(pair[0]), key(pair[1])].append((value, pair))
    best: dict[Any, Any] = {}
    for group in groups.values():
        value, (english, french) = max(group, key=lambda item: (item[0], item[1]))
        best[english, french] = max(best.get((english, french), 0), sum(v for v, _ in group))
    return best


def respelt(score: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """The pairs of the other spelling (British, American) of an English word, where both share a translation already.

    Without one, `four` would be a spelling of `for`.
    """
    french_of = defaultdict(set)
    for english, french in score:
        french_of[english].add(french)
    found: dict[tuple[str, str], float] = {}
    for (english, french), value in score.items():
        for pair in _SPELLINGS:
            for here, there in (pair, pair[::-1]):
                other = re.sub(here + r"\b", there, english)
                if other != english and french not in french_of[other] and french_of[other] & french_of[english]:
                    found[other, french] = max(value, found.get((other, french), 0))
    # A word of this kind without any translation in that spelling.
    for (english, french), value in score.items():
        for here, there in (("ise", "ize"), ("isation", "ization"), ("yse", "yze")):
            for one, two in ((here, there), (there, here)):
                other = re.sub(f"(?<=[a-z]{{4}}){one}$", two, english)
                if other != english and other not in french_of and score[english, french] >= 0.5:
                    found[other, french] = value
    return found


def names(root: Path) -> Iterator[tuple[str, str]]:
    """English and French names in the CLDR."""
    en, fr = Locale("en"), Locale("fr")
    for kind in ("territories", "languages", "currencies"):
        here, there = getattr(en, kind), getattr(fr, kind)
        for code in sorted(set(here) & set(there)):
            yield from variants(here[code], there[code])
    for kind in ("months", "days"):
        here, there = (getattr(locale, kind)["format"]["wide"] for locale in (en, fr))
        for number in here:
            yield here[number], there[number]
    for zone in sorted(set(en.time_zones) | set(fr.time_zones)):
        city = fr.time_zones.get(zone, {}).get("city")
        if city:
            yield en.time_zones.get(zone, {}).get("city", zone.rpartition("/")[2].replace("_", " ")), city
    files = [root / f"usr/share/unicode/cldr/common/annotations/{lang}.xml" for lang in ("en", "fr")]
    if all(file.exists() for file in files):
        here, there = (
            {a.get("cp"): a.text or "" for a in ElementTree.parse(file).iter("annotation") if a.get("type") == "tts"}
            for file in files
        )
        for sign in here:
            if sign in there and sign and ord(sign[0]) >= 0x2600 and not _SIGN.search(here[sign]):
                yield here[sign], there[sign]


def variants(english: str, french: str) -> Iterator[tuple[str, str]]:
    """`Myanmar (Burma)` is two names; `Congo - Kinshasa` is one."""
    for one in re.findall(r"[^()]+", english):
        for other in re.findall(r"[^()]+", french):
            yield one.replace(" - ", "-").strip(), other.replace(" - ", "-").strip()


def ranks(score: dict[tuple[str, str], float], side: int) -> dict[tuple[str, str], int]:
    """The rank of every pair among those of its English (`side` 0) or French word; past TOP if weak beside the best."""
    groups = defaultdict(list)
    for pair, value in score.items():
        groups[pair[side]].append((-value, pair))
    found = {}
    for group in groups.values():
        group.sort()
        for at, (value, pair) in enumerate(group, 1):
            found[pair] = at if value <= 0.25 * group[0][0] else max(at, TOP + 1)
    return found


def build(root: Path) -> list[tuple[str, str, int, int]]:
    """English, French, rank of the French among the translations of the English word, and the other way round."""
    score = one_spelling(walked(root))
    for pair, value in respelt(score).items():
        score[pair] = value
    folded = {(letters(one), letters(other)): (one, other) for one, other in score}
    for one, other in names(root):
        english, french = clean(one, "en"), clean(other, "fr")
        if english and french and letters(english) != letters(french):
            pair = folded.get((letters(english), letters(french)), (english, french))
            score[pair] = max(score.get(pair, 0), 1.5)
    # The same name in both languages needs no bridge.
    score = {(one, other): value for (one, other), value in score.items() if one != other or one.islower()}
    from_english, from_french = ranks(score, 0), ranks(score, 1)
    return sorted(
        (*pair, from_english[pair], from_french[pair])
        for pair in score
        if from_english[pair] <= TOP or from_french[pair] <= TOP
    )


def main() -> None:
    """Build, and write the file."""
    parser = argparse.ArgumentParser(description="Builds the French-English lexicon.", epilog=" ".join(PACKAGES))
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the Debian packages are unpacked")
    given = parser.parse_args()
    pairs = build(given.root)
    lines = list(compile_lines(pairs))
    # Without a time in it, so that the same pairs give the same file.
    packed = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 9, mtime=0)
    (Path(__file__).resolve().parents[2] / "index" / "lexicon.tsv.gz").write_bytes(packed)
    print(f"{len(pairs)} pairs, {len(lines)} terms")


if __name__ == "__main__":
    main()
