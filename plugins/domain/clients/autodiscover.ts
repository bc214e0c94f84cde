/**
 * Outlook's autodiscover: plain XML (POX, MS-OXDSCLI) and the JSON that leads to it (version 2). Pure.
 */
import { escapeHtml } from 'iems'
import type { ServerSettings } from './api.ts'
import { addressIn } from './settings.ts'

const RESPONSE = 'http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006'
const OUTLOOK = 'http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a'

/** The address in a request (MS-OXDSCLI section 2.2.3.1); undefined when there is none, or it wants another answer. */
export function addressAsked(body: string): string | undefined {
  const schema = /<AcceptableResponseSchema>([^<]{1,200})</.exec(body)?.[1]?.trim()
  if (schema !== undefined && schema !== OUTLOOK) return undefined
  return addressIn(/<EMailAddress>([^<]{1,300})</.exec(body)?.[1]?.trim())?.address
}

/** Section 2.2.4.1. */
export function poxAnswer(address: string, servers: readonly ServerSettings[]): string {
  const protocols = servers.filter(({ protocol }) => protocol === 'imap' || protocol === 'pop3' || protocol === 'smtp')
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    `<Autodiscover xmlns="${RESPONSE}">`,
    `  <Response xmlns="${OUTLOOK}">`,
    `    <User><DisplayName>${escapeHtml(address)}</DisplayName></User>`,
    '    <Account>',
    '      <AccountType>email</AccountType>',
    '      <Action>settings</Action>',
    ...protocols.map((one) => protocolXml(address, one)),
    '    </Account>',
    '  </Response>',
    '</Autodiscover>',
    '',
  ].join('\n')
}

function protocolXml(address: string, { protocol, host, port, security }: ServerSettings): string {
  return [
    '      <Protocol>',
    `        <Type>${protocol.toUpperCase()}</Type>`,
    `        <Server>${escapeHtml(host)}</Server>`,
    `        <Port>${port}</Port>`,
    '        <DomainRequired>off</DomainRequired>',
    `        <LoginName>${escapeHtml(address)}</LoginName>`,
    '        <SPA>off</SPA>',
    '        <SSL>on</SSL>',
    `        <Encryption>${security === 'tls' ? 'SSL' : 'TLS'}</Encryption>`,
    '        <AuthRequired>on</AuthRequired>',
    ...(protocol === 'smtp' ? ['        <UsePOPAuth>off</UsePOPAuth>', '        <SMTPLast>off</SMTPLast>'] : []),
    '      </Protocol>',
  ].join('\n')
}

/** Section 2.2.4.1.1.1.2: error 600 is an invalid request. */
export function poxError(now: Date): string {
  return [
    '<?xml version="1.0" encoding="utf-8"?>',
    `<Autodiscover xmlns="${RESPONSE}">`,
    '  <Response>',
    `    <Error Time="${now.toISOString().slice(11, 23)}" Id="1">`,
    '      <ErrorCode>600</ErrorCode>',
    '      <Message>Invalid Request</Message>',
    '      <DebugData/>',
    '    </Error>',
    '  </Response>',
    '</Autodiscover>',
    '',
  ].join('\n')
}

export interface JsonAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, string>>
}

/** The only protocol of version 2 that this server has is the way to version 1. */
export function jsonAnswer(protocol: string | undefined, web: string): JsonAnswer {
  if (protocol?.toLowerCase() === 'autodiscoverv1')
    return { status: 200, body: { Protocol: 'AutodiscoverV1', Url: `https://${web}/autodiscover/autodiscover.xml` } }
  return {
    status: 400,
    body: {
      ErrorCode: 'InvalidProtocol',
      ErrorMessage: "The given protocol value is invalid. Supported values are 'AutodiscoverV1'.",
    },
  }
}
