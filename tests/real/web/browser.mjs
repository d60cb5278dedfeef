// Somebody at the pages in a headless Chromium. Each line on stdin is a request,
// {"do": "…", …}, each line on stdout its answer, or {"error": "…"}. Screenshots go into
// the folder OUT.
//
//   node browser.mjs BASE_URL OUT [without-script]
//
// PLAYWRIGHT and AXE are the folders of playwright-core and axe-core.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

const { chromium } = createRequire(join(process.env.PLAYWRIGHT, '/'))('playwright-core');
const axe = readFileSync(join(process.env.AXE, 'axe.min.js'), 'utf8');
const [base, out, script] = process.argv.slice(2);
mkdirSync(out, { recursive: true });

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'],
});
const context = await browser.newContext({
  viewport: { width: 1280, height: 800 },
  locale: 'en-US',
  baseURL: base,
  ignoreHTTPSErrors: true,
  javaScriptEnabled: script !== 'without-script',
});
const page = await context.newPage();
page.setDefaultTimeout(30000);

// What the browser has to complain about: blocked by the policy, not found … That a page
// itself was refused is for the test to judge.
let complaints = [];
page.on('console', message => {
  const isOfPage = message.location().url === page.url() && message.text().startsWith('Failed to load');
  if (message.type() === 'error' && !isOfPage) complaints.push(message.text());
});
page.on('pageerror', error => complaints.push(String(error)));

const texts = selector => page.$$eval(selector, all => all.map(one => one.textContent.trim()));

const seen = async response => {
  const url = new URL(page.url());
  return {
    status: response?.status() ?? 0,
    url: url.href,
    path: url.pathname + url.search,
    heading: (await texts('h1')).join(' '),
    notice: (await texts('main .notice')).join(' '),
    faults: await texts('.faults li'),
    text: await page.innerText('body'),
  };
};

// A field by its label, or by a selector that begins as one.
const field = name => (/^(css=|[#.[])/.test(name) ? page.locator(name) : page.getByLabel(name, { exact: true }));

const button = ({ name, within }) => {
  if (/^(css=|[#.[])/.test(name)) return page.locator(name).first();
  const place = within ? page.locator(within) : page;
  const of = role => place.getByRole(role, { name, exact: true });
  return of('button').or(of('link')).first();
};

const themes = ['light', 'dark'];
const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const violations = async () => {
  await page.evaluate(axe);
  const found = await page.evaluate(
    rules => window.axe.run(document, { runOnly: { type: 'tag', values: rules } }),
    rules,
  );
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(node => `${id}: ${node.html.slice(0, 200)} (${node.failureSummary.split('\n')[1]?.trim()})`));
};

// What is wider than a phone at which one has to scroll in two directions.
const tooWide = () =>
  page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return [];
    const scrolls = one => one.closest('.scroll');
    const all = [...document.querySelectorAll('body *')].filter(one => !scrolls(one));
    const wide = all.filter(one => one.getBoundingClientRect().right > room + 1);
    return wide.slice(0, 5).map(one => one.outerHTML.slice(0, 120));
  });

const requests = {
  async open({ path }) {
    return seen(await page.goto(path));
  },

  async fill({ name, value }) {
    await field(name).fill(value);
    return {};
  },

  async choose({ name, value }) {
    await field(name).selectOption(value);
    return {};
  },

  async check({ name, on }) {
    await field(name).setChecked(on);
    return {};
  },

  // What leads to another page, or to this one again.
  async click(request) {
    const [response] = await Promise.all([page.waitForNavigation(), button(request).click()]);
    return seen(response);
  },

  // From now on this page's forms send what the browser itself would not let pass.
  async loosen() {
    await page.$$eval('form', all => all.forEach(one => { one.noValidate = true; }));
    return {};
  },

  // What does something on this page.
  async press(request) {
    await button(request).click();
    return seen();
  },

  async see() {
    return seen();
  },

  async await_text({ text }) {
    await page.getByText(text).first().waitFor();
    return seen();
  },

  // The value of a field, or the text of something.
  async value({ name }) {
    const one = field(name).first();
    const isField = await one.evaluate(node => 'value' in node && node.tagName !== 'LI' && node.tagName !== 'BUTTON');
    return { value: isField ? await one.inputValue() : (await one.textContent()).trim() };
  },

  async has({ selector }) {
    return { has: (await page.locator(selector).count()) > 0 };
  },

  async links() {
    const all = await page.$$eval('a[href]', all => all.map(one => one.getAttribute('href')));
    return { links: all.filter(href => href.startsWith('/') && !href.startsWith('//')) };
  },

  // How it looks on both sizes in both themes, and what axe says of that.
  async look({ name }) {
    const found = [];
    for (const [size, viewport] of Object.entries(sizes)) {
      await page.setViewportSize(viewport);
      for (const colorScheme of themes) {
        await page.emulateMedia({ colorScheme });
        const wrong = [...await violations()];
        if (size === 'phone') {
          await page.setViewportSize({ width: 360, height: 780 });
          wrong.push(...(await tooWide()).map(one => `wider than 360 px: ${one}`));
          await page.setViewportSize(viewport);
        }
        found.push(...wrong.map(one => `${size}, ${colorScheme}: ${one}`));
        await page.screenshot({ path: join(out, `${name}-${size}-${colorScheme}.png`), fullPage: true });
      }
    }
    await page.setViewportSize(sizes.desktop);
    await page.emulateMedia({ colorScheme: null });
    return { violations: found, complaints: complaints.splice(0) };
  },

  // A request with the cookies of this browser, and without its caution.
  async ask({ method, path, headers, form }) {
    const response = await context.request.fetch(path, { method, headers, form, maxRedirects: 0 });
    return { status: response.status(), text: await response.text() };
  },

  async cookies() {
    return { cookies: await context.cookies() };
  },

  // Another person at the same computer, with nothing left of the one before.
  async forget({ name }) {
    await context.clearCookies(name ? { name: new RegExp(name) } : {});
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  const request = JSON.parse(line);
  try {
    answer = await requests[request.do](request);
  } catch (error) {
    await page.screenshot({ path: join(out, `failed-${request.do}.png`) }).catch(() => {});
    const text = await page.innerText('body').catch(() => '');
    const why = String(error).split('\n').slice(0, 4).join(' ');
    answer = { error: `${line}: ${why} at ${page.url()}: ${text.slice(0, 1500)}` };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
