/** The order of the messages of a conversation on this device. */
const KEY = 'iems-newest-first'

export const isNewestFirst = (): boolean => localStorage.getItem(KEY) === 'yes'

export function setNewestFirst(isOn: boolean): void {
  if (isOn) localStorage.setItem(KEY, 'yes')
  else localStorage.removeItem(KEY)
  dispatchEvent(new Event(KEY))
}

/** Calls the listener at each change, until the answer is called. */
export function watchOrder(listener: () => void): () => void {
  addEventListener(KEY, listener)
  return () => removeEventListener(KEY, listener)
}
