/**
 * The server's own replies, and the formatting of all replies.
 *
 * A client reads one ASCII line of at most 512 octets (RFC 5321 section 4.5.3.1.5) with one enhanced code (RFC 2034);
 * the greeting, the replies to HELO and EHLO and all 3xx replies have none. The connection sends only `ReplyText`,
 * which only this file creates, so every reply follows the grammar, whatever hooks and channels answer.
 */
import { accept, defer, type Reply, refuse } from 'iems'

declare const isReplyText: unique symbol
/** A complete reply of RFC 5321 section 4.2: lines joined by CRLF, without the final CRLF. */
export type ReplyText = string & { readonly [isReplyText]: true }

/** Formats a reply as one line. */
export function line(reply: Reply): ReplyText {
  const code = codeOf(reply.code)
  return `${code} ${enhancedOf(reply.enhanced, code)} ${plain(reply.text)}`.trimEnd() as ReplyText
}

export function greeting(hostname: string, protocol: 'SMTP' | 'ESMTP' | 'LMTP'): ReplyText {
  return `220 ${plain(hostname)} ${protocol} IEMS` as ReplyText
}

/** The reply to EHLO and LHLO or, with the name alone, to HELO. */
export function hello(hostname: string, extensions: readonly string[] = []): ReplyText {
  const texts = [hostname, ...extensions].map(plain)
  return texts.map((text, at) => `250${at < texts.length - 1 ? '-' : ' '}${text}`).join('\r\n') as ReplyText
}

/** A SASL challenge, whose line may be longer than others (RFC 4954 section 4). */
export function challenge(text: string): ReplyText {
  return `334 ${Buffer.from(text).toString('base64')}` as ReplyText
}

/** Printable ASCII, short enough for one reply line. */
function plain(text: string): string {
  return text.slice(0, MAX_TEXT).replace(/[^\x20-\x7e]/g, '?')
}

const MAX_TEXT = 490

/** RFC 5321 section 4.2: the second digit is 0 to 5. An invalid code of a plugin is reduced to its first digit. */
function codeOf(code: number): number {
  if (/^[245][0-5][0-9]$/.test(String(code))) return code
  return code >= 500 ? 550 : code >= 200 && code < 300 ? 250 : 451
}

/** RFC 3463: three numbers without leading zeros, the first one being the code's class. */
function enhancedOf(enhanced: string, code: number): string {
  const digit = String(code).slice(0, 1)
  const [, first, subject, detail] = /^([245])\.(\d{1,3})\.(\d{1,3})$/.exec(enhanced) ?? []
  return first === digit ? `${digit}.${Number(subject)}.${Number(detail)}` : `${digit}.0.0`
}

const no = (...given: Parameters<typeof refuse>): Reply => refuse(...given).reply
const later = (...given: Parameters<typeof defer>): Reply => defer(...given).reply

const yes = (code: number, enhanced: Reply['enhanced'], text: string): Reply => ({ code, enhanced, text })

export const YES = {
  sender: accept(250, '2.1.0', 'Sender ok'),
  recipient: accept(250, '2.1.5', 'Recipient ok'),
  reset: accept(250, '2.0.0', 'Reset'),
  noop: accept(250, '2.0.0', 'Ok'),
  bye: yes(221, '2.0.0', 'Bye'),
  startTls: yes(220, '2.0.0', 'Ready to start TLS'),
  help: yes(214, '2.0.0', 'See RFC 5321'),
  authenticated: yes(235, '2.7.0', 'Authentication successful'),
  reversing: accept(250, '2.0.0', 'OK now reversing the connection'),
  verify: yes(252, '2.1.5', 'Cannot verify; send and see'),
} as const

/** A 3xx carries no enhanced code (RFC 2034 section 4). */
export const START_DATA = '354 End data with <CR><LF>.<CR><LF>' as ReplyText

