# SPDX-License-Identifier: Apache-2.0
"""Seeded generator of the test lines used by make_tokenizer_cases.py.

Everything here is either written for this project or drawn from the two public-domain
books in ../tokenizers/texts (Botchan in English, Wagahai wa neko de aru in Japanese).
No line contains a NUL byte. Lines of kind "bytes" are not valid UTF-8.
"""
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = os.path.join(HERE, "..", "..", "test", "golden", "tokenizers", "texts")

SENTENCES = [
    # plain sentences, own words, many languages and scripts
    "Hello world! This is a test.",
    "The developer argued with the designer because she did not like the idea.",
    "Hello everyone, hope you're enjoying the tutorial!",
    "Translate English to German: The house is wonderful.",
    "Does this sentence contain a negation? yes or no",
    "It's 7:45 a.m., and we'll meet at No. 10 (don't be late).",
    "Prices rose by 3.5% to $1,234.56 — the highest since 1999/2000.",
    "Dr. Smith's e-mail is j.smith+test@example.org; call +1 (555) 010-9999.",
    "A man, a plan, a canal: Panama!?!",
    "She said: “I can’t believe it’s not butter…” and left.",
    "Le chat s'est assis près de la fenêtre, où il a dormi jusqu'à midi.",
    "« Où est la bibliothèque ? » demanda-t-elle à l'étudiant.",
    "Die Straßenbahn fährt über die Brücke; Grüße aus Köln!",
    "Donaudampfschifffahrtsgesellschaftskapitän und Rechtsschutzversicherungsgesellschaften.",
    "El niño comió una manzana mañana por la mañana. ¿Verdad? ¡Sí!",
    "O coração não é tão simples; a ação começou às três horas.",
    "Il più bel giorno della sua vita fu perché c'era il sole.",
    "De fiets staat vóór het huis, zei de ontwikkelaar tegen zijn collega.",
    "Flickan åkte båt på sjön i går kväll.",
    "Ærlig talt så ønsker jeg å gå på ski i fjellet.",
    "Rødgrød med fløde smager bedst om sommeren på øen.",
    "Hyvää päivää, missä lähin kirjasto sijaitsee?",
    "Það er kalt á Íslandi, en sólin skín í þessum dal.",
    "Zażółć gęślą jaźń, rzekł źdźbło trawy.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Vyšiel som na vŕšok a videl som štyri ďatle.",
    "Árvíztűrő tükörfúrógép és öt hűtőház.",
    "Țara noastră și șapte ani de școală în București.",
    "Čaša šećera i đak koji žuri kući.",
    "Pijamalı hasta yağız şoföre çabucak güvendi; İstanbul'da IĞDIR'lı.",
    "Lietuvoje žmonės džiaugiasi ąžuolų šešėliu.",
    "Rīgā šodien ļoti silts, ķirši jau ēdami.",
    "Tõnu sõi öösel jäätist ja õunu.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Жодного слова він не сказав, хоч їжак і ґедзь бачили.",
    "Жълтата дюля беше щастлива, че пухът цъфна.",
    "Љубазни фењерџија чађавог лица хоће да ми покаже штос.",
    "Ταχίστη αλώπηξ βαφής ψημένη γη, δρασκελίζει υπέρ νωθρού κυνός.",
    "Ἐν ἀρχῇ ἦν ὁ λόγος, καὶ ὁ λόγος ἦν πρὸς τὸν θεόν.",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה.",
    "שָׁלוֹם עֲלֵיכֶם, מַה שְׁלוֹמְךָ הַיּוֹם?",
    "مرحبا بالعالم، كيف حالك اليوم؟ الرقم ١٢٣٤٥.",
    "إِنَّ الكِتَابَ مُفِيدٌ جِدًّا لِلطُّلَّابِ.",
    "یک گربهٔ کوچک روی دیوار نشسته می‌خوابد.",
    "ایک دن لومڑی نے انگور دیکھے اور کہا کہ کھٹے ہیں۔",
    "यह एक छोटा सा परीक्षण वाक्य है, जिसमें संयुक्त अक्षर क्ष त्र ज्ञ हैं।",
    "আমি বাংলায় গান গাই, আর ক্ষুদ্র শ্রেণীতে পড়ি।",
    "ਮੈਂ ਪੰਜਾਬੀ ਵਿੱਚ ਲਿਖ ਰਿਹਾ ਹਾਂ।",
    "હું ગુજરાતીમાં એક વાક્ય લખું છું.",
    "தமிழ் மொழி மிகவும் பழமையானது; கூகுள் தேடல்.",
    "తెలుగు భాషలో ఒక వాక్యం రాస్తున్నాను.",
    "ಕನ್ನಡದಲ್ಲಿ ಒಂದು ಸಣ್ಣ ವಾಕ್ಯ.",
    "മലയാളത്തിൽ ഒരു വാചകം എഴുതുന്നു.",
    "සිංහල භාෂාවෙන් වාක්‍යයක් ලියමි.",
    "ฉันกินข้าวผัดกับน้ำปลาที่ร้านข้างถนนตอนเที่ยง",
    "ຂ້ອຍຮຽນພາສາລາວຢູ່ວຽງຈັນ",
    "မြန်မာစာ ရေးနေပါသည်။",
    "ខ្ញុំរៀនភាសាខ្មែរនៅភ្នំពេញ។",
    "བོད་ཡིག་གི་ཚིག་གྲུབ་ཅིག",
    "ქართული ენა ძალიან ლამაზია.",
    "Հայերեն լեզուն շատ հին է։",
    "አማርኛ ቋንቋ በኢትዮጵያ ይነገራል።",
    "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",
    "吾輩は猫である。名前はまだ無い。",
    "東京タワーの高さは３３３メートルです！",
    "ｶﾞｷﾞｸﾞｹﾞｺﾞ ﾊﾟﾋﾟﾌﾟﾍﾟﾎﾟ と ガギグゲゴ",
    "私はＡＢＣとＮＨＫを見ます。㈱テスト㍿ ㌔ ℃",
    "我喜欢学习机器翻译，因为它很有趣。",
    "臺灣的繁體中文與香港粵語：佢哋嘅嘢好嘢！",
    "中文English混排123，标点。符号！？",
    "안녕하세요, 만나서 반갑습니다. 한국어 문장입니다.",
    "한글 풀어쓰기: ㅎㅏㄴㄱㅡㄹ 그리고 각난닫",
    "Tôi đang học tiếng Việt ở thành phố Hồ Chí Minh.",
    "Ẩn náu ở đâu đó, người Việt vẫn nhớ Tết Nguyên Đán.",
    "Saya sedang belajar bahasa Indonesia di perpustakaan.",
    "Ninapenda kusoma vitabu katika maktaba ya mji.",
    "Mo ń kọ́ èdè Yorùbá ní ilé ẹ̀kọ́.",
    "Ke mea nui kēia: ʻo ka ʻōlelo Hawaiʻi.",
    "Cén chaoi a bhfuil tú inniu? Tá sé fuar.",
    "Mae hi'n bwrw glaw yng Nghaerdydd heddiw.",
    "Zer moduz? Euskara hizkuntza zaharra da.",
    "L'any vinent la col·lecció serà més àmplia.",
    "Miresevini ne Shqipëri, vendi i shqiponjave.",
    "Merħba f'Malta, il-gżira tax-xemx.",
    "Монгол хэл дээр бичсэн өгүүлбэр.",
    "Қазақ тілінде жазылған сөйлем, ғажап!",
    "Oʻzbek tilida yozilgan gap.",
    "Sankskrit: धर्मक्षेत्रे कुरुक्षेत्रे समवेता युयुत्सवः ।",
    "Salama daholo, manao ahoana ianareo androany?",
    "Esperanto: eĥoŝanĝo ĉiuĵaŭde.",
]

