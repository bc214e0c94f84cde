/**
 * `iems doctor`: checks the machine, the configuration and the running server, and suggests remedies.
 *
 * Invariants: it changes nothing; every check has a timeout; a check that cannot run is reported.
 */
import { statSync } from 'node:fs'
import type { Command } from 'commander'
import type { Problem, Status } from '../api/administration.ts'
import { IemsError, reasonOf } from '../api/errors.ts'
import { createDns, type Dns } from '../net/dns.ts'
import { hostNameOf } from '../net/reverse.ts'
import { loadConfig, pathIn } from '../runtime/config.ts'
import type { Config } from '../runtime/config-schema.ts'
import { dataFolder, folderWarnings } from '../runtime/folders.ts'
import { certificateFacts, certificateFiles, spaceOf } from '../runtime/machine.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { counted, escapeLine, formatSize } from '../runtime/text.ts'
import { verifyRecords } from '../store/level/verify.ts'
import { ask } from './ask.ts'
import { common } from './options.ts'
import { type Common, print } from './print.ts'
import { rehearse } from './rehearse.ts'

export interface Finding {
  readonly topic: string
  readonly state: 'ok' | 'warning' | 'fault'
  readonly text: string
  /** The remedy. */
  readonly cure?: string
}

type Options = Common & { readonly deep?: boolean }

const MIN_FILES = 4096

const ok = (topic: string, text: string): Finding => ({ topic, state: 'ok', text })
const warning = (topic: string, text: string, cure: string): Finding => ({ topic, state: 'warning', text, cure })
const fault = (topic: string, text: string, cure: string): Finding => ({ topic, state: 'fault', text, cure })

const findingsOf = (topic: string, problems: readonly Problem[]): Finding[] =>
  problems.map(({ text, cure, isGrave }) => (isGrave ? fault : warning)(topic, text, cure))

function disk(config: Config): Finding[] {
  const folder = dataFolder(config)
  if (!statSync(folder, { throwIfNoEntry: false }))
    return [warning('disk', `${folder} does not exist yet`, 'It is made at the first start.')]
  const { free, problems } = spaceOf(config)
  if (problems.length > 0) return findingsOf('disk', problems)
  return [ok('disk', `${formatSize(free)} free at ${folder}`)]
}

function limits(): Finding[] {
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } }
  const soft = report.userLimits?.open_files?.soft
  if (soft === undefined) return []
  if (soft === 'unlimited' || Number(soft) >= MIN_FILES) return [ok('limits', `${soft} open files`)]
  return [warning('limits', `${soft} open files`, 'Raise LimitNOFILE in the service unit: each connection is a file.')]
}

function clock(): Finding[] {
  const now = new Date(systemClock.now()).toISOString()
  const isSynchronised = statSync('/run/systemd/timesync/synchronized', { throwIfNoEntry: false })
  if (isSynchronised) return [ok('clock', `${now}, synchronised`)]
  return [
    warning(
      'clock',
      `${now}; systemd-timesyncd does not report it as synchronised`,
      'Check with chronyc tracking or timedatectl: one-time codes, DKIM and certificates depend on the time.',
    ),
  ]
}

function certificates(config: Config): Finding[] {
  const files = certificateFiles(config)
  if (files.length === 0)
    return [
      warning('certificate', 'no listener has one', 'Set tls: without it, clients on other machines cannot log in.'),
    ]
  return files.flatMap((file) => {
    const { text, problem } = certificateFacts(file, systemClock.now())
    return problem ? findingsOf('certificate', [problem]) : [ok('certificate', text)]
  })
}

async function names(config: Config, dns: Dns): Promise<Finding[]> {
  const { hostname } = config
  const found: Finding[] = []
  const addresses: string[] = []
  for (const type of ['A', 'AAAA'] as const) {
    const answer = await dns.ask(hostname, type)
    if (answer.kind === 'found') addresses.push(...answer.records)
    else if (answer.kind === 'unavailable')
      found.push(warning('DNS', `${hostname} ${type}: no answer`, 'Check the resolver, or set dns.servers.'))
  }
  if (addresses.length === 0)
    return [...found, warning('DNS', `${hostname} has no address`, 'Publish an A or AAAA record for the host name.')]
  found.push(ok('DNS', `${hostname} has ${addresses.join(', ')}`))
  for (const address of addresses) found.push(await reverse(dns, address, hostname))
  return found
}

