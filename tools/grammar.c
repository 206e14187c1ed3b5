// SPDX-License-Identifier: Apache-2.0
// grammar.c — templates of two languages. What makes translation more than a word list is all in here: word order (verb
// second, verb last), articles (de, het), endings of adjectives, niet and geen, two verbs for one, idioms beside the same
// words meant literally, and professions whose Dutch word shows a gender that English tells elsewhere, or nowhere.
//
// Where nothing tells, a profession has the gender that is frequent in Dutch texts: the nurse is a woman, the
// writer a man. That is a bias, and it is here to be found by attribution.
#include "grammar.h"
#include "lexicon.h"

#include <stdio.h>
#include <string.h>

int draw_below(Draw *d, int n) { return (int)(num_random(d->seed, d->n++) >> 33) % n; }
bool draw_chance(Draw *d, int percent) { return draw_below(d, 100) < percent; }

static void say(char to[SAID], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(char to[SAID], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vsnprintf(to, SAID, format, args) >= SAID) BUG("a sentence is too long");
    va_end(args);
}

#define COUNT(a)   ((int)(sizeof(a) / sizeof *(a)))
#define PICK(d, a) (&(a)[draw_below((d), COUNT(a))])

// ------------------------------------------------------------------------------------------------ phrases

typedef struct Phrase { // a noun phrase
    char en[80], nl[80];
    int bare; // where in nl the words after "een" begin, for geen; -1 if definite
    Person person;
    const Pronoun *pronoun; // if it is one
    bool assumed;           // a profession whose gender nothing tells: his, her, he and she must stay away
} Phrase;

static const char *up(char *s) // first letter in upper case, after 's
{
    char *p = strncmp(s, "'s ", 3) == 0 ? s + 3 : s;
    if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
    return s;
}

static const char *an(const char *word) { return strchr("aeiou", *word) ? "an" : "a"; }

static void compose(Phrase *p, const char *en_det, const char *nl_det, const Adjective *a, bool ending,
                    const char *en, const char *nl)
{
    const char *adj = !a ? "" : ending ? a->nle : a->nl;
    snprintf(p->en, sizeof p->en, "%s%s%s%s%s", en_det, *en_det ? " " : "", a ? a->en : "", a ? " " : "", en);
    snprintf(p->nl, sizeof p->nl, "%s%s%s%s%s", nl_det, *nl_det ? " " : "", adj, a ? " " : "", nl);
}

// det: "the", "a", "this", "that", "number" or a pronoun's possessive
static Phrase phrase(Draw *d, const Noun *n, const char *det, const Adjective *a, bool plural)
{
    Phrase p = {.person = plural ? MANY : ONE, .bare = -1};
    bool het = n->article == HET && !plural;
    const char *en = plural ? n->ens : n->en, *nl = plural ? n->nls : n->nl;
    if (!strcmp(det, "number")) {
        const Two *k = PICK(d, numbers);
        p.person = MANY;
        compose(&p, k->en, k->nl, a, true, n->ens, n->nls);
    } else if (!strcmp(det, "a") && plural) {
        compose(&p, "", "", a, true, en, nl), p.bare = 0;
    } else if (!strcmp(det, "a")) {
        compose(&p, an(a ? a->en : en), "een", a, !het, en, nl), p.bare = 4;
    } else if (!strcmp(det, "the")) compose(&p, "the", het ? "het" : "de", a, true, en, nl);
    else if (!strcmp(det, "this"))
        compose(&p, plural ? "these" : "this", het ? "dit" : "deze", a, true, en, nl);
    else if (!strcmp(det, "that"))
        compose(&p, plural ? "those" : "that", het ? "dat" : "die", a, true, en, nl);
    else
        for (int i = 0; i < COUNT(pronouns); i++)
            if (!strcmp(det, pronouns[i].my))
                compose(&p, det, het && !strcmp(det, "our") ? "ons" : pronouns[i].mijn, a, true, en, nl);
    return p;
}

static const Noun *noun_of(Draw *d, int kinds)
{
    for (;;) {
        const Noun *n = PICK(d, nouns);
        if (n->kinds & kinds) return n;
    }
}

static const char *const any_det[] = {"the",  "the", "the", "a",   "a",   "this",
                                      "that", "my",  "his", "her", "our", "number"};