SPECIALS = [
    "</s>", "<s>", "<pad>", "<unk>", "<extra_id_0>", "<extra_id_99>", "<extra_id_100>",
    "▁", "▁▁", "<0x41>", "<0x0A>", "<0xFF>", "[CLS]", "[MASK]", ">>fra<<", ">>jpn<<", ">>xyz<<",
    "<|endoftext|>", "<|user|>", "<|end|>", "<mask>", "<sep_1>", "⁇", " ⁇ ", "<EOS>", "</S>", "< /s>", "<\u200b/s>",
]

SPECIAL_LINES = [
    "</s>", "<s>", "<pad>", "<unk>", "▁", "▁▁▁", "</s> hello </s>", "hello</s>world", "a<pad>b <pad> c",
    "<unk><unk> <unk>", "fill <extra_id_0> the <extra_id_1> gap", "<extra_id_0>word<extra_id_1>", "x<extra_id_12>y <extra_id_99> z",
    "<extra_id_100> <extra_id_-1> <extra_id_07>", "▁hello ▁world", "hello▁world", "▁ hello ▁", "hello▁", "▁▁hello▁▁", " ▁ ▁ ",
    ">>fra<< How are you?", ">>jpn<<no space", " >>fra<< leading space", ">>xyz<< unknown code", ">>fra<<>>jpn<< two codes",
    ">> broken << code", "text then >>fra<< code", ">>fra", ">><<", "<0x41><0x42> byte names <0x0A>", "a ⁇ b ⁇", "⁇",
    "<|endoftext|>", "one<|endoftext|>two", "<|user|>\nHi<|end|>\n<|assistant|>", "[CLS] x [SEP] [MASK]", "<mask> </S> <S>",
    "(phrasefix) (#0) __BT__", "<sep_0> <sep_97> <mask_1>", "the<s>the</s>the",
    "＜/s＞ full ＜pad＞ width", "＜extra_id_0＞", "＞＞fra＜＜ wide code", "<extra_id_ 0>", "</s></s>", "\u0301</s>\u0301", "<pad>\u200b<pad>",
]

