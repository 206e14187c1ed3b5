# SPDX-License-Identifier: Apache-2.0
"""Chat templates rendered by transformers, and what it says of wrong ones.

    python chat.py                     -> test/golden/cases/chat/templates.json
    python chat.py random SEED N FILE  -> N made-up templates and what becomes of them; CHAT_CASES=FILE build/gcc-faults/run
                                          t_chat compares them (the golden file has 500 of them, seed 1)

The templates were written for this: each construct of the subset, the corners of white space, Python's printing. A row has the
template, the messages, the tokens and options that are not the usual ones, and the text or the error: "raised" is the text of
raise_exception, "error" the kind of any other.
"""

import datetime
import json
import os
import random
import re
import sys

import common

common.quiet()

import jinja2  # noqa: E402
from transformers.utils import chat_template_utils as chat  # noqa: E402

NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)


class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat.datetime = Fixed

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  Is <b> & \"c\" odd? {{ x }}\n"},
    {"role": "assistant", "content": "Yes: 'it' is.\n\n", "reasoning_content": "hm\nwell"},
    {"role": "user", "content": "Und \u00c4pfel, \u6f22\u5b57 \U0001f600?", "name": "ann_b"},
]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": " two"}], "n": 3, "f": 0.1, "z": None,
          "flags": [True, False, None], "d": {"k": [1, 2.5, {"q": "w\u00e4\n"}], "e": {}, "l": []}}]
CALLS = [{"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": [{"type": "function", "function": {
    "name": "f", "arguments": {"x": 1, "s": "a\"b\\c\u00e9\u0001\x7f"}}}]}, {"role": "tool", "content": "42"}]

