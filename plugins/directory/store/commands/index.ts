/**
 * `iems account|group|alias|domain|unit|object|route …`: commands of the directory.
 *
 * Invariants: every change goes through the service, so it is recorded and takes effect at once.
 */
import { type Command, type CommandCall, type CommandOutput, counted, formatSize, withArticle } from 'iems'
import { type DirectoryApi, type Entry, type EntryKind, isRefused, type Scope } from '../api.ts'
import { nameOfEntry } from '../entry-view.ts'
import { explain } from './explain.ts'
import { columnsOf, patchOf, readWord, shownFields, type Written } from './fields.ts'
import { importTree } from './ldif-tree.ts'
import {
  anyEntry,
  BY,
  type CommandsDeps,
  changesOf,
  entryOf,
  nameOfMember,
  newEntry,
  whyUnknownDomain,
} from './naming.ts'
import { Transfer } from './transfer.ts'

/** The name of each kind's first field. */
const CALLED: Readonly<Record<EntryKind, string>> = {
  domain: 'name',
  unit: 'path',
  account: 'name',
  group: 'name',
  object: 'rdn',
  alias: 'match',
  route: 'match',
}

export function createCommands(parts: CommandsDeps): Readonly<Record<string, Command>> {
  const kinds = Object.keys(CALLED) as EntryKind[]
  return {
    ...Object.assign({}, ...kinds.flatMap((kind) => [changing, looking, transferring].map((of) => of(kind, parts)))),
    ...accountCommands(parts),
    route: {
      summary: 'what would happen to mail from A to B, step by step',
      arguments: ['<from>', '<to>'],
      options: {
        '--as <account>': 'as this account after logging in; default: as a stranger',
        '--client <address>': 'from this address; default: 127.0.0.1',
      },
      run: (call) => explain(parts, call),
    },
    'directory import': {
      summary:
        'adds the entries of an LDIF file, such as slapcat or ldapsearch writes: accounts, groups, units and all others, with their entryUUIDs',
      options: {
        '--suffix <dn>': 'the top of the tree in the file; default: the dc= part of the first name, or the first entry',
        '--each': 'add the entries that can be added; default: all or none',
      },
      reads: true,
      run: (call) => importTree(parts.service, call),
    },
    'directory history': {
      summary: 'who changed what, newest first',
      arguments: ['[name]'],
      options: { '--limit <number>': 'at most so many; default 100' },
      run: (call) => history(parts, call),
    },
  }
}

const calledBy = (kind: EntryKind) => `<${CALLED[kind]}>`
const fieldsOf = (kind: EntryKind) => `fields: ${columnsOf(kind).join(', ')}`

/** `<kind> add`, `set` and `remove`. */
function changing(kind: EntryKind, { service }: CommandsDeps): Record<string, Command> {
  const called = calledBy(kind)
  const fields = fieldsOf(kind)
  return {
    [`${kind} add`]: {
      summary: `adds ${withArticle(kind)}; ${fields}`,
      arguments: [called, '[field=value...]'],
      async *run({ arguments: [name = '', ...words] }) {
        const given = words.map(readTypedWord)
        const patch = patchOf(kind, [{ name: CALLED[kind], how: '=', value: name }, ...given])
        const changes = await newEntry(service, kind, patch)
        yield* rowsOf(await service.change([changes], BY), 'added')
        yield* warned(service, patch.fields)
      },
    },
    [`${kind} set`]: {
      summary: `changes ${withArticle(kind)}: field=value sets, += adds, -= takes away, field= empties; ${fields}`,
      arguments: [called, '<field=value...>'],
      async *run({ arguments: [name = '', ...words] }) {
        const entry = await entryOf(service, kind, name)
        const changes = await changesOf(service, entry, words.map(readTypedWord))
        yield* rowsOf(await service.change(changes, BY), 'changed')
        for (const change of changes) if ('to' in change) yield* warned(service, change.to)
      },
    },
    [`${kind} remove`]: {
      summary: kind === 'account' ? 'forgets an account; its mailboxes stay' : `forgets ${withArticle(kind)}`,
      irreversible: true,
      arguments: [called],
      async *run({ arguments: [name = ''] }) {
        const { id } = await entryOf(service, kind, name)
        yield* rowsOf(await service.change([{ remove: id }], BY), 'removed')
      },
    },
  }
}