WHITESPACE = [
    "", " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u3000", "\u200b", "\u2028", "\u2029", "\u0085", "\v\f",
    " leading", "trailing ", "  both  ends  ", "in    between", "tab\tsep\tvalues", "line\nbreak", "dos\r\nline\r\n", "\n\nfirst\n\n\nsecond\n",
    "nbsp\u00a0nbsp\u00a0\u00a0two", "ideographic\u3000space\u3000", "zero\u200bwidth\u200bspace", "en\u2002em\u2003thin\u2009hair\u200anarrow\u202fmath\u205f",
    "figure\u2007punct\u2008", "ogham\u1680mark", "mongolian\u180evowel", "word\u2060joiner", "bom\ufeffinside", "\ufeffbom at start",
    "line\u2028sep\u2029para", "nel\u0085here", "vt\vff\fhere", "a \u00a0 \u3000 \t b", "a\u0020\u0308b", "soft\u00adhyphen\u00adated",
    "\u200b", "\u200b\u200b", " \u200b ", "a\u200b b", "a \u200bb", "\u00ad", "\u2060", "\ufeff", "a\t\t\tb", "\u3000\u3000x\u3000\u3000",
    "! \u200b !", "x \ufe0f y", "\u115f\u1160\u3164\uffa0", "a\u034fb", "\u2800braille\u2800blank",
]

CONTROLS = ["".join(chr(c) for c in range(a, b)) for a, b in ((1, 9), (14, 32), (127, 160))] + [
    "bell\x07bell", "esc\x1b[31mred\x1b[0m", "del\x7fdel", "c1\x80\x9fc1", "\x01\x02 text \x03", "a\x08b", "unit\x1fsep\x1erec",
    "\u200e\u200fmarks\u202a\u202b\u202c\u202d\u202e", "\u2066iso\u2069late\u2067\u2068", "\u206a\u206b\u206c\u206d\u206e\u206f",
    "\ufff9anno\ufffatation\ufffb", "\ufffc object \ufffd replacement", "\U000e0001\U000e0041\U000e007f tags",
]

EMOJI = [
    "😀", "😀😃😄", "I ❤️ NY", "❤ vs ❤️ vs ❤︎", "👍🏽 ok 👎🏿", "👨‍👩‍👧‍👦 family", "🏳️‍🌈🏴‍☠️", "🇫🇷🇯🇵🇺🇸🇧🇷", "🏴󠁧󠁢󠁥󠁮󠁧󠁿 England", "#️⃣ *️⃣ 1️⃣ 2️⃣", "👩🏾‍🚀 in space",
    "🙏🙏🙏🙏🙏🙏🙏🙏", "text😂text😂", "☃️ snow ☃", "⌚⏰⏳", "♠♥♦♣ ✓✗", "→ ← ↑ ↓ ⇒", "√(x²+y²) ≤ ∑ᵢ aᵢ", "½ ⅓ ¼ ⅞ Ⅷ ⅷ", "①②③ ⑴⑵ ⒜ Ⓐ ㊀㊗",
    "™ © ® ℠ № ℡", "x² + H₂O + 10⁻⁹", "𝓗𝓮𝓵𝓵𝓸 𝔴𝔬𝔯𝔩𝔡 𝟘𝟙𝟚", "🅰🅱🆎🆑", "🈁🈂🈚", "𐍈𐌰𐌽", "𠮷野家 𪚥", "🫠🫡🫥🫨", "👁️‍🗨️", "👨🏻‍❤️‍💋‍👨🏿",
]

