// SPDX-License-Identifier: Apache-2.0
// t_hostile_pickle.c — pytorch_model.bin that must be refused, each with its sentence: pickles, and the frames of torch's
// older files around them. Zips are in t_hostile.c.
#include "hostile.h"

#define T1                           KIT_TEXT1
#define TENSOR_OF                    KIT_TENSOR_OF
#define TENSOR                       KIT_TENSOR
#define DICT(inner)                  "\x80\2}" inner "."
#define W(inner)                     DICT(T1("w") inner "s")
#define S_OF(type, key, location, n) "(X\7\0\0\0storage" type key location n "tQ"
#define FLOATS                       "ctorch\nFloatStorage\n"
#define CPU                          "X\3\0\0\0cpu"
#define SIZE22                       "K\2K\2\x86"
#define STRIDE21                     "K\2K\1\x86"
#define V2                           "ctorch._utils\n_rebuild_tensor_v2\n"

TEST(files_by_torch_that_are_no_weights)
{
    Err e = {0};
    Str text, bytes;
    const Json *index =
        file_read(A, GOLDEN "index.json", 1 << 22, &text, &e) ? json_parse(A, text, "index.json", &e) : NULL;
    CHECK(index != NULL);
    for (const Json *j = index ? json_get(index, "refuse")->child : NULL; j; j = j->next) {
        const char *file = str_zero(A, json_get(j, "file")->text);
        CHECK(file_map(A, arena_printf(A, GOLDEN "%s", file), &bytes, &e));
        refused(file, bytes, str_zero(A, json_get(j, "message")->text), __LINE__);
    }
}

// ---------------------------------------------------------------------------------------------------- pickles

typedef struct Case {
    int line;
    Str bytes;
    const char *part;
} Case;
#define P(pickle, message)                                                                                   \
    {                                                                                                        \
        __LINE__, {(pickle), sizeof(pickle) - 1}, message                                                    \
    }

