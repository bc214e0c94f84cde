/**
 * What every reply on the wire must keep: SMTP and LMTP (RFC 5321 section 4.2, RFC 2034, RFC 3463), POP3 (RFC 1939
 * sections 3 and 4). Answers what is wrong, in words. Octets are one character each.
 */

/** A whole reply, with its CRLFs. `isPlain`: from a server that offers no enhanced codes. */
export function smtpReplyFaults(reply: string, { isPlain = false } = {}): string[] {
  const faults: string[] = []
  const lines = reply.split('\r\n')
  if (lines.pop() !== '') faults.push('no CRLF at the end')
  for (const [at, line] of lines.entries()) {
    const [, code = '', separator, text = ''] = /^([2-5][0-5][0-9])(?:([ -])([\t\x20-\x7e]*))?$/.exec(line) ?? []
    const isChallenge = line.startsWith('334')
    if (code === '') faults.push(`not a reply line: ${JSON.stringify(line.slice(0, 80))}`)
    if (line.length > (isChallenge ? 12_288 : 510)) faults.push(`${line.length + 2} octets in one line`)
    if (code !== lines[0]?.slice(0, 3)) faults.push(`another code than in the first line: ${code}`)
    if ((separator === '-') !== at < lines.length - 1) faults.push(`${separator} in line ${at + 1} of ${lines.length}`)
    if (isChallenge && !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) faults.push('a challenge that is not base64')
    if (!isPlain) faults.push(...enhancedFaults(code, text, lines.length > 1))
  }
  return faults
}

/** Greetings, the answers to HELO and EHLO and all 3xx carry no enhanced code; everything else must. */
function enhancedFaults(code: string, text: string, isLong: boolean): string[] {
  if (code.startsWith('3') || isLong) return []
  if (/^[245]\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})(?: |$)/.test(text))
    return text[0] === code[0] ? [] : [`${text} is not of the class of ${code}`]
  return /^(?:220 [\w.-]+ (?:ESMTP|LMTP) |250 [\w.-]+$)/.test(`${code} ${text}`)
    ? []
    : [`no enhanced code: ${code} ${text}`]
}

/** A status line of POP3 without its CRLF. */
export function statusLineFaults(line: string): string[] {
  if (/^\+ [A-Za-z0-9+/]*={0,2}$/.test(line)) return []
  return [
    ...(/^(?:\+OK|-ERR)(?: [\x20-\x7e]*)?$/.test(line) ? [] : [`not a status line: ${JSON.stringify(line)}`]),
    ...(line.length > 510 ? [`${line.length + 2} octets in one status line`] : []),
    ...(/^\S+ \[(?![A-Z]+(?:[-/][A-Z]+)*\] )/.test(line) ? [`a bad response code: ${line}`] : []),
  ]
}

/** The content of a multi-line answer of POP3, with its end. */
export function contentFaults(octets: string): string[] {
  if (octets === '.\r\n') return []
  const lines = octets.split('\r\n')
  const end = lines.splice(-2)
  return [
    ...(end[0] === '.' && end[1] === '' ? [] : ['no end of the content']),
    ...lines
      .filter((line) => line === '.' || /^\.[^.]/.test(line))
      .map((line) => `an unstuffed line: ${line.slice(0, 40)}`),
  ]
}
