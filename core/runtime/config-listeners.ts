/**
 * Checks the listeners of a configuration for conflicts. A listening plugin names its option `listen`.
 */
import { IemsError } from '../api/errors.ts'
import { parseAddress } from './listeners.ts'

export interface ListenerProblem {
  readonly path: string
  readonly text: string
}

interface Listening {
  readonly path: string
  readonly text: string
  /** `host:port` or a path. */
  readonly at: { readonly host: string; readonly port: number } | { readonly file: string }
}

const EVERY = new Set(['', '::', '0.0.0.0'])

function addressesOf(path: string, options: unknown): Listening[] {
  const { listen } = (options ?? {}) as { listen?: unknown }
  const list = [listen].flat().filter((one) => typeof one === 'string')
  return list.flatMap((text, index) => {
    const where = parseAddress(text)
    if (!where) return []
    const at = 'path' in where ? { file: where.path } : { host: where.host ?? '', port: where.port }
    return [{ path: `${path}.listen${Array.isArray(listen) ? `[${index}]` : ''}`, text, at }]
  })
}

function collide({ at: one }: Listening, { at: other }: Listening): boolean {
  if ('file' in one || 'file' in other) return 'file' in one && 'file' in other && one.file === other.file
  // Port 0 is a different port each time.
  if (one.port !== other.port || one.port === 0) return false
  return one.host === other.host || EVERY.has(one.host) || EVERY.has(other.host)
}

/** Addresses that more than one listener uses. */
export function portsTwice(
  channels: readonly { readonly name: string; readonly options: unknown }[],
): ListenerProblem[] {
  const all = channels.flatMap(({ name, options }) => addressesOf(`channels.${name}`, options))
  return all.flatMap((one, index) => {
    const first = all.slice(0, index).find((other) => collide(one, other))
    return first ? [{ path: one.path, text: `${one.text} is taken by ${first.path} (${first.text})` }] : []
  })
}

/** Listeners that are configured where they cannot serve. */
export function misplaced(plugins: readonly { readonly name: string; readonly options: unknown }[]): ListenerProblem[] {
  return plugins
    .filter(({ options }) => typeof options === 'object' && options !== null && 'listen' in options)
    .map(({ name }) => ({ path: name, text: new IemsError('IEMS_CHANNEL_MISPLACED', { plugin: name }).message }))
}