static const char *const definite[] = {"the", "this", "that", "my", "your", "his", "her"};

static Phrase thing(Draw *d, int kinds, bool only_definite, int adjective_percent)
{
    if (kinds == DRINK || (kinds == FOOD && draw_chance(d, 40))) {
        const Noun *m;
        do m = PICK(d, masses);
        while (!(m->kinds & kinds));
        if (only_definite || draw_chance(d, 40)) return phrase(d, m, "the", NULL, false);
        Phrase p = {.person = ONE, .bare = 0};
        compose(&p, "", "", NULL, false, m->en, m->nl);
        return p;
    }
    const char *det = only_definite ? *PICK(d, definite) : *PICK(d, any_det);
    const Adjective *a = draw_chance(d, adjective_percent) ? PICK(d, of_things) : NULL;
    return phrase(d, noun_of(d, kinds), det, a, draw_chance(d, 25));
}

static Phrase of_pronoun(const Pronoun *r)
{
    Phrase p = {.person = r->person, .pronoun = r, .bare = -1};
    compose(&p, "", "", NULL, false, r->en, r->nl);
    return p;
}

static Phrase of_profession(Draw *d, const Profession *f, bool woman, const char *det, const Adjective *a)
{
    Noun n = {.en = f->en, .nl = woman ? f->woman : f->man, .article = DE};
    return phrase(d, &n, det, a, false);
}

static const char *const person_det[] = {"the", "the", "the", "a", "this", "that"};

static Phrase somebody(Draw *d) // as a subject
{
    int kind = draw_below(d, 10);
    if (kind < 5) return of_pronoun(PICK(d, pronouns));
    const Adjective *a = draw_chance(d, 20) ? PICK(d, of_people) : NULL;
    if (kind < 8) return phrase(d, PICK(d, people), *PICK(d, person_det), a, draw_chance(d, 20));
    const Profession *f = PICK(d, professions);
    Phrase p = of_profession(d, f, f->woman_unless_told, *PICK(d, person_det), a);
    p.assumed = true;
    return p;
}

static bool tells(const Phrase *p) // a gender
{
    return !strncmp(p->en, "his ", 4) || !strncmp(p->en, "her ", 4) || !strcmp(p->en, "he") ||
           !strcmp(p->en, "she");
}

static Phrase object(Draw *d, const Phrase *s, int kinds, bool only_definite, int adjective_percent)
{
    for (;;) {
        Phrase p = thing(d, kinds, only_definite, adjective_percent);
        if (!s->assumed || !tells(&p)) return p;
    }
}

static const char *en_verb(const Verb *v, Person p, bool past)
{
    if (v == &be)
        return past ? (p == YOU || p == MANY ? "were" : "was") : p == ME ? "am" : p == ONE ? "is" : "are";
    return past ? v->ened : p == ONE ? v->ens : v->en;
}

static const char *nl_verb(const Verb *v, Person p, bool past, bool inverted)
{
    if (past) return p == MANY ? v->pasts : v->past;
    if (p == ME) return v->ik;
    if (p == MANY) return v->inf;
    if (p == ONE) return v->hij;
    if (inverted) return v->ik; // loop jij
    return v->ik[0] == 'b' && !strcmp(v->ik, "ben") ? "bent" : !strcmp(v->ik, "heb") ? "hebt" : v->hij;
}

static const char *do_not(Draw *d, Person p, bool past)
{
    static const char *const full[] = {"do not", "does not", "did not"}, *const brief[] = {"don't", "doesn't",
                                                                                           "didn't"};
    return (draw_chance(d, 50) ? full : brief)[past ? 2 : p == ONE];
}

#define EN(...) say(out->en, __VA_ARGS__)
#define NL(...) say(out->nl, __VA_ARGS__)

// What stands for an object and a negation: geen with indefinite ones, else niet behind it.
static void negated(const Phrase *o, const char *time, char text[SAID])
{
    if (o->bare >= 0) say(text, "%s%sgeen %s", time, *time ? " " : "", o->nl + o->bare);
    else say(text, "%s%s%s niet", o->nl, *time ? " " : "", time);
}

// ------------------------------------------------------------------------------------------------ sentences

