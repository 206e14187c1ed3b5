// SPDX-License-Identifier: Apache-2.0
// lexicon.h — the words that grammar.c makes sentences of: English, its Dutch, and what each may stand with.
#pragma once

enum { SMALL = 1, BIG = 2, TEXT = 4, ANIMAL = 8, RIDE = 16, FOOD = 32, DRINK = 64 };
enum { DE, HET };
typedef enum { ME, YOU, ONE, MANY } Person; // I, you, he or she or it, plural

typedef struct Noun {
    const char *en, *ens, *nl, *nls;
    int article, kinds;
} Noun;

static const Noun nouns[] = {
    {"book", "books", "boek", "boeken", HET, SMALL | TEXT},
    {"letter", "letters", "brief", "brieven", DE, SMALL | TEXT},
    {"newspaper", "newspapers", "krant", "kranten", DE, SMALL | TEXT},
    {"poem", "poems", "gedicht", "gedichten", HET, TEXT},
    {"story", "stories", "verhaal", "verhalen", HET, TEXT},
    {"sentence", "sentences", "zin", "zinnen", DE, TEXT},
    {"answer", "answers", "antwoord", "antwoorden", HET, TEXT},
    {"key", "keys", "sleutel", "sleutels", DE, SMALL},
    {"bag", "bags", "tas", "tassen", DE, SMALL},
    {"coat", "coats", "jas", "jassen", DE, SMALL},
    {"hat", "hats", "hoed", "hoeden", DE, SMALL},
    {"knife", "knives", "mes", "messen", HET, SMALL},
    {"glass", "glasses", "glas", "glazen", HET, SMALL},
    {"plate", "plates", "bord", "borden", HET, SMALL},
    {"ring", "rings", "ring", "ringen", DE, SMALL},
    {"flower", "flowers", "bloem", "bloemen", DE, SMALL},
    {"phone", "phones", "telefoon", "telefoons", DE, SMALL},
    {"ball", "balls", "bal", "ballen", DE, SMALL},
    {"clock", "clocks", "klok", "klokken", DE, SMALL},
    {"model", "models", "model", "modellen", HET, SMALL},
    {"table", "tables", "tafel", "tafels", DE, BIG},
    {"chair", "chairs", "stoel", "stoelen", DE, BIG},
    {"bed", "beds", "bed", "bedden", HET, BIG},
    {"window", "windows", "raam", "ramen", HET, BIG},
    {"door", "doors", "deur", "deuren", DE, BIG},
    {"house", "houses", "huis", "huizen", HET, BIG},
    {"castle", "castles", "kasteel", "kastelen", HET, BIG},
    {"bridge", "bridges", "brug", "bruggen", DE, BIG},
    {"tree", "trees", "boom", "bomen", DE, BIG},
    {"car", "cars", "auto", "auto's", DE, RIDE},
    {"bicycle", "bicycles", "fiets", "fietsen", DE, RIDE},
    {"ship", "ships", "schip", "schepen", HET, RIDE},
    {"train", "trains", "trein", "treinen", DE, RIDE},
    {"dog", "dogs", "hond", "honden", DE, ANIMAL},
    {"cat", "cats", "kat", "katten", DE, ANIMAL},
    {"horse", "horses", "paard", "paarden", HET, ANIMAL},
    {"bird", "birds", "vogel", "vogels", DE, ANIMAL},
    {"cow", "cows", "koe", "koeien", DE, ANIMAL},
    {"pig", "pigs", "varken", "varkens", HET, ANIMAL},
    {"rabbit", "rabbits", "konijn", "konijnen", HET, ANIMAL},
    {"mouse", "mice", "muis", "muizen", DE, ANIMAL},
    {"apple", "apples", "appel", "appels", DE, FOOD},
    {"pear", "pears", "peer", "peren", DE, FOOD},
    {"egg", "eggs", "ei", "eieren", HET, FOOD},
    {"potato", "potatoes", "aardappel", "aardappels", DE, FOOD},
};