/** Replies that end the session; the connection is closed after each. */
export const END = {
  revoked: later(421, '4.7.0', 'The login is no longer valid, closing connection'),
  stopping: later(421, '4.3.2', 'Server is stopping, try again soon'),
  tooManyConnections: later(421, '4.7.0', 'Too many connections, try again later'),
  tooManyFromYou: later(421, '4.7.0', 'Too many connections from this address, try again later'),
  tooManyErrors: later(421, '4.7.0', 'Too many errors'),
  tooManyCommands: later(421, '4.7.0', 'Too many commands in one session'),
  tooManyEmpty: later(421, '4.7.0', 'Too many commands without a message'),
  tooManyChunks: later(421, '4.7.0', 'Too many small chunks in one message'),
  tooManyMessages: later(421, '4.7.0', 'Too many messages in one session, connect again'),
  tooManyAttempts: later(421, '4.7.0', 'Too many authentication attempts'),
  commandTimeout: later(421, '4.4.2', 'Timeout waiting for a command'),
  dataTimeout: later(421, '4.4.2', 'Timeout waiting for content'),
  sessionTimeout: later(421, '4.4.2', 'Session took too long, connect again'),
  talkedTooSoon: no(554, '5.5.1', 'Client sent data before the greeting'),
  notSmtp: later(421, '4.7.0', 'This is not a web server'),
} as const

export const NO = {
  fault: later(451, '4.3.0', 'Local error, try again later'),
  unknownCommand: no(500, '5.5.1', 'Command not recognised'),
  lineTooLong: no(500, '5.5.2', 'Line too long'),
  badCharacters: no(500, '5.5.2', 'Invalid character in command'),
  notImplemented: no(502, '5.5.1', 'Command not implemented'),
  noArgument: no(501, '5.5.4', 'No argument allowed here'),
  noAddress: no(501, '5.5.4', 'Syntax: VRFY address'),
  helloSyntax: no(501, '5.5.4', 'Syntax: EHLO domain or address literal'),
  helloFirst: no(503, '5.5.1', 'Send HELO or EHLO first'),
  lhloFirst: no(503, '5.5.1', 'Send LHLO first'),
  lhloOnly: no(500, '5.5.1', 'This is LMTP: send LHLO'),
  refusedBefore: no(503, '5.5.1', 'Bad sequence of commands: the connection was refused, send QUIT'),
  nested: no(503, '5.5.1', 'Nested MAIL command'),
  senderSyntax: no(501, '5.1.7', 'Bad sender address syntax'),
  senderUtf8: no(550, '5.6.7', 'Non-ASCII sender address needs SMTPUTF8'),
  senderFirst: no(503, '5.5.1', 'Send MAIL first'),
  recipientSyntax: no(501, '5.1.3', 'Bad recipient address syntax'),
  recipientUtf8: no(553, '5.6.7', 'Non-ASCII recipient address needs SMTPUTF8'),
  tooManyRecipients: later(452, '4.5.3', 'Too many recipients, send the rest in another transaction'),
  recipientFirst: no(554, '5.5.1', 'No valid recipients'),
  unknownParameter: no(555, '5.5.4', 'Parameter not known or not offered'),
  repeatedParameter: no(501, '5.5.4', 'Parameter given twice'),
  badParameter: no(501, '5.5.4', 'Parameter has a bad value'),
  tlsForRequireTls: no(530, '5.7.10', 'REQUIRETLS needs TLS on this connection'),
  tooLarge: no(552, '5.3.4', 'Message is too large'),
  bareNewline: no(550, '5.6.11', 'Bare CR or bare LF in the content'),
  synchronisation: no(554, '5.5.0', 'Commands were sent before the reply to the message'),
  notInContent: no(503, '5.5.1', 'Only BDAT, NOOP, RSET and QUIT between chunks'),
  binaryNeedsBdat: no(503, '5.5.1', 'BODY=BINARYMIME needs BDAT'),
  chunkSyntax: no(501, '5.5.4', 'Syntax: BDAT octets [LAST]'),
  tlsAlready: no(503, '5.5.1', 'TLS already active'),
  authNeedsTls: no(538, '5.7.11', 'Encryption required for authentication'),
  authAlready: no(503, '5.5.1', 'Already authenticated'),
  authRequired: no(530, '5.7.0', 'Authentication required'),
  authFault: later(454, '4.7.0', 'Authentication is not possible at the moment'),
  authSyntax: no(501, '5.5.2', 'Syntax: AUTH mechanism [base64]'),
  authMechanism: no(504, '5.5.4', 'Authentication mechanism not offered'),
  inTransaction: no(503, '5.5.1', 'Not while a message is being sent'),
  etrnSyntax: no(501, '5.5.4', 'Syntax: ETRN [@]domain or ETRN #channel'),
  xclientForbidden: no(550, '5.7.0', 'Not allowed'),
  xclientSyntax: no(501, '5.5.4', 'Bad XCLIENT attribute'),
} as const