EXPRESSIONS = r"""
messages[0].role ~ messages[1]['role'] ~ messages[-1].name
messages[0]['content'] + '!' | upper
(messages[0]['content'] + '!') | upper
messages[1].content | trim
messages[1]['content'].strip() ~ '|' ~ messages[1].content.lstrip() ~ '|' ~ messages[1].content.rstrip() ~ '|'
messages[2].content.strip('\nYs.') ~ '|'
messages | length ~ messages[0].content | length
messages | length
messages[3].content | length
messages[3].content[4:10] ~ messages[3].content[-1] ~ messages[3].content[::-1]
messages[0].content[1:-1:2] ~ messages[0].content[10:2] ~ messages[0].content[-3:]
[1,2,3,4,5][::-1] ~ [1,2,3,4,5][3:0:-2] ~ [1,2,3][5:] ~ [1,2,3][:-1] ~ (1,2,3)[1:]
range(5) | list ~ range(2, 11, 3) | list ~ (range(5, 0, -2) | list)
range(5)
range(1, 10, 3)[1:] ~ range(10)[::-3] ~ (range(3) | length)
1 + 2 * 3 - 4 // 3 ~ 7 % 3 ~ -7 % 3 ~ -7 // 2 ~ 7 // -2 ~ 2 ** 10 ~ 7 / 2 ~ 6 / 2
1.5 + 2 ~ 1e3 ~ 1e16 ~ 1e-5 ~ 0.1 ~ 0.0001 ~ 123456789.125 ~ -0.0 ~ 1e22 ~ 3.0
7.5 // 2 ~ -7.5 // 2 ~ 7.5 % 2 ~ -7.5 % 2 ~ 7.5 % -2
True ~ False ~ None ~ true ~ false ~ none
true + true ~ (true == 1) ~ (1 == 1.0) ~ ('1' == 1) ~ (none == false)
1 < 2 < 3 ~ (3 > 2 > 2) ~ ('a' < 'b') ~ ([1, 2] < [1, 3]) ~ ('Z' < 'a') ~ (1 <= 1.0)
'a' in 'abc' ~ ('d' not in 'abc') ~ (2 in [1, 2]) ~ ('role' in messages[0]) ~ ('x' in {'x': 1}) ~ ('' in 'a')
not true or true and false ~ (not (1 == 2)) ~ (none or 'x') ~ ('' and 'y') ~ (0 or none)
'a' if messages else 'b'
'a' if not messages
('a' if not messages) is defined
undefined_thing ~ '|'
undefined_thing is defined ~ undefined_thing is undefined ~ messages is defined ~ messages[0].nope is defined
messages[0].nope ~ messages[0]['nope'] ~ messages[99] ~ '|'
messages[0].nope.deeper
undefined_thing.x
undefined_thing['x']
undefined_thing + 'x'
'x' + undefined_thing
undefined_thing()
undefined_thing | length ~ undefined_thing | upper ~ undefined_thing | list ~ undefined_thing | join('x')
undefined_thing == other_thing ~ (undefined_thing == none) ~ ('a' in undefined_thing)
undefined_thing < 1
undefined_thing | default('d') ~ undefined_thing | default ~ ('' | default('d')) ~ ('' | default('d', true)) ~ (none | default('d'))
undefined_thing | tojson
[undefined_thing]
'a' + 1
1 + 'a'
'a' * 3 ~ 3 * 'ab' ~ [1] * 2 ~ 'a' * -1
[1] + [2, 3] ~ (1,) + (2,)
[1] + (2,)
none + 1
messages[0].role.upper() ~ messages[0].role.title() ~ messages[0].role.capitalize() ~ 'ABC'.lower()
'they\'re bill\'s' | title ~ 'they\'re bill\'s'.title() ~ ('hello-wORLD (foo)' | title) ~ 'a1b c'.title()
'stra\u00dfe' | upper ~ '\u00c4\u00d6' | lower ~ '\u00e9a' | capitalize
'a,b,,c'.split(',') ~ 'a b  c '.split() ~ 'a,b,c'.split(',', 1) ~ ''.split() ~ ''.split(',') ~ ' a  b '.split(none, 1)
'a,b,,c'.rsplit(',', 1) ~ ' a b  c '.rsplit(none, 1) ~ 'a b c'.rsplit() ~ 'abc'.split('b')[-1]
'a'.split('')
'a\nb\r\nc\n'.splitlines() ~ 'a\n\nb'.splitlines(true) ~ ''.splitlines()
'abc'.startswith('ab') ~ 'abc'.endswith(('x', 'bc')) ~ 'abc'.startswith('') ~ 'abc'.startswith('b')
'aXbXc'.replace('X', '-') ~ 'aXbXc'.replace('X', '', 1) ~ 'abc'.replace('', '-') ~ ('aaa' | replace('a', 'b', 2)) ~ ('' .replace('', 'x'))
12 | replace(1, 3)
'abcabc'.find('c') ~ 'abcabc'.rfind('c') ~ 'abc'.find('x') ~ 'aaaa'.count('aa') ~ 'abc'.count('')
'prefix-x'.removeprefix('prefix-') ~ 'x.suffix'.removesuffix('.suffix') ~ 'abc'.removeprefix('x')
'12'.isdigit() ~ 'a'.isdigit() ~ ''.isdigit() ~ ' \t'.isspace()
', '.join(['a', 'b']) ~ '-'.join('abc') ~ ''.join([])
', '.join([1])
[1, none, 'x'] | join(', ') ~ ['a'] | join ~ messages | join(',', attribute='role') ~ ('abc' | join('-'))
[3, 1] | first ~ [3, 1] | last ~ 'xyz' | first ~ 'xyz' | last ~ [] | first ~ '|' ~ ([] | last)
{'a': 1, 'b': 2}.items() | list ~ {'a': 1}.keys() | list ~ {'a': 1}.values() | list
{'a': 1}.items() ~ {'a': 1}.keys() ~ {'a': 1}.values()
{'a': 1} | items | list ~ (undefined_thing | items | list)
'x' | items
{'a': 1}.get('a') ~ {'a': 1}.get('b') ~ {'a': 1}.get('b', 'c') ~ {'a': 1}.a ~ {'a': 1}['a']
{'items': 5}.items is callable ~ {'items': 5}['items']
{1: 'a', 'k': [1, 'x', none, true, 1.5], (1, 2): {}}
{'a': 1, 'a': 2} ~ {1: 'x', 1.0: 'y', true: 'z'}
{[1]: 2}
['it\'s', "q\"", 'both\'"', 'back\\slash', 'tab\t nl\n cr\r', '\x00\x7f\xa0\u200b\u00e9\U0001F600', '']
[] ~ () ~ {} ~ (1,) ~ (1, 2) ~ [[]] ~ [()]
messages | tojson
messages[2] | tojson(indent=2)
messages | map(attribute='role') | list ~ messages | map(attribute='nope', default='-') | list
messages | map(attribute='content') | map('trim') | map('length') | list
['a ', ' b'] | map('trim') | join('|') ~ ['a', 'b'] | map('upper') | join
messages | selectattr('role', 'equalto', 'user') | list | length ~ messages | selectattr('name') | list | length
messages | selectattr('role', 'in', ['system', 'assistant']) | map(attribute='role') | join(' ')
messages | rejectattr('role', '==', 'user') | map(attribute='role') | join(' ') ~ messages | selectattr('name', 'defined') | list | length
[1, 0, 2, none] | select | list ~ [1, 2, 3] | select('odd') | list ~ [1, 2, 3] | reject('odd') | list ~ [1, 2, 3] | select('gt', 1) | list
'x' if messages | selectattr('role', 'equalto', 'nobody') else 'y'
messages | selectattr('role', 'equalto', 'user') | length
messages | selectattr('role', 'equalto', 'user') | first | tojson
(messages | map(attribute='role'))[0] is defined
'12' | int ~ 'x' | int ~ 'x' | int(7) ~ 3.9 | int ~ '4.7' | int ~ ' 5 ' | int ~ true | int ~ -3.9 | int ~ '1_000' | int ~ '-12' | int ~ none | int
'1.5' | float ~ 'x' | float ~ 2 | float ~ '.5' | float ~ '1e3' | float ~ '5.' | float
-3 | abs ~ (-3) | abs ~ -2.5 | abs
[1, 2] | reverse | list ~ 'abc' | reverse
'<b>' | safe ~ ('<b>' | safe) + '<i>' ~ '<i>' + ('<b>' | safe) ~ (('<b>' | safe) ~ '<i>')
['<b>' | safe] ~ ('a b' | safe).split() ~ ('x' | safe | upper) + '&'
5 | string ~ none | string ~ [1] | string ~ 1.0 | string
5 is number ~ 5.0 is number ~ true is number ~ '5' is number ~ 5 is integer ~ true is integer ~ 5.0 is float ~ true is boolean
'x' is string ~ 5 is string ~ {} is mapping ~ [] is mapping ~ [] is iterable ~ 'x' is iterable ~ 5 is iterable ~ none is iterable ~ undefined_thing is iterable
[] is sequence ~ 'x' is sequence ~ {} is sequence ~ 5 is sequence ~ ({} | items) is sequence ~ (range(3) is sequence)
none is none ~ undefined_thing is none ~ 0 is none ~ true is true ~ 1 is true ~ false is false ~ 0 is false
5 is odd ~ 5 is even ~ 6 is divisibleby 3 ~ 6 is divisibleby(4) ~ 5 is eq 5 ~ 5 is ne 5 ~ 5 is gt 4 ~ 5 is in [5]
5 is not none ~ 5 is not string ~ not 5 is string
'a' is nosuchtest
'a' | nosuchfilter
messages[0].role is equalto 'system' ~ messages[0].content is defined and messages[0].content is not none
'con' 'cat' "enated" ~ 'a\tb\\n\x41\u00e9\101' ~ "\q" ~ 'line\
cont'
1_000 + 0x1F + 0o17 + 0b101 ~ 1_0.5 ~ 00
messages.0.role ~ [[1, 2]][0][1] ~ {'a': {'b': 'c'}}.a.b
tools is none ~ documents is none ~ tools is defined ~ add_generation_prompt
bos_token ~ eos_token ~ (pad_token is defined) ~ bos_token ~ 'x'
namespace(a=1, b='x').b ~ namespace().x ~ '|'
namespace({'q': 2}).q ~ dict(a=1) ~ dict({'a': 1}, b=2) ~ dict([('x', 1)])
namespace(_x=1)
namespace(a=[1], b='x')
range(100001)
range(3, 'x')
strftime_now('%d %b %Y') ~ strftime_now('%Y-%m-%d %H:%M:%S') ~ strftime_now('%-d. %B %y, %A %a %j %I%p %w %u %% %e')
strftime_now is defined
raise_exception('refused: ' ~ messages[0].role)
raise_exception(none)
messages[0].role()
messages()
messages[0].pop('role')
messages.append(1)
messages.append is defined
'x'.nosuchmethod()
'x'.nosuchmethod is defined
5.5.x is defined
none.x is defined
none['x'] is defined
none.x.y
none | length
5 | length
none[0:1]
5[0]
messages['content'] is defined
{'a': 1}[0:1]
'abc'[1.5] is defined
'abc'[true]
'abc'[::0]
'abc'['x':]
'abc'[10] is defined
[1, 2][-3] is defined
1 // 0
1 % 0
1 / 0
'a' < 1
{} < {}
1 in 5
1 in 'a'
-'a'
+5 ~ -5 ~ - -5 ~ +true ~ -true
-2 ** 2 ~ 2 ** 3 ** 2 ~ (2 ** 2) ~ -1 | abs
'a' ~ 1 + 2 ~ 'b' * 2
1 if false else 2 if false else 3
(1 if true else 2) ~ ('a' if 0 else 'b' if 1 else 'c')
[1, 2,] ~ (1, 2,) ~ {'a': 1,} ~ dict(a=1,)
1, 2
()
messages[3].content | tojson ~ messages[3].content | tojson(ensure_ascii=true)
{'b': 1, 'a': [1, 2.0, true, none, 'x', (1, 2)], 3: 4, none: 5, 1.5: 6, true: 7} | tojson
{'b': 1, 'a': 2} | tojson(sort_keys=true) ~ {'b': 1} | tojson(separators=(',', ':')) ~ [1, [2]] | tojson(indent='--')
{'a': [], 'b': {}, 'c': [1]} | tojson(indent=4)
1e400 | tojson ~ 1e400 ~ -1e400
'a"\\\n\r\t\x08\x0c\x01\x7f/é' | tojson
{(1, 2): 3} | tojson
messages[0].items | tojson
'%s' % 'x'
'{}'.format('x')
'x'.center(5)
lipsum()
loop
[1, 2] == [1, 2] ~ ([1] == (1,)) ~ ({'a': 1} == {'a': 1.0}) ~ ('a' != 'b') ~ (none != none)
messages == messages ~ (messages[0] == messages[1]) ~ (messages[0] in messages)
'ab' 'cd'[1]
('ab' 'cd')[1]
[x for x in y]
f(*[1])
{'a'}
'a' == 'a' == 'a' ~ (1 != 2 != 1)
messages[0].content.split(' ')[0] ~ messages[0].content.split()[-1]
messages[0]["content"]["x"] is defined
'a' 'b' ~ "c" | upper
[1, [2, [3]]] | string | length
'x' | trim('x') ~ 'xxaxx' | trim('x') ~ 5 | trim
'a-b_c' | replace('-', '_') | upper | lower
messages[1:][0].role ~ messages[:1][0].role ~ messages[1:-1] | length ~ messages[::-1][0].role
(messages[1:] | first).role ~ (messages | last).role
""".strip("\n").replace("line\\\ncont", "line\\@cont").split("\n")