static const Noun masses[] = {
    // no article, no plural
    {"water", "", "water", "", HET, DRINK},  {"milk", "", "melk", "", DE, DRINK},
    {"coffee", "", "koffie", "", DE, DRINK}, {"tea", "", "thee", "", DE, DRINK},
    {"bread", "", "brood", "", HET, FOOD},   {"cheese", "", "kaas", "", DE, FOOD},
    {"soup", "", "soep", "", DE, FOOD},
};

static const Noun people[] = {
    // one word for all, or a word that is of a gender itself
    {"man", "men", "man", "mannen", DE, 0},
    {"woman", "women", "vrouw", "vrouwen", DE, 0},
    {"boy", "boys", "jongen", "jongens", DE, 0},
    {"girl", "girls", "meisje", "meisjes", HET, 0},
    {"child", "children", "kind", "kinderen", HET, 0},
    {"doctor", "doctors", "dokter", "dokters", DE, 0},
    {"judge", "judges", "rechter", "rechters", DE, 0},
    {"baker", "bakers", "bakker", "bakkers", DE, 0},
    {"pilot", "pilots", "piloot", "piloten", DE, 0},
    {"engineer", "engineers", "ingenieur", "ingenieurs", DE, 0},
};

typedef struct Profession {
    const char *en, *man, *woman;
    bool woman_unless_told;
} Profession;

static const Profession professions[] = {
    {"nurse", "verpleger", "verpleegster", true},  {"teacher", "leraar", "lerares", false},
    {"singer", "zanger", "zangeres", true},        {"dancer", "danser", "danseres", true},
    {"writer", "schrijver", "schrijfster", false}, {"farmer", "boer", "boerin", false},
    {"painter", "schilder", "schilderes", false},  {"director", "directeur", "directrice", false},
    {"student", "student", "studente", false},     {"secretary", "secretaris", "secretaresse", true},
    {"lawyer", "advocaat", "advocate", false},     {"hairdresser", "kapper", "kapster", true},
    {"neighbour", "buurman", "buurvrouw", false},  {"friend", "vriend", "vriendin", false},
};

typedef struct Adjective {
    const char *en, *nl, *nle;
} Adjective;

static const Adjective of_things[] = {
    {"big", "groot", "grote"},        {"small", "klein", "kleine"},  {"old", "oud", "oude"},
    {"new", "nieuw", "nieuwe"},       {"red", "rood", "rode"},       {"blue", "blauw", "blauwe"},
    {"green", "groen", "groene"},     {"white", "wit", "witte"},     {"black", "zwart", "zwarte"},
    {"beautiful", "mooi", "mooie"},   {"ugly", "lelijk", "lelijke"}, {"cheap", "goedkoop", "goedkope"},
    {"expensive", "duur", "dure"},    {"heavy", "zwaar", "zware"},   {"dirty", "vuil", "vuile"},
    {"strange", "vreemd", "vreemde"},
};
static const Adjective of_people[] = {
    {"happy", "blij", "blije"},    {"kind", "aardig", "aardige"},     {"clever", "slim", "slimme"},
    {"strong", "sterk", "sterke"}, {"young", "jong", "jonge"},        {"rich", "rijk", "rijke"},
    {"poor", "arm", "arme"},       {"famous", "beroemd", "beroemde"}, {"angry", "boos", "boze"},
    {"old", "oud", "oude"},
};
static const Adjective states[] = {
    // after to be; `nle` "h": Dutch has it instead
    {"happy", "blij", ""},     {"tired", "moe", ""},      {"ill", "ziek", ""},
    {"angry", "boos", ""},     {"sad", "verdrietig", ""}, {"late", "laat", ""},
    {"ready", "klaar", ""},    {"afraid", "bang", ""},    {"hungry", "honger", "h"},
    {"thirsty", "dorst", "h"}, {"right", "gelijk", "h"},  {"in a hurry", "haast", "h"},
};

typedef struct Verb {
    const char *en, *ens, *ened, *ik, *hij, *inf, *past, *pasts;
    int kinds;
} Verb;

