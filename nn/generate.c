// SPDX-License-Identifier: Apache-2.0
// generate.c — greedy and beam search as transformers 5.23 does it (generation/utils.py, _beam_search), with a cache of
// keys and values. Sentences run together, each exactly as if it were alone.
//
// Beam search keeps n running beams and a pool of n finished ones. Each step extends every running beam by every word;
// of the best 2n candidates those that end (end token, or the length limit) may enter the pool if they are among the
// first n, with score sum / length^penalty; the best n that go on are the next running beams. A sentence is closed
// when no running beam can still beat the pool's worst, or early_stopping says so. When sampling, the 2n candidates are
// drawn without replacement in place of the best: the highest of score + Gumbel noise (Kool et al. 2019, arXiv:1903.06059).
#include "processors.h"

#include <math.h>
#include <string.h>

static const float BAD = -1e9f;

typedef struct Beam {
    int32_t *ids; // [limit]
    float score;  // running: sum of log-probabilities; finished: divided by length^penalty
    int64_t n;
    bool finished;
} Beam;

typedef struct Candidate {
    double rank; // by which it is chosen: the score, or when sampling the score with its share of chance
    float score;
    int64_t from;
    int32_t id;
    bool ends;
} Candidate;

typedef struct Sentence {
    Ids source;
    int64_t prompt, limit, read; // ids that the output begins with; at most; that are in the cache
    bool started;                // the prompt is in the cache, and each beam has a slot of its own
    Beam *running, *next, *pool; // [beams] each
    int64_t number;              // of this one among those that the text returns, when sampling
    bool open, worth_going_on;
} Sentence;

typedef struct Row { // logits of one running beam
    Sentence *sentence;
    int64_t beam;
    float *z, *kept; // [V]; kept, room for a copy, is greedy search's
    Candidate *best; // [most]
    int64_t n_best;
    SamplingRoom room;
    bool finite;
} Row;

typedef struct Search {
    const Model *m;
    const GenConfig *g;
    Arena *arena, *now; // now: of one step
    int64_t beams, n;
    int64_t most; // candidates that a step needs
    Row *row;     // [n * beams]
    Sentence *sentence;
    Tape *once, *step; // encoder states; one row per beam
    Cache *cache;
    int64_t *from; // [n * beams] reordering of the cache
    int64_t *slot; // [n * beams] those that run
} Search;

// length^penalty without libm: exact for whole penalties.
static double length_power(int64_t length, double penalty)
{
    double whole = floor(penalty < 0 ? -penalty : penalty), x = 1;
    if (whole != (penalty < 0 ? -penalty : penalty) || whole > 64)
        return num_exp(penalty * num_log((double)length));
    for (int i = 0; i < (int)whole; i++) x *= (double)length;
    return penalty < 0 ? 1 / x : x;
}

// ------------------------------------------------------------------------------------------------ one step

// The states of rows read .. read + len - 1 of these slots' ids go through the model, which the cache then has.
static Tensor *feed(Search *s, const int64_t *slot, const int64_t *len, int64_t n)
{
    const Model *m = s->m;
    tape_reset(s->step);
    int32_t *keys_of = arena_new(s->now, int32_t, n);
    int64_t rows = 0;
    for (int64_t i = 0; i < n; i++) keys_of[i] = (int32_t)(slot[i] / s->beams), rows += len[i];
    cache_activate(s->cache, slot, len, n);
    Tensor *y = tn_new(s->step, rows, m->info.width, rows_make(s->now, n, len));
    for (int64_t i = 0; i < n; i++) {
        const Sentence *t = &s->sentence[slot[i] / s->beams];
        const int32_t *ids = t->running[slot[i] % s->beams].ids + t->read;
        nn_embed(m, (Ids){ids, len[i]}, true, y->f + y->seqs->start[i] * m->info.width);
    }
    return m->family->decode(m, s->step, y, NULL, keys_of, s->cache, NULL);
}

