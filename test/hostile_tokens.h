// hostile_tokens.h — token texts made to harm whoever shows them: markup, terminal escapes, direction marks, broken
// bytes. Used by t_report.c and t_html.c; every one goes through every report.
#pragma once
#include "../tensor/base.h"

#define H(s) {s, sizeof s - 1}
static const Str hostile_tokens[] = {
    // markup
    H("<script>alert(1)</script>"), H("</script><script>alert(1)//"), H("<img src=x onerror=alert(1)>"),
    H("<svg/onload=alert(1)>"), H("<svg><script>alert(1)</script></svg>"), H("<iframe src=//evil.example>"),
    H("<a href=javascript:alert(1)>x</a>"), H("</td></tr></table><h1>"), H("</th>"), H("</style>"), H("<style>*{display:none}"),
    H("</title><script>1</script>"), H("</body></html>"), H("<!--"), H("-->"), H("--!>"), H("<![CDATA["), H("]]>"),
    H("<?php echo 1 ?>"), H("<!DOCTYPE x>"), H("<base href=//evil.example>"), H("<meta http-equiv=refresh content=0>"),
    H("<link rel=stylesheet href=//x>"), H("<object data=x>"), H("<embed src=x>"), H("<form action=x><input name=y>"),
    H("<video><source onerror=alert(1)>"), H("<math><mi xlink:href=x>"), H("<template><b>"), H("<noscript><p title=\"</noscript>"),
    H("<textarea>"), H("</textarea>"), H("<plaintext>"), H("<xmp>"), H("<select><option>"), H("<table><tr>"), H("<b"), H("<"),
    H(">"), H("<>"), H("</>"), H("<<script>"), H("<scr<script>ipt>"), H("<\0script>"), H("<s\0>"), H("< script>"), H("<SCRIPT>"),
    H("\xef\xbc\x9cscript\xef\xbc\x9e"), H("\xc2\xbcscript\xc2\xbe"), H("+ADw-script+AD4-"),
    // attributes and entities
    H("\""), H("'"), H("\" onmouseover=\"alert(1)"), H("' onmouseover='alert(1)"), H("x\" style=\"display:none"), H("`"), H("``onx=1"),
    H("\"><script>alert(1)</script>"), H("'><b>"), H("&"), H("&amp;"), H("&lt;script&gt;"), H("&#60;script&#62;"), H("&#x3c;b&#x3e;"),
    H("&#0;"), H("&quot;"), H("&apos;"), H("&nbsp"), H("&CounterClockwiseContourIntegral;"), H("&#xD800;"), H("&&&&&&"),
    H("a=b"), H("=1+1"), H("\\"), H("\\\""), H("{{7*7}}"), H("${7*7}"), H("%3Cscript%3E"), H("javascript:alert(1)"),
    // styles
    H("expression(alert(1))"), H("url(//evil.example/x)"), H("}*{color:red}"), H("@import '//evil.example'"), H(";background:url(x)"),
    H("rgba(1,2,3,4)"), H("/*"), H("*/"),
    // terminal: titles, clipboard, links, screens, colours, moves, queries
    H("\x1b]0;owned\x07"), H("\x1b]2;owned\x1b\\"), H("\x1b]52;c;ZXZpbA==\x07"), H("\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\"),
    H("\x1b]4;1;#ff0000\x07"), H("\x1b]10;?\x07"), H("\x1b]50;fixed\x07"), H("\x1b]1337;File=inline=1:AAAA\x07"), H("\x1b]9;note\x07"),
    H("\x1b]7;file:///etc\x07"), H("\x1b]133;A\x07"), H("\x1b]777;notify;a;b\x07"), H("\x1bP+q544e\x1b\\"), H("\x1bP1$r0m\x1b\\"), H("\x1bPq#0;2;0;0;0\x1b\\"),
    H("\x1b_Gf=100;AAAA\x1b\\"), H("\x1b^private\x1b\\"), H("\x1bXsos\x1b\\"), H("\x1b[?1049h"), H("\x1b[?1000h"), H("\x1b[?2004h"), H("\x1b[?25l"),
    H("\x1b[2J"), H("\x1b[H"), H("\x1b[3J"), H("\x1b[10A"), H("\x1b[1000D"), H("\x1b[K"), H("\x1b[31m"), H("\x1b[8m"), H("\x1b[0;1;5m"), H("\x1b[6n"),
    H("\x1b[c"), H("\x1b[>c"), H("\x1b[5i"), H("\x1b[21t"), H("\x1b[20t"), H("\x1b[4h"), H("\x1b[s\x1b[u"), H("\x1b[1;5r"), H("\x1b[!p"), H("\x1b[38;2;1;2;3m"), H("\x1b" "c"),
    H("\x1b#8"), H("\x1b(0"), H("\x1b" "7\x1b" "8"), H("\x1bM"), H("\x1b"), H("\x1b["), H("\x1b]"), H("\x1b[\x1b[31mm"), H("\x1b%G"), H("\x1bN"), H("\x1b=\x1b>"),
    H("\x9b" "31m"), H("\xc2\x9b" "31m"), H("\xc2\x9d" "0;owned\xc2\x9c"), H("\xc2\x90q\xc2\x9c"), H("\xc2\x85"), H("\x9d" "0;x\x07"),
    H("\x07\x07\x07"), H("\b\b\b\b"), H("\r"), H("x\ry"), H("\n"), H("a\nb"), H("\r\n"), H("\t"), H("\v\f"), H("\0"), H("a\0b"), H("\x7f"), H("\x0e\x0f"),
    H("\x05"), H("\x11\x13"), H("\x1a"), H("\x1c\x1d\x1e\x1f"),
    // directions, invisible characters, marks, widths
    H("\xe2\x80\xae" "gpj.exe"), H("\xe2\x80\xad"), H("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac"), H("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9"), H("\xe2\x80\x8e\xe2\x80\x8f"), H("\xd8\x9c"),
    H("a\xe2\x80\x8b" "b"), H("\xe2\x80\x8c\xe2\x80\x8d"), H("\xef\xbb\xbf"), H("\xe2\x81\xa0"), H("\xc2\xad"), H("\xe2\x80\xa8"), H("\xe2\x80\xa9"), H("\xc2\xa0"), H("\xe3\x80\x80"), H("\xe1\x9a\x80"),
    H("\xef\xb8\x8f"), H("\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"), H("\xf0\x9f\x87\xb3\xf0\x9f\x87\xb1"), H("\xf3\xa0\x80\x81\xf3\xa0\x81\xbf"), H("\xcc\x81"), H("e\xcc\x81\xcc\x82\xcc\x83"),
    H("Z\xcd\x91\xcd\x91\xcd\x91\xcd\x91\xcd\x91\xcd\x91\xcd\x91\xcd\x91"), H("\xe1\x84\x80\xe1\x85\xa1"), H("\xe3\x85\xa4"), H("\xe2\xa0\x80"), H("\xee\x80\x80"), H("\xef\xbf\xbe"), H("\xef\xbf\xbf"), H("\xf4\x8f\xbf\xbf"), H("\xcd\xb8"),
    H("\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7"), H("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"), H("\xe4\xbd\xa0\xe5\xa5\xbd"), H("\xe0\xb8\xb3\xe0\xb8\xb3"), H("\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xb7"),
    // broken bytes
    H("\xff\xfe"), H("\xc0\xaf"), H("\xe2\x82"), H("\xed\xa0\x80"), H("\xf5\x80\x80\x80"), H("\x80\x80"), H("\xe2<script>"), H("\xc2\"x"), H("\xf0\x9f\x91"), H("\xc2"),
    // ordinary ones that look odd
    H(""), H(" "), H("  "), H("\xe2\x96\x81"), H("\xe2\x96\x81no \xe2\x86\x92 \xe2\x96\x81yes"), H("</s>"), H("<pad>"), H("<0x0A>"), H("\xc4\xa0world"), H("[a]"), H("[bold]x[/bold]"), H("\\[x]"), H(":smile:"),
};
#undef H
enum { N_HOSTILE = sizeof hostile_tokens / sizeof hostile_tokens[0] };
