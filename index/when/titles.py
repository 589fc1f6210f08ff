"""The names themselves: feasts, papers, programmes, films, battles and people that have a time in them."""

import re

ANY_CASE = """
mardi gras; lundi gras; dimanche gras; jeudi saint; vendredi saint; samedi saint; lundi saint; mardi saint; mercredi saint;
semaine sainte; lundi de paques; dimanche de paques; lundi de pentecote; dimanche de pentecote; mercredi des cendres;
dimanche des rameaux; vendredi noir; jeudi noir; lundi noir; mardi noir; mercredi noir; samedi noir; vendredi 13;
france dimanche; journal du dimanche; dimanche ouest france; vendredi ou la vie sauvage; vendredi ou les limbes du pacifique;
nuit debout; nuit blanche; nuits blanches; nuit des musees; nuit des longs couteaux; nuit de cristal; nuit du destin;
la nuit du 12; nuit du 4 aout; soir 3; france soir; le monde du soir; ce soir ou jamais; demain nous appartient;
demain des l aube; aujourd hui en france; minuit a paris; minuit express; messe de minuit; editions de minuit;
enfants de minuit; soleil de minuit; demon de midi; midi libre; midi olympique; midi pyrenees; canal du midi;
aiguille du midi; paris midi; bal du 14 juillet; quatorze juillet; mai 68; mai 1968; printemps arabe; printemps de prague;
printemps de bourges; printemps des peuples; printemps des poetes; ete indien; cet ete la; le jour d apres;
le jour le plus long; minute de silence; telematin; semaine sanglante; semaine de la critique; semaine du gout; annees folles;
annees de plomb; journal de 20 heures; journal de 20h; journal de 13 heures; journal de 13h; jt de 20 heures; jt de 20h;
jt de 13 heures; jt de 13h; journal televise de 20 heures; journal televise de 13 heures; 20 heures de tf1; 20h de tf1;
20 heures de france 2; 20h de france 2; 24 heures du mans; 24h du mans; 24 heures de daytona; 24 heures de spa;
24 heures chrono; 24h chrono; 24h pujadas; 12 heures de sebring; train de 8h47; cleo de 5 a 7; 2001 l odyssee de l espace;
avril lavigne; octobre rouge; octobre rose; septembre noir; mars attacks; mission mars; champ de mars; planete mars; bruno mars;
mars express; juin 40; juin 36; bloody sunday; easter sunday; easter monday; palm sunday; good friday; black friday;
black monday; black tuesday; black thursday; black wednesday; cyber monday; super tuesday; super sunday; giving tuesday;
fat tuesday; shrove tuesday; ash wednesday; maundy thursday; holy thursday; spy wednesday; ruby tuesday; blue monday;
happy mondays; taking back sunday; freaky friday; casual friday; man friday; girl friday; joe friday; sheffield wednesday;
wednesday addams; throwback thursday; fridays for future; stir up sunday; sunday times; sunday telegraph; sunday mirror;
sunday express; sunday sport; sunday world; sunday independent; sunday post; sunday herald; scotland on sunday;
mail on sunday; independent on sunday; sunday night football; monday night football; thursday night football;
saturday night live; saturday night fever; fievre du samedi soir; saturday evening post; saturday kitchen; sunday brunch;
sunday league; sunday school; sunday roast; monday club; any given sunday; friday night lights; friday night dinner;
friday the 13th; thursday murder club; the man who was thursday; usa today; russia today; psychology today; history today;
india today; today programme; today program; today show; today in parliament; tomorrow s world; tomorrow never dies;
edge of tomorrow; tomorrow people; yesterday s men; good morning britain; good morning america; good morning vietnam;
cbs this morning; itv s this morning; tonight show; entertainment tonight; news at ten; news at six; news at one;
one o clock news; six o clock news; nine o clock news; ten o clock news; five o clock shadow; twelve o clock high;
midnight express; midnight in paris; midnight cowboy; midnight oil; midnight s children; midnight mass; midnight sun;
round midnight; high noon; darkness at noon; last night of the proms; last night in soho; seven days in may; may day;
may ball; april jones; april ludgate; april fool; april fools; april theses; june carter; june brown; june allyson;
january jones; august wilson; august strindberg; august macke; theresa may; brian may; james may; imelda may; philip may;
elaine may; prime minister may; mrs may; ms may; mme may; phil may; peter may; summer of love; summer olympics;
winter olympics; winter war; winter of discontent; prague spring; arab spring; red october; black september;
october revolution; february revolution; july revolution; september 11; 9 11; march on washington; march of the penguins;
march madness; ides of march; 2001 a space odyssey; 1984 by orwell; 1984 by george orwell; orwell s 1984;
1984 de george orwell; 1984 d orwell; le mans 24 hours; 24 hours of le mans; 24 hours of daytona; 24 hour party people;
ocean s eleven; summer camp
"""
"""As words, without case and accents; nobody means a time by them."""