// Long prompts go in parts, so that memory is for a part's attention; bits are those of one whole.
static void feed_beginnings(Search *s, const int64_t *slot, int64_t n)
{
    enum { PART = 256 };
    int64_t *which = arena_new(s->now, int64_t, n), *len = arena_new(s->now, int64_t, n);
    for (int64_t k = 1; k;) {
        k = 0;
        for (int64_t i = 0; i < n; i++) {
            const Sentence *t = &s->sentence[slot[i] / s->beams];
            if (t->running[0].n - t->read > PART) which[k] = slot[i], len[k++] = PART;
        }
        if (k) feed(s, which, len, k);
        for (int64_t i = 0; i < k; i++) s->sentence[which[i] / s->beams].read += PART;
    }
}

// Logits of the next token of these slots [n, V]: what each sentence has beyond `read` goes through the model. Until it has
// started the beams of a sentence are one, in its first slot.
static const float *step_logits(Search *s, const int64_t *slot, int64_t n)
{
    arena_reset(s->now);
    feed_beginnings(s, slot, n);
    int64_t *len = arena_new(s->now, int64_t, n), *last = arena_new(s->now, int64_t, n),
            *ones = arena_new(s->now, int64_t, n), rows = 0;
    for (int64_t i = 0; i < n; i++) {
        const Sentence *t = &s->sentence[slot[i] / s->beams];
        len[i] = t->running[0].n - t->read, ones[i] = 1;
        rows += len[i], last[i] = rows - 1;
    }
    Tensor *states = feed(s, slot, len, n);
    if (rows > n) states = tn_pick(s->step, states, last, rows_make(s->now, n, ones));
    return s->m->family->logits(s->m, s->step, states)->f;
}

static void encode_sources(Search *s, const Ids *source)
{
    const Model *m = s->m;
    Arena *a = s->arena;
    s->cache = cache_make(a, m, s->n * s->beams);
    for (int64_t i = 0; i < s->n; i++) cache_reserve(s->cache, s->sentence[i].prompt + 32);
    if (!m->family->encode) return;
    int64_t *len = arena_new(a, int64_t, s->n), total = 0;
    for (int64_t i = 0; i < s->n; i++) len[i] = source[i].n, total += len[i];
    Tensor *x = tn_new(s->once, total, m->info.width, rows_make(a, s->n, len));
    for (int64_t i = 0; i < s->n; i++)
        nn_embed(m, source[i], false, x->f + x->seqs->start[i] * m->info.width);
    Tensor *encoder = m->family->encode(m, s->once, x, NULL);
    for (int64_t i = 0; i < m->info.decoder_layers; i++) {
        s->cache->cross_k[i] = apply_projection(s->once, encoder, &m->decoder[i].cross_k);
        s->cache->cross_v[i] = apply_projection(s->once, encoder, &m->decoder[i].cross_v);
    }
}

static bool is_end(const GenConfig *g, int32_t id)
{
    for (size_t i = 0; i < g->eos.n; i++)
        if (g->eos.v[i] == id) return true;
    return false;
}

static Str text_of(const GenConfig *g, int32_t id) { return id < g->n_texts ? g->text[id] : (Str){"", 0}; }

// The n bytes of a text that end `behind` bytes before its end are those of s.
static bool ends_so(const GenConfig *g, const int32_t *ids, int64_t n, size_t behind, Str s)
{
    for (size_t left = s.n; left;) {
        Str piece = n ? text_of(g, ids[--n]) : (Str){NULL, 0};
        if (!piece.s) return false;
        if (behind >= piece.n) {
            behind -= piece.n;
            continue;
        }
        for (size_t i = piece.n - behind; i && left; i--, left--)
            if (piece.s[i - 1] != s.s[left - 1]) return false;
        behind = 0;
    }
    return true;
}

// A stop string ends somewhere in what the last token adds, as transformers' StopStringCriteria has it.
static bool stops(const GenConfig *g, const int32_t *ids, int64_t n)
{
    size_t last = g->n_stop ? text_of(g, ids[n - 1]).n : 0;
    for (size_t k = 0; k < g->n_stop; k++)
        for (size_t behind = 0; behind < last; behind++)
            if (ends_so(g, ids, n, behind, g->stop[k])) return true;
    return false;
}

// ------------------------------------------------------------------------------------------------ beam search

