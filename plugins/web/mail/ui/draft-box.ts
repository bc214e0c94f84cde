/**
 * Drafts on this device (IndexedDB): what was typed survives a closed tab, a login that ends and a server that is away.
 */
import type { Draft } from '../store/compose.ts'
import { onDevice } from './device.ts'

export interface KeptDraft {
  readonly key: string
  readonly account: string
  readonly draft: Draft
  /** Its text in plain form. */
  readonly plain: string
}

export const keepDraft = (kept: KeptDraft): Promise<unknown> => onDevice((device) => device.put('drafts', kept))

export const forgetDraft = (key: string): Promise<void> => onDevice((device) => device.delete('drafts', key))

const lockOf = (key: string): string => `iems-draft-${key}`

/** Keeps other windows from opening the draft as well; the answer lets them. */
export function holdDraft(key: string): () => void {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  // Web locks need HTTPS or this machine; without them a second window opens the draft too.
  void navigator.locks?.request(lockOf(key), () => held).catch(() => undefined)
  return release
}

/** Drafts of an account that were open when their window went. */
export async function keptDrafts(account: string): Promise<KeptDraft[]> {
  const all = (await onDevice((device) => device.getAll('drafts'))) as KeptDraft[]
  const locks = new Set((await navigator.locks?.query())?.held?.map(({ name }) => name))
  return all.filter((one) => one.account === account && !locks.has(lockOf(one.key)))
}