enum { ANY = SMALL | BIG | TEXT | ANIMAL | RIDE };
static const Verb verbs[] = {
    // with an object
    {"see", "sees", "saw", "zie", "ziet", "zien", "zag", "zagen", ANY},
    {"find", "finds", "found", "vind", "vindt", "vinden", "vond", "vonden", SMALL | ANIMAL},
    {"buy", "buys", "bought", "koop", "koopt", "kopen", "kocht", "kochten",
     SMALL | BIG | ANIMAL | RIDE | FOOD},
    {"sell", "sells", "sold", "verkoop", "verkoopt", "verkopen", "verkocht", "verkochten",
     SMALL | BIG | ANIMAL | RIDE},
    {"have", "has", "had", "heb", "heeft", "hebben", "had", "hadden", ANY},
    {"write", "writes", "wrote", "schrijf", "schrijft", "schrijven", "schreef", "schreven", TEXT},
    {"understand", "understands", "understood", "begrijp", "begrijpt", "begrijpen", "begreep", "begrepen",
     TEXT},
    {"translate", "translates", "translated", "vertaal", "vertaalt", "vertalen", "vertaalde", "vertaalden",
     TEXT},
    {"study", "studies", "studied", "bestudeer", "bestudeert", "bestuderen", "bestudeerde", "bestudeerden",
     TEXT},
    {"forget", "forgets", "forgot", "vergeet", "vergeet", "vergeten", "vergat", "vergaten", SMALL | TEXT},
    {"lose", "loses", "lost", "verlies", "verliest", "verliezen", "verloor", "verloren", SMALL},
    {"carry", "carries", "carried", "draag", "draagt", "dragen", "droeg", "droegen", SMALL},
    {"break", "breaks", "broke", "breek", "breekt", "breken", "brak", "braken", SMALL},
    {"hide", "hides", "hid", "verstop", "verstopt", "verstoppen", "verstopte", "verstopten", SMALL},
    {"steal", "steals", "stole", "steel", "steelt", "stelen", "stal", "stalen", SMALL | RIDE},
    {"use", "uses", "used", "gebruik", "gebruikt", "gebruiken", "gebruikte", "gebruikten", SMALL | RIDE},
    {"draw", "draws", "drew", "teken", "tekent", "tekenen", "tekende", "tekenden", BIG | ANIMAL},
    {"wash", "washes", "washed", "was", "wast", "wassen", "waste", "wasten", RIDE | ANIMAL},
    {"repair", "repairs", "repaired", "repareer", "repareert", "repareren", "repareerde", "repareerden",
     RIDE | BIG},
    {"eat", "eats", "ate", "eet", "eet", "eten", "at", "aten", FOOD},
    {"drink", "drinks", "drank", "drink", "drinkt", "drinken", "dronk", "dronken", DRINK},
    {"spill", "spills", "spilled", "mors", "morst", "morsen", "morste", "morsten", DRINK},
};
static const Verb alone[] = {
    // without
    {"sleep", "sleeps", "slept", "slaap", "slaapt", "slapen", "sliep", "sliepen", 0},
    {"work", "works", "worked", "werk", "werkt", "werken", "werkte", "werkten", 0},
    {"sing", "sings", "sang", "zing", "zingt", "zingen", "zong", "zongen", 0},
    {"dance", "dances", "danced", "dans", "danst", "dansen", "danste", "dansten", 0},
    {"laugh", "laughs", "laughed", "lach", "lacht", "lachen", "lachte", "lachten", 0},
    {"cry", "cries", "cried", "huil", "huilt", "huilen", "huilde", "huilden", 0},
    {"swim", "swims", "swam", "zwem", "zwemt", "zwemmen", "zwom", "zwommen", 0},
    {"wait", "waits", "waited", "wacht", "wacht", "wachten", "wachtte", "wachtten", 0},
    {"play", "plays", "played", "speel", "speelt", "spelen", "speelde", "speelden", 0},
    {"talk", "talks", "talked", "praat", "praat", "praten", "praatte", "praatten", 0},
};
static const Verb say_that[] = {
    {"think", "thinks", "thought", "denk", "denkt", "denken", "dacht", "dachten", 0},
    {"know", "knows", "knew", "weet", "weet", "weten", "wist", "wisten", 0},
    {"say", "says", "said", "zeg", "zegt", "zeggen", "zei", "zeiden", 0},
};
static const Verb be = {"are", "is", "was", "ben", "is", "zijn", "was", "waren", 0};
static const Verb have = {"have", "has", "had", "heb", "heeft", "hebben", "had", "hadden", 0};
static const Verb go = {"go", "goes", "went", "ga", "gaat", "gaan", "ging", "gingen", 0};
static const Verb live = {"live", "lives", "lived", "woon", "woont", "wonen", "woonde", "woonden", 0};