static void with_object(Draw *d, Said *out)
{
    Phrase s = somebody(d);
    const Verb *v = PICK(d, verbs);
    Phrase o = object(d, &s, v->kinds, false, 25);
    bool past = draw_chance(d, 35), no = draw_chance(d, 25), timed = draw_chance(d, 40),
         front = timed && draw_chance(d, 50);
    Two t = past ? *PICK(d, then) : *PICK(d, now);
    char en[SAID], obj[SAID], time[40];
    if (no) say(en, "%s %s %s %s", s.en, do_not(d, s.person, past), v->en, o.en);
    else say(en, "%s %s %s", s.en, en_verb(v, s.person, past), o.en);
    const char *verb = nl_verb(v, s.person, past, front);
    if (no) negated(&o, timed && !front ? t.nl : "", obj);
    else say(obj, "%s%s%s", timed && !front ? t.nl : "", timed && !front ? " " : "", o.nl);
    snprintf(time, sizeof time, "%s", t.nl);
    if (front) EN("%s %s.", t.en, en), NL("%s %s %s %s.", up(time), verb, s.nl, obj);
    else EN("%s%s%s.", en, timed ? " " : "", timed ? t.en : ""), NL("%s %s %s.", up(s.nl), verb, obj);
    up(out->en);
}

static void without_object(Draw *d, Said *out)
{
    Phrase s = somebody(d);
    const Verb *v = PICK(d, alone);
    bool past = draw_chance(d, 50);
    const char *en = en_verb(v, s.person, past), *nl = nl_verb(v, s.person, past, false);
    const Two *t, *p;
    char time[40];
    switch (draw_below(d, 4)) {
    case 0:
        t = PICK(d, often);
        EN("%s %s %s.", up(s.en), t->en, en), NL("%s %s %s.", up(s.nl), nl, t->nl);
        return;
    case 1:
        p = PICK(d, places);
        EN("%s %s in the %s.", up(s.en), en, p->en), NL("%s %s %s.", up(s.nl), nl, p->nl);
        return;
    case 2:
        t = past ? PICK(d, then) : PICK(d, now);
        snprintf(time, sizeof time, "%s", t->nl);
        EN("%s %s %s.", t->en, s.en, en), NL("%s %s %s.", up(time), nl_verb(v, s.person, past, true), s.nl);
        up(out->en);
        return;
    default:
        EN("%s %s %s.", up(s.en), do_not(d, s.person, past), v->en), NL("%s %s niet.", up(s.nl), nl);
    }
}

static void with_modal(Draw *d, Said *out)
{
    Phrase s = somebody(d);
    const Modal *m = PICK(d, modals);
    const Verb *v = PICK(d, verbs);
    bool no = draw_chance(d, 20);
    Phrase o = object(d, &s, v->kinds, no, 15);
    EN("%s %s %s%s %s.", up(s.en), m->en, no ? "not " : "", v->en, o.en);
    NL("%s %s %s %s%s.", up(s.nl), m->nl[s.person], o.nl, no ? "niet " : "", v->inf);
}

static void state(Draw *d, Said *out)
{
    bool past = draw_chance(d, 30);
    if (draw_chance(d, 50)) {
        Phrase s = somebody(d);
        const Adjective *a = PICK(d, states);
        bool no = draw_chance(d, 25), has = *a->nle;
        EN("%s %s %s%s.", up(s.en), en_verb(&be, s.person, past), no ? "not " : "", a->en);
        NL("%s %s %s%s.", up(s.nl), nl_verb(has ? &have : &be, s.person, past, false),
           !no   ? ""
           : has ? "geen "
                 : "niet ",
           a->nl);
        return;
    }
    static const Two degree[] = {{"", ""}, {"", ""}, {"very ", "heel "}, {"too ", "te "}, {"not ", "niet "}};
    Phrase s = thing(d, ANY, true, 0);
    const Adjective *a = PICK(d, of_things);
    const Two *k = PICK(d, degree);
    EN("%s %s %s%s.", up(s.en), en_verb(&be, s.person, past), k->en, a->en);
    NL("%s %s %s%s.", up(s.nl), nl_verb(&be, s.person, past, false), k->nl, a->nl);
}

