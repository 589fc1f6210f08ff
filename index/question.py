"""What does a question ask for: a time, a number, a place, a person? And is it a question at all?

Told by its interrogative words and, behind *quel* or *which*, by the noun that follows.
"""

import itertools
import re
from enum import StrEnum

from index.terms import fold, without_accents, words
from index.when import asks_when


class Kind(StrEnum):
    """What a question asks for."""

    TIME = "time"
    NUMBER = "number"
    PLACE = "place"
    PERSON = "person"
    """Whoever has a name: one person, a group, an office."""
    OTHER = "other"


_REACH = 5
"""Words behind *quel* or *which* that its noun is looked for among: "which of the two French ministers"."""
_WHICH = {
    "fr": frozenset("quel quelle quels quelles lequel laquelle lesquels lesquelles".split()),
    "en": frozenset("what which".split()),
}
_WORDS = {
    "fr": {"combien": Kind.NUMBER, "où": Kind.PLACE, "qui": Kind.PERSON},
    "en": {"where": Kind.PLACE, "who": Kind.PERSON, "whom": Kind.PERSON, "whose": Kind.PERSON},
}
_MEASURES = frozenset("many much old long tall far big large high deep often fast wide heavy".split())
"""Behind *how* they ask for a number."""
_NOUNS = {
    "fr": {
        Kind.NUMBER: """nombre age montant pourcentage taux poids prix budget chiffre effectif total score salaire cout
            superficie population taille hauteur longueur largeur distance duree altitude part proportion somme
            vitesse temperature profondeur quantite bilan""",
        Kind.PLACE: """pays ville region lieu endroit capitale continent departement commune ile etat quartier province
            montagne fleuve riviere village""",
        Kind.PERSON: """personne personnage auteur autrice acteur actrice roi reine president presidente ministre joueur
            joueuse chanteur chanteuse homme femme ecrivain peintre empereur pape general realisateur
            realisatrice compositeur musicien artiste philosophe fondateur fondatrice architecte scientifique
            physicien physicienne chimiste mathematicien inventeur explorateur navigateur historien economiste
            chercheur chercheuse expert experte professeur medecin groupe equipe club parti syndicat association
            organisation entreprise societe compagnie agence nom depute deputee senateur senatrice elu elue
            maire gouverneur prefet diplomate ambassadeur ambassadrice conseiller conseillere candidat candidate
            opposant opposante militant militante membre dirigeant dirigeante leader chef patron patronne pdg
            directeur directrice responsable avocat avocate juge magistrat magistrate procureur procureure
            policier policiere gendarme soldat officier commandant temoin suspect suspecte victime journaliste
            poete romancier romanciere dramaturge cineaste sculpteur danseur danseuse comedien comedienne
            humoriste rappeur rappeuse athlete coureur coureuse cycliste nageur nageuse footballeur footballeuse
            entraineur entraineuse arbitre prince princesse duc duchesse comte imperatrice eveque cardinal saint
            sainte""",
    },
    "en": {
        Kind.NUMBER: """number percentage population age height length distance size area amount total price cost score rate
            speed toll share""",
        Kind.PLACE: """country countries city cities town state place region continent county island river mountain
            location province capital village""",
        Kind.PERSON: """person people man woman king queen president author actor actress player singer emperor pope general
            leader group team club company organisation organization association union agency name character
            artist scientist physicist chemist mathematician inventor explorer historian economist researcher
            expert professor doctor director composer writer poet novelist playwright filmmaker sculptor dancer
            comedian rapper band minister senator congressman congresswoman mayor governor diplomat ambassador
            adviser advisor candidate activist member official chief boss ceo chairman chairwoman founder lawyer
            judge prosecutor officer soldier commander witness suspect victim journalist spokesperson spokesman
            spokeswoman party athlete runner cyclist swimmer footballer coach referee prince princess duke
            duchess empress bishop cardinal saint""",
    },
}
_KIND_OF = {
    lang: {f"{noun}{plural}": kind for kind, nouns in kinds.items() for noun in nouns.split() for plural in ("", "s")}
    for lang, kinds in _NOUNS.items()
}

# A question need not end with its mark: people type "qui a gagné".
_OPENERS = {
    "fr": frozenset(
        """qui que quoi quand où comment pourquoi combien quel quelle quels quelles lequel laquelle lesquels lesquelles est-ce
        qu'est-ce qu'est""".split()
    ),
    "en": frozenset(
        """who whom whose what when where why how which is are was were do does did has have had can could will would should
        am whats whos""".split()
    ),
}
_REQUESTS = {
    "fr": frozenset("dis dites donne donnez explique expliquez cite citez raconte racontez".split()),
    "en": frozenset("tell give explain name list describe".split()),
}
_LEADING = frozenset(
    """a au aux d de depuis des du en et jusqu par pour sur dans avec contre selon alors mais and at by for from in of on to
    with so but""".split()
)
"""What may stand before the interrogative: "À quelle heure", "In which city"."""
# "Que dit-il", "c’est quoi", "qu’est ce qui"; and *où* as it is often typed.
_FRENCH = re.compile(r"\w-(?:t-)?(?:ils?|elles?|on|vous|nous|tu|je|ce)\b|\best quoi\b|^\W*qu[’' ]|^\W*ou\s", re.IGNORECASE)
_ASKS = re.compile(r"\?[\s»”\"')\]]*$")


