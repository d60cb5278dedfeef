// A person at Roundcube in a headless Chromium. Each line on stdin is a request,
// {"do": "…", …}, each line on stdout its answer: what can be seen afterwards, or
// {"error": "…"}. Every answer leaves a screenshot in the folder OUT.
//
//   node browser.mjs WEBMAIL_URL OUT
//
// PLAYWRIGHT is the folder of playwright-core.
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

const { chromium } = createRequire(join(process.env.PLAYWRIGHT, '/'))('playwright-core');
const [webmail, out] = process.argv.slice(2);
mkdirSync(out, { recursive: true });

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'],
});
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US' });
const page = await context.newPage();
page.setDefaultTimeout(60000);

const places = {
  mailbox: '#messagelist',
  keycloak: '#kc-form-login',
  'keycloak-refuses': '#input-error, .kc-feedback-text',
  login: '#login-form',
  error: '#message.error, .boxerror, #layout-content .error',
};

// Waits until one of these places is on the screen; its name.
const arrive = (...names) =>
  Promise.race(names.map(async name => {
    await page.waitForSelector(places[name], { state: 'attached' });
    return name;
  }));

const text = async selector =>
  (await page.$$eval(selector, found => found.map(one => one.textContent.trim()).join(' ')));

// What a person sees.
const seen = async where => ({
  where,
  account: where === 'mailbox' ? await text('.header-title.username') : '',
  subjects: where === 'mailbox' ? await subjects() : [],
  message: await text('#messagestack > div, #input-error, .kc-feedback-text'),
  text: where === 'mailbox' ? '' : (await page.innerText('body')).slice(0, 2000),
});

// The list is filled by a second request.
const subjects = async () => {
  await page.waitForFunction(() => !window.rcmail?.busy && document.querySelector('#messagelist'));
  await page.waitForLoadState('networkidle');
  return page.$$eval('#messagelist td.subject span.subject', found => found.map(one => one.textContent.trim()));
};

const requests = {
  // The login page of Roundcube, and its button.
  async signIn({ person }) {
    await page.goto(webmail);
    await page.waitForSelector('#rcmloginoauth');
    await shoot('login-page');
    await page.click('#rcmloginoauth');
    let where = await arrive('keycloak', 'mailbox', 'login');
    if (where === 'keycloak' && person) {
      await page.fill('#username', person);
      await page.fill('#password', `password-of-${person}`);
      await shoot('keycloak');
      await page.click('#kc-login');
      await page.waitForURL(url => url.href.startsWith(webmail) || url.pathname.includes('authenticate'));
      where = await arrive('mailbox', 'login', 'keycloak-refuses');
    }
    return seen(where);
  },

  async openMailbox() {
    await page.goto(`${webmail}?_task=mail&_mbox=INBOX`);
    return seen(await arrive('mailbox', 'login', 'error'));
  },

  async send({ to, subject, body }) {
    await page.goto(`${webmail}?_task=mail&_action=compose`);
    await page.waitForSelector('#composebody');
    await page.fill('#compose_to input', to);
    await page.press('#compose_to input', 'Enter');
    await page.fill('#compose-subject', subject);
    await page.fill('#composebody', body);
    await shoot('compose');
    await page.click('button.send');
    const what = await Promise.race([
      page.waitForSelector('#messagestack .alert-danger, #messagestack .error').then(() => 'refused'),
      page.waitForSelector('#messagelist', { state: 'attached' }).then(() => 'mailbox'),
    ]);
    return seen(what);
  },

  // Looks for new mail until the subject is there, and opens it.
  async read({ subject }) {
    for (let tries = 0; tries < 60; tries += 1) {
      await page.goto(`${webmail}?_task=mail&_mbox=INBOX`);
      await arrive('mailbox');
      if ((await subjects()).some(one => one.includes(subject))) break;
      await page.waitForTimeout(500);
    }
    await shoot('list');
    const link = page.locator('#messagelist td.subject a', { hasText: subject }).first();
    const href = await link.getAttribute('href');
    await page.goto(new URL(href.replace('_action=preview', '_action=show'), page.url()).href);
    await page.waitForSelector('#messagebody');
    return { where: 'message', message: await text('#messagebody'), text: await text('#messageheader') };
  },

  async signOut() {
    await page.click('#taskmenu a.logout');
    return seen(await arrive('login'));
  },

  // Another person at the same computer, with nothing left of the one before.
  async forget() {
    await context.clearCookies();
    return { where: 'nowhere' };
  },
};

let shots = 0;
const shoot = name => {
  shots += 1;
  return page.screenshot({ path: join(out, `${String(shots).padStart(2, '0')}-${name}.png`) });
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  const request = JSON.parse(line);
  try {
    answer = await requests[request.do](request);
    await shoot(`${request.do}-${answer.where}`);
  } catch (error) {
    await shoot(`${request.do}-failed`).catch(() => {});
    answer = { error: `${request.do}: ${String(error).split('\n').slice(0, 3).join(' ')} at ${page.url()}` };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
