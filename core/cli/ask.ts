/**
 * Requests to the running server, and their results.
 */
import { askServer } from '../control/client.ts'
import type { ControlRequest } from '../control/protocol.ts'
import { loadConfig } from '../runtime/config.ts'
import { controlPath } from '../runtime/folders.ts'
import { escapeValue } from '../runtime/text.ts'
import type { Common } from './print.ts'

/** The server's result, unescaped: the caller escapes it when printing. */
export async function askRaw<T>(
  { config }: Common,
  asked: ControlRequest,
  each?: (item: unknown) => unknown,
  file?: AsyncIterable<Uint8Array>,
): Promise<T> {
  return askServer<T>(controlPath(await loadConfig(config)), asked, each, file)
}

/** Escapes every result for people before it is styled; programs get it unchanged. */
export async function ask<T>(options: Common, asked: ControlRequest, each?: (item: unknown) => unknown): Promise<T> {
  const shown = options.json ? <V>(value: V) => value : escapeValue
  return shown(await askRaw<T>(options, asked, each && ((item) => each(shown(item)))))
}