BLOCKS = r"""
{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}{{ m.role }};{% endfor %}
----
{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>{{ m.role }}>{{ loop.nextitem.role if loop.nextitem is defined else '-' }} {% endfor %}
----
{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}{{ loop.first }}{{ loop.last }}{{ m.content }}{% else %}none{% endfor %}
----
{% for m in messages if m.role == 'nobody' %}x{% else %}none{% endfor %}
----
{% for m in [] %}x{% else %}empty{% endfor %}{% for m in nothing %}x{% else %}undefined{% endfor %}
----
{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in messages[0] | items %}{{ k }}{% endfor %}{% for k in messages[0] %}{{ k }}{% endfor %}
----
{% for a, (b, c) in [(1, (2, 3)), [4, 'xy']] %}{{ a }}{{ b }}{{ c }};{% endfor %}
----
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
----
{% for a in none %}{{ a }}{% endfor %}
----
{% for a in 5 %}{{ a }}{% endfor %}
----
{% for c in 'añb' %}{{ c }}.{% endfor %}{% for i in range(3) %}{{ i }}{{ ',' if not loop.last }}{% endfor %}
----
{% for i in range(10) %}{% if i == 3 %}{% continue %}{% elif i == 6 %}{% break %}{% else %}{{ i }}{% endif %}{% endfor %}
----
{% for i in range(3) %}{% for j in range(3) %}{% if j == 2 %}{% break %}{% endif %}{{ i }}{{ j }}{{ loop.index }} {% endfor %}{{ loop.index }};{% endfor %}
----
{% break %}
----
{% for i in range(2) %}{% for j in range(2) %}{{ loop.index0 }}{% else %}{% continue %}{% endfor %}{{ loop.index0 }}{% endfor %}
----
{% for i in [1, 2] %}{{ loop.cycle('odd', 'even') }}{% endfor %}
----
{% set x = 1 %}{% for i in [1, 2, 3] %}{{ x }}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
----
{% set ns = namespace(n=0, last='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.last = m.role %}{% endfor %}{{ ns.n }}{{ ns.last }}
----
{% set ns = namespace(found=false) %}{% for m in messages[::-1] %}{% if not ns.found and m.role == 'user' %}{% set ns.found = true %}{% set ns.i = loop.index0 %}{% endif %}{% endfor %}{{ ns.i }}{{ ns.found }}
----
{% set x = {} %}{% set x.a = 1 %}
----
{% set nothing.a = 1 %}
----
{% if true %}{% set x = 5 %}{% endif %}{{ x }}{% if false %}{% set y = 5 %}{% endif %}{{ y }}|
----
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d) = 'xy' %}{{ c }}{{ d }}{% set e = 1, 2 %}{{ e }}
----
{% set a, b = 1 %}
----
{% set text %}<{{ messages[0].content }}>{% endset %}{{ text }}{{ text | length }}{% set up | upper %}a{{ 'b' }}{% endset %}{{ up }}
----
{% set up | replace('a', 'b') | trim %} aaa {% endset %}[{{ up }}]
----
{% set x = 1 %}{% set t %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ t }}
----
{% filter upper %}a{{ 'b' }}{% endfilter %}{% filter trim | replace('x', 'y') %}  x {% endfilter %}|
----
{% macro m(a, b='B', c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(1, c=3) }}{{ m(b=2, a=1) }}{{ m() }}{{ m(1) | upper }}
----
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
----
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}
----
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
----
{% set g = 'G' %}{% macro m() %}{{ g }}{{ messages[0].role }}{% set g = 'H' %}{{ g }}{% endmacro %}{{ m() }}{{ g }}{% set g = 'K' %}{{ m() }}
----
{% macro m(x) %}{% for i in range(x) %}{{ i }}{% endfor %}{% endmacro %}{% set r = m(3) %}{{ r }}{{ r is string }}{{ r + '<' }}
----
{% macro a(x) %}({{ x }}){% endmacro %}{% macro b(x) %}{{ a(x) ~ a(x) }}{% endmacro %}{{ b('q') }}
----
{% macro box(t) %}[{{ t }}:{{ caller() }}]{% endmacro %}{% set z = 'Z' %}{% call box('a') %}in {{ z }}{% set z = 1 %}{% endcall %}{{ z }}
----
{% macro twice() %}{{ caller(1) }}{{ caller(2, y='q') }}{% endmacro %}{% call(x, y='p') twice() %}<{{ x }}{{ y }}>{% endcall %}
----
{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}
----
{% call nothing() %}x{% endcall %}
----
{% call messages %}x{% endcall %}
----
{% macro m(a, b, c='C') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(*'xy', c=3) }}{{ m(1, *(2, 3)) }}
----
{{ range(*[1, 4]) | list }}{{ 'a-b'.split(*['-']) }}{{ nothing is defined and f(*x, **y) }}
----
{% generation %}{{ messages[0].content }}{% set z = 1 %}{% endgeneration %}{{ z is defined }}
----
{# a comment {{ x }} {% if %} #}a{#- b -#} c {#+ d +#}
e
----
{% raw %}{{ not }} {% this %}{# or #}{% endraw %}x{%- raw -%}  a  {%- endraw -%}  b
----
a
  {% raw %}
 x {{ y }}
  {% endraw %}
b
----
  {% if true %}
  a
  {% endif %}
b
----
a {% if true %} b {% endif %} c
 {%- if true -%} d {%- endif -%} e
----
  {%+ if true %}
a
  {%+ endif +%}

b
----
<{{- ' x ' -}}>
  <  {{- ' y ' }}
>  {{ 'z' -}}

  <
----
{% if true -%}

   a

{%- endif %}

b
----
a

  {# comment #}
b{# c #}
c  {# d #}

d
----
	{% if true %}	x
	{% endif %}y  {% if true %}
z{% endif %}

----
a
{%- for i in [1, 2] %}
  {{ i }}
{%- endfor %}

{{ 'x' }}
{{ 'y' }}

----
{{ 'a' }}{% if true %}
{% endif %}
 {{ 'b' }}
   {% if true %}{{ 'c' }}{% endif %}
x
----
{%- if messages[0].role == 'system' -%}
    {%- set rest = messages[1:] -%}
    {%- set sys = messages[0].content | trim -%}
{%- else -%}
    {%- set rest = messages -%}
{%- endif -%}
{%- for m in rest -%}
    {%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}
        {{- raise_exception('roles must alternate') -}}
    {%- endif -%}
    {{- '[' ~ m.role ~ '] ' ~ (sys ~ '\n\n' if loop.first and sys is defined else '') ~ m.content | trim ~ eos_token -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '[assistant]' -}}{%- endif -%}
----
{%- for m in messages %}
    {%- if m.content is string %}
        {%- set content = m.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if m.role == 'assistant' and '</think>' in content %}
        {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {%- if m.reasoning_content is string %}
        {{- '<think>' + m.reasoning_content.strip('\n') + '</think>' }}
    {%- endif %}
    {{- '<|im_start|>' + m.role + '\n' + content + '<|im_end|>\n' }}
{%- endfor %}
----
{% for m in messages %}{{ m.thinking }}{{ m.reasoning_content }}{{ m | tojson }}{% endfor %}
----
{% if messages | length > 3 and messages[0]['role'] == 'system' %}A{% elif true %}B{% else %}C{% endif %}{% if nothing %}D{% elif none %}E{% elif 0 %}F{% else %}G{% endif %}
----
{% if 1 %}{% if 0 %}a{% else %}{% if [] %}b{% elif {} %}c{% elif 'x' %}d{% endif %}{% endif %}{% endif %}
----
{%- set today = strftime_now("%d %B %Y") if strftime_now is defined else 'never' %}{{ today }}
----
{{ '{{' }}{{ "}}" }}{{ '%}' }}{% set x = '%}' %}{{ x }}{{ {'a': {'b': 1}}['a'] }}{{ {'a': {}} }}
----
{{ messages
   [0]
   .content }}{{ 'multi
line' }}
----
{%set x=1%}{{x}}{%if x==1%}y{%endif%}{%for i in[1,2]%}{{i}}{%endfor%}
----
{% if true: %}x{% endif %}
----
{% for m in messages %}{% set messages = [] %}{{ m.role }}{% endfor %}{{ messages | length }}
----
{% for loop in [1] %}x{% endfor %}
----
{% set loop = 5 %}{{ loop }}
----
{% for i in [1, 2] %}{% set s %}{{ loop.index }}{% endset %}{{ s }}{% endfor %}
----
{% for x in [[1, 2], [3]] %}{% set outer = loop %}{% for y in x %}{{ outer.index }}{{ loop.index }}{{ y }} {% endfor %}{% endfor %}
----
{% for x in [1, 2, 3] if x is odd %}{{ x }}{{ loop.previtem }}{{ loop.nextitem }}|{% endfor %}
----
{% if x %}a
----
{% endif %}
----
{% else %}
----
{% for x in y %}{% endif %}
----
{% frobnicate %}
----
{% include 'x' %}
----
{% for x in y recursive %}{% endfor %}
----
{{ x
----
{{ }}
----
{% if %}{% endif %}
----
{% set 5 = x %}
----
{% set true = 1 %}
----
{{ 'unclosed }}
----
{{ (1 }}
----
{{ 1) }}
----
{{ a b }}
----
{{ a ! b }}
----
{# unclosed
----
{% raw %} unclosed
----
{% macro x %}{% endmacro %}
----
{{ x | }}
----
{{ x is }}
----
{{ x. }}
----
{{ x[] }}
----
{{ {1} }}
----
{{ ' \x4 ' }}
----
{{ 5 is in }}
----
{}{ }{{ '{' }}{ {% if true %}%}{% endif %}}}
----
{% if a is not defined %}{% set a = 'x' %}{% endif %}{{ a }}
----
{% set bos_token = 'new' %}{{ bos_token }}{% set eos_token = eos_token ~ '!' %}{{ eos_token }}
----
{% for i in range(3) %}{{ i }}

{% endfor %}
----
{% for t in messages[0].content.split() %}
{{ t }}
{%- if not loop.last %}, {% endif %}
{% endfor %}
----

{{ 'begins with a line' }}

""".strip("\n").split("\n----\n")