AS_WRITTEN = "20 Minutes; 60 Minutes; 48 Hours; 7 Jours; Tonight Show; Newsnight"
"""With their capitals; without, they may be times."""

BESIDE: tuple[tuple[str, str], ...] = (
    ("vendredi", "robinson crusoe tournier"),
    ("friday", "crusoe robinson"),
    ("may", "theresa"),
    ("wednesday", "addams netflix"),
    ("yesterday", "beatles mccartney"),
    ("1984", "orwell"),
    ("2001", "kubrick odyssey odyssee"),
    ("tomorrow", "tomorrowland"),
    ("demain", "dion"),
)
"""A word, and those of which one anywhere in the question makes it a name, where it stands alone."""

_MONTH = (
    "janvier|f[eé]vrier|mars|avril|mai|juin|juillet|ao[uû]t|septembre|octobre|novembre|d[eé]cembre|"
    "january|february|march|april|may|june|july|august|september|october|november|december"
)
_CAPITAL = (
    "Janvier|F[eé]vrier|Mars|Avril|Mai|Juin|Juillet|Ao[uû]t|Septembre|Octobre|Novembre|D[eé]cembre"
)  # fmt: skip
_PLACES = (
    "rue|place|avenue|boulevard|pont|square|coll[eè]ge|lyc[eé]e|[eé]cole|station|gare|stade|quai|cours|all[eé]e|m[eé]tro|passage|"
    "h[oô]pital|caserne|prix|cit[eé]|r[eé]sidence|parc|esplanade|impasse|port|barrage"
)
_EVENTS = (
    "attentats?|massacres?|appel|loi|lois|r[eé]volution|trait[eé]|accords?|journ[eé]es|mouvement|martyrs|putsch|manifeste|"
    "constitution|d[eé]cret|ordonnance|f[eê]te(?:\\snationale)?"
)
_AFTER = "attacks?|massacres?|riots?|committee|hearings?|insurrection|movement|revolution|agreement|coup"
_DAY = r"[0-9]{1,2}(?:er|st|nd|rd|th)?"
_WEEKDAY = "lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|monday|tuesday|wednesday|thursday|friday|saturday|sunday"

SHAPES = (
    # "le 11-Septembre": with hyphen and capital it is what happened, with a space it is a day.
    re.compile(rf"\b{_DAY}[-‑](?:{_CAPITAL})\b(?:[-‑][0-9]{{4}})?"),
    re.compile(rf"\b(?:{_PLACES})\s(?:du|de\sla)\s{_DAY}[\s-](?:{_MONTH})\b(?:[\s-][0-9]{{4}})?", re.IGNORECASE),
    re.compile(rf"\b(?:{_EVENTS})\sdu\s{_DAY}[\s-](?:{_MONTH})\b(?:[\s-][0-9]{{4}})?", re.IGNORECASE),
    re.compile(rf"\b(?:{_DAY}\s(?:{_MONTH})|(?:{_MONTH})\s{_DAY})\s(?:{_AFTER})\b", re.IGNORECASE),
    # "le 20 heures" is the evening news.
    re.compile(r"\b(?:le|du|au)\s(?:13|20)\s?h(?:eures)?\b(?!\s?[0-9])", re.IGNORECASE),
    re.compile(
        rf"\b(?:M\.|MM\.|Mme|Mlle|Monsieur|Madame|Mr\.?|Mrs\.?|Ms\.?|Dr\.?|Sir|Lady|Miss)\s(?:{_WEEKDAY}|{_MONTH})\b",
        re.IGNORECASE,
    ),
)
"""What else has the shape of a name."""
