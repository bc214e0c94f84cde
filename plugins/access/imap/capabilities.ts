/**
 * The announced capabilities: those that work, and no others.
 */
import { ADMIN } from 'iems'
import type { CommandContext } from './context.ts'

const BEFORE = 'IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ID ENABLE'
const AFTER = [
  'UNSELECT UIDPLUS NAMESPACE CHILDREN IDLE MULTIAPPEND BINARY ESEARCH SEARCHRES WITHIN PARTIAL',
  'SORT SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES CONDSTORE QRESYNC LIST-EXTENDED LIST-STATUS LIST-MYRIGHTS',
  'SPECIAL-USE CREATE-SPECIAL-USE MOVE REPLACE STATUS=SIZE QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTA=RES-MAILBOX ACL RIGHTS=kxte COMPRESS=DEFLATE',
  'CATENATE METADATA NOTIFY INPROGRESS SEARCH=FUZZY UTF8=ACCEPT OBJECTID SAVEDATE PREVIEW UNAUTHENTICATE UIDONLY I18NLEVEL=1',
].join(' ')

export function capabilities(session: CommandContext): string {
  const { parts, account, isCompressed } = session
  const words = [BEFORE]
  if (!account) {
    if (parts.hasTls() && !parts.isSecure()) words.push('STARTTLS')
    words.push(
      parts.isSecure() || parts.options.authWithoutTls
        ? parts.open
            .mechanisms()
            .map((name) => `AUTH=${name}`)
            .join(' ')
        : 'LOGINDISABLED',
    )
  } else {
    words.push(isCompressed ? AFTER.replace(' COMPRESS=DEFLATE', '') : AFTER)
    if (parts.quotas && account.roles.includes(ADMIN)) words.push('QUOTASET')
    if (parts.hasEvents) words.push(`IMAPSIEVE=sieve://${parts.hostname}`)
    if (parts.options.jmapSession !== undefined) words.push('JMAPACCESS')
    const { messagesPerCommand } = parts.options.limits
    if (messagesPerCommand !== undefined) words.push(`MESSAGELIMIT=${messagesPerCommand}`)
    words.push(`APPENDLIMIT=${parts.options.limits.messageSize}`)
  }
  return words.join(' ')
}
