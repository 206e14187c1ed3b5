// SPDX-License-Identifier: Apache-2.0
// ask.mjs — the page of `inseq serve` in a real browser: node ask.mjs FOLDER PROGRAM. FOLDER has node_modules; pictures are left
// there. The server is started here, on a free port of this machine, and ended with Ctrl-C's signal.
import fs from 'node:fs';
import path from 'node:path';
import {createRequire} from 'node:module';
import {spawn} from 'node:child_process';

const folder = path.resolve(process.argv[2]), require = createRequire(folder + '/');
const {chromium} = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

let checks = 0, failed = 0;
function check(what, ok, more = '') {
  checks++;
  if (!ok) failed++, console.log(`FAILED  ${what} ${more}`);
}
const same = (what, got, want) => check(what, JSON.stringify(got) === JSON.stringify(want), `got ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`);

const server = spawn(process.argv[3], ['serve', '-q', '-m', 'demo/en-nl', '-m', 'demo/yes-no', '-m', 'test/golden/models/qwen2-tiny'], {stdio: ['ignore', 'pipe', 'inherit']});
const ended = new Promise(resolve => server.on('exit', resolve));
const address = String(await new Promise(resolve => server.stdout.once('data', resolve))).trim();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function open(options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, ...options}), page = await context.newPage();
  page.on('console', m => check('no word in the console', /status of 400|ERR_CONNECTION_REFUSED/.test(m.text()), m.text()));
  page.on('pageerror', e => check('no error', false, e.message));
  page.on('request', r => check('no request but to the server', r.url().startsWith(address) || r.url().startsWith('about:') || /\/favicon\.ico$/.test(r.url()), r.url()));
  await page.goto(address);
  return page;
}
const frame = (page, k = 0) => page.frameLocator(`#results section:nth-of-type(${k + 1}) iframe`);
async function accessible(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, {iframes: false, resultTypes: ['violations']}).then(r => r.violations.map(v => `${v.id}: ${v.nodes.length} x ${v.nodes[0].html.slice(0, 120)} ${(v.nodes[0].any[0] || {}).message || ''}`)));
  check(`${name}: accessible`, !found.length, '\n  ' + found.join('\n  '));
}

try {
  const page = await open();
  await page.locator('[name=input]').fill('The nurse lost her key.\n\nA dog saw the cat.');
  await page.locator('[name=input]').press('Control+Enter');
  await page.locator('#results section:nth-of-type(2) iframe').waitFor();
  same('a frame for each text', await page.locator('#results iframe').count(), 2);
  await frame(page).locator('.words[data-panel="1"] .word').first().waitFor();
  const words = await frame(page).locator('.words[data-panel="0"] .word').allTextContents();
  check('its page is live', words.join(' ').includes('nurse'), words.join(' '));
  await frame(page).locator('.words[data-panel="1"] .word').nth(2).click();
  check('it says what a word is from', (await frame(page).locator('.says').textContent()).includes('(pinned)'));
  check('a frame cannot reach this page', await page.locator('#results iframe').first().evaluate(f => f.contentDocument === null));
  await page.screenshot({path: path.join(folder, 'ask.png'), fullPage: true});
  await accessible(page, 'form');

  await page.locator('[name=model]').selectOption('demo/yes-no');
  await page.locator('[name=input]').fill('Is Paris the capital of France?');
  await page.locator('[name=target]').fill('yes');
  await page.locator('[name=foils]').fill('no\nmaybe');
  await page.locator('#go').click();
  await page.locator('#results section:nth-of-type(3) iframe').waitFor();
  await frame(page).locator('.words').first().waitFor();
  same('a switch between foils', await frame(page).locator('label:has(> span:text-is("Foil or target")) option').count(), 2);

  await page.locator('[name=target]').fill('yes\nno');
  await page.locator('#go').click();
  check('what makes no sense is said', (await page.locator('#state').textContent()).includes('2 targets for 1 texts'));
  await page.locator('[name=target]').fill('');
  await page.locator('summary').click();
  await page.locator('[name=more]').fill('{"start_pos": "x"}');
  await page.locator('#go').click();
  await page.locator('#results section:first-of-type p.wrong').waitFor();
  check("the server's sentence is shown", (await page.locator('#results p.wrong').first().textContent()).includes('must be a whole number'));
  await page.locator('[name=more]').fill('{');
  await page.locator('#go').click();
  check('and what is no JSON', (await page.locator('#state').textContent()).startsWith('More options: '));

  await page.locator('[name=more]').fill('{"attribution_kwargs": {"n_steps": 100000}}');
  await page.locator('[name=method]').selectOption('integrated_gradients');
  await page.locator('#go').click();
  await page.locator('#stop').click();
  await page.locator('#results section:first-of-type p.wrong').waitFor();
  same('what is stopped is not waited for', await page.locator('#results p.wrong').first().textContent(), 'stopped');

  await page.locator('[name=more]').fill('');
  await page.locator('[name=method]').selectOption('saliency');
  await page.locator('[name=foils]').fill('');
  await page.locator('[name=model]').selectOption('test/golden/models/qwen2-tiny');
  check('a chat is offered', await page.locator('[name=chat]').isVisible());
  await page.locator('[name=chat]').check();
  await page.locator('[name=input]').fill('<script>alert(1)</script> "&amp;');
  await page.locator('#go').click();
  await page.locator('#results section:first-of-type iframe').waitFor();
  same('what is typed is text', await page.locator('#results h2').first().textContent(), '<script>alert(1)</script> "&amp;');
  await page.getByRole('button', {name: 'Remove'}).first().click();
  await page.context().close();

  const phone = await open({viewport: {width: 390, height: 800}, hasTouch: true, isMobile: true, colorScheme: 'dark'});
  await phone.locator('[name=input]').fill('A dog.');
  await phone.locator('#go').tap();
  await frame(phone).locator('.words').first().waitFor();
  check('no wider than a phone', await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await accessible(phone, 'phone, dark');
  await phone.screenshot({path: path.join(folder, 'ask-phone.png'), fullPage: true});
  server.kill('SIGINT');
  same('it ends as interrupted', await ended, 130);
  await phone.locator('#go').tap();
  await phone.locator('#results p.wrong').waitFor();
  check('that it was ended is said', (await phone.locator('#results p.wrong').textContent()).includes('does not answer'));
} catch (e) {
  check('all of it', false, e.stack);
}
server.kill('SIGKILL');
await browser.close();
console.log(`the page of inseq serve: ${checks} checks, ${failed} failed`);
process.exit(failed ? 1 : 0);
