/**
 * Where a mail file of a running Domino is: `https://user@host/mail/file.nsf`, with the user's name percent-encoded.
 *
 * Invariants: a password comes from a file, never from the command line; it travels under TLS, or on the express wish of
 * the administrator.
 */
import { readFile } from 'node:fs/promises'
import { Unreadable } from '../nsf/source.ts'

export const isRemote = (path: string) => /^https?:\/\//i.test(path)

export interface Access {
  /** File whose first line is the password. */
  readonly passwordFile?: string
  /** Without TLS. */
  readonly isPlain?: boolean
}

export interface Location {
  readonly url: URL
  readonly user: string
  readonly password: string
}

export async function locate(text: string, { passwordFile, isPlain = false }: Access): Promise<Location> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url?.hostname || url.password !== '' || url.username === '')
    throw new Unreadable(`${text.replace(/:[^:@/]*@/, '@')} must be like https://user@host/mail/file.nsf`)
  if (url.protocol === 'http:' && !isPlain) throw new Unreadable(`${url.host} is asked without TLS only with --plain`)
  if (passwordFile === undefined) throw new Unreadable(`the password of ${url.username} must come from --password-file`)
  const [password = ''] = (await readFile(passwordFile, 'utf8')).split(/\r?\n/)
  return { url, user: decodeURIComponent(url.username), password }
}
