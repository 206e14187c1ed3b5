// SPDX-License-Identifier: Apache-2.0
// drive.mjs — pages in a real browser: pointer, keyboard, filters, copy, 5,000 texts, themes, widths, paper, accessibility.
//
//   node drive.mjs FOLDER     FOLDER has the pages that tools/page.sh made, and node_modules; pictures are left there
//
// Numbers on the page are checked against those of the same result's flat JSON (--json), which the page has not seen.
import fs from 'node:fs';
import path from 'node:path';
import {createRequire} from 'node:module';
import {execFileSync} from 'node:child_process';

const folder = path.resolve(process.argv[2]);
const require = createRequire(folder + '/');
const {chromium} = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

let checks = 0, failed = 0;
function check(what, ok, more = '') {
  checks++;
  if (ok) return;
  failed++;
  console.log(`FAILED  ${what} ${more}`);
}
const same = (what, got, want) => check(what, JSON.stringify(got) === JSON.stringify(want), `got ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// A page that complains of anything in its console, asks for anything, or breaks its own policy fails.
async function open(name, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, acceptDownloads: true, permissions: ['clipboard-read', 'clipboard-write'], ...options});
  const page = await context.newPage();
  const file = 'file://' + path.join(folder, name);
  page.on('console', m => check(`${name}: no word in the console`, false, m.text()));
  page.on('pageerror', e => check(`${name}: no error`, false, e.message));
  page.on('request', r => check(`${name}: no request`, r.url() === file || r.url().startsWith('blob:file:'), r.url()));
  page.on('dialog', d => { check(`${name}: no dialog`, false, d.message()); d.dismiss(); });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', e => window.violations.push(e.violatedDirective + ' ' + e.blockedURI));
  });
  await page.goto(file);
  return page;
}
async function close(page, name) {
  same(`${name}: the policy is kept`, await page.evaluate(() => window.violations), []);
  await page.context().close();
}

const words = (page, panel) => page.locator(`.words[data-panel="${panel}"] .word`);
const colored = (page, panel) => page.evaluate(p => [...document.querySelectorAll(`.words[data-panel="${p}"] .word`)].filter(w => w.style.background).length, panel);
const shares = (page, panel) => page.evaluate(p => [...document.querySelectorAll(`.words[data-panel="${p}"] .word`)].map(w => w.querySelector('small').textContent), panel);
const says = page => page.locator('.says').textContent();
const labelled = (page, text) => page.locator(`label:has(> span:text-is("${text}"))`).locator('select,input');

// axe-core runs in the page's own world: the policy forbids scripts, so it is evaluated by the driver.
async function accessible(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v => `${v.id}: ${v.nodes.length} x ${v.nodes[0].html.slice(0, 120)} ${(v.nodes[0].any[0] || {}).message || ''}`)));
  check(`${name}: accessible`, !found.length, '\n  ' + found.join('\n  '));
}
const fits = async (page, name) => check(`${name}: no wider than the window`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), String(await page.evaluate(() => document.documentElement.scrollWidth)));
const picture = (page, name) => page.screenshot({path: path.join(folder, name + '.png'), fullPage: true});

// ------------------------------------------------------------------------------------------ one text: pointer and keys

async function one() {
  const page = await open('one.html'), flat = JSON.parse(fs.readFileSync(path.join(folder, 'one.json'))).sequences[0];
  const S = flat.source_tokens.length, start = flat.attr_pos_start;
  const share = c => {
    const column = [...flat.source_attributions, ...flat.target_attributions].map(r => Math.abs(r[c] ?? 0)), sum = column.reduce((a, b) => a + b, 0);
    return column.map(x => x / sum >= 0.005 ? (100 * x / sum).toFixed(0) + '%' : '');
  };
  same('words of the source', await words(page, 0).count(), S);
  same('nothing is coloured at first', await colored(page, 0), 0);
  const at = 4, target = words(page, 1).nth(start + at);
  await target.hover();
  same('percentages of the source', await shares(page, 0), share(at).slice(0, S));
  const prefix = await shares(page, 1), own = start + at;
  same('percentages of what was written before', prefix.filter((_, i) => i !== own), share(at).slice(S).concat(Array(prefix.length).fill('')).slice(0, prefix.length).filter((_, i) => i !== own));
  check('the line says it in words', /^.*sleutel ← .*key 42%/.test(await says(page)), await says(page));
  await page.mouse.move(5, 5);
  same('the pointer goes, the colours too', await colored(page, 0), 0);

  await target.click();
  await words(page, 1).nth(start).hover();
  check('what is pinned stays', (await says(page)).endsWith('(pinned)') && (await says(page)).includes('sleutel'));
  same('pinned for readers', await target.getAttribute('aria-selected'), 'true');
  same('the column in focus is framed', await page.locator('.matrix .at').count(), 1 + S + flat.target_tokens.length + Object.keys(flat.step_scores).length);
  await page.keyboard.press('ArrowRight');
  check('arrows walk, pinned', (await says(page)).startsWith('. ←') && (await says(page)).endsWith('(pinned)'), await says(page));
  await page.keyboard.press('Escape');
  await page.mouse.move(5, 5);
  check('Escape frees', !(await says(page)).includes('(pinned)'));

  await words(page, 0).nth(4).click(); // the other direction
  const fed = await page.evaluate(() => [...document.querySelectorAll('.words[data-panel="1"] .word small')].map(x => x.textContent));
  same('what a source word fed', fed, flat.target_tokens.map((_, i) => i < start ? '' : share(i - start)[4]));
  check('said the other way round', /key → /.test(await says(page)), await says(page));
  await words(page, 0).nth(4).click();
  await page.mouse.move(5, 5);
  same('a second click frees', await colored(page, 1), 0);

  await labelled(page, 'A generated word shows').selectOption('fed');
  await words(page, 1).nth(start).hover();
  check('a generated word fed later ones', /De → /.test(await says(page)), await says(page));
  await labelled(page, 'A generated word shows').selectOption('');

  // by the keyboard alone
  await page.reload();
  let tabs = 0;
  while (tabs++ < 40 && !(await page.evaluate(() => document.activeElement.matches('.words[data-panel="1"] .word')))) await page.keyboard.press('Tab');
  check('Tab reaches the generated text', tabs < 40);
  await page.keyboard.press('End');
  check('End goes to the last word', /<\/s> ← /.test(await says(page)), await says(page));
  await page.keyboard.press('Home'), await page.keyboard.press('ArrowRight'), await page.keyboard.press('Enter');
  check('Enter pins', /De ← .*\(pinned\)$/.test(await says(page)), await says(page));
  const box = await page.locator('.words[data-panel="1"] .word:focus').count();
  same('the keyboard stays on the word', box, 1);
  await picture(page, 'one-light');
  await page.keyboard.press('Escape');

  // touch
  const phone = await open('one.html', {viewport: {width: 390, height: 800}, hasTouch: true, isMobile: true, colorScheme: 'dark'});
  await words(phone, 1).nth(start + 1).tap();
  check('a tap pins', (await says(phone)).endsWith('(pinned)'));
  await fits(phone, 'one at 390 px');
  await accessible(phone, 'one at 390 px, dark');
  await picture(phone, 'one-390-dark');
  await close(phone, 'one at 390 px');

  await controls(page, flat);
  await exports(page, flat);
  await accessible(page, 'one');
  await fits(page, 'one');
  await close(page, 'one');
}

// ------------------------------------------------------------------------------------------ controls

const heads = page => page.evaluate(() => [...document.querySelectorAll('.matrix tbody th[data-row]')].map(x => x.textContent));

async function controls(page, flat) {
  const all = await heads(page);
  same('all rows', all, [...flat.source_tokens, ...flat.target_tokens.slice(0, flat.target_attributions.length)]);
  await labelled(page, 'Rows with').fill('ER');
  same('rows with some letters', await heads(page), all.filter(x => x.toLowerCase().includes('er')));
  await labelled(page, 'Rows with').fill('');
  await labelled(page, 'hide special tokens').check();
  same('no special tokens', await heads(page), all.filter(x => !/^<.*>$/.test(x)));
  same('nor in the text', await words(page, 0).count(), flat.source_tokens.length - 1);
  await labelled(page, 'hide special tokens').uncheck();
  await labelled(page, 'Hide rows below').selectOption('0.2');
  const few = await heads(page);
  check('small rows are hidden', few.length > 0 && few.length < all.length && few.includes('▁nurse'), few.join());
  await labelled(page, 'Hide rows below').selectOption('0');
  await labelled(page, 'Rows').selectOption('score');
  const sorted = await heads(page);
  check('sorted', sorted.join() !== all.join() && [...sorted].sort().join() === [...all].sort().join());
  await words(page, 1).nth(flat.attr_pos_start + 4).click();
  same('sorted by the column in focus', (await heads(page))[0], '▁key');
  await page.keyboard.press('Escape');
  await labelled(page, 'Rows').selectOption('order');
  await labelled(page, 'Underline').selectOption('probability');
  const bars = await page.evaluate(() => [...document.querySelectorAll('.words[data-panel="1"] .word i')].map(x => x.style.width));
  same('underlined by probability', bars.filter(Boolean), flat.step_scores.probability.map(x => (100 * x).toFixed(1) + '%'));
  await labelled(page, 'numbers').uncheck();
  check('no numbers', await page.evaluate(() => getComputedStyle(document.querySelector('.matrix tbody td span')).visibility === 'hidden' && getComputedStyle(document.querySelector('.word small')).display === 'none'));
  await labelled(page, 'numbers').check();
  await labelled(page, 'matrix').uncheck();
  check('no matrix', !(await page.locator('.matrix').isVisible()));
  await labelled(page, 'matrix').check();
  same('the keyboard stays where it was', await page.evaluate(() => document.activeElement.parentNode.textContent), 'matrix');
}

// ------------------------------------------------------------------------------------------ copy and download

async function download(page, label) {
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', {name: label, exact: true}).click()]);
  return {name: file.suggestedFilename(), text: fs.readFileSync(await file.path(), 'utf8')};
}

async function exports(page, flat) {
  const rows = [...flat.source_attributions, ...flat.target_attributions];
  const copied = async label => {
    await page.getByRole('button', {name: label, exact: true}).click();
    await page.waitForFunction(() => document.querySelector('.says').textContent.startsWith('Copied'));
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const tsv = (await copied('TSV')).trimEnd().split('\n').map(l => l.split('\t'));
  same('TSV: columns', tsv[0].slice(1), flat.target_tokens.slice(flat.attr_pos_start));
  same('TSV: the numbers', tsv.slice(1, 1 + rows.length).map(r => r.slice(1).map(x => x === '' ? null : Number(x))), rows);
  same('TSV: step scores', tsv[1 + rows.length].slice(1).map(Number), flat.step_scores.probability);
  const markdown = (await copied('Markdown')).trimEnd().split('\n');
  same('Markdown: lines', markdown.length, 2 + rows.length + Object.keys(flat.step_scores).length);
  check('Markdown: as many cells in each', markdown.every(l => l.split(/(?<!\\)\|/).length === flat.target_tokens.length - flat.attr_pos_start + 3));
  const latex = await copied('LaTeX');
  fs.writeFileSync(path.join(folder, 'one.tex'), latex);
  check('LaTeX', latex.includes('\\begin{tabular}{lrrrrrrr}') && latex.includes('\\textvisiblespace{}key & ') && /\\cellcolor\[HTML\]\{[0-9A-F]{6}\}/.test(latex) && latex.includes('\\bottomrule'));
  same('LaTeX: braces', (latex.match(/(?<!\\)\{/g) || []).length, (latex.match(/(?<!\\)\}/g) || []).length);
  const csv = await download(page, 'CSV');
  same('CSV: its name', csv.name, 'attribution.csv');
  same('CSV: lines', csv.text.trimEnd().split('\n').length, tsv.length);
  const json = JSON.parse((await download(page, 'JSON')).text);
  same('JSON: the numbers', json.values, rows);
  const svg = (await download(page, 'SVG')).text;
  const drawn = await page.evaluate(text => {
    const x = new DOMParser().parseFromString(text, 'image/svg+xml');
    return [x.documentElement.nodeName, x.getElementsByTagName('parsererror').length, [...x.getElementsByTagName('text')].map(t => t.textContent)];
  }, svg);
  check('SVG', drawn[0] === 'svg' && drawn[1] === 0 && drawn[2].includes('▁verpleegster') && drawn[2].includes('0.419'));
  fs.writeFileSync(path.join(folder, 'one.svg'), svg);
}

// ------------------------------------------------------------------------------------------ several methods, models, foils

async function several() {
  const page = await open('methods.html');
  same('two texts', await page.locator('.text').count(), 2);
  const method = labelled(page, 'Method');
  same('three methods', await method.locator('option').allTextContents(), ['saliency', 'attention', 'input_x_gradient']);
  await words(page, 1).nth(2).click();
  const before = await shares(page, 0);
  await method.selectOption('attention');
  const after = await shares(page, 0);
  check('another method, the same word', before.join() !== after.join() && (await says(page)).endsWith('(pinned)'));
  const scale = () => page.locator('.view .scale span').first().textContent();
  const own = await scale();
  await labelled(page, 'one scale for all').check();
  const common = await scale();
  check('one scale is the widest', Number(common) <= Number(own), own + ' ' + common);
  await method.selectOption('saliency');
  same('and the same for all', await scale(), common);
  check('curves', await page.locator('.view .curves polyline').count() >= 2);
  check('agreement and faithfulness stand where they were', await page.locator('table.figures').count() >= 2);
  await page.locator('.text').nth(1).click();
  check('the other text', (await words(page, 0).allTextContents()).join(' ').includes('dog'));
  await accessible(page, 'methods');
  await picture(page, 'methods-light');
  await close(page, 'methods');

  const foils = await open('foils.html');
  same('foils are one text', await foils.locator('.text').count(), 0);
  same('and a switch', await labelled(foils, 'Foil or target').locator('option').count(), 2);
  await close(foils, 'foils');
}

// ------------------------------------------------------------------------------------------ 5,000 texts

async function many() {
  const page = await open('many.html', {colorScheme: 'dark'});
  const time = await page.evaluate(() => performance.getEntriesByName('laid out')[0].startTime);
  console.log(`        5,000 texts (${(fs.statSync(path.join(folder, 'many.html')).size / 1e6).toFixed(1)} MB): first layout after ${time.toFixed(0)} ms`);
  check('5,000 texts: first layout within a second', time < 1000, time + ' ms');
  same('all are in the list', await page.locator('.text').count(), 5000);
  const search = page.getByLabel('Search'), t = Date.now();
  await search.fill('lost her key');
  const found = await page.locator('.text').count();
  check('search', found > 0 && found < 5000, String(found));
  await search.fill('');
  await page.getByLabel('Sort').selectOption({label: 'probability, lowest first'});
  const means = (await page.locator('.text small').allTextContents()).map(Number);
  check('sorted by a step score', means.every((x, i) => !i || means[i - 1] <= x));
  check('quick enough', Date.now() - t < 8000, Date.now() - t + ' ms');
  await page.locator('.text').first().click();
  await page.keyboard.press('ArrowDown'), await page.keyboard.press('ArrowDown');
  same('arrows walk the list', await page.locator('.text[aria-selected=true]').evaluate(x => [...x.parentNode.children].indexOf(x)), 2);
  check('one text is laid out', await page.locator('.words').count() === 2);
  await picture(page, 'many-dark');
  await close(page, 'many');
}

// ------------------------------------------------------------------------------------------ other kinds of pages

async function kinds() {
  const units = await open('one.html'), seen = page => page.evaluate(() => [...document.querySelectorAll('.matrix tbody tr')].map(tr => [...tr.children].slice(2).map(x => x.textContent)));
  for (const unit of ['word', 'sentence']) {
    const flat = JSON.parse(fs.readFileSync(path.join(folder, `one-${unit}.json`))).sequences[0];
    await labelled(units, 'Unit').selectOption(unit);
    same(`${unit}s`, await heads(units), [...flat.source_tokens, ...flat.target_tokens.slice(0, flat.target_attributions.length)]);
    await units.getByRole('button', {name: 'JSON', exact: true}).scrollIntoViewIfNeeded();
    const json = JSON.parse((await download(units, 'JSON')).text);
    same(`${unit}s: their numbers`, json.values, [...flat.source_attributions, ...flat.target_attributions]);
    same(`${unit}s: their step scores`, json.step_scores[0].values, flat.step_scores.probability);
    await picture(units, 'units-' + unit);
  }
  await close(units, 'units');
  const layers = await open('attention.html');
  for (const at of ['0-0', '2-3']) {
    const flat = JSON.parse(fs.readFileSync(path.join(folder, `attention-${at}.json`))).sequences[0];
    await labelled(layers, 'Layer').selectOption(at[0]), await labelled(layers, 'Head').selectOption(at[2]);
    same(`layer and head ${at}`, JSON.parse((await download(layers, 'JSON')).text).values, [...flat.source_attributions, ...flat.target_attributions]);
  }
  await words(layers, 1).nth(3).click();
  await picture(layers, 'attention-picked');
  await close(layers, 'layers and heads');
  for (const [name, text] of [['demo', 'demo'], ['chat', 'chat'], ['layers', 'layers'], ['lens', 'lens'], ['attention', 'attention'], ['long', 'long']]) {
    for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
      const page = await open(name + '.html', {viewport: {width, height: 900}, colorScheme: scheme});
      await fits(page, `${text} at ${width} px`);
      if ((width === 1280) === (scheme === 'light')) await accessible(page, `${text} at ${width} px, ${scheme}`);
      await picture(page, `${name}-${width}-${scheme}`);
      await close(page, `${text} at ${width} px, ${scheme}`);
    }
  }
  const demo = await open('demo.html');
  for (let i = 0; i < 5; i++) {
    await demo.locator('.text').nth(i).click();
    await words(demo, 1).nth(1).click();
    check(`demo, chapter ${i + 1}`, (await demo.locator('#title').textContent()).startsWith(`${i + 1}. `) && (await says(demo)).endsWith('(pinned)'));
    await accessible(demo, `demo, chapter ${i + 1}`);
  }
  await close(demo, 'demo');
  const chat = await open('chat.html');
  same('a prompt and an answer', await chat.locator('.panel>:first-child').allTextContents(), ['Prompt', 'Generated']);
  const whole = await words(chat, 0).count();
  await labelled(chat, 'hide the template').check();
  check('the template is hidden', await words(chat, 0).count() < whole && await words(chat, 0).count() > 0);
  await close(chat, 'chat');
}

// ------------------------------------------------------------------------------------------ paper, colours, hostile texts, no scripts

async function paper() {
  for (const name of ['one', 'long']) {
    const page = await open(name + '.html', {colorScheme: 'light'});
    const flat = JSON.parse(fs.readFileSync(path.join(folder, name + '.json'))).sequences[0];
    await page.pdf({path: path.join(folder, name + '.pdf'), format: 'A4', printBackground: true});
    await page.emulateMedia({media: 'print'});
    await page.setViewportSize({width: 718, height: 1000}); // A4 less its margins
    const got = await page.evaluate(() => {
      dispatchEvent(new Event('beforeprint'));
      const cells = [...document.querySelectorAll('.paper th,.paper td')];
      return {wide: Math.max(...cells.map(x => x.getBoundingClientRect().right)), cut: cells.filter(x => x.scrollWidth > x.clientWidth + 1).map(x => x.textContent).slice(0, 5),
              heads: [...document.querySelectorAll('.paper thead th')].map(x => x.textContent), numbers: [...document.querySelectorAll('.paper tbody td:not(.gap)')].length};
    });
    same(`${name}: every column is on paper`, got.heads, flat.target_tokens.slice(flat.attr_pos_start, flat.attr_pos_end).map((x, i) => `${i} ${x}`));
    check(`${name}: no column beyond the paper`, got.wide <= 718, String(got.wide));
    same(`${name}: no cell is cut`, got.cut, []);
    await close(page, name + ' on paper');
    try {
      const text = execFileSync('pdftotext', ['-layout', path.join(folder, name + '.pdf'), '-'], {encoding: 'utf8'});
      const last = flat.source_attributions ? flat.source_attributions[0].length - 1 : flat.target_attributions[0].length - 1;
      check(`${name}: its last column is in the PDF`, new RegExp(`(^|\\s)${last} `, 'm').test(text));
    } catch (e) { if (e.code !== 'ENOENT') throw e; }
  }
  const bare = await open('long.html', {javaScriptEnabled: false});
  check('without scripts: the tables', await bare.locator('noscript table').count() > 0 || await bare.locator('table').count() > 0);
  await bare.pdf({path: path.join(folder, 'long-noscript.pdf'), format: 'A4'});
  await bare.emulateMedia({media: 'print'});
  await bare.setViewportSize({width: 718, height: 1000});
  const wide = await bare.locator('table').first().evaluate(t => Math.max(...[...t.querySelectorAll('td,th')].map(x => x.getBoundingClientRect().right))).catch(() => null);
  if (wide !== null) check('without scripts: no column beyond the paper', wide <= 720, String(wide));
  await picture(bare, 'long-noscript-print');
  await bare.context().close();
}

async function forced() {
  for (const scheme of ['light', 'dark']) {
    const page = await open('one.html', {forcedColors: 'active', colorScheme: scheme});
    await words(page, 1).nth(5).click();
    await picture(page, 'forced-' + scheme);
    const lines = await page.evaluate(() => [...document.querySelectorAll('.word[data-level]')].map(x => getComputedStyle(x).borderBottomWidth));
    check('forced colours: strength is a line', lines.length > 3 && new Set(lines).size > 1);
    await close(page, 'forced colours');
  }
}

async function hostile() {
  const page = await open('hostile.html'), visible = JSON.parse(fs.readFileSync(path.join(folder, 'hostile.json')));
  const shown = await heads(page);
  check('hostile tokens are text', shown.length > 10 && shown.some(x => x.includes('<script>')) && shown.some(x => x.includes('</script>')), JSON.stringify(shown).slice(0, 300));
  same('all of them', shown.length, visible.length);
  same('no element of theirs', await page.evaluate(() => [...document.querySelectorAll('#live *')].map(x => x.localName).filter(x => /^(script|img|iframe|b|a|style|link|object|embed|form)$/.test(x))), []);
  same('nothing of theirs ran', await page.evaluate(() => [window.pwned, ({}).polluted]), [undefined, undefined]);
  for (let i = 0; i < await words(page, 0).count(); i++) await words(page, 0).nth(i).click({force: true});
  for (const label of ['TSV', 'Markdown', 'LaTeX']) await page.getByRole('button', {name: label, exact: true}).click();
  const csv = (await download(page, 'CSV')).text;
  check('no formula for a spreadsheet', !/(^|,|\n)"?[=@]/.test(csv));
  const svg = (await download(page, 'SVG')).text;
  same('an SVG that parses', await page.evaluate(t => new DOMParser().parseFromString(t, 'image/svg+xml').getElementsByTagName('parsererror').length, svg), 0);
  JSON.parse((await download(page, 'JSON')).text);
  await picture(page, 'hostile');
  await accessible(page, 'hostile');
  await close(page, 'hostile');
}

// ------------------------------------------------------------------------------------------ attribute-context

async function contexts() {
  const page = await open('context.html'), saved = JSON.parse(fs.readFileSync(path.join(folder, 'context.json')));
  const hot = page.locator('a.hot'), cues = page.locator('.cue'), n = saved.cci_scores.length;
  const shown = () => page.evaluate(() => [...document.querySelectorAll('.cue')].map((x, i) => x.getClientRects().length ? i : -1).filter(i => i >= 0));
  check('several sensitive tokens', n > 1, String(n));
  same('each is a link', await hot.count(), n);
  same('the first one is shown', await shown(), [0]);
  const places = await hot.evaluateAll(v => v.map(x => Number(x.dataset.cue)));
  for (let k = 0; k < n; k++) {
    await hot.nth(k).click();
    same('a click shows its own', await shown(), [places[k]]);
    same('and says so to readers', await hot.evaluateAll(v => v.map(x => x.getAttribute('aria-current'))), places.map(i => String(i === places[k])));
    const cue = saved.cci_scores[places[k]], tokens = await cues.nth(places[k]).locator('.t').evaluateAll(v => v.map(x => x.title));
    same('every token of both contexts', tokens.length, saved.input_context_tokens.length + saved.output_context_tokens.length);
    const numbers = tokens.map(x => Number(x.slice(x.lastIndexOf(': ') + 2)));
    check('with its number', [...cue.input_context_scores, ...cue.output_context_scores].every((x, i) => Math.abs(x - numbers[i]) <= 1e-6 * Math.abs(x)), numbers.join());
    check('its name', (await cues.nth(places[k]).locator('h2').textContent()).includes(cue.cti_token.replace('▁', '')));
  }
  await page.reload(); // by the keyboard alone
  const focused = () => page.evaluate(() => document.activeElement.dataset.cue);
  let tabs = 0;
  while (tabs++ < 20 && await focused() === undefined) await page.keyboard.press('Tab');
  check('Tab reaches the first', await focused() === String(places[0]), String(tabs));
  await page.keyboard.press('End');
  same('End goes to the last', await focused(), String(places[n - 1]));
  same('and shows it', await shown(), [places[n - 1]]);
  await page.keyboard.press('ArrowLeft');
  same('arrows walk', await focused(), String(places[n - 2]));
  await page.keyboard.press('Home'), await page.keyboard.press('Enter');
  same('Home, Enter', await shown(), [places[0]]);
  same('the place in the page stays', await page.evaluate(() => location.hash), '');
  await page.emulateMedia({media: 'print'});
  same('on paper all are there', await shown(), saved.cci_scores.map((_, i) => i));
  await page.emulateMedia({media: 'screen'});
  await close(page, 'context');

  const bare = await open('context.html', {javaScriptEnabled: false});
  same('without scripts all are there', await bare.locator('.cue:visible').count(), n);
  await bare.context().close();
  for (const name of ['context', 'contexts', 'sizes'])
    for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
      const view = await open(name + '.html', {viewport: {width, height: 900}, colorScheme: scheme});
      await fits(view, `${name} at ${width} px`);
      await accessible(view, `${name} at ${width} px, ${scheme}`);
      await picture(view, `${name}-${width}-${scheme}`);
      await close(view, `${name} at ${width} px, ${scheme}`);
    }
  const two = await open('contexts.html');
  same('a part for each context', await two.locator('section').count(), 2);
  check('hostile words are text', (await two.locator('body').textContent()).includes('<img src=x onerror=alert(1)>'));
  same('and no elements', await two.locator('img, b, section script').count(), 0);
  for (let k = 0; k < await two.locator('section').count(); k++) {
    const part = two.locator('section').nth(k), links = part.locator('a.hot');
    for (let i = 0; i < await links.count(); i++) {
      await links.nth(i).click();
      same('each part has its own choice', await part.locator('.cue:visible').count(), 1);
    }
  }
  await close(two, 'contexts');
  const sizes = await open('sizes.html');
  check('a table over sizes', await sizes.locator('table tr').count() > 2);
  const forced = await open('context.html', {forcedColors: 'active'});
  await picture(forced, 'context-forced');
  check('forced colours: a border marks', await forced.evaluate(() => getComputedStyle(document.querySelector('a.hot')).borderTopStyle === 'solid'));
  await close(forced, 'context in forced colours'), await close(sizes, 'sizes');
}

const only = process.argv[3];
for (const part of [one, several, many, kinds, paper, forced, hostile, contexts])
  if (!only || part.name === only) await part().catch(e => check(part.name, false, e.stack));
await browser.close();
console.log(`pages in a browser: ${checks} checks, ${failed} failed`);
process.exit(failed ? 1 : 0);
