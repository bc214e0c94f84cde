/**
 * Debian's Roundcube in Chromium against our IMAP and ManageSieve: a rule is written, checked, activated and edited.
 *
 * Roundcube takes more than a minute to install, so this runs where ROUNDCUBE=1 is set and
 * `apt-get install --no-install-recommends roundcube-core roundcube-sqlite3 roundcube-plugins php-cli php-sqlite3` was run.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { imap } from 'iems/plugins/imap'
import { managesieve } from 'iems/plugins/managesieve'
import * as z from 'zod'
import { definePlugin } from '../../core/index.ts'
import { hashPassword } from '../../plugins/directory/static/passwords.ts'
import { Mailsort, type MailsortApi } from '../../plugins/mailbox/mailsort/api.ts'
import { mailsort } from '../../plugins/mailbox/mailsort/index.ts'
import { longForm } from '../support/long-form.ts'
import { createMailKernel } from '../support/mailstore.ts'
import { freePort, tempFolder } from '../support/running-server.ts'
import { startBrowser } from '../support/web-mail.ts'

const SHARE = '/usr/share/roundcube'

/** Roundcube in a folder of its own, behind PHP's own web server. Answers its address. */
async function startRoundcube(
  t: TestContext,
  listeners: { readonly imap: number; readonly sieve: number },
): Promise<string> {
  const folder = await tempFolder(t)
  for (const name of ['SQL', 'program', 'skins']) await symlink(join(SHARE, name), join(folder, name))
  for (const name of ['config', 'plugins', 'logs', 'temp']) await mkdir(join(folder, name))
  for (const name of ['defaults.inc.php', 'mimetypes.php'])
    await cp(join('/etc/roundcube', name), join(folder, 'config', name))
  for (const name of ['managesieve', 'jqueryui', 'filesystem_attachments'])
    await cp(join(SHARE, 'plugins', name), join(folder, 'plugins', name), { recursive: true, dereference: true })
  await writeFile(
    join(folder, 'index.php'),
    `<?php define('INSTALL_PATH', '${folder}/'); require '${SHARE}/index.php';`,
  )
  await writeFile(
    join(folder, 'config/config.inc.php'),
    `<?php
$config['db_dsnw'] = 'sqlite:///${folder}/roundcube.db?mode=0640';
$config['imap_host'] = '127.0.0.1:${listeners.imap}';
$config['smtp_host'] = '';
$config['des_key'] = '0123456789abcdef01234567';
$config['plugins'] = ['managesieve', 'jqueryui'];
$config['language'] = 'en_GB';
$config['log_driver'] = 'file';
$config['enable_installer'] = false;
`,
  )
  await writeFile(
    join(folder, 'plugins/managesieve/config.inc.php'),
    `<?php $config['managesieve_host'] = '127.0.0.1:${listeners.sieve}'; $config['managesieve_mbox_encoding'] = 'UTF-8';
$config['managesieve_script_name'] = 'managesieve'; $config['managesieve_raw_editor'] = true; $config['managesieve_auth_type'] = 'PLAIN';`,
  )
  const port = await freePort()
  const php = spawn('php', ['-S', `127.0.0.1:${port}`, '-t', folder], {
    env: { ...process.env, PHP_CLI_SERVER_WORKERS: '4' },
    stdio: 'ignore',
    detached: true,
  })
  t.after(() => {
    // Its workers as well.
    if (php.pid !== undefined) process.kill(-php.pid)
  })
  const base = `http://127.0.0.1:${port}`
  for (let tries = 0; tries < 100; tries++) {
    const answer = await fetch(base).catch(() => undefined)
    if (answer?.ok) return base
    await setTimeout(100)
  }
  throw new Error('Roundcube does not answer')
}

const long = longForm(process.env.ROUNDCUBE === '1')

