/**
 * `iems attachments`: the files of a message in any format, and links.
 */
import { type Command, type CommandOutput, defineCommand, escapeLine, formatSize, type Queue } from 'iems'
import { baseName, gather, type Rewritable, readStructure } from 'iems/mime'
import * as z from 'zod'
import { type FoundFile, findFiles } from './found.ts'
import type { Links } from './links.ts'
import type { Options } from './options.ts'

export interface CommandsDeps {
  readonly name: string
  readonly options: Options
  readonly queue: Queue
  readonly links: Links | undefined
}

/** Octets of a message that is read from a file. */
const MAX_SIZE = 268_435_456

const row = z.object({
  path: z.string(),
  format: z.string(),
  name: z.string(),
  type: z.string(),
  size: z.number(),
  created: z.string().optional(),
  modified: z.string().optional(),
  mode: z.string().optional(),
  macType: z.string().optional(),
  macCreator: z.string().optional(),
  resource: z.number().optional(),
})

async function sizeOf(file: FoundFile): Promise<number> {
  if (file.size !== undefined) return file.size
  let size = 0
  for await (const { byteLength } of file.open()) size += byteLength
  return size
}

async function rowOf(file: FoundFile): Promise<z.input<typeof row>> {
  const { name, type, created, modified, mode, mac } = file.facts
  return {
    path: file.path,
    format: file.format,
    name,
    type: type ?? '',
    size: await sizeOf(file),
    ...(created ? { created: created.toISOString() } : {}),
    ...(modified ? { modified: modified.toISOString() } : {}),
    ...(mode === undefined ? {} : { mode: mode.toString(8) }),
    ...(mac ? { macType: mac.type, macCreator: mac.creator } : {}),
    ...(mac?.resource ? { resource: mac.resource.length } : {}),
  }
}

function lineOf({
  path,
  format,
  name,
  type,
  size,
  created,
  modified,
  mode,
  macType,
  macCreator,
}: z.input<typeof row>): string {
  const facts = [
    `${path} ${format}`,
    name === '' ? '(no name)' : `"${name}"`,
    type,
    formatSize(size),
    ...((modified ?? created) ? [`of ${modified ?? created}`] : []),
    ...(mode === undefined ? [] : [`mode ${mode}`]),
    ...(macType === undefined ? [] : [`Macintosh ${macType}/${macCreator}`]),
  ]
  return escapeLine(facts.filter((one) => one !== '').join(', '))
}

export function createCommands({ name, options, queue, links }: CommandsDeps): Readonly<Record<string, Command>> {
  async function octetsOf(message: string | undefined, input: AsyncIterable<Uint8Array>): Promise<Rewritable> {
    const source = message === undefined ? input : await queue.open(message)
    if (!source) throw new Error(`There is no message ${message} in the queue`)
    const octets = await gather(source, MAX_SIZE)
    return {
      size: octets.length,
      async *open(range) {
        yield octets.subarray(range?.start ?? 0, range?.end ?? octets.length)
      },
    }
  }

  async function* filesOf(message: string | undefined, input: AsyncIterable<Uint8Array>): AsyncGenerator<FoundFile> {
    const content = await octetsOf(message, input)
    const structure = await readStructure((range) => content.open(range), content.size)
    yield* findFiles(content, structure, options.limits)
  }

  const message = z.string().optional().describe('Id of a message in the queue. Default: the message in --input')
  return {
    [`${name} list`]: defineCommand({
      summary: 'list the attachments of a message, those in winmail.dat, uuencode, yEnc and Macintosh formats included',
      fields: z.strictObject({ message }),
      arguments: ['[message]'],
      row,
      reads: true,
      async *run({ values, input }) {
        for await (const file of filesOf(values.message, input)) {
          const value = await rowOf(file)
          yield { text: lineOf(value), value }
        }
      },
    }),
    [`${name} save`]: defineCommand({
      summary: 'save an attachment of a message, by its path in the list or its name',
      fields: z.strictObject({ attachment: z.string().describe('Path or name'), message }),
      arguments: ['<attachment>', '[message]'],
      reads: true,
      writes: true,
      async *run({ values, input }): AsyncGenerator<CommandOutput> {
        for await (const file of filesOf(values.message, input)) {
          const { path, facts } = file
          if (path !== values.attachment && facts.name !== values.attachment) continue
          for await (const bytes of file.open()) yield { bytes }
          yield { text: escapeLine(`saved ${path} "${baseName(facts.name)}"`) }
          return
        }
        throw new Error(`There is no attachment ${values.attachment}`)
      },
    }),
    ...(links ? linkCommands(name, links) : {}),
  }
}

function linkCommands(name: string, links: Links): Readonly<Record<string, Command>> {
  return {
    [`${name} links`]: defineCommand({
      summary: 'list files behind links',
      fields: z.strictObject({}),
      async *run() {
        for await (const { id, name: file, size, sender, expires, infected } of links.list()) {
          const until = new Date(expires).toISOString().slice(0, 10)
          const state = infected === undefined ? `until ${until}` : `not served: ${infected}`
          const value = {
            id,
            name: file,
            size,
            sender,
            expires: until,
            ...(infected === undefined ? {} : { infected }),
          }
          yield { text: escapeLine(`${id} "${file}" ${formatSize(size)} from ${sender}, ${state}`), value }
        }
      },
    }),
    [`${name} unlink`]: defineCommand({
      summary: 'remove a file behind a link, by its id in the list',
      irreversible: true,
      fields: z.strictObject({ id: z.string().describe('Id in the list') }),
      arguments: ['<id>'],
      async *run({ values }) {
        if (!(await links.remove(values.id))) throw new Error(`There is no link ${values.id}`)
        yield { text: escapeLine(`removed ${values.id}`) }
      },
    }),
  }
}