/** `<kind> show` and `list`. */
function looking(kind: EntryKind, { service }: CommandsDeps): Record<string, Command> {
  const called = calledBy(kind)
  return {
    [`${kind} show`]: {
      summary: `everything about ${withArticle(kind)}`,
      arguments: [called],
      async *run({ arguments: [name = ''] }) {
        const entry = await entryOf(service, kind, name)
        for (const [field, values] of shownFields(entry))
          for (const value of values)
            yield { text: `${field}=${field === 'quota' ? formatSize(Number(value)) : value}` }
        if (entry.kind === 'account') yield { text: `password ${entry.hasPassword ? 'is set' : 'is not set'}` }
        if (entry.kind === 'group')
          for await (const member of service.members(entry.id))
            yield { text: `member=${await nameOfMember(service, member)}` }
        yield { text: `id ${entry.id}, changed ${new Date(entry.modified).toISOString()}`, value: entry }
      },
    },
    [`${kind} list`]: {
      summary: `all of them, in order of name`,
      options: { '--begins <text>': 'only those whose name begins so' },
      async *run({ options: { begins = '' } }) {
        const start = String(begins).toLowerCase()
        for await (const entry of service.list(kind)) {
          const name = nameOfEntry(entry)
          if (name.toLowerCase().startsWith(start)) yield { text: lineOf(entry), value: entry }
        }
      },
    },
  }
}

/** `<kind> import` and `export`. */
function transferring(kind: EntryKind, { service }: CommandsDeps): Record<string, Command> {
  const transfer = new Transfer(service, kind)
  const fields = fieldsOf(kind)
  return {
    [`${kind} import`]: {
      summary: `adds, or with --update changes, many: a table (CSV) whose first line names the fields, or LDIF; ${fields}`,
      options: {
        '--update': 'those that are there get the new values; default: they are refused',
        '--each': 'those that can be made are made; default: all or none',
      },
      reads: true,
      run: (call) => transfer.import(call),
    },
    [`${kind} export`]: {
      summary: 'all of them, as a table (CSV) or as LDIF',
      options: {
        '--ldif': 'as LDIF',
        '--suffix <dn>': 'what their names in LDIF end with; default: by the first domain',
      },
      writes: true,
      run: (call) => transfer.export(call),
    },
  }
}

function accountCommands({ service, ctx }: CommandsDeps): Record<string, Command> {
  return {
    'account password': {
      summary: 'sets the password, which it asks for or reads; an empty one takes it away',
      arguments: ['<name>'],
      reads: 'secret',
      async *run({ arguments: [name = ''], input }) {
        const { id } = await entryOf(service, 'account', name)
        const password = (await textOf(input, 2048)).replace(/\r?\n$/, '')
        yield* rowsOf(
          await service.change([{ set: id, to: { password: password === '' ? null : password } }], BY),
          'changed',
        )
      },
    },
    'account app-password': {
      summary: 'a new password for one program, shown only once',
      arguments: ['<name>', '<program>'],
      options: {
        '--for <scopes>':
          'what it opens: smtp, imap, pop3, sieve, ldap, web; proxy: other accounts too, by an administrator; default: smtp,imap',
        '--from <networks>': 'only from these addresses, divided by commas',
        '--until <date>': 'only until then, as 2027-01-31',
      },
      async *run({ arguments: [name = '', program = ''], options }) {
        const { id } = await entryOf(service, 'account', name)
        const list = (value: string | true | undefined) => (typeof value === 'string' ? value.split(',') : [])
        const expires = options.until === undefined ? undefined : Date.parse(String(options.until))
        if (Number.isNaN(expires)) throw new Error(`${options.until} is no date such as 2027-01-31`)
        const scopes = list(options.for ?? 'smtp,imap') as Scope[]
        const app = {
          name: program,
          scopes,
          networks: list(options.from),
          ...(expires === undefined ? {} : { expires }),
        }
        const done = await service.addAppPassword(id, app, BY)
        if (isRefused(done)) throw new Error(done.why)
        yield { text: done.password, value: done }
      },
    },
    'account app-passwords': {
      summary: 'the passwords for programs, without the passwords; --remove forgets one',
      arguments: ['<name>'],
      options: { '--remove <program>': 'forgets the password of this program' },
      async *run({ arguments: [name = ''], options: { remove } }) {
        const { id } = await entryOf(service, 'account', name)
        if (typeof remove === 'string') yield* rowsOf([await service.removeAppPassword(id, remove, BY)], 'changed')
        for (const app of await service.appPasswords(id)) {
          const ends =
            app.expires === undefined
              ? ''
              : app.expires < ctx.clock.now()
                ? ', expired'
                : `, until ${dateOf(app.expires)}`
          const from = app.networks.length > 0 ? ` from ${app.networks.join(', ')}` : ''
          yield { text: `${app.name}  for ${app.scopes.join(', ')}${from}${ends}`, value: app }
        }
      },
    },
    'account totp': {
      summary: 'remove the second factor of an account that has lost it',
      arguments: ['<name>'],
      options: { '--remove': 'really' },
      async *run({ arguments: [name = ''], options: { remove } }) {
        const { id } = await entryOf(service, 'account', name)
        if (remove) yield* rowsOf([await service.removeTotp(id, BY)], 'changed')
        yield { text: (await service.hasTotp(id)) ? 'a second factor is asked for' : 'there is no second factor' }
      },
    },
  }
}

