"""Does a question ask for a time?"""

import re

from index.when.tokens import tokens

_VERBS_FR = (
    "a|ont|est|sont|etait|etaient|sera|seront|aura|auront|avait|avaient|va|vont|fut|furent|eut|doit|doivent|commence|debute|finit|"
    "a t|se|s|est ce"
)
_VERBS_EN = "did|do|does|was|were|is|are|will|would|has|have|had|can|could|should|shall|must|might|s"
_LEADS_FR = (
    "et|alors|mais|donc|depuis|jusqu a|de|a partir de|pour|dis moi|savez vous|sait on|sais tu|on sait|pouvez vous me dire"
)
_LEADS_EN = "and|so|but|since|until|till|by|from|do you know|tell me|say|know"

_ALWAYS = {
    "fr": re.compile(
        r"\b(?:a|vers|avant|apres|depuis|des|jusqu a|pour) quelles? (?:heures?|dates?|annees?|epoques?)\b"
        r"|\b(?:en|de|depuis) quelles? annees?\b|\bquelles? (?:heures?|dates?|annees?)\b(?! de (?:travail|cours|vol))"
        r"|\bquels? (?:jours?|mois|siecles?|moments?)\b"
        r"|\bquelles? (?:est|etait|fut|sont|etaient|furent) (?:la|les|l) (?:dates?|annees?)\b"
        r"|\bquel (?:est|etait|fut) le (?:jour|mois|moment)\b|\b(?:c est|c etait|ce fut) quand\b"
        r"|\b(?:il y a|depuis|dans) combien de (?:temps|jours|semaines|mois|ans|annees|heures|minutes)\b"
        r"|\b(?:sait on|savez vous|sais tu|dire|demander|savoir|sait|ignore) quand\b"
    ),
    "en": re.compile(
        r"\b(?:what|which) (?:times?|years?|days?|dates?|months?|weekday|decade|century|hour)\b|\b(?:at|by) what point\b"
        r"|\bhow (?:long ago|recently|early|late|soon)\b"
        r"|\bwhat (?:s|is|was|were|are) the (?:dates?|times?|years?|days?)\b"
        r"|\b(?:know|say|said|tell me|reveal|announce|announced) when\b"
    ),
}
_BEGINS = {
    "fr": re.compile(rf"(?:(?:{_LEADS_FR}) )*quand\b(?! (?:meme|bien meme))"),
    "en": re.compile(rf"(?:(?:{_LEADS_EN}) )*when\b"),
}
_VERB_FOLLOWS = {
    "fr": re.compile(rf"(?:(?:{_LEADS_FR}) )*quand (?:{_VERBS_FR})\b"),
    "en": re.compile(rf"(?:(?:{_LEADS_EN}) )*when (?:{_VERBS_EN})\b"),
}
_WORD = {"fr": "quand", "en": "when"}


def asks_when(question: str, lang: str) -> bool:
    """Whether `question`, in French (`fr`) or English, asks for a time.

    >>> asks_when("À quelle heure l’incursion a-t-elle commencé ?", "fr"), asks_when("Who attacked when it was dark?", "en")
    (True, False)

    A headline such as *Quand les Bleus dominent* does not: without a question mark, a verb must follow.
    """
    tongue = "fr" if lang == "fr" else "en"
    words = [token.form for token in tokens(question)]
    folded = " ".join(words)
    if _ALWAYS[tongue].search(folded) or _VERB_FOLLOWS[tongue].match(folded):
        return True
    asked = question.rstrip().endswith("?")
    return asked and (_BEGINS[tongue].match(folded) is not None or words[-1:] == [_WORD[tongue]])
