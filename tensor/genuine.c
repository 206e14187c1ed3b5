// SPDX-License-Identifier: Apache-2.0
// genuine.c — what often lies under a model file's name and is not that file.
//
// A clone without git-lfs leaves pointers (github.com/git-lfs/git-lfs, docs/spec.md); a cache copied through a system
// without links leaves their text; a download that failed leaves the server's answer. Each of them is short text, which
// no reader of numbers or of JSON could explain.
#include "base.h"

#include <string.h>

enum { LONGEST_LINK = 4096, SHOWN_LINK = 80 };

static bool starts_without_case(Str s, const char *lower)
{
    size_t n = strlen(lower);
    if (s.n < n) return false;
    for (size_t i = 0; i < n; i++) {
        char c = s.s[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (c != lower[i]) return false;
    }
    return true;
}

static Str trimmed(Str s)
{
    if (str_starts(s, STR_LIT("\xEF\xBB\xBF"))) s.s += 3, s.n -= 3;
    while (s.n && strchr(" \t\r\n", s.s[0]) && s.s[0]) s.s++, s.n--;
    while (s.n && strchr(" \t\r\n", s.s[s.n - 1]) && s.s[s.n - 1]) s.n--;
    return s;
}

// One path and nothing else: what a link's file holds where the system had no links.
static bool is_link_text(Str s)
{
    static const char *const starts[] = {"../", "./", "/", "..\\", "blobs/"};
    if (!s.n || s.n > LONGEST_LINK) return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.s[i] <= ' ' || s.s[i] == '"' || s.s[i] == '{') return false;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (str_starts(s, str_of(starts[i]))) return true;
    for (size_t i = 0; i + 9 < s.n; i++)
        if (!memcmp(s.s + i, "/blobs/", 7) || !memcmp(s.s + i, "\\blobs\\", 7)) return true;
    return false;
}

bool file_genuine(const char *path, Str bytes, Err *e)
{
    static const char *const pages[] = {"<!doctype", "<html", "<head", "<body", "<?xml", "<error", "<!--"};
    static const char *const answers[] = {
        "{\"error\"",       "{\"message\":\"not found", "entry not found",
        "not found",        "404: not found",           "404 not found",
        "403 forbidden",    "401 unauthorized",         "unauthorized",
        "access denied",    "access to model ",         "repository not found",
        "invalid username", "invalid credentials",      "too many requests",
        "internal error",   "redirecting to "};
    static const Str links[] = {
        {"XSym\n", 5}, {"!<symlink>", 10}, {"IntxLNK\1", 8}}; // of macOS, Cygwin, Windows
    Str s = trimmed((Str){bytes.s, bytes.n < LONGEST_LINK + 16 ? bytes.n : LONGEST_LINK + 16});
    if (str_starts(s, STR_LIT("version https://git-lfs")) || str_starts(s, STR_LIT("version https://hawser")))
        return err_at(e, path, 0,
                      "this is a git-lfs pointer, not the file; run 'git lfs pull' in its folder");
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (starts_without_case(s, pages[i]))
            return err_at(e, path, 0, "this is a web page (%s), not the file; download it again",
                          starts_without_case(s, "<?xml") || starts_without_case(s, "<error") ? "XML"
                                                                                              : "HTML");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (bytes.n <= LONGEST_LINK && starts_without_case(s, answers[i])) {
            char text[SHOWN_LINK + 1];
            size_t n = 0;
            for (; n < s.n && n < SHOWN_LINK; n++) text[n] = s.s[n] >= ' ' && s.s[n] < 127 ? s.s[n] : '?';
            text[n] = 0;
            return err_at(
                e, path, 0,
                "this is a server's answer saved in place of the file (a web page's text: %s); download "
                "it again",
                text);
        }
    bool link = bytes.n <= LONGEST_LINK && is_link_text(s);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) link |= str_starts(bytes, links[i]);
    if (!link) return true;
    char text[SHOWN_LINK + 1];
    size_t n = 0;
    for (; n < s.n && n < SHOWN_LINK; n++) text[n] = s.s[n] > ' ' && s.s[n] < 127 ? s.s[n] : '?';
    text[n] = 0;
    return err_at(e, path, 0,
                  "this is the text of a link (%s), not the file it leads to; copy the folder with its links "
                  "followed (cp -rL), or download the model again",
                  text);
}