static const Case pickles[] = {
    // code, by every road there is
    P(W("cos\nsystem\nX\4\0\0\0true\x85R"), "opcode GLOBAL names os.system"),
    P(W("cposix\nsystem\nX\4\0\0\0true\x85R"), "posix.system"),
    P(W("cbuiltins\neval\nX\1\0\0\0"
        "1\x85R"),
      "builtins.eval"),
    P(W("c__builtin__\nexec\nX\1\0\0\0"
        "1\x85R"),
      "__builtin__.exec"),
    P(W("csubprocess\nPopen\n)R"), "subprocess.Popen"),
    P(W("ctorch.storage\n_load_from_bytes\n)R"), "torch.storage._load_from_bytes"),
    P(W("ctorch\nload\n)R"), "torch.load"),
    P(W("ctorch.hub\nload\n)R"), "torch.hub.load"),
    P(W("cnumpy.core.multiarray\n_reconstruct\n)R"), "numpy.core.multiarray._reconstruct"),
    P(W("ccollections\norderedDict\n)R"), "collections.orderedDict"),
    P(W("ccollections \nOrderedDict\n)R"), "collections .OrderedDict"),
    P(W("ctorch\nFloatStorage.__init__\n)R"), "torch.FloatStorage.__init__"),
    P(W("ctorch._utils\n_rebuild_tensor_v2.__globals__\n)R"), "_rebuild_tensor_v2.__globals__"),
    P(W("c\n\n)R"), "names ., "),
    P(W("c\33]0;evil\a\nx\n)R"), "\\x1B]0;evil\\x07.x"),
    P(W("X\2\0\0\0osX\6\0\0\0system\x93)R"), "opcode STACK_GLOBAL (0x93) is refused"),
    P(W("(ios\nsystem\n"), "opcode INST (0x69) is refused"),
    P(W("(cos\nsystem\no"), "os.system"),
    P(W("(N)o"), "opcode OBJ (0x6f) is refused"),
    P(W("ccollections\nOrderedDict\n)\x81"), "opcode NEWOBJ (0x81) is refused"),
    P(W("ccollections\nOrderedDict\n)}\x92"), "opcode NEWOBJ_EX (0x92) is refused"),
    P(W("\x82\1"), "opcode EXT1 (0x82) is refused"),
    P(W("\x83\1\0"), "opcode EXT2 (0x83) is refused"),
    P(W("\x84\1\0\0\0"), "opcode EXT4 (0x84) is refused"),
    P(W("Pos.system\n"), "opcode PERSID (0x50) is refused"),
    P(W(TENSOR "}X\1\0\0\0"
               "xcos\nsystem\nsb"),
      "os.system"),
    P(W(TENSOR "}b"), "opcode BUILD on a tensor"),
    P(W("}}b"), "opcode BUILD on a dict"),
    P(W("ccollections\nOrderedDict\n}b"), "opcode BUILD on a global name"),
    P(W("]N\x86R"), "opcode REDUCE"),
    P(W("N)R"), "opcode REDUCE calls None"),
    P(W("X\1\0\0\0x)R"), "opcode REDUCE calls a string"),
    P(W("ctorch\nFloatStorage\n)R"), "opcode REDUCE calls torch.FloatStorage"),
    P(W("ccollections\nOrderedDict\n]R"), "opcode REDUCE: its arguments are a list"),
    P(W("ccollections\nOrderedDict\n]]\x86\x85R"), "OrderedDict must be made empty"),
    // opcodes that nobody needs
    P(W("2"), "opcode DUP"),
    P(W("0"), "opcode POP "),
    P(W("1"), "opcode POP_MARK"),
    P(W("I1\n"), "opcode INT "),
    P(W("L1L\n"), "opcode LONG "),
    P(W("F1\n"), "opcode FLOAT"),
    P(W("S'x'\n"), "opcode STRING"),
    P(W("Vx\n"), "opcode UNICODE"),
    P(W("T\0\0\0\0"), "opcode BINSTRING"),
    P(W("B\0\0\0\0"), "opcode BINBYTES"),
    P(W("g0\n"), "opcode GET"),
    P(W("Np0\n"), "opcode PUT"),
    P(W("\x8b\0\0\0\0"), "opcode LONG4"),
    P(W("\x8c\1x"), "opcode SHORT_BINUNICODE"),
    P(W("\x8d\0\0\0\0\0\0\0\0"), "opcode BINUNICODE8"),
    P(W("\x8f"), "opcode EMPTY_SET"),
    P(W("(\x91"), "opcode FROZENSET"),
    P(W("N\x94"), "opcode MEMOIZE"),
    P(W("\x95\0\0\0\0\0\0\0\0"), "opcode FRAME"),
    P(W("\x96\0\0\0\0\0\0\0\0"), "opcode BYTEARRAY8"),
    P(W("\x97"), "opcode NEXT_BUFFER"),
    P(W("\x98"), "opcode READONLY_BUFFER"),
    P(W("(d"), "opcode DICT"),
    P(W("(l"), "opcode LIST"),
    P(W("\xff"), "0xff is no opcode"),
    P(W("\0"), "0x00 is no opcode"),
    P(W("\x80\2"), "opcode PROTO a second time"),
    // the frame
    P("}.", "must start with opcode PROTO"),
    P("\x80\0}.", "pickle protocol 0"),
    P("\x80\3}.", "pickle protocol 3"),
    P("\x80\4}.", "pickle protocol 4"),
    P("\x80\5}.", "pickle protocol 5"),
    P("\x80\2.", "STOP with 0 values"),
    P("\x80\2}}.", "STOP with 2 values"),
    P("\x80\2(}.", "STOP with 1 values and 1 marks"),
    P(DICT("X\377\377\377\377"), "a string of 4294967295 bytes"),
    P(DICT("X\377\377\17\0"), "goes past the end"),
    P(DICT("U\377x"), "goes past the end"),
    P(DICT("X\2\0\0\0\xc3("), "not UTF-8 at its byte 0"),
    P(DICT("X\3\0\0\0\xed\xa0\x80"), "not UTF-8"),
    P(DICT("\x8a\11"
           "123456789"),
      "an integer of 9 bytes"),
    P(DICT("cthis_never_ends"), "goes past the end"),
    P(DICT("cxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nx\n"),
      "longer than 128 bytes"),
    // stack and memo tricks
    P("\x80\2s.", "opcode SETITEM needs 2 values"),
    P("\x80\2}s.", "opcode SETITEM needs 2 values"),
    P("\x80\2u.", "without a MARK"),
    P("\x80\2t.", "opcode TUPLE without a MARK"),
    P("\x80\2e.", "opcode APPENDS without a MARK"),
    P("\x80\2\x85.", "opcode TUPLE1 needs 1 value"),
    P("\x80\2N\x86.", "there is 1"),
    P("\x80\2NN\x87.", "there are 2"),
    P("\x80\2R.", "opcode REDUCE needs 2"),
    P("\x80\2Q.", "opcode BINPERSID needs 1"),
    P("\x80\2b.", "opcode BUILD needs 2"),
    P("\x80\2q\0.", "BINPUT with nothing"),
    P("\x80\2(q\0.", "BINPUT with nothing"),
    P("\x80\2}(X\1\0\0\0wNs.", "works on a dict, here is nothing"),
    P("\x80\2N(NNu.", "works on a dict, here is None"),
    P("\x80\2}(Ne.", "works on a list, here is a dict"),
    P("\x80\2]NNs.", "works on a dict, here is a list"),
    P("\x80\2}(NNNu.", "not pairs"),
    P("\x80\2}(NNu.", "a key is None"),
    P("\x80\2})Ns.", "a key is a tuple"),
    P("\x80\2h\0.", "nothing was put into memo 0"),
    P("\x80\2}q\1h\2.", "nothing was put into memo 2"),
    P("\x80\2j\377\377\377\377.", "nothing was put into memo 4294967295"),
    P("\x80\2}r\0\0\20\0.", "memo index 1048576"),
    P("\x80\2}r\377\377\377\377.", "memo index 4294967295"),
    // what is no dict of tensors
    P("\x80\2N.", "holds None"),
    P("\x80\2].", "holds a list"),
    P("\x80\2K\1.", "holds an integer"),
    P("\x80\2" TENSOR ".", "holds a tensor"),
    P("\x80\2G\0\0\0\0\0\0\0\0.", "holds a float"),
    P("\x80\2" STORAGE ".", "holds a storage"),
    P(W("N"), "'w' is None"),
    P(W(STORAGE), "'w' is a storage"),
    P(W("}"), "'w' is a dict; every value must be a tensor"),
    P(DICT("X\5\0\0\0model}s"), "a training checkpoint"),
    P(W("X\1\0\0\0x"), "'w' is a string"),
    P(DICT(T1("w") TENSOR "s" T1("w") TENSOR "s"), "tensor 'w' is there twice"),
    P(DICT("(" T1("w") TENSOR T1("v") TENSOR T1("w") TENSOR "u"), "twice"),
    // storages
    P(W("NQ"), "here is None"),
    P(W(")Q"), "of another form"),
    P(W("(X\6\0\0\0module" FLOATS T1("0") CPU "K\4tQ"), "of another form"),
    P(W("(X\7\0\0\0storageN" T1("0") CPU "K\4tQ"), "must be followed by a torch storage type"),
    P(W(S_OF("ccollections\nOrderedDict\n", T1("0"), CPU, "K\4")),
      "must be followed by a torch storage type"),
    P(W(S_OF(FLOATS, "K\0", CPU, "K\4")), "must be followed"),
    P(W(S_OF(FLOATS, T1("0"), "N", "K\4")), "must be followed"),
    P(W(S_OF(FLOATS, T1("0"), CPU, "N")), "must be followed"),
    P(W(S_OF(FLOATS, T1("0"), CPU, "J\377\377\377\377")), "has -1 elements"),
    P(W(S_OF(FLOATS, T1("0"), CPU, "K\4NN")), "of another form"),
    P(W(TENSOR_OF(S_OF(FLOATS, T1("0"), CPU, "K\4K\1"), "K\0", SIZE22, STRIDE21)),
      "view metadata is an integer"),
    P(W(TENSOR_OF(S_OF(FLOATS, T1("0"), CPU, "K\4" T1("v") "K\3K\2\x87"), "K\0", SIZE22, STRIDE21)),
      "leaves its storage of 4"),
    P(W(TENSOR_OF(S_OF(FLOATS, T1("0"), CPU, "\x8a\10\377\377\377\377\377\377\377\177"), "K\0", SIZE22,
                  STRIDE21)),
      "does not fit 64 bits"),
    P(DICT(T1("w") TENSOR "s" T1("v")
               TENSOR_OF(S_OF("ctorch\nIntStorage\n", T1("0"), CPU, "K\4"), "K\0", SIZE22, STRIDE21) "s"),
      "4 I32 here but 4 F32"),
    P(DICT(T1("w") TENSOR "s" T1("v")
               TENSOR_OF(S_OF("ctorch\nHalfStorage\n", T1("0"), CPU, "K\10"), "K\0", SIZE22, STRIDE21) "s"),
      "8 F16 here but 4 F32"),
    // tensors
    P(W(TENSOR_OF(STORAGE, "K\1", SIZE22, STRIDE21)), "reaches element 4 of a storage that has 4"),
    P(W(TENSOR_OF(STORAGE, "K\0", SIZE22, "K\3K\1\x86")), "reaches element 4"),
    P(W(TENSOR_OF(STORAGE, "K\0", "K\5\x85", "K\1\x85")), "reaches element 4"),
    P(W(TENSOR_OF(STORAGE, "K\4", ")", ")")), "reaches element 4"),
    P(W(TENSOR_OF(STORAGE, "K\5", "K\0\x85", "K\1\x85")), "reaches element 5"),
    P(W(TENSOR_OF(STORAGE, "J\377\377\377\377", SIZE22, STRIDE21)), "storage offset is negative"),
    P(W(TENSOR_OF(STORAGE, "N", SIZE22, STRIDE21)), "storage offset is None"),
    P(W(TENSOR_OF(STORAGE, "\x8a\10\377\377\377\377\377\377\377\177", SIZE22, STRIDE21)),
      "reaches element 9223372036854775810"),
    P(W(TENSOR_OF(STORAGE, "K\0", "J\376\377\377\377K\2\x86", STRIDE21)), "size holds -2"),
    P(W(TENSOR_OF(STORAGE, "K\0", SIZE22, "J\376\377\377\377K\1\x86")), "stride holds -2"),
    P(W(TENSOR_OF(STORAGE, "K\0", "\x8a\10\377\377\377\377\377\377\377\177\x85",
                  "\x8a\10\377\377\377\377\377\377\377\177\x85")),
      "overflow 64 bits"),
    P(W(TENSOR_OF(STORAGE, "K\0", "(\x8a\10\0\0\0\0\0\0\0\100\x8a\10\0\0\0\0\0\0\0\100K\20t", "(K\0K\0K\0t")),
      "overflow 64 bits"),
    P(W(TENSOR_OF(STORAGE, "K\0", "\x8a\10\0\0\0\0\0\0\0\100\x85", "K\0\x85")), "overflow 64 bits"),
    P(W(TENSOR_OF(STORAGE, "K\0", "\x8a\6\0\0\0\0\0\1\x85", "K\0\x85")), "expands to 4398046511104 bytes"),
    P(W(TENSOR_OF(STORAGE, "K\0", "J\1\1\100\0\x85", "K\0\x85")), "expands to 16778244 bytes"),
    P(W(TENSOR_OF(STORAGE, "K\0", SIZE22, "K\1\x85")), "2 sizes but 1 strides"),
    P(W(TENSOR_OF(STORAGE, "K\0", "]", "]")), "size is a list"),
    P(W(TENSOR_OF(STORAGE, "K\0", "NN\x86", STRIDE21)), "size holds None"),
    P(W(TENSOR_OF(STORAGE, "K\0", SIZE22, "N")), "stride is None"),
    P(W(TENSOR_OF(STORAGE, "K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t")),
      "9 dimensions"),
    P(W(TENSOR_OF("N", "K\0", SIZE22, STRIDE21)), "needs a storage first, here is None"),
    P(W(TENSOR_OF(TENSOR, "K\0", SIZE22, STRIDE21)), "needs a storage first, here is a tensor"),
    P(W(V2 ")R"), "takes 6 arguments, here are 0"),
    P(W(V2 "(" STORAGE "K\0" SIZE22 STRIDE21 "\x89}NtR"), "takes 6 arguments, here are 7"),
    P(W(V2 "(" STORAGE "K\0" SIZE22 STRIDE21 "\x89NNNtR"), "here are 8"),
    P(W(V2 "(" STORAGE "K\0" SIZE22 STRIDE21 "N}tR"), "must end with a bool"),
    P(W(V2 "(" STORAGE "K\0" SIZE22 STRIDE21 "\x89]tR"), "an empty OrderedDict of hooks"),
    P(W(V2 "(" STORAGE "K\0" SIZE22 STRIDE21 "\x89}" T1("h") "NstR"), "an empty OrderedDict of hooks"),
    P(W("ctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0" SIZE22 "tR"), "takes 4 arguments, here are 3"),
    P(W("ctorch._utils\n_rebuild_parameter\n)R"), "needs a tensor first"),
    P(W("ctorch.nn.parameter\nParameter\nN\x85R"), "needs a tensor first"),
    P(W("ctorch._utils\n_rebuild_parameter\n(" TENSOR "NNNNtR"), "needs a tensor first"),
};