async function reverse(dns: Dns, address: string, hostname: string): Promise<Finding> {
  const cure = `Ask the provider of ${address} to set its reverse name to ${hostname}: many servers refuse mail without it.`
  const answer = await hostNameOf(dns, address)
  if (answer.kind !== 'confirmed') return warning('reverse name', `of ${address}: ${answer.kind}`, cure)
  if (answer.name === hostname.toLowerCase()) return ok('reverse name', `${address} is ${hostname}`)
  return warning('reverse name', `${address} is ${answer.name}`, cure)
}

async function store(config: Config, { deep }: Options): Promise<Finding[]> {
  if (!('path' in config.store)) return []
  if (!deep) return [ok('store', 'not read; --deep reads every record and compares its checksum')]
  const { files, octets, damaged } = await verifyRecords(pathIn(config, config.store.path))
  if (damaged.length === 0) return [ok('store', `${counted(files, 'file')}, ${formatSize(octets)}, whole`)]
  return damaged.map(({ file, what }) => fault('store', `${file}: ${what}`, 'Stop the server and restore a backup.'))
}

async function server(options: Options): Promise<Finding[]> {
  try {
    const { problems, listeners, hostname } = await ask<Status>({ ...options, json: true }, { v: 1, method: 'status' })
    const running = ok('server', `${hostname} runs with ${counted(listeners.length, 'listener')}`)
    const records: Finding[] = []
    await ask({ ...options, json: true }, { v: 1, method: 'check' }, (text) => {
      records.push(warning('records', String(text), 'Correct the entry.'))
    })
    return [running, ...findingsOf('server', problems), ...records]
  } catch (error) {
    if (!(error instanceof IemsError) || error.code !== 'IEMS_CONTROL_ABSENT') throw error
    return [warning('server', 'does not run', 'Start it with `iems start`; records were not looked at.')]
  }
}

async function examine(options: Options): Promise<void> {
  const config = await loadConfig(options.config)
  const dns = createDns(config.dns, systemClock.now)
  const looks: readonly (readonly [string, () => Finding[] | Promise<Finding[]>])[] = [
    [
      'configuration',
      async () =>
        (await rehearse(config, ({ warnings }) => warnings)).map((text) =>
          warning('configuration', text, 'See docs/config.md.'),
        ),
    ],
    [
      'permissions',
      () => folderWarnings(config).map((text) => warning('permissions', text, `chmod 0700 ${dataFolder(config)}`)),
    ],
    ['disk', () => disk(config)],
    ['limits', limits],
    ['clock', clock],
    ['certificate', () => certificates(config)],
    ['DNS', () => names(config, dns)],
    ['store', () => store(config, options)],
    ['server', () => server(options)],
  ]
  let isWell = true
  for (const [topic, look] of looks) {
    const found = await Promise.resolve()
      .then(look)
      .catch((cause: unknown) => [fault(topic, `could not be looked at: ${reasonOf(cause)}`, 'See the cause.')])
    for (const one of found.length > 0 ? found : [ok(topic, 'in order')]) {
      isWell &&= one.state !== 'fault'
      print(options, one, shown(one))
    }
  }
  if (!isWell) process.exitCode = 1
}

function shown({ topic, state, text, cure }: Finding): string {
  const line = escapeLine(`${state.padEnd(7)}  ${topic}: ${text}`)
  return cure === undefined ? line : `${line}\n         ${escapeLine(cure)}`
}

export function addDoctor(iems: Command): void {
  common(
    iems
      .command('doctor')
      .description(
        'look at disk, limits, clock, DNS, certificates and the running server, and say what to do; changes nothing',
      ),
  )
    .option('--deep', 'also read every record of the store')
    .action(examine)
}
