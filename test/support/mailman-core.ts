/**
 * Debian's Mailman 3 core for comparison: posts go in over LMTP, and a sink takes what it sends.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectLineClient } from 'iems/testing'
import { freePort } from './running-server.ts'
import { type Sink, startSink } from './smtp-sink.ts'

/** Debian's own Python, which has Mailman's modules. */
const PYTHON = '/usr/bin/python3'
export const MAILMAN = '/usr/lib/mailman3/bin/mailman'
export const whyNoMailman = (): string | undefined =>
  existsSync(MAILMAN) && existsSync(PYTHON) ? undefined : 'mailman3 is not installed'

export interface MailmanMember {
  readonly address: string
  readonly own?: boolean
  readonly acknowledge?: boolean
  readonly duplicates?: boolean
  readonly delivery?: 'mime' | 'none'
}

export interface MailmanSetup {
  readonly address: string
  readonly members: readonly MailmanMember[]
  readonly attributes: Readonly<Record<string, unknown>>
  /** The name server that it asks. Default: the machine's. */
  readonly dns?: string
  /** Each member gets a transaction. Default: true. */
  readonly isPersonal?: boolean
  /** Where it sends to. Default: a sink of its own. */
  readonly smtpPort?: number
}

export interface MailmanCore {
  readonly sink: Sink
  readonly pid: number
  /** Answers the reply to the end of content. */
  post(from: string, to: string, content: string): Promise<string>
}

export async function startMailman(t: Pick<TestContext, 'after'>, setup: MailmanSetup): Promise<MailmanCore> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-mailman-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const sink = await startSink(t)
  const [lmtpPort, restPort] = [await freePort(), await freePort()]
  const config = `[mailman]\nlayout: here\nsite_owner: site@lists.test\n[paths.here]\nvar_dir: ${folder}\nbin_dir: /usr/lib/mailman3/bin\n[mta]\nincoming: mailman.mta.null.NullMTA\noutgoing: mailman.mta.deliver.deliver\nlmtp_host: 127.0.0.1\nlmtp_port: ${lmtpPort}\nsmtp_host: 127.0.0.1\nsmtp_port: ${setup.smtpPort ?? sink.port}\nverp_delivery_interval: ${setup.isPersonal === false ? 0 : 1}\n[webservice]\nhostname: 127.0.0.1\nport: ${restPort}\n[dmarc]\norg_domain_data_url:\n[archiver.prototype]\nenable: no\n[archiver.mhonarc]\nenable: no\n[archiver.mail_archive]\nenable: no\n`
  await writeFile(join(folder, 'mailman.cfg'), config)
  const script = fileURLToPath(new URL('mailman-core.py', import.meta.url))
  const child = spawn(PYTHON, [script, join(folder, 'mailman.cfg')], { stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  t.after(async () => {
    if (child.exitCode !== null) return
    child.stdin.end()
    await once(child, 'exit')
  })
  child.stdin.write(`${JSON.stringify(setup)}\n`)
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error(`Mailman did not start: ${errors}`))),
  ])
  return {
    sink,
    pid: child.pid as number,
    async post(from, to, content) {
      const client = await connectLineClient(t, lmtpPort)
      const say = async (line: string) => {
        client.send(`${line}\r\n`)
        let reply = ''
        do reply = (await client.line()) ?? ''
        while (reply[3] === '-')
        return reply
      }
      await client.line()
      await say('LHLO client.test')
      await say(`MAIL FROM:<${from}>`)
      const refused = await say(`RCPT TO:<${to}>`)
      if (!refused.startsWith('250')) return refused
      await say('DATA')
      const reply = await say(`${content.replace(/^\./gm, '..')}.`)
      client.destroy()
      return reply
    },
  }
}
