/**
 * Roles of servers that share a store: the plugins whose work runs on this one.
 */
import { hostname } from 'node:os'
import type { Config } from './config-schema.ts'

/** The other servers on which the work of a plugin runs; undefined when it runs on this one. */
export function elsewhereOf(config: Config, plugin: string): string | undefined {
  const { settings } = [...config.channels, ...config.plugins].find(({ name }) => name === plugin) ?? {}
  const { nodes } = settings ?? {}
  return nodes === undefined || nodes.includes(config.node ?? hostname()) ? undefined : `runs on ${nodes.join(', ')}`
}