TEST(hostile_pickles)
{
    enum { N = sizeof pickles / sizeof *pickles };
    CHECK(N >= 80);
    for (size_t i = 0; i < N; i++) {
        refused("zip.bin", kit_zip_of(A, pickles[i].bytes), pickles[i].part, pickles[i].line);
        refused("legacy.bin", kit_legacy_of(A, pickles[i].bytes), pickles[i].part, pickles[i].line);
    }
    refused("zip.bin", kit_zip_of(A, BYTES("")), "must start with opcode PROTO", __LINE__);
    refused("zip.bin", kit_zip_of(A, BYTES("\x80\2}")), "ends in the middle", __LINE__);
    refused("zip.bin", kit_zip_of(A, BYTES("\x80\2}(")), "ends in the middle", __LINE__);
}

// What looks strange and is right: the list above refuses for the reason it gives, not for everything.
TEST(unusual_pickles_that_load)
{
    static const Case good[] = {
        P(KIT_GOOD, ""),
        P(DICT(""), ""),
        P("\x80\2" ORDERED "(" T1("w") TENSOR "u.", ""),
        P("\x80\2" ORDERED "(" T1("w") TENSOR "u}X\11\0\0\0_metadata}sb.", ""),
        P("\x80\2}(" T1("w") "U\1x0.", NULL),
        P(W("ctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0" SIZE22 STRIDE21 "tR"), ""),
        P(W("ctorch._utils\n_rebuild_parameter\n(" TENSOR "\x88" ORDERED "tR"), ""),
        P(W("ctorch.nn.parameter\nParameter\n" TENSOR "\x89\x86R"), ""),
        P(W(TENSOR_OF(S_OF(FLOATS, T1("0"), CPU, "K\4N"), "K\0", SIZE22, STRIDE21)), ""),
        P(W(TENSOR_OF(S_OF(FLOATS, T1("0"), CPU, "K\4" T1("v") "K\1K\3\x87"), "K\0", "K\3\x85", "K\1\x85")),
          ""),
        P(W(TENSOR_OF(STORAGE, "K\0", SIZE22, "K\1K\2\x86")), ""),
        P(W(TENSOR_OF(STORAGE, "K\3", ")", ")")), ""),
        P(W(TENSOR_OF(STORAGE, "K\4", "K\0\x85", "K\1\x85")), ""),
        P(W(TENSOR_OF(STORAGE, "K\0", "(K\0\x8a\10\0\0\0\0\0\0\0\100\x8a\10\0\0\0\0\0\0\0\100t",
                      "(K\1\x8a\10\0\0\0\0\0\0\0\100K\1t")),
          ""),
        P(W(TENSOR_OF(STORAGE, "K\0", "K\7\x85", "K\0\x85")), ""),
        P(W(TENSOR_OF(STORAGE, "K\0", "K\0J\377\377\377\177\x86", "K\1K\1\x86")), ""),
        P(DICT("U\1w" TENSOR "q\5s" T1("v") "h\5s"), ""),
        P(DICT(T1("w") TENSOR "r\377\377\17\0s" T1("v") "j\377\377\17\0s"), ""),
    };
    Err e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!good[i].part) continue;
        if (!loads("zip.bin", kit_zip_of(A, good[i].bytes), &e))
            test_fail(__FILE__, good[i].line, "%s", e.text);
        bool no_storage = i == 1; // the legacy file would have a storage that belongs to no tensor
        if (loads("legacy.bin", kit_legacy_of(A, good[i].bytes), &e) == no_storage)
            test_fail(__FILE__, good[i].line, "%s", e.text);
        test_count(2);
    }
    Arena *a = arena_create(A);
    const Checkpoint *c = checkpoint_from_bytes(
        a, "pytorch_model.bin", kit_zip_of(a, BYTES(W(TENSOR_OF(STORAGE, "K\0", SIZE22, "K\1K\2\x86")))), &e);
    CHECK(c &&
          memcmp(c->tensor[0].data, "\0\0\200?\0\0@@\0\0\0@\0\0\200@", 16) == 0); // 1 3 2 4: the transpose
    c = checkpoint_from_bytes(
        a, "pytorch_model.bin",
        kit_zip_of(a, BYTES(W(TENSOR_OF(S_OF(FLOATS, T1("0"), CPU, "K\4" T1("v") "K\1K\3\x87"), "K\1",
                                        "K\2\x85", "K\1\x85")))),
        &e);
    CHECK(c && memcmp(c->tensor[0].data, "\0\0@@\0\0\200@", 8) == 0); // offset of the view and of the tensor
}

