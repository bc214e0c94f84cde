/**
 * The kernel's options with description, unit and default, and the types of a checked configuration.
 *
 * Plugins define their own options. `docs/config.md` is generated from here.
 */
import * as z from 'zod'
import type { AnyPluginDefinition, PluginEntry } from '../api/plugin.ts'
import { dnsOptions } from '../net/dns-options.ts'
import type { Store } from '../store/store.ts'
import { blobOptions } from './blob-options.ts'
import { secretValue } from './secret.ts'
import type { ChannelSettings, PluginSettings } from './settings.ts'
import { duration, size } from './units.ts'

/** A store of another kind, such as `postgresStore()`. */
export interface StoreProvider {
  readonly describe: string
  /** The schema of the options, and the options as given. */
  readonly schema: z.ZodType
  readonly input: unknown
  /** Several servers, and the workers of each, may open it at the same time. */
  readonly isShared: boolean
  open(): Promise<Store>
}

/** A plugin as its factory returns it. */
export const entry = z.custom<PluginEntry>(
  (value) => typeof value === 'object' && value !== null && 'definition' in value && 'input' in value,
  { error: 'must be a plugin: call its factory, as in smtpIn({ … })' },
)
const name = z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens')
const reportText = z.strictObject({ subject: z.string().min(1).optional(), text: z.string().min(1).optional() })