TALKS = {"talk": TALK, "rest": TALK[1:], "parts": PARTS, "calls": CALLS}


def row(template, talk="talk", tokens=TOKENS, add_generation_prompt=False, **variables):
    r = {"template": template, "messages": talk}
    if tokens is not TOKENS:
        r["tokens"] = tokens
    if add_generation_prompt:
        r["add_generation_prompt"] = True
    if variables:
        r["variables"] = variables
    given = {**tokens, **variables, "add_generation_prompt": add_generation_prompt}
    talk = [{k: v for k, v in m.items() if v is not None} for m in TALKS[talk]]
    try:
        r["text"] = chat.render_jinja_template([talk], chat_template=template, **given)[0][0]
    except jinja2.exceptions.TemplateError as e:
        if type(e) is jinja2.exceptions.TemplateError:
            r["raised"] = e.message
        else:
            r["error"] = type(e).__name__ + ": " + str(e).split("\n")[0]
    except Exception as e:
        r["error"] = type(e).__name__ + ": " + str(e).split("\n")[0]
    return r


# What is refused here although Jinja has it: printing of objects, formatting, other methods and globals.
# The compiler folds constants and then swallows the TypeError that a slice of what has none is at run time.
FOLDED = [r"[\d}e](?:\)*)\[[^\]]*:", r"\['x':"]
REFUSED = ["%s' % 'x'", "'{}'.format", "center(5)", "lipsum()", "{% include", "recursive", "messages[0].items | tojson"]
# Printed with an address, or by chance of a hash.
UNSTABLE = ["<generator", "<bound", "<function", "<built-in", "object at 0x", "<LoopContext", "<Macro", "<class"]


