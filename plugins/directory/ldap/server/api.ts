/**
 * LDAP's encoding and names, for other LDAP implementations.
 */
export * from './protocol/ber.ts'
export { type Dn, foldDn, foldText, formatDn, parseDn } from './protocol/dn.ts'