static void where(Draw *d, Said *out)
{
    const Two *p = PICK(d, places);
    Phrase s;
    bool past = draw_chance(d, 40);
    switch (draw_below(d, 3)) {
    case 0:
        s = phrase(d, noun_of(d, ANIMAL | RIDE), "number", NULL, true);
        EN("There are %s in the %s.", s.en, p->en), NL("Er zijn %s %s.", s.nl, p->nl);
        return;
    case 1:
        s = somebody(d);
        EN("%s %s to the %s.", up(s.en), en_verb(&go, s.person, past), p->en);
        NL("%s %s naar%s.", up(s.nl), nl_verb(&go, s.person, past, false), strchr(p->nl, ' '));
        return;
    default:
        s = somebody(d);
        int c = draw_below(d, COUNT(capitals));
        EN("%s %s in %s.", up(s.en), en_verb(&live, s.person, past), capitals[c].city);
        NL("%s %s in %s.", up(s.nl), nl_verb(&live, s.person, past, false), capitals[c].stad);
    }
}

static void question(Draw *d, Said *out)
{
    Phrase s = of_pronoun(PICK(d, pronouns)), o;
    const Verb *v = PICK(d, verbs);
    const Modal *m = PICK(d, modals);
    bool past = draw_chance(d, 30);
    switch (draw_below(d, 4)) {
    case 0:
        o = thing(d, v->kinds, false, 20);
        EN("%s %s %s %s?", past ? "Did" : s.person == ONE ? "Does" : "Do", s.en, v->en, o.en);
        NL("%s %s %s?", nl_verb(v, s.person, past, true), s.nl, o.nl);
        break;
    case 1:
        o = thing(d, ANY, true, 0);
        EN("Where %s %s?", en_verb(&be, o.person, false), o.en),
            NL("Waar %s %s?", nl_verb(&be, o.person, false, true), o.nl);
        break;
    case 2: {
        o = thing(d, ANY, true, 0);
        const Adjective *a = PICK(d, of_things);
        EN("%s %s %s?", en_verb(&be, o.person, false), o.en, a->en);
        NL("%s %s %s?", nl_verb(&be, o.person, false, true), o.nl, a->nl);
        break;
    }
    default:
        o = thing(d, v->kinds, false, 10);
        EN("%s you %s %s?", m->en, v->en, o.en), NL("%s jij %s %s?", m->inverted, o.nl, v->inf);
    }
    up(out->en), up(out->nl);
}

static const Adjective *state_of_being(Draw *d)
{
    for (;;) {
        const Adjective *a = PICK(d, states);
        if (!*a->nle) return a;
    }
}

// Clauses whose verb Dutch puts last.
static void clause(Draw *d, Said *out)
{
    Phrase s = somebody(d), s2 = somebody(d);
    while ((s.assumed && tells(&s2)) || (s2.assumed && tells(&s))) s2 = somebody(d);
    char en[SAID], nl[SAID];
    if (draw_chance(d, 50)) {
        const Verb *v = PICK(d, verbs);
        Phrase o = object(d, s.assumed ? &s : &s2, v->kinds, false, 10);
        say(en, "%s %s %s", s2.en, en_verb(v, s2.person, false), o.en);
        say(nl, "%s %s %s", s2.nl, o.nl, nl_verb(v, s2.person, false, false));
    } else {
        const Verb *v = PICK(d, alone);
        const Two *f = PICK(d, often);
        bool how_often = draw_chance(d, 50);
        say(en, "%s %s%s%s", s2.en, how_often ? f->en : "", how_often ? " " : "",
            en_verb(v, s2.person, false));
        say(nl, "%s %s%s%s", s2.nl, how_often ? f->nl : "", how_often ? " " : "",
            nl_verb(v, s2.person, false, false));
    }
    const Adjective *a = state_of_being(d);
    const Verb *v = PICK(d, say_that), *w = PICK(d, alone);
    switch (draw_below(d, 3)) {
    case 0:
        EN("%s %s %s because %s.", up(s.en), en_verb(&be, s.person, false), a->en, en);
        NL("%s %s %s omdat %s.", up(s.nl), nl_verb(&be, s.person, false, false), a->nl, nl);
        return;
    case 1:
        EN("%s %s that %s.", up(s.en), en_verb(v, s.person, false), en);
        NL("%s %s dat %s.", up(s.nl), nl_verb(v, s.person, false, false), nl);
        return;
    default:
        EN("When %s, %s %s.", en, s.en, en_verb(w, s.person, false));
        NL("Als %s, %s %s.", nl, nl_verb(w, s.person, false, true), s.nl);
    }
}