async function* history({ service }: CommandsDeps, { arguments: [name], options }: CommandCall) {
  const limit = options.limit === undefined ? 100 : Number(options.limit)
  if (!Number.isInteger(limit) || limit < 1) throw new Error('--limit must be a number')
  const id = name === undefined ? undefined : ((await anyEntry(service, name))?.id ?? name)
  for await (const one of service.history({ limit, ...(id === undefined ? {} : { id }) })) {
    const fields = Object.keys(one.fields).join(', ')
    yield {
      text: `${new Date(one.at).toISOString()}  ${one.by}  ${one.what} ${one.kind} ${one.name}  ${fields}`.trimEnd(),
      value: one,
    }
  }
}

/** Passwords are refused here, because every user of the machine can read command lines. */
function readTypedWord(word: string): Written {
  const written = readWord(word)
  if (written.name === 'password' && written.value !== '')
    throw new Error(
      'a password on the command line can be read by others: leave it out, then use iems account password',
    )
  return written
}

// --- output --------------------------------------------------------------------------------

async function* rowsOf(
  results: Awaited<ReturnType<DirectoryApi['change']>>,
  done: string,
): AsyncGenerator<CommandOutput> {
  const refused = results.find(isRefused)
  if (refused) throw new Error(refused.why)
  const last = results.at(-1)
  if (last && 'entry' in last)
    yield { text: `${last.entry.kind} ${nameOfEntry(last.entry)} ${done}`, value: last.entry }
}

async function* warned(service: DirectoryApi, fields: object): AsyncGenerator<CommandOutput> {
  const why = await whyUnknownDomain(service, fields)
  if (why !== undefined) yield { text: `warning: ${why}` }
}

function lineOf(entry: Entry): string {
  switch (entry.kind) {
    case 'account':
      return `${entry.name}  ${entry.addresses.join(', ')}${entry.status === 'active' ? '' : `  ${entry.status}`}`
    case 'group':
      return `${entry.name}  ${entry.addresses.join(', ')}  ${counted(entry.members, 'member')}`
    case 'alias':
      return `${entry.match}  ▸ ${entry.targets.join(', ')}`
    case 'route':
      return `${entry.match}  ▸ ${entry.target.channel} ${entry.target.nexthop}`
    case 'domain':
      return `${entry.name}${entry.aliasOf === undefined ? '' : `  means ${entry.aliasOf}`}${entry.catchAll === undefined ? '' : `  catch-all ${entry.catchAll}`}`
    default:
      return nameOfEntry(entry)
  }
}

const dateOf = (at: number) => new Date(at).toISOString().slice(0, 10)

async function textOf(input: AsyncIterable<Uint8Array>, most: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of input) {
    size += piece.length
    if (size > most) throw new Error(`that is more than ${most} octets`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}