# ------------------------------------------------------------------------------------------------ made-up ones

TEXTS = ["''", "'a'", "'b c'", "'  x '", "'Ab'", "messages[0].content", "messages[1]['content']", "m.role", "m.content", "'\\n'", "'é<&'"]
NUMBERS = ["0", "1", "2", "-1", "7", "1.5", "i", "loop.index0", "messages | length", "-0.5"]
LISTS = ["[]", "[1, 2, 3]", "messages", "['a', 'b', 'a']", "(1, 'x')", "range(3)", "m.content.split()", "{'a': 1, 'b': 'c'}", "[none, 1.5, true]"]
OTHERS = ["none", "true", "false", "nothing", "ns.x", "x", "m", "{'k': 'v'}", "tools", "add_generation_prompt"]


def any_value(r, d):
    return r.choice([text, number, items, other])(r, d)


def text(r, d):
    if d <= 0:
        return r.choice(TEXTS)
    return r.choice([
        lambda: r.choice(TEXTS),
        lambda: f"({text(r, d - 1)} + {text(r, d - 1)})",
        lambda: f"({any_value(r, d - 1)} ~ {any_value(r, d - 1)})",
        lambda: f"({text(r, d - 1)})" + r.choice([".strip()", ".upper()", ".lower()", ".title()", ".replace('a', 'bb')", ".lstrip()", ".rstrip('c ')"]),
        lambda: f"({any_value(r, d - 1)} | {r.choice(['trim', 'upper', 'string', 'lower', 'capitalize', 'title'])})",
        lambda: f"({items(r, d - 1)} | join('{r.choice([',', '', ' - '])}'))",
        lambda: f"({text(r, d - 1)})[{r.choice(['0', '-1', '1:', ':-1', '::-1', '::2', '1:3', '5:1:-1', '99'])}]",
        lambda: f"({any_value(r, d - 1)} | default({text(r, d - 1)}, {r.choice(['true', 'false'])}))",
        lambda: f"({text(r, d - 1)} if {truth(r, d - 1)} else {any_value(r, d - 1)})",
        lambda: f"({any_value(r, d - 1)} | tojson)",
        lambda: f"({text(r, d - 1)} * {r.choice(['0', '2', '3'])})",
    ])()


