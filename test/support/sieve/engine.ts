/** Runs scripts through this engine and through Debian's dovecot-sieve, with what they do in the same words. */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scope } from '../../../core/testing/scope.ts'
import {
  compileScript,
  createSieve,
  type Environment,
  evaluate,
  type Limits,
  type MessageSource,
  type Result,
} from '../../../plugins/mailbox/mailsort/sieve/index.ts'

export const ENVELOPE = { from: 'sender@example.net', to: 'ken+sieve@example.org' }

export function sourceOf(content: string): MessageSource {
  const octets = Buffer.from(content)
  const end = octets.indexOf('\r\n\r\n')
  return {
    size: octets.length,
    header: octets.subarray(0, end < 0 ? octets.length : end + 4),
    async *open(range) {
      yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
    },
  }
}

const sieve = createSieve()

export function run(
  script: string,
  content: string,
  more: Partial<Environment> = {},
  limits: Partial<Limits> = {},
): Promise<Result> {
  const environment = { envelope: ENVELOPE, now: Date.UTC(2026, 10, 28, 12), ...more }
  return evaluate(compileScript(script, sieve), sourceOf(content), environment, { explain: true, limits })
}

const filed = (mailbox: string, flags: readonly string[] = []) =>
  ['into', mailbox, ...flags.map((flag) => flag.toLowerCase()).sort()].join(' ')
const inOrder = (found: readonly string[]) => [...new Set(found)].sort().join('; ')

/** What a result does: `into INBOX \seen; redirect a@b`, in alphabetical order. */
export function summary({ actions, isKept, flags, error }: Result): string {
  if (error) return `failed: ${error.message}`
  const found = actions.flatMap((action) => {
    if (action.kind === 'fileinto') return [filed(action.mailbox, action.flags)]
    if (action.kind === 'keep') return [filed('INBOX', action.flags)]
    if (action.kind === 'redirect') return [`redirect ${action.address}`]
    return action.kind === 'discard' ? [] : [action.kind]
  })
  const isExplicit = actions.some(({ kind }) => kind === 'keep')
  return inOrder(isKept && !isExplicit ? [...found, filed('INBOX', flags)] : found)
}

export interface Dovecot {
  /** The same words as `summary`, or `error`. */
  run(script: string, content: string): Promise<string>
}

export async function createDovecot(t: Scope): Promise<Dovecot> {
  const folder = await mkdtemp(join(tmpdir(), 'iems-sieve-'))
  await chmod(folder, 0o777)
  t.after(() => rm(folder, { recursive: true, force: true }))
  const config = join(folder, 'dovecot.conf')
  await writeFile(
    config,
    `mail_uid = nobody\nmail_gid = nogroup\nfirst_valid_uid = 1\nmail_home = ${folder}\nmail_location = maildir:${folder}/mail\n` +
      `postmaster_address = postmaster@here.test\nplugin {\n  sieve_extensions = +vacation-seconds +editheader +mboxmetadata +servermetadata +special-use +spamtest +spamtestplus +virustest\n  sieve_max_actions = 0\n  sieve_spamtest_status_type = score\n  sieve_spamtest_status_header = X-None: ([0-9]+)\n  sieve_spamtest_max_value = 10\n  sieve_virustest_status_type = score\n  sieve_virustest_status_header = X-None: ([0-9]+)\n  sieve_virustest_max_value = 5\n}\n`,
  )
  let count = 0
  return {
    async run(script, content) {
      const [scriptFile, messageFile] = [join(folder, `${++count}.sieve`), join(folder, `${count}.eml`)]
      await writeFile(scriptFile, script)
      await writeFile(messageFile, content)
      try {
        const { stdout } = await promisify(execFile)('sieve-test', [
          ...['-C', '-c', config, '-f', ENVELOPE.from, '-r', ENVELOPE.to, '-a', ENVELOPE.to],
          ...[scriptFile, messageFile],
        ])
        return readDovecot(stdout)
      } catch {
        return 'error'
      }
    },
  }
}

function readDovecot(output: string): string {
  const found: string[] = []
  let mailbox: string | undefined
  let flags: readonly string[] = []
  const finish = () => {
    if (mailbox !== undefined) found.push(filed(mailbox, flags))
    mailbox = undefined
    flags = []
  }
  for (const line of output.split('\n')) {
    const [, action] = /^ \* (.*)$/.exec(line) ?? []
    if (action !== undefined) finish()
    mailbox = /^store message in folder: (.*)$/.exec(action ?? '')?.[1] ?? mailbox
    const [, set] = /^\s+\+ add IMAP flags: (.*)$/.exec(line) ?? []
    if (set !== undefined) flags = set.trim().split(/\s+/)
    const [, address] = /^redirect message to: <?([^>]*)>?$/.exec(action ?? '') ?? []
    if (address !== undefined) found.push(`redirect ${address.trim()}`)
    if (/^(?:reject|refuse)/.test(action ?? '')) found.push('reject')
    if (/vacation/.test(action ?? '')) found.push('vacation')
    if (/notif/.test(action ?? '')) found.push('notify')
  }
  finish()
  return inOrder(found)
}
