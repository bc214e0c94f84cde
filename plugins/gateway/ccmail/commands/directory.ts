/**
 * `iems ccmail directory`: users, aliases, mailing lists and bulletin boards of a post office into the directory; and
 * `iems ccmail export-directory`: accounts of this server as a file for IMPORT.
 */
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { type Command, escapeLine } from 'iems'
import type { DirectoryApi } from '../../../directory/store/api.ts'
import { synchronise, type WantedEntry } from '../../sync/api.ts'
import { parseCcName, toInternet, writeCcName } from '../addresses.ts'
import { type CcDirectory, type CcEntry, readDirectory, writeDirectory } from '../directory/format.ts'
import type { Options } from '../options.ts'
import { NAME_ATTRIBUTE, type Translator } from '../translator.ts'

const BY = 'ccmail'
/** In the comments of entries that this server writes; others are never touched. */
const OWN_COMMENT = 'IEMS'

export function createDirectoryCommands(
  directory: DirectoryApi,
  translator: Translator,
): Readonly<Record<string, Command>> {
  const { options } = translator
  return {
    'ccmail directory': {
      summary: 'bring users, aliases and lists that cc:Mail exported into the directory',
      arguments: ['<file>'],
      options: {
        '--post-office <name>': 'of local users, which the file does not name',
        '--comments <rule>':
          "attributes that the comments have, with what divides them: 'telephonenumber;ou' for comments such as '555-1234;Sales'",
        '--check': 'show what would change, and change nothing',
      },
      async *run({ arguments: [path = ''], options: given }) {
        if (!isAbsolute(path)) throw new Error(`${path}: give an absolute path, of the machine that the server runs on`)
        const read = readDirectory(translator.decode(await readFile(path)))
        for (const label of read.unknown)
          yield { text: `! unknown label: ${escapeLine(label)}`, value: { unknown: label } }
        const office = typeof given['post-office'] === 'string' ? given['post-office'] : undefined
        const comments = typeof given.comments === 'string' ? commentRule(given.comments) : undefined
        const wanted = wantedOf(read, options, { office, ...(comments ? { comments } : {}) })
        yield* synchronise(directory, wanted, { by: BY, isCheck: given.check === true })
        for (const board of read.bulletinBoards)
          yield { text: `bulletin board ${escapeLine(board)}: import it with ccmail import --shared`, value: { board } }
      },
    },
    'ccmail export-directory': {
      summary: "write accounts and groups as a directory file for cc:Mail's IMPORT",
      writes: true,
      async *run() {
        let entries = 0
        const found: CcEntry[] = []
        for await (const entry of directory.all(['account', 'group'])) {
          // Entries that came from cc:Mail are in its directory already.
          if (entry.attributes[NAME_ATTRIBUTE] || entry.addresses.length === 0) continue
          const [address = ''] = entry.addresses
          const shown = entry.kind === 'account' ? (entry.displayName ?? entry.name) : entry.name
          found.push({
            name: lastFirst(shown),
            location: 'A',
            address: `${address} at ${options.gateway}`,
            comments: OWN_COMMENT,
          })
          entries++
        }
        yield { bytes: translator.encode(writeDirectory(found)) }
        yield { text: `${entries} entries`, value: { entries } }
      },
    },
  }
}

/** `John Doe` as `Doe, John`. */
function lastFirst(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '')
  return words.length < 2 ? name : `${words.at(-1)}, ${words.slice(0, -1).join(' ')}`
}

/** The attributes in a comment. */
type CommentRule = (comment: string) => Readonly<Record<string, readonly string[]>>

const whole: CommentRule = (comment) => (comment === '' ? {} : { description: [comment] })
const ATTRIBUTE = /^[a-z][a-z\d-]{0,63}$/i

/** `telephonenumber;ou`: what the comments have, divided by the same character. A comment of another form stays whole. */
function commentRule(rule: string): CommentRule {
  const divider = /[^a-z\d-]/i.exec(rule)?.[0] ?? ';'
  const names = rule.split(divider).map((name) => name.trim())
  if (!names.every((name) => ATTRIBUTE.test(name))) throw new Error(`--comments ${rule}: it must be like name;name`)
  return (comment) => {
    const parts = comment.split(divider).map((part) => part.trim())
    if (parts.length !== names.length) return whole(comment)
    const filled = names.flatMap((name, n) => (parts[n] ? [[name.toLowerCase(), [parts[n]]] as const] : []))
    return Object.fromEntries(filled)
  }
}

/** Local and remote users as accounts, aliases, and lists as groups. Post offices are routes of cc:Mail alone. */
export function* wantedOf(
  { entries, lists }: CcDirectory,
  options: Options,
  { office, comments = whole }: { readonly office: string | undefined; readonly comments?: CommentRule },
): Generator<WantedEntry> {
  const nameOf = (entry: CcEntry) => {
    if (/^r$/i.test(entry.location)) return writeCcName({ name: entry.name, postOffice: entry.address })
    return office === undefined ? entry.name : writeCcName({ name: entry.name, postOffice: office })
  }
  const full = new Map(entries.map((entry) => [entry.name.toLowerCase(), nameOf(entry)]))
  const addressOf = (name: string) => toInternet(full.get(name.toLowerCase()) ?? name, options)
  for (const entry of entries) {
    const address = addressOf(entry.name)
    if (address === undefined || address.startsWith('"')) continue
    if (/^[lr]$/i.test(entry.location)) {
      const [last = '', ...first] = parseCcName(entry.name)
        .name.split(',')
        .map((part) => part.trim())
      yield {
        kind: 'account',
        name: address.slice(0, address.lastIndexOf('@')).toLowerCase(),
        addresses: [address],
        displayName: [...first, last].join(' '),
        attributes: {
          [NAME_ATTRIBUTE]: [nameOf(entry)],
          ...comments(entry.comments),
        },
      }
    } else if (/^a$/i.test(entry.location)) {
      const target = addressOf(entry.address)
      if (target !== undefined) yield { kind: 'alias', match: address, targets: [target] }
    }
  }
  for (const { name, members } of lists) {
    const address = toInternet(name, options)
    if (address === undefined) continue
    yield {
      kind: 'group',
      name: address.slice(0, address.lastIndexOf('@')).toLowerCase(),
      addresses: [address],
      members: members.map(addressOf).filter((member) => member !== undefined),
      attributes: { [NAME_ATTRIBUTE]: [name] },
    }
  }
}