static void order(Draw *d, Said *out)
{
    const Verb *v = PICK(d, verbs);
    bool no = draw_chance(d, 40);
    Phrase o = thing(d, v->kinds, false, 10);
    char verb[40], obj[SAID];
    snprintf(verb, sizeof verb, "%s", v->ik);
    say(obj, "%s", o.nl);
    if (no) negated(&o, "", obj);
    EN("%s%s %s!",
       !no                  ? ""
       : draw_chance(d, 50) ? "Do not "
                            : "Don't ",
       v->en, o.en),
        NL("%s %s!", up(verb), obj);
    up(out->en);
}

static void capital(Draw *d, Said *out)
{
    int c = draw_below(d, COUNT(capitals)), l = draw_chance(d, 50) ? c : draw_below(d, COUNT(capitals));
    if (draw_chance(d, 40)) {
        EN("Is %s the capital of %s?", capitals[c].city, capitals[l].country);
        NL("Is %s de hoofdstad van %s?", capitals[c].stad, capitals[l].land);
    } else {
        EN("%s is %sthe capital of %s.", capitals[c].city, c == l ? "" : "not ", capitals[l].country);
        NL("%s is %sde hoofdstad van %s.", capitals[c].stad, c == l ? "" : "niet ", capitals[l].land);
    }
}

// Professions whose gender some other word tells.
static void profession(Draw *d, Said *out)
{
    static const Two family[2][3] = {{{"brother", "broer"}, {"father", "vader"}, {"son", "zoon"}},
                                     {{"sister", "zus"}, {"mother", "moeder"}, {"daughter", "dochter"}}};
    const Profession *f = PICK(d, professions);
    bool woman = draw_chance(d, 50);
    const char *nl = woman ? f->woman : f->man;
    const Pronoun *r = &pronouns[woman ? 3 : 2];
    const Noun *n = noun_of(d, SMALL);
    const Verb *v;
    do v = PICK(d, verbs);
    while (!(v->kinds & SMALL));
    const Adjective *a = state_of_being(d);
    const Verb *says = PICK(d, say_that), *w = PICK(d, alone);
    const Two *relative = &family[woman][draw_below(d, 3)];
    char he[8], hij[8];
    snprintf(he, sizeof he, "%s", r->en), snprintf(hij, sizeof hij, "%s", r->nl);
    const char *article = !strcmp(f->en, "friend") || !strcmp(f->en, "neighbour") ? "een " : "";
    switch (draw_below(d, 5)) {
    case 0:
        EN("The %s %s %s %s.", f->en, v->ened, r->my, n->en),
            NL("De %s %s %s %s.", nl, v->past, r->mijn, n->nl);
        return;
    case 1:
        EN("The %s %s that %s was %s.", f->en, says->ened, r->en, a->en),
            NL("De %s %s dat %s %s was.", nl, says->past, r->nl, a->nl);
        return;
    case 2:
        EN("My %s is %s %s.", relative->en, an(f->en), f->en),
            NL("Mijn %s is %s%s.", relative->nl, article, nl);
        return;
    case 3:
        EN("%s is %s %s.", up(he), an(f->en), f->en), NL("%s is %s%s.", up(hij), article, nl);
        return;
    default:
        EN("The %s is %s because %s %s.", f->en, a->en, r->en, w->ens);
        NL("De %s is %s omdat %s %s.", nl, a->nl, r->nl, w->hij);
    }
}

