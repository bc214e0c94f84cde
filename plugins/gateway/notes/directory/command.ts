/**
 * `iems notes directory`: imports a Notes directory into the directory of this server; `--check` only shows the
 * differences.
 */
import { isAbsolute } from 'node:path'
import { Cache, type Command, type CommandOutput } from 'iems'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import { synchronise, type WantedEntry } from '../../sync/api.ts'
import { nameKey } from '../names.ts'
import type { DirectorySource } from '../options.ts'
import { dominoEntries, exportToDomino } from './domino.ts'
import { type NotesEntry, namesOf, wantedOf } from './entries.ts'
import { entriesOf } from './sources.ts'

const BY = 'notes'
/** Names of one directory. */
const MAX_NAMES = 2_000_000

export interface BringOptions {
  readonly source: Pick<DirectorySource, 'file' | 'ldap' | 'export'>
  /** Of addresses that the Notes directory does not name. */
  readonly domain: string
  readonly isCheck: boolean
  readonly signal: AbortSignal
}

export function createDirectoryCommand(
  directory: DirectoryApi,
  { domain: defaultDomain, source }: { readonly domain: string; readonly source: DirectorySource | undefined },
): Command {
  return {
    summary:
      'bring persons, groups and mail-in databases of a Notes directory (NSF, DXL or LDIF; default: connector.directory) into the directory',
    arguments: ['[file]'],
    options: {
      '--domain <domain>': 'domain of addresses that the Notes directory does not name',
      '--check': 'show what would change, and change nothing',
    },
    async *run({ arguments: [path], options, signal }) {
      if (path === undefined && !source) throw new Error('name a file, or set the option connector.directory')
      if (path !== undefined && !isAbsolute(path))
        throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
      const domain = typeof options.domain === 'string' ? options.domain : defaultDomain
      const isCheck = options.check === true
      yield* bringDirectory(directory, {
        source: path === undefined ? (source ?? {}) : { file: path },
        domain,
        isCheck,
        signal,
      })
    },
  }
}

export async function* bringDirectory(
  directory: DirectoryApi,
  { source, domain, isCheck, signal }: BringOptions,
): AsyncGenerator<CommandOutput> {
  const { file = '', ldap } = source
  // A server's entries may change between two readings, so they are read once.
  const known: readonly NotesEntry[] | undefined = ldap && (await dominoEntries(ldap))
  const entries = () => known ?? entriesOf(file)
  // Members are names: the addresses of all entries are known before the first group.
  const addresses = new Cache<string>({ max: MAX_NAMES })
  for await (const entry of entries()) {
    const { names, address } = namesOf(entry, domain)
    for (const name of names) addresses.set(nameKey(name), address)
  }
  const wanted = async function* (isGroup: boolean): AsyncGenerator<WantedEntry> {
    for await (const entry of entries()) {
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
  if (ldap && source.export !== undefined && !isCheck)
    yield* exportToDomino(directory, ldap, { organisation: source.export, signal })
}