def kind_of(question: str, lang: str) -> Kind:
    """What a question in `lang` asks for.

    >>> kind_of("Combien de drones ont été abattus ?", "fr"), kind_of("Which two French ministers resigned?", "en")
    (<Kind.NUMBER: 'number'>, <Kind.PERSON: 'person'>)
    """
    if asks_when(question, lang):
        return Kind.TIME
    forms = [word.form for word in words(question)]
    for place, form in enumerate(forms):
        kind = _WORDS[lang].get(form)
        if kind is None and form == "how" and lang == "en" and forms[place + 1 : place + 2] and forms[place + 1] in _MEASURES:
            kind = Kind.NUMBER
        if kind is None and form in _WHICH[lang]:
            nouns = (without_accents(noun) for noun in forms[place + 1 : place + 1 + _REACH])
            kind = next((_KIND_OF[lang][noun] for noun in nouns if noun in _KIND_OF[lang]), None)
        if kind is not None:
            return kind
    return Kind.OTHER


def is_question(text: str, lang: str) -> bool:
    """Whether `text` asks something, rather than being keywords or a headline.

    >>> is_question("qui a revendiqué l’attaque", "fr"), is_question("attaque Belgorod revendication", "fr")
    (True, False)
    """
    if _ASKS.search(text):
        return True
    forms = [word.form if word.form == "où" else without_accents(word.form) for word in words(text)]
    if not forms or text.rstrip().endswith(("!", "…")):
        return bool(forms) and forms[0] in _REQUESTS[lang]
    leading = itertools.takewhile(lambda form: form in _LEADING and form not in _OPENERS[lang], forms)
    first = min(sum(1 for _ in leading), len(forms) - 1)
    return forms[first] in _OPENERS[lang] | _REQUESTS[lang] or (lang == "fr" and bool(_FRENCH.search(text)))


def questions(text: str) -> list[str]:
    """The questions in `text`, apart; several are hard to answer with one sentence.

    >>> questions("Qui est Prigojine ? Et où est-il ?"), questions("Who said « why not? » in May?")
    (['Qui est Prigojine ?', 'Et où est-il ?'], ['Who said « why not? » in May?'])
    """
    # A mark inside of quotation marks belongs to what is quoted.
    quoted = [match.span() for match in re.finditer(r"«[^»]*»|“[^”]*”|\"[^\"]*\"", text)]
    found, begin = [], 0
    for match in re.finditer(r"\?+[\s\u00a0\u202f]*", text):
        if not any(start <= match.start() < end for start, end in quoted):
            found.append(text[begin : match.end()].strip())
            begin = match.end()
    rest = text[begin:].strip()
    if rest:
        found.append(rest)
    return [one for one in found if any(character.isalnum() for character in one)]


_MONTHS = """janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre january february march april
may june july august september october november december"""
_DAYS = "lundi mardi mercredi jeudi vendredi samedi dimanche monday tuesday wednesday thursday friday saturday sunday"
# Of folded text, which has neither accents nor apostrophes. Three hours may be how long; at three hours is when.
_CLOCK = r"""\d{1,2}\s?h(?:\s?\d\d)? | (?<!:)\d{1,2}:\d\d(?!:) | \d{1,2}(?:[.:]\d\d)?\s?[ap]\.?m\b | \w+\soclock
      | (?:a|vers|des|avant|apres|jusqua)\s(?:\d{1,2}|une|deux|trois|quatre|cinq|six|sept|huit|neuf|dix|onze|douze)\sheures?
      | midi | minuit | noon | midnight"""
_YEAR = r"1\d{3} | 20\d\d | \d{3,4}s | (?:[ivx]+|\d+)e\s(?:siecle|s\.) | (?:\d+|\w+)(?:st|nd|rd|th)[\s-]centur(?:y|ies)"
_DAY = f"""{"|".join((_MONTHS + " " + _DAYS).split())} | \\d{{1,2}}/\\d{{1,2}}(?:/\\d{{2,4}})?
      | hier | aujourdhui | demain | yesterday | today | tomorrow | tonight"""
_TIME = re.compile(rf"\b(?: {_YEAR} | {_DAY} | {_CLOCK} )(?!\w)", re.VERBOSE)
_NUMBER_WORDS = """deux trois quatre cinq six sept huit neuf dix onze douze treize quinze vingt trente quarante cinquante
soixante
cent cents mille million millions milliard milliards dizaine dizaines centaine centaines millier milliers vingtaine moitie tiers
quart aucun aucune two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty fifty sixty
hundred hundreds thousand thousands billion billions dozen dozens half none once twice"""
_NUMBER = re.compile(rf"\b(?:\d[\d.,\u00a0\u202f]*|{'|'.join(_NUMBER_WORDS.split())})\b")
# A capital after a full stop or at the beginning says nothing.
_NAME = re.compile(r"(?<![.!?…»”\"] )(?<!^)(?<![\w'’])(?:[dl]['’])?([A-ZÀ-ÖØ-ÞŒ][\w'’-]+)")


def names(kind: Kind, question: str, text: str) -> bool:
    """Whether `text` names what a question of this kind asks for, in words that the question does not have itself.

    >>> names(Kind.NUMBER, "Combien de morts en 2023 ?", "En 2023, 12 personnes sont mortes.")
    True
    >>> names(Kind.NUMBER, "Combien de morts en 2023 ?", "En 2023, des personnes sont mortes.")
    False
    """
    asked = without_accents(fold(question))
    if kind in (Kind.PERSON, Kind.PLACE):
        return any(without_accents(fold(match.group(1))) not in asked for match in _NAME.finditer(text))
    if kind is Kind.OTHER:
        return False
    pattern = _TIME if kind is Kind.TIME else _NUMBER
    found = (match.group().strip(" .,\u00a0\u202f") for match in pattern.finditer(without_accents(fold(text))))
    return any(not re.search(rf"(?<!\w){re.escape(one)}(?!\w)", asked) for one in found)
