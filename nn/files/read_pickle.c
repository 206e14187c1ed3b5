// SPDX-License-Identifier: Apache-2.0
// read_pickle.c — pytorch_model.bin, in both layouts that torch.save has had.
//
//   zip (torch 1.6 and later)                 legacy (before; all opus-mt models of 2020)
//   stem/data.pkl      the object             magic, 1001, a dict on the machine, the object: four pickles in a row
//   stem/data/KEY      one storage each       a pickled list of keys; for each: count as int64, then the elements
//   stem/byteorder     "little" (2.1)
//
// The object is a dict of name -> tensor: a tensor is a storage's key, an offset, sizes and strides. What a tensor
// claims is checked against the bytes its storage really has before anything points there. Contiguous tensors are
// views; transposed and expanded ones are copied. torch/serialization.py tells the layouts.
#include "pickle.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 512, COPY_SLACK = 16 << 20 };

// A storage that tensors mention: what all mentions agree on, and where its bytes are.
typedef struct Store {
    Str key;
    Dtype dtype;
    uint64_t count, bytes, at;
    const uint8_t *data; // NULL until found
    uint64_t mention;    // offset of one, for messages
} Store;

typedef struct Load {
    Str file;
    const char *path;
    Arena *scratch;
    Pickle p;
    Store *store; // sorted by key, each key once
    size_t n_stores;
    uint64_t copied;
    StoredList *out;
    Err *e;
} Load;

// ---------------------------------------------------------------------------------------------------- storages

static int by_key(const void *a, const void *b)
{
    const Store *x = a, *y = b;
    int order = str_cmp(x->key, y->key);
    return order ? order : (x->mention > y->mention) - (x->mention < y->mention);
}