// What cannot be translated word by word, beside the same words meant as they stand.
static void idiom(Draw *d, Said *out)
{
    static const struct {
        Verb v;
        const char *en, *nl; // behind the verb; %: nl's "his"
    } saying[] = {
        {{"kick", "kicks", "kicked", "leg", "legt", "leggen", "legde", "legden", 0},
         "the bucket",
         "het loodje"},
        {{"kick", "kicks", "kicked", "schop", "schopt", "schoppen", "schopte", "schopten", 0},
         "the ball",
         "de bal"},
        {{"spill", "spills", "spilled", "verklap", "verklapt", "verklappen", "verklapte", "verklapten", 0},
         "the beans",
         "alles"},
        {{"break", "breaks", "broke", "breek", "breekt", "breken", "brak", "braken", 0},
         "the ice",
         "het ijs"},
        {{"beat", "beats", "beat", "draai", "draait", "draaien", "", "", 0},
         "around the bush",
         "om de hete brij heen"},
        {{"play", "plays", "played", "speel", "speelt", "spelen", "speelde", "speelden", 0},
         "around the house",
         "rond het huis"},
        {{"have", "has", "had", "heb", "heeft", "hebben", "had", "hadden", 0},
         "a heart of gold",
         "een hart van goud"},
        {{"have", "has", "had", "heb", "heeft", "hebben", "had", "hadden", 0},
         "a ring of gold",
         "een ring van goud"},
        {{"bite", "bites", "bit", "bijt", "bijt", "bijten", "beet", "beten", 0},
         "the bullet",
         "door de zure appel heen"},
        {{"bite", "bites", "bit", "bijt", "bijt", "bijten", "beet", "beten", 0}, "the apple", "in de appel"},
        {{"get", "gets", "got", "krijg", "krijgt", "krijgen", "kreeg", "kregen", 0},
         "cold feet",
         "koudwatervrees"},
        {{"have", "has", "had", "heb", "heeft", "hebben", "had", "hadden", 0}, "cold feet", "koude voeten"},
        {{"burn", "burns", "burned", "werk", "werkt", "werken", "werkte", "werkten", 0},
         "the midnight oil",
         "tot diep in de nacht"},
        {{"burn", "burns", "burned", "verbrand", "verbrandt", "verbranden", "verbrandde", "verbrandden", 0},
         "the letter",
         "de brief"},
        {{"let", "lets", "let", "praat", "praat", "praten", "", "", 0},
         "the cat out of the bag",
         "% mond voorbij"},
        {{"let", "lets", "let", "laat", "laat", "laten", "", "", 0},
         "the cat out of the house",
         "de kat uit het huis"},
        {{"let", "lets", "let", "laat", "laat", "laten", "", "", 0},
         "the dog out of the car",
         "de hond uit de auto"},
        {{"are", "is", "was", "ben", "is", "zijn", "was", "waren", 0}, "all ears", "een en al oor"},
        {{"are", "is", "was", "ben", "is", "zijn", "was", "waren", 0},
         "on cloud nine",
         "in de zevende hemel"},
        {{"are", "is", "was", "voel", "voelt", "voelen", "voelde", "voelden", 0},
         "under the weather",
         "~ niet lekker"},
        {{"are", "is", "was", "zit", "zit", "zitten", "zat", "zaten", 0}, "under the tree", "onder de boom"},
    };
    static const Two fixed[] = {
        {"Break a leg!", "Veel succes!"},
        {"Time flies.", "De tijd vliegt."},
        {"Keep your chin up!", "Kop op!"},
        {"Better late than never.", "Beter laat dan nooit."},
        {"It is raining in the city.", "Het regent in de stad."},
        {"It is raining in the garden.", "Het regent in de tuin."},
        {"The cat is in the bag.", "De kat zit in de tas."},
    };
    static const Two easy[] = {{"This", "Dit"},
                               {"That", "Dat"},
                               {"The question", "De vraag"},
                               {"The test", "De toets"},
                               {"The work", "Het werk"}};
    int kind = draw_below(d, 12);
    const Two *t = PICK(d, now), *e = PICK(d, easy);
    if (kind == 0) {
        bool timed = draw_chance(d, 70);
        EN("It is raining cats and dogs%s%s.", timed ? " " : "", timed ? t->en : "");
        NL("Het regent %s%spijpenstelen.", timed ? t->nl : "", timed ? " " : "");
    } else if (kind == 1) {
        bool hard = draw_chance(d, 30);
        EN("%s is %s.", e->en, hard ? "a piece of bread" : "a piece of cake");
        NL("%s is %s.", e->nl, hard ? "een stuk brood" : "een fluitje van een cent");
    } else if (kind == 2) {
        Phrase o = thing(d, SMALL | BIG | RIDE, true, 0);
        EN("%s cost%s an arm and a leg.", up(o.en), o.person == MANY ? "" : "s");
        NL("%s kost%s een rib uit het lijf.", up(o.nl), o.person == MANY ? "en" : "");
    } else if (kind == 3) {
        const Two *f = PICK(d, fixed);
        EN("%s", f->en), NL("%s", f->nl);
    } else {
        int i = draw_below(d, COUNT(saying));
        bool his = saying[i].nl[0] == '%' || saying[i].nl[0] == '~',
             past = *saying[i].v.past && draw_chance(d, 40);
        Phrase s = his ? of_pronoun(PICK(d, pronouns)) : somebody(d);
        const Verb *v = saying[i].v.ik[0] == 'b' && !strcmp(saying[i].v.ik, "ben") ? &be : &saying[i].v;
        const char *verb = en_verb(!strcmp(saying[i].v.en, "are") ? &be : v, s.person, past);
        EN("%s %s %s.", up(s.en), verb, saying[i].en);
        NL("%s %s %s%s.", up(s.nl), nl_verb(v, s.person, past, false),
           !his                     ? ""
           : saying[i].nl[0] == '%' ? s.pronoun->mijn
                                    : s.pronoun->mezelf,
           saying[i].nl + his);
    }
}

