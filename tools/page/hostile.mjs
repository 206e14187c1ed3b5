// SPDX-License-Identifier: Apache-2.0
// hostile.mjs IN.json OUT.json TOKENS.json — a saved result whose source tokens are texts that mean harm. TOKENS.json gets them.
import fs from 'node:fs';

const [, , from, to, list] = process.argv;
const tokens = [
  '<script>pwned=1</script>', '</script><script>pwned=1</script>', '<!--<script>', '-->', ']]>', '</noscript><img src=x onerror=pwned=1>',
  '"><svg onload=pwned=1>', '\' onmouseover=pwned=1 ', '</style><style>*{display:none}', 'javascript:pwned=1', '{{constructor}}', '${pwned=1}',
  '__proto__', 'constructor', '=1+1', '@SUM(A1)', '+cmd|x', '-2+3', '\u2028\u2029', '\u202Eabc\u202C', '\u0000\u0007\u001B[31m', '\uFEFF\u200B', '&lt;b&gt;',
  '\\', '\\end{tabular}', '$x_1^2$ #%&~', '|a|b|', '`x`', '\t', '\n', '"', ',', '', '\u0301\u0302\u0303', '\uD83D\uDE00', 'x'.repeat(3000),
];
const file = JSON.parse(fs.readFileSync(from, 'utf8')), result = file.attributes, s = result.sequence_attributions[0].attributes;
const token = (text, i) => ({...s.source[0], attributes: {...s.source[0].attributes, id: i, token: text}});
const n = s.attr_pos_end - s.attr_pos_start;
s.source = tokens.map(token);

// the scores: base64 of a safetensors file with one float32 array [tokens, n]
const header = Buffer.from(JSON.stringify({attribution: {dtype: 'F32', shape: [tokens.length, n], data_offsets: [0, 4 * tokens.length * n]}}));
const length = Buffer.alloc(8);
length.writeBigUInt64LE(BigInt(header.length));
const values = Buffer.from(new Float32Array(tokens.length * n).map((_, i) => (i % 7 - 3) / 10).buffer);
s.source_attributions = Buffer.concat([length, header, values]).toString('base64');
s.target_attributions = null;
result.info.input_texts = [tokens.join(' ')];
result.info.model_name = tokens[1];
result.sequence_attributions[0].__instance_type__[1] = 'CoarseFeatureAttributionSequenceOutput';
if (s.step_scores && s.step_scores.probability) s.step_scores[tokens[0]] = s.step_scores.probability;
fs.writeFileSync(to, JSON.stringify(file));
fs.writeFileSync(list, JSON.stringify(tokens));
