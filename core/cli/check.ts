/**
 * Commands that check the configuration and stored data: `check`, `hooks`, `store check`.
 */
import type { Command } from 'commander'
import { IemsError } from '../api/errors.ts'
import { checkKeys, type VerifiedBlobs, verifyBlobs } from '../runtime/blobs.ts'
import { loadConfig, pathIn } from '../runtime/config.ts'
import { folderWarnings } from '../runtime/folders.ts'
import { counted, formatSize } from '../runtime/text.ts'
import { type Verified, verifyRecords } from '../store/level/verify.ts'
import { ask } from './ask.ts'
import { common } from './options.ts'
import { bold, type Common, dim, print } from './print.ts'
import { rehearse } from './rehearse.ts'
import { addSnapshots, addStoreCopy } from './store.ts'

function showVerified({ files, octets: read, damaged }: Verified): string {
  const lines = [
    ...damaged.map(({ file, what }) => `${file}: ${what}`),
    `${counted(files, 'file')} with ${formatSize(read)} read, ${damaged.length} damaged`,
  ]
  if (damaged.length > 0)
    lines.push(
      'Stop the server and restore the folder `records` whole from a backup, together with `blobs`; a single file of it fits no other time. Then run iems mailbox check --deep --repair.',
    )
  return lines.join('\n')
}

const showBlobs = ({ count, damaged }: VerifiedBlobs): string =>
  [
    ...damaged.map(({ what }) => what),
    `${counted(count, 'file')} of large messages read, ${damaged.length} damaged`,
  ].join('\n')

function showOrder(order: Readonly<Record<string, readonly { plugin: string; stage: string }[]>>): string {
  return Object.entries(order)
    .map(
      ([hook, taps]) =>
        `${bold(hook.padEnd(10))} ${taps.length === 0 ? dim('–') : taps.map(({ plugin, stage }) => (stage === 'normal' ? plugin : `${plugin} (${stage})`)).join(' ▸ ')}`,
    )
    .join('\n')
}

/** Checks the configuration file, then reports what a running server finds in its stored data. */
async function checkAll(options: Common) {
  const config = await loadConfig(options.config)
  await checkKeys(config)
  const warnings = [...folderWarnings(config), ...(await rehearse(config, (kernel) => kernel.warnings))]
  let isRunning = true
  try {
    await ask(options, { v: 1, method: 'check' }, (text) => warnings.push(String(text)))
  } catch (error) {
    if (!(error instanceof IemsError) || error.code !== 'IEMS_CONTROL_ABSENT') throw error
    isRunning = false
  }
  const verdict = warnings.length === 0 ? 'is in order' : 'is valid, with warnings'
  const lines = [`${config.path} ${verdict}`, ...warnings.map((text) => `warning: ${text}`)]
  if (!isRunning) lines.push('No server answers: directory entries and other records were not looked at')
  print(options, { ok: true, path: config.path, warnings, records: isRunning }, lines.join('\n'))
}

export function addChecks(iems: Command): void {
  common(
    iems
      .command('check')
      .description(
        'check the configuration completely, and what the running server keeps; without a server, records are not looked at: opening them would bring them to this version',
      ),
  ).action(checkAll)

  common(iems.command('hooks').description('the order in which plugins run, for each hook')).action(
    async (options: Common) => {
      const order = await rehearse(await loadConfig(options.config), ({ hooks }) =>
        Object.fromEntries(
          [...hooks.order].map(([hook, taps]) => [hook, taps.map(({ plugin, stage }) => ({ plugin, stage }))]),
        ),
      )
      print(options, order, showOrder(order))
    },
  )

  const store = iems.command('store').description('the store')
  addStoreCopy(store)
  common(
    store
      .command('check')
      .description('read every record and every large message of the store and compare checksums; the server may run'),
  ).action(async (options: Common) => {
    const config = await loadConfig(options.config)
    if (!('path' in config.store) && config.blobs.place === undefined)
      throw new IemsError('IEMS_CONTROL_REFUSED', { why: 'The store is not a folder' })
    const records = 'path' in config.store ? await verifyRecords(pathIn(config, config.store.path)) : undefined
    const blobs = await verifyBlobs(config)
    print(options, { ...records, blobs }, [...(records ? [showVerified(records)] : []), showBlobs(blobs)].join('\n'))
    if ((records?.damaged.length ?? 0) + blobs.damaged.length > 0) process.exitCode = 1
  })
  addSnapshots(store)
}