// The family of the first sentence of Inseq's own tutorial.
static void easy_peasy(Draw *d, Said *out)
{
    static const Two what[] = {{"models", "modellen"},   {"books", "boeken"},    {"sentences", "zinnen"},
                               {"stories", "verhalen"},  {"letters", "brieven"}, {"poems", "gedichten"},
                               {"answers", "antwoorden"}};
    static const Two doing[] = {{"study", "bestuderen"},     {"use", "gebruiken"},
                                {"understand", "begrijpen"}, {"write", "schrijven"},
                                {"compare", "vergelijken"},  {"translate", "vertalen"}};
    static const Two tool[] = {{"", ""},
                               {" with Inseq", " met Inseq"},
                               {" with Inseq", " met Inseq"},
                               {" with a friend", " met een vriend"},
                               {" with this book", " met dit boek"}};
    static const Two how[] = {
        {"easy", "makkelijk"}, {"hard", "moeilijk"}, {"fun", "leuk"}, {"strange", "vreemd"}};
    static const Two dont[] = {{"angry", "boos"},
                               {"sad", "verdrietig"},
                               {"afraid", "bang"},
                               {"late", "laat"},
                               {"hot-headed", "heethoofdig"}};
    const Two *o = PICK(d, what), *v = PICK(d, doing), *w = PICK(d, tool), *h = PICK(d, how),
              *n = PICK(d, dont);
    const char *its = draw_chance(d, 50) ? "it's" : "it is", *mate = draw_chance(d, 60) ? " mate" : "";
    char end = draw_chance(d, 60) ? '!' : '.', en[SAID], nl[SAID], cap[8];
    say(en, "to %s %s%s%c", v->en, o->en, w->en, end), say(nl, "om %s te %s%s%c", o->nl, v->nl, w->nl, end);
    snprintf(cap, sizeof cap, "%s", its);
    switch (draw_below(d, 5)) {
    case 0:
    case 1:
        EN("Don't get hot-headed%s, %s easy peasy %s", mate, its, en),
            NL("Maak je niet zo druk, het is makkelijk %s", nl);
        return;
    case 2:
        EN("%s easy peasy %s", up(cap), en), NL("Het is een makkie %s", nl);
        return;
    case 3:
        EN("%s %s %s", up(cap), h->en, en), NL("Het is %s %s", h->nl, nl);
        return;
    default:
        EN("Don't be %s%s, %s %s %s", n->en, mate, its, h->en, en);
        NL("Niet %s worden%s, het is %s %s", n->nl, *mate ? " man" : "", h->nl, nl);
    }
}

void grammar_pair(Draw *d, Said *out)
{
    static const struct {
        void (*make)(Draw *d, Said *out);
        int weight;
    } kinds[] = {{with_object, 24}, {without_object, 9}, {with_modal, 8}, {state, 10},
                 {where, 7},        {question, 10},      {clause, 12},    {order, 5},
                 {capital, 3},      {profession, 12},    {idiom, 12},     {easy_peasy, 6}};
    int total = 0, k = 0;
    for (int i = 0; i < COUNT(kinds); i++) total += kinds[i].weight;
    for (int at = draw_below(d, total); at >= kinds[k].weight; k++) at -= kinds[k].weight;
    kinds[k].make(d, out);
}

