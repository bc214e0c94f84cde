/** Entries of the directory as the API answers them. */

export type Kind = 'account' | 'group' | 'alias' | 'route' | 'unit'

export interface Entry {
  readonly id: string
  readonly kind: Kind
  readonly name?: string
  readonly match?: string
  readonly path?: string
  readonly displayName?: string
  readonly addresses?: readonly string[]
  readonly targets?: readonly string[]
  readonly target?: { readonly channel: string; readonly nexthop: string }
  readonly roles?: readonly string[]
  readonly status?: string
  readonly quota?: number
  readonly forward?: { readonly to: readonly string[]; readonly keep: boolean }
  readonly mayRelay?: boolean
  readonly sendAs?: readonly string[]
  readonly senders?: string
  readonly hasPassword?: boolean
}

/** One entry, and what the panel shows with it. */
export interface EntryAnswer {
  readonly entry: Entry
  readonly groups?: readonly { readonly id: string; readonly name: string }[]
  readonly members?: readonly {
    readonly id?: string
    readonly name?: string
    readonly address?: string
    readonly path?: string
  }[]
  readonly usage?: { readonly octets: number; readonly messages: number } | null
  readonly appPasswords?: readonly { readonly name: string }[]
  readonly hasSecondFactor?: boolean
  readonly history: readonly {
    readonly at: number
    readonly by: string
    readonly what: string
    readonly fields: object
  }[]
}
