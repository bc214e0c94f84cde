/** Debian's Thunderbird sets an account up from its address alone, then sends and reads mail: IEMS_THUNDERBIRD=1. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from 'iems/testing'
import { longForm } from '../support/long-form.ts'
import { freePort, startProcess, tempFolder } from '../support/running-server.ts'
import { startThunderbird } from '../support/thunderbird.ts'

const NAMES = ['mail.example.test', 'autoconfig.example.test', 'example.test']
const PASSWORD = 'a long password'

/** A certificate authority, and a certificate of it for the names. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = async (...args: string[]) => {
    const { code, err } = await runProgram('openssl', args, { cwd: folder })
    assert.equal(code, 0, err)
  }
  const fresh = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-x509']
  await openssl(...fresh, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test authority')
  const names = ['-addext', `subjectAltName=${NAMES.map((name) => `DNS:${name}`).join(',')}`]
  const leaf = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'basicConstraints=critical,CA:FALSE']
  await openssl(...fresh, ...leaf, '-keyout', 'tls.key', '-out', 'tls.pem', '-subj', '/CN=mail', ...names)
}

longForm(process.env.IEMS_THUNDERBIRD !== undefined)(
  'Thunderbird finds the settings of an address, logs in, sends, receives and keeps flags',
  async (t) => {
    const folder = await tempFolder(t)
    await makeCertificates(folder)
    const [web, imaps, smtps] = [await freePort(), await freePort(), await freePort()]
    const server = await startProcess(
      t,
      folder,
      `
import { defineConfig, secret } from 'iems'
import { http } from 'iems/plugins/http'
import { imap } from 'iems/plugins/imap'
import { smtpIn } from 'iems/plugins/smtp-in'
import { mailServer } from 'iems/presets'
const tls = { cert: '${folder}/tls.pem', key: '${folder}/tls.key' }
const implicit = { ...tls, mode: 'implicit' as const }
export default defineConfig(mailServer({
  domain: 'example.test', account: 'ann', password: secret.value('${PASSWORD}'), tls, outgoing: 'none',
  without: ['mx', 'submission', 'imap', 'pop3', 'pop3s', 'ldap', 'ldaps', 'sieve'],
  channels: {
    web: http({ listen: '127.0.0.1:${web}', tls }),
    imaps: imap({ listen: '127.0.0.1:${imaps}', tls: implicit }),
    submissions: smtpIn({ listen: '127.0.0.1:${smtps}', auth: 'required', tls: implicit }),
  },
}))
`,
    )
    const sent = await server.iems('send', 'ann@example.test', '--subject', 'Welcome', '--text', 'Hello')
    assert.equal(sent.code, 0, sent.err)
    const program = await startThunderbird(t, { folder, names: NAMES, ports: { 443: web, 993: imaps, 465: smtps } })
    const ca = (await readFile(join(folder, 'ca.pem'), 'utf8')).replace(/-----.*-----|\s/g, '')
    await program.run(
      "Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB).addCertFromBase64(args[0], 'CT,C,C')",
      ca,
    )
    const found = await program.run(
      `const { FindConfig } = ChromeUtils.importESModule('resource:///modules/accountcreation/FindConfig.sys.mjs')
       const search = FindConfig.parallelAutoDiscovery('example.test', 'ann@example.test', new AbortController().signal)
       kept.found = (await search.next()).value
       const of = ({ hostname, port, type, username, socketType }) => ({ hostname, port, type, username, socketType })
       return { source: kept.found.subSource, incoming: of(kept.found.incoming), outgoing: of(kept.found.outgoing) }`,
    )
    const tls = { hostname: 'mail.example.test', username: '%EMAILADDRESS%', socketType: 3 }
    assert.deepEqual(found, {
      source: 'xml-from-isp-https',
      incoming: { ...tls, port: 993, type: 'imap' },
      outgoing: { ...tls, port: 465, type: 'smtp' },
    })

    // As the account dialog goes on: the login is tried, and the account created.
    const folders = await program.run(
      `const { AccountConfig } = ChromeUtils.importESModule('resource:///modules/accountcreation/AccountConfig.sys.mjs')
       const { ConfigVerifier } = ChromeUtils.importESModule('resource:///modules/accountcreation/ConfigVerifier.sys.mjs')
       const { CreateInBackend } = ChromeUtils.importESModule('resource:///modules/accountcreation/CreateInBackend.sys.mjs')
       const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
       AccountConfig.replaceVariables(kept.found, 'Ann', 'ann@example.test', args[0])
       const verifier = new ConfigVerifier(null, new AbortController().signal)
       const good = await verifier.verifyConfig(kept.found, false)
       kept.account = await CreateInBackend.createAccountInBackend(good)
       kept.rounds = async (isDone) => {
         for (let left = 400; ; left--) {
           const value = isDone()
           if (value) return value
           if (left === 0) throw new Error('it did not come')
           kept.account.incomingServer.getNewMessages(kept.account.incomingServer.rootFolder, null, null)
           await new Promise((resolve) => setTimeout(resolve, 200))
         }
       }
       kept.inbox = () => kept.account.incomingServer.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox)
       kept.subjects = () => [...(kept.inbox()?.messages ?? [])].map((one) => one.mime2DecodedSubject)
       await kept.rounds(() => kept.subjects().includes('Welcome'))
       return kept.account.incomingServer.rootFolder.subFolders.map(({ name }) => name)`,
      PASSWORD,
    )
    assert.deepEqual((folders as string[]).sort(), ['Archive', 'Drafts', 'INBOX', 'Junk', 'Sent', 'Trash'])

    const subjects = await program.run(
      `const { MailServices } = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs')
       const fields = Cc['@mozilla.org/messengercompose/composefields;1'].createInstance(Ci.nsIMsgCompFields)
       Object.assign(fields, { from: 'ann@example.test', to: 'ann@example.test', subject: 'From Thunderbird' })
       const file = Services.dirsvc.get('ProfD', Ci.nsIFile)
       file.append('out.eml')
       await IOUtils.writeUTF8(file.path, args[0])
       const sender = Cc['@mozilla.org/messengercompose/send;1'].createInstance(Ci.nsIMsgSend)
       sender.sendMessageFile(kept.account.defaultIdentity, kept.account.key, fields, file, false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, null, null, null)
       await kept.rounds(() => kept.subjects().includes('From Thunderbird'))
       kept.inbox().markMessagesRead([...kept.inbox().messages], true)
       kept.inbox().markMessagesFlagged([...kept.inbox().messages].slice(0, 1), true)
       return kept.subjects()`,
      'From: ann@example.test\r\nTo: ann@example.test\r\nSubject: From Thunderbird\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n',
    )
    assert.deepEqual(subjects, ['Welcome', 'From Thunderbird'])
    // The copy that was sent and the flags reach the server.
    const counts = async () =>
      (await server.run('mailbox list', ['ann'])).values.map(
        ({ name, messages, unseen }) => `${name} ${messages} ${unseen}`,
      )
    for (const end = Date.now() + 60_000; !/INBOX 2 0.*Sent 1 0/.test((await counts()).sort().join()); )
      if (Date.now() > end) assert.fail(String(await counts()))
  },
)
