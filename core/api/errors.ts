/**
 * Every error that IEMS raises: its code, message and remedy.
 *
 * `docs/errors.md` is generated from this table; by type, no other code can be thrown. Messages are for administrators,
 * never for senders. `{name}` is replaced by the detail of that name.
 */

export const ERRORS = {
  IEMS_CONFIG_NOT_FOUND: [
    'No configuration file: looked for {looked}',
    'Write one with `iems init`, or name one with --config.',
  ],
  IEMS_CONFIG_INVALID: [
    'The configuration has {count}:\n{problems}',
    'Fix the option at each path above. No change was applied.',
  ],
  IEMS_CONFIG_UNREADABLE: [
    '{path} could not be loaded: {why}',
    'The file must be TypeScript or JavaScript that Node can run and export the configuration as its default.',
  ],
  IEMS_SECRET_MISSING: ['The secret {name} does not exist', 'Set the environment variable or create the file.'],
  IEMS_WORKER_ENDED: ['Worker {worker} ended with code {code}', 'See the log lines before; the server starts another.'],
  IEMS_SETTING_NEEDS_RESTART: ['{path} cannot be changed by a reload', 'Stop and start the server for this change.'],
  IEMS_PLUGIN_FAULT: [
    '{plugin} failed in {hook}: {why}',
    'The message was deferred, unless the plugin is configured with onError: "skip". See the log lines of the same message.',
  ],
  IEMS_PLUGIN_API: [
    '{plugin} is made for plugin API {wanted}, this is {offered}',
    'Install a version of the plugin that fits this version of iems.',
  ],
  IEMS_PLUGIN_SETUP: [
    '{plugin} could not be set up: {why}',
    'Fix the cause it names. The server did not start, or the reload was not applied.',
  ],
  IEMS_SEVERAL_FAULTS: ['There are {count} faults:\n{problems}', 'Fix each of them. No change was applied.'],
  IEMS_PLUGIN_TWICE: [
    'Two plugins have the name {plugin}',
    'Give one of them another name with { as: "…" } as the second argument.',
  ],
  IEMS_COMMAND_TWICE: [
    '{plugin} has the command iems {command}, which another plugin has too',
    'Remove one of the two plugins. A plugin with commands can be configured only once.',
  ],
  IEMS_COMMAND_UNKNOWN: [
    'There is no command iems {command}',
    'List the commands with iems --help. Those of plugins exist while the server runs with the plugin.',
  ],
  IEMS_HOOK_UNKNOWN: [
    '{plugin} taps {hook}, which neither the kernel nor a configured plugin declares',
    'Check the spelling, or add the plugin that declares it.',
  ],
  IEMS_HOOK_INVALID: [
    '{plugin} taps {hook} wrongly: {why}',
    'Correct the plugin; docs/plugin-guide.md lists the settings of a handler.',
  ],
  IEMS_HOOK_TWICE: ['{plugin} declares the hook {hook}, which exists already', 'Remove one of the two plugins.'],
  IEMS_ORDER_IMPOSSIBLE: [
    'No order satisfies "{plugin} before {before}" in {hook}',
    'Remove one of the contradicting "before" settings.',
  ],
  IEMS_SERVICE_MISSING: [
    '{plugin} needs the service {service}, which no plugin offers',
    'Add a plugin that offers it.',
  ],
  IEMS_SERVICE_UNOFFERED: [
    '{plugin} and the service {service}: {why}',
    'Correct the plugin: list each service under offers, and offer it once with ctx.offer in setup.',
  ],
  IEMS_SERVICE_TWICE: [
    'The service {service} is offered by both {first} and {second}',
    'Remove one of the two plugins.',
  ],
  IEMS_NEEDS_CIRCLE: [
    'These plugins need each other in a circle: {plugins}',
    'Change one of them to "wants" instead of "needs".',
  ],
  IEMS_CHANNEL_UNKNOWN: [
    '{from} names the channel {channel}, which is not configured',
    'Add it under channels, or correct the name.',
  ],
  IEMS_CHANNEL_MISPLACED: [
    '{plugin} delivers mail or listens, but is configured under plugins',
    'Move it to channels and give it a name there.',
  ],
  IEMS_TLS_NO_SERVICE: [
    'The option tls of {plugin} names no certificate, and no plugin provides one',
    'Set tls.cert and tls.key, or add the plugin acme.',
  ],
  IEMS_TLS_FILE: [
    '{path}: {why}',
    'Give files in PEM format that the server may read, and a key that belongs to the certificate.',
  ],
  IEMS_PORT_TAKEN: [
    '{address} cannot be opened: {why}',
    'Stop the other program there, or give that channel another address with its option `listen` (in mailServer: `address` and `ports`).',
  ],
  IEMS_FOLDER_OPEN: [
    '{path} can be entered by other users of the machine (mode {mode})',
    'Set store.path (or folder) to a folder that only the server uses, or remove the permissions of other users: chmod 700.',
  ],
  IEMS_STORE_LOCKED: [
    '{path} is in use by another process',
    'Only one server may use a data folder; stop the other, or set another store.path.',
  ],
  IEMS_STORE_NEWER: [
    '{path} was written by a newer version (format {found}, this is {known})',
    'Install that version again, or restore the folder from before the upgrade.',
  ],
  IEMS_S3_FAILED: [
    '{place} cannot be used: {why}',
    'Check the bucket, the endpoint and the credentials: --credentials names a file in the format of AWS, else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL count.',
  ],
  IEMS_BACKUP_ABSENT: [
    'There is no backup in {path}',
    'Name the folder or bucket that `iems backup create` was given.',
  ],
  IEMS_BACKUP_KEY: [
    'The backup in {path} cannot be opened: {why}',
    'Name the file with its passphrase by --key-file, or leave the option out for a backup that is not encrypted.',
  ],
  IEMS_BACKUP_DAMAGED: [
    'The backup is damaged: {what} is missing or has changed',
    'Check the other snapshots with `iems backup verify`, and restore the newest one that is whole.',
  ],
  IEMS_BACKUP_TARGET: [
    '{path} holds other files',
    'Name a folder that does not exist or is empty. Move the present data folder away first.',
  ],
  IEMS_RESPONDER_FAILED: [
    '{what}: {why}',
    'Check `responder` in the configuration, its key and `iems responder` on that machine; see docs/operations.md.',
  ],
  IEMS_SNAPSHOT_UNKNOWN: ['There is no snapshot {name}', '`iems store snapshots` lists those from before upgrades.'],
  IEMS_RECORDS_NEWER: [
    '{owner} finds records of a newer version in the store ({kind} {found}, this is {known})',
    'Install the version that wrote them again, or go back to the store from before the upgrade with `iems store revert`.',
  ],
  IEMS_STORE_FULL: [
    'No space left in {path}',
    'Free some space. Until then senders get "try again later"; logins, reading and deleting go on from the reserve.',
  ],
  IEMS_STORE_FAILED: [
    '{path} cannot be used: {why}',
    'Check the disk and the permissions of the folder; of a database, that it runs and accepts this server.',
  ],
  IEMS_NODE_UNKNOWN: [
    'No server named {node} shares this store',
    '`iems nodes` lists them; `all` stands for every server.',
  ],
  IEMS_STORE_NOT_EMPTY: ['The new store holds something already', 'Copy to a store that was never used.'],
  IEMS_STORE_SAME: ['Both configurations have the same store', 'Name a configuration with another store.'],
  IEMS_STORE_COPY_DIFFERS: [
    'The copy differs from its source: {what}',
    'Stop every server on both stores, then run `iems store copy` again.',
  ],
  IEMS_STORE_UNFINISHED: [
    'The store is a copy that was not finished',
    'Run `iems store copy` again; it goes on where it stopped.',
  ],
  IEMS_STORE_CLOSED: ['The store is closed', 'Nothing to do: the server was stopping.'],
  IEMS_BLOB_MISSING: [
    'The blob {id} is not in the store',
    'Restore it from a backup; the deliveries that need it wait.',
  ],
  IEMS_BLOB_DAMAGED: [
    'Stored content is {how} than the {size} octets that were stored',
    'Check the disk and restore the blob from a backup; the deliveries that need it wait. `iems store check` finds all.',
  ],
  IEMS_BLOB_UNREADABLE: [
    'The blob {id} cannot be read: {why}',
    'Check the disk or bucket and restore the blob from a backup; the deliveries that need it wait.',
  ],
  IEMS_BLOB_KEY: [
    'Stored content is encrypted, and its key {key} {why}',
    'Set the key under that name in blobs.keys; without it the content cannot be read.',
  ],
  IEMS_BLOB_PLACE: [
    'Large content of this store is in {place}, and {why}',
    'Mount the folder or name the bucket in blobs.place. `iems store copy` moves content to another place.',
  ],
  IEMS_UPGRADE_MIXED: [
    'This version upgrades records ({what}) that the server {node} uses, which runs on the same store',
    'Stop every other server of the store, back it up, start this version on one of them, then on the others. A server that crashed counts for 20 seconds.',
  ],
  IEMS_NODES_DIFFER: [
    'The server {node} runs on this store and cannot read {what}',
    'Upgrade it, give it the same blobs.keys and blobs.place, and restart it; or stop it before this one starts.',
  ],
  IEMS_CONTENT_TOO_LARGE: ['The content is larger than {limit} octets', 'Raise limits.messageSize, or send less.'],
  IEMS_CONTENT_BROKEN: [
    'The content ended early: {why}',
    'Nothing to do: the sender went away or was cut off, and tries again.',
  ],
  IEMS_CONTENT_NUL: [
    'The content has NUL octets and is not BINARYMIME',
    'Encode the content, or send it with BODY=BINARYMIME and BDAT.',
  ],
  IEMS_HEADER_TOO_LONG: ['The header is longer than {limit} octets', 'Raise limits.headerSize, or send a shorter one.'],
  IEMS_HEADER_INVALID: [
    '{name} cannot be written as a header field: {why}',
    'Give a name of printable ASCII without colon and a value without CR, LF and NUL.',
  ],
  IEMS_MESSAGE_UNKNOWN: [
    'There is no message {id}',
    'See `iems queue` for those waiting; finished ones are kept for history.keep.',
  ],
  IEMS_CONTROL_LOST: [
    'The server ended before it answered',
    'Read its log for the reason, and see with `iems status` whether it runs again. Changes that the command has made stay.',
  ],
  IEMS_CONTROL_ABSENT: [
    'No server answers at {path}',
    'Start it with `iems start`, or name its configuration with --config. If store.path, folder or control.path has changed since it was started, set them back, or stop it with its service manager and start it again.',
  ],
  IEMS_CONTROL_REFUSED: ['{why}', 'See `iems --help`.'],
  IEMS_COMPONENT_UNKNOWN: ['There is no component {name}', 'See `iems component list`.'],
  IEMS_EVENT_UNDECLARED: [
    '{plugin} emits {event}, which it does not declare',
    'Name the event with its level under `events` in the definition of the plugin.',
  ],
  IEMS_FORBIDDEN: ['{user} may not {what}', 'Ask an administrator, or give the account a role that allows it.'],
  IEMS_CLOSED: ['The server is stopping', 'Nothing to do: it was asked to.'],
} as const satisfies Record<`IEMS_${string}`, readonly [message: string, cure: string]>

export type ErrorCode = keyof typeof ERRORS

/** An error with a stable code; `message` is filled in, `cure` is the remedy. */
export class IemsError extends Error {
  readonly code: ErrorCode
  readonly cure: string
  readonly details: Readonly<Record<string, unknown>>
  constructor(code: ErrorCode, details: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    const [message, cure] = ERRORS[code]
    super(
      message.replace(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? '?')),
      cause === undefined ? undefined : { cause },
    )
    this.name = 'IemsError'
    this.code = code
    this.cure = cure
    this.details = details
  }
}

/** The reason in one line, for administrators. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

/** Combines several faults into one error and drops those that only follow from another. */
export function together(faults: readonly unknown[]): unknown {
  const isOwn = (fault: unknown) =>
    ![fault, (fault as Error).cause].some(
      (one) => (one as Partial<IemsError> | undefined)?.code === 'IEMS_SERVICE_MISSING',
    )
  const own = faults.some(isOwn) ? faults.filter(isOwn) : faults
  if (own.length === 1) return own[0]
  const problems = own.map((fault) => `  ${reasonOf(fault)}`).join('\n')
  return new IemsError('IEMS_SEVERAL_FAULTS', { count: own.length, problems }, own[0])
}