def number(r, d):
    if d <= 0:
        return r.choice(NUMBERS)
    return r.choice([
        lambda: r.choice(NUMBERS),
        lambda: f"({number(r, d - 1)} {r.choice(['+', '-', '*', '//', '%', '/'])} {number(r, d - 1)})",
        lambda: f"({r.choice([text, items])(r, d - 1)} | length)",
        lambda: f"({text(r, d - 1)}).{r.choice(['find', 'count', 'rfind'])}({text(r, 0)})",
        lambda: f"({any_value(r, d - 1)} | int)",
        lambda: f"(-{number(r, d - 1)})",
    ])()


def items(r, d):
    if d <= 0:
        return r.choice(LISTS)
    return r.choice([
        lambda: r.choice(LISTS),
        lambda: f"[{any_value(r, d - 1)}, {any_value(r, d - 1)}]",
        lambda: f"({items(r, d - 1)})[{r.choice(['1:', ':-1', '::-1', '::2', ':0', '-2:'])}]",
        lambda: f"({text(r, d - 1)}).split({r.choice(['', repr('a'), repr(' ') + ', 1', 'none, 1'])})",
        lambda: f"({items(r, d - 1)} | map('{r.choice(['string', 'upper', 'length', 'trim'])}') | list)",
        lambda: f"(messages | {r.choice(['selectattr', 'rejectattr'])}('role', '{r.choice(['equalto', 'ne', 'in'])}', {text(r, d - 1)}) | map(attribute='content') | list)",
        lambda: f"({items(r, d - 1)} | {r.choice(['list', 'reverse | list', 'select | list'])})",
        lambda: f"({items(r, d - 1)} + {items(r, d - 1)})",
        lambda: "{" + f"{text(r, d - 1)}: {any_value(r, d - 1)}" + "}",
    ])()


