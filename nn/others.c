// SPDX-License-Identifier: Apache-2.0
// others.c — models that people take for one of ours: what each is, and what may serve instead. Decoders that are none of
// ours are listed beside ours (models/decoders.c).
#include "models/decoder.h"

typedef struct Other {
    const char *type; // model_type; with * at its end, all that begin so
    const char *what, *instead;
} Other;

// clang-format off
static const Other others[] = {
    {"nllb-moe", "NLLB's mixture of experts", "the dense NLLB-200 models (m2m_100), such as nllb-200-3.3B, are read"},
    {"nllb_moe", "NLLB's mixture of experts", "the dense NLLB-200 models (m2m_100), such as nllb-200-3.3B, are read"},
    {"fsmt", "the wmt19 models with Moses tokenisation and two vocabularies", "opus-mt models (marian) of the same languages are read"},
    {"led", "Longformer's encoder-decoder, which attends in windows", "bart is read, for texts of up to 1024 tokens"},
    {"longformer", "an encoder that attends in windows, without a decoder", "bart is read"},
    {"bigbird_pegasus", "Pegasus with an encoder that attends in blocks", "pegasus is read"},
    {"big_bird", "an encoder that attends in blocks", "pegasus and bart are read"},
    {"pegasus_x", "Pegasus with an encoder that attends in staggered blocks", "pegasus is read"},
    {"prophetnet", "a decoder that predicts several words at once", "bart and pegasus are read"},
    {"xlm-prophetnet", "a decoder that predicts several words at once", "mbart and mt5 are read"},
    {"longt5", "T5 with an encoder that attends in windows", "t5 is read"},
    {"switch_transformers", "T5 as a mixture of experts", "t5 is read"},
    {"t5gemma*", "Gemma's layers as encoder and decoder", "t5, and gemma2 as a decoder, are read"},
    {"blenderbot", "a dialogue model, of BART's layers with norms before them", "bart, and decoders with --chat, are read"},
    {"blenderbot-small", "a dialogue model with a tokenizer of its own", "bart, and decoders with --chat, are read"},
    {"plbart", "BART for programs, with a tokenizer of its own", "bart, and decoders such as starcoder2, are read"},
    {"mvp", "BART with prompts before each layer", "bart is read"},
    {"rag", "a generator with a retriever beside it", "its generator, bart or t5, is read from a folder of its own"},
    {"encoder-decoder", "two models of other kinds joined by cross-attention", "bart, mbart and t5 are read"},
    {"bert-generation", "an encoder turned into a decoder", "bart and t5 are read"},
    {"xlm", "one stack for all languages, without a decoder of its own", "mbart and m2m_100 are read"},
    {"seamless_m4t*", "SeamlessM4T, for speech and text", "m2m_100 (NLLB-200), which its text half began as, is read"},
    {"speech_to_text*", "for speech", "models of text are read; for translation marian, mbart and m2m_100"},
    {"speech-encoder-decoder", "for speech", "models of text are read; for translation marian, mbart and m2m_100"},
    {"speecht5", "for speech", "models of text are read"},
    {"whisper", "for speech", "models of text are read"},
    {"moonshine*", "for speech", "models of text are read"},
    {"wav2vec2*", "for speech", "models of text are read"},
    {"bark", "for speech", "models of text are read"},
    {"musicgen*", "for music", "models of text are read"},
    {"vision-encoder-decoder", "for pictures", "models of text are read"},
    {"pix2struct", "for pictures", "models of text are read"},
    {"donut*", "for pictures", "models of text are read"},
    {"nougat", "for pictures", "models of text are read"},
    {"florence2", "for pictures", "models of text are read"},
    {"udop", "for documents with their layout", "models of text are read; t5"},
    {"blip*", "for pictures", "models of text are read"},
    {"instructblip*", "for pictures", "models of text are read"},
    {"kosmos*", "for pictures", "models of text are read"},
    {"clip", "for pictures", "models of text are read"},
    {"bert", "an encoder alone, which writes nothing", "models that generate are read"},
    {"roberta", "an encoder alone, which writes nothing", "models that generate are read"},
    {"xlm-roberta*", "an encoder alone, which writes nothing", "models that generate are read"},
    {"distilbert", "an encoder alone, which writes nothing", "models that generate are read"},
    {"albert", "an encoder alone, which writes nothing", "models that generate are read"},
    {"electra", "an encoder alone, which writes nothing", "models that generate are read"},
    {"deberta*", "an encoder alone, which writes nothing", "models that generate are read"},
    {"modernbert", "an encoder alone, which writes nothing", "models that generate are read"},
    {"mpnet", "an encoder alone, which writes nothing", "models that generate are read"},
};
// clang-format on

bool other_is(Str type, const char **what, const char **instead)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        Str name = str_of(others[i].type);
        bool open = name.s[name.n - 1] == '*';
        if (open ? str_starts(type, (Str){name.s, name.n - 1}) : str_eq(type, name))
            return *what = others[i].what, *instead = others[i].instead, true;
    }
    return false;
}
