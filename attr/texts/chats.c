// SPDX-License-Identifier: Apache-2.0
// chats.c — turns of a conversation as the one text that the model's chat template writes, and which of its tokens are the
// template's own.
#include "encode.h"

bool texts_chat(Work *w, ChatOptions o, Err *e)
{
    ChatTemplate *t = arena_new(w->a, ChatTemplate, 1);
    if (w->l->info->encoder_decoder)
        return err_set(e, "--chat: %s has an encoder; chat templates are of decoder-only models",
                       w->l->info->name);
    if (!w->l->chat) {
        texts_watch(w->l, true);
        if (!tok_chat_template(w->a, w->l->info->folder, t, e)) return false;
        texts_watch(NULL, false);
    }
    o.add_generation_prompt = true;
    return w->chat = w->l->chat ? w->l->chat : t, w->chat_options = o, true;
}

// The source becomes the conversation's text, and what follows it in a forced text or a foil is the answer.
bool chats_render(const Work *w, Job *j)
{
    const Json *messages;
    if (!w->chat) return true;
    if (!tok_chat_messages(w->a, j->source, "-i", &messages, j->err) ||
        !tok_chat_render(w->a, w->chat, messages, w->chat_options, &j->chat, j->err))
        return false;
    j->source = j->chat.text;
    if (j->forced) j->target = chats_answer(w, j, j->target);
    return true;
}

Str chats_answer(const Work *w, const Job *j, Str answer)
{
    Buf b = {.arena = w->a};
    if (w->chat) buf_str(&b, j->chat.text);
    buf_str(&b, answer);
    return buf_view(&b);
}

void chats_mark(const Work *w, Job *j, const Encoding *x, int64_t n)
{
    if (!w->chat || !x->span) return;
    j->of_template = arena_new(w->a, bool, n);
    for (int64_t i = 0; i < n; i++) {
        j->of_template[i] = true;
        for (size_t k = 0; k < j->chat.n_content; k++)
            if (x->span[i].from < j->chat.content[k].to && x->span[i].to > j->chat.content[k].from)
                j->of_template[i] = false;
    }
}