// Keeps the best of the candidates seen, highest first; among equals the one seen first.
static void offer(Candidate *best, int64_t *n, int64_t most, Candidate c)
{
    if (*n == most && !(c.rank > best[most - 1].rank)) return;
    int64_t i = *n < most ? (*n)++ : most - 1;
    for (; i > 0 && c.rank > best[i - 1].rank; i--) best[i] = best[i - 1];
    best[i] = c;
}

static void copy_ids(Beam *to, const Beam *from, int32_t id)
{
    memcpy(to->ids, from->ids, (size_t)from->n * sizeof *to->ids);
    to->ids[from->n] = id;
    to->n = from->n + 1;
}

// The pool takes what ended among the first `beams` candidates, keeping the best.
static void finish(Search *s, Sentence *t, const Candidate *best, int64_t n_best)
{
    bool full = true;
    for (int64_t b = 0; b < s->beams; b++) full &= t->pool[b].finished;
    if ((full && s->g->early_stopping == STOP_TRUE) || !t->worth_going_on) return;
    for (int64_t i = 0; i < s->beams && i < n_best; i++) {
        if (!best[i].ends) continue;
        const Beam *from = &t->running[best[i].from];
        float score = best[i].score / (float)length_power(from->n + 1 - t->prompt, s->g->length_penalty);
        int64_t at = s->beams;
        while (at > 0 && (!t->pool[at - 1].finished || score > t->pool[at - 1].score)) at--;
        if (at == s->beams) continue;
        Beam last = t->pool[s->beams - 1];
        memmove(&t->pool[at + 1], &t->pool[at], (size_t)(s->beams - 1 - at) * sizeof(Beam));
        copy_ids(&last, from, best[i].id);
        last.score = score, last.finished = true;
        t->pool[at] = last;
    }
}

// Whether this sentence can still be improved; closes it if not.
static void decide(Search *s, Sentence *t, bool all_ended)
{
    bool full = true;
    float worst = INFINITY;
    for (int64_t b = 0; b < s->beams; b++) {
        full &= t->pool[b].finished;
        worst = t->pool[b].score < worst ? t->pool[b].score : worst;
    }
    int64_t length = t->running[0].n - t->prompt;
    if (s->g->early_stopping == STOP_NEVER && s->g->length_penalty > 0) length = t->limit - t->prompt;
    float possible = t->running[0].score / (float)length_power(length, s->g->length_penalty);
    t->worth_going_on &= possible > (full ? worst : BAD);
    t->open = t->worth_going_on && !(full && s->g->early_stopping == STOP_TRUE) && !all_ended;
}

// One running beam's row of logits, made log-probabilities: its best continuations.
static void extend(const Search *s, Row *r)
{
    const Sentence *t = r->sentence;
    const Beam *b = &t->running[r->beam];
    int64_t vocab = s->m->info.vocab;
    double floor_ = -INFINITY;
    const SamplingRoom *room = s->g->do_sample ? &r->room : NULL;
    uint64_t chance = sampling_chance(s->g, r->beam, b->n - t->prompt);
    log_softmax(r->z, vocab);
    processors_run(s->g, t->source, b->ids, b->n, t->prompt, t->limit, r->z, vocab, room);
    for (int64_t v = 0; v < vocab; v++) {
        float score = r->z[v] + b->score;
        double rank = room && score > -INFINITY ? (double)score + sampling_gumbel(chance, v) : (double)score;
        if (r->n_best == s->most && !(rank > floor_)) continue;
        offer(r->best, &r->n_best, s->most,
              (Candidate){.rank = rank, .score = score, .from = r->beam, .id = (int32_t)v});
        floor_ = r->best[r->n_best - 1].rank;
    }
}

static bool stops_with(Search *s, Sentence *t, Candidate c)
{
    if (!s->g->n_stop) return false;
    Beam *b = &t->running[c.from];
    b->ids[b->n] = c.id; // there is room for one more
    return stops(s->g, b->ids, b->n + 1);
}