def truth(r, d):
    if d <= 0:
        return r.choice(["true", "false", "loop.first", "loop.last", "x", "messages"])
    return r.choice([
        lambda: f"{any_value(r, d - 1)} {r.choice(['==', '!='])} {any_value(r, d - 1)}",
        lambda: f"({number(r, d - 1)} {r.choice(['<', '>', '<=', '>='])} {number(r, d - 1)})",
        lambda: f"({any_value(r, d - 1)} {r.choice(['in', 'not in'])} {r.choice([text, items])(r, d - 1)})",
        lambda: f"(not {truth(r, d - 1)})",
        lambda: f"({truth(r, d - 1)} {r.choice(['and', 'or'])} {any_value(r, d - 1)})",
        lambda: f"({any_value(r, d - 1)} is {r.choice(['', 'not '])}{r.choice(['defined', 'none', 'string', 'mapping', 'iterable', 'true', 'false', 'number', 'sequence', 'undefined', 'boolean', 'integer'])})",
        lambda: f"({text(r, d - 1)}).{r.choice(['startswith', 'endswith'])}({text(r, 0)})",
    ])()


def other(r, d):
    if d <= 0:
        return r.choice(OTHERS)
    return r.choice([
        lambda: r.choice(OTHERS),
        lambda: truth(r, d - 1),
        lambda: f"({items(r, d - 1)} | {r.choice(['first', 'last'])})",
        lambda: f"({items(r, d - 1)})[{r.choice(['0', '-1', '1', repr('a'), repr('k')])}]",
        lambda: f"({any_value(r, d - 1)}).{r.choice(['role', 'content', 'k', 'x'])}",
        lambda: f"({any_value(r, d - 1)} {r.choice(['and', 'or'])} {any_value(r, d - 1)})",
    ])()


def space(r):
    return r.choice(["", "", "", " ", "\n", "  \n", "\n  ", "a", " b ", "c\n", "\n\n", "\t"])


def tag(r, inside):
    return "{%" + r.choice(["", "", "-", "+"]) + f" {inside} " + r.choice(["", "", "-", "+"]) + "%}"


def statements(r, d, loops=0):
    return "".join(space(r) + statement(r, d, loops) for _ in range(r.randint(1, 3))) + space(r)