COMBINING = [
    "e\u0301 vs é", "n\u0303 vs ñ", "A\u030a vs Å vs \u212b", "o\u0302\u0301 ố", "q\u0307\u0323 q\u0323\u0307", "Z\u0351\u0344a\u0363l\u0366g\u0362o\u0321",
    "\u0301 leading mark", "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308\u0309\u030a\u030b\u030c", "\u0344 \u0343 \u0340", "ﬁ ﬂ ﬀ ﬃ ﬄ ﬅ ﬆ", "Ǆ ǅ ǆ Ǉ ǈ ǉ",
    "ŉ ſ ẞ ß ﬓ ﬔ", "Ａｌｌ　ｆｕｌｌｗｉｄｔｈ！？（）［］", "ﾊﾝｶｸｶﾅ ﾞ ﾟ ｡｢｣､･", "か\u3099き\u3099 は\u309a", "カ\uff9e ハ\uff9f", "가 \u1100\u1161 \u1100\u1161\u11a8 각", "\u1112\u1161\u11ab\u1100\u1173\u11af",
    "\ua960\ud7b0\ud7cb", "ㄱㄴㄷ ㅏㅑㅓ \uffa1\uffc2", "ﷲ ﷺ ﷻ ﷽", "ﻻ ﻼ ﺍ ﺎ ﺏ ﺐ ﺑ ﺒ", "ﭐ ﭑ ﭒ ﭓ ﮀ ﯾ ﯿ", "\u0622 \u0627\u0653 \u0623 \u0627\u0654", "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652",
    "क\u093c क़ \u0958", "\u0cca \u0cc6\u0cc2 \u0ccb", "\u0b94 \u0b92\u0bd7", "\u0f43 \u0f42\u0fb7 \u0f77", "¨ ¯ ´ ¸ ˘ ˙ ˚ ˛ ˜ ˝", "\u037a \u0384 \u0385 \u1fbd \u1fc0 \u1fed", "a¨b ¨ ¨¨ x", "…‥․ ‼ ⁇ ⁈ ⁉", "㍻ ㍼ ㎏ ㎡ ㏒ ㏾",
    "ʰ ʲ ˢ ᵃ ⁱ ⁿ ₐ", "Ω \u2126 K \u212a", "豈 更 車 \uf9d0 \U0002f800", "\u2f00\u2f01 ⺀⺁", "‐‑‒–—―−﹣－", "‘’‚‛“”„‟′″‴", "〜～∼˜ ￣ ￤", "İ i̇ I ı", "Σ σ ς ϲ", "ά ά ΐ ΐ",
]

UNUSUAL = [
    "\ud7ff\ue000", "\ue000\uf8ff private", "\U000f0000\U0010fffd", "\ufdd0\ufdef", "\ufffe\uffff", "\U0001fffe\U0010ffff", "\ud7fb\ud7fc", "\uffef\ufff0", "\U00010000\U000103ff",
    "\U0001d15e\U0001d157\U0001d165", "\U000e0100\U000e01ef", "葛\U000e0100城", "\u2ff0\u3400\u4dbf", "\U00020000\U0002a6df\U00030000", "\ua000\ua48c", "\U0001f000\U0001f0ff", "𒀀𒁀 𓀀𓁀", "\u16a0\u16b1\u16a8", "\u2c00\u2c30", "\u1f80\u1ffc",
]

PUNCT = [
    "...", "!!!???", "- - -", "a-b--c---d", "(((nested)))", "\"quoted\" 'single' `back`", "C:\\path\\to\\file.txt", "https://example.com/a/b?c=d&e=%20f#g", "user_name@host-1.example", "x=y+z*2/(3-1)^2;", "if (a<b && c>d) { return !e; }",
    "#hashtag @mention $AAPL ~tilde", "1,234,567.89", "0123456789", "2024-02-29T23:59:59Z", "3.14159265358979", "1e-10 0xDEADBEEF 0b1010", "v1.2.3-rc.4+build.5", "10:30–11:45", "50% off, 2-for-1!!", "A.B.C. etc.", "don't can't won't I'll we've they're", "DON'T CAN'T I'M YOU'RE", "rock'n'roll 'tis", "word/word\\word|word",
    "mixedCASE camelCase snake_case SCREAMING", "iPhone12Pro 4K60fps mp3", "<html><body class=\"x\">&amp;&nbsp;</body></html>", "{\"key\": [1, 2.5, null, true]}", "a,b;c:d.e!f?g", "l o t s o f s p a c e s", "n’t ’s ‘s", "?¿!¡", "$ € £ ¥ ₹ ₿ ¢", "§ ¶ † ‡ • ◦",
]

