/** The partners of the configuration, with their keys read and their patterns as functions. */
import { foldDomain, inNetworks } from 'iems'
import { type Identity, type PublicIdentity, readPublic, readSecret } from './identity.ts'
import type { Options, Partner } from './options.ts'
import { hashOf } from './parcel.ts'

export interface Link extends Omit<Partner, 'key' | 'name'> {
  /** Its name in the configuration. */
  readonly name: string
  /** The partner's name for itself in labels. */
  readonly signsAs: string
  readonly publicKey: PublicIdentity | undefined
  readonly dictionaryId: string | undefined
  takes(domain: string): boolean
  maySendFrom(address: string): boolean
  maySendTo(address: string): boolean
  isNetwork(address: string): boolean
}

export interface Links {
  /** This server's name for itself in labels. */
  readonly own: string
  readonly identity: Identity | undefined
  readonly all: readonly Link[]
  byName(name: string): Link | undefined
  bySignature(name: string): Link | undefined
  /** The partner that gets mail for a domain: the one with the closest pattern. */
  forDomain(domain: string): { readonly link: Link; readonly isAny: boolean } | undefined
}

/** A pattern for domains: 'example.org', '.example.org' (all below it), '*'. */
function covers(pattern: string, domain: string): boolean {
  if (pattern === '*') return true
  const folded = foldDomain(pattern.replace(/^\./, '')) ?? ''
  if (folded === '') return false
  return pattern.startsWith('.') ? domain.endsWith(`.${folded}`) : domain === folded
}

export const domainOf = (address: string): string => foldDomain(address.slice(address.lastIndexOf('@') + 1)) ?? ''

function matchAddress(patterns: readonly string[]): (address: string) => boolean {
  return (address) =>
    patterns.some((pattern) =>
      pattern.includes('@') ? pattern.toLowerCase() === address.toLowerCase() : covers(pattern, domainOf(address)),
    )
}

function linkOf(name: string, { key, name: signsAs = name, ...partner }: Partner): Link {
  const { domains, accept, dictionary } = partner
  const maySendFrom = matchAddress(accept.senders ?? domains)
  return {
    ...partner,
    name,
    signsAs,
    publicKey: key === undefined ? undefined : readPublic(key),
    dictionaryId: dictionary && hashOf(dictionary).slice(0, 12),
    takes: (domain) => domains.some((pattern) => covers(pattern, domain)),
    maySendFrom: (address) => address === '' || maySendFrom(address),
    maySendTo: matchAddress(accept.recipients),
    isNetwork: inNetworks(accept.networks),
  }
}

export function createLinks({ name, key, partners }: Options, hostname: string): Links {
  const all = Object.entries(partners).map(([one, partner]) => linkOf(one, partner))
  const names = new Map(all.map((link) => [link.name, link]))
  const signing = new Map(all.map((link) => [link.signsAs, link]))
  return {
    own: name ?? hostname,
    identity: key && readSecret(key.reveal()),
    all,
    byName: (one) => names.get(one),
    bySignature: (one) => signing.get(one),
    forDomain(domain) {
      const exact = all.find(({ domains, to }) => to && domains.some((one) => one !== '*' && covers(one, domain)))
      const any = exact ?? all.find(({ domains, to }) => to && domains.includes('*'))
      return any && { link: any, isAny: exact === undefined }
    },
  }
}