TEST(pickles_at_the_limits)
{
#define RUN(head, body, n, tail, part)                                                                       \
    refused("x.bin", kit_zip_of(A, repeated(A, BYTES(head), BYTES(body), n, BYTES(tail))), part, __LINE__)
    RUN("\x80\2", "(", 65, ".", "marks nest deeper than 64");
    RUN("\x80\2", "N", 65537, ".", "the stack has more than 65536 values");
    RUN("\x80\2N", "\x85", 65, ".", "values nest deeper than 64");
    RUN("\x80\2N", "\x85", 64, ".", "holds a tuple");
    RUN("\x80\2]", "]a", 1, ".", "holds a list");
    RUN("\x80\2]q\0", "h\0a", 64, ".", "values nest deeper than 64"); // a list that holds itself
    RUN("\x80\2}X\1\0\0\0w", "]", 1, "X\1\0\0\0x}sa.", "opcode SETITEM");
    RUN("\x80\2](", "N", 60000, "e.", "holds a list");
    RUN("\x80\2]", ")a", 2100000, ".", "more than 2097152 values");
    RUN("\x80\2",
        ")\x85"
        "q\0",
        60000, "", "ends in the middle");
    RUN("\x80\2]", "}a", 1000000, ".", "more than 2097152 values");
    RUN("\x80\2]q\0", "(h\0th\0a", 1, ".", "works on a list, here is a tuple");
    RUN("\x80\2]", STORAGE "a", 65537, ".", "more than 65536 storages");
    RUN("\x80\2]" STORAGE "q\0a", TENSOR_OF("h\0", "K\0", ")", ")") "a", 65537, ".",
        "more than 65536 tensors");
    RUN("\x80\2", "N0", 1, ".", "opcode POP");
    RUN("\x80\2(X\7\0\0\0storage" FLOATS "X\201\0\0\0", "k", 129, CPU "K\4tQ.",
        "the storage's key has 129 bytes");
    char *key = arena_new(A, char, 600);
    memset(key, 'k', 513);
    Buf b = {.arena = A};
    buf_str(&b, BYTES("\x80\2}X")), kit_put(&b, 513, 4), buf_put(&b, key, 513),
        buf_str(&b, BYTES(TENSOR "s."));
    refused("x.bin", kit_zip_of(A, buf_view(&b)), "name has 513 bytes", __LINE__);
}