RANGES = [
    (0x20, 0x7e), (0xa0, 0x24f), (0x250, 0x2ff), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x52f), (0x590, 0x5ff), (0x600, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f), (0x1100, 0x11ff), (0x1e00, 0x1fff),
    (0x2000, 0x206f), (0x2070, 0x209f), (0x20a0, 0x20cf), (0x2100, 0x218f), (0x2190, 0x23ff), (0x2460, 0x24ff), (0x2500, 0x27bf), (0x2e80, 0x2fdf), (0x3000, 0x303f), (0x3040, 0x30ff), (0x3130, 0x318f), (0x3200, 0x33ff),
    (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xe000, 0xf8ff), (0xf900, 0xfaff), (0xfb00, 0xfb4f), (0xfb50, 0xfdff), (0xfe00, 0xfe6f), (0xfe70, 0xfeff), (0xff00, 0xffef), (0x1d400, 0x1d7ff), (0x1f300, 0x1f6ff), (0x1f900, 0x1f9ff), (0x20000, 0x2a6df),
]

BAD_BYTES = [
    b"\xff", b"abc\xffdef", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe3\x81", b"\xe3\x81 next", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"a\xf0\x9f\x98", b"\xf0\x80\x80\x80",
    b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\xfd\xfe", b"\x80\x81\x82", b"caf\xe9 latin-1", b"\xe2\x96", b"word \xe2\x96\x81\x81 word", b"\xff \xff  \xff", b" \xff", b"\xff ", b"good \xc3\xa9 bad \xc3 end", b"\xf0\x9f\x98\x80\xf0\x9f", b"\xef\xbf",
]


def read_corpus(name):
    with open(os.path.join(TEXTS, name), encoding="utf-8") as f:
        return [l.strip() for l in f if len(l.strip()) > 8]


def random_words(rng, n, lo=2, hi=9):
    cons, vow = "bcdfghjklmnprstvwz", "aeiou"
    out = []
    for _ in range(n):
        w = "".join(rng.choice(cons) + rng.choice(vow) for _ in range(rng.randint(lo, hi) // 2 + 1))
        out.append(w[: rng.randint(2, len(w))])
    return out


def random_unicode(rng, n):
    """A mix of runs from random blocks, with spaces of several kinds between some of them."""
    out = []
    while len(out) < n:
        lo, hi = rng.choice(RANGES)
        out.extend(chr(rng.randint(lo, hi)) for _ in range(rng.randint(1, 5)))
        if rng.random() < 0.3:
            out.append(rng.choice(" \t\u00a0\u3000\u200b  "))
    return "".join(out[:n])


def make_lines(seed=20241):
    """Returns a list of (kind, str or bytes)."""
    rng = random.Random(seed)
    lines = []

    def add(kind, items):
        lines.extend((kind, x) for x in items)

    add("sentence", SENTENCES)
    bo, ja = read_corpus("botchan.txt"), read_corpus("wagahaiwa_nekodearu.txt")
    add("book", rng.sample(bo, 22) + [x[:160] for x in rng.sample(ja, 12)])
    add("special", SPECIAL_LINES)
    add("space", WHITESPACE)
    add("control", CONTROLS)
    add("emoji", EMOJI)
    add("combining", COMBINING)
    add("unusual", UNUSUAL)
    add("punct", PUNCT)
    add("repeat", ["a" * 50, "ab" * 40, "the" * 30, "!" * 64, "=" * 80, "▁" * 9, " a" * 30, "😀" * 20, "の" * 40, "\u0301" * 12, "0" * 70, "ha" * 25 + "!", "\u3000 " * 6 + "x", "аа" * 20, "unk ☃" * 9])
    add("random", [random_unicode(rng, rng.randint(4, 60)) for _ in range(30)])
    add("mixed", [" ".join(rng.choice([rng.choice(SENTENCES).split()[0], rng.choice(SPECIALS), rng.choice(random_words(rng, 1)), random_unicode(rng, 3), str(rng.randint(0, 10 ** rng.randint(1, 9)))]) for _ in range(rng.randint(3, 12))) for _ in range(20)])
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-'"
    add("long", ["x" * 1500, "".join(rng.choice(letters) for _ in range(5000)), "".join(random_words(rng, 180)), " ".join(rng.sample(bo, 12)), "".join(chr(rng.randint(0x4E00, 0x9FFF)) for _ in range(300)), random_unicode(rng, 700)])
    add("bytes", BAD_BYTES)
    return lines


if __name__ == "__main__":
    from collections import Counter
    L = make_lines()
    print(len(L), Counter(k for k, _ in L))
