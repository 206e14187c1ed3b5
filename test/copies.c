// SPDX-License-Identifier: Apache-2.0
#include "copies.h"

#include "../nn/files/checkpoint.h"
#include "../tensor/tensor.h"

static Str edited(Arena *A, Str text, const Edit *x)
{
    const char *at = memmem(text.s, text.n, x->old, strlen(x->old));
    if (!at) return FAIL("no %s in %s", x->old, x->file), text;
    Buf b = {.arena = A};
    size_t before = (size_t)(at - text.s), after = before + strlen(x->old);
    buf_put(&b, text.s, before), buf_str(&b, str_of(x->fresh)), buf_put(&b, text.s + after, text.n - after);
    return buf_view(&b);
}

const char *copy_folder(Arena *A, const char *model, const Edit *edit, size_t n)
{
    const char *from = arena_printf(A, "test/golden/models/%s", model), *folder = kit_folder(A);
    DIR *d = opendir(from);
    if (!d) return FAIL("%s is not there", from), folder;
    for (struct dirent *x; (x = readdir(d));) {
        if (x->d_name[0] == '.') continue;
        Str text = test_read(A, arena_printf(A, "%s/%s", from, x->d_name));
        bool out = false;
        for (size_t i = 0; i < n; i++)
            if (!strcmp(edit[i].file, x->d_name) && !edit[i].old) out = true;
            else if (!strcmp(edit[i].file, x->d_name)) text = edited(A, text, &edit[i]);
        if (!out) kit_write(folder, x->d_name, text);
    }
    closedir(d);
    for (size_t i = 0; i < n; i++)
        if (!edit[i].old && edit[i].fresh) kit_write(folder, edit[i].file, str_of(edit[i].fresh));
    return folder;
}

// ------------------------------------------------------------------------------------------------ weights

typedef struct Kept {
    const char *name;
    const Stored *from;
    Str data;
    Dtype type;
} Kept;

static WType wanted(const char *type)
{
    return !strcmp(type, "F16") ? (WType)DT_F16 : !strcmp(type, "BF16") ? (WType)DT_BF16 : (WType)DT_F32;
}

static Str stored_as(Arena *A, const Stored *s, Storing how, Dtype *type)
{
    int64_t n = (int64_t)stored_count(s);
    *type = s->dtype;
    if (!how.type || !dtype_is_weight(s->dtype)) return (Str){s->data, s->bytes};
    float *x = arena_new_raw(A, float, n + 1);
    WType w = wanted(how.type);
    num_widen(x, s->data, (WType)s->dtype, 0, n);
    char *out = arena_new(A, char, 4 * n + 4);
    if (num_narrow(out, x, w, n) >= 0) FAIL("a weight that %s cannot hold", how.type);
    *type = (Dtype)w;
    if (!how.back) return (Str){out, (size_t)n * dtype_size(*type)};
    num_widen(x, out, w, 0, n);
    *type = DT_F32;
    return (Str){(const char *)x, (size_t)n * sizeof(float)};
}

static size_t keep(Arena *A, const Checkpoint *c, Storing how, Kept *out)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        const char *name = str_zero(A, c->tensor[i].name);
        bool left = false;
        for (size_t k = 0; k < 4 && how.leave[k]; k++) left |= strstr(name, how.leave[k]) != NULL;
        if (left) continue;
        if (how.from && !strcmp(name, how.from)) name = how.to;
        if (how.bare && !strncmp(name, "model.", 6)) name += 6;
        out[n] = (Kept){.name = name, .from = &c->tensor[i]};
        out[n].data = stored_as(A, out[n].from, how, &out[n].type), n++;
    }
    return n;
}