long(
  'Roundcube writes, checks, activates and edits a rule',
  {
    timeout: 180_000,
  },
  async (t) => {
    const lent: { sort?: MailsortApi } = {}
    const borrow = definePlugin({
      name: 'borrow-mailsort',
      config: z.undefined(),
      needs: [Mailsort],
      setup(_, ctx) {
        lent.sort = ctx.use(Mailsort)
        return {}
      },
    })
    const kernel = await createMailKernel(t, {
      people: [{ name: 'ann', addresses: ['ann@here.test'], password: await hashPassword('ann-secret') }],
      plugins: [mailsort(), borrow()],
      channels: {
        imap: imap({ listen: '127.0.0.1:0', authWithoutTls: true }),
        sieve: managesieve({ listen: '127.0.0.1:0', authWithoutTls: true }),
      },
    })
    await kernel.mail.create('ann', 'Lists')
    const sort = lent.sort as MailsortApi
    const base = await startRoundcube(t, {
      imap: kernel.listener('imap').port ?? 0,
      sieve: kernel.listener('sieve').port ?? 0,
    })
    const browser = await startBrowser(t)
    const page = await browser.newPage()
    page.setDefaultTimeout(30_000)
    await page.goto(base)
    await page.fill('#rcmloginuser', 'ann')
    await page.fill('#rcmloginpwd', 'ann-secret')
    await page.click('#rcmloginsubmit')
    await page.waitForSelector('#taskmenu')
    await page.goto(`${base}/?_task=settings&_action=plugin.managesieve`)
    await page.waitForSelector('#filterslist', { state: 'attached' })

    const active = async () => {
      const [one] = (await sort.list('ann')).filter(({ isActive }) => isActive)
      return one && (await sort.get('ann', one.name))
    }
    const until = async (fits: (text: string) => boolean) => {
      for (let tries = 0; tries < 150; tries++) {
        const text = await active()
        if (text !== undefined && fits(text)) return text
        await setTimeout(200)
      }
      throw new Error(`the active script is ${await active()}`)
    }
    const form = page.frameLocator('iframe').first()
    const target = form.locator('input[name="_rule_target[0][]"]').first()
    const save = () => form.locator('.formbuttons button').first().click()

    // Roundcube writes a rule and activates its script.
    await page.click('a.create')
    await form.locator('#_name').fill('Lists')
    await form.locator('select[name="_header[0]"]').selectOption('subject')
    await target.fill('acme')
    await form.locator('select[name="_action_type[0]"]').selectOption('fileinto')
    await form.locator('select[name="_action_mailbox[0]"]').selectOption('Lists')
    await save()
    const written = await until((text) => text.includes('acme'))
    const rule = {
      ...{ name: 'Lists', match: 'all' as const, actions: [{ kind: 'fileinto' as const, mailbox: 'Lists' }] },
      conditions: [{ kind: 'header' as const, fields: ['subject'], how: 'contains' as const, values: ['acme'] }],
    }
    assert.deepEqual(sort.toRules(written), [rule])
    const content = 'From: bob@far.test\r\nTo: ann@here.test\r\nSubject: acme news\r\n\r\ntext\r\n'
    await kernel.submit({ from: 'bob@far.test', to: ['ann@here.test'], content })
    await kernel.deliver()
    assert.equal((await kernel.entries('ann', 'Lists')).length, 1)

    // Roundcube edits the rule.
    await page.locator('#filterslist td.name').first().click()
    await form.locator('#_name').waitFor()
    await target.fill('apex')
    await save()
    await until((text) => text.includes('apex') && !text.includes('acme'))

    // The server checks what Roundcube sends, and Roundcube says that it was refused.
    await form.locator('select[name="_rule_op[0]"]').selectOption('regex')
    await target.fill('(')
    await save()
    await page.locator('#messagestack .alert-danger, #messagestack .error').first().waitFor()
    assert.match((await active()) ?? '', /:contains "subject" "apex"/)

    // Roundcube shows rules that the form has written.
    const name = (await sort.list('ann')).find(({ isActive }) => isActive)?.name ?? ''
    const off = { ...rule, name: 'Second', isEnabled: false }
    await sort.put('ann', name, sort.fromRules([rule, off]))
    await page.goto(`${base}/?_task=settings&_action=plugin.managesieve`)
    await page.locator('#filterslist tr', { hasText: 'Second' }).first().waitFor({ state: 'attached' })
    assert.deepEqual(await page.locator('#filterslist td.name').allTextContents(), ['Lists', 'Second'])
    assert.equal(await page.locator('#filterslist tr.disabled').count(), 1)
  },
)