export const configSchema = z.strictObject({
  hostname: z
    .string()
    .regex(/^[\w.-]+$/)
    .optional()
    .describe(
      'The name this server gives itself: in banners, HELO, Received and reports. Default: the name of the machine.',
    ),
  store: z
    .union([
      z.strictObject({
        path: z
          .string()
          .min(1)
          .default('data')
          .describe('Folder for the queue and all records, relative to the configuration file.'),
        minFree: size()
          .prefault('100 MB')
          .describe('Free space below which new mail is answered with "try again later".'),
        reserve: size()
          .prefault('32 MB')
          .describe(
            'Size of a file in the data folder that the server deletes when the disk is full, so that logins, reading and deleting go on; at most a quarter of the file system. The server makes it again when there is room. 0 B for none.',
          ),
      }),
      z.custom<StoreProvider>((value) => typeof (value as StoreProvider)?.open === 'function'),
    ])
    .prefault({})
    .describe('Store for queue, mailboxes and all other records: a LevelDB folder, or another store.'),
  blobs: blobOptions
    .prefault({})
    .describe('Content of messages at rest, in whichever store: compression, encryption, and a place of its own.'),
  folder: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Folder for the files of plugins, such as the full-text index, and for the control socket. Default: store.path, or 'data' with another store.",
    ),
  channels: z.record(name, entry).describe('Ways in and out, by name: plugins that listen or deliver.'),
  plugins: z
    .array(z.union([entry, z.literal(false)]))
    .default([])
    .describe('Everything else, in the order in which it runs; false entries are passed over.'),
  limits: z
    .strictObject({
      messageSize: size().prefault('50 MB').describe('Most octets of one message.'),
      headerSize: size().prefault('256 KiB').describe('Most octets of its header.'),
      recipients: z
        .number()
        .int()
        .min(1)
        .default(1000)
        .describe('Most recipients of one message, expansions included.'),
      hops: z
        .number()
        .int()
        .min(5)
        .default(50)
        .describe('Received fields from which on a message is taken to be in a loop.'),
      parse: size().prefault('20 MB').describe('Octets up to which plugins get a message parsed.'),
      recheckInterval: duration()
        .prefault('5 min')
        .describe(
          'Interval at which the identities of open sessions are checked again, for changes that no event announced (an LDAP server, another node).',
        ),
      logins: z
        .strictObject({
          free: z.int().min(1).default(5).describe('Failed logins from an address, or about a name, without a wait.'),
          delay: duration().prefault('1 s').describe('The wait after the next one; each is twice the one before.'),
          longest: duration()
            .prefault('30 s')
            .describe('Longest wait for a login; clients that would wait longer are refused for now (454).'),
          forget: duration().prefault('1 h').describe('Time after the last failure at which failures are forgotten.'),
          remembered: z
            .int()
            .positive()
            .default(20_000)
            .describe('Addresses, and as many names, whose failures are remembered.'),
        })
        .prefault({})
        .describe(
          'Against the guessing of passwords, for all protocols together. A wrong name or password is answered later and later; the right one waits only where the client itself failed before. An IPv6 address counts as its /64.',
        ),
    })
    .prefault({}),
  reports: z
    .strictObject({
      postmaster: z
        .string()
        .includes('@')
        .optional()
        .describe(
          'The mailbox of those who run this server. It gets mail for <postmaster>, and for postmaster@ and abuse@ of every domain here that has no mailbox of that name, and failure reports that cannot be delivered themselves. Default: none; such mail is refused, such reports are dropped.',
        ),
      returnSize: size()
        .prefault('1 MB')
        .describe('Octets up to which a report gives the whole message back when its sender asked for that.'),
      failure: reportText
        .optional()
        .describe('Words of failure reports; {subject}, {recipients}, {hostname}, {age} and {until} are filled in.'),
      delay: reportText.optional().describe('Words of delay warnings.'),
      success: reportText.optional().describe('Words of success reports.'),
    })
    .prefault({}),
  dns: dnsOptions.prefault({}).describe('DNS resolver of the whole server, with one cache.'),
  history: z
    .strictObject({
      keep: duration()
        .prefault('7 days')
        .describe("Time for which `iems message show` knows finished messages; '0 s' for none."),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['error', 'warn', 'info', 'debug'])
        .default('info')
        .describe('The least important lines that are written.'),
      format: z
        .enum(['auto', 'json', 'text'])
        .default('auto')
        .describe('`json`: one object a line. `text`: lines for people. `auto`: text on a terminal, otherwise json.'),
      privacy: z
        .boolean()
        .default(false)
        .describe('Omit local parts of addresses from log lines at level info and above.'),
    })
    .prefault({}),
  control: z
    .strictObject({
      path: z
        .string()
        .optional()
        .describe('Socket for the `iems` command. Default: control.sock in the data folder, a named pipe on Windows.'),
    })
    .prefault({}),
  node: z
    .string()
    .regex(/^[\w.-]{1,100}$/, 'must be letters, digits, dots and hyphens')
    .refine((text) => text !== 'all', 'is the name for every server')
    .optional()
    .describe(
      'Name of this server among those that share the store, in `iems nodes` and `--node`. Default: the name of the machine. Two servers on one machine need two names.',
    ),
  workers: z
    .union([z.literal('auto'), z.int().min(1).max(256)])
    .default(1)
    .describe(
      "Threads that serve connections and deliver mail, each with everything of this configuration; 'auto' for one for each processor. On Linux and FreeBSD the system divides connections among them; elsewhere, and for Unix sockets, one of them takes all connections. Limits on connections, logins and rates count for each worker by itself.",
    ),
  responder: z
    .strictObject({
      key: secretValue().describe(
        'Key that all machines share: `iems responder key` makes one. A client with the key can stop and upgrade every server.',
      ),
      machines: z
        .record(
          z.string().regex(/^[\w.-]{1,100}$/),
          z.string().regex(/^(\[[\da-fA-F:.]+\]|[\w.-]+):\d{1,5}$/, 'must be HOST:PORT'),
        )
        .describe(
          "Address and port of each machine's responder, by the name of its server (`node`): 'mail1.example.org:7025'.",
        ),
    })
    .optional()
    .describe('The processes that start, stop and upgrade the servers, one on each machine: `iems responder`.'),
  watchdog: duration()
    .prefault('30 s')
    .describe(
      "Time without a turn of the event loop after which the process writes where it hangs to the log and ends, so that the service manager restarts it; with workers, a worker that hangs is replaced. '0 s' for never.",
    ),
  drain: duration().prefault('30 s').describe('Time for which a stop or reload waits for work under way.'),
})

export type ConfigInput = z.input<typeof configSchema>
type Checked = z.output<typeof configSchema>

export interface ConfiguredPlugin<P> {
  readonly name: string
  readonly definition: AnyPluginDefinition
  readonly options: unknown
  readonly settings: P
}

/** A checked configuration with defaults filled in. */
export interface Config extends Omit<Checked, 'hostname' | 'channels' | 'plugins'> {
  readonly hostname: string
  readonly path: string
  readonly channels: readonly ConfiguredPlugin<ChannelSettings>[]
  readonly plugins: readonly ConfiguredPlugin<PluginSettings>[]
}

/** Types the configuration and returns it unchanged. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config
}