def statement(r, d, loops):
    kind = r.choice(["print"] * 4 + ["if", "for", "set", "set", "ns", "block", "comment", "raw", "macro", "jump"]) if d > 0 else "print"
    if kind == "if":
        more = tag(r, f"elif {truth(r, d)}") + statements(r, d - 1, loops) if r.random() < 0.3 else ""
        more += tag(r, "else") + statements(r, d - 1, loops) if r.random() < 0.5 else ""
        return tag(r, f"if {truth(r, d)}") + statements(r, d - 1, loops) + more + tag(r, "endif")
    if kind == "for":
        test = f" if {truth(r, 0)}" if r.random() < 0.2 else ""
        more = tag(r, "else") + statements(r, d - 1, loops) if r.random() < 0.2 else ""
        return tag(r, f"for {r.choice(['i', 'm', 'm'])} in {items(r, d - 1)}{test}") + statements(r, d - 1, loops + 1) + more + tag(r, "endfor")
    if kind == "set":
        return tag(r, f"set x = {any_value(r, d)}")
    if kind == "ns":
        return tag(r, f"set ns.x = {any_value(r, d)}")
    if kind == "block":
        return tag(r, "set y") + statements(r, d - 1, 0) + tag(r, "endset") + "{{ y }}"
    if kind == "comment":
        return "{#" + r.choice(["", "-", "+"]) + " note " + r.choice(["", "-", "+"]) + "#}"
    if kind == "raw":
        return tag(r, "raw").replace("+%}", "%}") + space(r) + "{{ x }}" + space(r) + tag(r, "endraw")
    if kind == "macro":
        return tag(r, "macro f(i, m='q')") + statements(r, d - 1, 0) + tag(r, "endmacro") + "{{ f(" + any_value(r, d - 1) + ") }}"
    if kind == "jump" and loops:
        return tag(r, r.choice(["break", "continue"]))
    return "{{" + r.choice(["", "", "-"]) + f" {any_value(r, d)} " + r.choice(["", "", "-"]) + "}}"


def made_up(seed, n):
    """A quarter of them at most such that fail."""
    r, out = random.Random(seed), []
    while len(out) < n:
        template = "{% set x = 'X' %}{% set ns = namespace(x=1) %}{% set i = 3 %}{% set m = messages[1] %}{% set y = '' %}" + statements(r, 3)
        result = row(template, "rest" if r.random() < 0.5 else "parts")
        known = str(result.get("text", "")) + result.get("error", "")
        if any(u in known for u in UNSTABLE) or re.search(FOLDED[0], template) or (not out and "text" not in result):
            continue
        if "error" in result and sum("error" in o for o in out) * 4 >= len(out):
            continue
        out.append(result)
    return out


def write(path, rows):
    head = {"date": str(NOW), "tokens": TOKENS, "talks": TALKS}
    with open(path, "w") as f:
        f.write(json.dumps(head)[:-1] + ', "rows": [\n' + ",\n".join(json.dumps(r) for r in rows) + "\n]}\n")


def main():
    if sys.argv[1:2] == ["random"]:
        write(sys.argv[4], made_up(int(sys.argv[2]), int(sys.argv[3])))
        return
    rows = [row("{{ " + e.replace("\\@", "\\\n") + " }}") for e in EXPRESSIONS]
    rows += [row(b) for b in BLOCKS]
    rows += [row(b, add_generation_prompt=True) for b in BLOCKS if "add_generation_prompt" in b]
    rows += [row(t, "parts") for t in ["{{ messages }}", "{{ messages | tojson }}", "{{ messages[0] | tojson(indent=2) }}", "{{ messages[0].z is defined }}",
                                     "{% for p in messages[0].content %}{{ p.text | trim }}/{% endfor %}", "{{ messages[0].content + 'x' }}"]]
    rows += [row(t, "calls") for t in ["{{ messages | tojson }}", "{% for m in messages %}{% if m.tool_calls is defined and m.tool_calls %}{% for c in m.tool_calls %}"
                                     "{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
                                     "{{ messages[1].content }}|{{ messages[1]['content'] is defined }}", "{{ messages[1] | tojson(ensure_ascii=true) }}"]]
    rows += [row("{{ enable_thinking }}{{ bos_token }}", "talk", {"eos_token": "x"}, enable_thinking=False),
             row("{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}", "talk", TOKENS, enable_thinking=False),
             row("{{ tools | tojson }}{{ bos_token }}", tools=[{"type": "function", "function": {"name": "f"}}], bos_token="B")]
    for text_ in ["a\r\nb\rc\n", "a\n\n", "\n", "", "x{% if true %}\r\ny{% endif %}\r\n"]:
        rows.append(row(text_))
    for r in rows:
        if "text" in r and (any(x in r["template"] for x in REFUSED) or r["text"] == "" and any(re.search(x, r["template"]) for x in FOLDED)):
            del r["text"]
            r["error"] = "refused here"
        elif any(u in r.get("text", "") for u in UNSTABLE):
            del r["text"]
            r["error"] = "printing is refused here"
    rows += made_up(1, 500)
    path = os.path.join(common.load_spec([])[1], "cases", "chat", "templates.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, rows)
    print(len(rows), "rows,", sum("text" in r for r in rows), "render")


main()
