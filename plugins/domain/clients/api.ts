/**
 * The ClientSettings service: how mail programs reach this server, for pages that show it and for DNS records.
 */
import { defineService } from 'iems'

export type ClientProtocol = 'imap' | 'pop3' | 'smtp' | 'jmap' | 'managesieve'

export interface ServerSettings {
  readonly protocol: ClientProtocol
  readonly host: string
  readonly port: number
  /** TLS from the first octet, or after STARTTLS. */
  readonly security: 'tls' | 'starttls'
}

export interface SrvRecord {
  /** `_imaps._tcp`. */
  readonly service: string
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

export interface ClientSettingsApi {
  /** In the order in which a program should try them. */
  servers(): readonly ServerSettings[]
  /** Path of the profile for iPhone, iPad and Mac, on the origin of the HTTP server; the address goes into it. */
  profilePath(address: string): string
  /** SRV records of a domain (RFC 6186, RFC 8314, RFC 8620). */
  srv(): readonly SrvRecord[]
  /** Names in a domain that must lead to the HTTP server: `autoconfig.example.org`. */
  hosts(domain: string): readonly string[]
}
export const ClientSettings = defineService<ClientSettingsApi>('client-settings')
