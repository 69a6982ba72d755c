"""The words behind the profanity check, and how strong each of them is.

The base is profanex's list (from LDNOOBW, CC BY 4.0). Left out of it are words of
violence, which are the vocabulary of the news, and words that are more often
innocent than not in a reader's comment. Added are derived forms, slurs, and the
strongest words of other languages.

glin-profanity's dictionaries of 24 languages were turned down: they hold "asbak",
"cerveja", "burro" and "suicide", and a moderator who sees one of those flagged stops
believing the rest. Each word below was chosen because it has no innocent reading in
the languages that a comment section is likely to meet.
"""

from collections.abc import Mapping

from profanex import FilterConfig
from profanex.lexicon import Category, load_effective_lexicon

MILD, COARSE, STRONG, SLUR = 0.35, 0.55, 0.75, 0.95
"""Scores of the four strengths."""

MILD_WORDS = """
crap crappy damn damned dammit damnit goddamn goddamned goddam piss pissed pissing pisser butt
butts arse arses boob boobs boobie bollocks bollock bollox bollok bimbos wtf stfu omfg lmfao
bugger buggers sodding effing turd turds jackass jackasses dookie
merda merde mierda joder scheiss scheiß scheiße scheisse verdammt perkele saatana paska
""".split()

COARSE_WORDS = """
ass asses dumbass dumbasses badass jackoff bastard bastards bitchy bitchin tits titty titties
prick pricks dick dicks cock cocks douche douches douchebag douchebags wanker wankers wank twat
twats tosser tossers bellend skank skanks slutty whore whores slut sluts pussy pussies
shite shitty bullshit dipshit apeshit horseshit bampot libtard libtards choad chode coochie
blowjob blowjobs
handjob jizz dildo dildos milf cums cumming cummer queef schlong ballsack ballbag
puttana pute putain puta stronzo stronza connard connasse salope pendejo gilipollas klootzak
godverdomme schlampe arschloch arschlöcher wichser сука курва kurwa kurwy orospu
""".split()

STRONG_WORDS = """
fucks fucked fuckin fuckers fuckface fuckhead fuckheads fuckwit fuckwits fucktard fucktards fuckup
fuckery fucky fuk fukin fuking fukk fvck phuck fuxk fck fcking fkn unfuckingbelievable
absofuckinglutely motherfuckin mofo mofos mindfuck starfucker ratfuck
shits shitted shitting shithead shitheads shithole shitholes shitbag shitstain shitshow shitface
shitfaced bullshitter bullshitters bullshitting chickenshit batshit retard retards retarded
piece|of|shit holy|shit
dickhead dickheads cocksuckers cunty cuntish assholes arseholes asshat asshats asswipe asswipes
jack|off jerk|off gang|bang fingerbang rimjob cumshots poontang punany felch
fotze fotzen hurensohn hurensöhne arschficker ficken gefickt fick|dich missgeburt
enculé enculer fils|de|pute nique|ta|mère ntm va|te|faire|foutre
hijo|de|puta hijos|de|puta cabrón coño chingada chinga|tu|madre vete|a|la|mierda
cazzo vaffanculo coglione figlio|di|puttana minchia testa|di|cazzo
caralho filho|da|puta arrombado vai|se|foder porra
kankerlijer kankerhoer hoerenkind chuj chuja skurwysyn skurwysyny pierdolić pierdolony spierdalaj
jebać jebany хуй хуйня хуйню нахуй пизда пиздец пизду блядь блять ебать ебаный ёбаный мудак
мудаки гандон долбоёб уебок knulla jävla|fitta fitte vittu huora orospu|çocuğu siktir amcık
yarrak chutiya chutiye madarchod behenchod bhenchod bhosdike चूतिया मादरचोद भोसड़ी
شرموطة قحبة 씨발 개새끼 좆같은 操你妈 傻逼 肏你妈 王八蛋
""".split()

SLUR_WORDS = """
nigger niggers nigga niggas niggaz faggot faggots faggotry fag fags faggy kike kikes gook gooks
wetback wetbacks beaner beaners towelhead towelheads raghead ragheads sandnigger sandniggers
sand|nigger jigaboo jiggaboo tranny trannies shemale shemales paki pakis
bulldyke chinks zipperhead porch|monkey darkie darkies
schwuchtel schwuchteln kanake kanaken bougnoule bougnoules maricón maricones frocio froci
пидор пидоры пидорас пидарас жид жиды ibne
""".split()

INNOCENT = frozenset(
    word.replace("|", " ")
    for word in """
    a55 acrotomophilia anus auto|erotic autoerotic babeland baby|batter barely|legal barenaked
    beastial bestial bestiality birdlock blonde|action blue|waffle boiolas brunette|action buceta
    bullet|vibe bung|hole busty cawk chinc chink cipa clitoris clits cnut cok coon coons cooter
    cornhole coprolagnia coprophilia cyalis deep|throat dendrophilia dink dinks dirsa doggin
    dommes doosh double|dong duche dvda ejaculate ejaculated ejaculates ejaculating ejaculatings
    ejaculation arrse faggoting fagging fagots creampie camel|toe doochbag bitcher bitchers porn
    porno dry|hump big|breasts dp|action cums
    """.split()
)
"""Words of the base list that comments use innocently more often than not."""

NAMES = frozenset({"dick", "dicks", "cumming", "fanny", "cock"})
"""Words that are somebody's name when only their first letter is a capital."""

INNOCENT_IN = {
    "da": frozenset({"slut", "fag", "fags"}),
    "de": frozenset({"ass", "dick"}),
    "no": frozenset({"slut", "fag", "fags"}),
    "nb": frozenset({"slut", "fag", "fags"}),
    "pt": frozenset({"mofo"}),
    "sv": frozenset({"slut", "fag"}),
}
"""Words that mean something else in the language that the site says a comment is in."""

_BASE = (Category.GENERAL, Category.SEXUAL, Category.EXCRETORY, Category.SLURS)


def strengths() -> Mapping[str, float]:
    """Give every word and phrase of the list with its score."""
    base = load_effective_lexicon(FilterConfig(categories=frozenset(_BASE)))
    words = {
        entry.term: SLUR if entry.categories == {Category.SLURS} else STRONG
        for entry in base.banned
        if entry.term not in INNOCENT and "*" not in entry.term
    }
    for strength, group in (
        (STRONG, STRONG_WORDS),
        (MILD, MILD_WORDS),
        (COARSE, COARSE_WORDS),
        (SLUR, SLUR_WORDS),
    ):
        words |= {word.replace("|", " "): strength for word in group}
    return words