// alone: only the first slot has been filled so far; the others will be copies of it.
static void beam_step(Search *s, Sentence *t, int64_t first_slot, const Row *rows, bool alone)
{
    int64_t n_best = 0, n = t->running[0].n;
    Candidate *best = arena_new(s->now, Candidate, s->most);
    for (int64_t b = 0; b < s->beams; b++)
        for (int64_t i = 0; i < rows[b].n_best; i++) offer(best, &n_best, s->most, rows[b].best[i]);
    bool all_ended = true;
    for (int64_t i = 0; i < n_best; i++) {
        best[i].ends = is_end(s->g, best[i].id) || n + 1 >= t->limit || stops_with(s, t, best[i]);
        all_ended &= best[i].ends;
    }
    finish(s, t, best, n_best);
    // the next running beams: the best after those that ended are put 1e9 lower
    Candidate *going = arena_new(s->now, Candidate, s->beams);
    int64_t n_going = 0;
    for (int64_t i = 0; i < n_best; i++) {
        Candidate c = best[i];
        if (c.ends) c.score += BAD;
        c.rank = (double)c.score;
        offer(going, &n_going, s->beams, c);
    }
    for (int64_t b = 0; b < s->beams; b++) {
        Candidate c = going[b < n_going ? b : n_going - 1];
        copy_ids(&t->next[b], &t->running[c.from], c.id);
        t->next[b].score = c.score;
        s->from[first_slot + b] = first_slot + (alone ? 0 : c.from);
    }
    Beam *swap = t->running;
    t->running = t->next, t->next = swap;
    decide(s, t, all_ended);
}

static void greedy_step(const Search *s, Row *r)
{
    const Sentence *t = r->sentence;
    Beam *b = &t->running[0];
    int64_t vocab = s->m->info.vocab;
    double sum = num_log_sum_exp(r->z, vocab);
    memcpy(r->kept, r->z, (size_t)vocab * sizeof(float));
    const SamplingRoom *room = s->g->do_sample ? &r->room : NULL;
    processors_run(s->g, t->source, b->ids, b->n, t->prompt, t->limit, r->z, vocab, room);
    int32_t id = room ? sampling_draw(s->g, t->number, b->n - t->prompt, r->z, vocab, room->p)
                      : (int32_t)num_argmax(r->z, vocab);
    b->score += (float)((double)r->kept[id] - sum);
    b->ids[b->n++] = id;
    r->sentence->open = !is_end(s->g, id) && b->n < t->limit && !stops(s->g, b->ids, b->n);
}

// ------------------------------------------------------------------------------------------------ the loop

// What the output begins with: the start token and the prefix, or the prompt and what was given to stand behind it.
static int32_t *begin(const Search *s, Sentence *t, Ids source, Ids prefix)
{
    bool alone = !s->m->family->encode;
    int64_t n = alone ? source.n : 1;
    t->prompt = n + prefix.n;
    int32_t *ids = arena_new(s->arena, int32_t, t->prompt);
    if (!alone) ids[0] = s->m->info.start;
    for (int64_t i = 0; alone && i < n; i++) ids[i] = source.v[i];
    for (int64_t i = 0; i < prefix.n; i++) ids[n + i] = prefix.v[i];
    return ids;
}

static bool start_sentence(Search *s, Sentence *t, Ids source, Ids prefix, Err *e)
{
    const GenConfig *g = s->g;
    const ModelInfo *f = nn_info(s->m);
    if (f->encoder_decoder && f->start < 0)
        return err_set(
            e, "%s: neither decoder_start_token_id nor bos_token_id is set; generation can't begin", f->name);
    const char *what = f->encoder_decoder ? "source" : "prompt";
    if (source.n < 1) return err_set(e, "the %s has no tokens", what);
    if (!nn_check_ids(s->m, prefix, true, "target prefix", e) || !nn_check_ids(s->m, source, false, what, e))
        return false;
    t->source = source;
    const int32_t *ids = begin(s, t, source, prefix);
    t->limit = g->max_new_tokens     ? t->prompt + g->max_new_tokens
               : g->max_length_given ? g->max_length
                                     : t->prompt + 20;
    if (!g->max_new_tokens && !g->max_length_given && f->max_positions && t->limit > f->max_positions)
        t->limit = f->max_positions; // transformers clips its own default only
    if (t->prompt >= t->limit)
        return err_set(e,
                       "the %s has %" PRId64 " tokens%s, the length limit is %" PRId64
                       ": nothing is left to generate; raise max_length",
                       f->encoder_decoder ? "target prefix" : what, t->prompt,
                       f->encoder_decoder ? " with the start token" : "", t->limit);
    Beam **lists[] = {&t->running, &t->next, &t->pool};
    for (int i = 0; i < 3; i++) {
        Beam *list = *lists[i] = arena_new(s->arena, Beam, s->beams);
        for (int64_t b = 0; b < s->beams; b++) {
            list[b] = (Beam){.ids = arena_new(s->arena, int32_t, t->limit),
                             .score = i == 0 && b == 0 ? 0 : BAD,
                             .n = t->prompt};
            memcpy(list[b].ids, ids, (size_t)t->prompt * sizeof *ids);
        }
    }
    t->open = t->worth_going_on = true;
    return true;
}