static Store *find_store(const Load *l, Str key)
{
    for (size_t low = 0, high = l->n_stores; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(key, l->store[middle].key);
        if (order == 0) return &l->store[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

static bool collect_stores(Load *l)
{
    const Pickle *p = &l->p;
    l->store = arena_new(l->scratch, Store, p->n_storages);
    for (size_t i = 0; i < p->n_storages; i++) {
        const PickleStorage *s = &p->storage[i];
        Store *x = &l->store[i];
        *x = (Store){.key = s->key, .dtype = s->dtype, .count = s->count, .mention = s->at};
        if (!mul_ok(s->count, dtype_size(s->dtype), &x->bytes))
            return err_at(l->e, l->path, s->at, "a storage of %" PRIu64 " elements does not fit 64 bits",
                          s->count);
    }
    if (p->n_storages) qsort(l->store, p->n_storages, sizeof *l->store, by_key);
    for (size_t i = 0; i < p->n_storages; i++) {
        const Store *x = &l->store[i], *last = l->n_stores ? &l->store[l->n_stores - 1] : NULL;
        if (!last || !str_eq(last->key, x->key)) l->store[l->n_stores++] = *x;
        else if (last->dtype != x->dtype || last->count != x->count)
            return err_at(l->e, l->path, x->mention,
                          "a storage has %" PRIu64 " %s here but %" PRIu64 " %s at +%" PRIu64, x->count,
                          dtype_name(x->dtype), last->count, dtype_name(last->dtype), last->mention);
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------- tensors

static bool contiguous(const PickleTensor *t, uint64_t count)
{
    int64_t expected = 1; // stays below count, which fits
    for (int i = t->rank - 1; count && i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != expected) return false;
        expected *= t->dim[i];
    }
    return true;
}

// Elements of the tensor, and the proof that the last of them is inside the storage.
static bool count_elements(const Load *l, const PickleTensor *t, const Store *s, const char *name,
                           uint64_t *count)
{
    uint64_t last = t->offset, step;
    *count = 1;
    bool ok = true, empty = false;
    for (int i = 0; i < t->rank; i++) {
        empty |= t->dim[i] == 0;
        ok = ok && mul_ok(*count, (uint64_t)t->dim[i], count);
        if (t->dim[i] > 0)
            ok = ok && mul_ok((uint64_t)t->dim[i] - 1, (uint64_t)t->stride[i], &step) &&
                 add_ok(last, step, &last);
    }
    if (empty) *count = 0;
    uint64_t bytes;
    if (!(ok || empty) || !mul_ok(*count, dtype_size(s->dtype), &bytes) || *count > INT64_MAX)
        return err_at(l->e, l->path, t->at, "tensor '%s': its sizes and strides overflow 64 bits", name);
    if (empty ? t->offset > s->count : last >= s->count)
        return err_at(l->e, l->path, t->at,
                      "tensor '%s' reaches element %" PRIu64 " of a storage that has %" PRIu64, name,
                      empty ? t->offset : last, s->count);
    return true;
}

// Row-major copy of a strided tensor: dim[i] counts in index[i] as on an odometer.
static const void *copy_strided(Load *l, const PickleTensor *t, const Store *s, uint64_t count)
{
    size_t size = dtype_size(s->dtype);
    uint8_t *to = arena_raw(l->out->arena, count, size), *next = to;
    int64_t index[MAX_RANK] = {0};
    uint64_t element = t->offset;
    for (uint64_t i = 0; i < count; i++, next += size) {
        memcpy(next, s->data + element * size, size);
        for (int d = t->rank - 1; d >= 0; d--) {
            element += (uint64_t)t->stride[d];
            if (++index[d] < t->dim[d]) break;
            element -= (uint64_t)t->stride[d] * (uint64_t)t->dim[d];
            index[d] = 0;
        }
    }
    return to;
}

static bool add_tensor(Load *l, Str key, const PickleTensor *t)
{
    char name[SHOWN];
    shown(name, key);
    const PickleStorage *mention = &l->p.storage[t->storage];
    const Store *s = find_store(l, mention->key);
    if (!s || !s->data) BUG("a storage was not resolved");
    uint64_t count;
    if (!count_elements(l, t, s, name, &count)) return false;
    size_t size = dtype_size(s->dtype);
    Stored *x = stored_add(l->out);
    *x = (Stored){.name = str_copy(l->out->arena, key),
                  .dtype = s->dtype,
                  .rank = t->rank,
                  .bytes = (size_t)(count * size),
                  .file = l->path,
                  .at = s->at + t->offset * size};
    memcpy(x->dim, t->dim, sizeof x->dim);
    if (contiguous(t, count)) {
        x->data = s->data + t->offset * size;
        return true;
    }
    // a tiny file could claim an expanded tensor of any size: the sum of copies is bounded by the file's own
    if (!add_ok(l->copied, x->bytes, &l->copied) || l->copied > l->file.n + (uint64_t)COPY_SLACK)
        return err_at(l->e, l->path, t->at,
                      "tensor '%s' expands to %zu bytes, more than the file of %zu can justify", name,
                      x->bytes, l->file.n);
    x->data = copy_strided(l, t, s, count);
    return true;
}

// What else than a tensor lies in the dict: for a training checkpoint its parts by name, so that the sentence can name it.
static bool no_tensor(const Load *l, const PickleBox *dict, uint64_t object_at)
{
    static const char *const parts[] = {"state_dict", "model", "model_state_dict", "module"};
    const PickleValue *k = NULL;
    for (uint32_t i = 0; i < dict->n; i += 2) {
        bool nested = dict->v[i].kind == P_STRING && dict->v[i + 1].kind == P_DICT;
        for (size_t p = 0; nested && p < sizeof parts / sizeof *parts; p++)
            if (str_is((Str){dict->v[i].u.s, dict->v[i].n}, parts[p])) {
                k = &dict->v[i];
                return err_at(l->e, l->path, object_at + k->at,
                              "'%s' is a dict; every value must be a tensor: this is a training checkpoint, "
                              "save only that part of it",
                              parts[p]);
            }
        if (!k) k = &dict->v[i];
    }
    char name[SHOWN];
    if (!k) return true; // an empty dict
    return err_at(l->e, l->path, object_at + k->at, "'%s' is %s; every value must be a tensor",
                  k->kind == P_STRING ? shown(name, (Str){k->u.s, k->n}) : "a number",
                  pickle_kind_name(k + 1));
}

// The object must be a dict of name -> tensor. What a trainer left beside the tensors (step, epoch, an optimizer's state)
// is no weight and is passed over, as transformers does; a dict without any tensor is something else.
static bool check_object(const Load *l, uint64_t object_at)
{
    const PickleValue *top = &l->p.top;
    if (top->kind != P_DICT)
        return err_at(l->e, l->path, object_at, "the file holds %s; it must hold a dict of names and tensors",
                      pickle_kind_name(top));
    bool some = false;
    for (uint32_t i = 0; i < top->u.box->n; i += 2) {
        const PickleValue *k = &top->u.box->v[i], *v = k + 1;
        if (v->kind != P_TENSOR) continue;
        some = true;
        if (k->kind != P_STRING)
            return err_at(l->e, l->path, object_at + k->at, "a key is %s; a tensor's name must be a string",
                          pickle_kind_name(k));
        if (k->n > MAX_KEY)
            return err_at(l->e, l->path, object_at + k->at,
                          "a tensor's name has %u bytes; at most %d are possible", (unsigned)k->n, MAX_KEY);
    }
    return some || no_tensor(l, top->u.box, object_at);
}

static bool add_tensors(Load *l)
{
    const PickleBox *dict = l->p.top.u.box;
    for (size_t i = 0; i < l->n_stores; i++) l->out->bytes += l->store[i].bytes;
    for (uint32_t i = 0; i < dict->n; i += 2)
        if (dict->v[i + 1].kind == P_TENSOR &&
            !add_tensor(l, (Str){dict->v[i].u.s, dict->v[i].n}, dict->v[i + 1].u.tensor))
            return false;
    return true;
}

// ---------------------------------------------------------------------------------------------------- zip layout

static const ZipEntry *member(Load *l, const Zip *z, Str stem, const char *name)
{
    return zip_find(z, str_of(arena_printf(l->scratch, "%.*s/%s", (int)stem.n, stem.s, name)));
}

static bool resolve_in_zip(Load *l, const Zip *z, Str stem)
{
    for (size_t i = 0; i < l->n_stores; i++) {
        Store *s = &l->store[i];
        char key[SHOWN];
        Buf name = {.arena = l->scratch};
        buf_str(&name, stem), buf_str(&name, STR_LIT("/data/")), buf_str(&name, s->key);
        const ZipEntry *x = zip_find(z, buf_view(&name));
        if (!x)
            return err_at(l->e, l->path, s->mention, "storage '%s' is not in the zip", shown(key, s->key));
        if (x->data.n != s->bytes)
            return err_at(l->e, l->path, s->mention,
                          "storage '%s' should have %" PRIu64 " bytes (%" PRIu64 " %s), the zip has %zu",
                          shown(key, s->key), s->bytes, s->count, dtype_name(s->dtype), x->data.n);
        if (l->out->verify && !zip_crc_ok(x, l->path, l->e)) return false;
        s->data = (const uint8_t *)x->data.s, s->at = x->at;
    }
    return true;
}

static bool read_zip_layout(Load *l)
{
    Zip z;
    if (!zip_open(l->scratch, l->file, l->path, &z, l->e)) return false;
    Str stem = {z.v[0].name.s,
                (size_t)((const char *)memchr(z.v[0].name.s, '/', z.v[0].name.n) - z.v[0].name.s)};
    for (size_t i = 0; i < z.n; i++)
        if (!str_starts(z.v[i].name, stem) || z.v[i].name.n <= stem.n || z.v[i].name.s[stem.n] != '/')
            return err_at(l->e, l->path, z.v[i].header,
                          "the zip has more than one top folder; torch writes one");
    const ZipEntry *order = member(l, &z, stem, "byteorder"), *object = member(l, &z, stem, "data.pkl");
    if (!object)
        return err_at(l->e, l->path, 0, "the zip has no data.pkl: it was not written by torch.save%s",
                      member(l, &z, stem, "constants.pkl") ? " (TorchScript?)" : "");
    if (order && (!zip_crc_ok(order, l->path, l->e) || !str_is(order->data, "little")))
        return err_at(l->e, l->path, order->at,
                      "byteorder must be 'little'; this file comes from a big-endian machine");
    if (!zip_crc_ok(object, l->path, l->e)) return false;
    Reader r = {.p = (const uint8_t *)object->data.s, .n = object->data.n, .path = l->path};
    if (!pickle_run(l->scratch, &r, object->at, &l->p, l->e)) return false;
    if (rd_left(&r))
        return err_at(l->e, l->path, object->at + r.at, "%zu bytes follow the pickle in data.pkl",
                      rd_left(&r));
    l->out->format = "pickle (zip)";
    return check_object(l, object->at) && collect_stores(l) && resolve_in_zip(l, &z, stem) && add_tensors(l);
}

// ---------------------------------------------------------------------------------------------------- legacy layout

static const uint8_t magic[15] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                  0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
static const uint8_t version_1001[6] = {0x80, 2, 'M', 0xe9, 3, '.'};

static bool check_machine(Load *l, Reader *r)
{
    Pickle p;
    uint64_t at = r->at;
    if (!pickle_run(l->scratch, r, 0, &p, l->e)) return false;
    const PickleValue *version = pickle_get(&p.top, "protocol_version"),
                      *little = pickle_get(&p.top, "little_endian");
    if (!version || version->kind != P_INT || version->u.i != 1001 || !little || little->kind != P_BOOL)
        return err_at(l->e, l->path, at, "here must be a dict with protocol_version 1001 and little_endian");
    return little->u.i ||
           err_at(l->e, l->path, at, "little_endian is False; files from big-endian machines are not read");
}

static bool resolve_in_order(Load *l, Reader *r)
{
    Pickle keys;
    uint64_t list_at = r->at;
    if (!pickle_run(l->scratch, r, 0, &keys, l->e)) return false;
    if (keys.top.kind != P_LIST)
        return err_at(l->e, l->path, list_at, "here must be the list of storage keys, it is %s",
                      pickle_kind_name(&keys.top));
    for (uint32_t i = 0; i < keys.top.u.box->n; i++) {
        const PickleValue *k = &keys.top.u.box->v[i];
        char key[SHOWN];
        uint64_t here = list_at + k->at;
        if (k->kind != P_STRING)
            return err_at(l->e, l->path, here, "a storage key is %s; it must be a string",
                          pickle_kind_name(k));
        shown(key, (Str){k->u.s, k->n});
        Store *s = find_store(l, (Str){k->u.s, k->n});
        if (!s) return err_at(l->e, l->path, here, "storage '%s' belongs to no tensor", key);
        if (s->data) return err_at(l->e, l->path, here, "storage '%s' is listed twice", key);
        uint64_t at = r->at;
        uint64_t count = rd_u64(r);
        if (!r->bad && count != s->count)
            return err_at(l->e, l->path, at,
                          "storage '%s' has %" PRIu64 " elements here, its tensors say %" PRIu64, key, count,
                          s->count);
        s->at = r->at;
        size_t left = rd_left(r);
        s->data = rd_bytes(r, s->bytes);
        if (!s->data)
            return err_at(l->e, l->path, at,
                          "storage '%s' needs %" PRIu64 " bytes, %zu remain; is the download complete?", key,
                          s->bytes, left);
    }
    for (size_t i = 0; i < l->n_stores; i++) {
        char key[SHOWN];
        if (!l->store[i].data)
            return err_at(l->e, l->path, l->store[i].mention, "storage '%s' is not in the file",
                          shown(key, l->store[i].key));
    }
    return rd_left(r) == 0 || err_at(l->e, l->path, r->at, "%zu bytes follow the last storage", rd_left(r));
}

static bool read_legacy_layout(Load *l)
{
    Reader r = {.p = (const uint8_t *)l->file.s, .n = l->file.n, .path = l->path};
    rd_bytes(&r, sizeof magic);
    const uint8_t *version = rd_bytes(&r, sizeof version_1001);
    if (!version || memcmp(version, version_1001, sizeof version_1001) != 0)
        return err_at(l->e, l->path, sizeof magic, "here must be the pickled protocol version 1001");
    if (!check_machine(l, &r)) return false;
    uint64_t object_at = r.at;
    if (!pickle_run(l->scratch, &r, 0, &l->p, l->e)) return false;
    l->out->format = "pickle (legacy)";
    return check_object(l, object_at) && collect_stores(l) && resolve_in_order(l, &r) && add_tensors(l);
}

// ---------------------------------------------------------------------------------------------------- which one

static bool refuse(Str f, const char *path, Err *e)
{
    static const struct {
        Str start;
        const char *what;
    } known[] = {
        {{"\x1f\x8b", 2}, "this is a gzip file; unpack it first"},
        {{"\x89HDF", 4}, "this is an HDF5 file (TensorFlow weights); convert it with Python"},
        {{"GGUF", 4}, "this is a GGUF file; let its name end with .gguf and give it with -m"},
        {{"7z\xbc\xaf", 4}, "this is a 7z archive; unpack it first"},
    };
    if (!file_genuine(path, f, e)) return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_starts(f, known[i].start)) return err_at(e, path, 0, "%s", known[i].what);
    if (f.n > 262 && memcmp(f.s + 257, "ustar", 5) == 0)
        return err_at(e, path, 0,
                      "this is a tar checkpoint of torch before 0.1.10; save it again with a newer torch");
    if (f.n < sizeof magic)
        return err_at(e, path, 0, "%zu bytes are too few for a checkpoint; is the download complete?", f.n);
    if ((uint8_t)f.s[0] == 0x80)
        return err_at(e, path, 0,
                      "this is a bare pickle without torch's magic number; it was not written by torch.save");
    return err_at(e, path, 0, "this is neither a zip nor a legacy checkpoint of torch.save");
}

static bool read_pickle(Str bytes, const char *path, StoredList *out, Err *e)
{
    Err unseen = {0};
    Load l = {.file = bytes, .path = path, .out = out, .e = e ? e : &unseen};
    bool zip = str_starts(bytes, STR_LIT("PK\3\4")),
         legacy = str_starts(bytes, (Str){(const char *)magic, sizeof magic});
    if (!zip && !legacy) return refuse(bytes, path, l.e);
    l.scratch = arena_create(out->arena);
    bool ok = zip ? read_zip_layout(&l) : read_legacy_layout(&l);
    arena_free(l.scratch); // names were copied, data are in the file or on out's arena
    return ok;
}

const ReaderKind reader_pickle = {
    .name = "pickle",
    .file = "pytorch_model.bin",
    .index = "pytorch_model.bin.index.json",
    .read = read_pickle,
};
