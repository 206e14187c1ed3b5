// SPDX-License-Identifier: Apache-2.0
// cmd_info.c — what is in a checkpoint folder.
#include "commands.h"

static int run(Args *a)
{
    Err e = {0};
    Loaded l = {0};
    if (!args_start_machine(a, &e) || !args_load(a, args_text(a, "model_name_or_path"), &l, &e))
        return cmd_fail(&e, EXIT_INPUT);
    const ModelInfo *f = l.info;
    const Str *code;
    size_t n_codes = tok_codes(a->a, l.tok, &code);
    const int32_t *language;
    size_t n_languages = n_codes ? 0 : tok_languages(l.tok, &language);
    Buf b = {.arena = a->a};
    if (args_on(a, "json")) {
        buf_str(&b, STR_LIT("{\"folder\":")), buf_json(&b, str_of(f->folder));
        buf_printf(
            &b,
            ",\"class\":\"%s\",\"format\":\"%s\",\"types\":\"%s\",\"tensors\":%zu,\"parameters\":%" PRIu64
            ",\"bytes\":%" PRIu64 ",\"width\":%" PRId64 ",\"vocab\":%" PRId64 ",\"encoder_layers\":%" PRId64
            ",\"decoder_layers\":%" PRId64 ",\"heads\":%" PRId64 ",\"tokenizer\":\"%s\",\"tokens\":%zu",
            f->class_name, f->format, f->types, f->tensors, f->parameters, f->bytes, f->width, f->vocab,
            f->encoder_layers, f->decoder_layers, f->heads, tok_class(l.tok), tok_size(l.tok));
        if (f->quantization)
            buf_str(&b, STR_LIT(",\"quantization\":")), buf_json(&b, str_of(f->quantization));
        if (n_codes + n_languages) buf_str(&b, STR_LIT(",\"language_codes\":["));
        for (size_t i = 0; i < n_codes; i++)
            buf_str(&b, i ? STR_LIT(",") : STR_LIT("")), buf_json(&b, code[i]);
        for (size_t i = 0; i < n_languages; i++)
            buf_str(&b, i ? STR_LIT(",") : STR_LIT("")), buf_json(&b, tok_language_code(l.tok, language[i]));
        if (n_codes + n_languages) buf_char(&b, ']');
        buf_str(&b, STR_LIT("}\n"));
    } else {
        buf_printf(&b,
                   "folder      %s\nmodel       %s, width %" PRId64 ", %" PRId64 "+%" PRId64
                   " layers, %" PRId64 " heads, vocabulary %" PRId64 "\nweights     %s, %zu tensors, %" PRIu64
                   " parameters, %.1f MB\ntypes       %s; %.2f bits a weight\ntokenizer   %s, %zu tokens\n",
                   f->folder, f->class_name, f->width, f->encoder_layers, f->decoder_layers, f->heads,
                   f->vocab, f->format, f->tensors, f->parameters, (double)f->bytes / 1e6, f->types,
                   8 * (double)f->bytes / (double)(f->parameters ? f->parameters : 1), tok_class(l.tok),
                   tok_size(l.tok));
        if (f->quantization) buf_printf(&b, "quantized   %s\n", f->quantization);
        if (n_codes) buf_str(&b, STR_LIT("languages   the codes that a text may begin with:"));
        for (size_t i = 0; i < n_codes; i++) buf_printf(&b, " %.*s", (int)code[i].n, code[i].s);
        if (n_languages) buf_str(&b, STR_LIT("languages   "));
        for (size_t i = 0; i < n_languages; i++) {
            Str tag = tok_language_code(l.tok, language[i]);
            const char *name = tok_language_name(l.tok, language[i]);
            buf_printf(&b, "%s%.*s%s%s%s", i ? ", " : "", (int)tag.n, tag.s, name ? " (" : "",
                       name ? name : "", name ? ")" : "");
        }
        if (n_codes + n_languages) buf_char(&b, '\n');
    }
    return cmd_print_text(a, buf_view(&b));
}

const Command command_info = {
    .name = "info",
    .options = INFO,
    .run = run,
    .usage = "-m MODEL",
    .summary = "what is in a checkpoint folder",
    .example = "-m demo/en-nl",
};