static Str safetensors(Arena *A, const Kept *k, size_t n)
{
    Buf head = {.arena = A}, data = {.arena = A}, file = {.arena = A};
    buf_str(&head, STR_LIT("{\"__metadata__\":{\"format\":\"pt\"}"));
    for (size_t i = 0; i < n; i++) {
        size_t at = data.n;
        buf_str(&data, k[i].data);
        buf_printf(&head, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", k[i].name, dtype_name(k[i].type));
        for (int d = 0; d < k[i].from->rank; d++)
            buf_printf(&head, "%s%" PRId64, d ? "," : "", k[i].from->dim[d]);
        buf_printf(&head, "],\"data_offsets\":[%zu,%zu]}", at, data.n);
    }
    buf_char(&head, '}');
    kit_put(&file, head.n, 8), buf_str(&file, buf_view(&head)), buf_str(&file, buf_view(&data));
    return buf_view(&file);
}

static void text(Buf *b, const char *s) { buf_char(b, 'X'), kit_put(b, strlen(s), 4), buf_str(b, str_of(s)); }

static void integer(Buf *b, int64_t x) { buf_char(b, 'J'), kit_put(b, (uint64_t)x, 4); }

// All tensors are views of one storage a type.
static Str pickled(Arena *A, const Kept *k, size_t n, bool legacy)
{
    static const char *const storage[] = {"FloatStorage", "HalfStorage", "BFloat16Storage"};
    static const Dtype types[] = {DT_F32, DT_F16, DT_BF16};
    Buf b = {.arena = A}, data[3] = {{.arena = A}, {.arena = A}, {.arena = A}};
    size_t total[3] = {0};
    for (size_t i = 0; i < n; i++)
        for (int t = 0; t < 3; t++)
            if (k[i].type == types[t]) total[t] += k[i].data.n / dtype_size(types[t]);
    buf_str(&b, STR_LIT("\x80\2"
                        "ccollections\nOrderedDict\n)R("));
    for (size_t i = 0; i < n; i++) {
        int t = k[i].type == DT_F32 ? 0 : k[i].type == DT_F16 ? 1 : 2;
        text(&b, k[i].name), buf_str(&b, STR_LIT("ctorch._utils\n_rebuild_tensor_v2\n(("));
        text(&b, "storage"), buf_str(&b, STR_LIT("ctorch\n")), buf_str(&b, str_of(storage[t]));
        buf_char(&b, '\n'), text(&b, arena_printf(A, "%d", t)), text(&b, "cpu");
        integer(&b, (int64_t)total[t]);
        if (legacy) buf_char(&b, 'N');
        buf_str(&b, STR_LIT("tQ")), integer(&b, (int64_t)(data[t].n / dtype_size(types[t])));
        buf_char(&b, '(');
        int64_t stride[MAX_RANK + 1] = {[MAX_RANK] = 1};
        int rank = k[i].from->rank;
        for (int d = 0; d < rank; d++) integer(&b, k[i].from->dim[d]);
        buf_str(&b, STR_LIT("t("));
        for (int d = rank - 1, one = 1; d >= 0; d--)
            stride[d] = one ? 1 : stride[d + 1] * k[i].from->dim[d + 1], one = 0;
        for (int d = 0; d < rank; d++) integer(&b, stride[d]);
        buf_str(&b, STR_LIT("t\x89"
                            "ccollections\nOrderedDict\n)RtR"));
        buf_str(&data[t], k[i].data);
    }
    buf_str(&b, STR_LIT("u."));
    if (!legacy) {
        KitFile f[5] = {{.name = "m/data.pkl", .data = buf_view(&b)}};
        size_t files = 1;
        for (int t = 0; t < 3; t++)
            if (total[t])
                f[files++] = (KitFile){.name = arena_printf(A, "m/data/%d", t), .data = buf_view(&data[t])};
        f[files++] = (KitFile){.name = "m/version", .data = BYTES("3\n")};
        return kit_zip(A, f, files).bytes;
    }
    Buf file = {.arena = A};
    buf_str(&file, BYTES(KIT_MAGIC KIT_MACHINE)), buf_str(&file, buf_view(&b));
    buf_str(&file, BYTES("\x80\2]("));
    for (int t = 0; t < 3; t++)
        if (total[t]) text(&file, arena_printf(A, "%d", t));
    buf_str(&file, BYTES("e."));
    for (int t = 0; t < 3; t++)
        if (total[t]) kit_put(&file, total[t], 8), buf_str(&file, buf_view(&data[t]));
    return buf_view(&file);
}

void copy_weights(Arena *A, const char *folder, Storing how)
{
    Err e = {0};
    const Checkpoint *c = checkpoint_open(A, folder, &e);
    if (!c) {
        FAIL("%s", e.text);
        return;
    }
    Kept *all = arena_new(A, Kept, c->n);
    size_t n = keep(A, c, how, all);
    const char *end = how.bin ? "pytorch_model.bin" : "model.safetensors";
    int shards = how.shards ? how.shards : 1;
    Str *file = arena_new(A, Str, shards); // before the old ones go: these may be views of them
    Buf index = {.arena = A};
    buf_str(&index, STR_LIT("{\"metadata\":{\"total_size\":1},\"weight_map\":{"));
    const char **name = arena_new(A, const char *, shards);
    for (int s = 0; s < shards; s++) {
        size_t from = n * (size_t)s / (size_t)shards, to = n * (size_t)(s + 1) / (size_t)shards;
        name[s] = how.shards
                      ? arena_printf(
                            A, how.bin ? "pytorch_model-%05d-of-%05d.bin" : "model-%05d-of-%05d.safetensors",
                            s + 1, shards)
                      : end;
        for (size_t i = from; i < to; i++)
            buf_printf(&index, "%s\"%s\":\"%s\"", i ? "," : "", all[i].name, name[s]);
        file[s] =
            how.bin ? pickled(A, all + from, to - from, how.legacy) : safetensors(A, all + from, to - from);
    }
    buf_str(&index, STR_LIT("}}"));
    unlink(arena_printf(A, "%s/model.safetensors", folder));
    unlink(arena_printf(A, "%s/pytorch_model.bin", folder));
    for (int s = 0; s < shards; s++) kit_write(folder, name[s], file[s]);
    if (how.shards) kit_write(folder, arena_printf(A, "%s.index.json", end), buf_view(&index));
}
