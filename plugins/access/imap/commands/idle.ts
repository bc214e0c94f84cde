/**
 * IDLE (RFC 2177): sends changes as they happen, until the client sends DONE.
 */

import type { CommandDefinition } from '../command.ts'
import { bad, ok } from '../responses.ts'

export const idle: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.end()
    session.output.line('+ idling')
    if (!(await session.listen(() => session.sendNews()))) return ok('IDLE terminated')
    const line = (await session.parts.input.line(1000)).toString('latin1')
    return line.toUpperCase() === 'DONE' ? ok('IDLE terminated') : bad('Expected DONE')
  },
}
