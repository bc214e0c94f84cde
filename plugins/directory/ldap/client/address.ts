/** The address of an LDAP server, from its URL. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  /** From the first octet, by StartTLS, or not at all. */
  readonly tls: 'implicit' | 'starttls' | 'off'
}

export function serverAddress(text: string, startTls: boolean): ServerAddress {
  const { protocol, hostname, port } = new URL(text)
  const isImplicit = protocol === 'ldaps:'
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isImplicit ? 636 : 389) : Number(port),
    tls: isImplicit ? 'implicit' : startTls ? 'starttls' : 'off',
  }
}
