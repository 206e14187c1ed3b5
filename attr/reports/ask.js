// SPDX-License-Identifier: Apache-2.0
// ask.js — the form of `inseq serve`: each text is asked for by itself, one after the other, and what comes back is a page
// (report_html.c) that is shown in a frame of its own. A frame can reach neither this page nor the server.
'use strict';
(() => {
const lists = JSON.parse(document.getElementById('lists').textContent);
const form = document.getElementById('ask'), field = form.elements, results = document.getElementById('results');
const state = document.getElementById('state'), go = document.getElementById('go'), stop = document.getElementById('stop');
let asking = null; // what stops it

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// ------------------------------------------------------------------------------------------ the form

const fill = (select, entries, chosen) => select.append(...entries.map(([value, text]) => {
  const option = el('option', {value}, text);
  option.selected = value === chosen;
  return option;
}));
fill(field.model, lists.models.map(m => [m.name, m.name]), lists.models[0].name);
fill(field.method, lists.methods.map(m => [m.name, m.name]), 'input_x_gradient');
fill(field.fn, [['', 'probability, or its difference from a foil'], ...lists.steps.map(s => [s.name, s.name])], '');
fill(field.step, [['', 'none'], ...lists.steps.map(s => [s.name, s.name])], 'probability');
document.getElementById('model').hidden = lists.models.length < 2;

function summarize() {
  const model = lists.models.find(m => m.name === field.model.value);
  document.getElementById('chat').hidden = !model.chat;
  document.getElementById('summary').textContent = field.method.value + ': ' + lists.methods.find(m => m.name === field.method.value).summary;
}
form.addEventListener('change', summarize);
summarize();

const linesOf = text => text.split(/\r?\n/).filter(line => line.trim());

// The requests that the form stands for: one for each text. Throws a sentence where it makes no sense.
function requests() {
  const each = field.lines.checked, read = name => each ? linesOf(field[name].value) : field[name].value.trim() ? [field[name].value] : [];
  const texts = read('input'), targets = read('target'), foils = linesOf(field.foils.value);
  let more = {};
  try {
    if (field.more.value.trim()) more = JSON.parse(field.more.value);
  } catch (e) {
    throw new Error('More options: ' + e.message);
  }
  if (typeof more !== 'object' || more === null || Array.isArray(more)) throw new Error('More options must be a JSON object, such as {"max_new_tokens": 20}');
  if (!texts.length) throw new Error('Which texts?');
  if (targets.length && targets.length !== texts.length) throw new Error(`${targets.length} targets for ${texts.length} texts: there must be one for each, or none`);
  if (texts.length > 1 && foils.length > 1 && foils.length !== texts.length) throw new Error(`${foils.length} foils for ${texts.length} texts: there must be one for each, or one for all`);
  return texts.map((text, i) => {
    const ask = {model: field.model.value, input_texts: [text], method: field.method.value, attribute_target: field.prefix.checked};
    if (targets.length) ask.generated_texts = [targets[i]];
    if (foils.length) ask.contrast_targets = texts.length === 1 ? foils : [foils.length > 1 ? foils[i] : foils[0]];
    if (field.fn.value || foils.length) ask.attributed_fn = field.fn.value || 'contrast_prob_diff';
    if (field.step.value) ask.step_scores = [field.step.value];
    if (field.chat.checked && !document.getElementById('chat').hidden) ask.chat = true;
    return Object.assign(ask, more);
  });
}

// ------------------------------------------------------------------------------------------ answers

function section(ask) {
  const away = el('button', {type: 'button'}, 'Remove'), node = el('section', {'aria-label': ask.input_texts[0] || 'text'},
    el('header', {}, el('h2', {}, String(ask.input_texts[0]))), el('p', {class: 'soft'}, 'waiting'));
  away.addEventListener('click', () => node.remove());
  node.firstChild.append(away);
  return node;
}

async function answer(ask, node, signal) {
  const says = node.children[1], since = performance.now();
  says.textContent = 'computing';
  try {
    const r = await fetch('attribute', {method: 'POST', signal, headers: {'Content-Type': 'application/json', Accept: 'text/html'}, body: JSON.stringify(ask)});
    const text = await r.text(), said = JSON.parse(r.headers.get('Inseq-Messages') || '[]');
    if (!r.ok) throw new Error(JSON.parse(text).error);
    says.textContent = [`${ask.model}, ${((performance.now() - since) / 1000).toFixed(2)} s`, ...said].join('; ');
    node.append(el('iframe', {sandbox: 'allow-scripts allow-downloads', allow: 'clipboard-write', title: 'Attributions of ' + ask.input_texts[0], srcdoc: text}));
  } catch (e) {
    says.className = 'wrong';
    says.textContent = e.name === 'AbortError' ? 'stopped' : e.name === 'TypeError' ? 'The server does not answer: was it ended?' : e.message;
  }
}

async function submit() {
  if (asking) return;
  let all;
  state.className = state.textContent = '';
  try {
    all = requests();
  } catch (e) {
    state.className = 'wrong', state.textContent = e.message;
    return;
  }
  asking = new AbortController();
  go.disabled = true, stop.disabled = false;
  const nodes = all.map(section);
  results.prepend(...nodes);
  for (let i = 0; i < all.length; i++) {
    if (all.length > 1) state.textContent = `${i} of ${all.length} texts`;
    await answer(all[i], nodes[i], asking.signal);
  }
  state.textContent = asking.signal.aborted ? 'Stopped.' : all.length > 1 ? `${all.length} texts` : 'Done.';
  asking = null, go.disabled = false, stop.disabled = true;
}

form.addEventListener('submit', e => { e.preventDefault(), submit(); });
form.addEventListener('keydown', e => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) e.preventDefault(), form.requestSubmit(); });
stop.addEventListener('click', () => { if (asking) asking.abort(); });
})();