// ---------------------------------------------------------------------------------------------------- legacy frames

static Str legacy(Arena *A, Str magic, Str machine, Str object, Str keys, Str data)
{
    Buf b = {.arena = A};
    buf_str(&b, magic), buf_str(&b, machine), buf_str(&b, object), buf_str(&b, keys), buf_str(&b, data);
    return buf_view(&b);
}

TEST(hostile_legacy_files)
{
    Str magic = BYTES(KIT_MAGIC), machine = BYTES(KIT_MACHINE), good = BYTES(KIT_GOOD),
        keys = BYTES(KIT_KEYS);
    Str data = BYTES("\4\0\0\0\0\0\0\0"
                     "0123456789abcdef");
#define L(a, b, c, d, x, part) refused("x.bin", legacy(A, a, b, c, d, x), part, __LINE__)
    Err e;
    CHECK(loads("x.bin", legacy(A, magic, machine, good, keys, data), &e));
    L(BYTES("\x80\2\x8a\nl\xfc\x9c"
            "F\xf9 j\xa8P\x18."),
      machine, good, keys, data, "bare pickle");
    L(BYTES("\x80\2\x8a\nl\xfc\x9c"
            "F\xf9 j\xa8P\x19.\x80\2M\xea\3."),
      machine, good, keys, data, "pickled protocol version 1001");
    L(magic, BYTES("\x80\2N."), good, keys, data, "a dict with protocol_version 1001");
    L(magic, BYTES("\x80\2}."), good, keys, data, "a dict with protocol_version 1001");
    L(magic, BYTES("\x80\2}(X\20\0\0\0protocol_versionM\xe9\3X\15\0\0\0little_endian\x89u."), good, keys,
      data, "big-endian");
    L(magic, BYTES("\x80\2}(X\20\0\0\0protocol_versionM\xea\3X\15\0\0\0little_endian\x88u."), good, keys,
      data, "protocol_version 1001");
    L(magic, BYTES("\x80\2cos\nsystem\n."), good, keys, data, "os.system");
    L(magic, machine, good, BYTES("\x80\2}."), data, "the list of storage keys, it is a dict");
    L(magic, machine, good, BYTES("\x80\2]K\0a."), data, "a storage key is an integer");
    L(magic, machine, good, BYTES("\x80\2]."), data, "storage '0' is not in the file");
    L(magic, machine, good,
      BYTES("\x80\2]X\1\0\0\0"
            "1a."),
      data, "storage '1' belongs to no tensor");
    L(magic, machine, good,
      BYTES("\x80\2](X\1\0\0\0"
            "0X\1\0\0\0"
            "0e."),
      data, "storage '0' is listed twice");
    L(magic, machine, good, BYTES("\x80\2cos\nsystem\n."), data, "os.system");
    L(magic, machine, good, keys,
      BYTES("\5\0\0\0\0\0\0\0"
            "0123456789abcdef"),
      "has 5 elements here, its tensors say 4");
    L(magic, machine, good, keys,
      BYTES("\377\377\377\377\377\377\377\377"
            "0123456789abcdef"),
      "has 18446744073709551615 elements");
    L(magic, machine, good, keys,
      BYTES("\4\0\0\0\0\0\0\0"
            "0123456789abcde"),
      "needs 16 bytes, 15 remain");
    L(magic, machine, good, keys, BYTES("\4\0\0"), "needs 16 bytes");
    L(magic, machine, good, keys,
      BYTES("\4\0\0\0\0\0\0\0"
            "0123456789abcdefg"),
      "1 bytes follow the last storage");
    L(magic, machine, BYTES("\x80\2}."), keys, data, "belongs to no tensor");
    static const struct {
        Str bytes;
        const char *part;
    } kinds[] = {
        {{"", 0}, "0 bytes are too few"},
        {{"P", 1}, "1 bytes are too few"},
        {{"PK\3\4", 4}, "4 bytes are too few for a zip"},
        {{"version https://git-lfs.github.com/spec/v1\n", 43}, "git-lfs pointer"},
        {{"<!DOCTYPE html><html></html>", 28}, "a web page"},
        {{"\x1f\x8b\b\0\0\0\0\0\0\0\0\0\0\0\0\0", 16}, "gzip"},
        {{"\x89HDF\r\n\32\n        ", 16}, "HDF5"},
        {{"GGUF\3\0\0\0            ", 20}, "GGUF"},
        {{"Hello, world! This is text.", 27}, "neither a zip nor"},
        {{"PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22}, "neither a zip nor"},
        {{"\x80\4\x95\x10\0\0\0\0\0\0\0}\x94."
          "0000",
          18},
         "bare pickle"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        refused("x.bin", kinds[i].bytes, kinds[i].part, __LINE__);
}
