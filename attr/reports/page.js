
// SPDX-License-Identifier: Apache-2.0
// page.js — draws a page of attributions from the numbers that stand in it (page.c has their form).
//
// One text is laid out at a time: source and generated text as running text, the matrix beside them. Choose a generated
// word and the words that it is from are coloured; choose a source word and those that it fed are.
//
//   index, blocks   what the page holds           state   what is chosen: text, sequence, controls, focus
//   Table           rows, columns and numbers     layout  draws a text anew          paint   colours what is drawn
//
// Whatever comes from a model or a file goes in as text (append, textContent), never as markup. Nothing is fetched.
'use strict';
(() => {

// ------------------------------------------------------------------------------------------ small tools

const live = document.getElementById('live');
const svgNames = live.firstElementChild.namespaceURI;

function add(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.filter(c => c !== null && c !== undefined));
  return node;
}
const el = (tag, attributes, ...children) => add(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => add(document.createElementNS(svgNames, tag), attributes, children);

// As the tables without scripts say it: at most three digits, a half goes to the even one, 0.0 for nothing.
function rounded(v, digits = 3) {
  if (Number.isNaN(v)) return '';
  if (!Number.isFinite(v) || Math.abs(v) >= 9e15) return String(v);
  const one = 10 ** digits, x = Math.abs(v) * one;
  let n = Math.floor(x);
  if (x - n > 0.5 || (x - n === 0.5 && n % 2)) n++;
  const text = String(n / one);
  return (v < 0 || Object.is(v, -0) ? '-' : '') + (text.includes('.') || !digits ? text : text + '.0');
}

// The fewest digits that read back as the same 32-bit number.
function shortest(v) {
  if (!Number.isFinite(v)) return '';
  for (let p = 1; p <= 9; p++) if (Math.fround(Number(v.toPrecision(p))) === v) return String(Number(v.toPrecision(p)));
  return String(v);
}

// A score with the digits, or as the percentage, that was asked for (--digits, --percent); a step score.
const digitsOf = (otherwise) => index.digits === undefined ? otherwise : index.digits;
const scoreText = v => Number.isNaN(v) ? '' : index.percent ? rounded(100 * v, digitsOf(1)) + '%' : rounded(v, digitsOf(3));
const stepText = (x, c) => x.whole ? String(x.v[c]) : rounded(x.v[c], digitsOf(3));

const percent = share => (100 * share < 9.95 ? (100 * share).toFixed(1) : (100 * share).toFixed(0)) + '%';

// ------------------------------------------------------------------------------------------ what the page holds

const index = JSON.parse(document.getElementById('index').textContent);
const blocks = document.querySelectorAll('script.data');
let count = 0; // sequences; the blocks after them are pictures
for (const t of index.texts) count += t.sequences.length;

const pictures = new Map(); // of a text: its blocks
for (let i = count; i < blocks.length; i++) {
  const text = Number(/^\{"text":(\d+)/.exec(blocks[i].textContent)[1]);
  pictures.set(text, [...(pictures.get(text) || []), i]);
}
const texts = index.texts.length ? index.texts
  : [...pictures.keys()].map((k, _, all) => ({key: k, chapter: 0, number: '', name: all.length > 1 ? `text ${k + 1}` : '', input: '', generated: '', sequences: [], means: []}));
if (!texts.length) return;
texts.forEach((t, i) => { if (t.key === undefined) t.key = i; });

function numbers(rows, width) {
  const v = new Float32Array(rows.length * width);
  rows.forEach((row, r) => row.forEach((x, c) => { v[r * width + c] = x === null ? NaN : x; }));
  return v;
}

const kept = new Map(); // blocks that were read for the text that is shown
function read(i) {
  if (!kept.has(i)) kept.set(i, JSON.parse(blocks[i].textContent));
  return kept.get(i);
}

// ------------------------------------------------------------------------------------------ tokens and words

const begins = t => t.startsWith('\u2581') || t.startsWith('\u0120');
const special = t => t.length > 2 && /^(<[^<> ]*>|\[[A-Z_0-9]+\]|__[a-z_]+__|>>.*<<|<\|.*\|>|<\uFF5C.*\uFF5C>|\(template\))$/.test(t);

// What a token is in running text: without the mark of a word's beginning, and whether a space stands before it.
// spelled: the words themselves, where the page gives them (vocabularies of bytes).
function spelling(tokens, spelled) {
  const marked = tokens.some(begins), ends = tokens.some(t => t.endsWith('</w>'));
  let open = true; // nothing before it that it could be joined to
  return tokens.map((t, i) => {
    let text = t, space = !open;
    if (special(t)) open = false;
    else if (marked) {
      space = !open && begins(t);
      open = false;
      if (begins(t) && t.length > 1) text = t.replace(/^[\u2581\u0120]+(?=.)/, '');
    } else if (ends) {
      space = !open, open = !t.endsWith('</w>');
      text = t.replace(/<\/w>$/, '');
    } else if (t.startsWith('##') && t.length > 2) text = t.slice(2), space = false, open = false;
    else open = false;
    if (spelled && !special(t)) text = spelled[i];
    text = text.replace(/^[\u010A\u240A]+$/, x => '\u21B5'.repeat(x.length)).replace(/^\u0120+$/, x => '\u2423'.repeat(x.length)); // ends of lines and lone spaces
    return {text, space, line: /[\u010A\u240A\n]$/.test(t)};
  });
}

// ------------------------------------------------------------------------------------------ tables

// Scores as they are shown, or those of one layer or head: the mean over the others, each column then made to sum to 1, as
// the default aggregation does it, in the same 32 bits.
function scoresOf(d) {
  const n = d.end - d.start;
  if (!d.layers || (state.layer === '' && state.head === '')) return numbers([...d.source_scores || [], ...d.target_scores || []], n);
  const rows = [...d.layers.source || [], ...d.layers.target || []], choice = [state.layer, state.head];
  let width = d.layers.dims.reduce((a, b) => a * b, 1), x = numbers(rows, n * width);
  for (let k = d.layers.dims.length - 1; k >= 0; k--) {
    const last = d.layers.dims[k], out = new Float32Array(x.length / last), one = choice[k] === '' ? -1 : Number(choice[k]);
    for (let i = 0; i < out.length; i++) {
      let sum = 0;
      for (let j = 0; j < last; j++) sum += x[i * last + j];
      out[i] = one >= 0 ? x[i * last + one] : sum / last;
    }
    width /= last;
    x = out;
    for (let c = 0; c < n * width; c++) {
      let sum = 0;
      for (let i = c; i < x.length; i += n * width) if (!Number.isNaN(x[i])) sum += Math.abs(x[i]);
      const by = Math.max(Math.fround(sum), Math.fround(1e-12));
      for (let i = c; i < x.length; i += n * width) x[i] /= by;
    }
  }
  return x;
}

// The words of one side as units of what is chosen: tokens [from, to) each.
function unitsOf(d, side, unit, isTemplate) {
  const tokens = d[side], spelled = spelling(tokens, d[side + '_spelled']), of = d[unit];
  const from = of ? of[side] : tokens.map((_, i) => i);
  return from.map((i, k) => {
    const to = k + 1 < from.length ? from[k + 1] : tokens.length, one = to === i + 1, all = test => { for (let j = i; j < to; j++) if (!test(j)) return false; return true; };
    const text = (of ? of[side + '_text'][k] : spelled[i].text) || '\u2205'; // an empty one can be pointed at too
    return {text, label: of ? text : tokens[i] || '\u2205', space: spelled[i].space, line: spelled[to - 1].line, from: i, to, row: -1, col: -1,
            special: one && special(tokens[i]), template: all(isTemplate), id: one ? d[side + '_ids'][i] : undefined};
  });
}

// What is looked at: rows (attributed words) by columns (generated words), numbers, and the words of both texts.
//   panel  [{name, units: [{text, label, space, line, row, col, special, template}]}]
//   rows, columns  [{label, special, template}]     v [rows * columns], NaN: none     sum: of a column's sizes
// A word's number is the sum over its tokens and the mean over the steps that it was written in.
function tableOf(d, unit) {
  const n = d.end - d.start, S = (d.source_scores || []).length, T = (d.target_scores || []).length, x = scoresOf(d);
  const t = {rows: [], columns: [], steps: [], panels: [], percent: true, data: d, down: 'Attributed tokens', across: 'Generated tokens'};
  const prompt = !d.source_scores && d.source.length <= d.start && d.source.every((w, i) => w === d.target[i]);
  const source = unitsOf(d, 'source', unit, i => Boolean(d.template && d.template[i]));
  const target = unitsOf(d, 'target', unit, i => Boolean(prompt && d.template && d.template[i]));
  for (const u of source) if (u.from < S) u.first = 0, u.last = Math.min(u.to, S), u.row = t.rows.push(u) - 1;
  for (const u of target) if (u.from < T) u.first = S, u.last = Math.min(u.to, T), u.row = t.rows.push(u) - 1;
  for (const u of target) if (u.from >= d.start && u.to <= d.end) u.col = t.columns.push(u) - 1;
  t.v = new Float32Array(t.rows.length * t.columns.length);
  t.rows.forEach((r, i) => t.columns.forEach((c, k) => {
    let sum = 0, any = false;
    for (let j = r.from; j < r.last; j++)
      for (let step = c.from - d.start; step < c.to - d.start; step++) {
        const v = x[(r.first + j) * n + step];
        if (!Number.isNaN(v)) sum += v, any = true;
      }
    t.v[i * t.columns.length + k] = any ? sum / (c.to - c.from) : NaN;
  }));
  for (const s of d.step_scores) {
    const one = numbers([s.values], n), v = new Float32Array(t.columns.length);
    t.columns.forEach((c, k) => {
      const part = one.subarray(c.from - d.start, c.to - d.start);
      v[k] = s.merge === 'prod' ? part.reduce((a, b) => a * b, 1) : part.reduce((a, b) => a + b, 0) / (s.merge === 'sum' ? 1 : part.length);
    });
    t.steps.push({name: s.name, whole: s.whole && v.every(w => w === Math.trunc(w)), v});
  }
  const written = target.filter(u => u.from < Math.max(d.end, T));
  if (prompt) t.panels = [{name: 'Prompt', units: written.filter(u => u.from < d.start)}, {name: 'Generated', units: written.filter(u => u.from >= d.start)}];
  else t.panels = [{name: 'Source', units: source}, {name: 'Generated', units: written}];
  t.panels = t.panels.filter(p => p.units.length);
  return measured(t);
}

function pictureOf(d) {
  const name = (label, special) => ({label, special});
  const t = {rows: d.rows.map(name), columns: d.columns.map(name), panels: [], percent: false, data: d, title: d.title, down: d.down, across: d.across || 'Generated tokens',
             cell: d.words, v: numbers(d.scores, d.columns.length), steps: []};
  for (const x of d.step_scores) t.steps.push({name: x.name, whole: x.whole, v: numbers([x.values], d.columns.length)});
  return measured(t);
}

// Sums of columns and the largest number, which the colours are measured by.
function measured(t) {
  const n = t.columns.length;
  t.sum = new Float64Array(n), t.most = 0;
  for (let i = 0; i < t.v.length; i++) {
    const x = Math.abs(t.v[i]);
    if (Number.isNaN(x)) continue;
    t.sum[i % n] += x;
    if (x > t.most && x < Infinity) t.most = x;
  }
  return t;
}

// ------------------------------------------------------------------------------------------ what is chosen

const state = {
  text: 0, sequence: 0, picture: -1, // picture: -1, or which of the text's
  unit: 'token', layer: '', head: '', common: false, step: '', numbers: true, matrix: true, small: 0, special: false, template: false,
  sort: 'order', filter: '', fed: false, // fed: a generated word shows what it fed, not what it is from
  focus: null, pinned: false,            // focus: {kind: 'column' | 'row', at}
  firstRow: 0, firstColumn: 0,
};
let table, variants, range, shownRows, shownColumns, cells, heads, drawn;

const sequencesOf = text => texts[text].sequences;
const pictureBlocks = text => pictures.get(texts[text].key) || [];

function tableFor(i) {
  const key = [i, state.unit, state.layer, state.head].join(' ');
  if (!kept.has(key)) kept.set(key, tableOf(read(i), state.unit));
  return kept.get(key);
}

function look() {
  const blocksOf = pictureBlocks(state.text);
  if (!sequencesOf(state.text).length && state.picture < 0) state.picture = 0;
  if (state.picture >= blocksOf.length) state.picture = -1;
  variants = sequencesOf(state.text);
  if (!variants.includes(state.sequence)) state.sequence = variants[0];
  const dims = state.picture < 0 && read(state.sequence).layers ? read(state.sequence).layers.dims : [];
  if (!(Number(state.layer) < dims[0])) state.layer = '';
  if (!(Number(state.head) < dims[1])) state.head = '';
  table = state.picture >= 0 ? pictureOf(read(blocksOf[state.picture])) : tableFor(state.sequence);
  let most = table.most;
  if (state.common && state.picture < 0) for (const i of variants) most = Math.max(most, tableFor(i).most);
  range = {min: -most, max: most};
  if (index.max !== undefined) range = {min: -index.max, max: index.max};
  if (index.min !== undefined) range.min = index.min;
  const hidden = x => (state.special && x.special) || (state.template && x.template);
  const wanted = state.filter.toLowerCase();
  shownColumns = table.columns.map((_, c) => c).filter(c => !hidden(table.columns[c]));
  shownRows = table.rows.map((_, r) => r).filter(r => !hidden(table.rows[r]) &&
    (!wanted || table.rows[r].label.toLowerCase().includes(wanted)) && (!table.percent || largestShare(r) >= state.small));
  sortRows();
}

const value = (r, c) => table.v[r * table.columns.length + c];
const share = (r, c) => table.sum[c] > 0 ? Math.abs(value(r, c)) / table.sum[c] : 0;
function largestShare(r) {
  let most = 0;
  for (const c of shownColumns) most = Math.max(most, share(r, c) || 0);
  return most;
}

function sortRows() {
  if (state.sort === 'order') return;
  const at = state.focus && state.focus.kind === 'column' ? state.focus.at : -1;
  const weight = new Float64Array(table.rows.length);
  for (const r of shownRows)
    for (const c of at >= 0 ? [at] : shownColumns) weight[r] += Math.abs(value(r, c)) || 0;
  shownRows.sort((a, b) => weight[b] - weight[a] || a - b);
}

// ------------------------------------------------------------------------------------------ colours

// -1 (coldest) to 1 (hottest); NaN: none. KEEP: heat colours
function heatOf(v) {
  const half = (range.max - range.min) / 2;
  if (!(half > 0) || Number.isNaN(v)) return NaN;
  return Math.max(-1, Math.min(1, (v - (range.min + half)) / half));
}
const strong = heat => heat >= 0.768 || heat <= -0.879;
const rgb = heat => heat > 0 ? [178, 24, 43] : [33, 102, 172];

function setHeat(node, v) {
  const heat = v === undefined ? NaN : heatOf(v), opacity = Math.abs(heat);
  const any = opacity >= 0.0005;
  node.style.background = any ? `rgba(${rgb(heat).join()},${opacity.toFixed(3)})` : '';
  node.classList.toggle('w', any && strong(heat));
  if (any) node.dataset.level = Math.ceil(opacity * 4);
  else delete node.dataset.level;
}

function overWhite(heat) { // as six hexadecimal digits
  const a = Number.isNaN(heat) ? 0 : Math.abs(heat);
  return rgb(heat).map(x => Math.round(255 + (x - 255) * a).toString(16).padStart(2, '0')).join('').toUpperCase();
}

// ------------------------------------------------------------------------------------------ the page's parts

const title = el('h2', {id: 'title'});
const story = el('div', {class: 'story'});
const controls = el('div', {class: 'controls', role: 'group', 'aria-label': 'What is shown'});
const panels = el('div', {class: 'panels'});
const says = el('p', {class: 'says', role: 'status', 'aria-live': 'polite'});
const legend = el('div', {class: 'scale'});
const tools = el('div', {class: 'controls', role: 'group', 'aria-label': 'Copy and download what is seen'});
const pager = el('div', {class: 'controls pager'});
const box = el('div', {class: 'box', role: 'region', tabindex: '0', 'aria-label': 'Matrix of scores'});
const curves = el('div', {class: 'curves'});
const paper = el('div', {class: 'paper'});
const right = el('div', {class: 'matrices'}, legend, pager, box, tools);
const view = el('main', {class: 'view'}, title, story, controls, el('div', {class: 'pair'}, el('div', {}, panels, says), right), curves, paper);

// ------------------------------------------------------------------------------------------ controls

function choice(label, options, chosen, change) {
  const select = el('select', {onchange: () => change(select.value)},
    ...options.map(([key, text]) => el('option', {value: key, selected: key === chosen}, text)));
  return el('label', {}, el('span', {}, label), select);
}
function tick(label, on, change) {
  const input = el('input', {type: 'checkbox', checked: on, onchange: () => change(input.checked)});
  return el('label', {class: 'tick'}, input, el('span', {}, label));
}
const button = (label, click) => el('button', {type: 'button', onclick: click}, label);

// What a sequence is told apart by from the others of its text.
function nameOf(i, what) {
  const d = read(i);
  if (what !== 'foil') return d[what] || '';
  const labels = d.target.slice(d.start, d.end), foils = labels.map(t => t.split(' \u2192 ')[0]);
  const of = labels.some(t => t.includes(' \u2192 ')) ? foils : labels;
  return spelling(of).map(x => (x.space ? ' ' : '') + x.text).join('');
}

function switches() {
  const out = [], same = {};
  for (const what of ['model', 'method', 'foil']) same[what] = nameOf(state.sequence, what);
  for (const what of ['model', 'method', 'foil']) {
    const names = [...new Set(variants.map(i => nameOf(i, what)))];
    if (names.length < 2 || (what === 'foil' && variants.some(i => nameOf(i, 'model') !== same.model))) continue;
    const fits = (i, name) => nameOf(i, what) === name ? Object.keys(same).filter(k => k === what || nameOf(i, k) === same[k]).length : 0;
    out.push(choice({model: 'Model', method: 'Method', foil: 'Foil or target'}[what], names.map(x => [x, x.length > 60 ? x.slice(0, 59) + '\u2026' : x]), same[what],
      name => change({sequence: variants.reduce((best, i) => fits(i, name) > fits(best, name) ? i : best)})));
  }
  if (out.length) out.push(tick('one scale for all', state.common, on => change({common: on})));
  return out;
}

function drawControls() {
  const named = pictureBlocks(state.text), d = table.data, out = [];
  if (named.length && (variants.length || named.length > 1))
    out.push(choice('View', [...(variants.length ? [['-1', 'Scores']] : []), ...named.map((i, k) => [String(k), read(i).title])], String(state.picture),
      k => change({picture: Number(k), focus: null, pinned: false})));
  if (state.picture < 0) out.push(...switches());
  if (state.picture < 0) {
    out.push(choice('Unit', [['token', 'pieces'], ['word', 'words'], ['sentence', 'sentences']], state.unit, x => change({unit: x, focus: null, pinned: false})));
    (d.layers ? d.layers.dims : []).forEach((size, k) => out.push(choice(['Layer', 'Head'][k], [['', 'mean'], ...Array.from({length: size}, (_, i) => [String(i), String(i)])], state[['layer', 'head'][k]],
      x => change({[['layer', 'head'][k]]: x}))));
  }
  if (table.panels.length) out.push(choice('A generated word shows', [['', 'where it is from'], ['fed', 'what it fed']], state.fed ? 'fed' : '', x => change({fed: x === 'fed', focus: null, pinned: false})));
  if (table.steps.length && table.panels.length)
    out.push(choice('Underline', [['', 'nothing'], ...table.steps.map(s => [s.name, s.name])], state.step, x => change({step: x})));
  out.push(choice('Rows', [['order', 'in order'], ['score', 'largest first']], state.sort, x => change({sort: x})));
  if (table.percent)
    out.push(choice('Hide rows below', [0, 0.01, 0.02, 0.05, 0.1, 0.2].map(x => [String(x), x ? percent(x) : 'nothing']), String(state.small), x => change({small: Number(x)})));
  const filter = el('input', {type: 'search', value: state.filter, size: 10, oninput: () => { state.filter = filter.value; state.firstRow = 0; look(); drawMatrix(); paint(); }});
  out.push(el('label', {}, el('span', {}, 'Rows with'), filter));
  out.push(tick('numbers', state.numbers, on => change({numbers: on})));
  if (table.panels.length) out.push(tick('matrix', state.matrix, on => change({matrix: on})));
  if ([...table.rows, ...table.columns].some(x => x.special)) out.push(tick('hide special tokens', state.special, on => change({special: on})));
  if (d.template) out.push(tick('hide the template', state.template, on => change({template: on})));
  const at = [...controls.querySelectorAll('select,input')].indexOf(document.activeElement);
  controls.replaceChildren(...out);
  if (at >= 0) (controls.querySelectorAll('select,input')[at] || box).focus(); // where the keyboard was
}

function change(what) {
  Object.assign(state, what);
  state.firstRow = state.firstColumn = 0;
  layout();
}

// ------------------------------------------------------------------------------------------ running text

// A word is an option of its text's list: one of them has the keyboard, the arrows walk.
function drawPanels() {
  const sections = table.panels.map((panel, p) => {
    const list = el('div', {class: 'words', role: 'listbox', 'aria-label': panel.name + ' text', 'aria-orientation': 'horizontal', 'data-panel': p});
    panel.units.forEach((u, k) => {
      u.node = null;
      if ((state.special && u.special) || (state.template && u.template)) return;
      u.share = el('small', {});
      u.bar = el('i', {});
      u.node = el('span', {class: u.special ? 'word special' : 'word', role: 'option', tabindex: '-1', 'aria-selected': 'false', 'data-unit': k}, el('span', {}, u.text), u.share, u.bar);
      if (u.space) list.append(' ');
      list.append(u.node);
      if (u.line) list.append(el('br', {role: 'presentation'}));
    });
    const first = list.querySelector('[role=option]');
    if (first) first.tabIndex = 0;
    return el('section', {class: 'panel'}, el(title.hidden ? 'h2' : 'h3', {}, panel.name), list);
  });
  panels.classList.toggle('bare', !state.numbers);
  panels.replaceChildren(...sections);
  underline();
}

// The step score of each generated word as a line below it, as long as its share of the largest (or of 1).
function underline() {
  const s = table.steps.find(x => x.name === state.step);
  const most = s ? Math.max(1e-30, ...s.v.map(x => Math.abs(x) || 0)) : 1, whole = s && s.v.every(x => !(Math.abs(x) > 1)) ? 1 : most;
  for (const u of allUnits()) {
    if (!u.node) continue;
    const v = s && u.col >= 0 ? s.v[u.col] : NaN;
    u.node.classList.toggle('lined', !Number.isNaN(v));
    u.bar.style.width = Number.isNaN(v) ? '' : (100 * Math.min(1, Math.abs(v) / whole)).toFixed(1) + '%';
    u.node.title = u.col < 0 ? '' : table.steps.map(x => x.name + ' ' + stepText(x, u.col)).join('\n');
  }
}

function* allUnits() { for (const p of table.panels) yield* p.units; }

const unitAt = node => {
  const word = node && node.closest && node.closest('.word');
  return word && panels.contains(word) ? table.panels[word.parentNode.dataset.panel].units[word.dataset.unit] : null;
};

// What a word shows: its column (where it is from) or its row (what it fed).
function focusOf(u) {
  if (u.col >= 0 && !(state.fed && u.row >= 0)) return {kind: 'column', at: u.col};
  return u.row >= 0 ? {kind: 'row', at: u.row} : null;
}

function walk(u, key) {
  const words = [...u.node.parentNode.querySelectorAll('.word')], at = words.indexOf(u.node);
  const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: words.length - 1}[key];
  const box = u.node.getBoundingClientRect();
  const line = key === 'ArrowDown' ? 1 : key === 'ArrowUp' ? -1 : 0; // the nearest word of the next line
  let next = words[to];
  if (line) {
    let best = Infinity;
    for (const w of words) {
      const b = w.getBoundingClientRect(), down = line * (b.top - box.top);
      const far = down > 4 ? 1000 * down + Math.abs(b.left - box.left) : Infinity;
      if (far < best) best = far, next = w;
    }
  }
  if (next) next.focus();
}

function setFocus(focus, pinned) {
  const again = JSON.stringify(focus) !== JSON.stringify(state.focus);
  state.focus = focus;
  state.pinned = pinned;
  if (again && state.sort !== 'order') look(), drawMatrix();
  paint();
}

panels.addEventListener('pointerover', e => {
  const u = unitAt(e.target);
  if (u && !state.pinned && e.pointerType !== 'touch') setFocus(focusOf(u), false);
});
panels.addEventListener('pointerleave', () => { if (!state.pinned) setFocus(null, false); });
panels.addEventListener('focusin', e => {
  const u = unitAt(e.target);
  if (!u) return;
  for (const w of u.node.parentNode.querySelectorAll('[tabindex="0"]')) w.tabIndex = -1;
  u.node.tabIndex = 0;
  if (e.target.matches(':focus-visible')) setFocus(focusOf(u), state.pinned);
});
panels.addEventListener('click', e => {
  const u = unitAt(e.target);
  if (u) choose(focusOf(u));
});
panels.addEventListener('keydown', e => {
  const u = unitAt(e.target);
  if (!u || e.ctrlKey || e.altKey || e.metaKey) return;
  if (e.key === 'Enter' || e.key === ' ') choose(focusOf(u));
  else if (/^(Arrow|Home$|End$)/.test(e.key)) walk(u, e.key);
  else return;
  e.preventDefault();
});
document.addEventListener('keydown', e => {
  if (e.key === 'Escape' && state.pinned) setFocus(null, false);
});

// Choosing what is pinned already frees it.
function choose(focus) {
  const same = state.pinned && JSON.stringify(focus) === JSON.stringify(state.focus);
  setFocus(same ? null : focus, !same && focus !== null);
}

// ------------------------------------------------------------------------------------------ the matrix

const MOST_CELLS = 12000, SOME_ROWS = 200, SOME_COLUMNS = 50; // beyond MOST_CELLS a part is drawn at a time

function part(list, from, some) {
  return shownRows.length * shownColumns.length <= MOST_CELLS ? list : list.slice(from, from + some);
}

function drawMatrix() {
  if (state.focus && state.focus.kind === 'column' && part(shownColumns, state.firstColumn, SOME_COLUMNS).indexOf(state.focus.at) < 0 && shownColumns.includes(state.focus.at))
    state.firstColumn = Math.floor(shownColumns.indexOf(state.focus.at) / SOME_COLUMNS) * SOME_COLUMNS;
  const rows = part(shownRows, state.firstRow, SOME_ROWS), columns = part(shownColumns, state.firstColumn, SOME_COLUMNS);
  drawn = {rows, columns};
  cells = new Map(), heads = {row: new Map(), column: new Map()};
  const top = el('tr', {}, el('td'), el('td')), names = el('tr', {}, el('td'), el('td'));
  for (const c of columns) {
    const head = el('th', {scope: 'col', 'data-column': c, title: titleOf(table.columns[c])}, table.columns[c].label);
    heads.column.set(c, head);
    top.append(el('th', {scope: 'col'}, String(c)));
    names.append(head);
  }
  const body = el('tbody', {class: state.numbers ? '' : 'blank'});
  for (const r of rows) {
    const head = el('th', {scope: 'row', 'data-row': r, title: titleOf(table.rows[r])}, table.rows[r].label);
    heads.row.set(r, head);
    const line = el('tr', {}, el('th', {scope: 'row'}, String(r)), head);
    for (const c of columns) line.append(cell(r, c));
    body.append(line);
  }
  const steps = el('tbody', {class: 'steps'});
  for (const s of table.steps)
    steps.append(el('tr', {}, el('td'), el('th', {scope: 'row'}, s.name), ...columns.map(c => el('td', {title: shortest(s.v[c])}, stepText(s, c)))));
  box.replaceChildren(el('table', {class: 'matrix'},
    el('caption', {}, el('span', {class: 'soft'}, `\u2192 : ${table.across}, \u2193 : ${table.down}`)), el('thead', {}, top, names), body, table.steps.length ? steps : null));
  drawPager();
}

const titleOf = x => x.id === undefined ? null : 'id ' + x.id;

function cell(r, c) {
  const v = value(r, c), none = Number.isNaN(v);
  const node = el('td', {'data-row': r, 'data-column': c}, table.cell ? el('span', {}, table.cell[r * table.columns.length + c]) : none ? null : el('span', {}, scoreText(v)));
  if (!none) {
    setHeat(node, v);
    node.title = `${table.rows[r].label} \u2192 ${table.columns[c].label}: ${shortest(v)}` + (table.percent ? `, ${percent(share(r, c))} of column ${c}` : '');
  }
  cells.set(r * table.columns.length + c, node);
  return node;
}

function drawPager() {
  const out = [], whole = shownRows.length * shownColumns.length <= MOST_CELLS;
  const step = (what, first, list, some) => {
    if (whole || list.length <= some) return;
    const go = by => () => { state[first] = Math.max(0, Math.min(list.length - 1, state[first] + by)); drawMatrix(); paint(); };
    const last = Math.min(list.length, state[first] + some);
    out.push(el('span', {class: 'pages'}, el('button', {type: 'button', 'aria-label': 'previous ' + what, disabled: state[first] === 0, onclick: go(-some)}, '\u2039'),
      ` ${what} ${state[first] + 1} to ${last} of ${list.length} `,
      el('button', {type: 'button', 'aria-label': 'next ' + what, disabled: last === list.length, onclick: go(some)}, '\u203A')));
  };
  step('columns', 'firstColumn', shownColumns, SOME_COLUMNS);
  step('rows', 'firstRow', shownRows, SOME_ROWS);
  if (table.rows.length && !shownRows.length) out.push('No row is left: all are hidden.');
  pager.replaceChildren(...out);
}

const headAt = node => {
  const head = node.closest && node.closest('[data-column],[data-row]');
  if (!head || !box.contains(head)) return null;
  return head.dataset.column !== undefined ? {kind: 'column', at: Number(head.dataset.column)} : {kind: 'row', at: Number(head.dataset.row)};
};
box.addEventListener('click', e => { const f = headAt(e.target); if (f) choose(f); });
box.addEventListener('pointerover', e => { const f = headAt(e.target); if (f && !state.pinned && e.pointerType !== 'touch' && state.sort === 'order') setFocus(f, false); });
box.addEventListener('pointerleave', () => { if (!state.pinned) setFocus(null, false); });

// ------------------------------------------------------------------------------------------ colouring what is drawn

function paint() {
  const f = state.focus;
  for (const u of allUnits()) {
    if (!u.node) continue;
    const other = !f ? -1 : f.kind === 'column' ? u.row : u.col;
    const v = other < 0 ? NaN : f.kind === 'column' ? value(u.row, f.at) : value(f.at, u.col);
    const own = f !== null && (f.kind === 'column' ? u.col : u.row) === f.at;
    const part = Number.isNaN(v) ? 0 : f.kind === 'column' ? share(u.row, f.at) : share(f.at, u.col);
    setHeat(u.node, own ? undefined : v);
    u.share.textContent = !own && part >= 0.005 ? (100 * part).toFixed(0) + '%' : '';
    u.node.classList.toggle('focus', own);
    u.node.setAttribute('aria-selected', own && state.pinned ? 'true' : 'false');
  }
  panels.classList.toggle('pinned', state.pinned);
  placeShares();
  for (const node of box.querySelectorAll('.at')) node.classList.remove('at', 'first', 'last');
  if (f) frame(f);
  says.textContent = sentence(f);
}

// Percentages stand under their words, in two lines; where there is no room the smaller ones give way. (They stay in the
// line of words and in the matrix.)
function placeShares() {
  const placed = new Map(); // by line of text: the places taken, in each of the two lines below it
  const some = [...allUnits()].filter(u => u.node && u.share.textContent);
  const at = some.map(u => ({u, left: u.node.offsetLeft, line: u.node.parentNode.dataset.panel + ' ' + u.node.offsetTop, size: Number(u.share.textContent.slice(0, -1)), wide: 7 * u.share.textContent.length}));
  for (const x of at.sort((a, b) => b.size - a.size)) {
    const lines = placed.get(x.line) || [[], []], free = line => line.every(([from, to]) => x.left >= to || x.left + x.wide <= from);
    const row = free(lines[0]) ? 0 : free(lines[1]) ? 1 : 2;
    if (row < 2) lines[row].push([x.left, x.left + x.wide]);
    placed.set(x.line, lines);
    x.u.share.className = ['', 'under', 'gone'][row];
  }
}

function frame(f) {
  const head = heads[f.kind].get(f.at);
  if (!head) return;
  const line = f.kind === 'column' ? drawn.rows.map(r => cells.get(r * table.columns.length + f.at)) : drawn.columns.map(c => cells.get(f.at * table.columns.length + c));
  for (const node of [head, ...line]) node.classList.add('at');
  table.steps.length && f.kind === 'column' && [...box.querySelectorAll('.steps tr')].forEach(tr => tr.children[2 + drawn.columns.indexOf(f.at)].classList.add('at'));
  box.classList.toggle('down', f.kind === 'column');
  if (state.pinned || document.activeElement && panels.contains(document.activeElement)) scrollTo(head, f.kind);
}

// Brings a head into the box without moving the page.
function scrollTo(head, kind) {
  const b = box.getBoundingClientRect(), h = head.getBoundingClientRect();
  const fixed = kind === 'column' ? box.querySelector('thead tr+tr>:nth-child(2)').getBoundingClientRect().right - b.left : box.querySelector('thead tr+tr').getBoundingClientRect().bottom - b.top;
  if (kind === 'column' && (h.left < b.left + fixed || h.right > b.right)) box.scrollLeft += h.left - b.left - fixed - 20;
  if (kind === 'row' && (h.top < b.top + fixed || h.bottom > b.bottom)) box.scrollTop += h.top - b.top - fixed - 20;
}

// What the focus shows, in words: the largest shares first.
function sentence(f) {
  if (!f) return table.panels.length ? 'Point at a word, or walk with Tab and the arrow keys, to see where it is from; click, tap or Enter pins it, Escape frees it.' : '';
  const list = [], column = f.kind === 'column';
  if (column) for (const r of table.rows.keys()) list.push([table.rows[r], value(r, f.at), share(r, f.at)]);
  else for (const c of table.columns.keys()) list.push([table.columns[c], value(f.at, c), share(f.at, c)]);
  const most = list.filter(x => Math.abs(x[1]) > 0).sort((a, b) => (table.percent ? b[2] - a[2] : Math.abs(b[1]) - Math.abs(a[1]))).slice(0, 5);
  const own = column ? table.columns[f.at] : table.rows[f.at];
  const steps = column ? table.steps.map(s => `; ${s.name} ${stepText(s, f.at)}`).join('') : '';
  return `${own.label} ${column ? '\u2190' : '\u2192'} ` + (most.map(([x, v, p]) => `${x.label} ${table.percent ? percent(p) : scoreText(v)}`).join(', ') || 'nothing') + steps + (state.pinned ? ' (pinned)' : '');
}

// ------------------------------------------------------------------------------------------ copy and download

// All of what is seen, not only the part of a large matrix that is drawn.
const seen = () => ({rows: shownRows, columns: shownColumns});
const say = text => { says.textContent = text; };

function lines(separator, word, number) {
  const {rows, columns} = seen();
  const out = [['', ...columns.map(c => word(table.columns[c].label))]];
  for (const r of rows)
    out.push([word(table.rows[r].label), ...columns.map(c => table.cell ? word(table.cell[r * table.columns.length + c]) : Number.isNaN(value(r, c)) ? '' : number(r, c))]);
  for (const s of table.steps) out.push([word(s.name), ...columns.map(c => s.whole ? String(s.v[c]) : number(null, c, s.v[c]))]);
  return out.map(line => line.join(separator));
}

// A spreadsheet must not take a word for a formula.
const harmless = t => /^[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]/.test(t) && !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(t) ? "'" + t : t;
const digits = (r, c, v = value(r, c)) => shortest(v), three = (r, c, v = value(r, c)) => r === null ? rounded(v, digitsOf(3)) : scoreText(v);
const forms = {
  tsv: () => lines('\t', harmless, digits).join('\n') + '\n',
  csv: () => lines(',', t => { const x = harmless(t); return /[",;\r\n\t]|^ | $/.test(x) ? '"' + x.replace(/"/g, '""') + '"' : x; }, digits).join('\n') + '\n',
  markdown: () => {
    const [head, ...rest] = lines(' | ', t => t.replace(/[\\|`*_<>\[\]#&~]/g, '\\$&') || '\u00A0', three);
    return [head, seen().columns.map(() => '---:').reduce((a, b) => a + ' | ' + b, ':---'), ...rest].map(x => `| ${x} |`).join('\n') + '\n';
  },
  latex: () => {
    const escape = {'\\': '\\textbackslash{}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}', '\u2581': '\\textvisiblespace{}', '\u0120': '\\textvisiblespace{}', '\u2192': '$\\rightarrow$',
                    '<': '\\textless{}', '>': '\\textgreater{}', '|': '\\textbar{}'};
    const word = t => t.replace(/[#$%&_{}]/g, '\\$&|').replace(/\\([#$%&_{}])\||[\\~^\u2581\u0120\u2192<>|]/g, (x, kept) => kept ? '\\' + kept : escape[x]);
    const number = (r, c, v = value(r, c)) => {
      const heat = r === null ? NaN : heatOf(v), text = three(r, c, v).replace('%', '\\%');
      return (Number.isNaN(heat) ? '' : `\\cellcolor[HTML]{${overWhite(heat)}}`) + (strong(heat) ? `\\textcolor{white}{${text}}` : text);
    };
    const all = lines(' & ', word, number), n = seen().rows.length, end = ' \\\\';
    return ['% \\usepackage{booktabs} \\usepackage[table]{xcolor}', `\\begin{tabular}{l${'r'.repeat(seen().columns.length)}}`, '\\toprule', all[0] + end, '\\midrule', ...all.slice(1, n + 1).map(x => x + end),
            ...(table.steps.length ? ['\\midrule'] : []), ...all.slice(n + 1).map(x => x + end), '\\bottomrule', '\\end{tabular}', ''].join('\n');
  },
  json: () => {
    const {rows, columns} = seen(), number = v => Number.isFinite(v) ? Number(shortest(v)) : null;
    return JSON.stringify({
      schema: 'inseq-page', schema_version: 1, unit: state.unit, model: table.data.model, method: table.data.method, title: table.title,
      rows: rows.map(r => table.rows[r].label), columns: columns.map(c => table.columns[c].label), values: rows.map(r => columns.map(c => number(value(r, c)))),
      words: table.cell && rows.map(r => columns.map(c => table.cell[r * table.columns.length + c])),
      step_scores: table.steps.map(s => ({name: s.name, values: columns.map(c => number(s.v[c]))})),
    }, null, 1) + '\n';
  },
  svg: () => new XMLSerializer().serializeToString(figure()) + '\n',
};

// The matrix as a drawing: light colours, real text.
function figure() {
  const {rows, columns} = seen(), wide = 54, high = 24, long = t => t.length > 24 ? t.slice(0, 23) + '\u2026' : t;
  const left = 16 + 8 * Math.max(4, ...rows.map(r => long(table.rows[r].label).length), ...table.steps.map(s => long(s.name).length));
  const top = 12 + 7 * Math.max(4, ...columns.map(c => long(table.columns[c].label).length));
  const out = svg('svg', {width: left + wide * columns.length + 8, height: top + high * (rows.length + table.steps.length) + 8, 'font-family': 'sans-serif', 'font-size': '12'});
  out.append(svg('rect', {width: '100%', height: '100%', fill: '#fff'}));
  columns.forEach((c, k) => out.append(svg('text', {transform: `translate(${left + wide * k + wide / 2 + 4} ${top - 6}) rotate(-60)`}, long(table.columns[c].label))));
  const line = (name, k, text, heat) => {
    out.append(svg('text', {x: left - 8, y: top + high * k + 16, 'text-anchor': 'end'}, long(name)));
    columns.forEach((c, i) => {
      const h = heat(c);
      if (!Number.isNaN(h)) out.append(svg('rect', {x: left + wide * i, y: top + high * k, width: wide, height: high, fill: '#' + overWhite(h), stroke: '#d5dae0'}));
      if (state.numbers || table.cell) out.append(svg('text', {x: left + wide * i + wide / 2, y: top + high * k + 16, 'text-anchor': 'middle', fill: strong(h) ? '#fff' : '#000'}, text(c)));
    });
  };
  rows.forEach((r, k) => line(table.rows[r].label, k, c => table.cell ? long(table.cell[r * table.columns.length + c]) : scoreText(value(r, c)), c => heatOf(value(r, c))));
  table.steps.forEach((s, k) => line(s.name, rows.length + k, c => stepText(s, c), () => NaN));
  return out;
}

async function copy(form) {
  const text = forms[form]();
  try {
    await navigator.clipboard.writeText(text);
  } catch (_) { // no clipboard for this page: the old way
    const area = el('textarea', {class: 'away', 'aria-hidden': 'true'});
    area.value = text;
    live.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  say(`Copied: ${seen().rows.length} rows, ${seen().columns.length} columns.`);
}

function save(form, kind) {
  const link = el('a', {download: `attribution.${form}`});
  link.href = URL.createObjectURL(new Blob([forms[form]()], {type: kind}));
  live.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`Saved as attribution.${form}.`);
}

tools.append(el('span', {}, 'Copy as'), button('TSV', () => copy('tsv')), button('Markdown', () => copy('markdown')), button('LaTeX', () => copy('latex')),
  el('span', {}, 'Download'), button('CSV', () => save('csv', 'text/csv')), button('SVG', () => save('svg', 'image/svg+xml')), button('JSON', () => save('json', 'application/json')));

// ------------------------------------------------------------------------------------------ curves

// Deletion and insertion: the mean over the steps, or the step in focus. The random order is dashed.
function drawCurves() {
  const d = table.data, own = d.curves, random = d.random_curves;
  curves.replaceChildren();
  if (!own || !d.curves.deletion.length || !own.deletion[0].length) return;
  const at = (x, name) => x ? x[name].map(row => row.reduce((a, b) => a + (b === null ? NaN : b), 0) / row.length) : null;
  const sets = [['Deletion:', 'the most important tokens are taken away; the lower, the better', at(own, 'deletion'), at(random, 'deletion')],
                ['Insertion:', 'only the most important tokens are left; the higher, the better', at(own, 'insertion'), at(random, 'insertion')]];
  const all = sets.flatMap(s => [...s[2], ...(s[3] || [])]);
  const low = Math.min(0, ...all), high = Math.max(0, ...all) || 1;
  if (!Number.isFinite(high - low)) return;
  const left = 52, top = 10, wide = 300, tall = 150;
  const line = (v, name) => v && svg('polyline', {class: name, points: v.map((x, q) => `${left + Math.trunc(q * wide / (v.length - 1))},${(top + tall * (high - x) / (high - low)).toFixed(1)}`).join(' ')});
  for (const [name, how, v, by] of sets) {
    const out = svg('svg', {width: left + wide + 24, height: top + tall + 24, role: 'img', 'aria-label': name}, svg('rect', {x: left, y: top, width: wide, height: tall}));
    for (let k = 0; k <= 2; k++)
      out.append(svg('text', {class: 'y', x: left - 6, y: top + tall * k / 2 + 4}, String(Number((high - (high - low) * k / 2).toPrecision(3)))), svg('text', {x: left + wide * k / 2, y: top + tall + 18}, `${50 * k} %`));
    out.append(...[line(by, 'random'), line(v, 'own')].filter(Boolean));
    curves.append(el('figure', {}, el('figcaption', {}, el('b', {}, name), ' ' + how), out));
  }
  curves.append(el('p', {class: 'soft'}, 'Attributed function, mean over the steps, by the share of tokens.' + (random ? ' Dashed: tokens in random order.' : '')));
}

// ------------------------------------------------------------------------------------------ paper

// A page of paper is narrower than a matrix: for printing it is cut into tables of as many columns as fit.
const COLUMNS_ON_PAPER = 11, MOST_ON_PAPER = 100000;
function printed() {
  const {rows, columns} = seen();
  paper.replaceChildren();
  if (rows.length * columns.length > MOST_ON_PAPER) {
    paper.append(el('p', {}, `The matrix (${rows.length} rows, ${columns.length} columns) is too large for paper.`));
    return;
  }
  for (let from = 0; from < columns.length; from += COLUMNS_ON_PAPER) {
    const some = columns.slice(from, from + COLUMNS_ON_PAPER), gap = Array.from({length: COLUMNS_ON_PAPER - some.length}, () => el('td', {class: 'gap'}));
    const head = el('thead', {}, el('tr', {}, el('td'), ...some.map(c => el('th', {scope: 'col'}, `${c} ${table.columns[c].label}`)), ...gap));
    const body = el('tbody', {});
    for (const r of rows) {
      const line = el('tr', {}, el('th', {scope: 'row'}, `${r} ${table.rows[r].label}`));
      for (const c of some) {
        const v = value(r, c), node = el('td', {}, table.cell ? table.cell[r * table.columns.length + c] : scoreText(v));
        setHeat(node, v);
        line.append(node);
      }
      body.append(line);
    }
    for (const s of table.steps) body.append(el('tr', {class: 'step'}, el('th', {scope: 'row'}, s.name), ...some.map(c => el('td', {}, stepText(s, c)))));
    paper.append(el('table', {}, head, body));
  }
}
addEventListener('beforeprint', printed);
addEventListener('afterprint', () => paper.replaceChildren());

// ------------------------------------------------------------------------------------------ the list of texts

const idOf = t => t.row && t.row[0][0] === 'id' ? t.row[0][1] : ''; // of a row of a data file
const list = el('div', {class: 'texts', role: 'listbox', 'aria-label': 'Texts'});
const found = el('p', {class: 'soft', role: 'status'});
let order = texts.map((_, i) => i), items = [];

function drawList() {
  items = texts.map((t, i) => {
    const other = index.texts.length && t.chapter !== (texts[i - 1] || {chapter: -1}).chapter ? index.chapters[t.chapter].title : null;
    const words = t.input || t.generated || t.name;
    return el('div', {role: 'option', tabindex: '-1', 'aria-selected': 'false', 'data-text': i, class: 'text'}, other ? el('b', {}, other) : null,
      el('span', {class: 'line'}, (idOf(t) || t.number ? (idOf(t) || t.number) + ' ' : '') + words), el('small', {}, ''));
  });
  const search = el('input', {type: 'search', oninput: () => arrange(search.value, sort.value)});
  const sort = el('select', {onchange: () => arrange(search.value, sort.value)}, el('option', {value: 'order'}, 'in order'),
    ...index.steps.flatMap((name, k) => [el('option', {value: `${k} up`}, `${name}, lowest first`), el('option', {value: `${k} down`}, `${name}, highest first`)]), el('option', {value: 'length'}, 'longest first'));
  arrange('', 'order');
  return el('nav', {class: 'list', 'aria-label': 'Texts'}, el('label', {}, el('span', {}, 'Search'), search), el('label', {}, el('span', {}, 'Sort'), sort), found, list);
}

// The texts that have the words, in the order that was asked for; a step score stands beside each (its mean over the text).
function arrange(search, sort) {
  const wanted = search.toLowerCase(), [key, way] = sort.split(' '), k = Number(key), sign = way === 'up' ? 1 : -1;
  order = texts.map((_, i) => i).filter(i => !wanted || [texts[i].input, texts[i].generated, ...(texts[i].row || []).flat()].join('\n').toLowerCase().includes(wanted));
  if (way) order.sort((a, b) => { // those without the score last
    const x = texts[a].means[k], y = texts[b].means[k];
    return x === null || y === null ? (x === null) - (y === null) || a - b : sign * (x - y) || a - b;
  });
  if (sort === 'length') order.sort((a, b) => texts[b].generated.length - texts[a].generated.length || a - b);
  for (const i of order) items[i].lastChild.textContent = way && texts[i].means[k] !== null ? rounded(texts[i].means[k]) : '';
  list.replaceChildren(...order.map(i => items[i]));
  found.textContent = order.length === texts.length ? `${texts.length} texts` : `${order.length} of ${texts.length} texts`;
  mark();
}

function mark() {
  for (const i of list.querySelectorAll('[aria-selected=true],[tabindex="0"]')) i.setAttribute('aria-selected', 'false'), i.tabIndex = -1;
  const at = order.includes(state.text) ? state.text : order[0];
  if (at === undefined || !items.length) return;
  items[at].tabIndex = 0;
  items[at].setAttribute('aria-selected', at === state.text ? 'true' : 'false');
}

function open(i, focus) {
  kept.clear();
  state.text = i, state.focus = null, state.pinned = false;
  change({sequence: sequencesOf(i)[0], picture: -1});
  mark();
  if (focus) items[i].focus({preventScroll: true}), items[i].scrollIntoView({block: 'nearest'});
}
list.addEventListener('click', e => { const item = e.target.closest('.text'); if (item) open(Number(item.dataset.text), true); });
list.addEventListener('keydown', e => {
  const item = e.target.closest('.text');
  if (!item) return;
  const at = order.indexOf(Number(item.dataset.text));
  const to = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: order.length - 1, PageDown: Math.min(order.length - 1, at + 10), PageUp: Math.max(0, at - 10), Enter: at, ' ': at}[e.key];
  if (to === undefined) return;
  e.preventDefault();
  if (order[to] !== undefined) open(order[to], true);
});

// ------------------------------------------------------------------------------------------ all of it

function drawStory() {
  const t = texts[state.text], chapter = index.chapters[t.chapter], d = table.data;
  title.textContent = chapter.title || t.name || (t.number ? t.number + ' instance' + (idOf(t) ? ` (${idOf(t)})` : '') : '') + (d.method || d.model ? (t.number ? ', ' : '') + [d.model, d.method].filter(Boolean).join(', ') : '');
  title.hidden = !title.textContent;
  story.replaceChildren(...(chapter.text ? [el('p', {}, chapter.text)] : []), ...(chapter.commands || []).map(c => el('p', {class: 'code'}, c)));
  if (t.row) story.append(el('dl', {}, ...t.row.flatMap(([key, v]) => [el('dt', {}, key), el('dd', {}, v)])));
  if (!table.panels.length && t.input) story.append(el('p', {}, t.input));
}

function drawLegend() {
  legend.hidden = !(range.max > range.min);
  legend.replaceChildren(el('span', {}, rounded(range.min)), el('i'), el('span', {}, rounded(range.max)), el('span', {}, 'blue below zero, red above'));
}

function layout() {
  look();
  right.hidden = !state.matrix && table.panels.length > 0;
  if (state.focus && state.focus.at >= (state.focus.kind === 'column' ? table.columns : table.rows).length) state.focus = null, state.pinned = false;
  drawStory(), drawControls(), drawPanels(), drawLegend(), drawMatrix(), drawCurves(), paint();
}

const header = el('header', {}); // what stands above in both forms of the page
while (live.previousSibling) header.prepend(live.previousSibling);
live.before(header);
live.append(...(texts.length > 1 ? [drawList()] : []), view);
live.classList.toggle('many', texts.length > 1);
open(0, false);
performance.mark('laid out');
})();
