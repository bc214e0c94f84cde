/**
 * Shared by all pages: the account, short messages, and requests that may need the password again.
 */
import { createContext, useCallback, useContext, useEffect, useState } from 'react'
import { Refused } from '../../app/ui/ask.ts'

interface Server {
  readonly host: string
  readonly port: number
  readonly security: 'tls' | 'starttls' | 'none'
}

/** The answer of GET /api/account. Null: the holder may not change it. */
export interface Shown {
  readonly id: string
  readonly name: string
  readonly displayName: string
  readonly addresses: readonly string[]
  readonly isFresh: boolean
  readonly secrets: { readonly hasPassword: boolean; readonly hasTotp: boolean } | null
  readonly forward: { readonly to: readonly string[]; readonly keep: boolean } | null
  readonly aliases: {
    readonly own: readonly string[]
    readonly domains: readonly string[]
    readonly max: number
  } | null
  readonly servers: { readonly imap: Server; readonly smtp: Server }
  readonly profile: string | null
}

export interface Account {
  readonly account: Shown
  /** Reads the account again; shows the sign-in page when the login has ended. */
  reload(): Promise<void>
  say(text: string, isError?: boolean): void
  /** Runs a change; asks for the password first where the server wants it. False when it failed or was given up. */
  change(work: () => Promise<unknown>, done?: string): Promise<boolean>
  /** Asks for the password now unless it was shown lately. */
  confirm(): Promise<boolean>
}

export const AccountContext = createContext<Account | undefined>(undefined)

export function useAccount(): Account {
  const found = useContext(AccountContext)
  if (!found) throw new Error('this part stands outside of the application')
  return found
}

/** A value from the server: undefined until it is there; `again` reads it once more. */
export function useLoaded<T>(load: () => Promise<T>): {
  readonly value: T | undefined
  readonly error: string
  again(): Promise<void>
} {
  const { reload } = useAccount()
  const [value, setValue] = useState<T>()
  const [error, setError] = useState('')
  const again = useCallback(async () => {
    try {
      setValue(await load())
      setError('')
    } catch (cause) {
      if (cause instanceof Refused && cause.status === 401) await reload()
      setError((cause as Error).message)
    }
  }, [])
  useEffect(() => void again(), [again])
  return { value, error, again }
}
