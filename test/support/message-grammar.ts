/**
 * What every message that the server writes must keep: RFC 5322 lines and fields, RFC 2045 encodings, and for reports
 * the fields of RFC 3464. Answers what is wrong, in words.
 */

/** Content as octets, one character each. */
export function grammarFaults(content: string): string[] {
  const faults: string[] = []
  const lines = content.split('\r\n')
  for (const [number, line] of lines.entries()) {
    if (line.length > 998) faults.push(`line ${number + 1} has ${line.length} octets`)
    if (/[\r\n\0]/.test(line)) faults.push(`line ${number + 1} has a bare CR, LF or NUL`)
  }
  const end = content.indexOf('\r\n\r\n')
  if (end < 0) return [...faults, 'no header']
  const header = content.slice(0, end)
  const fields = fieldsOf(header, faults)
  const values = (name: string) => fields.filter(([one]) => one === name).map(([, value]) => value)
  for (const name of ['from', 'date', 'message-id', 'mime-version', 'subject', 'to'])
    if (values(name).length !== 1) faults.push(`${values(name).length} fields ${name}`)
  for (const value of values('date'))
    if (!/^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}$/.test(value))
      faults.push(`Date: ${value}`)
  for (const name of ['message-id', 'references', 'in-reply-to'])
    for (const value of values(name)) if (!/^(?:<[!-;=?-~]+>\s*)+$/.test(value)) faults.push(`${name}: ${value}`)
  const [type = 'text/plain'] = values('content-type')
  const is8bit = values('content-transfer-encoding').some((value) => value.toLowerCase() === '8bit')
  if (!is8bit && /[\x80-\xff]/.test(content.slice(end))) faults.push('8-bit content without 8bit encoding')
  if (/[\x80-\xff]/.test(header) && !/message\/global/.test(content)) faults.push('8-bit header')
  const boundary = /boundary="([^"]+)"/.exec(type)?.[1]
  if (boundary) for (const part of partsOf(content.slice(end), boundary)) checkPart(part, faults)
  return faults
}

export function partsOf(body: string, boundary: string): string[] {
  const [, ...parts] = body.split(`\r\n--${boundary}`)
  return parts.filter((part) => !part.startsWith('--')).map((part) => part.slice(2))
}

function fieldsOf(header: string, faults: string[]): [string, string][] {
  const fields: [string, string][] = []
  for (const field of header.split(/\r\n(?![ \t])/)) {
    const [, name, value] = /^([!-9;-~]+):([\s\S]*)$/.exec(field) ?? []
    if (name === undefined || value === undefined) faults.push(`no field: ${field.slice(0, 60)}`)
    else fields.push([name.toLowerCase(), value.replace(/\r\n/g, '').trim()])
    if (/\r\n[ \t]*(?:\r\n|$)/.test(field)) faults.push(`a folded line of white space: ${field.slice(0, 60)}`)
  }
  return fields
}

function checkPart(part: string, faults: string[]): void {
  const end = part.indexOf('\r\n\r\n')
  const fields = fieldsOf(part.slice(0, end), faults)
  const body = part.slice(end + 4)
  const type = fields.find(([name]) => name === 'content-type')?.[1] ?? 'text/plain'
  const encoding = fields.find(([name]) => name === 'content-transfer-encoding')?.[1] ?? '7bit'
  if (/[\x80-\xff]/.test(body) && encoding !== '8bit') faults.push(`8-bit octets in ${type}`)
  if (/^message\/(?:global-)?delivery-status/.test(type)) checkStatus(body, type.includes('global'), faults)
}

const PER_MESSAGE = ['original-envelope-id', 'reporting-mta', 'arrival-date']
const SYNTAX: Readonly<Record<string, RegExp>> = {
  'final-recipient': /^(?:rfc822|utf-8) ?;\S+@\S+$/,
  'original-recipient': /^[a-z0-9-]+ ?; ?\S.*$/i,
  action: /^(?:failed|delayed|delivered|relayed|expanded)$/,
  status: /^[245]\.\d{1,3}\.\d{1,3}$/,
  'remote-mta': /^dns ?; ?\S+$/,
  'diagnostic-code': /^(?:smtp|x-iems); .*$/,
  'last-attempt-date': /^\w{3}, \d{2} \w{3} \d{4} /,
  'will-retry-until': /^\w{3}, \d{2} \w{3} \d{4} /,
  'reporting-mta': /^dns;\S+$/,
  'arrival-date': /^\w{3}, \d{2} \w{3} \d{4} /,
  'original-envelope-id': /^\S.*$/,
}

function checkStatus(body: string, isGlobal: boolean, faults: string[]): void {
  const [message = '', ...recipients] = body.replace(/\r\n$/, '').split('\r\n\r\n')
  const groups = [message, ...recipients].map((group) => fieldsOf(group, faults))
  if (recipients.length === 0) faults.push('no recipient in the report')
  for (const [index, fields] of groups.entries()) {
    const names = fields.map(([name]) => name)
    for (const name of index === 0 ? ['reporting-mta'] : ['final-recipient', 'action', 'status'])
      if (names.filter((one) => one === name).length !== 1) faults.push(`not one field ${name}`)
    for (const [name, value] of fields) {
      if (PER_MESSAGE.includes(name) !== (index === 0)) faults.push(`${name} in the wrong group`)
      if (!SYNTAX[name]?.test(value)) faults.push(`${name}: ${value}`)
      if (!isGlobal && /[^\x20-\x7e]/.test(value)) faults.push(`${name} is not ASCII`)
    }
  }
}