static void choose(int64_t i, void *context)
{
    Search *s = context;
    Row *r = &s->row[i];
    int64_t at;
    r->finite = num_all_finite(r->z, W_F32, s->m->info.vocab, &at);
    if (!r->finite) return;
    if (s->beams > 1) extend(s, r);
    else greedy_step(s, r);
}

// There must be a position for the last token that goes in.
static bool fits(const Search *s, const Sentence *t, Err *e)
{
    const ModelInfo *f = nn_info(s->m);
    int64_t n = t->running[0].n;
    if (f->max_positions && n > f->max_positions)
        return err_set(e,
                       "the text has %" PRId64
                       " tokens and has not ended; %s has no more positions: set max_length or "
                       "max_new_tokens to at most that",
                       n - 1, f->name);
    if (s->m->length_limit && n > s->m->length_limit) return nn_check_length(s->m, n, "the text", e);
    return true;
}

static SamplingRoom sampling_room(Arena *a, const GenConfig *g, int64_t vocab)
{
    if (!g->do_sample) return (SamplingRoom){0};
    return (SamplingRoom){arena_new_raw(a, Scored, vocab), arena_new_raw(a, float, vocab)};
}

// Runs all open sentences one token further.
static bool advance(Search *s, Err *e)
{
    int64_t *slot = s->slot, n = 0, rows = 0, vocab = s->m->info.vocab;
    for (int64_t i = 0; i < s->n; i++) {
        const Sentence *t = &s->sentence[i];
        if (t->open && !fits(s, t, e)) return false;
        for (int64_t b = 0; t->open && b < (t->started ? s->beams : 1); b++) slot[n++] = i * s->beams + b;
    }
    float *z = (float *)step_logits(s, slot, n);
    Arena *a = s->now;
    for (int64_t i = 0; i < n; i++) {
        Sentence *t = &s->sentence[slot[i] / s->beams];
        for (int64_t b = slot[i] % s->beams; b < (t->started ? slot[i] % s->beams + 1 : s->beams); b++)
            s->row[rows++] =
                (Row){.sentence = t,
                      .beam = b,
                      .z = b == slot[i] % s->beams ? z + i * vocab
                                                   : memcpy(arena_new_raw(a, float, vocab), z + i * vocab,
                                                            (size_t)vocab * sizeof(float)),
                      .kept = s->beams > 1 ? NULL : arena_new_raw(a, float, vocab),
                      .best = s->beams > 1 ? arena_new(a, Candidate, s->most) : NULL,
                      .room = sampling_room(a, s->g, vocab)};
    }
    pool_run(rows, choose, s);
    for (int64_t i = 0; i < rows; i++)
        if (!s->row[i].finite) return nn_check_finite(s->m, z, n * vocab, e);
    for (int64_t i = 0; i < s->n * s->beams; i++) s->from[i] = i;
    for (int64_t i = 0; i < rows; i += s->beams) {
        Sentence *t = s->row[i].sentence;
        int64_t length = t->started ? t->read + 1 : t->prompt; // of the running beams before this step
        if (s->beams > 1) beam_step(s, t, (t - s->sentence) * s->beams, &s->row[i], !t->started);
        t->read = length, t->started = true;
    }
    cache_reorder(s->cache, s->from);
    return true;
}

