/**
 * The client of the control socket, for the `iems` command.
 */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { IemsError } from '../api/errors.ts'
import type { ControlRequest } from './protocol.ts'

async function sendFile(socket: Socket, file: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of file) {
    const line = JSON.stringify({ bytes: Buffer.from(chunk).toString('base64') })
    if (!socket.write(`${line}\n`)) await once(socket, 'drain')
  }
  socket.write('{"end":true}\n')
}

/**
 * Sends a request to the running server; items go to `each`, the result is returned. Throws the server's error,
 * IEMS_CONTROL_ABSENT, or IEMS_CONTROL_LOST.
 */
export async function askServer<T>(
  path: string,
  asked: ControlRequest,
  each: (item: unknown) => unknown = () => {},
  file?: AsyncIterable<Uint8Array>,
): Promise<T> {
  const socket = createConnection(path)
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', (cause) => reject(new IemsError('IEMS_CONTROL_ABSENT', { path }, cause)))
    })
    socket.on('error', () => socket.destroy())
    socket.write(`${JSON.stringify(asked)}\n`)
    // Fails only with the socket, which the loop below detects.
    if (file) sendFile(socket, file).catch(() => socket.destroy())
    for await (const line of createInterface({ input: socket })) {
      const said = JSON.parse(line) as {
        item?: unknown
        result?: T
        error?: { code: string; message: string; cure: string }
      }
      if (said.error) throw Object.assign(new Error(said.error.message), said.error)
      if ('item' in said) await each(said.item)
      else return said.result as T
    }
    // The request has started, so the caller must not run it again elsewhere.
    throw new IemsError('IEMS_CONTROL_LOST', {})
  } finally {
    socket.destroy()
  }
}