typedef struct Modal {
    const char *en, *nl[4], *inverted; // by person; jij behind it
} Modal;
static const Modal modals[] = {
    {"can", {"kan", "kunt", "kan", "kunnen"}, "kun"},
    {"must", {"moet", "moet", "moet", "moeten"}, "moet"},
    {"will", {"zal", "zult", "zal", "zullen"}, "zul"},
    {"may", {"mag", "mag", "mag", "mogen"}, "mag"},
};

typedef struct Pronoun {
    const char *en, *nl, *my, *mijn, *me, *mij, *mezelf;
    Person person;
} Pronoun;
static const Pronoun pronouns[] = {
    {"I", "ik", "my", "mijn", "me", "mij", "me", ME},
    {"you", "jij", "your", "jouw", "you", "jou", "je", YOU},
    {"he", "hij", "his", "zijn", "him", "hem", "zich", ONE},
    {"she", "zij", "her", "haar", "her", "haar", "zich", ONE},
    {"we", "wij", "our", "onze", "us", "ons", "ons", MANY},
    {"they", "zij", "their", "hun", "them", "hen", "zich", MANY},
};

typedef struct Two {
    const char *en, *nl;
} Two;
static const Two now[] = {{"today", "vandaag"},
                          {"every day", "elke dag"},
                          {"on Monday", "op maandag"},
                          {"on Sunday", "op zondag"},
                          {"in the evening", "'s avonds"}};
static const Two then[] = {
    {"yesterday", "gisteren"}, {"last week", "vorige week"}, {"last year", "vorig jaar"}};
static const Two often[] = {
    {"always", "altijd"}, {"often", "vaak"}, {"never", "nooit"}, {"sometimes", "soms"}};
static const Two places[] = {
    {"hospital", "in het ziekenhuis"}, {"school", "op de school"},       {"station", "op het station"},
    {"market", "op de markt"},         {"city", "in de stad"},           {"village", "in het dorp"},
    {"church", "in de kerk"},          {"library", "in de bibliotheek"}, {"park", "in het park"},
    {"kitchen", "in de keuken"},       {"garden", "in de tuin"},         {"museum", "in het museum"},
};
static const Two numbers[] = {{"two", "twee"},      {"three", "drie"},     {"four", "vier"},
                              {"five", "vijf"},     {"six", "zes"},        {"seven", "zeven"},
                              {"eight", "acht"},    {"nine", "negen"},     {"ten", "tien"},
                              {"twelve", "twaalf"}, {"twenty", "twintig"}, {"a hundred", "honderd"}};

static const struct {
    const char *city, *country, *stad, *land;
} capitals[] = {
    {"London", "England", "Londen", "Engeland"},   {"Paris", "France", "Parijs", "Frankrijk"},
    {"Berlin", "Germany", "Berlijn", "Duitsland"}, {"Rome", "Italy", "Rome", "Italië"},
    {"Madrid", "Spain", "Madrid", "Spanje"},       {"Lisbon", "Portugal", "Lissabon", "Portugal"},
    {"Brussels", "Belgium", "Brussel", "België"},  {"Vienna", "Austria", "Wenen", "Oostenrijk"},
    {"Athens", "Greece", "Athene", "Griekenland"}, {"Dublin", "Ireland", "Dublin", "Ierland"},
    {"Warsaw", "Poland", "Warschau", "Polen"},     {"Oslo", "Norway", "Oslo", "Noorwegen"},
};