static void collect(Arena *a, const Search *s, int64_t returns, Generated *out)
{
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t r = 0; r < returns; r++) {
            const Sentence *t = &s->sentence[i];
            const Beam *b = s->beams > 1 && t->pool[r].finished ? &t->pool[r] : &t->running[r];
            *out++ =
                (Generated){.ids = memcpy(arena_new(a, int32_t, b->n), b->ids, (size_t)b->n * sizeof *b->ids),
                            .n = b->n,
                            .score = (double)b->score};
        }
}

int32_t nn_generation_forced_start(const GenConfig *g) { return g->forced_bos; }
int64_t nn_generation_returns(const GenConfig *g) { return g->num_return_sequences; }

const char *nn_generation_note(Arena *a, const Model *m, const GenConfig *g)
{
    if (!g->sampling_wished) return NULL;
    const char *how = g->num_beams > 1 ? arena_printf(a, "by %" PRId64 " beams", g->num_beams) : "greedily";
    return arena_printf(
        a,
        "%s: the model's own settings ask for sampling (do_sample); here the answer is "
        "searched %s, and is the same each time; --generation_kwargs '{\"do_sample\": true}' samples",
        m->info.name, how);
}

bool nn_generation(Arena *a, const Model *m, const Json *overrides, const GenConfig **out, Err *e)
{
    GenConfig *g = arena_new(a, GenConfig, 1);
    *g = m->generation;
    *out = g;
    return !overrides || gen_config_override(a, overrides, m->info.vocab, g, e);
}

const GenConfig *nn_generation_texts(Arena *a, const GenConfig *g, const Str *text, int64_t n)
{
    GenConfig *with = arena_new(a, GenConfig, 1);
    *with = *g;
    with->text = text, with->n_texts = n;
    return with;
}

bool nn_generation_needs_texts(const GenConfig *g) { return g->n_stop > 0; }

static bool check(const Model *m, const GenConfig *g, Err *e)
{
    if (g->undone)
        return err_set(e, "%s: its generation settings ask for \"%s\", which this program does not do",
                       m->info.name, g->undone);
    if ((!g->do_sample || g->num_beams > 1) && g->num_return_sequences > g->num_beams)
        return err_set(e, "%s: num_return_sequences is %" PRId64 "; it must be at most num_beams, %" PRId64,
                       m->info.name, g->num_return_sequences, g->num_beams);
    if (g->n_stop && !g->text)
        return err_set(e, "%s: stop_strings need the text of each token", m->info.name);
    return true;
}

bool nn_generate(Arena *a, const Model *m, const GenConfig *g, int64_t n_texts, const Ids *source,
                 const Ids *prefix, Generated *out, bool (*progress)(void *context, int64_t length),
                 void *context, Err *e)
{
    if (!check(m, g, e)) return false;
    Arena *work = arena_create(a);
    int64_t returns = nn_generation_returns(g), copies = g->do_sample && g->num_beams == 1 ? returns : 1,
            n = n_texts * copies;
    Search s = {.m = m,
                .g = g,
                .arena = work,
                .now = arena_create(work),
                .beams = g->num_beams,
                .n = n,
                .sentence = arena_new(work, Sentence, n),
                .once = tape_create(work),
                .step = tape_create(work),
                .most = ((int64_t)g->eos.n > 1 ? (int64_t)g->eos.n + 1 : 2) * g->num_beams,
                .row = arena_new(work, Row, n * g->num_beams),
                .from = arena_new(work, int64_t, n * g->num_beams),
                .slot = arena_new(work, int64_t, n * g->num_beams)};
    tape_record(s.once, false), tape_record(s.step, false);
    Ids *sources = arena_new(work, Ids, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t of = i / copies;
        sources[i] = source[of];
        if (!start_sentence(&s, &s.sentence[i], source[of], prefix ? prefix[of] : (Ids){0}, e))
            return arena_free(work), false;
        s.sentence[i].number = i % copies;
    }
    encode_sources(&s, sources);
    for (int64_t length = 0, open = n; open; length++) {
        if (!advance(&s, e)) return arena_free(work), false;
        open = 0;
        for (int64_t i = 0; i < n; i++) open += s.sentence[i].open;
        if (progress && !progress(context, length + 1)) return arena_free(work), err_set(e, "interrupted");
    }
    collect(a, &s, returns / copies, out);
    arena_free(work);
    return true;
}
