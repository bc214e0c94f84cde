/**
 * The configuration profile for iPhone, iPad and Mac: one mail account (Apple, Configuration Profile Reference). Pure.
 *
 * Invariants: the same account has the same identifiers, so that a newer profile replaces the older one.
 */
import { createHash } from 'node:crypto'
import { escapeHtml } from 'iems'
import type { ServerSettings } from './api.ts'

export interface ProfileFacts {
  readonly address: string
  readonly domain: string
  readonly name: string
  readonly servers: readonly ServerSettings[]
}

type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value }

/** Undefined without a server to read mail from and one to send it to. */
export function mobileconfig({ address, domain, name, servers }: ProfileFacts): string | undefined {
  const incoming = servers.find(({ protocol }) => protocol === 'imap' || protocol === 'pop3')
  const outgoing = servers.find(({ protocol }) => protocol === 'smtp')
  if (!incoming || !outgoing) return undefined
  const reversed = domain.split('.').reverse().join('.')
  const id = createHash('sha256').update(address.toLowerCase()).digest('hex')
  const account: Value = {
    PayloadType: 'com.apple.mail.managed',
    PayloadVersion: 1,
    PayloadIdentifier: `${reversed}.mail.${id.slice(0, 16)}.account`,
    PayloadUUID: uuidOf(id.slice(0, 32)),
    PayloadDisplayName: name,
    EmailAccountDescription: name,
    EmailAccountType: incoming.protocol === 'imap' ? 'EmailTypeIMAP' : 'EmailTypePOP',
    EmailAddress: address,
    ...sideOf('IncomingMailServer', incoming, address),
    ...sideOf('OutgoingMailServer', outgoing, address),
    OutgoingPasswordSameAsIncomingPassword: true,
  }
  const profile: Value = {
    PayloadType: 'Configuration',
    PayloadVersion: 1,
    PayloadIdentifier: `${reversed}.mail.${id.slice(0, 16)}`,
    PayloadUUID: uuidOf(id.slice(32)),
    PayloadDisplayName: name,
    PayloadDescription: address,
    PayloadOrganization: domain,
    PayloadRemovalDisallowed: false,
    PayloadContent: [account],
  }
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    plist(profile),
    '</plist>',
    '',
  ].join('\n')
}

/** Apple negotiates STARTTLS where the port does not use TLS from the first octet. */
function sideOf(side: string, { host, port }: ServerSettings, address: string): Record<string, Value> {
  return {
    [`${side}Authentication`]: 'EmailAuthPassword',
    [`${side}HostName`]: host,
    [`${side}PortNumber`]: port,
    [`${side}UseSSL`]: true,
    [`${side}Username`]: address,
  }
}

/** Version 4 in form (RFC 9562), made of a hash. */
function uuidOf(hex: string): string {
  const [a = '', b = '', c = '', d = ''] = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(13, 16), hex.slice(17, 20)]
  return `${a}-${b}-4${c}-8${d}-${hex.slice(20, 32)}`.toUpperCase()
}

function plist(value: Value): string {
  if (typeof value === 'string') return `<string>${escapeHtml(value)}</string>`
  if (typeof value === 'number') return `<integer>${value}</integer>`
  if (typeof value === 'boolean') return value ? '<true/>' : '<false/>'
  if (Array.isArray(value)) return `<array>\n${value.map(plist).join('\n')}\n</array>`
  const pairs = Object.entries(value).map(([key, one]) => `<key>${escapeHtml(key)}</key>\n${plist(one)}`)
  return `<dict>\n${pairs.join('\n')}\n</dict>`
}
