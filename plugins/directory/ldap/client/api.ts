/**
 * Connections to an LDAP server, for plugins that read another system's directory or write to it.
 */
export { type ServerAddress, serverAddress } from './address.ts'
export { Connection, type Found, LdapRefusal } from './connection.ts'
export { compileFilter, equality } from './filter.ts'
