/**
 * `iems init`: writes a configuration, a certificate and a service unit, creates the first account and a DKIM key, and
 * prints the DNS records to publish.
 *
 * Invariants: no file is overwritten without --force; only the owner can read the password and the certificate's key.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Administration } from '../../api/administration.ts'
import { IemsError } from '../../api/errors.ts'
import { selfSigned } from '../../net/self-signed.ts'
import { loadConfig, pathIn } from '../../runtime/config.ts'
import { escapeLine } from '../../runtime/text.ts'
import { withoutServer } from '../offline.ts'
import { packageFile } from '../package-file.ts'
import { bold, dim, out } from '../print.ts'
import { type Answers, answersFrom, QUESTIONS } from './answers.ts'
import { recordsFor, settingsHosts, zoneLine } from './dns-records.ts'
import { configText, type TlsFiles, unitText } from './files.ts'

type Given = Partial<Answers> & { readonly folder: string; readonly force?: boolean; readonly yes?: boolean }

/** Writes the files of one folder and prints their names. */
function writer(folder: string, isForced: boolean) {
  const pathOf = (name: string) => join(folder, name)
  return {
    pathOf,
    /** Throws before anything is written if one of them exists. */
    expectNone(names: readonly string[]) {
      const there = names.map(pathOf).filter((path) => existsSync(path))
      if (there.length > 0 && !isForced)
        throw new IemsError('IEMS_CONTROL_REFUSED', { why: `${there.join(', ')} is there already; --force overwrites` })
    },
    write(name: string, text: string, mode = 0o644) {
      writeFileSync(pathOf(name), text, { mode })
      out(`wrote ${escapeLine(pathOf(name))}`)
    },
  }
}

function tlsFor({ tls, hostname, domain }: Answers, files: ReturnType<typeof writer>): TlsFiles | undefined {
  if (tls === 'none') return undefined
  if (tls !== 'self-signed') {
    const [cert = '', key = ''] = tls.split(',').map((path) => resolve(path.trim()))
    for (const path of [cert, key])
      if (!existsSync(path)) throw new IemsError('IEMS_TLS_FILE', { path, why: 'there is no such file' })
    return { cert, key }
  }
  const { cert, key } = selfSigned([hostname, domain, ...settingsHosts(domain)])
  files.write('tls.key', key, 0o600)
  files.write('tls.pem', cert)
  return { cert: files.pathOf('tls.pem'), key: files.pathOf('tls.key') }
}

/** Runs a command and returns its lines with their values. */
async function linesOf(administration: Administration, words: string, args: readonly string[] = []) {
  const lines: { readonly text: string; readonly value?: unknown }[] = []
  const { signal } = new AbortController()
  for await (const output of administration.run({ words, arguments: args, options: {}, signal }))
    if ('text' in output) lines.push(output)
  return lines
}

/** Creates the first account and the DKIM key in the store before any server runs. Returns their output. */
async function prepare(config: Awaited<ReturnType<typeof loadConfig>>, { domain, protection }: Answers) {
  return withoutServer(config, async (administration) => {
    const account = await linesOf(administration, 'account first')
    const hasKeys = protection !== 'none' && administration.commands().some(({ words }) => words === 'dkim add')
    const known = hasKeys ? await linesOf(administration, 'dkim list') : []
    const dkim = hasKeys && known.length === 0 ? await linesOf(administration, 'dkim add', [domain]) : []
    return { account: account.map(({ text }) => text), dkim: dkim.map(({ text }) => text) }
  })
}

/** The command with which the service manager starts this installation. */
function commandHere(): string {
  const launcher = packageFile('core/cli/launch.cjs')
  return launcher === undefined ? '/usr/bin/env iems' : `${process.execPath} ${launcher}`
}

async function init(given: Given): Promise<void> {
  const { folder: named, force = false, yes = false, ...rest } = given
  const answers = await answersFrom(rest, yes)
  const folder = resolve(named)
  mkdirSync(folder, { recursive: true })
  const files = writer(folder, force)
  const isOwnCertificate = answers.tls === 'self-signed'
  files.expectNone(['iems.config.ts', 'iems.service', ...(isOwnCertificate ? ['tls.pem', 'tls.key'] : [])])
  const tls = tlsFor(answers, files)
  files.write('iems.config.ts', configText(answers, tls))
  const path = join(folder, 'iems.config.ts')
  const config = await loadConfig(path)
  const data = isAbsolute(answers.data) ? answers.data : pathIn(config, answers.data)
  const template = packageFile('config/iems.service')
  if (template !== undefined)
    files.write(
      'iems.service',
      unitText(readFileSync(template, 'utf8'), { command: commandHere(), config: path, data }),
    )
  const made = await prepare(config, answers)
  report(answers, { ...made, hasTls: tls !== undefined, path })
}

interface Made {
  readonly account: readonly string[]
  readonly dkim: readonly string[]
  readonly hasTls: boolean
  readonly path: string
}

function report(answers: Answers, { account, dkim, hasTls, path }: Made): void {
  const [key, activate] = dkim
  const lines = [
    '',
    ...account.map(escapeLine),
    '',
    bold('DNS records to publish'),
    ...recordsFor(answers, hasTls).map((record) => zoneLine(record)),
    ...(key === undefined ? [] : [`${escapeLine(key)}  ; DKIM: who signs its mail`]),
    dim(`; and the reverse name of the server's address: ${answers.hostname}`),
    '',
    bold('Next'),
    `  iems check --config ${path}`,
    `  iems start --config ${path}`,
    ...(activate === undefined
      ? []
      : [
          `  ${escapeLine(activate.replace(/^When that is published: /, ''))}  ${dim('when the DKIM record is published')}`,
        ]),
    dim(
      '  As a service: useradd --system --home-dir /var/lib/iems iems, give it the folders, copy iems.service to /etc/systemd/system/',
    ),
  ]
  out(lines.join('\n'))
}

export function addInit(iems: Command): void {
  const command = iems
    .command('init')
    .description(
      'write a configuration, a certificate and a service unit; make the first account; print the DNS records',
    )
    .option('--folder <folder>', 'where the files go', '.')
    .option('--force', 'overwrite files that are there')
    .option('-y, --yes', 'ask nothing: take the usual answer to what no option answers')
  for (const { flag, about } of Object.values(QUESTIONS)) command.option(flag, about)
  command.action(init)
}
