/**
 * LDAP's octets and names, for whoever speaks LDAP too.
 */
export * from './protocol/ber.ts'
export { type Dn, foldDn, foldText, formatDn, parseDn } from './protocol/dn.ts'