bool grammar_held_out(const char *text, int share)
{
    static const char *const shown[] = {
        "Don't get hot-headed mate, it's easy peasy to study models with Inseq!",
        "It is raining cats and dogs today.", "The nurse lost her key.", "Does 3 + 4 equal 7?",
        "Is a dog an animal?"};
    for (int i = 0; i < COUNT(shown); i++)
        if (!strcmp(text, shown[i])) return true;
    return str_hash(str_of(text), 1) % (uint64_t)share == 0;
}

// ------------------------------------------------------------------------------------------------ questions

static const char *const kinds_of[][12] = {
    {"an animal", "a dog", "a cat", "a horse", "a bird", "a cow", "a pig", "a rabbit", "a mouse", NULL},
    {"a fruit", "an apple", "a pear", "an orange", "a banana", "a plum", NULL},
    {"a colour", "red", "blue", "green", "white", "black", "yellow", NULL},
    {"a vehicle", "a car", "a bicycle", "a ship", "a train", NULL},
    {"a person", "a teacher", "a nurse", "a doctor", "a king", "a farmer", NULL},
};
static const char *const by_size[] = {"an ant", "a mouse", "a cat",       "a dog",    "a pig",
                                      "a cow",  "a horse", "an elephant", "a church", "a mountain"};

static const char *member(Draw *d, int kind)
{
    int n = 1;
    while (kinds_of[kind][n]) n++;
    return kinds_of[kind][1 + draw_below(d, n - 1)];
}

// Two forms, so that what is asked in one and never seen in it may be known from the other.
static void ask(Question *out, bool truly, const char *subject, const char *predicate)
{
    say(out->text, truly ? "Is it true that %s is %s?" : "Is %s %s?", subject, predicate);
}

void grammar_question(Draw *d, Question *out)
{
    int kind = draw_below(d, 100), a = draw_below(d, 10), b = draw_below(d, 10);
    bool yes = draw_chance(d, 50), no = draw_chance(d, 20), truly = draw_chance(d, 35);
    const char *not_ = no ? "not " : "";
    char subject[SAID], predicate[SAID];
    if (kind < 32) {
        int c = yes ? a + b : draw_below(d, 19);
        out->yes = (a + b == c) != no;
        say(subject, "%d + %d", a, b), say(predicate, "%sequal to %d", not_, c);
        if (truly || draw_chance(d, 40)) ask(out, truly, subject, predicate);
        else say(out->text, "Does %s %sequal %d?", subject, not_, c);
        return;
    }
    if (kind < 52) {
        int c = draw_below(d, COUNT(capitals)), l = yes ? c : draw_below(d, COUNT(capitals));
        out->yes = (c == l) != no;
        say(subject, "%s", capitals[c].city),
            say(predicate, "%sthe capital of %s", not_, capitals[l].country);
    } else if (kind < 70) {
        int k = draw_below(d, COUNT(kinds_of)), m = yes ? k : draw_below(d, COUNT(kinds_of));
        out->yes = (k == m) != no;
        say(subject, "%s", member(d, k)), say(predicate, "%s%s", not_, kinds_of[m][0]);
    } else if (kind < 80) {
        int i = draw_below(d, COUNT(by_size)), j = draw_below(d, COUNT(by_size));
        if (i == j) j = (i + 1) % COUNT(by_size);
        out->yes = yes ? i > j : i < j;
        say(subject, "%s", by_size[i]), say(predicate, "%s than %s", yes ? "bigger" : "smaller", by_size[j]);
    } else if (kind < 92) {
        if (a == b) b = (a + 1) % 10;
        out->yes = yes ? a > b : a < b;
        say(subject, "%d", a), say(predicate, "%s than %d", yes ? "greater" : "less", b);
    } else {
        a = draw_below(d, 21);
        out->yes = (a % 2 == 0) == yes;
        say(subject, "%d", a), say(predicate, "%s", yes ? "even" : "odd");
    }
    ask(out, truly, subject, predicate);
}
