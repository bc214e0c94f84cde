/**
 * Thunderbird's autoconfig: clientConfig version 1.1 (draft-ietf-mailmaint-autoconfig). Pure.
 */
import { escapeHtml } from 'iems'
import type { ServerSettings } from './api.ts'

export interface AutoconfigFacts {
  readonly domain: string
  readonly name: string
  readonly servers: readonly ServerSettings[]
}

export function autoconfig({ domain, name, servers }: AutoconfigFacts): string {
  const mail = servers.filter(({ protocol }) => protocol === 'imap' || protocol === 'pop3')
  const smtp = servers.filter(({ protocol }) => protocol === 'smtp')
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<clientConfig version="1.1">',
    `  <emailProvider id="${escapeHtml(domain)}">`,
    `    <domain>${escapeHtml(domain)}</domain>`,
    `    <displayName>${escapeHtml(name)}</displayName>`,
    `    <displayShortName>${escapeHtml(name)}</displayShortName>`,
    ...mail.map((one) => serverXml('incomingServer', one)),
    ...smtp.map((one) => serverXml('outgoingServer', one)),
    '  </emailProvider>',
    '</clientConfig>',
    '',
  ].join('\n')
}

function serverXml(element: string, { protocol, host, port, security }: ServerSettings): string {
  return [
    `    <${element} type="${protocol}">`,
    `      <hostname>${escapeHtml(host)}</hostname>`,
    `      <port>${port}</port>`,
    `      <socketType>${security === 'tls' ? 'SSL' : 'STARTTLS'}</socketType>`,
    '      <authentication>password-cleartext</authentication>',
    '      <username>%EMAILADDRESS%</username>',
    `    </${element}>`,
  ].join('\n')
}
