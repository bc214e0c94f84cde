/** The options of the plugin; their descriptions become docs/config.md. */
import { duration, network } from 'iems'
import * as z from 'zod'
import { isDomain } from '../../directory/static/api.ts'

const domain = z.string().refine(isDomain, 'must be a domain')

const connector = z.strictObject({
  channel: z.string().min(1).describe('Channel that leads to Domino, such as one of smtp-out.'),
  nexthop: z.string().min(1).describe('The Domino server, as that channel takes it.'),
  hosts: z
    .array(network())
    .default([])
    .describe('Networks of the Domino servers, whose messages may have Notes names.'),
  domains: z.array(domain).default([]).describe('Domains at which an address may have a Notes name as its local part.'),
  directory: z
    .strictObject({
      file: z.string().min(1).describe('A copy of names.nsf, a DXL file, or LDIF of Domino\u2019s LDAP.'),
      interval: duration().prefault('1 h').describe('Time between two runs.'),
    })
    .optional()
    .describe('Brings persons and groups of Domino into the directory on a schedule.'),
})

export const options = z.strictObject({
  domain: domain
    .default('notes.invalid')
    .describe('Domain of the addresses that stand for Notes names which the directory does not know.'),
  connector: connector.optional().describe('Mail to and from a Domino server that is still in use.'),
})

export type Options = z.output<typeof options>
export type Connector = z.output<typeof connector>
