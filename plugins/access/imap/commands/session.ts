/**
 * Commands about the session itself: who is there, under what protection, what both sides can.
 */

import { capabilities } from '../capabilities.ts'
import type { CommandDefinition } from '../command.ts'
import { bad, no, ok, RESPONDED } from '../responses.ts'
import { string } from '../text.ts'

export const capability: CommandDefinition = {
  state: 'any',
  async run(session, { cursor }) {
    cursor.end()
    session.output.line(`* CAPABILITY ${capabilities(session)}`)
    return ok('CAPABILITY completed')
  },
}

/** RFC 9698. */
export const getjmapaccess: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.end()
    const { jmapSession } = session.parts.options
    if (jmapSession === undefined) return bad('Unknown command')
    session.output.line(`* JMAPACCESS ${string(jmapSession, session.isUtf8)}`)
    return ok('GETJMAPACCESS completed')
  },
}

export const noop: CommandDefinition = {
  state: 'any',
  async run(_, { cursor }) {
    cursor.end()
    return ok('NOOP completed')
  },
}

export const logout: CommandDefinition = {
  state: 'any',
  async run(session, { cursor }) {
    cursor.end()
    session.output.line('* BYE Logging out')
    session.end()
    return ok('LOGOUT completed')
  },
}

/** RFC 2971. */
export const id: CommandDefinition = {
  state: 'any',
  async run(session, { cursor }) {
    cursor.space()
    if (!cursor.takes('NIL')) {
      const fields = cursor.list(() => cursor.nstring()?.toString().slice(0, 1024), { least: 0 })
      if (fields.length > 60) return bad('Too many ID fields')
      session.parts.log.debug('client', {
        user: session.account?.user,
        fields: fields.map(String).join(' ').slice(0, 500),
      })
    }
    cursor.end()
    session.output.line(`* ID ("name" ${string('IEMS', false)})`)
    return ok('ID completed')
  },
}

const CAN_BE_ENABLED = ['CONDSTORE', 'QRESYNC', 'IMAP4REV2', 'UTF8=ACCEPT', 'UIDONLY']

/** RFC 5161. */
export const enable: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    const wanted: string[] = []
    do {
      cursor.space()
      wanted.push(cursor.atom('a capability').toUpperCase())
    } while (!cursor.atEnd)
    // RFC 6855 section 3: names of a selected mailbox would change.
    if (session.view && wanted.includes('UTF8=ACCEPT'))
      return bad('UTF8=ACCEPT must be enabled before a mailbox is selected')
    const fresh = wanted.filter((name) => CAN_BE_ENABLED.includes(name) && !session.enabled.has(name))
    if (fresh.includes('CONDSTORE') || fresh.includes('QRESYNC')) session.enableCondstore()
    for (const name of fresh) session.enabled.add(name)
    session.output.line(`* ENABLED${fresh.map((name) => ` ${name === 'IMAP4REV2' ? 'IMAP4rev2' : name}`).join('')}`)
    return ok('ENABLE completed')
  },
}

export const starttls: CommandDefinition = {
  state: 'before',
  async run(session, { cursor, tag }) {
    cursor.end()
    const { parts } = session
    if (!parts.hasTls() || parts.isSecure()) return bad('TLS is not available')
    session.output.line(`${tag} OK Begin TLS negotiation now`)
    await session.output.flush()
    await parts.startTls()
    return RESPONDED
  },
}

/** RFC 4978. */
export const compress: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor, tag }) {
    cursor.space()
    cursor.expect('DEFLATE')
    cursor.end()
    if (session.isCompressed) return no('Compression is already active', 'COMPRESSIONACTIVE')
    session.output.line(`${tag} OK DEFLATE active`)
    await session.output.flush()
    session.isCompressed = true
    session.parts.compress()
    return RESPONDED
  },
}

/** RFC 8437. */
export const unauthenticate: CommandDefinition = {
  state: 'authenticated',
  async run(session, { cursor }) {
    cursor.end()
    session.logOut()
    return ok('UNAUTHENTICATE completed')
  },
}
