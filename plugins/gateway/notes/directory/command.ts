/** `iems notes directory`: a Notes directory into ours; `--check` shows the differences alone. */
import { isAbsolute } from 'node:path'
import { Cache, type Command, type CommandOutput } from 'iems'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import { synchronise, type WantedEntry } from '../../sync/api.ts'
import { nameKey } from '../names.ts'
import { namesOf, wantedOf } from './entries.ts'
import { entriesOf } from './sources.ts'

const BY = 'notes'
/** Names of one directory. */
const MAX_NAMES = 2_000_000

export interface BringOptions {
  readonly path: string
  /** Of addresses that the Notes directory does not name. */
  readonly domain: string
  readonly isCheck: boolean
  readonly signal: AbortSignal
}

export function createDirectoryCommand(directory: DirectoryApi, defaultDomain: string): Command {
  return {
    summary: 'bring persons, groups and mail-in databases of a Notes directory (NSF, DXL or LDIF) into the directory',
    arguments: ['<file>'],
    options: {
      '--domain <domain>': 'domain of addresses that the Notes directory does not name',
      '--check': 'show what would change, and change nothing',
    },
    async *run({ arguments: [path = ''], options, signal }) {
      if (!isAbsolute(path)) throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
      const domain = typeof options.domain === 'string' ? options.domain : defaultDomain
      yield* bringDirectory(directory, { path, domain, isCheck: options.check === true, signal })
    },
  }
}

export async function* bringDirectory(
  directory: DirectoryApi,
  { path, domain, isCheck, signal }: BringOptions,
): AsyncGenerator<CommandOutput> {
  // Members are names: the addresses of all entries are known before the first group.
  const addresses = new Cache<string>({ max: MAX_NAMES })
  for await (const entry of entriesOf(path)) {
    const { names, address } = namesOf(entry, domain)
    for (const name of names) addresses.set(nameKey(name), address)
  }
  const wanted = async function* (isGroup: boolean): AsyncGenerator<WantedEntry> {
    for await (const entry of entriesOf(path)) {
      signal.throwIfAborted()
      if ((entry.type === 'group') !== isGroup) continue
      const found = wantedOf(entry, { domain, addressOf: (name) => addresses.get(nameKey(name)) })
      if (found) yield found
    }
  }
  const inOrder = async function* () {
    yield* wanted(false)
    yield* wanted(true)
  }
  yield* synchronise(directory, inOrder(), { by: BY, isCheck })
}
